import type {
  IStorageServer,
  ReadTestWriteResult,
  ReadVector,
  RIBucketWriter,
  TestWriteVectors,
} from '@lafs/storage-interface'
import {
  createSimulatedGrid,
  drawFaultPlan,
  FAULT_NAMES,
  FAULTLESS,
  HangError,
  seededRandom,
  virtualClock,
} from '@lafs/testing'
import type { FaultPlan, SimulatedGrid, SimulatedServer, VirtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'

describe('the virtual clock', () => {
  it('fires in the order of the times, then of the settings', async () => {
    const clock = virtualClock()
    const fired: string[] = []
    const note = (name: string) => (): void => {
      fired.push(`${name} at ${clock.nowMs()}`)
    }
    clock.after(20, note('c'))
    clock.after(10, note('a'))
    clock.after(10, note('b'))
    clock.after(15, note('never'))()
    clock.after(40, note('later'))
    await clock.elapse(30)
    expect(fired).toEqual(['a at 10', 'b at 10', 'c at 20'])
    expect(clock.nowMs()).toBe(30)
  })

  it('runs work to its end, with all that the work waits for', async () => {
    const clock = virtualClock()
    const work = async (): Promise<string> => {
      for (let turn = 0; turn < 3; turn++) await clock.sleep(1_000_000)
      return 'done'
    }
    expect(await clock.run(work(), 3_000_000)).toBe('done')
    expect(clock.nowMs()).toBe(3_000_000)
    await expect(clock.run(work(), 2_999_999)).rejects.toThrow(HangError)
    await expect(clock.run(Promise.reject(new Error('no')), 1)).rejects.toThrow('no')
  })

  it('says when nothing is left to wait for', async () => {
    await expect(virtualClock().run(new Promise(() => {}), 1)).rejects.toThrow(HangError)
  })

  it('wakes a sleeper whose signal aborts', async () => {
    const clock = virtualClock()
    const controller = new AbortController()
    const sleep = clock.sleep(1000, controller.signal)
    clock.after(5, () => controller.abort(new Error('enough')))
    await expect(clock.run(sleep, 10)).rejects.toThrow('enough')
    await expect(clock.sleep(1000, controller.signal)).rejects.toThrow('enough')
  })
})

const storageIndex = new Uint8Array(16).fill(7)
const share = Uint8Array.from({ length: 100 }, (_, index) => index)

interface Stage {
  readonly clock: VirtualClock
  readonly grid: SimulatedGrid
  /** What the honest server behind it holds. */
  readonly stored: ReadonlyMap<number, Uint8Array>
  readonly server: SimulatedServer
  readonly storage: IStorageServer
  readonly run: <T>(work: Promise<T>) => Promise<T>
}

/** A mutable slot that ignores tests. */
interface Slot {
  read(numbers: readonly number[], vectors: readonly ReadVector[]): Map<number, Uint8Array[]>
  write(
    writes: ReadonlyMap<number, TestWriteVectors>,
    vectors: readonly ReadVector[],
  ): ReadTestWriteResult
}

function slotOf(stored: Map<number, Uint8Array>): Slot {
  const read: Slot['read'] = (numbers, vectors) => {
    const asked = [...stored].filter(([number]) => numbers.length === 0 || numbers.includes(number))
    const spans = (bytes: Uint8Array): Uint8Array[] =>
      vectors.map(({ offset, size }) => bytes.slice(offset, offset + size))
    return new Map(asked.map(([number, bytes]) => [number, spans(bytes)]))
  }
  return {
    read,
    write: (writes, vectors) => {
      const data = read([], vectors)
      for (const [number, { write, newLength }] of writes) {
        if (newLength === 0) stored.delete(number)
        else for (const { data: bytes } of write) stored.set(number, bytes)
      }
      return { success: true, data }
    },
  }
}

/** Keeps the shares of one file, immutable or not, in a map. */
function honestServer(stored: Map<number, Uint8Array>): IStorageServer {
  const slot = slotOf(stored)
  const writerOf = (number: number, size: number): RIBucketWriter => {
    const bytes = new Uint8Array(size)
    return {
      write: async (offset, pieces) => {
        for (const piece of pieces) bytes.set(piece, offset)
      },
      close: async () => {
        stored.set(number, bytes)
      },
      abort: async () => {},
    }
  }
  const mapOf = <T>(numbers: Iterable<number>, make: (number: number) => T): Map<number, T> =>
    new Map([...numbers].map((number) => [number, make(number)]))
  return {
    getVersion: async () => ({
      maximumImmutableShareSize: 1000,
      maximumMutableShareSize: 1000,
      availableSpace: 1000,
      toleratesImmutableReadOverrun: true,
      deleteMutableSharesWithZeroLengthWritev: true,
      fillsHolesWithZeroBytes: true,
      preventsReadPastEndOfShareData: true,
      applicationVersion: 'honest',
    }),
    allocateBuckets: async (_, { shareNumbers, allocatedSize }) => ({
      alreadyGot: new Set(stored.keys()),
      writers: mapOf(shareNumbers, (number) => writerOf(number, allocatedSize)),
    }),
    getBuckets: async () =>
      mapOf(stored.keys(), (number) => ({
        read: async (offset, length) =>
          (stored.get(number) ?? new Uint8Array()).slice(offset, offset + length),
        adviseCorruptShare: async () => {},
      })),
    addLease: async () => {},
    cancelLease: async (_, number) => {
      stored.delete(number)
    },
    slotReadv: async (_, numbers, vectors) => slot.read(numbers, vectors),
    slotTestvAndReadvAndWritev: async (_, _secrets, writes, vectors) => slot.write(writes, vectors),
    adviseCorruptShare: async () => {},
  }
}

/** A grid of one server that misbehaves as the plan says. */
function stage(plan: Partial<FaultPlan> = {}, seed = 5): Stage {
  const clock = virtualClock()
  const stored = new Map<number, Uint8Array>()
  const grid = createSimulatedGrid([honestServer(stored)], { clock, random: seededRandom(seed) })
  const [server] = grid.servers
  if (server === undefined) throw new Error('expected a server')
  server.follow({ ...FAULTLESS, ...plan })
  const run = <T>(work: Promise<T>): Promise<T> => clock.run(work, 3_600_000)
  return { clock, grid, stored, server, storage: server.storage, run }
}

async function put(storage: IStorageServer, numbers: readonly number[]): Promise<Set<number>> {
  const { writers } = await storage.allocateBuckets(storageIndex, {
    renewSecret: new Uint8Array(32),
    cancelSecret: new Uint8Array(32),
    shareNumbers: new Set(numbers),
    allocatedSize: share.length,
  })
  for (const [number, writer] of writers) {
    await writer.write(0, [share.map((byte) => byte ^ number)])
    await writer.close()
  }
  return new Set(writers.keys())
}

/** What the server shows of each share. */
async function get(storage: IStorageServer): Promise<Map<number, Uint8Array>> {
  const readers = await storage.getBuckets(storageIndex)
  const shown = new Map<number, Uint8Array>()
  for (const [number, reader] of readers) shown.set(number, await reader.read(0, 1000))
  return shown
}

/** How many bits of two byte strings of one length differ. */
function differingBits(a: Uint8Array, b: Uint8Array): number {
  let count = 0
  for (const [index, byte] of a.entries()) {
    for (let rest = byte ^ (b[index] ?? 0); rest > 0; rest >>= 1) count += rest & 1
  }
  return count
}

const plainShares = new Map([0, 3].map((number) => [number, share.map((byte) => byte ^ number)]))
const unreachable = { code: 'STORAGE_UNREACHABLE' }

describe('a simulated server', () => {
  it('is as good as the one behind it when its plan has no fault', async () => {
    const { storage, run, server, clock, grid } = stage()
    expect(await run(put(storage, [0, 3]))).toEqual(new Set([0, 3]))
    expect(await run(get(storage))).toEqual(plainShares)
    expect(server.openUploads).toBe(0)
    expect(server.record.tainted.size).toBe(0)
    expect(clock.nowMs()).toBeGreaterThan(8)
    expect(grid.trace.some((line) => line.includes('reader.read 3 0+1000'))).toBe(true)
  })

  it('dies', async () => {
    const { storage, run, server } = stage({ diesAtOperation: 1 })
    await run(storage.getVersion())
    expect(server.alive).toBe(false)
    await expect(run(storage.getVersion())).rejects.toMatchObject(unreachable)
    await expect(run(storage.getBuckets(storageIndex))).rejects.toMatchObject(unreachable)
  })

  it('comes back without the uploads that were under way', async () => {
    const { storage, run, server } = stage({ diesAtOperation: 2 })
    await expect(run(put(storage, [0]))).rejects.toMatchObject(unreachable)
    expect(server.openUploads).toBe(1)
    server.follow(FAULTLESS)
    expect(server.alive).toBe(true)
    expect(server.openUploads).toBe(0)
    expect((await run(get(storage))).size).toBe(0)
  })

  it('fails, but for aborts', async () => {
    const { storage, run, server } = stage()
    const request = {
      renewSecret: new Uint8Array(32),
      cancelSecret: new Uint8Array(32),
      shareNumbers: new Set([0]),
      allocatedSize: 100,
    }
    const { writers } = await run(storage.allocateBuckets(storageIndex, request))
    server.follow({ ...FAULTLESS, failRate: 1 })
    const writer = writers.get(0)
    await expect(run(writer?.write(0, [share]) ?? Promise.resolve())).rejects.toMatchObject(
      unreachable,
    )
    expect(server.openUploads).toBe(1)
    await run(writer?.abort() ?? Promise.resolve())
    expect(server.openUploads).toBe(0)
  })

  it('answers late, and stalls until the signal aborts', async () => {
    const late = stage({ latencyMs: [5000, 5000], stallRate: 1, stallMs: 60_000 })
    await late.run(late.storage.getVersion())
    expect(late.clock.nowMs()).toBe(65_000)
    const controller = new AbortController()
    late.clock.after(10, () => controller.abort(new Error('enough')))
    const version = late.storage.getVersion({ signal: controller.signal })
    await expect(late.run(version)).rejects.toThrow('enough')
    expect(late.clock.nowMs()).toBe(65_010)
  })

  it('flips, garbles and truncates what is read', async () => {
    for (const fault of ['flipRate', 'garbleRate', 'truncateRate'] as const) {
      const { storage, run, server } = stage()
      await run(put(storage, [0]))
      server.follow({ ...FAULTLESS, [fault]: 1 })
      const shown = (await run(get(storage))).get(0) ?? new Uint8Array()
      if (fault === 'truncateRate') {
        expect(shown.length).toBeLessThan(100)
        expect(shown).toEqual(share.subarray(0, shown.length))
      } else {
        expect(differingBits(shown, share)).toBe(fault === 'flipRate' ? 1 : 800)
      }
      expect([...server.record.tainted]).toEqual([0])
      expect([...server.record.garbled]).toEqual(fault === 'garbleRate' ? [0] : [])
    }
  })

  it('gives shares for others, hides them and invents some', async () => {
    const { storage, run, server } = stage()
    await run(put(storage, [0, 3]))
    server.follow({ ...FAULTLESS, swapsShares: true })
    const swapped = await run(get(storage))
    expect(swapped.get(3)).toEqual(plainShares.get(0))
    expect(swapped.get(0)).toEqual(plainShares.get(3))
    server.follow({ ...FAULTLESS, hideRate: 1 })
    expect((await run(get(storage))).size).toBe(0)
    server.follow({ ...FAULTLESS, hideRate: 1, inventRate: 1 })
    const invented = await run(storage.getBuckets(storageIndex))
    expect(invented.size).toBe(1)
    await expect(run(get(storage))).rejects.toMatchObject({ code: 'STORAGE_NO_SUCH_SHARE' })
  })

  it('refuses allocations, finds no room, takes nothing', async () => {
    const refusing = stage({ refuseRate: 1 })
    await expect(refusing.run(put(refusing.storage, [0]))).rejects.toMatchObject({
      code: 'STORAGE_NO_SPACE',
    })
    const full = stage({ noSpaceRate: 1 })
    expect((await full.run(put(full.storage, [0, 1]))).size).toBe(0)
    const { run, storage } = stage({ readonly: true })
    expect((await run(put(storage, [0]))).size).toBe(0)
    expect((await run(storage.getVersion())).maximumImmutableShareSize).toBe(0)
  })

  it('drops writes and loses shares, and says nothing', async () => {
    for (const fault of ['dropWritesRate', 'loseRate'] as const) {
      const { storage, run, server, stored } = stage({ [fault]: 1 })
      expect((await run(put(storage, [0]))).size).toBe(1)
      expect((await run(get(storage))).size).toBe(0)
      expect(server.openUploads).toBe(0)
      expect(stored.size).toBe(0)
      server.follow(FAULTLESS)
      expect((await run(put(storage, [0]))).size).toBe(1)
      expect((await run(get(storage))).size).toBe(1)
    }
  })

  it('rolls back', async () => {
    const { storage, run } = stage({ rollsBackAtOperation: 5 })
    await run(put(storage, [0]))
    expect([...(await run(get(storage))).keys()]).toEqual([0])
    expect((await run(get(storage))).size).toBe(0)
  })

  it('notes what it was told', async () => {
    const { storage, run, server } = stage()
    await run(put(storage, [0, 3]))
    const readers = await run(storage.getBuckets(storageIndex))
    await run(readers.get(3)?.adviseCorruptShare('looks bad') ?? Promise.resolve())
    await run(storage.adviseCorruptShare('immutable', storageIndex, 0, 'so does this'))
    expect(server.record.advised).toEqual(new Set([0, 3]))
  })

  it('does the same again with the same seed, and something else with another', async () => {
    const traceOf = async (seed: number): Promise<readonly string[]> => {
      const { storage, run, grid } = stage({ failRate: 0.3, flipRate: 0.5 }, seed)
      for (let turn = 0; turn < 10; turn++) await run(put(storage, [turn])).catch(() => {})
      await run(get(storage)).catch(() => {})
      return grid.trace
    }
    expect(await traceOf(1)).toEqual(await traceOf(1))
    expect(await traceOf(1)).not.toEqual(await traceOf(2))
  })
})

describe('the slots of a simulated server', () => {
  const secrets = {
    writeEnabler: new Uint8Array(32),
    renewSecret: new Uint8Array(32),
    cancelSecret: new Uint8Array(32),
  }
  const whole = [{ offset: 0, size: 1000 }]
  const writeTo = (
    storage: IStorageServer,
    shares: ReadonlyMap<number, Uint8Array>,
  ): Promise<ReadTestWriteResult> => {
    const vectors = [...shares].map(
      ([number, data]) => [number, { test: [], write: [{ offset: 0, data }] }] as const,
    )
    return storage.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(vectors), whole)
  }
  const readAll = async (storage: IStorageServer): Promise<Map<number, Uint8Array | undefined>> => {
    const found = await storage.slotReadv(storageIndex, [], whole)
    return new Map([...found].map(([number, [bytes]]) => [number, bytes]))
  }
  const both = new Map([
    [0, share],
    [3, share.toReversed()],
  ])

  it('give shares for others, hide them and change what is read, whatever reads them', async () => {
    const { storage, run, server } = stage()
    await run(writeTo(storage, both))
    expect(await run(readAll(storage))).toEqual(both)
    const readAgain = async (): Promise<Map<number, Uint8Array | undefined>> => {
      const { data } = await writeTo(storage, new Map())
      return new Map([...data].map(([number, [bytes]]) => [number, bytes]))
    }
    for (const read of [() => readAll(storage), readAgain]) {
      server.follow({ ...FAULTLESS, swapsShares: true })
      expect((await run(read())).get(3)).toEqual(both.get(0))
      server.follow({ ...FAULTLESS, hideRate: 1 })
      expect((await run(read())).size).toBe(0)
      server.follow({ ...FAULTLESS, flipRate: 1 })
      const flipped = (await run(read())).get(0) ?? new Uint8Array()
      expect(differingBits(flipped, share)).toBe(1)
      expect(server.record.tainted).toEqual(new Set([0, 3]))
    }
  })

  it('refuse, drop and lose what is written', async () => {
    const refusing = stage({ refuseRate: 1 })
    await expect(refusing.run(writeTo(refusing.storage, both))).rejects.toMatchObject({
      code: 'STORAGE_NO_SPACE',
    })
    expect((await refusing.run(writeTo(refusing.storage, new Map()))).success).toBe(true)
    for (const fault of ['dropWritesRate', 'loseRate'] as const) {
      const { storage, run, stored } = stage({ [fault]: 1 })
      expect((await run(writeTo(storage, both))).success).toBe(true)
      expect(stored.size).toBe(0)
    }
  })

  it('take what is written, and lose the answer', async () => {
    const { storage, run, stored } = stage({ loseAnswerRate: 1 })
    await expect(run(writeTo(storage, both))).rejects.toMatchObject(unreachable)
    expect(stored).toEqual(both)
  })

  it('roll back to what stood there before', async () => {
    const { storage, run, server } = stage()
    await run(writeTo(storage, new Map([[0, share]])))
    server.follow({ ...FAULTLESS, rollsBackAtOperation: 2 })
    await run(writeTo(storage, new Map([[3, share]])))
    await run(writeTo(storage, new Map([[0, share.toReversed()]])))
    expect(await run(readAll(storage))).toEqual(new Map([[0, share]]))
  })
})

describe('fault plans', () => {
  it('are drawn by their odds', () => {
    expect(drawFaultPlan(seededRandom(1), {})).toEqual(FAULTLESS)
    for (const name of FAULT_NAMES) {
      const plan = drawFaultPlan(seededRandom(1), { [name]: 1 })
      expect(plan).not.toEqual(FAULTLESS)
      expect(drawFaultPlan(seededRandom(1), { [name]: 1 })).toEqual(plan)
    }
  })
})
