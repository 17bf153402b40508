import type {
  CheckOptions,
  ICheckable,
  ICheckAndRepairResults,
  ICheckResults,
  IFilesystemNode,
} from '@lafs/filesystem-interface'
import { MalformedDirectoryError } from '@lafs/filesystem-interface'
import { describe, expect, it } from 'vitest'
import { checkTree } from '../../src/deep/deep-check.ts'
import type { DeepCheckEntry } from '../../src/deep/deep-check.ts'
import { checkableTree } from '../../src/deep/deep-checkable.ts'
import { createCheckResults } from '../../src/results/check-results.ts'
import {
  directory,
  file,
  hang,
  mutableFile,
  nameOf,
  settle,
  storageIndexOf,
  tangle,
  WALK,
} from './tree.ts'
import type { TestDirectory } from './tree.ts'

/** Results of an object, as good as the facts given. */
function results(node: IFilesystemNode, facts: Partial<ICheckResults> = {}): ICheckResults {
  const { storageIndex = new Uint8Array() } = node
  return createCheckResults({
    storageIndex,
    uri: nameOf(node),
    healthy: true,
    recoverable: true,
    needsRebalancing: false,
    happiness: 10,
    requiredShares: 3,
    totalShares: 10,
    goodShareCount: 10,
    wrongShareCount: 0,
    corruptShares: [],
    incompatibleShares: [],
    serversResponding: new Set(),
    goodShareHostCount: 10,
    recoverableVersionCount: 1,
    unrecoverableVersionCount: 0,
    sharemap: new Map(),
    summary: 'Healthy',
    report: [],
    ...facts,
  })
}

/** How many shares of an object are corrupt, and whether it can be read. */
interface Damage {
  readonly corrupt: number
  readonly recoverable: boolean
  /** Whether a repair mends it. */
  readonly mendable?: boolean
}

/** Checks nodes by what a table says of them. */
function checker(damages: Readonly<Record<string, Damage>> = {}) {
  const asked: { name: string; repair: boolean; options: CheckOptions | undefined }[] = []
  const before = (node: IFilesystemNode): ICheckResults => {
    const damage = damages[nameOf(node)]
    if (damage === undefined) return results(node)
    const { corrupt, recoverable } = damage
    const corruptShares = Array.from({ length: corrupt }, (_, shareNumber) => ({
      serverId: `v0-${shareNumber}`,
      storageIndex: storageIndexOf(nameOf(node)),
      shareNumber,
    }))
    return results(node, { healthy: false, recoverable, corruptShares })
  }
  const checkableOf = (node: IFilesystemNode): ICheckable => ({
    check: async (options) => {
      asked.push({ name: nameOf(node), repair: false, options })
      return before(node)
    },
    checkAndRepair: async (options): Promise<ICheckAndRepairResults> => {
      asked.push({ name: nameOf(node), repair: true, options })
      const preRepairResults = before(node)
      const damage = damages[nameOf(node)]
      const repairSuccessful = damage?.mendable === true
      return {
        storageIndex: preRepairResults.storageIndex,
        storageIndexString: preRepairResults.storageIndexString,
        repairAttempted: damage !== undefined,
        repairSuccessful,
        preRepairResults,
        postRepairResults: repairSuccessful ? results(node) : preRepairResults,
      }
    },
  })
  return { asked, checkableOf }
}

async function entriesOf(entries: AsyncIterable<DeepCheckEntry>): Promise<DeepCheckEntry[]> {
  const gathered: DeepCheckEntry[] = []
  for await (const entry of entries) gathered.push(entry)
  return gathered
}

function pathsOf(entries: readonly DeepCheckEntry[]): string[] {
  return entries.map((entry) => (entry.type === 'stats' ? 'stats' : entry.path.join('/')))
}

