import { defaultCrypto } from '@lafs/crypto'
import type { IPublishStatus, Progress } from '@lafs/filesystem-interface'
import { StorageError } from '@lafs/storage-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import { virtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import type { MutableFile } from '../src/file.ts'
import { publish } from '../src/publish/publish.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { mutableUploadableFromBytes, mutableUploadableFromStream } from '../src/uploadable.ts'
import {
  allShares,
  createServers,
  fileOn,
  mapOf,
  overwriteShare,
  recoverable,
  sharesOn,
} from './publish-grid.ts'
import type { FileOptions, TestServer } from './publish-grid.ts'

const old = new TextEncoder().encode('what stood there before, and somewhat longer than the other')
const fresh = new TextEncoder().encode('what is new')

interface Grid {
  readonly servers: readonly TestServer[]
  readonly file: MutableFile
}

/** Servers with a first version of `old` on them. */
async function published(count: number, options: FileOptions = {}): Promise<Grid> {
  const servers = await createServers(count)
  const file = await fileOn(servers, options)
  await publish(file, new ServerMap(), mutableUploadableFromBytes(old))
  for (const { writes } of servers) writes.length = 0
  return { servers, file }
}

async function placements({ servers, file }: Grid): Promise<number[][]> {
  return Promise.all(
    servers.map(async (server) => [...(await sharesOn(server, file.storageIndex)).keys()]),
  )
}

const bytes = mutableUploadableFromBytes

function at<T>(list: readonly T[], index: number): T {
  const item = list.at(index)
  if (item === undefined) throw new Error(`nothing at ${index}`)
  return item
}

