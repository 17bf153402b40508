import { concatBytes, sameBytes } from '@lafs/crypto'
import type { IMutableFileNode, IMutableFileServerMap } from '@lafs/filesystem-interface'
import { mutableUploadableFromBytes } from '@lafs/mutable'
import { MDMF_VERSION, SDMF_VERSION, StorageError } from '@lafs/storage-interface'
import { stretch } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { createNodeGrid, onShareWrite } from './node-grid.ts'
import type { NodeGrid } from './node-grid.ts'
import type { TestServer } from './publish-grid.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const content = (size: number, seed = 'content'): Uint8Array => stretch(bytes(seed), size)

/** Compares what is too long to be printed. */
function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length)
  expect(sameBytes(actual, expected)).toBe(true)
}

/** What a file holds once `data` have been written at `offset`. */
function spliced(old: Uint8Array, data: Uint8Array, offset: number): Uint8Array {
  return concatBytes([old.subarray(0, offset), data, old.subarray(offset + data.length)])
}

/** Some servers take no writes while something is done. */
async function without<T>(servers: readonly TestServer[], work: () => Promise<T>): Promise<T> {
  for (const server of servers) {
    onShareWrite(server, async () => {
      throw new StorageError('STORAGE_UNREACHABLE', 'away')
    })
  }
  try {
    return await work()
  } finally {
    for (const server of servers) server.onWrite = (write) => write()
  }
}