describe('the entries of a deep check', () => {
  it('are each object once, in the order of the walk, and the sums', async () => {
    const { asked, checkableOf } = checker()
    const entries = await entriesOf(checkTree(tangle(), checkableOf, { addLease: true }))
    expect(pathsOf(entries)).toEqual([...WALK.map(([path]) => path), 'stats'])
    const told = entries.map((entry) => {
      if (entry.type !== 'object') return entry.type
      expect(entry.repair).toBeUndefined()
      return entry.results?.uri
    })
    const stored = WALK.map(([, name]) => (['text', 'strange'].includes(name) ? undefined : name))
    expect(told).toEqual([...stored, 'stats'])
    expect(asked.map(({ name }) => name).toSorted()).toEqual(
      stored.filter((name) => name !== undefined).toSorted(),
    )
    for (const { repair, options } of asked) {
      expect([repair, options?.addLease, options?.verify]).toEqual([false, true, undefined])
      expect(options?.signal).toBeInstanceOf(AbortSignal)
    }
    expect(entries.at(-1)).toMatchObject({
      stats: {
        countDirectories: 5,
        countUnknown: 1,
        countLiteralFiles: 2,
        countImmutableFiles: 4,
        countMutableFiles: 1,
        largestDirectoryChildren: 7,
        sizeDirectories: 500,
      },
    })
  })

  it('are the results of repairs where these are asked for', async () => {
    const { asked, checkableOf } = checker({
      'file x': { corrupt: 1, recoverable: true, mendable: true },
    })
    const entries = await entriesOf(
      checkTree(tangle(), checkableOf, { repair: true, verify: true, addLease: false }),
    )
    const told = entries.find((entry) => entry.type === 'object' && nameOf(entry.node) === 'file x')
    expect(told).toMatchObject({
      results: undefined,
      repair: { repairAttempted: true, repairSuccessful: true },
    })
    expect(new Set(asked.map(({ repair, options }) => `${repair} ${options?.verify}`))).toEqual(
      new Set(['true true']),
    )
  })

  it('tell what failed, and the rest', async () => {
    const root = tangle()
    const lost = root.children.get('a') as TestDirectory
    lost.onList = () => {
      throw new MalformedDirectoryError('no table')
    }
    const { checkableOf } = checker()
    const failing = (node: IFilesystemNode): ICheckable => {
      if (nameOf(node) === 'slot') throw new TypeError('it cannot even be begun')
      if (nameOf(node) !== 'file x') return checkableOf(node)
      return { ...checkableOf(node), check: () => Promise.reject(new RangeError('no check')) }
    }
    const entries = await entriesOf(checkTree(root, failing, {}))
    expect(entries.map((entry) => `${pathsOf([entry])[0]} ${entry.type}`)).toEqual([
      ' object',
      'strange object',
      'lit object',
      'mutable failure',
      'z object',
      'a object',
      'a failure',
      'b object',
      'b/x failure',
      'b/y object',
      'c object',
      'c/d object',
      'c/d/e object',
      'stats stats',
    ])
    const failures = entries.filter((entry) => entry.type === 'failure')
    expect(failures.map(({ node, error }) => [nameOf(node), error])).toEqual([
      ['slot', new TypeError('it cannot even be begun')],
      ['a', expect.objectContaining({ code: 'DIRECTORY_MALFORMED' })],
      ['file x', new RangeError('no check')],
    ])
    // What was met counts, whether it could be checked or not.
    expect(entries.at(-1)).toMatchObject({ stats: { countDirectories: 5, countMutableFiles: 1 } })
  })

  it('tell of a root that cannot be read', async () => {
    const root = directory('root')
    root.onList = () => Promise.reject(new RangeError('gone'))
    const entries = await entriesOf(checkTree(root, checker().checkableOf, {}))
    expect(entries.map(({ type }) => type)).toEqual(['object', 'failure', 'stats'])
  })
})

