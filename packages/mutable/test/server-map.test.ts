import { beforeAll, describe, expect, it } from 'vitest'
import type { IServer } from '@lafs/storage-interface'
import {
  createMutableShareReader,
  type MutableShareHeader,
  packMutableHeader,
  parseMutableHeader,
} from '@lafs/storage-protocol/layout'
import { ServerMap } from '../src/servermap/server-map.ts'
import { compareVersions, type VersionInfo, versionInfoOf } from '../src/servermap/version-info.ts'
import { createTestGrid, loadRecordings, type Recordings } from './servermap-grid.ts'

let recordings: Recordings
let servers: readonly IServer[]
let first: VersionInfo
let second: VersionInfo
let third: VersionInfo
let otherThird: VersionInfo

const headerOf = (version: string, share = 0): MutableShareHeader => {
  const bytes = recordings.versions.get(version)?.[share]
  if (bytes === undefined) throw new Error(`no version ${version}`)
  return parseMutableHeader(bytes)
}

beforeAll(async () => {
  recordings = await loadRecordings()
  servers = createTestGrid(10).servers.map(({ server }) => server)
  first = versionInfoOf(headerOf('1'))
  second = versionInfoOf(headerOf('2'))
  third = versionInfoOf(headerOf('3a'))
  otherThird = versionInfoOf(headerOf('3b'))
})

const server = (index: number): IServer => {
  const found = servers[index]
  if (found === undefined) throw new Error(`no server ${index}`)
  return found
}

/** A map with shares of these versions: the first one's on the first servers, and so on. */
function mapOf(...counts: readonly (readonly [VersionInfo, number])[]): ServerMap {
  const map = new ServerMap()
  let next = 0
  for (const [version, count] of counts) {
    for (let share = 0; share < count; share++) map.addShare(server(next++), share, version, 5)
  }
  return map
}

