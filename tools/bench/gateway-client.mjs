// Times a gateway through HTTP, in a process of its own. Prints one line of JSON.
//   node tools/bench/gateway-client.mjs WEB_URL GATEWAY_PID FILE
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'

const [webUrl, pid, file] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })
const size = statSync(file).size

/** Sends a request; counts the bytes of the answer, or gives them where they are few. */
async function ask(method, path, body, headers = {}) {
  const sent = request(new URL(path, webUrl), { method, agent, headers })
  const [[response]] = await Promise.all([
    once(sent, 'response'),
    body instanceof Uint8Array || body === undefined ? sent.end(body) : pipeline(body, sent),
  ])
  let count = 0
  const pieces = []
  for await (const piece of response) {
    count += piece.length
    if (count < 1000) pieces.push(piece)
  }
  if (response.statusCode >= 300) {
    throw new Error(`${response.statusCode} to ${method}: ${Buffer.concat(pieces)}`)
  }
  return { count, text: Buffer.concat(pieces).toString() }
}

const put = async (body, length) =>
  (await ask('PUT', 'uri', body, { 'content-length': length })).text.trim()

async function get(cap, expected, headers) {
  const { count } = await ask('GET', `uri/${encodeURIComponent(cap)}`, undefined, headers)
  if (count !== expected) throw new Error(`expected ${expected} bytes, got ${count}`)
}

async function timed(work) {
  const begin = performance.now()
  const value = await work()
  return { value, ms: performance.now() - begin }
}

/** Puts files one after the other, and gets them again. */
async function many(count, length) {
  const files = Array.from({ length: count }, () => randomBytes(length))
  const up = await timed(async () => {
    const caps = []
    for (const data of files) caps.push(await put(data, length))
    return caps
  })
  const down = await timed(async () => {
    for (const cap of up.value) await get(cap, length)
  })
  return [up.ms, down.ms]
}

/** The peak of the gateway's memory since its start, or since it was last forgotten. */
function peakBytes() {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024
}

// Everything that is loaded or connected once is there before the clock starts.
for (let round = 0; round < 3; round++) await get(await put(randomBytes(5000), 5000), 5000)
const measuresMemory = process.platform === 'linux'
if (measuresMemory) writeFileSync(`/proc/${pid}/clear_refs`, '5')
const up = await timed(() => put(createReadStream(file, { highWaterMark: 1 << 18 }), size))
const down = await timed(() => get(up.value, size))
const peak = measuresMemory ? peakBytes() : undefined
const range = await timed(() => get(up.value, 1024, { range: 'bytes=50000000-50001023' }))
const [putMiddle, getMiddle] = await many(20, 1_000_000)
const [putSmall, getSmall] = await many(100, 10_000)
agent.destroy()
process.stdout.write(
  `${JSON.stringify({
    'put the file': up.ms,
    'get the file': down.ms,
    'get 1 KiB of it': range.ms,
    'put 20 files of 1 MB': putMiddle,
    'get 20 files of 1 MB': getMiddle,
    'put 100 files of 10 kB': putSmall,
    'get 100 files of 10 kB': getSmall,
    peakBytes: peak,
  })}\n`,
)
