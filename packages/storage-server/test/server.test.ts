import { createMemoryStore } from '@lafs/share-store-memory'
import { isStorageError, StorageError } from '@lafs/storage-interface'
import type {
  IShareStore,
  RIStorageServer,
  ServedBucketWriter,
  ShareNumber,
  StorageIndex,
} from '@lafs/storage-interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStorageServer, type StorageServerOptions } from '../src/index.ts'
import { TestClock } from './clock.ts'

const index = (n: number): StorageIndex => new Uint8Array(16).fill(n)
const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value)
const secrets = (n = 1): { renewSecret: Uint8Array; cancelSecret: Uint8Array } => ({
  renewSecret: bytes(32, n),
  cancelSecret: bytes(32, n + 100),
})

function make(options: Partial<StorageServerOptions> = {}, capacity?: number) {
  const clock = new TestClock()
  const store = createMemoryStore(capacity === undefined ? {} : { capacity })
  const lines: string[] = []
  const log = (line: string): void => {
    lines.push(line)
  }
  const server = createStorageServer({ store, log, ...clock.options, ...options })
  return { clock, store, lines, server }
}

/** The advisories of a store, by name. */
async function saved(store: IShareStore): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { name, text } of store.advisories()) found.set(name, text)
  return found
}

async function code(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    if (isStorageError(error)) return error.code
    throw error
  }
}

