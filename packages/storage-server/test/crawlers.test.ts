import { toBase32 } from '@lafs/crypto'
import { createMemoryStore } from '@lafs/share-store-memory'
import { StorageError } from '@lafs/storage-interface'
import type { IShareStore } from '@lafs/storage-interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openBucketCounter } from '../src/care/bucket-counter.ts'
import { PREFIXES } from '../src/care/crawler.ts'
import { openLeaseChecker } from '../src/care/lease-checker.ts'
import {
  createStorageServer,
  crawlerStates,
  expiringShares,
  judgeShares,
  KEEP_EVERYTHING,
  type ExpirationPolicy,
} from '../src/index.ts'
import { indexOf, putShare, runCycles, Stepper, turn } from './stepper.ts'

const NOW = 1_700_000_000
const DAY = 86_400
const byAge: ExpirationPolicy = {
  enabled: true,
  mode: { kind: 'age', overrideLeaseDurationSeconds: 20 * DAY },
  immutable: true,
  mutable: true,
}

/** A store whose calls of some methods go through a function first. */
function watching(
  store: IShareStore,
  watch: (method: string, args: readonly unknown[]) => void | Promise<void>,
): IShareStore {
  return new Proxy(store, {
    get: (target, property) => {
      const method: unknown = Reflect.get(target, property)
      if (typeof method !== 'function' || property === 'advisories') return method
      return async (...args: unknown[]): Promise<unknown> => {
        await watch(String(property), args)
        return Reflect.apply(method, target, args)
      }
    },
  })
}

async function sharesIn(store: IShareStore): Promise<number[]> {
  const found: number[] = []
  for (let n = 0; n < 60; n += 1) if ((await store.shares(indexOf(n))).size > 0) found.push(n)
  return found
}

/** Forty shares, every fourth of which has only leases that were renewed too long ago. */
async function makeStore(): Promise<IShareStore> {
  const store = createMemoryStore()
  for (let n = 0; n < 40; n += 1) {
    const kind = n % 3 === 0 ? 'mutable' : 'immutable'
    const renewed = n % 4 === 0 ? [NOW - 30 * DAY, NOW - 21 * DAY] : [NOW - 30 * DAY, NOW - n * 100]
    await putShare(store, n, kind, renewed)
  }
  return store
}
const kept = Array.from({ length: 40 }, (_, n) => n).filter((n) => n % 4 !== 0)

async function historyOf(store: IShareStore): Promise<unknown> {
  return JSON.parse((await store.readState('lease_checker.history.json')) ?? '{}')
}

