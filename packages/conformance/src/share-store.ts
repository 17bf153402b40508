import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStorageError } from '@lafs/storage-interface'
import type {
  IShareStore,
  Lease,
  ShareNumber,
  ShareStoreCapabilities,
  SlotChange,
  StorageErrorCode,
  StorageIndex,
  StoredLease,
} from '@lafs/storage-interface'

/** A share store under test, fresh and empty. */
export interface ShareStoreFixture extends AsyncDisposable {
  readonly store: IShareStore
  /** Closes the store and opens what it kept anew. Present when the store is persistent. */
  reopen?(): Promise<IShareStore>
}

/** A share store as the suite takes it. */
export interface ShareStoreSuite {
  readonly name: string
  readonly capabilities: ShareStoreCapabilities
  /** Makes a store that no other test uses. */
  create(): Promise<ShareStoreFixture>
}

const seed = 0x5709e
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const secret = (name: string): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => name.charCodeAt(0) + i)
const index = (n: number): StorageIndex => new Uint8Array(16).fill(n)
const lease = (who = 'a', expiresAtSeconds = 1000): Lease => ({
  ownerNumber: 1,
  renewSecret: secret(who),
  cancelSecret: secret(who.toUpperCase()),
  expiresAtSeconds,
})
const enabler = secret('w')
/** Six more who hold leases: a mutable container has room for four in its header. */
const others = ['b', 'c', 'd', 'e', 'f', 'g']

async function refusal(promise: Promise<unknown>): Promise<StorageErrorCode | 'none'> {
  try {
    await promise
  } catch (error) {
    if (isStorageError(error)) return error.code
    throw error
  }
  return 'none'
}

async function put(
  store: IShareStore,
  at: StorageIndex,
  n: ShareNumber,
  data: string,
): Promise<void> {
  const incoming = await store.createImmutable(at, n, data.length, lease())
  await incoming.write(0, [text(data)])
  await incoming.commit()
}

async function get(store: IShareStore, at: StorageIndex, n: ShareNumber): Promise<string> {
  const share = await store.open(at, n)
  const data = await share.read(0, share.length + 10)
  await share.close()
  expect(data.length).toBe(share.length)
  return new TextDecoder().decode(data)
}

const write = (
  store: IShareStore,
  at: StorageIndex,
  changes: Record<number, SlotChange>,
  with_: Lease = lease(),
  room = Infinity,
): Promise<void> => {
  const entries = Object.entries(changes).map(([n, change]) => [Number(n), change] as const)
  return store.writeSlot(at, enabler, new Map(entries), with_, room)
}

const one = (offset: number, data: string, newLength?: number): SlotChange => ({
  writes: [{ offset, data: text(data) }],
  newLength,
})

const expiries = async (store: IShareStore, at: StorageIndex, n: ShareNumber): Promise<number[]> =>
  (await store.leases(at, n)).map(({ expiresAtSeconds }) => expiresAtSeconds)

/** Chooses the leases of some holders. */
const heldBy =
  (...names: readonly string[]) =>
  (held: StoredLease): boolean =>
    names.some((who) => held.cancelSecretMatches(lease(who).cancelSecret))

/** Holds a share store to {@link IShareStore}. */
export function testShareStore(suite: ShareStoreSuite): void {
  describe(`share store: ${suite.name}`, () => {
    let fixture: ShareStoreFixture
    const store = (): IShareStore => fixture.store
    beforeEach(async () => {
      fixture = await suite.create()
    })
    afterEach(async () => {
      await fixture[Symbol.asyncDispose]()
    })

    it('says what it can do', () => {
      expect(store().capabilities).toEqual(suite.capabilities)
    })

    describe('immutable shares', () => {
      testImmutable(store)
    })
    describe('mutable shares', () => {
      testMutable(store)
    })
    describe('leases', () => {
      testLeases(store)
    })
    describe('the store as a whole', () => {
      testWhole(store, suite.capabilities)
    })
    const { persistent } = suite.capabilities
    const why = persistent ? '' : ' (skipped: this store lives no longer than its process)'
    describe.skipIf(!persistent)(`after reopening${why}`, () => {
      testReopened(async () => {
        if (fixture.reopen === undefined)
          throw new Error('the fixture of a persistent store reopens')
        return fixture.reopen()
      }, store)
    })
  })
}

