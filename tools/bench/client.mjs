// Uploads a file and downloads it again, in a process of its own. Prints one line of JSON.
//   node tools/bench/client.mjs NODE_DIRECTORY FILE SHA256 [random]
import { createHash } from 'node:crypto'
import { createClientFromDirectory } from '../../packages/node-directory/dist/index.js'
import { uploadableFromFile } from '../../packages/immutable/dist/node.js'

const [folder, file, sha256, key] = process.argv.slice(2)
const client = await createClientFromDirectory(folder)
// Everything that is loaded or connected once is there before the clock starts.
await client.upload(new Uint8Array(1000))
const idleBytes = process.memoryUsage.rss()
// The peak of the start is not that of the work.
let peakBytes = 0
const watch = setInterval(() => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
}, 50)

async function timed(work) {
  const cpu = process.cpuUsage()
  const begin = performance.now()
  const value = await work()
  const { user, system } = process.cpuUsage(cpu)
  return { value, ms: performance.now() - begin, cpuMs: (user + system) / 1000 }
}

const uploadable = await uploadableFromFile(
  file,
  key === 'random' ? { encryptionKey: 'random' } : {},
)
const up = await timed(() => client.upload(uploadable))
await uploadable.close()
const uploadPeakBytes = peakBytes
peakBytes = 0
const hash = createHash('sha256')
let size = 0
let hashMs = 0
const down = await timed(async () => {
  for await (const piece of client.createNodeFromUri(up.value.uri).read()) {
    size += piece.length
    const begin = performance.now()
    hash.update(piece)
    hashMs += performance.now() - begin
  }
})
clearInterval(watch)
if (hash.digest('hex') !== sha256) throw new Error('the file came back as another')
const downloadPeakBytes = peakBytes
await client.close()
process.stdout.write(
  `${JSON.stringify({
    size,
    upMs: up.ms,
    upCpuMs: up.cpuMs,
    // Comparing is the benchmark's work, not the client's.
    downMs: down.ms - hashMs,
    downCpuMs: down.cpuMs - hashMs,
    idleBytes,
    uploadPeakBytes,
    downloadPeakBytes,
    codec: `${client.codec.name} (${client.codec.capabilities.kernel})`,
  })}\n`,
)