describe('a crawl that is interrupted', () => {
  const look: ExpirationPolicy = { ...byAge, enabled: false }

  it('counts the same wherever it is stopped', async () => {
    const whole = await makeStore()
    const stepper = new Stepper(NOW)
    await runCycles(stepper, await openLeaseChecker(stepper.context(whole), look))
    const expected = await historyOf(whole)
    for (let stopAt = 0; stopAt <= 40; stopAt += 1) {
      const store = await makeStore()
      const visited: unknown[] = []
      const first = new Stepper(NOW)
      let stopped: Promise<void> | undefined
      const watched = watching(store, (method, args) => {
        if (method !== 'inspect') return
        if (visited.length === stopAt) stopped ??= checker.stop()
        visited.push(String(args[0]))
      })
      const checker = await openLeaseChecker(first.context(watched), look)
      checker.start()
      await first.until(
        () => stopped !== undefined || checker.state()['last-cycle-finished'] !== null,
      )
      await (stopped ?? checker.stop())
      const second = new Stepper(NOW)
      const continued = await openLeaseChecker(second.context(watched), look)
      if (continued.state()['last-cycle-finished'] === null) await runCycles(second, continued)
      expect(visited.length).toBe(40)
      expect(new Set(visited).size).toBe(40)
      expect(await historyOf(store)).toEqual(expected)
    }
  })

  it('looks at nothing twice under a prefix in which it was stopped', async () => {
    const prefixOf = (n: number): string => toBase32(indexOf(n)).slice(0, 2)
    const together = Array.from({ length: 6000 }, (_, n) => n).filter(
      (n) => prefixOf(n) === prefixOf(0),
    )
    expect(together.length).toBeGreaterThan(3)
    const store = createMemoryStore()
    for (const n of together) await putShare(store, n, 'immutable', [NOW])
    const visited: string[] = []
    const watched = watching(store, async (method, args) => {
      if (method !== 'inspect') return
      visited.push(toBase32(args[0] as Uint8Array))
      void checker.stop()
    })
    let checker = await openLeaseChecker(new Stepper(NOW).context(watched), look)
    for (let stops = 0; stops <= together.length; stops += 1) {
      const stepper = new Stepper(NOW)
      checker = await openLeaseChecker(stepper.context(watched), look)
      const seen = visited.length
      checker.start()
      await stepper.until(
        () => visited.length > seen || checker.state()['last-cycle-finished'] !== null,
      )
      await checker.stop()
    }
    expect(visited).toEqual(together.map((n) => toBase32(indexOf(n))).toSorted())
    expect(Object.values(checker.state().history)[0]?.['space-recovered']).toMatchObject({
      'examined-shares': together.length,
    })
  })

  it('goes on from the last saved state after a crash, and expires what is left', async () => {
    for (let crashAt = 0; crashAt <= 40; crashAt += 3) {
      const store = await makeStore()
      const first = new Stepper(NOW)
      let seen = 0
      const dying = watching(store, (method) => {
        // Eleven seconds a bucket: the state is saved at the end of each slice.
        first.ms += 11_000
        if (method === 'inspect') seen += 1
        // A dead process does nothing more.
        return seen > crashAt ? new Promise<void>(() => {}) : undefined
      })
      const killed = await openLeaseChecker(first.context(dying), byAge)
      killed.start()
      await first.until(() => seen > crashAt || killed.state()['last-cycle-finished'] !== null)
      const saved = await crawlerStates(store)
      if (crashAt > 1 && crashAt < 40)
        expect(saved.leaseChecker?.['last-complete-bucket']).toEqual(expect.any(String))
      const second = new Stepper(NOW)
      const checker = await openLeaseChecker(second.context(store), byAge)
      await runCycles(second, checker, checker.state()['last-cycle-finished'] === null ? 1 : 0)
      expect(await sharesIn(store)).toEqual(kept)
      const record = Object.values(checker.state().history)[0]
      expect(record?.['space-recovered']).toMatchObject({ 'examined-shares': 40 })
    }
  })

  it.each([
    ['no JSON', 'ceci n’est pas'],
    ['a list', '[1, 2]'],
    [
      'fields of other types',
      '{"current-cycle": "x", "last-complete-prefix": 7, "cycle-to-date": 3}',
    ],
    [
      'a prefix that there is not',
      '{"current-cycle": 3, "last-complete-prefix": "??", "last-complete-bucket": "zz"}',
    ],
    ['an upstream pickle', '(dp0\nS"version"\np1\nI1\ns.'],
  ])('begins a cycle anew where the state is %s', async (_, text) => {
    const store = await makeStore()
    for (const name of ['lease_checker.state', 'lease_checker.history', 'bucket_counter.state'])
      await store.saveState(`${name}.json`, text)
    const stepper = new Stepper(NOW)
    await runCycles(stepper, await openLeaseChecker(stepper.context(store), byAge), 1)
    expect(await sharesIn(store)).toEqual(kept)
    const counter = await openBucketCounter(stepper.context(store))
    await runCycles(stepper, counter)
    expect(counter.state()['last-complete-bucket-count']).toBe(30)
  })
})

it('a cycle that ended with the last prefix, but was not summed up, is summed up', async () => {
  const store = await makeStore()
  const stepper = new Stepper(NOW)
  const saved = {
    version: 1,
    'last-cycle-finished': 6,
    'current-cycle': 7,
    'last-complete-prefix': 'zz',
    'last-complete-bucket': 'zzaaaaaaaaaaaaaaaaaaaaaaaa',
    'current-cycle-start-time': NOW - 100,
    'cycle-to-date': { 'space-recovered': { 'examined-shares': 3 } },
  }
  await store.saveState('lease_checker.state.json', JSON.stringify(saved))
  const checker = await openLeaseChecker(stepper.context(store), byAge)
  await runCycles(stepper, checker)
  expect(checker.state()).toMatchObject({
    'last-cycle-finished': 7,
    history: {
      '7': {
        'cycle-start-finish-times': [NOW - 100, NOW],
        'space-recovered': { 'examined-shares': 3, 'actual-shares': 0 },
      },
    },
  })
})