function testImmutable(store: () => IShareStore): void {
  it('are not seen before they are committed', async () => {
    const incoming = await store().createImmutable(index(1), 0, 3, lease())
    await incoming.write(0, [text('abc')])
    expect((await store().shares(index(1))).size).toBe(0)
    expect(await refusal(store().open(index(1), 0))).toBe('STORAGE_NO_SUCH_SHARE')
    await incoming.commit()
    expect([...(await store().shares(index(1)))]).toEqual([[0, 'immutable']])
    expect(await get(store(), index(1), 0)).toBe('abc')
  })

  it('are written in pieces and in any order', async () => {
    const incoming = await store().createImmutable(index(1), 255, 9, lease())
    await incoming.write(5, [text('f'), text(''), text('ghi')])
    await incoming.write(0, [text('ab'), text('cde')])
    expect(new TextDecoder().decode(await incoming.read(3, 4))).toBe('defg')
    await incoming.commit()
    expect(await get(store(), index(1), 255)).toBe('abcdefghi')
  })

  it('are stored whole in one step, many at once', async () => {
    const shares = new Map([
      [0, [text('abc')]],
      [255, [text(''), text('d'), text('e'.repeat(70_000))]],
      [7, []],
    ])
    await store().storeImmutable(index(1), shares, lease('a', 77))
    const kinds = [...(await store().shares(index(1)))].toSorted(([a], [b]) => a - b)
    expect(kinds).toEqual([0, 7, 255].map((n) => [n, 'immutable']))
    expect(await get(store(), index(1), 0)).toBe('abc')
    expect(await get(store(), index(1), 7)).toBe('')
    expect(await get(store(), index(1), 255)).toBe(`d${'e'.repeat(70_000)}`)
    for (const n of [0, 7, 255]) {
      expect(await expiries(store(), index(1), n)).toEqual([77])
      await store().addLease(index(1), n, lease('b', 88), Infinity)
      expect(await expiries(store(), index(1), n)).toEqual([77, 88])
    }
    expect(await get(store(), index(1), 0)).toBe('abc')
    await store().delete(index(1), 0)
    expect(await store().shareNumbers(index(1))).toEqual([7, 255])
  })

  it('that are stored whole keep nothing of the memory that they were given', async () => {
    const data = text('abc')
    const held = { ...lease(), cancelSecret: lease().cancelSecret.slice() }
    await store().storeImmutable(index(1), new Map([[0, [data]]]), held)
    data.fill(0)
    held.cancelSecret.fill(0)
    expect(await get(store(), index(1), 0)).toBe('abc')
    const [kept] = await store().leases(index(1), 0)
    expect(kept?.cancelSecretMatches(lease().cancelSecret)).toBe(true)
  })

  it('are stored beside others of the file, and none at all may be', async () => {
    await put(store(), index(1), 1, 'before')
    await write(store(), index(1), { 2: one(0, 'mutable') })
    await store().storeImmutable(index(1), new Map([[0, [text('abc')]]]), lease())
    await store().storeImmutable(index(2), new Map(), lease())
    expect(await store().shareNumbers(index(1))).toEqual([0, 1, 2])
    expect(await get(store(), index(1), 1)).toBe('before')
    expect(await store().shareNumbers(index(2))).toEqual([])
  })

  it('may be empty', async () => {
    await put(store(), index(1), 0, '')
    expect(await get(store(), index(1), 0)).toBe('')
  })

  it('change their size, and keep their data and their lease', async () => {
    for (const [n, sizes] of [
      [0, [9]],
      [1, [200, 9]],
      [2, [6, 7, 300, 9]],
    ] as const) {
      const incoming = await store().createImmutable(index(1), n, 6, lease())
      await incoming.write(2, [text('cdef')])
      for (const size of sizes) await incoming.resize(size)
      expect(new TextDecoder().decode(await incoming.read(2, 4))).toBe('cdef')
      await incoming.write(6, [text('ghi')])
      await incoming.write(0, [text('ab')])
      await incoming.commit()
      expect(await get(store(), index(1), n)).toBe('abcdefghi')
      const leases = await store().leases(index(1), n)
      expect(leases.map(({ expiresAtSeconds }) => expiresAtSeconds)).toEqual([
        lease().expiresAtSeconds,
      ])
      expect(leases[0]?.cancelSecretMatches(lease().cancelSecret)).toBe(true)
    }
  })

  it('leave nothing when they are discarded', async () => {
    const incoming = await store().createImmutable(index(1), 0, 3, lease())
    await incoming.write(0, [text('abc')])
    await incoming.discard()
    expect((await store().shares(index(1))).size).toBe(0)
    await put(store(), index(1), 0, 'xyz')
    expect(await get(store(), index(1), 0)).toBe('xyz')
  })

  it('go on side by side, many more than a process has files', async () => {
    const numbers = Array.from({ length: 256 }, (_, i) => i)
    for (const at of [index(1), index(2)]) {
      const incoming = await Promise.all(
        numbers.map((n) => store().createImmutable(at, n, 2, lease())),
      )
      await Promise.all(incoming.map((share, n) => share.write(1, [Uint8Array.of(n)])))
      await Promise.all(incoming.map((share, n) => share.write(0, [Uint8Array.of(255 - n)])))
      await Promise.all(
        incoming.map((share, n) => (n % 2 === 0 ? share.commit() : share.discard())),
      )
    }
    const found = [...(await store().shares(index(2))).keys()].toSorted((a, b) => a - b)
    expect(found).toEqual(numbers.filter((n) => n % 2 === 0))
    const share = await store().open(index(1), 200)
    expect([...(await share.read(0, 2))]).toEqual([55, 200])
    await share.close()
  })

  it('are read in spans, cut at the end', async () => {
    await put(store(), index(1), 0, '0123456789')
    const share = await store().open(index(1), 0)
    const span = async (offset: number, length: number): Promise<string> =>
      new TextDecoder().decode(await share.read(offset, length))
    expect(share.length).toBe(10)
    expect(await span(2, 3)).toBe('234')
    expect(await span(8, 9)).toBe('89')
    expect(await span(10, 1)).toBe('')
    expect(await span(99, 1)).toBe('')
    expect(await span(0, 0)).toBe('')
    expect(share.writeEnablerMatches(enabler)).toBe(false)
    await share.close()
  })

  it('are read to the end though they are deleted meanwhile', async () => {
    await put(store(), index(1), 0, '0123456789')
    const share = await store().open(index(1), 0)
    await store().delete(index(1), 0)
    expect((await store().shares(index(1))).size).toBe(0)
    expect(new TextDecoder().decode(await share.read(0, 10))).toBe('0123456789')
    await share.close()
  })

  it('give their bytes away', async () => {
    await put(store(), index(1), 0, '0123456789')
    const share = await store().open(index(1), 0)
    const first = await share.read(0, 10)
    first.slice().fill(0)
    first.fill(0)
    expect(new TextDecoder().decode(await share.read(0, 10))).toBe('0123456789')
    await share.close()
  })

  it('do not take mutable writes', async () => {
    await put(store(), index(1), 0, 'abc')
    const refused = await refusal(write(store(), index(1), { 0: one(0, 'x'), 1: one(0, 'y') }))
    expect(refused).toBe('STORAGE_UNKNOWN_CONTAINER_VERSION')
    expect([...(await store().shares(index(1)))]).toEqual([[0, 'immutable']])
    expect(await get(store(), index(1), 0)).toBe('abc')
  })
}

