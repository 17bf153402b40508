// Times checks through our client, in a process of its own. Prints one line of JSON.
//   node tools/bench/check-client.mjs NODE_DIRECTORY
import { createCheckable, deepCheckEntries } from '../../packages/checker/dist/index.js'
import { createClientFromDirectory } from '../../packages/node-directory/dist/index.js'
import { CHECK_OPERATIONS, warmUpChecks } from './check-operations.mjs'
import { measure } from './measure.mjs'

const client = await createClientFromDirectory(process.argv[2])
const store = {
  upload: async (data) => (await client.upload(data)).uri,
  createDirectory: async (caps) => {
    const node = (cap) => ({ node: client.createNodeFromUri(cap) })
    const children = new Map([...caps].map(([name, cap]) => [name, node(cap)]))
    return (await client.createDirnode(children)).uri
  },
  check: async (cap, options) =>
    (await createCheckable(cap, client.checker).check(options)).healthy,
  deepCheck: async (cap, options) => {
    const root = client.createNodeFromUri(cap)
    let healthy = 0
    for await (const entry of deepCheckEntries(root, client.checker, options)) {
      if (entry.type === 'object' && entry.results?.healthy) healthy += 1
    }
    return healthy
  },
}
await warmUpChecks(store)
const medians = await measure(store, CHECK_OPERATIONS)
await client.close()
process.stdout.write(`${JSON.stringify(medians)}\n`)
