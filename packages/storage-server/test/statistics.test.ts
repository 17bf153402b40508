import { createMemoryStore } from '@lafs/share-store-memory'
import type { StorageIndex } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { createStorageServer, type StorageServer } from '../src/index.ts'
import { OperationStatistics } from '../src/statistics.ts'
import { TestClock } from './clock.ts'

const index = (n: number): StorageIndex => new Uint8Array(16).fill(n)
const secrets = {
  renewSecret: new Uint8Array(32).fill(1),
  cancelSecret: new Uint8Array(32).fill(2),
}

async function upload(server: StorageServer, at: StorageIndex, size: number): Promise<void> {
  const request = { ...secrets, shareNumbers: new Set([0]), allocatedSize: size }
  const { writers } = await server.allocateBuckets(at, request)
  await writers.get(0)?.write(0, [new Uint8Array(size)])
  await writers.get(0)?.close()
}

/** The statistics of a server, without their common prefix. */
async function statsOf(server: StorageServer): Promise<Record<string, number | undefined>> {
  const all = await server.getStats()
  for (const name of all.keys()) expect(name.startsWith('storage_server.')).toBe(true)
  return Object.fromEntries([...all].map(([name, value]) => [name.slice(15), value]))
}

describe('counters', () => {
  it('count what was asked for, and bytes that come', async () => {
    const server = createStorageServer({ store: createMemoryStore() })
    await upload(server, index(1), 70)
    const request = { ...secrets, shareNumbers: new Set([3]), allocatedSize: 10 }
    const { writers } = await server.allocateBuckets(index(2), request)
    await writers.get(3)?.abort()
    await server.listShares('immutable', index(1))
    const reader = await server.openShare('immutable', index(1), 0)
    await reader.read(0, 10)
    await reader.close()
    await server.addLease(index(1), secrets)
    const vectors = { test: [], write: [{ offset: 0, data: new Uint8Array(9) }] }
    const slot = { ...secrets, writeEnabler: new Uint8Array(32) }
    await server.slotTestvAndReadvAndWritev(index(3), slot, new Map([[0, vectors]]), [])
    await server.slotReadv(index(3), [], [])
    await server.cancelLease(index(1), 0, secrets.cancelSecret)
    const counters = [...server.counters()].map(([name, count]) => [name.split('.')[1], count])
    expect(Object.fromEntries(counters)).toEqual({
      allocate: 2,
      write: 1,
      close: 1,
      abort: 1,
      get: 1,
      read: 1,
      'add-lease': 1,
      writev: 1,
      readv: 1,
      cancel: 1,
      bytes_added: 70,
    })
    await server.close()
  })
})

describe('measures', () => {
  it('are those of upstream, by name', async () => {
    const store = createMemoryStore({ capacity: 1000 })
    const server = createStorageServer({ store, reservedSpace: 100, ...new TestClock().options })
    await upload(server, index(1), 70)
    const request = { ...secrets, shareNumbers: new Set([0]), allocatedSize: 30 }
    await server.allocateBuckets(index(2), request)
    expect(await statsOf(server)).toMatchObject({
      allocated: 30,
      reserved_space: 100,
      disk_total: 1000,
      disk_used: 100,
      disk_free_for_root: 900,
      disk_free_for_nonroot: 900,
      disk_avail: 800,
      accepting_immutable_shares: 1,
      'latencies.allocate.samplesize': 2,
      'latencies.allocate.mean': 0,
      'latencies.allocate.50_0_percentile': undefined,
      'latencies.close.samplesize': 1,
      'latencies.close.mean': undefined,
    })
    expect(await statsOf(server)).not.toHaveProperty('total_bucket_count')
    await server.close()
  })

  it('say that a server takes nothing', async () => {
    const readonly = createStorageServer({ store: createMemoryStore(), readonly: true })
    expect(await statsOf(readonly)).toEqual({
      allocated: 0,
      reserved_space: 0,
      disk_avail: 0,
      accepting_immutable_shares: 0,
    })
    const store = createMemoryStore({ capacity: 100 })
    const full = createStorageServer({ store, reservedSpace: 100 })
    expect(await statsOf(full)).toMatchObject({ disk_avail: 0, accepting_immutable_shares: 0 })
  })
})

/** Latencies of as many operations as there are numbers, which are seconds. */
function latencies(seconds: readonly number[]): Record<string, number | undefined> {
  const statistics = new OperationStatistics(() => 0)
  for (const each of seconds) statistics.addSample('read', each)
  return Object.fromEntries(statistics.latencies().get('read') ?? [])
}

/** 0, 1, 2 … in an order of its own. */
const shuffled = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * 7) % count)

describe('latencies', () => {
  // The samples are 0 to n - 1 seconds.
  it.each([
    [1, { mean: undefined, '10_0_percentile': undefined }],
    [9, { mean: 4, '01_0_percentile': undefined, '50_0_percentile': undefined }],
    [10, { mean: 4.5, '10_0_percentile': 1, '50_0_percentile': 5, '90_0_percentile': 9 }],
    [20, { '90_0_percentile': 18, '95_0_percentile': 19, '99_0_percentile': undefined }],
    [100, { '01_0_percentile': 1, '99_0_percentile': 99, '99_9_percentile': undefined }],
    [1000, { mean: 499.5, '50_0_percentile': 500, '99_9_percentile': 999 }],
  ])('of %i samples', (count, expected) => {
    expect(latencies(shuffled(count))).toMatchObject({ samplesize: count, ...expected })
  })

  it('are those of the last thousand', () => {
    const found = latencies([...Array.from({ length: 500 }, () => 1e6), ...shuffled(1000)])
    expect(found).toMatchObject({ samplesize: 1000, mean: 499.5 })
  })

  it('are measured in seconds, of what succeeds', async () => {
    let ms = 0
    const statistics = new OperationStatistics(() => ms)
    const take = (duration: number) => async (): Promise<void> => {
      ms += duration
    }
    await statistics.measure('read', take(250))
    await statistics.measure('read', take(750))
    const failure = statistics.measure('read', async () => {
      ms += 5000
      throw new Error('no')
    })
    await expect(failure).rejects.toThrow('no')
    expect(Object.fromEntries(statistics.latencies().get('read') ?? [])).toMatchObject({
      samplesize: 2,
      mean: 0.5,
    })
    expect([...statistics.counters()]).toEqual([['storage_server.read', 3]])
  })
})