function testMutable(store: () => IShareStore): void {
  it('are made, changed and deleted', async () => {
    await write(store(), index(1), { 0: one(0, 'abc'), 3: one(2, 'x') })
    expect([...(await store().shares(index(1)))].toSorted(([a], [b]) => a - b)).toEqual([
      [0, 'mutable'],
      [3, 'mutable'],
    ])
    expect(await get(store(), index(1), 3)).toBe('\0\0x')
    expect(await store().shareNumbers(index(1))).toEqual([0, 3])
    expect(await store().shareNumbers(index(9))).toEqual([])
    await write(store(), index(1), { 0: one(1, 'BCD', 3), 3: one(0, 'ignored', 0) })
    expect(await get(store(), index(1), 0)).toBe('aBC')
    expect([...(await store().shares(index(1))).keys()]).toEqual([0])
    await write(store(), index(1), { 0: one(0, '', 0), 9: one(0, '', 0) })
    expect((await store().shares(index(1))).size).toBe(0)
  })

  it('may be made empty', async () => {
    await write(store(), index(1), { 0: { writes: [] } })
    expect(await get(store(), index(1), 0)).toBe('')
  })

  it('know their write enabler', async () => {
    await write(store(), index(1), { 0: one(0, 'abc') })
    const share = await store().open(index(1), 0)
    expect(share.kind).toBe('mutable')
    expect(share.writeEnablerMatches(enabler)).toBe(true)
    expect(share.writeEnablerMatches(secret('v'))).toBe(false)
    await share.close()
  })

  it('stay as they were for those who opened them before a write', async () => {
    await write(store(), index(1), { 0: one(0, 'before') })
    const share = await store().open(index(1), 0)
    await write(store(), index(1), { 0: one(0, 'AFTERWARDS') })
    expect(new TextDecoder().decode(await share.read(0, 20))).toBe('before')
    await share.close()
    expect(await get(store(), index(1), 0)).toBe('AFTERWARDS')
  })

  it('change all together or not at all', async () => {
    await write(store(), index(1), { 0: one(0, 'abc'), 1: one(0, 'def') })
    const far = 70_000 * 10 ** 12
    const changes = { 0: one(0, 'xyz'), 1: one(far, 'x'), 2: one(0, 'new') }
    expect(await refusal(write(store(), index(1), changes))).toBe('STORAGE_DATA_TOO_LARGE')
    expect(await get(store(), index(1), 0)).toBe('abc')
    expect(await get(store(), index(1), 1)).toBe('def')
    expect((await store().shares(index(1))).has(2)).toBe(false)
  })

  it('do not grow past the room there is', async () => {
    await write(store(), index(1), { 0: one(0, 'abc') })
    const refused = await refusal(write(store(), index(1), { 0: one(2 ** 52, 'x') }))
    expect(refused).toBe('STORAGE_NO_SPACE')
    expect(await get(store(), index(1), 0)).toBe('abc')
  })

  it('agree with a plain model', async () => {
    const offset = fc.nat({ max: 1500 })
    const data = fc.uint8Array({ maxLength: 200 })
    const change = fc.record({
      writes: fc.array(fc.record({ offset, data }), { maxLength: 3 }),
      newLength: fc.option(fc.oneof(fc.constant(0), offset), { nil: undefined }),
      who: fc.constantFrom('a', ...others),
    })
    let next = 10
    const property = fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
      next += 1
      let model: number[] | undefined
      for (const { writes, newLength, who } of changes) {
        await write(store(), index(next), { 5: { writes, newLength } }, lease(who))
        model = newLength === 0 ? undefined : applied(model ?? [], writes, newLength)
        const found = await store().shares(index(next))
        expect([...found.keys()]).toEqual(model === undefined ? [] : [5])
        if (model === undefined) continue
        const share = await store().open(index(next), 5)
        expect([...(await share.read(0, 1e6))]).toEqual(model)
        await share.close()
      }
    })
    await fc.assert(property, { seed, numRuns: 30 })
  })
}

