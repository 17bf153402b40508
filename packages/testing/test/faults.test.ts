import type { IStorageServer, RIBucketReader } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import {
  alwaysFail,
  breakingLine,
  delay,
  dropConnection,
  failOnce,
  faulty,
  flipBit,
  lieAboutVersion,
  seededRandom,
  stall,
  truncate,
  withFault,
} from '../src/index.ts'

const data = Uint8Array.of(0, 1, 2, 3)
const storageIndex = new Uint8Array(16)

/** A server with one share of each kind. */
function oneShare(): IStorageServer {
  const reader: RIBucketReader = {
    read: async (offset, length) => data.slice(offset, offset + length),
    adviseCorruptShare: async () => {},
  }
  return {
    getVersion: async () => ({
      maximumImmutableShareSize: 1,
      maximumMutableShareSize: 1,
      availableSpace: 1,
      toleratesImmutableReadOverrun: true,
      deleteMutableSharesWithZeroLengthWritev: true,
      fillsHolesWithZeroBytes: true,
      preventsReadPastEndOfShareData: true,
      applicationVersion: 'one share',
    }),
    allocateBuckets: async () => ({
      alreadyGot: new Set(),
      writers: new Map([
        [0, { write: async () => {}, close: async () => {}, abort: async () => {} }],
      ]),
    }),
    addLease: async () => {},
    cancelLease: async () => {},
    getBuckets: async () => new Map([[0, reader]]),
    slotReadv: async () => new Map([[0, [data.slice()]]]),
    slotTestvAndReadvAndWritev: async () => ({ success: true, data: new Map() }),
    adviseCorruptShare: async () => {},
  }
}

const readBoth = async (server: IStorageServer): Promise<(number[] | undefined)[]> => {
  const reader = (await server.getBuckets(storageIndex)).get(0)
  const slot = (await server.slotReadv(storageIndex, [0], [{ offset: 0, size: 4 }])).get(0)
  return [await reader?.read(0, 4), slot?.[0]].map((bytes) => bytes && [...bytes])
}
const unreachable = { code: 'STORAGE_UNREACHABLE' }

describe('faults', () => {
  it('flip the bit that they are told', async () => {
    expect(await readBoth(flipBit(oneShare(), 17))).toEqual([
      [0, 1, 0, 3],
      [0, 1, 0, 3],
    ])
    expect(await readBoth(flipBit(oneShare(), 1000))).toEqual([
      [0, 1, 2, 2],
      [0, 1, 2, 2],
    ])
  })

  it('truncate', async () => {
    expect(await readBoth(truncate(oneShare(), 3))).toEqual([[0], [0]])
    expect(await readBoth(truncate(oneShare(), 9))).toEqual([[], []])
  })

  it('fail once, and only where they should', async () => {
    const server = failOnce(oneShare(), { only: ['reader.read'] })
    await server.getVersion()
    await expect(readBoth(server)).rejects.toMatchObject(unreachable)
    expect(await readBoth(server)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ])
  })

  it('fail always', async () => {
    const server = alwaysFail(oneShare(), { only: ['writer.write'] })
    const { writers } = await server.allocateBuckets(storageIndex, {
      renewSecret: data,
      cancelSecret: data,
      shareNumbers: new Set([0]),
      allocatedSize: 4,
    })
    await expect(writers.get(0)?.write(0, [data])).rejects.toMatchObject(unreachable)
    await expect(writers.get(0)?.write(0, [data])).rejects.toMatchObject(unreachable)
    await writers.get(0)?.abort()
  })

  it('drop the connection after a while', async () => {
    const server = dropConnection(oneShare(), 2)
    await server.getVersion()
    await server.getVersion()
    await expect(server.getVersion()).rejects.toMatchObject(unreachable)
    await expect(server.getVersion()).rejects.toMatchObject(unreachable)
  })

  it('stall and delay until the signal aborts', async () => {
    for (const server of [stall(oneShare()), delay(oneShare(), 1_000_000)]) {
      const controller = new AbortController()
      const version = server.getVersion({ signal: controller.signal })
      controller.abort(new Error('enough'))
      await expect(version).rejects.toThrow('enough')
    }
    expect((await delay(oneShare(), 1).getVersion()).applicationVersion).toBe('one share')
  })

  it('lie', async () => {
    const server = lieAboutVersion(oneShare(), { availableSpace: 0 })
    expect(await server.getVersion()).toMatchObject({
      availableSpace: 0,
      applicationVersion: 'one share',
    })
  })

  it('come by chance, the same chance with the same seed', async () => {
    const run = async (): Promise<boolean[]> => {
      const random = seededRandom(7)
      const server = faulty(oneShare(), { rate: 0.5, random: () => random.next() })
      const failures = Array.from({ length: 40 }, () =>
        server.getVersion().then(
          () => false,
          () => true,
        ),
      )
      return Promise.all(failures)
    }
    const failures = await run()
    expect(await run()).toEqual(failures)
    expect(new Set(failures).size).toBe(2)
  })
})

describe('a line that breaks', () => {
  it.each([
    ['the last message is lost', false],
    ['the answer to the last message is lost', true],
  ])('breaks for all servers at once: %s', async (_, lastArrives) => {
    let arrived = 0
    const counting = (): IStorageServer =>
      withFault(oneShare(), (_name, operation) => {
        arrived += 1
        return operation()
      })
    const line = breakingLine(3, { lastArrives })
    const [one, other] = [line.over(counting()), line.over(counting())]
    const asked = [one, other, one, other, one, other].map((server) => server.getVersion())
    const outcomes = await Promise.allSettled(asked)
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(
      Array.from({ length: 6 }, (_unused, index) => index < 3),
    )
    expect(outcomes[3]).toMatchObject({ reason: { code: 'STORAGE_UNREACHABLE' } })
    expect(arrived).toBe(lastArrives ? 4 : 3)
    expect([line.messageCount, line.broken]).toEqual([6, true])
  })

  it('only counts while it holds', async () => {
    const line = breakingLine(Infinity)
    await line.over(oneShare()).getVersion()
    expect([line.messageCount, line.broken]).toEqual([1, false])
  })
})

describe('seeded random numbers', () => {
  it('are those of their seed', () => {
    expect(seededRandom(1).bytes(8)).toEqual(seededRandom(1).bytes(8))
    expect(seededRandom(1).bytes(8)).not.toEqual(seededRandom(2).bytes(8))
    // mulberry32 of 1, by its published code.
    expect(seededRandom(1).next()).toBeCloseTo(0.6270739405881613, 15)
  })

  it('shuffle without loss', () => {
    const order = seededRandom(3).shuffled([0, 1, 2, 3, 4, 5, 6, 7])
    expect(order).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
})