/** Ends a writer once so many of its messages have been dealt with, and those on the way are lost. */
async function killedAfter(
  last: number,
  servers: readonly TestServer[],
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<'fulfilled' | 'rejected'> {
  const stop = new AbortController()
  const arrived: Promise<unknown>[] = []
  for (const server of servers) {
    onShareWrite(server, <T>(write: () => Promise<T>) => {
      if (arrived.length < last) {
        const done = write()
        arrived.push(done)
        return done
      }
      void Promise.all(arrived).then(() => stop.abort(new Error('killed')))
      return new Promise<T>(() => {})
    })
  }
  const [outcome] = await Promise.allSettled([work(stop.signal)])
  for (const server of servers) server.onWrite = (write) => write()
  return outcome.status
}

/** A file of which some servers alone have the last version, with one share each. */
async function twoVersions(
  newer: number,
): Promise<{ grid: NodeGrid; node: IMutableFileNode; map: IMutableFileServerMap }> {
  const grid = await createNodeGrid()
  const node = await grid.create(bytes('old'))
  await killedAfter(newer, grid.servers, (signal) => node.overwrite(bytes('new'), { signal }))
  const map = await grid.open(node.uri).servermap('MODE_CHECK')
  return { grid, node, map }
}

const updates: readonly [size: number, offset: number, length: number][] = [
  [0, 0, 0],
  [0, 0, 10],
  [10, 0, 1],
  [10, 10, 5],
  [10, 4, 20],
  [131_072, 131_072, 1],
  [131_073, 131_072, 1],
  [300_000, 0, 300_000],
  [300_000, 131_000, 200],
  [300_000, 131_072, 131_072],
  [300_000, 262_143, 2],
  [300_000, 299_999, 2],
  [300_000, 300_000, 400_000],
  [300_000, 100, 0],
]

describe.each([
  ['SDMF', SDMF_VERSION],
  ['MDMF', MDMF_VERSION],
] as const)('an update of %s', (_, version) => {
  it.each(updates)('of %i bytes: from %i on, %i bytes', async (size, offset, length) => {
    const grid = await createNodeGrid()
    const node = await grid.create(content(size), { version })
    const best = await grid.open(node.uri).bestMutableVersion()
    const data = content(length, 'DATA')
    const before = grid.writes()
    const status = await best.update(data, offset)
    const expected = spliced(content(size), data, offset)
    expect(status).toMatchObject({ active: false, progress: 1, size: expected.length })
    expect([best.size, best.sequenceNumber]).toEqual([expected.length, length === 0 ? 1 : 2])
    expect(grid.writes()).toBe(before + (length === 0 ? 0 : 10))
    expectBytes(await node.downloadBestVersion(), expected)
    expectBytes(await best.downloadToData(), expected)
  })

  it('follows its own writes', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(content(200_000), { version })
    const best = await node.bestMutableVersion()
    let expected = content(200_000)
    for (const [offset, length] of [
      [10, 20],
      [131_070, 10],
      [200_000, 100_000],
      [0, 5],
    ] as const) {
      const data = content(length, `${offset}`)
      await best.update(mutableUploadableFromBytes(data), offset)
      expected = spliced(expected, data, offset)
    }
    expect(best.sequenceNumber).toBe(5)
    expectBytes(await grid.open(node.readonlyUri).downloadBestVersion(), expected)
    await best.overwrite(bytes('short'))
    await best.modify((old) => concatBytes([old, bytes('er')]))
    expect([best.sequenceNumber, best.size]).toEqual([7, 7])
    expect(text(await best.downloadToData())).toBe('shorter')
  })

  it.each([-1, 11, 0.5, Number.NaN])('of 10 bytes is refused at %d', async (offset) => {
    const grid = await createNodeGrid()
    const best = await (await grid.create(content(10), { version })).bestMutableVersion()
    const before = grid.writes()
    await expect(best.update(bytes('x'), offset)).rejects.toThrow(RangeError)
    expect(grid.writes()).toBe(before)
  })

  it.each([-1, 1])(
    'is refused from a source that gives %i byte more than it says',
    async (more) => {
      const grid = await createNodeGrid()
      const node = await grid.create(content(1000), { version })
      const best = await node.bestMutableVersion()
      const before = grid.writes()
      const changed = { ...mutableUploadableFromBytes(bytes('some data')), size: 9 - more }
      await expect(best.update(changed, 500)).rejects.toMatchObject({
        code: 'UPLOAD_SOURCE_CHANGED',
      })
      expect(grid.writes()).toBe(before)
      expectBytes(await node.downloadBestVersion(), content(1000))
    },
  )

  it('brings shares back that were missing', async () => {
    const grid = await createNodeGrid()
    const node = await without(grid.servers.slice(0, 2), () =>
      grid.create(content(200_000), { version }),
    )
    const other = grid.open(node.uri)
    await without(grid.servers.slice(4, 6), () => other.overwrite(content(200_000)))
    const best = await grid.open(node.uri).bestMutableVersion()
    await best.update(bytes('DATA'), 131_070)
    const expected = spliced(content(200_000), bytes('DATA'), 131_070)
    expectBytes(await node.downloadBestVersion(), expected)
    const numbers = await grid.sequenceNumbers(node)
    expect([numbers.size, new Set(numbers.values()).size]).toEqual([10, 1])
  })

  it('says so when another writer came between', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(content(200_000), { version })
    const best = await node.bestMutableVersion()
    await grid.open(node.uri).overwrite(bytes('theirs'))
    const outcome = await Promise.allSettled([best.overwrite(bytes('ours'))])
    expect(outcome).toMatchObject([{ reason: { name: 'UncoordinatedWriteError' } }])
    expect(text(await node.downloadBestVersion())).toBe('theirs')
  })

  it.each([
    ['of the same size', content(400_000, 'theirs')],
    ['that is shorter than the offset', bytes('theirs')],
    ['that is longer', content(500_000, 'theirs')],
  ])(
    'changes nothing in what another writer has put there meanwhile, %s',
    async (_what, theirs) => {
      const grid = await createNodeGrid()
      const node = await grid.create(content(400_000), { version })
      for (const offset of [200_000, 400_000]) {
        const best = await grid.open(node.uri).bestMutableVersion()
        await node.overwrite(theirs)
        const outcome = best.update(bytes('ours'), Math.min(offset, best.size))
        await expect(outcome).rejects.toMatchObject({ name: 'UncoordinatedWriteError' })
        expectBytes(await node.downloadBestVersion(), theirs)
      }
    },
  )

  it('leaves the old or the new version, wherever its writer is killed', async () => {
    const [old, data] = [content(140_000), content(20_000, 'DATA')]
    const updated = spliced(old, data, 131_000)
    for (let last = 0; last <= 10; last++) {
      const grid = await createNodeGrid()
      const node = await grid.create(old, { version })
      const best = await node.bestMutableVersion()
      const outcome = await killedAfter(last, grid.servers, (signal) =>
        best.update(data, 131_000, { signal }),
      )
      expect(outcome).toBe(last === 10 ? 'fulfilled' : 'rejected')
      const found = await grid.open(node.readonlyUri).downloadBestVersion()
      expect([last, sameBytes(found, last >= 3 ? updated : old)]).toEqual([last, true])
      await grid.open(node.uri).modify((now) => concatBytes([now, bytes('!')]))
      expectBytes(await node.downloadBestVersion(), concatBytes([found, bytes('!')]))
      expect(new Set((await grid.sequenceNumbers(node)).values()).size).toBe(1)
    }
  })
})