function applied(
  before: readonly number[],
  writes: SlotChange['writes'],
  newLength: number | undefined,
): number[] {
  const bytes = [...before]
  for (const { offset, data } of writes) {
    while (bytes.length < offset) bytes.push(0)
    bytes.splice(offset, data.length, ...data)
  }
  return bytes.slice(0, newLength)
}

function testLeases(store: () => IShareStore): void {
  const kinds = [
    ['immutable', (at: StorageIndex) => put(store(), at, 0, 'abcdef')],
    ['mutable', (at: StorageIndex) => write(store(), at, { 0: one(0, 'abcdef') })],
  ] as const

  it.each(kinds)('are added to %s shares and renewed by their secret', async (_, make) => {
    await make(index(1))
    expect(await expiries(store(), index(1), 0)).toEqual([1000])
    for (const [i, who] of others.entries())
      await store().addLease(index(1), 0, lease(who, 2000 + i), Infinity)
    expect(await expiries(store(), index(1), 0)).toEqual([1000, 2000, 2001, 2002, 2003, 2004, 2005])
    await store().addLease(index(1), 0, lease('g', 3000), 0)
    await store().addLease(index(1), 0, lease('a', 3001), 0)
    expect(await expiries(store(), index(1), 0)).toEqual([3001, 2000, 2001, 2002, 2003, 2004, 3000])
    expect(await get(store(), index(1), 0)).toBe('abcdef')
  })

  it.each(kinds)('of %s shares are never shortened', async (_, make) => {
    await make(index(1))
    await store().addLease(index(1), 0, lease('a', 999), Infinity)
    expect(await expiries(store(), index(1), 0)).toEqual([1000])
  })

  it('stay when a mutable share grows, shrinks and grows', async () => {
    await write(store(), index(1), { 0: one(0, 'abc') })
    for (const [i, who] of others.entries())
      await store().addLease(index(1), 0, lease(who, 2000 + i), Infinity)
    await write(store(), index(1), { 0: one(900, 'far') })
    await write(store(), index(1), { 0: one(0, 'abc', 3) })
    await write(store(), index(1), { 0: one(2000, 'farther') }, lease('h', 9000))
    const expected = [1000, 2000, 2001, 2002, 2003, 2004, 2005, 9000]
    expect(await expiries(store(), index(1), 0)).toEqual(expected)
  })

  it('are refused on shares that are not there', async () => {
    const refused = await refusal(store().addLease(index(1), 0, lease(), Infinity))
    expect(refused).toBe('STORAGE_NO_SUCH_SHARE')
    const removal = store().removeLeases(index(1), 0, () => true)
    expect(await refusal(removal)).toBe('STORAGE_NO_SUCH_SHARE')
  })

  it.each(kinds)('of %s shares are known by their cancel secret', async (_, make) => {
    await make(index(1))
    await store().addLease(index(1), 0, lease('b'), Infinity)
    const known = (await store().leases(index(1), 0)).map((held) => [
      held.cancelSecretMatches(lease('a').cancelSecret),
      held.cancelSecretMatches(lease('b').cancelSecret),
      held.cancelSecretMatches(lease('b').renewSecret),
    ])
    expect(known).toEqual([
      [true, false, false],
      [false, true, false],
    ])
  })

  it.each(kinds)('of %s shares go, and the last takes the share along', async (_, make) => {
    await make(index(1))
    for (const [i, who] of others.entries())
      await store().addLease(index(1), 0, lease(who, 2000 + i), Infinity)
    const remove = async (...names: string[]): Promise<[number, number]> => {
      const { removed, left } = await store().removeLeases(index(1), 0, heldBy(...names))
      return [removed, left]
    }
    const left = async (): Promise<number[]> =>
      (await expiries(store(), index(1), 0)).toSorted((a, b) => a - b)
    expect(await remove('z')).toEqual([0, 7])
    expect(await remove('a', 'c', 'g')).toEqual([3, 4])
    expect(await left()).toEqual([2000, 2002, 2003, 2004])
    expect(await get(store(), index(1), 0)).toBe('abcdef')
    expect(await remove('f')).toEqual([1, 3])
    await store().addLease(index(1), 0, lease('h', 5000), Infinity)
    await store().addLease(index(1), 0, lease('e', 5001), 0)
    expect(await left()).toEqual([2000, 2002, 5000, 5001])
    expect(await remove('b', 'd', 'e')).toEqual([3, 1])
    expect(await get(store(), index(1), 0)).toBe('abcdef')
    expect(await remove('h')).toEqual([1, 0])
    expect((await store().shares(index(1))).size).toBe(0)
    await make(index(1))
    expect(await get(store(), index(1), 0)).toBe('abcdef')
  })

  it.each(kinds)('of %s shares go while somebody reads', async (_, make) => {
    await make(index(1))
    const share = await store().open(index(1), 0)
    await store().removeLeases(index(1), 0, () => true)
    expect((await store().shares(index(1))).size).toBe(0)
    expect(new TextDecoder().decode(await share.read(0, 6))).toBe('abcdef')
    await share.close()
  })

  it.each(kinds)('of %s shares come and go as a plain model says', async (_, make) => {
    const who = fc.constantFrom('a', ...others)
    const step = fc.oneof(
      fc.record({ add: who, until: fc.integer({ min: 900, max: 1100 }) }),
      fc.record({ remove: fc.uniqueArray(who, { maxLength: 4 }) }),
    )
    let next = 0
    const property = fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      next += 1
      await make(index(next))
      const model = new Map([['a', 1000]])
      for (const change of steps) {
        if (model.size === 0) {
          await make(index(next))
          model.set('a', 1000)
        }
        if ('add' in change) {
          await store().addLease(index(next), 0, lease(change.add, change.until), Infinity)
          model.set(change.add, Math.max(change.until, model.get(change.add) ?? 0))
        } else {
          await store().removeLeases(index(next), 0, heldBy(...change.remove))
          for (const name of change.remove) model.delete(name)
        }
        const { shares } = await store().inspect(index(next))
        const found = shares.flatMap(({ leases }) => leases.map((held) => held.expiresAtSeconds))
        expect(found.toSorted((a, b) => a - b)).toEqual(
          [...model.values()].toSorted((a, b) => a - b),
        )
        if (model.size > 0) expect(await get(store(), index(next), 0)).toBe('abcdef')
        else expect((await store().shares(index(next))).size).toBe(0)
      }
    })
    await fc.assert(property, { seed, numRuns: 25 })
  })

  it('keep secrets of their own', async () => {
    const mine = lease('a', 1000)
    await write(store(), index(1), { 0: one(0, 'abc') }, mine)
    mine.renewSecret.fill(0)
    await store().addLease(index(1), 0, lease('a', 2000), Infinity)
    expect(await expiries(store(), index(1), 0)).toEqual([2000])
  })
}

