import { loadCodec } from '@lafs/codec'
import { defaultCrypto, uriExtensionHash } from '@lafs/crypto'
import { HashTree } from '@lafs/hashtree'
import {
  createImmutableNode,
  encodeToShares,
  uploadableFromBytes,
  validateUriExtension,
} from '@lafs/immutable'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { IDownloadStatus, IImmutableFileNode } from '@lafs/filesystem-interface'
import { parseChkHeader, parseHashes } from '@lafs/storage-protocol/layout'
import { ChkCap, packUriExtension, unpackUriExtension } from '@lafs/uri'
import { virtualClock } from '@lafs/testing'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createGrid, forever, noise, same, store } from './grid.ts'
import type { Grid } from './grid.ts'

const codec = await loadCodec()

interface Stored {
  readonly cap: ChkCap
  readonly shares: Map<number, Uint8Array>
}

async function encode(
  data: Uint8Array,
  k: number,
  n: number,
  maxSegmentSize = 1024 * 1024,
  layoutVersion: 1 | 2 = 1,
): Promise<Stored> {
  const { cap, shares } = await encodeToShares(uploadableFromBytes(data), {
    codec,
    convergence: new Uint8Array(16),
    encoding: { requiredShares: k, totalShares: n, maxSegmentSize },
    layoutVersion,
  })
  if (cap.kind !== 'chk') throw new Error('expected a CHK file')
  return { cap, shares }
}

/** One share a server, in the order of the numbers. */
async function spread({ cap, shares }: Stored, servers = shares.size): Promise<Grid> {
  const grid = await createGrid(servers)
  for (const [share, bytes] of shares) {
    const server = grid.servers[share % servers]
    if (server !== undefined) await store(server, cap.storageIndex, new Map([[share, bytes]]))
  }
  return grid
}

function nodeOn(grid: Grid, cap: ChkCap, clock?: Clock): IImmutableFileNode {
  return createImmutableNode(cap, { broker: grid.broker, codec, clock })
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: number[] = []
  for await (const piece of pieces) for (const byte of piece) all.push(byte)
  return Uint8Array.from(all)
}

const data = noise(5000)
const threeOfTen = await encode(data, 3, 10, 999)

