// Prints how many bytes of input each provider and kernel encodes in a second (3/10, 1 MiB segments),
// and how many bytes sha256dMany hashes. Run it on the built packages: pnpm --filter @lafs/codec bench
//
// LAFS_UPSTREAM=/path/to/venv measures Python's zfec beside them in the same run. The time is that of the
// processor, on all threads, so that a busy machine matters little. "fresh" is the codec as callers have it, with new memory for
// every result; "reused" gives the addon memory to write to, which shows what the arithmetic takes.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { createNativeCodec, jsCodec, loadWasmCodec } from '@lafs/codec'
import { load } from '@lafs/native'

const SEGMENT = 1024 * 1024
const K = 3
const N = 10
const MEASURE_MS = 500
const ROUNDS = 3

const blockSize = Math.ceil(SEGMENT / K)
const blocks = Array.from({ length: K }, (_, j) =>
  Uint8Array.from({ length: blockSize }, (_value, i) => (i * 31 + j * 7) >> 3),
)
const checkNumbers = Array.from({ length: N - K }, (_, i) => K + i)

/** Gigabytes a second of processor time, in the best round: the others were disturbed. */
async function measure(bytes, operation) {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < 5; i++) await operation()
    const start = performance.now()
    const cpuStart = process.cpuUsage()
    let count = 0
    while (performance.now() - start < MEASURE_MS) {
      await operation()
      count++
    }
    const { user, system } = process.cpuUsage(cpuStart)
    best = Math.max(best, (count * bytes) / (user + system) / 1e3)
  }
  return best
}

const results = []
function report(name, gigabytes) {
  results.push([name, gigabytes])
  console.log(`${name.padEnd(28)} ${gigabytes.toFixed(3).padStart(8)} GB/s`)
}

async function encode(name, provider) {
  const encoder = provider.createEncoder({ requiredShares: K, maxShares: N })
  report(name, await measure(SEGMENT, () => encoder.encode(blocks)))
}

function loadAddon() {
  try {
    return load()
  } catch (error) {
    console.log(`no native codec: ${error.message}`)
    return undefined
  }
}

const ZFEC = `
import time, zfec
k, n, size = ${K}, ${N}, ${blockSize}
blocks = [bytes((i * 31 + j * 7 >> 3) & 255 for i in range(size)) for j in range(k)]
numbers = tuple(range(k, n))
encoder = zfec.Encoder(k, n)
best = 0
for _ in range(${ROUNDS}):
    start = time.process_time()
    count = 0
    while time.process_time() - start < ${MEASURE_MS / 1000}:
        encoder.encode(blocks, numbers)
        count += 1
    best = max(best, count * ${SEGMENT} / (time.process_time() - start) / 1e9)
print(best)
`

async function benchAddon(addon) {
  const provider = createNativeCodec(addon)
  const outputs = checkNumbers.map(() => new Uint8Array(blockSize))
  for (const kernel of addon.kernels) {
    addon.setKernel(kernel)
    await encode(`native ${kernel}, fresh`, provider)
    const reuse = () => addon.fecEncode(K, N, blocks, checkNumbers, outputs)
    report(`native ${kernel}, reused`, await measure(SEGMENT, reuse))
  }
  addon.setKernel(addon.kernels[0])
}

async function benchHash(addon) {
  const prefix = new Uint8Array(38)
  const messages = Array.from({ length: N }, () => blocks[0])
  const hash = () => addon.sha256dMany(prefix, messages)
  for (const kernel of addon.hashKernels) {
    addon.setHashKernel(kernel)
    console.log(
      `${`sha256dMany ${kernel}`.padEnd(28)} ${(await measure(N * blockSize, hash)).toFixed(3).padStart(8)} GB/s`,
    )
  }
  addon.setHashKernel(addon.hashKernels[0])
}

console.log(`encode ${K}/${N}, ${SEGMENT} bytes a segment, bytes of input`)
const upstream = process.env.LAFS_UPSTREAM
const zfec =
  upstream && Number(execFileSync(join(upstream, 'bin/python'), ['-c', ZFEC], { encoding: 'utf8' }))
if (zfec) report('zfec', zfec)
await encode('js', jsCodec)
await encode('wasm', await loadWasmCodec())
const addon = loadAddon()
if (addon) await benchAddon(addon)
if (zfec)
  for (const [name, speed] of results)
    console.log(`${name.padEnd(28)} ${(speed / zfec).toFixed(1).padStart(8)} × zfec`)
if (addon) await benchHash(addon)