/** Lets what was set off go on to its end. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

function allocate(
  server: RIStorageServer,
  at: StorageIndex,
  shareNumbers: readonly ShareNumber[],
  allocatedSize: number,
  lease = secrets(),
) {
  const request = { ...lease, shareNumbers: new Set(shareNumbers), allocatedSize }
  return server.allocateBuckets(at, request)
}

async function begin(server: RIStorageServer, at: StorageIndex, size: number) {
  const { writers } = await allocate(server, at, [0], size)
  return writers.get(0) as ServedBucketWriter
}

async function upload(server: RIStorageServer, at: StorageIndex, data: Uint8Array): Promise<void> {
  const writer = await begin(server, at, data.length)
  await writer.write(0, [data])
  await writer.close()
}

function writeSlot(server: RIStorageServer, at: StorageIndex, data: Uint8Array, lease = secrets()) {
  const vectors = { test: [], write: [{ offset: 0, data }] }
  const all = { ...lease, writeEnabler: bytes(32, 9) }
  return server.slotTestvAndReadvAndWritev(at, all, new Map([[0, vectors]]), [])
}

describe('room', () => {
  it('is what the store has, less the reserve', async () => {
    const { server } = make({ reservedSpace: 300 }, 1000)
    const version = await server.getVersion()
    expect(version.availableSpace).toBe(700)
    expect(version.maximumImmutableShareSize).toBe(700)
    expect(version.maximumMutableShareSize).toBe(69_105_000_000_000_000)
  })

  it('is never less than none', async () => {
    const { server } = make({ reservedSpace: 3000 }, 1000)
    expect((await server.getVersion()).availableSpace).toBe(0)
    expect((await allocate(server, index(1), [0], 1)).writers.size).toBe(0)
  })

  it('is as good as endless when the store cannot know', async () => {
    const { server } = make()
    expect((await server.getVersion()).availableSpace).toBe(Number.MAX_SAFE_INTEGER)
    expect((await allocate(server, index(1), [0], 1000)).writers.size).toBe(1)
  })

  it('goes to the lowest share numbers and counts what uploads in progress were promised', async () => {
    // The memory store takes what is allocated at once, so that it counts twice, as with upstream.
    const { server } = make({ reservedSpace: 100 }, 1100)
    const first = await allocate(server, index(1), [5, 3, 4], 400)
    expect([...first.writers.keys()]).toEqual([3, 4])
    expect((await allocate(server, index(2), [0], 201)).writers.size).toBe(0)
    for (const writer of first.writers.values()) await writer.abort()
    expect((await allocate(server, index(2), [0], 1000)).writers.size).toBe(1)
  })

  it('is not promised twice to two files at once', async () => {
    const store = createMemoryStore()
    const roomy: IShareStore = Object.create(store, {
      space: { value: async () => ({ available: 1000, total: 1000 }) },
      createImmutable: { value: store.createImmutable.bind(store) },
      shares: { value: store.shares.bind(store) },
    })
    const server = createStorageServer({ store: roomy })
    const both = await Promise.all([1, 2].map((n) => allocate(server, index(n), [0], 600)))
    expect(both.map(({ writers }) => writers.size).toSorted((a, b) => a - b)).toEqual([0, 1])
  })

  it('that runs out after all leaves a share out', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const wrong: IShareStore = Object.create(store, {
      space: { value: async () => ({ available: 1e6, total: 1e6 }) },
      createImmutable: { value: store.createImmutable.bind(store) },
      shares: { value: store.shares.bind(store) },
    })
    const server = createStorageServer({ store: wrong })
    const { writers } = await allocate(server, index(1), [0, 1, 2], 40)
    expect([...writers.keys()]).toEqual([0, 1])
  })

  it('comes back when an upload cannot be begun', async () => {
    const store = createMemoryStore({ capacity: 1000 })
    const failing: IShareStore = Object.create(store, {
      space: { value: store.space.bind(store) },
      shares: { value: store.shares.bind(store) },
      createImmutable: {
        value: (...args: Parameters<IShareStore['createImmutable']>) =>
          args[1] === 1 ? Promise.reject(new Error('EIO')) : store.createImmutable(...args),
      },
    })
    const server = createStorageServer({ store: failing })
    await expect(allocate(server, index(1), [0, 1, 2], 300)).rejects.toThrow('EIO')
    const { writers } = await allocate(server, index(1), [0, 2], 500)
    expect([...writers.keys()]).toEqual([0, 2])
  })

  it('for leases is asked for only where they need some', async () => {
    const { server, store } = make({ reservedSpace: 1000 }, 2000)
    await upload(server, index(1), bytes(900))
    const rooms: unknown[] = []
    const strict: IShareStore = Object.create(store, {
      shareNumbers: { value: store.shareNumbers.bind(store) },
      space: { value: store.space.bind(store) },
      addLease: {
        value: async (...args: unknown[]) => {
          rooms.push(args[3])
          if (args[3] === 0) throw new StorageError('STORAGE_NO_SPACE', 'a lease takes room')
        },
      },
    })
    await createStorageServer({ store: strict, reservedSpace: 1000 }).addLease(index(1), secrets(2))
    expect(rooms).toEqual([0, 100])
  })
})

describe('a read-only server', () => {
  it('takes no new immutable shares', async () => {
    const { server, store } = make()
    await upload(server, index(1), bytes(10))
    const readonly = createStorageServer({ store, readonly: true })
    expect((await readonly.getVersion()).availableSpace).toBe(0)
    expect((await readonly.getVersion()).maximumImmutableShareSize).toBe(0)
    const { alreadyGot, writers } = await allocate(readonly, index(1), [0, 1], 10)
    expect([[...alreadyGot], [...writers.keys()]]).toEqual([[0], []])
    expect((await allocate(readonly, index(2), [0], 0)).writers.size).toBe(0)
  })

  it('writes mutable slots all the same', async () => {
    const { server } = make({ readonly: true })
    expect((await writeSlot(server, index(1), bytes(10))).success).toBe(true)
    expect((await writeSlot(server, index(1), bytes(20, 2))).success).toBe(true)
    const read = await server.slotReadv(index(1), [], [{ offset: 0, size: 99 }])
    expect([...read]).toEqual([[0, [bytes(20, 2)]]])
  })

  it('keeps no advisories', async () => {
    const { server, store } = make({ readonly: true })
    await writeSlot(server, index(1), bytes(10))
    await server.adviseCorruptShare('mutable', index(1), 0, 'bad')
    expect((await saved(store)).size).toBe(0)
  })
})

describe('advisories', () => {
  const si = 'aeaqcaibaeaqcaibaeaqcaibae'

  it('have the text and the name that upstream gives them', async () => {
    const { server, store, clock } = make()
    await upload(server, index(1), bytes(10))
    clock.ms = Date.UTC(2026, 0, 2, 3, 4, 5)
    await server.adviseCorruptShare('immutable', index(1), 0, 'hash mismatch\nin block 3')
    const text = `report: Share Corruption
type: immutable
storage_index: ${si}
share_number: 0

hash mismatch
in block 3

`
    expect([...(await saved(store))]).toEqual([[`2026-01-02T030405--${si}-0`, text]])
  })

  it('of one moment have different names', async () => {
    const { server, store, clock } = make()
    await upload(server, index(1), bytes(10))
    clock.ms = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
    for (let i = 0; i < 3; i += 1) await server.adviseCorruptShare('mutable', index(1), 0, 'bad')
    expect([...(await saved(store)).keys()]).toEqual([
      `2026-01-02T030405.678000--${si}-0`,
      `2026-01-02T030405.678001--${si}-0`,
      `2026-01-02T030405.678002--${si}-0`,
    ])
  })

  it('are not kept where there is no room', async () => {
    const { server, store } = make({}, 200)
    await upload(server, index(1), bytes(10))
    await server.adviseCorruptShare('immutable', index(1), 0, 'ü'.repeat(80))
    expect((await saved(store)).size).toBe(0)
    await server.adviseCorruptShare('immutable', index(1), 0, 'short')
    expect((await saved(store)).size).toBe(1)
  })

  it('about unknown shares are refused', async () => {
    const { server, store } = make()
    await upload(server, index(1), bytes(10))
    const refused = [
      server.adviseCorruptShare('immutable', index(1), 1, 'bad'),
      server.adviseCorruptShare('immutable', index(2), 0, 'bad'),
    ]
    for (const each of refused) expect(await code(each)).toBe('STORAGE_NO_SUCH_SHARE')
    expect(await code(server.adviseCorruptShare('mutable', index(1), 256, 'x'))).toBe(
      'STORAGE_BAD_SHARE_NUMBER',
    )
    expect((await saved(store)).size).toBe(0)
  })
})

describe('uploads', () => {
  it('say what they need, and when they have ended', async () => {
    const { server } = make()
    const writer = await begin(server, index(1), 30)
    expect(writer.allocatedSize).toBe(30)
    expect(writer.requiredRanges()).toEqual([{ begin: 0, end: 30 }])
    await writer.write(10, [bytes(5)])
    expect(writer.requiredRanges()).toEqual([
      { begin: 0, end: 10 },
      { begin: 15, end: 30 },
    ])
    expect(await code(writer.close())).toBe('STORAGE_BAD_RANGE')
    expect(writer.ended.aborted).toBe(false)
    await writer.write(0, [bytes(10), bytes(0), bytes(20)])
    expect(writer.requiredRanges()).toEqual([])
    await writer.close()
    expect(writer.ended.aborted).toBe(true)
    expect(await code(writer.close())).toBe('STORAGE_UPLOAD_ENDED')
    expect(await code(writer.write(0, [bytes(1)]))).toBe('STORAGE_UPLOAD_ENDED')
    expect(await code(writer.abort())).toBe('none')
    expect([...(await server.listShares('immutable', index(1)))]).toEqual([0])
  })

  it('compare what is written again, across pieces', async () => {
    const { server } = make()
    const writer = await begin(server, index(1), 30)
    await writer.write(5, [bytes(5, 1)])
    await writer.write(15, [bytes(5, 2)])
    const right = [bytes(7, 1), bytes(8, 1), bytes(0), bytes(3, 2), bytes(7, 2)]
    const wrong = [bytes(7, 1), bytes(8, 1), bytes(4, 2), bytes(6, 3)]
    expect(await code(writer.write(0, wrong))).toBe('STORAGE_CONFLICTING_WRITE')
    expect(writer.requiredRanges().length).toBe(3)
    expect(await code(writer.write(0, right))).toBe('none')
    expect(writer.requiredRanges()).toEqual([{ begin: 25, end: 30 }])
  })

  it.each([
    [31, 0, 'STORAGE_DATA_TOO_LARGE'],
    [1, 30, 'STORAGE_DATA_TOO_LARGE'],
    [1, -1, 'STORAGE_BAD_RANGE'],
    [1, 0.5, 'STORAGE_BAD_RANGE'],
    [1, Number.NaN, 'STORAGE_BAD_RANGE'],
    [0, 30, 'none'],
  ])('%i bytes at %d: %s', async (length, offset, expected) => {
    const { server } = make()
    const writer = await begin(server, index(1), 30)
    expect(await code(writer.write(offset, [bytes(length)]))).toBe(expected)
  })

  it('take no byte past a size that is being set', async () => {
    const { server } = make()
    const shareNumbers = new Set([0])
    const request = { ...secrets(), shareNumbers, allocatedSize: 100 }
    const writer = (await server.allocateOpenEnded?.(index(1), request))?.writers.get(0)
    const shrunk = writer?.resize?.(50, { final: true })
    expect(await code(Promise.resolve(writer?.write(0, [bytes(51)])))).toBe(
      'STORAGE_DATA_TOO_LARGE',
    )
    await shrunk
    expect(writer?.requiredRanges()).toEqual([{ begin: 0, end: 50 }])
  })

  it('of unknown size are neither cut nor closed before their size is final', async () => {
    const { server } = make()
    const request = { ...secrets(), shareNumbers: new Set([0]), allocatedSize: 100 }
    const writer = (await server.allocateOpenEnded?.(index(1), request))?.writers.get(0)
    await writer?.write(90, [bytes(10)])
    const resized = Promise.resolve(writer?.resize?.(50, { final: true }))
    expect(await code(resized)).toBe('STORAGE_BAD_RANGE')
    await writer?.write(0, [bytes(90)])
    expect(await code(Promise.resolve(writer?.close()))).toBe('STORAGE_BAD_RANGE')
    await writer?.resize?.(100, { final: true })
    await writer?.close()
    expect([...(await server.listShares('immutable', index(1)))]).toEqual([0])
  })

  it('keep their size when it cannot be changed, and give back what they were promised', async () => {
    const { store } = make({}, 100)
    const create = store.createImmutable.bind(store)
    const failing: IShareStore = Object.create(store, {
      shares: { value: store.shares.bind(store) },
      space: { value: store.space.bind(store) },
      createImmutable: {
        value: async (...args: Parameters<IShareStore['createImmutable']>) => ({
          ...(await create(...args)),
          resize: () => Promise.reject(new Error('the disk does not work')),
        }),
      },
    })
    const server = createStorageServer({ store: failing })
    const promised = async (): Promise<unknown> =>
      (await server.getStats()).get('storage_server.allocated')
    const request = { ...secrets(), shareNumbers: new Set([0]), allocatedSize: 30 }
    const writer = (await server.allocateOpenEnded?.(index(1), request))?.writers.get(0)
    const kept = [30, true, 30]
    const lease = { ...secrets(), ownerNumber: 0, expiresAtSeconds: 0 }
    const other = await create(index(2), 0, 70, lease)
    await expect(writer?.resize?.(10, { final: true })).rejects.toThrow('does not work')
    expect([writer?.allocatedSize, writer?.isOpenEnded, await promised()]).toEqual(kept)
    await other.discard()
    await expect(writer?.resize?.(60, { final: true })).rejects.toThrow('does not work')
    expect([writer?.allocatedSize, writer?.isOpenEnded, await promised()]).toEqual(kept)
    await writer?.abort()
    expect(await promised()).toBe(0)
  })

  it('give way half an hour after the last write, refused ones included', async () => {
    const { server, clock, store } = make()
    const writer = await begin(server, index(1), 30)
    await writer.write(0, [bytes(10)])
    clock.advance(29 * 60)
    expect(await code(writer.write(0, [bytes(10, 2)]))).toBe('STORAGE_CONFLICTING_WRITE')
    clock.advance(29 * 60)
    expect(writer.ended.aborted).toBe(false)
    clock.advance(60)
    const { writers } = await allocate(server, index(1), [0], 30)
    expect(writer.ended.aborted).toBe(true)
    expect(writers.size).toBe(1)
    expect((await store.shares(index(1))).size).toBe(0)
  })

  it("are kept for a day while they are in nobody's way", async () => {
    const { server, clock } = make()
    const writer = await begin(server, index(1), 30)
    await writer.write(0, [bytes(10)])
    clock.advance(23 * 60 * 60)
    await settled()
    await writer.write(10, [bytes(10)])
    clock.advance(23 * 60 * 60)
    await settled()
    expect(writer.requiredRanges()).toEqual([{ begin: 20, end: 30 }])
    for (let half = 0; half < 3; half++) {
      clock.advance(30 * 60)
      await settled()
    }
    expect(writer.ended.aborted).toBe(true)
    expect(await code(writer.write(20, [bytes(10)]))).toBe('STORAGE_UPLOAD_ENDED')
  })

  it('are dropped half an hour after the last write where room is scarce', async () => {
    const { server, clock } = make({}, 100)
    const small = await begin(server, index(1), 20)
    clock.advance(31 * 60)
    await settled()
    expect(small.ended.aborted).toBe(false)
    const large = await begin(server, index(2), 40)
    clock.advance(31 * 60)
    await settled()
    expect(large.ended.aborted || small.ended.aborted).toBe(true)
  })

  it('agree with a plain model, whatever the order and the overlaps', async () => {
    const size = 40
    // Mostly the bytes of one text, so that most overlaps match.
    const part = fc.record({
      offset: fc.nat({ max: size - 1 }),
      length: fc.nat({ max: 20 }),
      flip: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.constant(1)),
    })
    const property = fc.asyncProperty(fc.array(part, { maxLength: 12 }), async (parts) => {
      const { server } = make()
      const writer = await begin(server, index(1), size)
      const model: (number | undefined)[] = Array.from({ length: size }, () => undefined)
      for (const { offset, length, flip } of parts) {
        const data = Uint8Array.from({ length }, (_, i) => offset + i + flip)
        const old = model.slice(offset, offset + length)
        const conflict = old.some((byte, i) => byte !== undefined && byte !== data[i])
        const fits = offset + length <= size
        const expected = conflict ? 'STORAGE_CONFLICTING_WRITE' : 'none'
        const outcome = await code(writer.write(offset, [data.subarray(0, 3), data.subarray(3)]))
        expect(outcome).toBe(fits ? expected : 'STORAGE_DATA_TOO_LARGE')
        if (outcome === 'none') model.splice(offset, length, ...data)
      }
      const missing = writer.requiredRanges().reduce((sum, { begin: b, end }) => sum + end - b, 0)
      expect(missing).toBe(model.filter((byte) => byte === undefined).length)
      for (const { begin: from, end } of writer.requiredRanges()) {
        await writer.write(from, [bytes(end - from, 200)])
        model.fill(200, from, end)
      }
      await writer.close()
      const share = await server.openShare('immutable', index(1), 0)
      expect([...(await share.read(0, size))]).toEqual(model)
    })
    await fc.assert(property, { seed: 20261122, numRuns: 200 })
  })

  it('leave no timers behind', async () => {
    const { server, clock } = make()
    await upload(server, index(1), bytes(10))
    const writer = await begin(server, index(2), 10)
    expect(clock.pendingTimers).toBe(1)
    await writer.abort()
    expect(clock.pendingTimers).toBe(0)
  })

  it('race: writes, an abort and a close at once', async () => {
    const { server } = make()
    const writer = await begin(server, index(1), 10)
    const outcomes = await Promise.all([
      code(writer.write(0, [bytes(10)])),
      code(writer.close()),
      code(writer.abort()),
      code(writer.write(0, [bytes(10)])),
    ])
    expect(outcomes).toEqual([
      'STORAGE_UPLOAD_ENDED',
      'STORAGE_UPLOAD_ENDED',
      'none',
      'STORAGE_UPLOAD_ENDED',
    ])
    expect((await server.listShares('immutable', index(1))).size).toBe(0)
  })

  it('that the store cannot commit have ended', async () => {
    const { server, store } = make()
    const create = store.createImmutable.bind(store)
    const failing: IShareStore = Object.create(store, {
      shares: { value: store.shares.bind(store) },
      shareNumbers: { value: store.shareNumbers.bind(store) },
      space: { value: store.space.bind(store) },
      createImmutable: {
        value: async (...args: Parameters<IShareStore['createImmutable']>) => ({
          ...(await create(...args)),
          commit: () => Promise.reject(new StorageError('STORAGE_NO_SPACE', 'full')),
        }),
      },
    })
    const writer = await begin(createStorageServer({ store: failing }), index(1), 10)
    await writer.write(0, [bytes(10)])
    expect(await code(writer.close())).toBe('STORAGE_NO_SPACE')
    expect(writer.ended.aborted).toBe(true)
    expect(await code(writer.abort())).toBe('none')
    expect((await server.listShares('immutable', index(1))).size).toBe(0)
  })
})

describe('shares of both kinds', () => {
  it('are told apart', async () => {
    const { server } = make()
    await upload(server, index(1), bytes(10))
    await writeSlot(server, index(2), bytes(10))
    expect([...(await server.listShares('immutable', index(1)))]).toEqual([0])
    expect([...(await server.listShares('mutable', index(1)))]).toEqual([])
    expect(await code(server.openShare('mutable', index(1), 0))).toBe('STORAGE_NO_SUCH_SHARE')
    expect(await code(server.openShare('immutable', index(2), 0))).toBe('STORAGE_NO_SUCH_SHARE')
    expect(await code(server.openShare('mutable', index(2), 1))).toBe('STORAGE_NO_SUCH_SHARE')
    const share = await server.openShare('mutable', index(2), 0)
    expect([share.length, await share.read(8, 9)]).toEqual([10, bytes(2)])
    expect(await code(share.read(-1, 1))).toBe('STORAGE_BAD_RANGE')
    await share.close()
    expect((await server.slotReadv(index(1), [], [])).size).toBe(0)
    expect(await code(writeSlot(server, index(1), bytes(1)))).toBe(
      'STORAGE_UNKNOWN_CONTAINER_VERSION',
    )
  })

  it('do not mix under one storage index: a slot with others among its shares could not be written', async () => {
    const { server } = make()
    await writeSlot(server, index(1), bytes(10))
    const { alreadyGot, writers } = await allocate(server, index(1), [0, 1], 10)
    expect([[...alreadyGot], [...writers.keys()]]).toEqual([[], []])
    const shares = new Map([[1, [bytes(10)]]])
    const answer = await server.storeShares?.(index(1), { ...secrets(), shares })
    expect([answer?.alreadyGot.size, answer?.stored.size]).toEqual([0, 0])
    expect((await writeSlot(server, index(1), bytes(20))).success).toBe(true)
  })

  it.each([0, 1])(
    'do not take the place of a slot that was written while share %i was uploaded',
    async (shareNumber) => {
      const { server } = make()
      const { writers } = await allocate(server, index(1), [shareNumber], 10)
      const writer = writers.get(shareNumber) as ServedBucketWriter
      await writer.write(0, [bytes(10, 6)])
      // The slot comes while the upload is open, or in turn before its end.
      const written = writeSlot(server, index(1), bytes(10, 7))
      const closed = shareNumber === 0 ? (await written, writer.close()) : writer.close()
      expect(await code(closed)).toBe('STORAGE_UPLOAD_ENDED')
      await written
      expect(writer.ended.aborted).toBe(true)
      expect((await writeSlot(server, index(1), bytes(3, 8))).success).toBe(true)
      const data = await server.slotReadv(index(1), [], [{ offset: 0, size: 99 }])
      expect([...data]).toEqual([[0, [bytes(10, 7).fill(8, 0, 3)]]])
      expect((await server.getStats()).get('storage_server.allocated')).toBe(0)
    },
  )

  it('that cannot be read hide no others and are not overwritten', async () => {
    const { server, store, lines } = make()
    await upload(server, index(1), bytes(10))
    await writeSlot(server, index(2), bytes(10))
    const damaged: IShareStore = Object.create(store, {
      space: { value: store.space.bind(store) },
      shares: {
        value: async (at: StorageIndex) =>
          (await store.shares(at)).set(7, 'unknown').set(8, 'mutable'),
      },
      shareNumbers: {
        value: async (at: StorageIndex) => [...(await store.shareNumbers(at)), 7, 8],
      },
      open: {
        value: (at: StorageIndex, n: ShareNumber) =>
          n < 7
            ? store.open(at, n)
            : Promise.reject(new StorageError('STORAGE_BAD_SHARE', 'no whole header')),
      },
      addLease: { value: store.addLease.bind(store) },
    })
    const half = createStorageServer({ store: damaged, log: (line) => lines.push(line) })
    const { alreadyGot, writers } = await allocate(half, index(1), [0, 7], 10)
    expect([[...alreadyGot], [...writers.keys()]]).toEqual([[0], []])
    const read = await half.slotReadv(index(2), [], [{ offset: 0, size: 99 }])
    expect([...read.keys()]).toEqual([0])
    expect(await code(half.openShare('mutable', index(2), 7))).toBe('STORAGE_BAD_SHARE')
    expect(await code(writeSlot(half, index(2), bytes(3)))).toBe('STORAGE_BAD_SHARE')
    expect(lines).toEqual([7, 8].map((n) => `share ${n} is left out: no whole header`))
  })
})

describe('a large slot', () => {
  /** A server with one mutable share of many bytes, and the most that was read of it at once. */
  async function large(size: number) {
    const { server: small, store } = make()
    await writeSlot(small, index(1), bytes(3))
    const reads: number[] = []
    const huge: IShareStore = Object.create(store, {
      space: { value: store.space.bind(store) },
      shareNumbers: { value: store.shareNumbers.bind(store) },
      writeSlot: { value: store.writeSlot.bind(store) },
      open: {
        value: async (at: StorageIndex, n: ShareNumber) => ({
          ...(await store.open(at, n)),
          length: size,
          read: async (offset: number, length: number) => {
            const found = Math.max(0, Math.min(length, size - offset))
            reads.push(found)
            return bytes(found)
          },
        }),
      },
    })
    return { server: createStorageServer({ store: huge }), reads }
  }
  const all = { ...secrets(), writeEnabler: bytes(32, 9) }

  it('is read no further for a test than it says', async () => {
    const { server, reads } = await large(2 ** 40)
    const outcome = async (size: number, specimen: Uint8Array): Promise<boolean> => {
      const vectors = { test: [{ offset: 5, size, specimen }], write: [] }
      const tests = new Map([[0, vectors]])
      return (await server.slotTestvAndReadvAndWritev(index(1), all, tests, [])).success
    }
    expect(await outcome(2 ** 40, bytes(3))).toBe(false)
    expect(await outcome(2, bytes(3))).toBe(false)
    expect(await outcome(3, bytes(3, 2))).toBe(false)
    expect(await outcome(3, bytes(3))).toBe(true)
    expect(Math.max(...reads)).toBe(3)
  })

  it('is not read whole beside a write', async () => {
    const { server, reads } = await large(20 * 1024 * 1024)
    const ask = (size: number, count: number): Promise<unknown> => {
      const vectors = Array.from({ length: count }, () => ({ offset: 1, size }))
      return server.slotTestvAndReadvAndWritev(index(1), all, new Map(), vectors)
    }
    expect(await code(ask(2 ** 50, 2))).toBe('STORAGE_DATA_TOO_LARGE')
    expect(reads).toEqual([])
    expect(await code(ask(2 ** 50, 1))).toBe('none')
  })
})