describe('read', () => {
  it('gives any span', async () => {
    const node = nodeOn(await spread(threeOfTen), threeOfTen.cap)
    await fc.assert(
      fc.asyncProperty(fc.nat(5200), fc.nat(5200), async (offset, size) => {
        expect(
          same(await collect(node.read({ offset, size })), data.subarray(offset, offset + size)),
        ).toBe(true)
      }),
      { seed: 3, numRuns: 150 },
    )
  })

  it.each([
    [0, 0],
    [5000, 1],
    [9000, 10],
    [5000, 0],
  ])('asks no server for the empty span at %i of %i bytes', async (offset, size) => {
    const grid = await spread(threeOfTen)
    const pieces = await collect(nodeOn(grid, threeOfTen.cap).read({ offset, size }))
    expect(pieces.length).toBe(0)
    expect(grid.servers.flatMap(({ requests }) => requests)).toEqual([])
  })

  it.each([
    { offset: -1 },
    { offset: 0.5 },
    { size: -1 },
    { size: Number.NaN },
    { offset: 2 ** 60 },
  ])('refuses %o', async (span) => {
    const node = nodeOn(await spread(threeOfTen), threeOfTen.cap)
    expect(() => node.read(span)).toThrow(RangeError)
  })

  it('reads sizes around every boundary, in both layouts', async () => {
    for (const size of [56, 98, 99, 100, 197, 198, 199, 297, 298]) {
      for (const version of [1, 2] as const) {
        const plain = noise(size)
        const stored = await encode(plain, 3, 5, 99, version)
        const node = nodeOn(await spread(stored), stored.cap)
        expect(same(await node.downloadBestVersion(), plain)).toBe(true)
      }
    }
  })

  const twoRequests = 'needs two requests a server for a file of one segment'
  it(`${twoRequests}, and asks no more of it later where it is small`, async () => {
    const stored = await encode(data, 3, 10)
    const grid = await spread(stored)
    // Time stands still: the servers that are asked first are in time.
    const node = nodeOn(grid, stored.cap, virtualClock())
    await node.downloadBestVersion()
    await node.downloadBestVersion()
    const counts = grid.servers.map(({ requests }) => requests.length)
    expect(counts).toEqual([2, 2, 2, 0, 0, 0, 0, 0, 0, 0])
  })

  describe('of a small file asks other servers', () => {
    const asked = (grid: Grid): number =>
      grid.servers.filter(({ requests }) => requests.length > 0).length

    it('where one of the first fails, or has no share', async () => {
      const stored = await encode(data, 3, 10)
      for (const getBuckets of [() => Promise.reject(new Error('refused')), undefined]) {
        const shares = new Map(stored.shares)
        if (getBuckets === undefined) shares.delete(1)
        const grid = await spread({ ...stored, shares }, 10)
        const [, second] = grid.servers
        if (second !== undefined && getBuckets !== undefined) second.hooks.getBuckets = getBuckets
        const node = nodeOn(grid, stored.cap, virtualClock())
        expect(same(await node.downloadBestVersion(), data)).toBe(true)
        expect(asked(grid)).toBe(10)
      }
    })

    it('where one of the first takes its time', async () => {
      const stored = await encode(data, 3, 10)
      const grid = await spread(stored)
      const [first] = grid.servers
      if (first !== undefined) first.hooks.getBuckets = forever
      expect(same(await nodeOn(grid, stored.cap).downloadBestVersion(), data)).toBe(true)
      expect(asked(grid)).toBe(10)
    })
  })

  it(`${twoRequests}, and reads the block anew where it is large`, async () => {
    const large = noise(1_000_000)
    const stored = await encode(large, 3, 3, 1024 * 1024)
    const grid = await spread(stored)
    const node = nodeOn(grid, stored.cap)
    for (const count of [2, 3]) {
      expect(same(await node.downloadBestVersion(), large)).toBe(true)
      expect(grid.servers.map(({ requests }) => requests.length)).toEqual([count, count, count])
    }
  })

  it('fetches several blocks in a request once it is under way', async () => {
    const big = noise(3_000_000)
    const stored = await encode(big, 3, 3, 30_000)
    const grid = await spread(stored)
    expect(same(await nodeOn(grid, stored.cap).downloadBestVersion(), big)).toBe(true)
    for (const { requests } of grid.servers) expect(requests.length).toBeLessThan(20)
  })

  it('fetches little ahead of a reader who takes his time', async () => {
    const stored = await encode(noise(24_000_000), 1, 1, 1_000_000)
    const grid = await spread(stored)
    for await (const piece of nodeOn(grid, stored.cap).read()) {
      expect(piece.length).toBe(1_000_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
      break
    }
    const asked = grid.servers[0]?.requests.reduce((sum, { size }) => sum + size, 0) ?? 0
    // Four segments, and what the header and the hashes take.
    expect(asked).toBeLessThan(5_500_000)
  })

  it('reports progress and keeps a live status', async () => {
    const statuses: { progress: number; active: boolean }[] = []
    const seen: number[] = []
    const grid = await spread(threeOfTen)
    const node = createImmutableNode(threeOfTen.cap, {
      broker: grid.broker,
      codec,
      history: { addDownload: (status) => statuses.push(status) },
    })
    const read = node.read({
      onProgress: ({ phase, done }) => {
        if (phase === 'downloading') seen.push(done)
      },
    })
    for await (const _ of read) expect(statuses[0]?.active).toBe(true)
    expect(seen).toEqual([0, 999, 1998, 2997, 3996, 4995, 5000])
    expect(statuses).toHaveLength(1)
    expect(statuses[0]).toMatchObject({
      progress: 1,
      active: false,
      status: 'Finished',
      size: 5000,
      results: { fileSize: 5000 },
    })
  })

  it('tells of each read, and of the download with the first of them', async () => {
    const grid = await spread(threeOfTen)
    const told: (string | number)[] = []
    const history = {
      addDownload: () => void told.push('download'),
      addRead: (size: number) => void told.push(size),
    }
    const node = createImmutableNode(threeOfTen.cap, { broker: grid.broker, codec, history })
    const spans = [{ offset: 10, size: 20 }, { offset: 4990, size: 100 }, { offset: 6000 }, {}]
    for (const span of spans) {
      for await (const piece of node.read(span)) void piece
    }
    expect(told).toEqual([20, 'download', 10, 0, 5000])
  })

  it('keeps what has happened, for a timeline', async () => {
    const grid = await spread(threeOfTen)
    // The server of share 1 lets nobody read. The fourth server and those after it answer once it
    // was asked: until then share 1 is one of the three that are there, so it is tried.
    const [, broken, , ...others] = grid.servers
    const asked = new Promise<void>((resolve) => {
      if (broken === undefined) return
      broken.hooks.read = () => {
        resolve()
        return Promise.reject(new Error('no'))
      }
    })
    for (const { hooks } of others) hooks.getBuckets = () => asked
    const statuses: IDownloadStatus[] = []
    const history = { addDownload: (status: IDownloadStatus) => void statuses.push(status) }
    const node = createImmutableNode(threeOfTen.cap, { broker: grid.broker, codec, history })
    for await (const _ of node.read({ offset: 1500, size: 2000 })) {
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const [status] = statuses
    const {
      reads = [],
      segments = [],
      shareQueries = [],
      blockRequests = [],
    } = status?.events ?? {}
    expect(reads).toHaveLength(1)
    expect(reads[0]).toMatchObject({ offset: 1500, size: 2000, bytesReturned: 2000 })
    expect(reads[0]?.pausedMs).toBeGreaterThan(0)
    expect(segments.map(({ segmentIndex }) => segmentIndex)).toEqual([1, 2, 3])
    expect(segments.map(({ segmentOffset }) => segmentOffset)).toEqual([999, 1998, 2997])
    expect(
      segments.every(({ success, segmentSize }) => success === true && segmentSize === 999),
    ).toBe(true)
    expect(shareQueries.length).toBeGreaterThanOrEqual(3)
    expect(shareQueries[0]).toMatchObject({ serverId: 'v0-000', success: true, shareNumbers: [0] })
    const failed = blockRequests.filter(({ success }) => success === false)
    expect(new Set(failed.map(({ serverId }) => serverId))).toEqual(new Set(['v0-001']))
    const good = blockRequests.filter(({ success }) => success === true)
    expect(good.length).toBeGreaterThanOrEqual(3)
    expect(
      good.every(({ size, responseSize = 0 }) => responseSize > 0 && responseSize <= size),
    ).toBe(true)
    const all = [...reads, ...segments, ...shareQueries, ...blockRequests]
    expect(all.every(({ startMs, finishMs = 0 }) => finishMs >= startMs)).toBe(true)
    const timings = status?.results?.timings
    expect(timings?.fetchPerServerMs?.size).toBeGreaterThanOrEqual(3)
    expect(timings?.cumulativeFetchMs).toBeGreaterThanOrEqual(0)
  })

  it('forgets what happened long ago', async () => {
    const grid = await spread(threeOfTen)
    const statuses: IDownloadStatus[] = []
    const history = { addDownload: (status: IDownloadStatus) => void statuses.push(status) }
    const node = createImmutableNode(threeOfTen.cap, { broker: grid.broker, codec, history })
    for (let count = 0; count < 1003; count++) {
      for await (const _ of node.read({ offset: count, size: 1 }));
    }
    const { reads = [] } = statuses[0]?.events ?? {}
    expect(reads).toHaveLength(1000)
    expect(reads[0]?.offset).toBe(3)
  })
})

describe('damage', () => {
  it('is found at every byte of a share that matters, and never handed out', async () => {
    const plain = noise(100)
    const stored = await encode(plain, 1, 2, 40)
    const good = stored.shares.get(0) ?? new Uint8Array()
    const { offsets } = parseChkHeader(good)
    const unused = (at: number): boolean =>
      (at >= 4 && at < 12) ||
      (at >= 16 && at < 20) ||
      (at >= offsets.plaintextHashTree && at < offsets.crypttextHashTree)
    const grid = await spread({ ...stored, shares: new Map([[0, good]]) })
    const [server] = grid.servers
    if (server === undefined) throw new Error('expected a server')
    for (let at = 0; at < good.length; at++) {
      server.advisories.length = 0
      server.hooks.read = (_share, offset, bytes) => {
        if (at < offset || at >= offset + bytes.length) return bytes
        const bad = bytes.slice()
        bad[at - offset] = (bad[at - offset] ?? 0) ^ (1 << (at % 8))
        return bad
      }
      const got = await nodeOn(grid, stored.cap)
        .downloadBestVersion()
        .catch((error: Error) => error)
      if (got instanceof Uint8Array) {
        expect([at, same(got, plain)]).toEqual([at, true])
        expect([at, unused(at)]).toEqual([at, true])
      } else {
        expect(got).toMatchObject({ code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
        expect(server.advisories[0]).toMatch(/^corruption in share\[\d+-\d+\): /)
      }
    }
  }, 20_000)

  it('of all but any k shares is survived', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(9), { minLength: 7, maxLength: 7 }),
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.integer({ min: 1, max: 255 })),
        async (victims, places, masks) => {
          const shares = new Map(
            [...threeOfTen.shares].map(([share, bytes]) => [share, bytes.slice()]),
          )
          for (const victim of victims) {
            const bytes = shares.get(victim) ?? new Uint8Array()
            for (let hit = 0; hit < 4; hit++) {
              const at = (places.next().value ?? 0) % bytes.length
              bytes[at] = (bytes[at] ?? 0) ^ (masks.next().value ?? 1)
            }
          }
          const grid = await spread({ cap: threeOfTen.cap, shares })
          expect(same(await nodeOn(grid, threeOfTen.cap).downloadBestVersion(), data)).toBe(true)
        },
      ),
      { seed: 5, numRuns: 60 },
    )
  })

  it('by truncation at any length is survived or named', async () => {
    const stored = await encode(data, 1, 2, 999)
    const good = stored.shares.get(0) ?? new Uint8Array()
    for (let length = 1; length < good.length; length += 97) {
      const cut = good.slice(0, length)
      const alone = await spread({ cap: stored.cap, shares: new Map([[0, cut]]) })
      await expect(nodeOn(alone, stored.cap).downloadBestVersion()).rejects.toMatchObject({
        code: 'DOWNLOAD_NOT_ENOUGH_SHARES',
      })
      const both = await spread({ cap: stored.cap, shares: new Map([...stored.shares, [0, cut]]) })
      expect(same(await nodeOn(both, stored.cap).downloadBestVersion(), data)).toBe(true)
    }
  })

  it('by a server that gives one share for another, or another file, is survived', async () => {
    const other = await encode(noise(5000, 9), 3, 10, 999)
    const [zero, one] = [threeOfTen.shares.get(0), threeOfTen.shares.get(1)]
    const stranger = other.shares.get(2)
    if (zero === undefined || one === undefined || stranger === undefined) throw new Error('none')
    const lies: [number, Uint8Array][] = [
      [0, one],
      [1, zero],
      [2, stranger],
    ]
    const shares = new Map([...threeOfTen.shares, ...lies])
    const grid = await spread({ cap: threeOfTen.cap, shares })
    expect(same(await nodeOn(grid, threeOfTen.cap).downloadBestVersion(), data)).toBe(true)
    // Which shares were tried depends on which servers answered first.
    expect(grid.servers.slice(3).every(({ advisories }) => advisories.length === 0)).toBe(true)
  })

  it('by a server that sends more than it was asked for is survived', async () => {
    const grid = await spread(threeOfTen)
    const [first] = grid.servers
    if (first !== undefined)
      first.hooks.read = (_share, _offset, _bytes, size) => new Uint8Array(size + 1)
    expect(same(await nodeOn(grid, threeOfTen.cap).downloadBestVersion(), data)).toBe(true)
  })

  it('of a cap that says that the file is empty is not taken for an empty file', async () => {
    const { key, uriExtensionHash: hash, requiredShares, totalShares } = threeOfTen.cap
    const cap = new ChkCap({ key, uriExtensionHash: hash, requiredShares, totalShares, size: 0 })
    const node = nodeOn(await spread(threeOfTen), cap)
    await expect(node.downloadBestVersion()).rejects.toMatchObject({
      code: 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
    })
  })
})

