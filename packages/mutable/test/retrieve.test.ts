import { concatBytes, sameBytes } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { Progress } from '@lafs/filesystem-interface'
import type { IStorageServer } from '@lafs/storage-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import { alwaysFail, flipBit, stall, truncate, virtualClock } from '@lafs/testing'
import { fromHex, loadVectors, stretch } from '@lafs/vectors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fetchUpdateSegments, retrieve } from '../src/retrieve/retrieve.ts'
import { overdueMs } from '../src/retrieve/version-shares.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { updateServermap } from '../src/servermap/updater.ts'
import {
  createRecordedGrid,
  keptShares,
  recordedFile,
  recordedFiles,
  writtenFile,
} from './recorded-grid.ts'
import type { GridOptions, RecordedGrid } from './recorded-grid.ts'

const files = await recordedFiles()
const MANY_SEGMENTS = 'mdmf-3-10-1000-9999'

async function readAll(
  grid: RecordedGrid,
  options?: Parameters<typeof retrieve>[3],
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of retrieve(grid.file, grid.map, grid.version, options)) {
    pieces.push(piece)
  }
  return concatBytes(pieces)
}

/** A grid in which some servers are not as they should be. */
function gridWith(
  name: string,
  fault: (server: IStorageServer, index: number) => IStorageServer,
  servers: readonly number[],
  options: GridOptions = {},
): Promise<RecordedGrid> {
  const wrap = (server: IStorageServer, index: number): IStorageServer =>
    servers.includes(index) ? fault(server, index) : server
  return recordedFile(name).then((file) => createRecordedGrid(file, { ...options, wrap }))
}

describe("upstream's files", () => {
  it.each(files)('$name reads as it was written', async (recorded) => {
    const grid = await createRecordedGrid(recorded)
    expect(sameBytes(await readAll(grid), recorded.plaintext)).toBe(true)
    expect(grid.map.badShares.size).toBe(0)
    expect(grid.statuses).toHaveLength(1)
    expect(grid.statuses[0]).toMatchObject({ status: 'Finished', active: false, progress: 1 })
  })

  it.each(files.filter(({ shares }) => shares.size === 10))(
    '$name reads from its last k shares',
    async (recorded) => {
      const last = new Map([...recorded.shares].slice(-3))
      const grid = await createRecordedGrid({ ...recorded, shares: last })
      expect(await readAll(grid)).toEqual(recorded.plaintext)
    },
  )

  it('read after each change', async () => {
    const { cases } = await loadVectors<{ cases: ChangedFile[] }>('mutable/versions')
    let versions = 0
    for (const { cap, versions: steps } of cases) {
      let contents = new Uint8Array(0)
      for (const step of steps) {
        contents = changed(contents, step)
        if (step.kept === undefined) continue
        const grid = await createRecordedGrid({ cap, shares: await keptShares(step.kept) })
        expect(await readAll(grid)).toEqual(contents)
        versions += 1
      }
    }
    expect(versions).toBeGreaterThan(25)
  })
})

interface ChangedFile {
  readonly cap: string
  readonly versions: readonly Change[]
}

interface Change {
  readonly do: 'create' | 'overwrite' | 'update'
  readonly seed: string
  readonly dataSize: number
  readonly offset?: number
  readonly size: number
  readonly kept?: Parameters<typeof keptShares>[0]
}

function changed(before: Uint8Array, change: Change): Uint8Array<ArrayBuffer> {
  const after = new Uint8Array(change.size)
  if (change.do === 'update') after.set(before)
  after.set(stretch(fromHex(change.seed), change.dataSize), change.offset ?? 0)
  return after
}

