import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { createDiskStore, openDiskStore } from '@lafs/share-store-disk'
import type { IShareStore } from '@lafs/storage-interface'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBucketCounter } from '../src/care/bucket-counter.ts'
import { openLeaseChecker } from '../src/care/lease-checker.ts'
import { expiringShares, surveyShares, type ExpirationPolicy } from '../src/index.ts'
import { runCycles, Stepper } from './stepper.ts'

interface Policy {
  name: string
  enabled: boolean
  mode: 'age' | 'cutoff-date'
  overrideLeaseDuration: number | null
  cutoffDate: number | null
  shareTypes: string[]
}
type Json = Record<string, unknown>
type Changed = Record<string, string | null>
interface Leases {
  now: number
  files: { path: string; data: string }[]
  emptyBuckets: string[]
  cases: {
    policy: Policy
    cycles: { time: number; state: Json; history: Json; changed: Changed }[]
  }[]
  sliced: {
    policy: Policy
    slices: { slice: number; state: Json; history: Json; progress: Json; changed: Changed }[]
  }[]
}
const recorded = await loadVectors<Leases>('crawlers/leases')
const buckets = await loadVectors<{
  steps: { after: string; time: number; file: string; progress: Json }[]
}>('crawlers/buckets')

let folder: string
let store: IShareStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-crawlers-'))
  for (const { path, data } of recorded.files) await lay(path, fromHex(data))
  for (const name of recorded.emptyBuckets) {
    const text = new TextDecoder().decode(fromHex(name))
    await mkdir(join(folder, 'shares', text.slice(0, 2), text), { recursive: true })
  }
  store = await createDiskStore({ folder })
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

async function lay(path: string, data: Uint8Array): Promise<void> {
  const full = join(folder, 'shares', ...path.split('/'))
  await mkdir(dirname(full), { recursive: true })
  await writeFile(full, data)
}

function policyOf({ enabled, mode, ...policy }: Policy): ExpirationPolicy {
  return {
    enabled,
    mode:
      mode === 'age'
        ? { kind: mode, overrideLeaseDurationSeconds: policy.overrideLeaseDuration ?? undefined }
        : { kind: mode, cutoffSeconds: policy.cutoffDate ?? -1 },
    immutable: policy.shareTypes.includes('immutable'),
    mutable: policy.shareTypes.includes('mutable'),
  }
}

/** The share files that are no longer what they were recorded to be before a cycle. */
async function changes(before: Map<string, string>): Promise<Changed> {
  const found: Changed = {}
  for (const [path, data] of before) {
    const full = join(folder, 'shares', ...path.split('/'))
    const bytes = await readFile(full).catch(() => undefined)
    const now = bytes === undefined ? null : toHex(new Uint8Array(bytes))
    if (now === data) continue
    found[path] = now
    if (now === null) before.delete(path)
    else before.set(path, now)
  }
  return found
}

function sizeOf(paths: readonly string[]): number {
  const sizes = recorded.files.filter(({ path }) => paths.includes(path))
  return sizes.reduce((sum, { data }) => sum + data.length / 2, 0)
}

const files = (): Map<string, string> => new Map(recorded.files.map((f) => [f.path, f.data]))

/**
 * What both count alike: not the room that a file system takes; nor what was deleted, since upstream
 * says so of a share without leases, which neither deletes; nor the order of the kinds.
 *
 * @param withBuckets - whether buckets of no kind are counted: upstream leaves empty ones behind.
 */
function comparable(record: unknown, withBuckets = true): unknown {
  const { 'space-recovered': space, 'configured-expiration-mode': mode, ...rest } = record as Json
  const counts = Object.entries(space as Json).filter(
    ([key]) =>
      !key.includes('diskbytes') &&
      !key.startsWith('actual') &&
      (withBuckets || !key.endsWith('-buckets')),
  )
  const [kind, duration, cutoff, kinds] = mode as [string, number, number, string[]]
  const sorted = [kind, duration, cutoff, kinds.toSorted()]
  return { ...rest, mode: sorted, counts: Object.fromEntries(counts) }
}

const readState = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(join(folder, name), 'utf8')) as Json

const neverExpires = ({ mode, overrideLeaseDuration }: Policy): boolean =>
  mode === 'age' && overrideLeaseDuration === null