describe('shares', () => {
  it('suffice, any k of them, with their numbers on any server', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(9), { minLength: 3, maxLength: 5 }),
        fc.integer({ min: 1, max: 4 }),
        async (numbers, servers) => {
          const shares = new Map(
            numbers.map((share) => [share, threeOfTen.shares.get(share) ?? new Uint8Array()]),
          )
          const grid = await spread({ cap: threeOfTen.cap, shares }, servers)
          expect(same(await nodeOn(grid, threeOfTen.cap).downloadBestVersion(), data)).toBe(true)
        },
      ),
      { seed: 11, numRuns: 60 },
    )
  })

  it('of one number on several servers count once', async () => {
    const grid = await createGrid(4)
    const [zero, one] = [threeOfTen.shares.get(0), threeOfTen.shares.get(1)]
    if (zero === undefined || one === undefined) throw new Error('none')
    for (const [index, server] of grid.servers.entries()) {
      await store(server, threeOfTen.cap.storageIndex, new Map([index < 3 ? [0, zero] : [1, one]]))
    }
    await expect(nodeOn(grid, threeOfTen.cap).downloadBestVersion()).rejects.toMatchObject({
      name: 'NotEnoughSharesError',
      code: 'DOWNLOAD_NOT_ENOUGH_SHARES',
      sharesFound: 2,
      requiredShares: 3,
      message: expect.stringMatching(
        // The other share may have come by then, or not yet.
        /^ran out of shares: complete=(?=.*Share\(sh1-on-v0-003\)).* pending=.* overdue= unused= need 3\. Last failure: None$/,
      ),
    })
  })

  it('that are none at all are named so', async () => {
    const grid = await createGrid(3)
    await expect(nodeOn(grid, threeOfTen.cap).downloadBestVersion()).rejects.toMatchObject({
      name: 'NoSharesError',
      code: 'DOWNLOAD_NO_SHARES',
      message: 'no shares (need 3). Last failure: None',
    })
  })
})