describe('versionInfoOf', () => {
  it('is the same for all shares of a version', () => {
    for (const [name, shares] of recordings.versions) {
      const ids = shares.map((_, share) => versionInfoOf(headerOf(name, share)).id)
      expect(new Set(ids).size).toBe(1)
    }
  })

  it('is another one for each version', () => {
    const ids = [...recordings.versions.keys()].map((name) => versionInfoOf(headerOf(name)).id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('is another one where the parts of the share are elsewhere', () => {
    const header = headerOf('1')
    const moved = { ...header, shareEnd: header.shareEnd + 1 }
    const { offset } = header.sections.encryptedPrivateKey
    const sections = {
      ...header.sections,
      encryptedPrivateKey: { offset: offset + 1, end: header.shareEnd + 1 },
    }
    const other = parseMutableHeader(packMutableHeader({ ...moved, sections }))
    expect(versionInfoOf(other).id).not.toBe(first.id)
  })

  it('says what the header says', () => {
    expect(third).toMatchObject({ sequenceNumber: 3, requiredShares: 3, totalShares: 10, size: 9 })
    expect(third.summary).toMatch(/^seq3-[a-z2-7]{4}$/)
    expect(third.rootHash).toEqual(headerOf('3a').rootHash)
  })
})

describe('compareVersions', () => {
  it('puts sequence numbers before root hashes', () => {
    const [less = third, more = third] = [third, otherThird].toSorted(compareVersions)
    expect([less, second, more, first].toSorted(compareVersions)).toEqual([
      first,
      second,
      less,
      more,
    ])
    expect(Math.sign(compareVersions(first, second))).toBe(-1)
    expect(compareVersions(third, { ...third })).toBe(0)
  })

  it('compares root hashes as numbers of many digits', () => {
    const low = { ...first, rootHash: Uint8Array.of(1, 255) }
    const high = { ...first, rootHash: Uint8Array.of(2, 0) }
    expect(compareVersions(low, high)).toBeLessThan(0)
  })

  it('has an order for what is equal in both', () => {
    const other = { ...first, id: `${first.id}!` }
    expect(compareVersions(first, other)).toBe(-compareVersions(other, first))
    expect(compareVersions(first, other)).not.toBe(0)
  })
})

describe('ServerMap', () => {
  it('knows nothing at first', () => {
    const map = new ServerMap()
    expect(map.lastUpdateMode).toBeUndefined()
    expect(map.lastUpdateMs).toBe(0)
    expect(map.bestRecoverableVersion()).toBeUndefined()
    expect(map.highestSequenceNumber()).toBe(0)
    expect(map.summarizeVersions()).toBe('')
    expect(map.needsMerge()).toBe(false)
    expect(map.unrecoverableNewerVersions()).toEqual([])
  })

  it('needs as many different shares as a reader does', () => {
    const map = new ServerMap()
    for (const [index, share] of [0, 1, 1, 0].entries()) {
      map.addShare(server(index), share, first, 5)
    }
    expect(map.recoverableVersions()).toEqual([])
    expect(map.unrecoverableVersions()).toEqual([first])
    map.addShare(server(0), 2, first, 5)
    expect(map.recoverableVersions()).toEqual([first])
  })

  it('prefers the newest version that can be read', () => {
    const map = mapOf([first, 4], [second, 3], [third, 2])
    expect(map.bestRecoverableVersion()).toBe(second)
    expect(map.recoverableVersions()).toEqual([second, first])
    expect(map.unrecoverableNewerVersions()).toEqual([third])
    expect(map.highestSequenceNumber()).toBe(3)
    expect(map.summarizeVersions()).toBe(
      `4*${first.summary}/3*${second.summary}/2*${third.summary}`,
    )
  })

  it('does not count an old version as newer', () => {
    expect(mapOf([first, 2], [second, 3]).unrecoverableNewerVersions()).toEqual([])
    expect(mapOf([third, 3], [otherThird, 1]).unrecoverableNewerVersions()).toEqual([])
  })

  it('must be merged where two versions with one number can be read', () => {
    expect(mapOf([third, 3], [otherThird, 3]).needsMerge()).toBe(true)
    expect(mapOf([third, 3], [otherThird, 2]).needsMerge()).toBe(false)
    expect(mapOf([third, 3], [second, 3]).needsMerge()).toBe(false)
  })

  it('takes the greater root hash of two versions with one number', () => {
    const best = [third, otherThird].toSorted(compareVersions).at(-1)
    expect(mapOf([third, 3], [otherThird, 3]).bestRecoverableVersion()).toBe(best)
    expect(mapOf([otherThird, 3], [third, 3]).bestRecoverableVersion()).toBe(best)
  })

  it('takes the layout that most servers have of two with one prefix', () => {
    const ids = [`!${first.id}`, `~${first.id}`]
    for (const id of ids) {
      const map = mapOf([first, 4])
      for (let share = 0; share < 10; share++) map.addShare(server(9), share, { ...first, id }, 5)
      expect(map.recoverableVersions().map((version) => version.id)).toEqual([first.id, id])
    }
  })

  it('tells which shares are where', () => {
    const map = new ServerMap()
    map.addShare(server(0), 0, first, 5)
    map.addShare(server(0), 1, second, 6)
    map.addShare(server(2), 0, versionInfoOf(headerOf('1', 3)), 7)
    expect(map.sharesOnServer('v0-000')).toEqual(
      new Map([
        [0, first],
        [1, second],
      ]),
    )
    expect(map.sharesOnServer('v0-001')).toEqual(new Map())
    expect([...map.versionMap()]).toEqual([
      [first, new Map([[0, new Set(['v0-000', 'v0-002'])]])],
      [second, new Map([[1, new Set(['v0-000'])]])],
    ])
    expect(map.servers().map(({ serverId }) => serverId)).toEqual(['v0-000', 'v0-002'])
    expect(map.sharesOf(first).map(({ timestampMs }) => timestampMs)).toEqual([5, 7])
    expect(map.versionOn(server(0), 1)).toBe(second)
    expect(map.versionOn(server(1), 1)).toBeUndefined()
  })

  it('knows what a writer must find', () => {
    const map = mapOf([first, 1])
    const found = Uint8Array.of(7, 7, 7)
    map.markBadShare(server(1), 4, found)
    expect(map.checkstringOn(server(0), 0)).toEqual(first.header.checkstring)
    expect(map.checkstringOn(server(1), 4)).toEqual(found)
    expect(map.checkstringOn(server(1), 0)).toBeUndefined()
    expect(map.checkstringOn(server(2), 0)).toBeUndefined()
  })

  it('has a share among the good ones or the bad ones', () => {
    const map = mapOf([first, 3])
    map.markBadShare(server(1), 1, first.header.checkstring)
    expect(map.recoverableVersions()).toEqual([])
    expect([...map.shares()].length).toBe(2)
    expect(map.badShares).toEqual(new Map([['v0-001', new Set([1])]]))
    expect(map.badShare(server(1), 1)?.checkstring).toEqual(first.header.checkstring)
    map.addShare(server(1), 1, second, 5)
    expect(map.badShares).toEqual(new Map())
    expect(map.versionOn(server(1), 1)).toBe(second)
  })

  it('forgets shares that are gone, good or bad', () => {
    const map = mapOf([first, 3])
    map.addShare(server(0), 4, first, 5)
    map.markBadShare(server(0), 5, Uint8Array.of(1))
    map.forgetSharesExcept(server(0), new Set([4]))
    expect([...map.sharesOnServer('v0-000').keys()]).toEqual([4])
    expect(map.badShares.size).toBe(0)
    map.forgetShare(server(0), 4)
    expect(map.servers().map(({ serverId }) => serverId)).toEqual(['v0-001', 'v0-002'])
  })

  it('remembers versions of which nothing is left', () => {
    const map = mapOf([first, 1])
    map.addShare(server(4), 4, second, 5)
    const highest = map.highestSequenceNumber()
    map.markBadShare(server(4), 4, second.header.checkstring)
    expect(map.versionMap().has(second)).toBe(false)
    expect(map.versionsSeen()).toEqual([first, second])
    expect(map.highestSequenceNumber()).toBe(highest)
    expect(highest).toBe(second.sequenceNumber)
  })

  it('keeps the reader of a share until something new is known of it', async () => {
    const map = mapOf([first, 2])
    const reader = createMutableShareReader({
      server: await server(0).storageServer(),
      storageIndex: new Uint8Array(16),
      shareNumber: 0,
    })
    map.setReader(server(0), 0, reader)
    map.setReader(server(5), 0, reader)
    expect(map.readerFor(server(0), 0)).toBe(reader)
    expect(map.readerFor(server(1), 1)).toBeUndefined()
    expect(map.readerFor(server(5), 0)).toBeUndefined()
    map.addShare(server(0), 0, second, 6)
    expect(map.readerFor(server(0), 0)).toBeUndefined()
    map.setReader(server(0), 0, reader)
    map.markBadShare(server(0), 0, second.header.checkstring)
    expect(map.readerFor(server(0), 0)).toBeUndefined()
  })

  it('tells who answered last time', () => {
    const map = new ServerMap()
    map.markReachable(server(0))
    map.markUnreachable(server(1))
    map.markUnreachable(server(0))
    expect(map.reachableServers).toEqual(new Set())
    expect(map.unreachableServers).toEqual(new Set(['v0-001', 'v0-000']))
    map.markReachable(server(0))
    expect(map.reachableServers).toEqual(new Set(['v0-000']))
  })

  it('is copied whole, and the copy goes its own way', () => {
    const map = mapOf([first, 3])
    map.markReachable(server(0))
    map.markUnreachable(server(9))
    map.addProblem('a problem')
    map.setLastUpdate('MODE_CHECK', 7)
    map.markBadShare(server(8), 1, Uint8Array.of(1))
    const copy = map.copy()
    expect(copy).toMatchObject({ lastUpdateMode: 'MODE_CHECK', lastUpdateMs: 7 })
    expect(copy.summarizeVersions()).toBe(map.summarizeVersions())
    expect(copy.badShares).toEqual(map.badShares)
    expect(copy.problems).toEqual(['a problem'])
    copy.addShare(server(4), 4, second, 6)
    copy.forgetShare(server(8), 1)
    copy.addProblem('another')
    copy.markReachable(server(9))
    expect(map.highestSequenceNumber()).toBe(1)
    expect(map.badShares.size).toBe(1)
    expect(map.problems).toEqual(['a problem'])
    expect(map.unreachableServers).toEqual(new Set(['v0-009']))
  })
})