/** A wide directory, and what counts the checks under way in it. */
function wideTree(files: number, size?: number) {
  const root = directory('root')
  for (let index = 0; index < files; index++) {
    const name = `file ${String(index).padStart(4, '0')}`
    root.children.set(name, { ...file(name), size })
  }
  const counts = { begun: 0, running: 0, most: 0 }
  const { checkableOf } = checker()
  const counting = (node: IFilesystemNode): ICheckable => {
    const run = async <T>(check: () => Promise<T>): Promise<T> => {
      counts.begun++
      counts.most = Math.max(counts.most, ++counts.running)
      await settle()
      counts.running--
      return check()
    }
    return {
      check: (options) => run(() => checkableOf(node).check(options)),
      checkAndRepair: (options) => run(() => checkableOf(node).checkAndRepair(options)),
    }
  }
  return { root, counts, counting }
}

describe('many checks at one time', () => {
  it.each([
    ['small', 100, {}, 32],
    ['small', 2 ** 18 - 1, { verify: true }, 32],
    ['large', 2 ** 18, {}, 32],
    ['large', 2 ** 18, { verify: true }, 8],
    ['large', undefined, { repair: true }, 8],
  ])('of %s files (%s bytes) with %o are %i', async (_, size, options, most) => {
    const { root, counts, counting } = wideTree(300, size)
    const entries = await entriesOf(checkTree(root, counting, options))
    expect(entries.length).toBe(302)
    expect([counts.begun, counts.running]).toEqual([301, 0])
    expect(counts.most).toBeGreaterThanOrEqual(most)
    expect(counts.most).toBeLessThanOrEqual(most + 1)
  })

  it('wait for a slow reader', async () => {
    const { root, counts, counting } = wideTree(1000)
    const entries = checkTree(root, counting, {})
    await settle()
    expect(counts.begun).toBe(0)
    for (let read = 1; read <= 50; read++) {
      await entries.next()
      for (let turn = 0; turn < 20; turn++) await settle()
      expect(counts.begun).toBeLessThanOrEqual(read + 32 * 4)
    }
    expect(counts.begun).toBeGreaterThan(50 + 32)
    await entries.return(undefined)
    const { begun } = counts
    for (let turn = 0; turn < 20; turn++) await settle()
    expect(counts.begun).toBe(begun)
  })

  it('end at every entry, with the reason of the signal', async () => {
    const whole = await entriesOf(checkTree(tangle(), checker().checkableOf, {}))
    for (let step = 0; step < whole.length; step++) {
      const controller = new AbortController()
      const { checkableOf } = checker()
      const seen: DeepCheckEntry[] = []
      const read = async (): Promise<void> => {
        const options = { signal: controller.signal }
        for await (const entry of checkTree(tangle(), checkableOf, options)) {
          seen.push(entry)
          if (seen.length === step + 1) controller.abort(new RangeError('enough'))
        }
      }
      // Nothing is under way after the last.
      if (step === whole.length - 1) await read()
      else await expect(read()).rejects.toThrow('enough')
      expect(pathsOf(seen)).toEqual(pathsOf(whole).slice(0, step + 1))
    }
  })
})