describe('servers', () => {
  it('that die in the middle are replaced, down to k', async () => {
    const grid = await spread(threeOfTen)
    const dying = grid.servers.slice(0, 7)
    const iterator = nodeOn(grid, threeOfTen.cap).read()[Symbol.asyncIterator]()
    const pieces = [(await iterator.next()).value]
    for (const { hooks } of dying) {
      hooks.read = () => {
        throw new Error('connection lost')
      }
    }
    for (;;) {
      const piece = await iterator.next()
      if (piece.done === true) break
      pieces.push(piece.value)
    }
    expect(same(Uint8Array.from(pieces.flatMap((piece) => [...piece])), data)).toBe(true)
  })

  it('that fail are tried again in the next read', async () => {
    const grid = await spread(threeOfTen)
    for (const { hooks } of grid.servers) {
      hooks.getBuckets = () => Promise.reject(new Error('connection refused'))
    }
    const node = nodeOn(grid, threeOfTen.cap)
    await expect(node.downloadBestVersion()).rejects.toMatchObject({
      code: 'DOWNLOAD_NO_SHARES',
      message: 'no shares (need 3). Last failure: connection refused',
    })
    for (const { hooks } of grid.servers) delete hooks.getBuckets
    expect(same(await node.downloadBestVersion(), data)).toBe(true)
  })

  it('are asked ten at a time, and no more than needed', async () => {
    const grid = await createGrid(40)
    let open = 0
    let most = 0
    for (const { hooks } of grid.servers) {
      hooks.getBuckets = async () => {
        most = Math.max(most, ++open)
        await new Promise((resolve) => setTimeout(resolve, 1))
        open -= 1
      }
    }
    for (const share of [0, 1, 2]) {
      const server = grid.servers[25 + share]
      const bytes = threeOfTen.shares.get(share)
      if (server === undefined || bytes === undefined) throw new Error('none')
      await store(server, threeOfTen.cap.storageIndex, new Map([[share, bytes]]))
    }
    expect(same(await nodeOn(grid, threeOfTen.cap).downloadBestVersion(), data)).toBe(true)
    expect(most).toBe(10)
    expect(grid.servers[39]?.requests).toEqual([])
  })

  it('that stall are overdue after ten seconds, and others take their place', async () => {
    const clock = virtualClock()
    const grid = await spread(threeOfTen)
    for (const { hooks } of grid.servers.slice(0, 2)) hooks.read = forever
    const got = nodeOn(grid, threeOfTen.cap, clock).downloadBestVersion()
    await clock.elapse(9000)
    expect(await Promise.race([got, Promise.resolve('waiting')])).toBe('waiting')
    await clock.elapse(1500)
    expect(same(await got, data)).toBe(true)
  })

  it('that do not answer at all keep nobody waiting for ever', async () => {
    const clock = virtualClock()
    const grid = await spread(threeOfTen)
    for (const { hooks } of grid.servers) hooks.getBuckets = forever
    const got = nodeOn(grid, threeOfTen.cap, clock).downloadBestVersion()
    got.catch(() => {})
    await clock.elapse(61_000)
    await expect(got).rejects.toMatchObject({ code: 'DOWNLOAD_NO_SHARES' })
  })

  it('that stall in every read give up in the end', async () => {
    const clock = virtualClock()
    const grid = await spread(threeOfTen)
    for (const { hooks } of grid.servers) hooks.read = forever
    const got = nodeOn(grid, threeOfTen.cap, clock).downloadBestVersion()
    got.catch(() => {})
    for (let round = 0; round < 12; round++) await clock.elapse(15_000)
    await expect(got).rejects.toMatchObject({ code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
  })
})

describe('cancelling', () => {
  it('by a signal rejects with its reason, even while every server stalls', async () => {
    const grid = await spread(threeOfTen)
    for (const { hooks } of grid.servers) hooks.read = forever
    const stop = new AbortController()
    const got = nodeOn(grid, threeOfTen.cap).downloadBestVersion({ signal: stop.signal })
    setTimeout(() => stop.abort(new Error('enough')), 10)
    await expect(got).rejects.toThrow('enough')
  })

  it('before the start asks no server', async () => {
    const grid = await spread(threeOfTen)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(nodeOn(grid, threeOfTen.cap).downloadBestVersion({ signal })).rejects.toThrow(
      'enough',
    )
    expect(grid.servers.flatMap(({ requests }) => requests)).toEqual([])
  })

  it('by leaving ends a wait for a stalled server, and the node can be read again', async () => {
    const grid = await spread(threeOfTen)
    for (const { hooks } of grid.servers) hooks.read = forever
    const node = nodeOn(grid, threeOfTen.cap)
    const iterator = node.read()[Symbol.asyncIterator]()
    const first = iterator.next()
    first.catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 10))
    await iterator.return?.()
    await expect(first).rejects.toThrow('the reader has left')
    for (const { hooks } of grid.servers) delete hooks.read
    expect(same(await node.downloadBestVersion(), data)).toBe(true)
  })
})