describe('a first version', () => {
  it.each([0, 1] as const)('of format %i is signed, and known to map and file', async (version) => {
    const servers = await createServers(10)
    const file = await fileOn(servers, { version })
    const map = new ServerMap()
    await publish(file, map, bytes(fresh))
    const shares = await allShares(servers, file)
    expect([...shares.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (const share of shares.values()) {
      const { prefix, sections, sequenceNumber } = parseMutableHeader(share)
      const signature = share.subarray(sections.signature.offset, sections.signature.end)
      expect(await file.verifyingKey?.verify(signature, prefix)).toBe(true)
      expect(sequenceNumber).toBe(1)
    }
    expect(await recoverable(file, servers)).toEqual(new Map([[1, fresh]]))
    expect(map.summarizeVersions()).toBe((await mapOf(servers, file)).summarizeVersions())
    expect([...map.recoverableVersions()].map(({ size }) => size)).toEqual([fresh.length])
    expect(file.size).toBe(fresh.length)
  })

  it('goes to as many servers as there are, each with one message', async () => {
    const grid = await published(4)
    expect(await placements(grid)).toEqual([
      [0, 4, 8],
      [1, 5, 9],
      [2, 6],
      [3, 7],
    ])
    await publish(grid.file, await mapOf(grid.servers, grid.file), bytes(fresh))
    expect(grid.servers.map(({ writes }) => writes.map((write) => [...write.keys()]))).toEqual([
      [[0, 4, 8]],
      [[1, 5, 9]],
      [[2, 6]],
      [[3, 7]],
    ])
  })

  it('splits what is too large for one message', async () => {
    const servers = await createServers(1)
    const file = await fileOn(servers, { version: 1, requiredShares: 2, totalShares: 2 })
    const size = 18 * 1024 * 1024
    await publish(file, new ServerMap(), bytes(new Uint8Array(size)))
    expect(at(servers, 0).writes.map((write) => [...write.keys()])).toEqual([[0], [1]])
    const contents = await recoverable(file, servers)
    expect(contents.get(1)?.length).toBe(size)
  })

  it('leaves out servers that take no new shares', async () => {
    const servers = await createServers(3)
    at(servers, 1).permitted = false
    const file = await fileOn(servers)
    await publish(file, new ServerMap(), bytes(fresh))
    expect(at(servers, 1).writes).toEqual([])
    for (const server of servers) server.permitted = false
    await expect(publish(file, new ServerMap(), bytes(fresh))).rejects.toMatchObject({
      name: 'NotEnoughServersError',
      message: 'no server takes new shares',
    })
  })

  it('tells how it goes', async () => {
    const servers = await createServers(2)
    const file = await fileOn(servers)
    const heard: IPublishStatus[] = []
    const seen: Progress[] = []
    const history = {
      addPublish: (status: IPublishStatus) => {
        heard.push(status)
        expect(status).toMatchObject({ active: true, progress: 0, size: fresh.length })
      },
      addServermapUpdate: () => {},
      addRetrieve: () => {},
    }
    const watched = { ...file, context: { ...file.context, history } }
    const map = new ServerMap()
    const onProgress = (progress: Progress): unknown => seen.push(progress)
    const status = await publish(watched, map, bytes(fresh), { onProgress })
    expect(heard).toEqual([status])
    expect(status).toMatchObject({
      active: false,
      progress: 1,
      status: 'Finished',
      requiredShares: 3,
      totalShares: 10,
      servermap: map,
      usingHelper: false,
      storageIndex: file.storageIndex,
    })
    expect(status.problems.size).toBe(0)
    expect([...(status.timings.sendPerServerMs?.keys() ?? [])].toSorted()).toEqual([
      'v0-000',
      'v0-001',
    ])
    const total = fresh.length
    expect(seen.map(({ phase, total: all }) => [phase, all])).toEqual(
      seen.map(() => ['pushing', total]),
    )
    const done = seen.map((progress) => progress.done)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
    expect([done[0], done.at(-1)]).toEqual([0, total])
  })
})

describe('another version', () => {
  it('takes the place of the one before, and cuts off what is left over', async () => {
    const grid = await published(5)
    const before = await placements(grid)
    const map = await mapOf(grid.servers, grid.file)
    await publish(grid.file, map, bytes(fresh))
    expect(await placements(grid)).toEqual(before)
    expect(await recoverable(grid.file, grid.servers)).toEqual(new Map([[2, fresh]]))
    for (const share of (await allShares(grid.servers, grid.file)).values()) {
      expect(share.length).toBe(parseMutableHeader(share).shareEnd)
    }
    expect(map.summarizeVersions()).toMatch(/^10\*seq2-....$/)
    await publish(grid.file, map, bytes(old))
    expect(await recoverable(grid.file, grid.servers)).toEqual(new Map([[3, old]]))
  })

  it('replaces older versions and copies, and brings back shares that are gone', async () => {
    const { servers, file } = await published(5)
    const stale = await allShares(servers, file)
    await publish(file, await mapOf(servers, file), bytes(fresh))
    // Server 0 holds shares 0 and 5; server 1 gets a copy of 0, and an old share 6.
    const current = await allShares(servers, file)
    await overwriteShare(file, at(servers, 1), 0, current.get(0) ?? new Uint8Array())
    await overwriteShare(file, at(servers, 1), 6, stale.get(6) ?? new Uint8Array())
    const remaining = servers.slice(0, 2)
    const map = await mapOf(remaining, file)
    expect(map.summarizeVersions()).toMatch(/^1\*seq1-....\/3\*seq2-....$/)
    const smaller = await fileOn([...remaining, ...(await createServers(4)).slice(2)])
    await publish(smaller, map, bytes(old))
    const [first, second] = await Promise.all(
      remaining.map(async (one) => [...(await sharesOn(one, file.storageIndex)).keys()]),
    )
    expect(first).toEqual(expect.arrayContaining([0, 5]))
    expect(second).toEqual(expect.arrayContaining([0, 1, 6]))
    expect(map.summarizeVersions()).toMatch(/^10\*seq3-....$/)
  })

  it('is newer than versions that cannot be recovered', async () => {
    const { servers, file } = await published(10)
    await overwriteShare(file, at(servers, 0), 0, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 41), 1)
    const map = await mapOf(servers, file)
    expect(map.unrecoverableNewerVersions()).toHaveLength(1)
    await publish(file, map, bytes(fresh))
    expect([...(await recoverable(file, servers)).keys()]).toEqual([42])
  })

  it('replaces bad shares that still are what the map says', async () => {
    const { servers, file } = await published(10)
    const [one, other] = [at(servers, 3), at(servers, 4)]
    const rubbish = new TextEncoder().encode('rubbish')
    await overwriteShare(file, one, 3, rubbish)
    const map = await mapOf([...servers.slice(0, 3), ...servers.slice(4)], file)
    map.markBadShare(one.server, 3, rubbish)
    map.markBadShare(
      other.server,
      4,
      (await mapOf([other], file)).checkstringOn(other.server, 4) ?? rubbish,
    )
    await publish(file, map, bytes(fresh))
    expect(map.badShares.size).toBe(0)
    expect(await recoverable(file, servers)).toEqual(new Map([[2, fresh]]))
    expect(map.summarizeVersions()).toMatch(/^10\*seq2-....$/)
  })
})

describe('another writer', () => {
  it('is noticed by a share that has changed, which stays', async () => {
    const { servers, file } = await published(10)
    const map = await mapOf(servers, file)
    await publish(file, await mapOf(servers.slice(0, 1), file), bytes(fresh)).catch(() => {})
    const [changed] = (await sharesOn(at(servers, 0), file.storageIndex)).values()
    const failure = publish(file, map, bytes(old))
    await expect(failure).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
      code: 'MUTABLE_UNCOORDINATED_WRITE',
    })
    expect([...(await sharesOn(at(servers, 0), file.storageIndex)).values()]).toEqual([changed])
    expect(map.problems).toHaveLength(1)
  })

  it('is noticed by a share where there was none', async () => {
    const { servers, file } = await published(10)
    const map = await mapOf(servers, file)
    const share = (await allShares(servers, file)).get(9) ?? new Uint8Array()
    await overwriteShare(file, at(servers, 0), 9, share)
    await expect(publish(file, map, bytes(fresh))).rejects.toMatchObject({
      message: 'another writer has been at work: v0-000 has share 9 as well',
    })
  })

  it('is noticed when the file is there already', async () => {
    const { servers, file } = await published(10)
    await expect(publish(file, new ServerMap(), bytes(fresh))).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
    })
    expect(await recoverable(file, servers)).toEqual(new Map([[1, old]]))
  })

  it('is noticed when a bad share has been replaced meanwhile', async () => {
    const { servers, file } = await published(10)
    const map = await mapOf(servers, file)
    map.markBadShare(at(servers, 0).server, 0, new Uint8Array(41).fill(9))
    await expect(publish(file, map, bytes(fresh))).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
    })
  })

  it('loses, or we do: of two at once no more than one succeeds', async () => {
    const { servers, file } = await published(10)
    const maps = [await mapOf(servers, file), await mapOf(servers, file)]
    const outcomes = await Promise.allSettled(
      maps.map((map, index) => publish(file, map, bytes(index === 0 ? fresh : old))),
    )
    const failed = outcomes.filter(({ status }) => status === 'rejected')
    expect(failed.length).toBeGreaterThanOrEqual(1)
    for (const { status, ...rest } of failed) {
      expect([status, rest]).toMatchObject([
        'rejected',
        { reason: { name: 'UncoordinatedWriteError' } },
      ])
    }
    expect((await recoverable(file, servers)).size).toBeGreaterThanOrEqual(1)
  })

  it('is not suspected when our own message arrives twice', async () => {
    const { servers, file } = await published(10)
    const map = await mapOf(servers, file)
    at(servers, 2).onWrite = async (write) => {
      await write()
      return write()
    }
    await publish(file, map, bytes(fresh))
    expect(map.summarizeVersions()).toMatch(/^10\*seq2-....$/)
  })
})