function testWhole(store: () => IShareStore, capabilities: ShareStoreCapabilities): void {
  const all = async (): Promise<number[]> => {
    const found: number[] = []
    for await (const [first] of store().storageIndexes()) found.push(first ?? -1)
    return found
  }

  it('lists storage indexes in the order of their base32 form', async () => {
    expect(await all()).toEqual([])
    // 'a' to 'z' stand for 0 to 25 and '2' to '7' for 26 to 31, but digits sort before letters.
    for (const n of [0, 200, 255, 210, 3]) await put(store(), index(n), 0, 'abc')
    await write(store(), index(100), { 0: one(0, 'abc') })
    await store().createImmutable(index(50), 0, 1, lease())
    expect(await all()).toEqual([210, 255, 0, 3, 100, 200])
    await store().delete(index(255), 0)
    expect(await all()).toEqual([210, 0, 3, 100, 200])
  })

  it('lists by the first two characters', async () => {
    for (const n of [0, 200, 255]) await put(store(), index(n), 0, 'abc')
    expect(await store().bucketNames('aa')).toEqual(['aaaaaaaaaaaaaaaaaaaaaaaaaa'])
    expect(await store().bucketNames('77')).toEqual(['77777777777777777777777774'])
    expect(await store().bucketNames('ab')).toEqual([])
    const found: string[] = []
    const letters = 'abcdefghijklmnopqrstuvwxyz234567'
    for (const a of letters)
      for (const b of letters) found.push(...(await store().bucketNames(`${a}${b}`)))
    expect(found.length).toBe(3)
  })

  it('takes stock', async () => {
    expect(await store().inspect(index(1))).toMatchObject({ shares: [] })
    await put(store(), index(1), 10, 'abc')
    await put(store(), index(1), 9, 'defg')
    await store().addLease(index(1), 9, lease('b', 2000), Infinity)
    await write(store(), index(2), { 0: one(0, 'abc') })
    const { shares, diskBytes } = await store().inspect(index(1))
    const facts = shares.map(({ shareNumber, kind, leases, damage }) => [
      shareNumber,
      kind,
      leases.map((held) => held.expiresAtSeconds),
      damage,
    ])
    expect(facts).toEqual([
      [9, 'immutable', [1000, 2000], undefined],
      [10, 'immutable', [1000], undefined],
    ])
    expect(diskBytes).toBeGreaterThanOrEqual(0)
    for (const { containerBytes, diskBytes: bytes } of shares) {
      expect(containerBytes).toBeGreaterThanOrEqual(3)
      expect(bytes).toBeGreaterThanOrEqual(0)
    }
    expect((await store().inspect(index(2))).shares).toMatchObject([{ kind: 'mutable' }])
  })

  it('keeps states by name', async () => {
    expect(await store().readState('crawler.state.json')).toBeUndefined()
    await store().saveState('crawler.state.json', '{"a": 1}')
    await store().saveState('other.json', '{}')
    await store().saveState('crawler.state.json', '{"ä": 2}')
    expect(await store().readState('crawler.state.json')).toBe('{"ä": 2}')
    expect(await store().readState('other.json')).toBe('{}')
  })

  it('deletes what is not there', async () => {
    await store().delete(index(1), 0)
    await put(store(), index(1), 0, 'abc')
    await store().delete(index(1), 1)
    expect(await get(store(), index(1), 0)).toBe('abc')
  })

  it('keeps shares of one file apart', async () => {
    await put(store(), index(1), 0, 'zero')
    await put(store(), index(1), 1, 'one')
    await store().delete(index(1), 0)
    expect([...(await store().shares(index(1))).keys()]).toEqual([1])
    expect(await get(store(), index(1), 1)).toBe('one')
  })

  it('knows its room, or that it does not', async () => {
    const space = await store().space()
    expect(space !== undefined).toBe(capabilities.knowsSpace)
    expect(space?.available ?? 0).toBeGreaterThanOrEqual(0)
    expect(space?.total ?? Infinity).toBeGreaterThanOrEqual(space?.available ?? 0)
  })

  it('takes advisories', async () => {
    const found: [string, string][] = []
    await store().saveAdvisory('2026-01-02T000000--x-0', 'bad ä\n')
    await store().saveAdvisory('2026-01-01T000000--x-0', 'worse\n')
    for await (const { name, text: report } of store().advisories()) found.push([name, report])
    expect(found).toEqual([
      ['2026-01-01T000000--x-0', 'worse\n'],
      ['2026-01-02T000000--x-0', 'bad ä\n'],
    ])
  })

  it('does nothing more once it is closed', async () => {
    await put(store(), index(1), 0, 'abc')
    await store().createImmutable(index(2), 0, 1, lease())
    await store().close()
    const calls = [
      store().shares(index(1)),
      store().shareNumbers(index(1)),
      store().open(index(1), 0),
      store().createImmutable(index(1), 1, 1, lease()),
      write(store(), index(3), { 0: one(0, 'abc') }),
      store().addLease(index(1), 0, lease(), Infinity),
      store().leases(index(1), 0),
      store().delete(index(1), 0),
      store().space(),
      store().saveAdvisory('x', 'y'),
      store().removeLeases(index(1), 0, () => true),
      store().inspect(index(1)),
      store().bucketNames('aa'),
      store().saveState('x', 'y'),
      store().readState('x'),
    ]
    for (const call of calls) expect(await refusal(call)).toBe('STORAGE_CLOSED')
  })
}

function testReopened(reopen: () => Promise<IShareStore>, store: () => IShareStore): void {
  it('shares are there and unfinished ones are not', async () => {
    await put(store(), index(1), 0, 'immutable')
    await write(store(), index(2), { 4: one(0, 'mutable') })
    const incoming = await store().createImmutable(index(3), 0, 3, lease())
    await incoming.write(0, [text('abc')])
    await store().saveState('crawler.state.json', '{}')
    const again = await reopen()
    expect(await get(again, index(1), 0)).toBe('immutable')
    expect(await get(again, index(2), 4)).toBe('mutable')
    expect(await expiries(again, index(2), 4)).toEqual([1000])
    expect((await again.shares(index(3))).size).toBe(0)
    expect(await again.readState('crawler.state.json')).toBe('{}')
    await again.close()
  })
}