describe('the versions of a file', () => {
  it('do not show their secrets to who prints them', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const version = await node.bestMutableVersion()
    expect(version.writekey).toEqual(node.writekey)
    expect(Object.values(version)).not.toContain(version.writekey)
    expect(Object.values(node)).not.toContain(node.writekey)
    expect((await node.bestReadableVersion()).readonly).toBe(true)
  })

  it('are downloaded each, where there are enough shares of several', async () => {
    const { grid, node, map } = await twoVersions(5)
    const versions = map.recoverableVersions()
    expect(versions.map(({ sequenceNumber }) => sequenceNumber)).toEqual([2, 1])
    const reader = grid.open(node.readonlyUri)
    const contents = await Promise.all(versions.map((one) => reader.downloadVersion(map, one)))
    expect(contents.map(text)).toEqual(['new', 'old'])
    expect(text(await reader.downloadBestVersion())).toBe('new')
    expect(map.unrecoverableNewerVersions()).toEqual([])
    expect(map.needsMerge()).toBe(false)
  })

  it('are all replaced by the next edit', async () => {
    const { grid, node } = await twoVersions(5)
    await grid.open(node.uri).modify((old) => concatBytes([old, bytes('er')]))
    expect(text(await node.downloadBestVersion())).toBe('newer')
    expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([3]))
  })

  it('can be newer than the best one, with too few shares', async () => {
    const { grid, node, map } = await twoVersions(2)
    expect(map.bestRecoverableVersion()).toMatchObject({ sequenceNumber: 1 })
    const [newer] = map.unrecoverableNewerVersions()
    if (newer === undefined) throw new Error('no newer version')
    expect(newer.sequenceNumber).toBe(2)
    const reader = grid.open(node.readonlyUri)
    expect(text(await reader.downloadBestVersion())).toBe('old')
    await expect(reader.downloadVersion(map, newer)).rejects.toMatchObject({
      code: 'MUTABLE_UNRECOVERABLE',
    })
    await grid.open(node.uri).modify((old) => concatBytes([old, bytes('er')]))
    expect(text(await reader.downloadBestVersion())).toBe('older')
    expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([3]))
  })

  it('are not those of another file, or of a map that somebody else made', async () => {
    const grid = await createNodeGrid()
    const [node, other] = [await grid.create(bytes('a')), await grid.create(bytes('b'))]
    const map = await node.servermap('MODE_CHECK')
    const theirs = (await other.servermap('MODE_CHECK')).bestRecoverableVersion()
    if (theirs === undefined) throw new Error('no version')
    await expect(node.downloadVersion(map, theirs)).rejects.toMatchObject({
      code: 'MUTABLE_UNRECOVERABLE',
    })
    await expect(node.downloadVersion({ ...map }, theirs)).rejects.toThrow(TypeError)
  })
})

describe('an edit against servers that misbehave', () => {
  /** The servers know another write enabler. */
  function refuseWrites(servers: readonly TestServer[]): void {
    for (const server of servers) {
      onShareWrite(server, async () => {
        throw new StorageError('STORAGE_BAD_WRITE_ENABLER', 'the write enabler does not fit')
      })
    }
  }

  it('goes elsewhere where some refuse the write enabler', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('old'))
    refuseWrites(grid.servers.slice(0, 3))
    await grid.open(node.uri).modify((old) => concatBytes([old, bytes('er')]))
    expect(text(await node.downloadBestVersion())).toBe('older')
    const map = await grid.open(node.uri).servermap('MODE_CHECK')
    expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(2)
  })

  it('says which error every server gave where all refuse it', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('old'))
    refuseWrites(grid.servers)
    const edit = grid.open(node.uri).overwrite(bytes('new'))
    await expect(edit).rejects.toMatchObject({
      name: 'NotEnoughServersError',
      code: 'MUTABLE_NOT_ENOUGH_SERVERS',
      errors: Array.from({ length: 10 }, () =>
        expect.objectContaining({ code: 'STORAGE_BAD_WRITE_ENABLER' }),
      ),
    })
    expect(text(await node.downloadBestVersion())).toBe('old')
  })

  it('is found again where some accept and forget', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('old'))
    for (const server of grid.servers.slice(0, 3)) {
      onShareWrite(server, async <T>() => ({ success: true, data: new Map() }) as T)
    }
    const other = grid.open(node.uri)
    await other.overwrite(bytes('new'))
    expect(text(await grid.open(node.readonlyUri).downloadBestVersion())).toBe('new')
    for (const server of grid.servers) server.onWrite = (write) => write()
    await grid.open(node.uri).modify((old) => concatBytes([old, bytes('er')]))
    expect(text(await other.downloadBestVersion())).toBe('newer')
    expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([3]))
  })
})