describe('the lease checker over the shares that upstream was recorded with', () => {
  const cases = recorded.cases.filter(({ policy }) => !neverExpires(policy))

  it.each(cases.map((each) => [each.policy.name, each] as const))(
    '%s: does and counts the same',
    async (_, { policy, cycles }) => {
      const before = files()
      for (const { time, state, history, changed } of cycles) {
        const stepper = new Stepper(time)
        const checker = await openLeaseChecker(stepper.context(store), policyOf(policy))
        const [[cycle, expected] = []] = Object.entries(history)
        const would = await expiring(policyOf(policy), time)
        await runCycles(stepper, checker)
        expect(await changes(before)).toEqual(changed)
        const deleted = Object.keys(changed).filter((path) => changed[path] === null)
        if (policy.enabled) expect(would).toEqual(deleted)
        const written = await readState('lease_checker.history.json')
        const record = written[cycle ?? '']
        const withBuckets = cycle === '0' || !policy.enabled
        expect(comparable(record, withBuckets)).toEqual(comparable(expected, withBuckets))
        expect(record).toMatchObject({
          'space-recovered': {
            'actual-shares': deleted.length,
            'actual-sharebytes': sizeOf(deleted),
          },
        })
        expect(await readState('lease_checker.state.json')).toEqual({ ...state, history: written })
      }
    },
  )

  async function expiring(policy: ExpirationPolicy, nowSeconds: number): Promise<string[]> {
    const found: string[] = []
    const reader = await openDiskStore({ folder })
    for await (const share of expiringShares(reader, policy, { nowSeconds })) {
      const { storageIndex, shareNumber, verdict } = share
      const path = [storageIndex.slice(0, 2), storageIndex, shareNumber].join('/')
      if (verdict === 'expires') found.push(path)
    }
    await reader.close()
    return found
  }

  it('by age, without one for all: expires leases when they end, which upstream never does', async () => {
    const [, byAge] = recorded.cases.filter(({ policy }) => neverExpires(policy))
    const stands = recorded.cases.find(({ policy }) => policy.name === 'by an age of 31 days')
    if (byAge === undefined || stands === undefined) throw new Error('not recorded')
    expect(Object.keys(byAge.cycles[0]?.changed ?? {})).toEqual([])
    const stepper = new Stepper(recorded.now)
    await runCycles(stepper, await openLeaseChecker(stepper.context(store), policyOf(byAge.policy)))
    expect(await changes(files())).toEqual(stands.cycles[0]?.changed)
  })

  it('counts at once what a cycle counts', async () => {
    const { policy, cycles } = cases.find(({ policy: { enabled } }) => !enabled) ?? cases[0] ?? {}
    if (policy === undefined) throw new Error('not recorded')
    const counts = await surveyShares(store, policyOf(policy), { nowSeconds: recorded.now })
    const record = Object.values(cycles?.[0]?.history ?? {})[0] as Json
    expect(comparable({ ...record, ...counts })).toEqual(comparable(record))
  })
})

describe('a cycle that upstream began', () => {
  const all = recorded.sliced.flatMap(({ policy, slices }) =>
    slices.map((each) => [policy.name, each.slice, policy, each] as const),
  )
  it.each(all)('%s: is continued after slice %i', async (name, _, policy, begun) => {
    for (const [path, data] of Object.entries(begun.changed))
      if (data === null) await rm(join(folder, 'shares', ...path.split('/')))
      else await lay(path, fromHex(data))
    await writeFile(join(folder, 'lease_checker.state.json'), JSON.stringify(begun.state))
    await writeFile(join(folder, 'lease_checker.history.json'), JSON.stringify(begun.history))
    const stepper = new Stepper(recorded.now)
    const checker = await openLeaseChecker(stepper.context(store), policyOf(policy))
    const state = checker.state()
    expect(state['cycle-to-date']?.['lease-age-histogram']).toEqual(
      (begun.state['cycle-to-date'] as Json)['lease-age-histogram'],
    )
    expect(checker.progress()['cycle-in-progress']).toBe(true)
    expect(checker.progress()).toMatchObject({
      'cycle-complete-percentage': begun.progress['cycle-complete-percentage'],
    })
    await runCycles(stepper, checker)
    const whole = recorded.cases.find((each) => each.policy.name === name)?.cycles[0]
    const history = await readState('lease_checker.history.json')
    expect(comparable(history['0'])).toEqual(comparable(whole?.history['0']))
    const left = new Map([...files()].filter(([path]) => !(path in begun.changed)))
    const after = { ...begun.changed, ...(await changes(left)) }
    expect(after).toEqual(whole?.changed)
  })
})

describe('the bucket counter over the same shares', () => {
  const [begun, , whole] = buckets.steps
  if (begun === undefined || whole === undefined) throw new Error('not recorded')
  const open = async (): Promise<[Stepper, Awaited<ReturnType<typeof openBucketCounter>>]> => {
    const stepper = new Stepper(whole.time)
    return [stepper, await openBucketCounter(stepper.context(store))]
  }
  const counts = (file: Json): unknown => Object.values(file['bucket-counts'] as Json)[0]

  it('writes the same', async () => {
    const [stepper, counter] = await open()
    await runCycles(stepper, counter, 2)
    expect(await readState('bucket_counter.state.json')).toEqual(JSON.parse(whole.file))
    expect(counter.progress()).toMatchObject({ 'cycle-in-progress': false })
  })

  it('continues what upstream began, and sums it up', async () => {
    await writeFile(join(folder, 'bucket_counter.state.json'), begun.file)
    const [stepper, counter] = await open()
    expect(counter.progress()).toMatchObject({
      'cycle-complete-percentage': begun.progress['cycle-complete-percentage'],
    })
    await runCycles(stepper, counter)
    const written = await readState('bucket_counter.state.json')
    expect(counts(written)).toEqual(counts(JSON.parse(whole.file) as Json))
    expect(written).toMatchObject({ 'last-cycle-finished': 0, 'last-complete-bucket-count': 20 })
  })
})

it('nothing but what upstream makes stands in the folder', async () => {
  const stepper = new Stepper(recorded.now)
  await runCycles(stepper, await openBucketCounter(stepper.context(store)))
  const all = await readdir(folder, { recursive: true })
  const known = /^(shares|corruption-advisories|journal|bucket_counter\.state\.json)$/
  expect(all.filter((path) => !path.includes(sep) && !known.test(path))).toEqual([])
})