describe('a file that was badly uploaded', () => {
  /** The same shares with another URI extension block, and the cap that speaks of it. */
  function forge(
    stored: Stored,
    change: (fields: Record<string, string | number | Uint8Array | undefined>) => void,
    patch: (share: Uint8Array) => void = () => {},
  ): Stored {
    const { cap } = stored
    let hash = cap.uriExtensionHash
    const shares = new Map(
      [...stored.shares].map(([share, bytes]) => {
        const { offsets } = parseChkHeader(bytes)
        const fields = { ...unpackUriExtension(bytes.subarray(offsets.uriExtension + 4)) }
        change(fields)
        const kept = Object.entries(fields).filter(([, value]) => value !== undefined)
        const block = packUriExtension(Object.fromEntries(kept))
        hash = uriExtensionHash(block)
        const forged = new Uint8Array(offsets.uriExtension + 4 + block.length)
        forged.set(bytes.subarray(0, offsets.uriExtension))
        new DataView(forged.buffer).setUint32(offsets.uriExtension, block.length)
        forged.set(block, offsets.uriExtension + 4)
        patch(forged)
        return [share, forged]
      }),
    )
    const { key, requiredShares, totalShares, size } = cap
    return {
      cap: new ChkCap({ key, uriExtensionHash: hash, requiredShares, totalShares, size }),
      shares,
    }
  }

  it.each([
    ['segment_size', 0],
    ['segment_size', 1000],
    ['segment_size', undefined],
    ['segment_size', 3],
    ['num_segments', 7],
    ['size', 4999],
    ['needed_shares', 4],
    ['total_shares', 11],
    ['codec_name', 'raid'],
    ['codec_params', '999-3-11'],
    ['tail_codec_params', '999-3-10'],
    ['crypttext_hash', new Uint8Array(31)],
    ['crypttext_root_hash', new Uint8Array(31)],
    ['crypttext_root_hash', undefined],
    ['share_root_hash', new Uint8Array(33)],
    ['share_root_hash', undefined],
  ])('with %s of %o is refused', async (field, value) => {
    const forged = forge(threeOfTen, (fields) => {
      fields[field] = value
    })
    const got = nodeOn(await spread(forged), forged.cap).downloadBestVersion()
    await expect(got).rejects.toMatchObject({
      name: 'UnableToFetchCriticalDownloadDataError',
      code: 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
    })
  })

  it.each(['codec_name', 'codec_params', 'tail_codec_params', 'crypttext_hash'])(
    'without %s, which only repeats, is read',
    async (field) => {
      const forged = forge(threeOfTen, (fields) => {
        fields[field] = undefined
      })
      const node = nodeOn(await spread(forged), forged.cap)
      expect(same(await node.downloadBestVersion(), data)).toBe(true)
    },
  )

  it('in more segments than a hash tree has leaves is refused', async () => {
    const size = 2 ** 31
    const hash = noise(32)
    const block = packUriExtension({
      codec_name: 'crs',
      size,
      segment_size: 1,
      num_segments: size,
      needed_shares: 1,
      total_shares: 1,
      crypttext_root_hash: hash,
      share_root_hash: hash,
    })
    const cap = new ChkCap({
      key: noise(16),
      uriExtensionHash: uriExtensionHash(block),
      requiredShares: 1,
      totalShares: 1,
      size,
    })
    expect(() => validateUriExtension(cap, block)).toThrow(
      expect.objectContaining({ code: 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE' }),
    )
  })

  it('with a wrong root of the share hash tree gives nothing', async () => {
    const forged = forge(threeOfTen, (fields) => {
      fields['share_root_hash'] = new Uint8Array(32)
    })
    const got = nodeOn(await spread(forged), forged.cap).downloadBestVersion()
    await expect(got).rejects.toMatchObject({ code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
  })

  it('whose blocks make another ciphertext than its hashes say gives nothing', async () => {
    const leaves = Array.from({ length: 6 }, (_, index) => noise(32, index + 1))
    const tree = new HashTree(leaves, defaultCrypto)
    const forged = forge(
      threeOfTen,
      (fields) => {
        fields['crypttext_root_hash'] = tree.root
      },
      (share) => {
        const { offsets } = parseChkHeader(share)
        const section = share.subarray(offsets.crypttextHashTree, offsets.blockHashes)
        for (const [index, hash] of parseHashes(section).entries()) {
          hash.set(tree.nodes[index] ?? new Uint8Array())
        }
      },
    )
    const got = nodeOn(await spread(forged), forged.cap).downloadBestVersion()
    await expect(got).rejects.toMatchObject({
      name: 'BadCiphertextHashError',
      code: 'DOWNLOAD_BAD_CIPHERTEXT_HASH',
    })
  })
})
