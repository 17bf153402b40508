// Times one cycle of our lease checker over a folder of shares. Prints one line of JSON: the seconds of
// its work, those of the processor, and those that it would rest in between.
//   node tools/bench/crawl.mjs STORAGE_FOLDER COUNT
import { createDiskStore } from '../../packages/share-store-disk/dist/index.js'
import { openLeaseChecker } from '../../packages/storage-server/dist/care/lease-checker.js'
import { KEEP_EVERYTHING } from '../../packages/storage-server/dist/care/expiration.js'
import { KeyedQueue } from '../../packages/storage-server/dist/queue.js'

const [folder, count] = process.argv.slice(2)
const store = await createDiskStore({ folder })
const queue = new KeyedQueue()
let wake
let restMs = 0
const context = {
  store,
  now: () => Date.now(),
  inTurn: (key, task) => queue.run(key, task),
  log: (line) => process.stderr.write(`${line}\n`),
  schedule: (callback, ms) => {
    restMs += ms
    wake(callback)
    return () => {}
  },
}
const checker = await openLeaseChecker(context, KEEP_EVERYTHING)
const nextSlice = () =>
  new Promise((resolve) => {
    wake = resolve
  })

let asleep = nextSlice()
checker.start()
let slice = await asleep
// What came before the first slice is a pause after the server's start.
restMs = 0
const begin = performance.now()
const cpuBegin = process.cpuUsage()
while (checker.state()['last-cycle-finished'] === null) {
  asleep = nextSlice()
  const before = restMs
  slice()
  slice = await asleep
  // Nor does the rest until the next cycle count.
  if (checker.state()['last-cycle-finished'] !== null) restMs = before
}
const seconds = (performance.now() - begin) / 1000
const cpu = process.cpuUsage(cpuBegin)
await checker.stop()
const [cycle] = Object.values(checker.state().history)
await store.close()
const seen = cycle['space-recovered']['examined-shares']
if (seen !== Number(count)) throw new Error(`${seen} shares were looked at, not ${count}`)
const cpuSeconds = (cpu.user + cpu.system) / 1e6
process.stdout.write(`${JSON.stringify({ seconds, cpuSeconds, restSeconds: restMs / 1000 })}\n`)
