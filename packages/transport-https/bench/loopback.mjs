// What the transport costs: CPU of both ends a byte, over loopback, the server in a process of its own.
// node packages/transport-https/bench/loopback.mjs [requests in parallel] [requests]   (after a build)
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { httpsTransport } from '../dist/index.js'

const parallel = Number(process.argv[2] ?? 2)
const count = Number(process.argv[3] ?? 400)
const child = fork(new URL('loopback-server.mjs', import.meta.url))
const [announcement] = await once(child, 'message')
const connection = await httpsTransport().connect(announcement)
const server = connection.storageServer

async function serverCpu() {
  child.send('usage')
  const [{ user, system }] = await once(child, 'message')
  return user + system
}

/** Runs an operation `times` times and prints what a byte (or a request) of it costs. */
async function measure(name, times, size, operation) {
  for (let i = 0; i < 20; i++) await operation()
  const serverBefore = await serverCpu()
  const clientBefore = process.cpuUsage()
  const begin = performance.now()
  let left = times
  const work = async () => {
    while (left-- > 0) await operation()
  }
  await Promise.all(Array.from({ length: parallel }, work))
  const ms = performance.now() - begin
  const { user, system } = process.cpuUsage(clientBefore)
  const cost = (us) =>
    size === 0
      ? `${(us / times).toFixed(0)} us`
      : `${((us * 1e3) / (times * size)).toFixed(2)} ns/B`
  const rate =
    size === 0
      ? `${((times / ms) * 1e3).toFixed(0)}/s`
      : `${((times * size) / ms / 1e3).toFixed(0)} MB/s`
  console.log(
    `${name}: ${rate}, client ${cost(user + system)}, server ${cost((await serverCpu()) - serverBefore)}`,
  )
}

const mebibyte = 1 << 20
const data = new Uint8Array(mebibyte).fill(3)
const secret = new Uint8Array(32)
const request = {
  renewSecret: secret,
  cancelSecret: secret,
  shareNumbers: new Set([0]),
  allocatedSize: 2 ** 40,
}
const { writers } = await server.allocateBuckets(new Uint8Array(16), request)
const readers = await server.getBuckets(new Uint8Array(16))
await measure('PATCH 1 MiB', count, mebibyte, () => writers.get(0).write(0, [data]))
await measure('GET 1 MiB', count, mebibyte, () => readers.get(0).read(0, mebibyte))
await measure('GET 350 KB', 3 * count, 350_000, () => readers.get(0).read(0, 350_000))
await measure('GET 8 MiB', count / 8, 8 * mebibyte, () => readers.get(0).read(0, 8 * mebibyte))
await measure('GET /version', 10 * count, 0, () => server.getVersion())
await connection.close()
child.kill()