describe('a deep checkable', () => {
  const damages: Readonly<Record<string, Damage>> = {
    'file x': { corrupt: 2, recoverable: true, mendable: true },
    'file y': { corrupt: 3, recoverable: false },
    slot: { corrupt: 1, recoverable: true },
    d: { corrupt: 0, recoverable: true, mendable: true },
  }

  it('counts what is wrong', async () => {
    const root = tangle()
    const monitor = checkableTree(root, checker(damages).checkableOf).startDeepCheck()
    expect(monitor.originStorageIndex).toEqual(root.storageIndex)
    const found = await monitor.whenDone()
    expect(found.counters).toEqual({
      countObjectsChecked: 10,
      countObjectsHealthy: 6,
      countObjectsUnhealthy: 4,
      countObjectsUnrecoverable: 1,
      countCorruptShares: 6,
    })
    expect(found.corruptShares.map(({ storageIndex }) => storageIndex)).toEqual([
      storageIndexOf('slot'),
      ...Array.from({ length: 2 }, () => storageIndexOf('file x')),
      ...Array.from({ length: 3 }, () => storageIndexOf('file y')),
    ])
    expect([...found.allResults()].map(([path, { uri }]) => [path.join('/'), uri])).toEqual(
      WALK.filter(([, name]) => !['text', 'strange'].includes(name)),
    )
    expect(found.resultsForStorageIndex(storageIndexOf('file y'))).toMatchObject({
      uri: 'file y',
      recoverable: false,
    })
    expect(found.resultsForStorageIndex(storageIndexOf('nothing'))).toBeUndefined()
    expect(found.rootStorageIndexString).toMatch(/^[a-z2-7]{26}$/)
    expect(found.failures).toEqual([])
    expect(found.stats).toMatchObject({ countDirectories: 5, countFiles: 7 })
  })

  it('counts what was mended', async () => {
    const { checkableOf } = checker(damages)
    const found = await checkableTree(tangle(), checkableOf)
      .startDeepCheckAndRepair({ verify: true })
      .whenDone()
    expect(found.counters).toEqual({
      countObjectsChecked: 10,
      countObjectsHealthyPreRepair: 6,
      countObjectsUnhealthyPreRepair: 4,
      countObjectsUnrecoverablePreRepair: 1,
      countObjectsHealthyPostRepair: 8,
      countObjectsUnhealthyPostRepair: 2,
      countObjectsUnrecoverablePostRepair: 1,
      countRepairsAttempted: 4,
      countRepairsSuccessful: 2,
      countRepairsUnsuccessful: 2,
      countCorruptSharesPreRepair: 6,
      countCorruptSharesPostRepair: 4,
    })
    expect([found.corruptShares.length, found.remainingCorruptShares.length]).toEqual([6, 4])
    const [path, first] = [...found.allResults()][1] ?? []
    expect([path, first?.repairAttempted]).toEqual([['mutable'], true])
    expect(found.resultsForStorageIndex(storageIndexOf('d'))).toBe(
      [...found.allResults()].find(([at]) => at.join('/') === 'c/d')?.[1],
    )
    expect(found.stats).toMatchObject({ countDirectories: 5, countFiles: 7 })
  })

  it('tells what failed beside the rest', async () => {
    const root = tangle()
    const lost = root.children.get('c') as TestDirectory
    lost.onList = () => Promise.reject(new RangeError('gone'))
    const { checkableOf } = checker()
    const { failures, counters } = await checkableTree(root, checkableOf)
      .startDeepCheck()
      .whenDone()
    expect(failures).toEqual([{ path: ['c'], error: new RangeError('gone') }])
    expect(counters.countObjectsChecked).toBe(8)
    const mended = await checkableTree(root, checkableOf).startDeepCheckAndRepair().whenDone()
    expect(mended.failures).toEqual(failures)
  })

  it('shows how far it is, and can be cancelled', async () => {
    const root = directory('root', { a: file('a'), b: mutableFile('b'), c: file('c') })
    const { checkableOf } = checker()
    let asked: AbortSignal | undefined
    const hanging = (node: IFilesystemNode): ICheckable => {
      if (nameOf(node) !== 'b') return checkableOf(node)
      const check = ({ signal }: CheckOptions = {}): Promise<never> => {
        asked = signal
        return hang(signal)
      }
      return { check, checkAndRepair: check }
    }
    for (const start of ['startDeepCheck', 'startDeepCheckAndRepair'] as const) {
      const monitor = checkableTree(root, hanging)[start]()
      expect([monitor.status, monitor.finished]).toEqual([undefined, false])
      for (let turn = 0; turn < 10; turn++) await settle()
      expect(monitor.status?.counters.countObjectsChecked).toBe(2)
      expect(monitor.status?.stats.countFiles).toBe(1)
      expect(monitor.finished).toBe(false)
      monitor.cancel()
      await expect(monitor.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
      expect(asked?.aborted).toBe(true)
    }
  })

  it('has no name for a root that is stored nowhere', async () => {
    const root = directory('root', { a: file('a') })
    const stored = { ...root, storageIndex: undefined, verifyCap: undefined }
    const found = await checkableTree(stored, checker().checkableOf).startDeepCheck().whenDone()
    expect([found.rootStorageIndexString, found.counters.countObjectsChecked]).toEqual([
      '<none>',
      1,
    ])
  })
})