describe('a crawl beside requests', () => {
  it('works in slices of few steps, and rests for the ninefold of its work', async () => {
    const store = createMemoryStore()
    for (let n = 0; n < 900; n += 1) await putShare(store, n, 'immutable', [NOW])
    const stepper = new Stepper(NOW)
    let steps = 0
    const watched = watching(store, (method) => {
      if (method === 'inspect' || method === 'bucketNames') steps += 1
    })
    const checker = await openLeaseChecker(stepper.context(watched), KEEP_EVERYTHING)
    checker.start()
    expect(stepper.restsMs).toEqual([360_000])
    const perSlice: number[] = []
    while (checker.state()['last-cycle-finished'] === null) {
      steps = 0
      await stepper.slice()
      perSlice.push(steps)
    }
    expect(Math.max(...perSlice)).toBe(400)
    expect(perSlice.reduce((a, b) => a + b)).toBe(900 + PREFIXES.length)
    expect(stepper.restsMs.at(-1)).toBe(43_200_000)
    await checker.stop()
    expect(stepper.waiting).toBe(false)
  })

  it('ends a slice when its time is over', async () => {
    const store = await makeStore()
    const stepper = new Stepper(NOW)
    let steps = 0
    const slow = watching(store, (method) => {
      if (method !== 'bucketNames') return
      steps += 1
      stepper.ms += 4
    })
    const counter = await openBucketCounter(stepper.context(slow))
    counter.start()
    await stepper.slice()
    expect(steps).toBe(3)
    expect(stepper.restsMs).toEqual([300_000, 12 * 9])
    expect(counter.progress()).toMatchObject({
      'cycle-in-progress': true,
      'cycle-complete-percentage': 100 * (2 / 1024),
      'remaining-sleep-time': 0.108,
    })
    await counter.stop()
    expect(counter.progress()).toMatchObject({ 'remaining-sleep-time': null })
  })

  it('answers requests between two slices, and during one for other files', async () => {
    const store = await makeStore()
    const stepper = new Stepper(NOW)
    let release: () => void = () => {}
    let held = false
    const slow = watching(store, (method) => {
      if (method !== 'inspect' || held) return undefined
      held = true
      return new Promise<void>((resolve) => {
        release = resolve
      })
    })
    const server = createStorageServer({ expiration: byAge, ...stepper.context(slow) })
    const { leaseChecker } = await server.startCrawlers()
    await stepper.until(() => held)
    // The crawler waits within one bucket; at most one of these is about the same one.
    const lists = [1, 2, 3].map((n) => server.listShares('immutable', indexOf(n)))
    expect((await Promise.any(lists)).size).toBeGreaterThanOrEqual(0)
    release()
    await Promise.all(lists)
    await server.close()
    expect(leaseChecker.state()['current-cycle']).toBe(0)
  })
})

const REQUESTS = ['lease', 'upload', 'write', 'read'] as const