describe('a span', () => {
  it('is what lies within the file', async () => {
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await createRecordedGrid(recorded)
    const { length } = recorded.plaintext
    const position = fc.integer({ min: 0, max: length + 1500 })
    await fc.assert(
      fc.asyncProperty(position, position, async (offset, size) => {
        const expected = recorded.plaintext.slice(offset, offset + size)
        expect(sameBytes(await readAll(grid, { offset, size }), expected)).toBe(true)
      }),
      {
        seed: 3,
        numRuns: 100,
        examples: [
          [0, 0],
          [length, 1],
          [length - 1, 1],
          [1002, 1002],
        ],
      },
    )
  })

  it('costs one request of each of k shares, for its segments alone', async () => {
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await createRecordedGrid(recorded)
    const expected = recorded.plaintext.slice(3100, 3110)
    expect(await readAll(grid, { offset: 3100, size: 10 })).toEqual(expected)
    expect(grid.requests.map(({ server }) => server)).toEqual([0, 1, 2])
  })

  it('needs no more of the block hashes than lead from its segments to the root', async () => {
    const damage = (bytes: Uint8Array): Uint8Array => {
      const { offset } = parseMutableHeader(bytes).sections.blockHashTree
      // The leaf of the last of ten segments.
      const at = offset + 32 * (15 + 9)
      return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
    }
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await createRecordedGrid(recorded, { damage })
    const got = await readAll(grid, { offset: 0, size: 2000 })
    expect(got).toEqual(recorded.plaintext.slice(0, 2000))
    expect(grid.map.badShares.size).toBe(0)
    await expect(readAll(grid)).rejects.toMatchObject({ code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
  })

  it('costs nothing where the servermap came with it', async () => {
    const recorded = await recordedFile('sdmf-3-10-131072-5000')
    const grid = await createRecordedGrid(recorded, { prefetch: 4096 })
    expect(await readAll(grid)).toEqual(recorded.plaintext)
    expect(grid.requests).toEqual([])
  })

  it('comes from shares that are there already rather than from others', async () => {
    const recorded = await recordedFile('sdmf-3-10-131072-5000')
    const far = await createRecordedGrid(recorded)
    const near = await createRecordedGrid(recorded, { prefetch: 4096 })
    const here = new Set([4, 6, 9])
    for (const server of far.servers.keys()) {
      const from = far.servers[server]
      const reader = near.map.readerFor(near.servers[server] as never, server)
      if (here.has(server) && from !== undefined && reader !== undefined) {
        far.map.setReader(from, server, reader)
      }
    }
    expect(await readAll(far)).toEqual(recorded.plaintext)
    expect(far.requests).toEqual([])
  })

  it('is spread over servers that hold several shares', async () => {
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await createRecordedGrid(recorded, { placed: (share) => [Math.floor(share / 4)] })
    await readAll(grid, { offset: 0, size: 1 })
    expect(grid.requests.map(({ server }) => server).toSorted((a, b) => a - b)).toEqual([0, 1, 2])
  })

  it.each([
    ['a negative offset', { offset: -1 }],
    ['a broken offset', { offset: 0.5 }],
    ['a negative size', { size: -1 }],
    ['a size that is no number', { size: Number.NaN }],
  ])('with %s is refused', async (_, options) => {
    const grid = await createRecordedGrid(await recordedFile('sdmf-1-1-131072-36'))
    expect(() => retrieve(grid.file, grid.map, grid.version, options)).toThrow(RangeError)
  })

  it('is not to be had with a verify cap', async () => {
    const recorded = await recordedFile('sdmf-1-1-131072-36')
    const { file, map, version } = await createRecordedGrid(recorded, { authority: 'verify' })
    expect(() => retrieve(file, map, version)).toThrow(
      expect.objectContaining({ code: 'NODE_NOT_CAPABLE' }),
    )
  })

  it('tells how far it has come', async () => {
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await createRecordedGrid(recorded)
    const seen: Progress[] = []
    await readAll(grid, { offset: 500, size: 2000, onProgress: (progress) => seen.push(progress) })
    expect(seen.map(({ done }) => done)).toEqual([0, 502, 1504, 2000])
    expect(new Set(seen.map(({ phase, total }) => `${phase} ${total}`))).toEqual(
      new Set(['downloading 2000']),
    )
  })
})

/** The grid with a servermap that was made by asking the servers. */
async function withServermap(grid: RecordedGrid): Promise<RecordedGrid> {
  const broker = {
    ...grid.file.context.broker,
    connectedServers: () => grid.servers,
    serversForStorageIndex: () => grid.servers,
  }
  const file = { ...grid.file, context: { ...grid.file.context, broker } }
  const map = await updateServermap(file, new ServerMap(), 'MODE_READ', {})
  const version = map.bestRecoverableVersion()
  if (version === undefined) throw new Error('expected a version')
  grid.requests.length = 0
  return { ...grid, file, map, version }
}

describe('after a servermap has been made', () => {
  it('a small file costs no request', async () => {
    const recorded = await recordedFile('sdmf-3-10-131072-5000')
    const grid = await withServermap(await createRecordedGrid(recorded))
    expect(await readAll(grid)).toEqual(recorded.plaintext)
    expect(grid.requests).toEqual([])
  })

  it('shares that the map does not know take the place of damaged ones', async () => {
    const damage = (bytes: Uint8Array, share: number): Uint8Array =>
      share < 4 ? bytes.map((byte, at) => (at === 2500 ? byte ^ 1 : byte)) : bytes
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await withServermap(await createRecordedGrid(recorded, { damage }))
    expect(grid.map.sharesOf(grid.version).length).toBeLessThan(7)
    expect(await readAll(grid)).toEqual(recorded.plaintext)
  })

  it('a small span costs one request of each of k shares', async () => {
    const large = await writtenFile(bytesOf(1_500_000), { requiredShares: 3, totalShares: 10 })
    const grid = await withServermap(await createRecordedGrid(large))
    const got = await readAll(grid, { offset: 700_000, size: 1024 })
    expect(got).toEqual(large.plaintext.slice(700_000, 701_024))
    expect(grid.requests).toHaveLength(3)
    expect(new Set(grid.requests.map(({ server }) => server)).size).toBe(3)
  })
})

describe('a share that is no good', () => {
  const faults: [string, (server: IStorageServer, index: number) => IStorageServer][] = [
    ['fails', (server) => alwaysFail(server, { only: ['slotReadv'] })],
    ['is cut short', (server) => truncate(server, 40)],
    ['is changed', (server) => flipBit(server, 8 * 100)],
    ['is gone', (server) => ({ ...server, slotReadv: async () => new Map() })],
    [
      'cannot be connected to',
      (server) => ({ ...server, slotReadv: () => Promise.reject(new Error('no')) }),
    ],
  ]

  it.each(faults)('%s: others take its place', async (_, fault) => {
    const { plaintext } = await recordedFile(MANY_SEGMENTS)
    const grid = await gridWith(MANY_SEGMENTS, fault, [0, 2, 3, 5])
    expect(await readAll(grid)).toEqual(plaintext)
    const bad = [...grid.map.badShares].map(([server, shares]) => `${server} ${[...shares].join()}`)
    expect(bad.toSorted()).toEqual(['v0-000 0', 'v0-002 2', 'v0-003 3', 'v0-005 5'])
    const checkstring = grid.version.header.checkstring
    for (const { server, shareNumber } of grid.map.knownBadShares()) {
      expect(grid.map.checkstringOn(server, shareNumber)).toEqual(checkstring)
    }
    expect(grid.statuses[0]?.problems.size).toBe(4)
  })

  it.each(faults)('%s: there are not enough without it', async (_, fault) => {
    const grid = await gridWith(MANY_SEGMENTS, fault, [0, 1, 2, 3, 4, 5, 6, 7])
    const error: unknown = await readAll(grid).catch((reason: unknown) => reason)
    expect(isFilesystemError(error, 'DOWNLOAD_NOT_ENOUGH_SHARES')).toBe(true)
    expect((error as Error).message).toMatch(
      /^ran out of servers: have 0 of 10 segments; found 8 bad shares; have 2 remaining shares of the right version; encoding 3-of-10, last failure: ./,
    )
    expect(error).toMatchObject({ sharesFound: 2, requiredShares: 3, errors: { length: 8 } })
    expect(grid.statuses[0]).toMatchObject({ status: 'Failed', active: false })
  })

  it('is replaced in the middle of a file', async () => {
    const large = await writtenFile(bytesOf(1_500_000), { requiredShares: 3, totalShares: 10 })
    let reads = 0
    const failLater = (server: IStorageServer): IStorageServer => ({
      ...server,
      slotReadv: (...request) => {
        reads += 1
        if (reads > 1) return Promise.reject(new Error('the server has gone'))
        return server.slotReadv(...request)
      },
    })
    const wrap = (server: IStorageServer, index: number): IStorageServer =>
      index === 1 ? failLater(server) : server
    const grid = await createRecordedGrid(large, { wrap })
    expect(sameBytes(await readAll(grid), large.plaintext)).toBe(true)
    expect(reads).toBeGreaterThan(1)
    expect([...grid.map.badShares.keys()]).toEqual(['v0-001'])
  })

  it('is replaced by the same share on another server', async () => {
    const recorded = await recordedFile('mdmf-2-3-1000-9999')
    const two = new Map([...recorded.shares].slice(1))
    const wrap = (server: IStorageServer, index: number): IStorageServer =>
      index < 5 ? alwaysFail(server) : server
    const grid = await createRecordedGrid(
      { ...recorded, shares: two },
      { wrap, placed: (share) => [share, share + 5] },
    )
    expect(await readAll(grid)).toEqual(recorded.plaintext)
  })

  it('is made known to its server where it is damaged, and only there', async () => {
    const damage = (bytes: Uint8Array, share: number): Uint8Array =>
      share === 1 ? bytes.map((byte, at) => (at === 2500 ? byte ^ 1 : byte)) : bytes
    const wrap = (server: IStorageServer, index: number): IStorageServer =>
      index === 0 ? alwaysFail(server, { only: ['slotReadv'] }) : server
    const grid = await createRecordedGrid(await recordedFile(MANY_SEGMENTS), { damage, wrap })
    await readAll(grid)
    await expect
      .poll(() => grid.advisories)
      .toEqual([expect.stringMatching(/^1 1: share 1: block hash tree failure/)])
  })

  it('is not called damaged where a newer version stands in its place', async () => {
    const damage = (bytes: Uint8Array, share: number): Uint8Array => {
      if (share !== 1) return bytes
      const newer = bytes.slice().fill(9, 41)
      newer[8] = 2
      return newer
    }
    const recorded = await recordedFile(MANY_SEGMENTS)
    const grid = await createRecordedGrid(recorded, { damage })
    expect(await readAll(grid)).toEqual(recorded.plaintext)
    await settle()
    expect([...grid.map.badShares.keys()]).toEqual(['v0-001'])
    expect(grid.advisories).toEqual([])
  })

  it('is left alone where the servermap has learnt of another version meanwhile', async () => {
    const grid = await gridWith(MANY_SEGMENTS, (server) => alwaysFail(server), [0])
    const recorded = await recordedFile('mdmf-3-10-1000-1000')
    const other = await createRecordedGrid(recorded)
    const reading = readAll(grid)
    const [server] = grid.servers
    if (server !== undefined) grid.map.addShare(server, 0, other.version, 0)
    await reading
    expect(grid.map.badShares.size).toBe(0)
  })
})

/** So many bytes, no two segments of which are alike. */
function bytesOf(size: number): Uint8Array {
  return stretch(
    Uint8Array.from({ length: 997 }, (_, index) => (index * 7) & 255),
    size,
  )
}

/** Lets what runs in the background come to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0))
}

describe('a flipped bit', () => {
  const SECTIONS = [
    'verificationKey',
    'signature',
    'shareHashChain',
    'blockHashTree',
    'shareData',
    'encryptedPrivateKey',
    'header',
  ] as const
  const cases = ['sdmf-3-10-131072-5000', 'mdmf-3-10-1000-9999', 'mdmf-1-1-1000-9999']

  it.each(cases)('of %s never gives wrong plaintext', async (name) => {
    const recorded = await recordedFile(name)
    const [some] = recorded.shares.values()
    const header = parseMutableHeader(some ?? new Uint8Array(0))
    const { requiredShares } = header
    const outcomes = { read: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SECTIONS),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        fc.integer({ min: requiredShares, max: recorded.shares.size }),
        fc.constantFrom(0, 4096),
        async (section, where, bit, kept, prefetch) => {
          const span = section === 'header' ? { offset: 0, end: 123 } : header.sections[section]
          const at = span.offset + (where % Math.max(1, span.end - span.offset))
          const shares = new Map([...recorded.shares].slice(0, kept))
          const damage = (bytes: Uint8Array, share: number): Uint8Array =>
            bytes.map((byte, index) => (share === 0 && index === at ? byte ^ (1 << bit) : byte))
          const grid = await createRecordedGrid({ ...recorded, shares }, { damage, prefetch })
          const outcome = await readAll(grid).catch((error: unknown) => error)
          if (outcome instanceof Uint8Array) {
            outcomes.read += 1
            expect(sameBytes(outcome, recorded.plaintext)).toBe(true)
          } else {
            outcomes.refused += 1
            expect(isFilesystemError(outcome, 'DOWNLOAD_NOT_ENOUGH_SHARES')).toBe(true)
            expect(kept).toBe(requiredShares)
          }
        },
      ),
      { seed: 11, numRuns: 60 },
    )
    expect(outcomes.read).toBeGreaterThan(0)
    expect(outcomes.refused).toBeGreaterThan(0)
  })

  it.each(['sdmf-3-10-131072-36', 'mdmf-3-10-1000-999'])(
    'in the header of %s is found before anything is read',
    async (name) => {
      const recorded = await recordedFile(name)
      for (let at = 0; at < 123; at += 3) {
        const damage = (bytes: Uint8Array, share: number): Uint8Array =>
          bytes.map((byte, index) => (share === 0 && index === at ? byte ^ 1 : byte))
        const grid = await createRecordedGrid(recorded, { damage })
        expect(await readAll(await withServermap(grid))).toEqual(recorded.plaintext)
      }
    },
  )

  it.each(['sdmf-1-1-131072-36', 'mdmf-1-1-1000-1000'])(
    'at any place of the hashes and blocks of %s is found',
    async (name) => {
      const recorded = await recordedFile(name)
      const [some] = recorded.shares.values()
      const { sections } = parseMutableHeader(some ?? new Uint8Array(0))
      for (const { offset, end } of [
        sections.shareHashChain,
        sections.blockHashTree,
        sections.shareData,
      ]) {
        for (let at = offset; at < end; at += end - offset > 100 ? 37 : 1) {
          const damage = (bytes: Uint8Array): Uint8Array =>
            bytes.map((byte, index) => (index === at ? byte ^ 0x80 : byte))
          const grid = await createRecordedGrid(recorded, { damage })
          await expect(readAll(grid)).rejects.toMatchObject({ code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
        }
      }
    },
  )
})

describe('any mix of servers', () => {
  it('gives the plaintext while k of them are good, and says so when they are not', async () => {
    const recorded = await recordedFile(MANY_SEGMENTS)
    const kinds: Record<string, (server: IStorageServer) => IStorageServer> = {
      good: (server) => server,
      fails: (server) => alwaysFail(server, { only: ['slotReadv'] }),
      short: (server) => truncate(server, 7),
      wrong: (server) => flipBit(server, 8 * 50 + 3),
      silent: (server) => stall(server, { only: ['slotReadv'] }),
      gone: (server) => ({ ...server, slotReadv: async () => new Map() }),
    }
    const outcomes = new Set<boolean>()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('good', ...Object.keys(kinds)), { minLength: 10, maxLength: 10 }),
        fc.nat(9_998),
        async (mix, offset) => {
          const clock = virtualClock()
          const wrap = (server: IStorageServer, index: number): IStorageServer =>
            kinds[mix[index] ?? 'good']?.(server) ?? server
          const grid = await createRecordedGrid(recorded, { clock, wrap })
          const reading = readAll(grid, { offset }).catch((error: unknown) => error)
          const outcome = await clock.run(reading, 600_000)
          const good = mix.filter((kind) => kind === 'good').length
          outcomes.add(outcome instanceof Uint8Array)
          if (outcome instanceof Uint8Array) {
            expect(sameBytes(outcome, recorded.plaintext.subarray(offset))).toBe(true)
          } else {
            expect(isFilesystemError(outcome, 'DOWNLOAD_NOT_ENOUGH_SHARES')).toBe(true)
          }
          expect(outcome instanceof Uint8Array).toBe(good >= 3)
        },
      ),
      { seed: 5, numRuns: 60 },
    )
    expect(outcomes.size).toBe(2)
  })
})

describe('a server that does not answer', () => {
  it('is replaced after ten seconds, and its share counts as bad', async () => {
    const clock = virtualClock()
    const { plaintext } = await recordedFile(MANY_SEGMENTS)
    const grid = await gridWith(MANY_SEGMENTS, (server) => stall(server), [0, 1], { clock })
    expect(await clock.run(readAll(grid), 11_000)).toEqual(plaintext)
    expect(clock.nowMs()).toBeGreaterThanOrEqual(10_000)
    expect([...grid.map.badShares.keys()]).toEqual(['v0-000', 'v0-001'])
    expect(grid.advisories).toEqual([])
  })

  it('may still answer while others are tried', async () => {
    const clock = virtualClock()
    const late = (server: IStorageServer): IStorageServer => ({
      ...server,
      slotReadv: async (...request) => {
        await clock.sleep(15_000)
        return server.slotReadv(...request)
      },
    })
    const { plaintext } = await recordedFile(MANY_SEGMENTS)
    const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    const grid = await gridWith(MANY_SEGMENTS, late, all, { clock })
    expect(await clock.run(readAll(grid), 60_000)).toEqual(plaintext)
  })

  it('is given up in the end', async () => {
    const clock = virtualClock()
    const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    const grid = await gridWith(MANY_SEGMENTS, (server) => stall(server), all, { clock })
    const reading = readAll(grid)
    reading.catch(() => {})
    await expect(clock.run(reading, 300_000)).rejects.toMatchObject({
      code: 'DOWNLOAD_NOT_ENOUGH_SHARES',
    })
  })

  it('has a time that timers can count, however large a segment says it is', () => {
    expect(overdueMs(2_560_000)).toBe(20_000)
    expect(6 * overdueMs(Number.MAX_SAFE_INTEGER)).toBeLessThan(2 ** 31)
  })

  it('lets go when the reader leaves, before the first piece as after it', async () => {
    const ended: unknown[] = []
    const waiting = (server: IStorageServer): IStorageServer => ({
      ...server,
      slotReadv: (_index, _shares, _vectors, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener('abort', () => {
            ended.push(options.signal?.reason)
            reject(options.signal?.reason)
          })
        }),
    })
    const grid = await gridWith(MANY_SEGMENTS, waiting, [0, 1, 2])
    const reader = retrieve(grid.file, grid.map, grid.version)[Symbol.asyncIterator]()
    const first = reader.next()
    first.catch(() => {})
    await settle()
    await reader.return?.()
    await expect(first).rejects.toThrow('the reader has left')
    expect(ended).toHaveLength(3)
    expect(grid.map.badShares.size).toBe(0)
    expect(grid.statuses[0]?.active).toBe(false)
  })

  it('lets go when the signal fires', async () => {
    const grid = await gridWith(MANY_SEGMENTS, (server) => stall(server), [0])
    const controller = new AbortController()
    const reading = readAll(grid, { signal: controller.signal })
    reading.catch(() => {})
    await settle()
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    expect(grid.statuses[0]).toMatchObject({ status: 'Failed', active: false })
    expect(grid.map.badShares.size).toBe(0)
  })

  it('is not asked when the signal has fired already', async () => {
    const grid = await createRecordedGrid(await recordedFile(MANY_SEGMENTS))
    const reason = new Error('enough')
    await expect(readAll(grid, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(grid.requests).toEqual([])
  })
})

describe('a reader', () => {
  it('that is slow has a few megabytes waiting at most', async () => {
    const large = await writtenFile(bytesOf(12_000_000), { requiredShares: 2, totalShares: 2 })
    const grid = await createRecordedGrid(large)
    let taken = 0
    let most = 0
    for await (const piece of retrieve(grid.file, grid.map, grid.version)) {
      await new Promise((resolve) => setTimeout(resolve, 0))
      const asked = grid.requests.reduce((sum, { size }) => sum + size, 0)
      most = Math.max(most, asked - taken)
      expect(sameBytes(piece, large.plaintext.subarray(taken, taken + piece.length))).toBe(true)
      taken += piece.length
    }
    expect(taken).toBe(12_000_000)
    expect(most).toBeGreaterThan(2 * 1024 * 1024)
    expect(most).toBeLessThan(5.5 * 1024 * 1024)
    // Many segments come with one request.
    expect(grid.requests.length).toBeLessThan(60)
  })

  it('gets its own bytes', async () => {
    const recorded = await recordedFile('sdmf-1-1-131072-5000')
    const grid = await createRecordedGrid(recorded, { prefetch: 10_000 })
    const first = await readAll(grid)
    first.fill(0)
    expect(await readAll(grid)).toEqual(recorded.plaintext)
  })

  it('that leaves after a piece has stopped the retrieval', async () => {
    const grid = await createRecordedGrid(await recordedFile(MANY_SEGMENTS))
    for await (const piece of retrieve(grid.file, grid.map, grid.version)) {
      expect(piece.length).toBe(1002)
      break
    }
    expect(grid.statuses[0]).toMatchObject({ status: 'Stopped', active: false })
  })

  it('that asks for nothing starts nothing', async () => {
    const grid = await createRecordedGrid(await recordedFile(MANY_SEGMENTS))
    const reader = retrieve(grid.file, grid.map, grid.version)[Symbol.asyncIterator]()
    await reader.return?.()
    expect(grid.statuses).toEqual([])
    expect(grid.requests).toEqual([])
  })
})

describe('what an update needs', () => {
  it('is the segments at its ends and the block hashes of every share', async () => {
    const recorded = await recordedFile(MANY_SEGMENTS)
    const { plaintext, shares } = recorded
    const grid = await createRecordedGrid(recorded)
    const { file, map, version } = grid
    const cases: [number, number, number[]][] = [
      [0, 1, [0]],
      [1500, 10, [1]],
      [1500, 2000, [1, 3]],
      [1500, plaintext.length, [1]],
      [plaintext.length, 5, [9]],
      [9000, 999, [8]],
      [9018, 5000, [9]],
    ]
    for (const [offset, length, segments] of cases) {
      const basis = await fetchUpdateSegments(file, map, version, { offset, length })
      expect([...basis.segments.keys()]).toEqual(segments)
      for (const [segment, bytes] of basis.segments) {
        expect(bytes).toEqual(plaintext.slice(segment * 1002, (segment + 1) * 1002))
      }
      expect([...basis.blockHashes.keys()].toSorted((a, b) => a - b)).toEqual([...shares.keys()])
      for (const [share, leaves] of basis.blockHashes) {
        const bytes = shares.get(share) ?? new Uint8Array(0)
        const { offset: at } = parseMutableHeader(bytes).sections.blockHashTree
        const hashes = bytes.subarray(at + 15 * 32, at + 25 * 32)
        expect(concatBytes(leaves)).toEqual(hashes)
      }
    }
    expect(grid.statuses.every(({ status }) => status === 'Finished')).toBe(true)
  })

  it('is one round trip', async () => {
    const grid = await createRecordedGrid(await recordedFile(MANY_SEGMENTS))
    await fetchUpdateSegments(grid.file, grid.map, grid.version, { offset: 1500, length: 10 })
    expect(grid.requests).toHaveLength(10)
  })

  it('lacks the shares that are damaged everywhere', async () => {
    const damage = (bytes: Uint8Array, share: number, server: number): Uint8Array =>
      share === 4 || (share === 5 && server === 5)
        ? bytes.map((byte, at) => (at === bytes.length - 400 ? byte ^ 1 : byte))
        : bytes
    const grid = await createRecordedGrid(await recordedFile(MANY_SEGMENTS), {
      damage,
      placed: (share) => [share, share + 10],
    })
    const { file, map, version } = grid
    const basis = await fetchUpdateSegments(file, map, version, { offset: 0, length: 1 })
    expect([...basis.blockHashes.keys()].toSorted((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 5, 6, 7, 8, 9,
    ])
    expect([...map.badShares.keys()].toSorted()).toEqual(['v0-004', 'v0-005', 'v0-014'])
  })
})
