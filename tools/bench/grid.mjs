// Serves a local grid in a process of its own until standard input ends.
//   node tools/bench/grid.mjs FOLDER COUNT
import { tuneForStorage, tuneProcess } from '../../packages/cli/dist/tune-process.js'
import { createLocalGrid } from '../../packages/node-directory/dist/index.js'

// As `lafs run` does it for a storage server.
tuneProcess()
tuneForStorage()
const [folder, count] = process.argv.slice(2)
const grid = await createLocalGrid({ folder, servers: Number(count) })
process.stdout.write('ready\n')
process.stdin.resume()
process.stdin.on('end', () => {
  void grid.close().then(() => process.exit())
})
