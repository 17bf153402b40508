import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { createClientFromDirectory } from '@lafs/client/node'
import type { IUploadable } from '@lafs/filesystem-interface'
import { uploadableFromFile, uploadableFromStream } from '@lafs/immutable/node'
import { progressBar } from '../progress.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../run.ts'
import { writeTo } from '../terminal.ts'

/** Stores a file and prints its cap. @see allmydata.scripts.tahoe_put */
export async function putCommand(context: CommandContext, file: string | undefined): Promise<void> {
  const { terminal, nodeDirectory, quiet } = context
  await using client = await createClientFromDirectory(nodeDirectory)
  const bar = progressBar(terminal.stderr, { now: terminal.now, quiet })
  const uploadable = await openSource(context, file)
  try {
    const { uri } = await client.upload(uploadable, {
      signal: terminal.signal,
      onProgress: bar.update,
    })
    bar.end()
    if (!quiet) await writeTo(terminal.stderr, '200 OK\n')
    await writeTo(terminal.stdout, `${quoteOutput(uri, { quotationMarks: false })}\n`)
  } finally {
    bar.end()
    await uploadable.close()
  }
}

async function openSource(
  { terminal, quiet }: CommandContext,
  file: string | undefined,
): Promise<IUploadable> {
  const { signal } = terminal
  if (file !== undefined && file !== '-') {
    const path = resolve(terminal.cwd, file)
    if ((await stat(path)).isFile()) return uploadableFromFile(path)
    // A pipe or a device; a folder says that it is one.
    return uploadableFromStream(createReadStream(path, { signal }), { signal })
  }
  if (!quiet) await writeTo(terminal.stderr, 'waiting for file data on stdin..\n')
  return uploadableFromStream(addAbortSignal(signal, terminal.stdin), { signal })
}