describe('servers that fail', () => {
  const gone = async (): Promise<never> => {
    throw new StorageError('STORAGE_UNREACHABLE', 'gone')
  }

  it('are replaced, in a first version and in another one', async () => {
    const servers = await createServers(6)
    const file = await fileOn(servers)
    at(servers, 1).onWrite = gone
    const map = new ServerMap()
    const status = await publish(file, map, bytes(old))
    expect([...status.problems.keys()]).toEqual(['v0-001'])
    expect(map.summarizeVersions()).toMatch(/^10\*seq1-....$/)
    at(servers, 2).onWrite = gone
    map.setLastUpdate('MODE_WRITE', 2)
    await publish(file, map, bytes(fresh))
    const contents = await recoverable(file, servers)
    expect(contents.get(2)).toEqual(fresh)
    expect(
      (await mapOf([...servers.slice(0, 2), ...servers.slice(3)], file)).summarizeVersions(),
    ).toMatch(/^10\*seq2-....$/)
  })

  it('leave enough shares where nobody can replace them, or too few', async () => {
    const grid = await published(10)
    for (const server of grid.servers) server.permitted = false
    for (const server of grid.servers.slice(0, 7)) server.onWrite = gone
    const map = await mapOf(grid.servers, grid.file)
    await publish(grid.file, map, bytes(fresh))
    expect(await recoverable(grid.file, grid.servers)).toEqual(
      new Map([
        [1, old],
        [2, fresh],
      ]),
    )
    at(grid.servers, 7).onWrite = gone
    const failure = publish(grid.file, map, bytes(fresh))
    await expect(failure).rejects.toMatchObject({
      name: 'NotEnoughServersError',
      code: 'MUTABLE_NOT_ENOUGH_SERVERS',
      message: 'servers took 2 of the 3 different shares that are needed, first error: gone',
      cause: { code: 'STORAGE_UNREACHABLE' },
    })
    await expect(
      failure.catch((error: { errors: unknown[] }) => error.errors),
    ).resolves.toHaveLength(8)
  })

  it('with another write enabler are named', async () => {
    const { servers, file } = await published(3)
    const map = await mapOf(servers, file)
    const stranger = { ...file, writekey: new Uint8Array(16).fill(1) }
    await expect(publish(stranger, map, bytes(fresh))).rejects.toMatchObject({
      name: 'NotEnoughServersError',
      cause: { name: 'BadWriteEnablerError', code: 'STORAGE_BAD_WRITE_ENABLER' },
    })
    expect(await recoverable(file, servers)).toEqual(new Map([[1, old]]))
  })

  it('by silence are given up after ten seconds', async () => {
    const servers = await createServers(4)
    const clock = virtualClock()
    const file = await fileOn(servers, { clock })
    at(servers, 0).onWrite = () => new Promise(() => {})
    const map = new ServerMap()
    const status = await clock.run(publish(file, map, bytes(old)), 20_000)
    expect(clock.nowMs()).toBeGreaterThanOrEqual(10_000)
    expect(status.problems.get('v0-000')).toMatchObject([{ code: 'STORAGE_TIMEOUT' }])
    expect(map.summarizeVersions()).toMatch(/^10\*seq1-....$/)
  })

  it('have longer for more bytes', async () => {
    const servers = await createServers(2)
    const clock = virtualClock()
    const file = await fileOn(servers, { clock, requiredShares: 1, totalShares: 2 })
    at(servers, 0).onWrite = () => new Promise(() => {})
    await clock.run(publish(file, new ServerMap(), bytes(new Uint8Array(1_000_000))), 60_000)
    // Two shares of a million bytes.
    expect(clock.nowMs()).toBeGreaterThan(30_000)
    expect(clock.nowMs()).toBeLessThan(31_000)
  })
})