describe('leases', () => {
  it('on no share at all are refused', async () => {
    const { server } = make()
    expect(await code(server.addLease(index(1), secrets()))).toBe('STORAGE_NO_SUCH_SHARE')
  })

  it('end 31 days from now', async () => {
    const { server, store, clock } = make()
    clock.ms = 1_700_000_000_999
    await upload(server, index(1), bytes(10))
    await server.addLease(index(1), secrets(2))
    expect(await store.leases(index(1), 0)).toMatchObject([
      { ownerNumber: 0, expiresAtSeconds: 1_700_000_000 + 2_678_400 },
      { ownerNumber: 1, expiresAtSeconds: 1_700_000_000 + 2_678_400 },
    ])
  })
})

describe('closing', () => {
  it('drops uploads and refuses everything afterwards', async () => {
    const { server } = make()
    const writer = await begin(server, index(1), 10)
    await writer.write(0, [bytes(10)])
    await server.close()
    await server.close()
    expect(writer.ended.aborted).toBe(true)
    const calls = [
      server.getVersion(),
      allocate(server, index(1), [0], 1),
      server.addLease(index(1), secrets()),
      server.listShares('mutable', index(1)),
      server.openShare('mutable', index(1), 0),
      server.slotReadv(index(1), [], []),
      writeSlot(server, index(1), bytes(1)),
      server.adviseCorruptShare('mutable', index(1), 0, 'x'),
    ]
    for (const call of calls) expect(await code(call)).toBe('STORAGE_CLOSED')
    expect(await code(writer.close())).toBe('STORAGE_UPLOAD_ENDED')
  })

  it('waits for what is under way', async () => {
    const { server } = make()
    const write = writeSlot(server, index(1), bytes(10))
    await server.close()
    expect((await write).success).toBe(true)
  })
})

