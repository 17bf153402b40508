// Times mutable files and directories through our client, in a process of its own. Prints one line of JSON.
//   node tools/bench/mutable-client.mjs NODE_DIRECTORY
import { createClientFromDirectory } from '../../packages/node-directory/dist/index.js'
import { MDMF_VERSION, SDMF_VERSION } from '../../packages/storage-interface/dist/index.js'
import { measure } from './measure.mjs'
import { OPERATIONS, warmUp } from './mutable-operations.mjs'

const client = await createClientFromDirectory(process.argv[2])
const store = {
  // Keys come from the pool, which refills while nothing else goes on.
  rest: async (name, round) => {
    const makesFile = /create|mkdir|at once/.test(name)
    const delayMs = round === 0 ? 2500 : makesFile ? 400 : 0
    await new Promise((resolve) => setTimeout(resolve, delayMs))
  },
  createFile: async (data, format) => {
    const version = format === 'mdmf' ? MDMF_VERSION : SDMF_VERSION
    const node = await client.createMutableFile(data, { version })
    return node.uri
  },
  overwrite: (cap, data) => client.createNodeFromUri(cap).overwrite(data),
  read: (cap) => client.createNodeFromUri(cap).downloadBestVersion(),
  readRange: async (cap, offset, size) => {
    const version = await client.createNodeFromUri(cap).bestReadableVersion()
    const pieces = []
    for await (const piece of version.read({ offset, size })) pieces.push(piece)
    return Buffer.concat(pieces)
  },
  patch: async (cap, offset, data) => {
    const version = await client.createNodeFromUri(cap).bestMutableVersion()
    await version.update(data, offset)
  },
  createDirectory: async () => (await client.createDirnode()).uri,
  addChild: (directory, name, cap) => client.createNodeFromUri(directory).setUri(name, cap),
  addChildren: (directory, caps) =>
    client
      .createNodeFromUri(directory)
      .setChildren(new Map([...caps].map(([name, cap]) => [name, { readonlyUri: cap }]))),
  countChildren: async (directory) => (await client.createNodeFromUri(directory).list()).size,
}
await warmUp(store)
const medians = await measure(store, OPERATIONS)
await client.close()
process.stdout.write(`${JSON.stringify(medians)}\n`)
