import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import {
  createResourceStack,
  describeWithUpstream,
  runUpstreamCrawlers,
  temporaryFolder,
} from '@lafs/interop'
import { createDiskStore } from '@lafs/share-store-disk'
import { createStorageServer } from '@lafs/storage-server'
import type { StorageCrawlers } from '@lafs/storage-server'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import { afterEach, expect, it } from 'vitest'

// One folder of shares, walked by the crawlers of both in turn: what one leaves the other takes up.

const DAY = 24 * 60 * 60
const AGE = 31 * DAY
type Json = Readonly<Record<string, unknown>>

interface Recorded {
  readonly now: number
  readonly files: readonly { readonly path: string; readonly data: string }[]
  readonly emptyBuckets: readonly string[]
  readonly cases: readonly {
    readonly policy: { readonly name: string }
    readonly cycles: readonly {
      readonly history: Readonly<Record<string, Json>>
      readonly changed: Readonly<Record<string, string | null>>
    }[]
  }[]
}

const { now, files, emptyBuckets, cases } = await loadVectors<Recorded>('crawlers/leases')
const expected = cases.find(({ policy }) => policy.name === 'by an age of 31 days')?.cycles
const BUCKET_COUNT = 20

/** How one of the two walks: until the end of a cycle, or to the middle of it. */
type Walk = (storage: string, nowSeconds: number, whole: boolean) => Promise<void>

const upstream: Walk = (storage, nowSeconds, whole) =>
  runUpstreamCrawlers(storage, {
    nowSeconds,
    expiration: { enabled: true, overrideLeaseDuration: AGE },
    ...(!whole && { slices: 400 }),
  })

const own: Walk = async (folder, nowSeconds, whole) => {
  const waiting: (() => void)[] = []
  const server = createStorageServer({
    store: await createDiskStore({ folder }),
    now: () => nowSeconds * 1000,
    schedule: (callback) => {
      waiting.push(callback)
      return () => {}
    },
    expiration: {
      enabled: true,
      mode: { kind: 'age', overrideLeaseDurationSeconds: AGE },
      immutable: true,
      mutable: true,
    },
  })
  const crawlers = await server.startCrawlers()
  const before = progressOf(crawlers)
  const goal = (one: Position, then: Position | undefined): boolean =>
    whole
      ? one['last-cycle-finished'] !== then?.['last-cycle-finished']
      : one['last-complete-prefix'] !== null
  const done = (): boolean => progressOf(crawlers).every((one, at) => goal(one, before[at]))
  while (!done()) {
    // A slice of each; those that are done rest until the next cycle.
    const ready = waiting.splice(0)
    for (const slice of ready) slice()
    while (waiting.length < ready.length) await turn()
  }
  await server.close()
}

interface Position {
  readonly 'last-cycle-finished': number | null
  readonly 'last-complete-prefix': string | null
}

const progressOf = (crawlers: StorageCrawlers): Position[] => [
  crawlers.leaseChecker.state(),
  crawlers.bucketCounter.state(),
]

/** What both count alike: not the room that a file system takes, nor what upstream thinks it deleted. */
function counted(record: Json | undefined): unknown {
  const { 'space-recovered': space, ...rest } = record ?? {}
  const counts = Object.entries((space ?? {}) as Json).filter(
    ([key]) => !key.includes('diskbytes') && !key.startsWith('actual') && !key.endsWith('-buckets'),
  )
  const { 'configured-expiration-mode': _mode, 'cycle-start-finish-times': _times, ...same } = rest
  return { ...same, counts: Object.fromEntries(counts) }
}

