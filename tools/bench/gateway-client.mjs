// Times a gateway through HTTP, in a process of its own: the median of a few rounds, and the peak of its
// memory while the file passes in all of them. Prints one line of JSON.
//   node tools/bench/gateway-client.mjs WEB_URL GATEWAY_PID FILE
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'

const [webUrl, pid, file] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })
const size = statSync(file).size
const ROUNDS = 3

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

/** The bytes of the file, but for a few that make it another file in each round. */
async function* another(path, round) {
  let isFirst = true
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 18 })) {
    if (isFirst) piece.writeUInt32LE(round)
    isFirst = false
    yield piece
  }
}

const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]

/** The peak of the gateway's memory since it was last forgotten. */
function peakBytes() {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024
}

// Everything that is loaded or connected once is there before the clock starts.
for (let round = 0; round < 3; round++) await get(await put(randomBytes(5000), 5000), 5000)
const measuresMemory = process.platform === 'linux'
const rows = []
const peaks = []
for (let round = 0; round < ROUNDS; round++) {
  if (measuresMemory) writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const up = await timed(() => put(another(file, round), size))
  const down = await timed(() => get(up.value, size))
  if (measuresMemory) peaks.push(peakBytes())
  const range = await timed(() => get(up.value, 1024, { range: 'bytes=50000000-50001023' }))
  const middle = await many(20, 1_000_000)
  rows.push([up.ms, down.ms, range.ms, ...middle, ...(await many(100, 10_000))])
}
agent.destroy()
const [up, down, range, putMiddle, getMiddle, putSmall, getSmall] = rows[0].map((_, column) =>
  median(rows.map((row) => row[column])),
)
process.stdout.write(
  `${JSON.stringify({
    'put the file': up,
    'get the file': down,
    'get 1 KiB of it': range,
    'put 20 files of 1 MB': putMiddle,
    'get 20 files of 1 MB': getMiddle,
    'put 100 files of 10 kB': putSmall,
    'get 100 files of 10 kB': getSmall,
    peakBytes: measuresMemory ? Math.max(...peaks) : undefined,
  })}\n`,
)
