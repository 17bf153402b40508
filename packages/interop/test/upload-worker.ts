// A client that uploads a file, and says how many bytes have been pushed, until it is killed.
import { readFile } from 'node:fs/promises'
import { argv, stdout } from 'node:process'
import { createClient } from '@lafs/client'
import type { ClientOptions } from '@lafs/client'
import { createUploadJournal, uploadableFromFile } from '@lafs/immutable/node'
import { fromHex } from '@lafs/vectors'

/** What the test hands over, as JSON. */
interface Task {
  readonly servers: ClientOptions['servers']
  readonly encoding: ClientOptions['encoding']
  readonly convergence: string
  readonly journal: string
  readonly file: string
}

const task = JSON.parse(await readFile(argv[2] ?? '', 'utf8')) as Task
const client = await createClient({
  servers: task.servers,
  ...(task.encoding && { encoding: task.encoding }),
  convergence: fromHex(task.convergence),
  uploadJournal: createUploadJournal(task.journal),
})
const uploadable = await uploadableFromFile(task.file)
await client.upload(uploadable, {
  onProgress: ({ phase, done }) => {
    if (phase === 'pushing' && done > 0) stdout.write(`pushed ${done}\n`)
  },
})
await uploadable.close()
await client.close()
