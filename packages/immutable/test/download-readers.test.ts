import { loadCodec } from '@lafs/codec'
import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { createImmutableNode, encodeToShares, uploadableFromBytes } from '@lafs/immutable'
import type { IImmutableFileNode } from '@lafs/filesystem-interface'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { ChkCap } from '@lafs/uri'
import type { IStorageServer, RIBucketReader } from '@lafs/storage-interface'
import { StorageError } from '@lafs/storage-interface'
import { brokerOf, virtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { createGrid, forever, noise, same, store } from './grid.ts'
import type { Grid } from './grid.ts'

// What the reads of one node have to do with one another, and with servers that are slow, go away or
// come back.

const codec = await loadCodec('js')
const data = noise(5000)
/** Where the first block of a share stands. */
const HEADER_SIZE = 36

interface Stored {
  readonly cap: ChkCap
  readonly shares: Map<number, Uint8Array>
}

async function encode(plain: Uint8Array, k: number, n: number, maxSegmentSize: number) {
  const { cap, shares } = await encodeToShares(uploadableFromBytes(plain), {
    codec,
    convergence: new Uint8Array(16),
    encoding: { requiredShares: k, totalShares: n, maxSegmentSize },
  })
  if (cap.kind !== 'chk') throw new Error('expected a CHK file')
  return { cap, shares }
}

/** One share a server, in the order of the numbers. */
async function spread({ cap, shares }: Stored): Promise<Grid> {
  const grid = await createGrid(shares.size)
  for (const [share, bytes] of shares) {
    const server = grid.servers[share]
    if (server !== undefined) await store(server, cap.storageIndex, new Map([[share, bytes]]))
  }
  return grid
}

/** So few bytes are encrypted at once, everywhere. */
const AES_SIZE = 1024

/** Other threads would do their work in a time of their own. */
const crypto: CryptoProvider = {
  ...defaultCrypto,
  sha256dMany: async (prefix, messages) =>
    messages.map((message) => defaultCrypto.sha256d(prefix, message)),
  aesCtrInPlace: async (key, bytes, { offset = 0 } = {}) => {
    for (let at = 0; at < bytes.length; at += AES_SIZE) {
      const part = bytes.subarray(at, at + AES_SIZE)
      await defaultCrypto.aesCtrInPlace(key, part, { offset: offset + at })
    }
  },
}

function nodeOn(grid: Grid, cap: ChkCap, clock: Clock): IImmutableFileNode {
  return createImmutableNode(cap, { broker: grid.broker, codec, clock, crypto })
}

/** Something that others wait for. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

const threeOfThree = await encode(data, 3, 3, 999)

describe('a share that comes after all', () => {
  it('in the same moment as the one in its place does no harm', async () => {
    const clock = virtualClock()
    const plain = noise(1_200_000)
    const { cap, shares } = await encode(plain, 3, 5, 600_000)
    // Without share 0 every segment has to be decoded, which takes exactly three blocks.
    shares.delete(0)
    const grid = await createGrid(5)
    for (const [share, bytes] of shares) {
      const server = grid.servers[share]
      if (server !== undefined) await store(server, cap.storageIndex, new Map([[share, bytes]]))
    }
    const { opened, open } = gate()
    const held: number[] = []
    for (const { hooks } of grid.servers.slice(3)) {
      hooks.read = (share, offset, bytes) => {
        if (offset !== HEADER_SIZE) return bytes
        held.push(share)
        return opened.then(() => bytes)
      }
    }
    const got = nodeOn(grid, cap, clock).downloadBestVersion()
    got.catch(() => {})
    for (let round = 0; round < 3; round++) await clock.elapse(4000)
    expect(held).toEqual([3, 4])
    open()
    expect(same(await clock.run(got, 1000), plain)).toBe(true)
  })
})

describe('a read that begins as another one is given up', () => {
  // In which moment it begins decides what the end of the other one takes along.
  const moments = Array.from({ length: 25 }, (_, turns) => turns)

  it.each(['getBuckets', 'read'] as const)('in a wait for %s finds the shares', async (hook) => {
    for (const turns of moments) {
      const grid = await spread(threeOfThree)
      const { opened, open } = gate()
      for (const { hooks } of grid.servers) {
        if (hook === 'getBuckets') hooks.getBuckets = () => opened
        else hooks.read = (_share, _offset, bytes) => opened.then(() => bytes)
      }
      const clock = virtualClock()
      const node = nodeOn(grid, threeOfThree.cap, clock)
      const iterator = node.read()[Symbol.asyncIterator]()
      iterator.next().catch(() => {})
      await clock.elapse(1000)
      const left = iterator.return?.()
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      const got = node.downloadBestVersion()
      got.catch(() => {})
      await left
      open()
      expect(same(await clock.run(got, 1000), data)).toBe(true)
    }
  })
})

describe('a read that fails', () => {
  it('takes with it what was fetched ahead', async () => {
    const { cap, shares } = await encode(noise(1_200_000), 3, 4, 150_000)
    const blocksEnd = HEADER_SIZE + 400_000
    const grid = await spread({ cap, shares })
    // The first segment cannot be had, and the blocks of those after it do not come.
    for (const { hooks } of grid.servers) {
      hooks.read = (share, offset, bytes) => {
        if (offset === HEADER_SIZE) return share < 2 ? bytes.slice().fill(0) : bytes
        return offset > HEADER_SIZE && offset < blocksEnd ? forever() : bytes
      }
    }
    const requests = (): number => grid.servers.reduce((sum, one) => sum + one.requests.length, 0)
    const clock = virtualClock()
    const got = nodeOn(grid, cap, clock).downloadBestVersion()
    await expect(clock.run(got, 5000)).rejects.toMatchObject({ code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
    const before = requests()
    await clock.elapse(100_000)
    expect(requests()).toBe(before)
  })
})

describe('a node whose servers were away for a while', () => {
  it('reads on over the connections that are new', async () => {
    // Of smaller files nothing is read twice.
    const plain = noise(400_000)
    const stored = await encode(plain, 3, 3, 100_000)
    const grid = await spread(stored)
    let connection = 1
    // As over HTTPS: what was found over a connection is read over that one.
    const servers = grid.broker.knownServers().map((server) => ({
      ...server,
      storageServer: async () => {
        const storage = await server.storageServer()
        const getBuckets: IStorageServer['getBuckets'] = async (...parameters) => {
          const own = connection
          const buckets = [...(await storage.getBuckets(...parameters))]
          const read = (bucket: RIBucketReader): RIBucketReader['read'] => {
            return async (...span) => {
              if (own === connection) return bucket.read(...span)
              throw new StorageError('STORAGE_CLOSED', 'the connection has been closed')
            }
          }
          return new Map(buckets.map(([n, bucket]) => [n, { ...bucket, read: read(bucket) }]))
        }
        return { ...storage, getBuckets }
      },
    }))
    const node = nodeOn({ ...grid, broker: brokerOf(servers) }, stored.cap, virtualClock())
    expect(same(await node.downloadBestVersion(), plain)).toBe(true)
    connection += 1
    expect(same(await node.downloadBestVersion(), plain)).toBe(true)
  })
})

describe('a line that is slow', () => {
  it('brings a file in the end, though every share keeps us waiting', async () => {
    const clock = virtualClock()
    const plain = noise(1_200_000)
    const stored = await encode(plain, 3, 3, 150_000)
    const grid = await spread(stored)
    // One answer after another, whatever is asked for at once.
    let line = Promise.resolve()
    for (const { hooks } of grid.servers) {
      hooks.read = (_share, _offset, bytes) => {
        line = line.then(() => clock.sleep(20_000))
        return line.then(() => bytes)
      }
    }
    const got = nodeOn(grid, stored.cap, clock).downloadBestVersion()
    expect(same(await clock.run(got, 3_600_000), plain)).toBe(true)
  })
})

describe('a share with a damaged block', () => {
  it('is not the first to be asked for the others', async () => {
    const plain = noise(1_200_000)
    const stored = await encode(plain, 3, 4, 30_000)
    const grid = await spread(stored)
    const [bad] = grid.servers
    if (bad === undefined) throw new Error('expected a server')
    // Its server has it damaged all over, and is as fast as any.
    bad.hooks.read = (_share, offset, bytes) =>
      offset >= HEADER_SIZE && offset < HEADER_SIZE + 400_000 ? bytes.slice().fill(0) : bytes
    const got = nodeOn(grid, stored.cap, virtualClock()).downloadBestVersion()
    expect(same(await got, plain)).toBe(true)
    expect(bad.advisories.length).toBeLessThan(10)
  })
})

describe('a line that is shared by all servers', () => {
  it('is not filled with blocks that nobody needs, however slow it is', async () => {
    const clock = virtualClock()
    const plain = noise(9_000_000)
    const stored = await encode(plain, 3, 9, 600_000)
    const grid = await spread(stored)
    // A hundred bytes a millisecond, one answer after another.
    let line = Promise.resolve()
    for (const { hooks } of grid.servers) {
      hooks.read = (_share, _offset, bytes) => {
        line = line.then(() => clock.sleep(bytes.length / 100))
        return line.then(() => bytes)
      }
    }
    const got = nodeOn(grid, stored.cap, clock).downloadBestVersion()
    expect(same(await clock.run(got, 3_600_000), plain)).toBe(true)
    const asked = grid.servers.flatMap(({ requests }) => requests.map(({ size }) => size))
    expect(asked.reduce((sum, size) => sum + size, 0)).toBeLessThan(1.5 * plain.length)
  })
})
