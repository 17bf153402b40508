// A storage server that stores, renews, cancels and expires until it is killed. Each line that it
// prints was acknowledged: `k <file>` stored, `o <file>` stored long ago, `r <file>` such a one renewed,
// `c <file>` cancelled, `m <file> <version>` written, `e <cycle>` a cycle of the lease checker done.
import { argv, stdout } from 'node:process'
import { createDiskStore } from '@lafs/share-store-disk'
import { createStorageServer, type StorageServer } from '../src/index.ts'
import { AHEAD_MS, killData, killIndex, killPolicy, killSecrets, versionData } from './kill-data.ts'

const [, , folder = '', start = '0'] = argv
const store = await createDiskStore({ folder })
let aheadMs = AHEAD_MS
const server = createStorageServer({
  store,
  expiration: killPolicy,
  now: () => Date.now() + aheadMs,
  schedule: (callback) => {
    const timer = setTimeout(callback, 1)
    return () => {
      clearTimeout(timer)
    }
  },
})
const say = (...words: (string | number)[]): void => {
  stdout.write(`${words.join(' ')}\n`)
}

async function upload(
  to: StorageServer,
  kind: string,
  file: number,
  shareNumbers: number[],
): Promise<void> {
  const data = killData(file)
  const request = {
    ...killSecrets(1),
    shareNumbers: new Set(shareNumbers),
    allocatedSize: data.length,
  }
  const { writers } = await to.allocateBuckets(killIndex(kind, file), request)
  await Promise.all(
    [...writers.values()].map(async (writer) => {
      const half = data.length >> 1
      await writer.write(half, [data.subarray(half)])
      await writer.write(0, [data.subarray(0, half)])
      await writer.close()
    }),
  )
}

async function keep(): Promise<never> {
  for (let file = Number(start); ; file += 1) {
    await upload(server, 'k', file, [0, 1])
    say('k', file)
    if (file % 4 !== 0) continue
    await server.addLease(killIndex('k', file), killSecrets(2))
    await server.cancelLease(killIndex('k', file), 0, killSecrets(1).cancelSecret)
    await server.cancelLease(killIndex('k', file), 1, killSecrets(1).cancelSecret)
    await server.cancelLease(killIndex('k', file), 1, killSecrets(2).cancelSecret)
    say('c', file)
  }
}

/** Shares whose leases were made long ago; every other one is renewed if it still stands. */
async function old(): Promise<never> {
  const longAgo = createStorageServer({ store })
  for (let file = Number(start); ; file += 1) {
    const kind = file % 2 === 0 ? 'r' : 'o'
    await upload(longAgo, kind, file, [0])
    say('o', file)
    if (kind === 'o') continue
    const held = await server.addLease(killIndex(kind, file), killSecrets(3)).then(
      () => true,
      () => false,
    )
    if (held) say('r', file)
  }
}

async function slots(): Promise<never> {
  for (let version = Number(start); ; version += 1) {
    for (const file of [0, 1]) {
      const data = versionData(version)
      const vectors = { test: [], write: [{ offset: 0, data }], newLength: data.length }
      const secrets = {
        ...killSecrets(1 + (version % 6)),
        writeEnabler: new Uint8Array(32).fill(9),
      }
      const changes = new Map([0, 1].map((n) => [n, vectors]))
      await server.slotTestvAndReadvAndWritev(killIndex('m', file), secrets, changes, [])
      say('m', file, version)
    }
  }
}

const { leaseChecker } = await server.startCrawlers()
let cycle = leaseChecker.state()['last-cycle-finished']
setInterval(() => {
  const last = leaseChecker.state()['last-cycle-finished']
  if (last !== cycle) say('e', last ?? -1)
  cycle = last
}, 1)
await Promise.all([keep(), old(), slots()])