describe('expiry and requests that race with it', () => {
  const secrets = {
    renewSecret: new Uint8Array(32).fill(77),
    cancelSecret: new Uint8Array(32).fill(78),
  }

  it('never takes a share that somebody was told is held', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.nat({ max: 3 }), { minLength: 60, maxLength: 60 }),
      fc.array(fc.constantFrom(...REQUESTS), { minLength: 6, maxLength: 6 }),
      async (waits, requests) => {
        const store = createMemoryStore()
        for (let n = 0; n < requests.length; n += 1)
          await putShare(store, n, requests[n] === 'write' ? 'mutable' : 'immutable', [
            NOW - 40 * DAY,
          ])
        const stepper = new Stepper(NOW)
        const answers: Promise<void>[] = []
        let calls = 0
        const pause = async (): Promise<void> => {
          calls += 1
          for (let i = waits[calls % waits.length] ?? 0; i > 0; i -= 1) await turn()
        }
        const prefixes = requests.map((_, n) => toBase32(indexOf(n)).slice(0, 2))
        const slow = watching(store, (method, args) => {
          if (method !== 'bucketNames') return pause()
          // The crawler is about to come by: so do requests for the same share.
          for (const [n, prefix] of prefixes.entries())
            if (prefix === args[0]) answers.push(pause().then(() => held(n)))
          return undefined
        })
        const context = stepper.context(slow)
        const server = createStorageServer({ expiration: byAge, ...context })
        const request = async (n: number): Promise<'held' | 'free'> => {
          const what = requests[n] ?? 'read'
          switch (what) {
            case 'lease':
              return server.addLease(indexOf(n), secrets).then(
                () => 'held',
                () => 'free',
              )
            case 'upload': {
              const shareNumbers = new Set([0])
              const size = { ...secrets, shareNumbers, allocatedSize: 50 }
              const { alreadyGot, writers } = await server.allocateBuckets(indexOf(n), size)
              await writers.get(0)?.write(0, [new Uint8Array(50)])
              await writers.get(0)?.close()
              return alreadyGot.size + writers.size === 1 ? 'held' : 'free'
            }
            case 'write': {
              const vectors = { test: [], write: [{ offset: 0, data: new Uint8Array(50) }] }
              const all = { ...secrets, writeEnabler: new Uint8Array(32) }
              await server.slotTestvAndReadvAndWritev(indexOf(n), all, new Map([[0, vectors]]), [])
              return 'held'
            }
            case 'read': {
              const share = await server
                .openShare('immutable', indexOf(n), 0)
                .catch(() => undefined)
              for (let i = 0; i < 20; i += 1) await turn()
              if (share !== undefined) expect((await share.read(0, 50)).length).toBe(50)
              return 'free'
            }
          }
        }
        /** Whoever is told that a share is held finds it. */
        const held = async (n: number): Promise<void> => {
          if ((await request(n)) === 'free') return
          const stands = (await store.shares(indexOf(n))).size > 0
          expect([n, requests[n], stands]).toEqual([n, requests[n], true])
        }
        const { bucketCounter, leaseChecker } = await server.startCrawlers()
        await bucketCounter.stop()
        await stepper.until(() => leaseChecker.state()['last-cycle-finished'] !== null)
        expect(answers.length).toBe(requests.length)
        await Promise.all(answers)
        await server.close()
      },
    )
    await fc.assert(property, { seed: 20261123, numRuns: 40 })
  })
})

describe('what would be deleted', () => {
  const seconds = fc.integer({ min: -5, max: 40 }).map((days) => NOW - days * DAY)
  const policy = fc.record({
    enabled: fc.constant(true),
    mode: fc.oneof(
      fc.constant({ kind: 'age' as const }),
      fc.record({
        kind: fc.constant('age' as const),
        overrideLeaseDurationSeconds: fc.integer({ min: 0, max: 40 * DAY }),
      }),
      fc.record({ kind: fc.constant('cutoff-date' as const), cutoffSeconds: seconds }),
    ),
    immutable: fc.boolean(),
    mutable: fc.boolean(),
  })
  const share = fc.record({
    kind: fc.constantFrom('immutable' as const, 'mutable' as const),
    renewed: fc.array(seconds, { minLength: 1, maxLength: 6 }),
  })

  it('is what a cycle deletes, by a plain model', async () => {
    const shares = fc.array(share, { maxLength: 12 })
    const property = fc.asyncProperty(policy, shares, async (rules, made) => {
      const store = createMemoryStore()
      for (const [n, { kind, renewed }] of made.entries()) await putShare(store, n, kind, renewed)
      const { mode } = rules
      const ends = (renewed: number): boolean =>
        mode.kind === 'cutoff-date'
          ? renewed < mode.cutoffSeconds
          : 'overrideLeaseDurationSeconds' in mode
            ? NOW - renewed > mode.overrideLeaseDurationSeconds
            : renewed + 31 * DAY <= NOW
      const expected = made.flatMap(({ kind, renewed }, n) =>
        rules[kind] && renewed.every(ends) ? [] : [n],
      )
      let would = 0
      for await (const { verdict, reason } of expiringShares(store, rules, { nowSeconds: NOW })) {
        expect([verdict, reason.length > 10]).toEqual(['expires', true])
        would += 1
      }
      const stepper = new Stepper(NOW)
      await runCycles(stepper, await openLeaseChecker(stepper.context(store), rules))
      expect(await sharesIn(store)).toEqual(expected)
      expect(would).toBe(made.length - expected.length)
      for (const n of expected) {
        const leases = await store.leases(indexOf(n), 0)
        const { kind = 'immutable', renewed = [] } = made[n] ?? {}
        const left = rules[kind] ? renewed.filter((when) => !ends(when)) : renewed
        expect(leases.map((lease) => lease.expiresAtSeconds - 31 * DAY)).toEqual(left)
      }
    })
    await fc.assert(property, { seed: 20261123, numRuns: 60 })
  })

  it.each([
    [
      { kind: 'age' },
      [40, 35],
      'the last of its 2 leases was renewed 35 days ago and ended 2023-11-10',
    ],
    [
      { kind: 'age', overrideLeaseDurationSeconds: 3 * DAY },
      [5],
      'its only lease was renewed 5.0 days ago, which is more than 3.0 days',
    ],
    [
      { kind: 'cutoff-date', cutoffSeconds: NOW - 2 * DAY },
      [5],
      'its only lease was renewed 5.0 days ago, before 2023-11-12',
    ],
  ] as const)('says why (%o)', async (mode, days, reason) => {
    const store = createMemoryStore()
    const renewed = days.map((day) => NOW - day * DAY)
    await putShare(store, 1, 'immutable', renewed)
    const rules = { ...byAge, mode }
    const found = []
    for await (const judged of judgeShares(store, rules, { nowSeconds: NOW })) found.push(judged)
    expect(found).toMatchObject([{ verdict: 'expires', reason, shareNumber: 0, kind: 'immutable' }])
    const off = { ...rules, immutable: false }
    for await (const { verdict, reason: why } of judgeShares(store, off, { nowSeconds: NOW }))
      expect([verdict, why]).toEqual(['stays', 'immutable shares do not expire'])
  })

  it.each([
    { kind: 'age', overrideLeaseDurationSeconds: -1 },
    { kind: 'age', overrideLeaseDurationSeconds: Number.NaN },
    { kind: 'cutoff-date', cutoffSeconds: Infinity },
    { kind: 'cutoff-date', cutoffSeconds: undefined as unknown as number },
  ] as const)('a policy that makes no sense is refused: %o', (mode) => {
    const store = createMemoryStore()
    expect(() => createStorageServer({ store, expiration: { ...byAge, mode } })).toThrow(RangeError)
  })

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    const walk = expiringShares(await makeStore(), byAge, { signal })
    await expect(walk.next()).rejects.toThrow('enough')
  })

  it('tells how far it is', async () => {
    const parts: number[] = []
    const all = { buckets: 0, shares: 0 }
    const onProgress = (progress: { part: number; buckets: number; shares: number }): void => {
      parts.push(progress.part)
      Object.assign(all, progress)
    }
    for await (const _ of expiringShares(await makeStore(), byAge, { onProgress }));
    expect([parts.length, parts.at(-1), all.buckets, all.shares]).toEqual([1024, 1, 40, 40])
  })
})