describeWithUpstream('crawlers', () => {
  const resources = createResourceStack()
  afterEach(() => resources[Symbol.asyncDispose]())

  /** A folder as it was recorded. */
  async function filledStorage(): Promise<string> {
    const storage = join(resources.use(await temporaryFolder()).path, 'storage')
    for (const { path, data } of files) {
      const full = join(storage, 'shares', path)
      await mkdir(dirname(full), { recursive: true })
      await writeFile(full, fromHex(data))
    }
    for (const name of emptyBuckets) {
      const bucket = new TextDecoder().decode(fromHex(name))
      await mkdir(join(storage, 'shares', bucket.slice(0, 2), bucket), { recursive: true })
    }
    return storage
  }

  const readState = async (storage: string, name: string): Promise<Json> =>
    JSON.parse(await readFile(join(storage, name), 'utf8')) as Json
  const historyOf = async (storage: string): Promise<Readonly<Record<string, Json>>> =>
    (await readState(storage, 'lease_checker.history.json')) as Readonly<Record<string, Json>>
  const bucketCountOf = async (storage: string): Promise<unknown> =>
    (await readState(storage, 'bucket_counter.state.json'))['last-complete-bucket-count']

  /** The share files that are others than they were, and those that are gone. */
  async function changes(storage: string): Promise<Record<string, string | null>> {
    const found: Record<string, string | null> = {}
    for (const { path, data } of files) {
      const bytes = await readFile(join(storage, 'shares', path)).catch(() => undefined)
      const left = bytes === undefined ? null : toHex(new Uint8Array(bytes))
      if (left !== data) found[path] = left
    }
    return found
  }

  for (const [name, first, second] of [
    ['ours after upstream’s', upstream, own],
    ['upstream’s after ours', own, upstream],
  ] as const) {
    it(`goes on to the next cycle: ${name}`, async () => {
      const storage = await filledStorage()
      await first(storage, now, true)
      const before = await historyOf(storage)
      expect(counted(before['0'])).toEqual(counted(expected?.[0]?.history['0']))
      expect(await changes(storage)).toEqual(expected?.[0]?.changed)
      await second(storage, now + DAY, true)
      const after = await historyOf(storage)
      expect(after['0']).toEqual(before['0'])
      expect(counted(after['1'])).toEqual(counted(expected?.[1]?.history['1']))
      expect(await changes(storage)).toEqual(expected?.[0]?.changed)
      expect(await readState(storage, 'lease_checker.state.json')).toMatchObject({
        'last-cycle-finished': 1,
        'current-cycle': null,
      })
    })
  }

  it('goes on in the middle of a cycle: ours after upstream’s', async () => {
    const storage = await filledStorage()
    await upstream(storage, now, false)
    expect(await readState(storage, 'lease_checker.state.json')).toMatchObject({
      'current-cycle': 0,
    })
    await own(storage, now, true)
    expect(counted((await historyOf(storage))['0'])).toEqual(counted(expected?.[0]?.history['0']))
    expect(await changes(storage)).toEqual(expected?.[0]?.changed)
    expect(await bucketCountOf(storage)).toBe(BUCKET_COUNT)
  })

  it('goes on in the middle of a cycle: upstream’s after ours', async () => {
    const storage = await filledStorage()
    await own(storage, now, false)
    expect(await readState(storage, 'lease_checker.state.json')).toMatchObject({
      'current-cycle': 0,
    })
    await upstream(storage, now, true)
    const history = await historyOf(storage)
    // Upstream takes up no histogram of ages, not even one of its own.
    const { 'lease-age-histogram': _ages, ...found } = counted(history['0']) as Json
    const { 'lease-age-histogram': _all, ...wanted } = counted(expected?.[0]?.history['0']) as Json
    expect(found).toEqual(wanted)
    expect(await changes(storage)).toEqual(expected?.[0]?.changed)
    // Nor does it add up what was counted before it.
    expect(await bucketCountOf(storage)).toBe(null)
    await upstream(storage, now + DAY, true)
    const buckets = await readdir(join(storage, 'shares'), { recursive: true, withFileTypes: true })
    // Ours removes the buckets that it empties.
    expect(await bucketCountOf(storage)).toBe(
      buckets.filter((one) => one.isDirectory() && one.name.length === 26).length,
    )
  })
})