describe('what cannot be published', () => {
  const size = 10
  it.each([
    { what: 'fewer bytes', length: 9 },
    { what: 'more bytes', length: 11 },
  ])('$what than announced: nothing is sent', async ({ length }) => {
    const { servers, file } = await published(3)
    const map = await mapOf(servers, file)
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(length)
    }
    const contents = await mutableUploadableFromStream(stream(), { size })
    await expect(publish(file, map, contents)).rejects.toMatchObject({
      code: 'UPLOAD_SOURCE_CHANGED',
    })
    expect(servers.flatMap(({ writes }) => writes)).toEqual([])
  })

  it('a file without write authority, keys, or a format', async () => {
    const { servers, file } = await published(3)
    const map = await mapOf(servers, file)
    const refused = (change: Partial<MutableFile>): Promise<unknown> =>
      publish({ ...file, ...change }, map, bytes(fresh))
    await expect(refused({ writekey: undefined })).rejects.toMatchObject({
      code: 'NODE_NOT_WRITEABLE',
    })
    await expect(refused({ signingKey: undefined })).rejects.toThrow(TypeError)
    await expect(refused({ version: undefined })).rejects.toThrow(TypeError)
    await expect(refused({ version: 2 })).rejects.toThrow(TypeError)
    await expect(refused({ encoding: { requiredShares: 1, totalShares: 256 } })).rejects.toThrow(
      RangeError,
    )
    map.setLastUpdate('MODE_READ', 1)
    await expect(refused({})).rejects.toThrow(TypeError)
    expect(servers.flatMap(({ writes }) => writes)).toEqual([])
  })

  it('anything once the signal fires', async () => {
    const { servers, file } = await published(3)
    const map = await mapOf(servers, file)
    const reason = new Error('enough')
    const early = publish(file, map, bytes(fresh), { signal: AbortSignal.abort(reason) })
    await expect(early).rejects.toBe(reason)
    expect(servers.flatMap(({ writes }) => writes)).toEqual([])
    const controller = new AbortController()
    at(servers, 1).onWrite = () => {
      controller.abort(reason)
      return new Promise(() => {})
    }
    await expect(publish(file, map, bytes(fresh), controller)).rejects.toBe(reason)
    expect(map.problems).toEqual([])
  })

  it.each([0, 5])('when hashing fails from window %i on: the error comes out', async (windows) => {
    const servers = await createServers(3)
    let left = windows
    const crypto = {
      ...defaultCrypto,
      sha256dMany: async (prefix: Uint8Array, messages: readonly Uint8Array[]) => {
        if (left-- <= 0) throw new Error('no threads')
        return defaultCrypto.sha256dMany(prefix, messages)
      },
    }
    const file = await fileOn(servers, { version: 1, crypto })
    const failure = publish(file, new ServerMap(), bytes(new Uint8Array(8 * 1024 * 1024)))
    await expect(failure).rejects.toThrow('no threads')
    expect(servers.flatMap(({ writes }) => writes)).toEqual([])
  })

  it('when drawing salts fails: the error comes out', async () => {
    const servers = await createServers(3)
    const randomBytes = (): never => {
      throw new Error('no entropy')
    }
    const file = await fileOn(servers, { crypto: { ...defaultCrypto, randomBytes } })
    await expect(publish(file, new ServerMap(), bytes(fresh))).rejects.toThrow('no entropy')
  })
})