describe('what goes wrong', () => {
  it('leaves out shares that cannot be looked at, and goes on', async () => {
    const store = await makeStore()
    const bad = String(indexOf(4))
    const failing = watching(store, (method, args) => {
      if (method === 'inspect' && String(args[0]) === bad)
        throw new StorageError('STORAGE_BAD_SHARE', 'the disk fails')
      if (method === 'removeLeases' && String(args[0]) === String(indexOf(8)))
        throw new Error('EIO')
    })
    const stepper = new Stepper(NOW)
    await runCycles(stepper, await openLeaseChecker(stepper.context(failing), byAge))
    expect(await sharesIn(store)).toEqual([...kept, 4, 8].toSorted((a, b) => a - b))
    expect(stepper.lines).toEqual([
      expect.stringMatching(/left out: the disk fails$|stay: EIO$/),
      expect.stringMatching(/left out: the disk fails$|stay: EIO$/),
    ])
  })

  it('counts no total where a part could not be listed', async () => {
    const store = await makeStore()
    const failing = watching(store, (method, args) => {
      if (method === 'bucketNames' && args[0] === 'aa') throw new Error('EIO')
      if (method === 'saveState') throw new Error('the disk is full')
    })
    const stepper = new Stepper(NOW)
    const counter = await openBucketCounter(stepper.context(failing))
    await runCycles(stepper, counter)
    expect(counter.state()['last-complete-bucket-count']).toBeNull()
    expect(stepper.lines).toContain('bucket_counter.state.json: shares under aa are left out: EIO')
    expect(stepper.lines.at(-1)).toBe(
      'bucket_counter.state.json: the state cannot be saved: the disk is full',
    )
  })

  it('remembers ten cycles', async () => {
    const store = await makeStore()
    const stepper = new Stepper(NOW)
    const checker = await openLeaseChecker(stepper.context(store), KEEP_EVERYTHING)
    await runCycles(stepper, checker, 12)
    const cycles = Object.keys(checker.state().history).map(Number)
    expect(cycles).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect((await crawlerStates(store)).leaseHistory).toEqual(checker.state().history)
  })
})