describe('operations on one storage index', () => {
  it('never interleave', async () => {
    const store = createMemoryStore()
    let inside = 0
    let most = 0
    const slow: IShareStore = Object.create(store, {
      space: { value: store.space.bind(store) },
      open: { value: store.open.bind(store) },
      writeSlot: { value: store.writeSlot.bind(store) },
      shareNumbers: {
        value: async (at: StorageIndex) => {
          inside += 1
          most = Math.max(most, inside)
          await new Promise((resolve) => {
            setTimeout(resolve, 1)
          })
          inside -= 1
          return store.shareNumbers(at)
        },
      },
    })
    const server = createStorageServer({ store: slow })
    await Promise.all([1, 1, 1, 1].map((n) => writeSlot(server, index(n), bytes(10))))
    expect(most).toBe(1)
    await Promise.all([2, 3, 4, 5].map((n) => writeSlot(server, index(n), bytes(10))))
    expect(most).toBe(4)
  })
})

describe('cancelling a lease', () => {
  it('lets the share go with the last one, but not from under a reader', async () => {
    const { server } = make()
    await upload(server, index(1), bytes(10))
    await server.addLease(index(1), secrets(2))
    const reader = await server.openShare('immutable', index(1), 0)
    await server.cancelLease(index(1), 0, bytes(32, 77))
    await server.cancelLease(index(1), 0, secrets(2).cancelSecret)
    await server.cancelLease(index(1), 0, secrets(2).cancelSecret)
    expect([...(await server.listShares('immutable', index(1)))]).toEqual([0])
    await server.cancelLease(index(1), 0, secrets(1).cancelSecret)
    expect([...(await server.listShares('immutable', index(1)))]).toEqual([])
    expect(await reader.read(0, 10)).toEqual(bytes(10))
    await reader.close()
  })

  it('takes mutable shares too', async () => {
    const { server } = make()
    await writeSlot(server, index(1), bytes(10))
    await server.cancelLease(index(1), 0, secrets(1).cancelSecret)
    expect((await server.slotReadv(index(1), [], [])).size).toBe(0)
  })

  it.each([
    ['a share that is not there', index(1), 3, bytes(32), 'STORAGE_NO_SUCH_SHARE'],
    ['a short storage index', bytes(15), 0, bytes(32), 'STORAGE_BAD_STORAGE_INDEX'],
    ['no share number', index(1), -1, bytes(32), 'STORAGE_BAD_SHARE_NUMBER'],
    ['a short secret', index(1), 0, bytes(31), 'STORAGE_BAD_SECRET'],
  ] as const)('refuses %s', async (_, at, shareNumber, secret, expected) => {
    const { server } = make()
    await upload(server, index(1), bytes(10))
    expect(await code(server.cancelLease(at, shareNumber, secret))).toBe(expected)
  })
})
