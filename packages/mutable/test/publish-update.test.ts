import { sameBytes } from '@lafs/crypto'
import type { Progress } from '@lafs/filesystem-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import { describe, expect, it } from 'vitest'
import type { MutableFile } from '../src/file.ts'
import { canUpdateInPlace, publishUpdate } from '../src/publish/update.ts'
import { publish } from '../src/publish/publish.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { mutableUploadableFromBytes } from '../src/uploadable.ts'
import {
  allShares,
  basisOf,
  bestOf,
  createServers,
  fileOn,
  mapOf,
  overwriteShare,
  recoverable,
  updateOn,
} from './publish-grid.ts'
import type { FileOptions, TestServer } from './publish-grid.ts'

const SEGMENT = 131_073
const contents = Uint8Array.from({ length: 3 * SEGMENT + 100 }, (_, index) => index % 251)
const patch = Uint8Array.from({ length: 300 }, (_, index) => 255 - (index % 250))

async function published(
  count: number,
  options: FileOptions = {},
): Promise<{ servers: TestServer[]; file: MutableFile }> {
  const servers = await createServers(count)
  const file = await fileOn(servers, { version: 1, ...options })
  await publish(file, new ServerMap(), mutableUploadableFromBytes(contents))
  for (const { writes } of servers) writes.length = 0
  return { servers, file }
}

/** Whether one version can be recovered and no other, and these are its contents. */
async function isJust(
  file: MutableFile,
  servers: readonly TestServer[],
  sequenceNumber: number,
  expected: Uint8Array,
): Promise<boolean> {
  const found = await recoverable(file, servers)
  const only = found.get(sequenceNumber)
  return found.size === 1 && only !== undefined && sameBytes(only, expected)
}

function patched(offset: number, data: Uint8Array): Uint8Array {
  const after = new Uint8Array(Math.max(contents.length, offset + data.length))
  after.set(contents)
  after.set(data, offset)
  return after
}

describe('a change in place', () => {
  it('sends the segments that change, and the hashes', async () => {
    const { servers, file } = await published(10)
    const seen: Progress[] = []
    const onProgress = (progress: Progress): unknown => seen.push(progress)
    const map = await updateOn(servers, file, SEGMENT + 1000, patch, { onProgress })
    expect(await isJust(file, servers, 2, patched(SEGMENT + 1000, patch))).toBe(true)
    const [write] = servers[0]?.writes ?? []
    const vectors = write?.get(0)
    expect(vectors?.newLength).toBeUndefined()
    const sizes = vectors?.write.map(({ data }) => data.length)
    // The header; the chain of 4 hashes; the signature; a block with its salt; a tree over 4 leaves.
    expect(sizes).toEqual([123, 4 * 34, 256, 16 + 43_691, 7 * 32])
    expect(map.summarizeVersions()).toBe((await mapOf(servers, file)).summarizeVersions())
    expect(seen.at(-1)).toEqual({
      phase: 'pushing',
      done: contents.length,
      total: contents.length,
    })
  })

  it('is signed', async () => {
    const { servers, file } = await published(10)
    await updateOn(servers, file, contents.length, patch)
    expect(file.size).toBe(contents.length + patch.length)
    for (const share of (await allShares(servers, file)).values()) {
      const { prefix, sections, shareEnd } = parseMutableHeader(share)
      expect(share.length).toBe(shareEnd)
      const signature = share.subarray(sections.signature.offset, sections.signature.end)
      expect(await file.verifyingKey?.verify(signature, prefix)).toBe(true)
    }
  })

  it('can follow another one', async () => {
    const { servers, file } = await published(4)
    await updateOn(servers, file, 5, patch)
    await updateOn(servers, file, 5 + 10, patch)
    const expected = patched(5, patch)
    expected.set(patch, 15)
    expect(await isJust(file, servers, 3, expected)).toBe(true)
  })

  it('meets another writer: an error, and nothing lost', async () => {
    const { servers, file } = await published(10)
    const map = await mapOf(servers, file)
    const version = bestOf(map)
    const basis = await basisOf(servers, file, version, 500, patch.length)
    await updateOn(servers, file, 0, patch)
    const change = { offset: 500, data: mutableUploadableFromBytes(patch), basis }
    await expect(publishUpdate(file, map, version, change)).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
    })
    expect(await isJust(file, servers, 2, patched(0, patch))).toBe(true)
  })

  it('goes on without servers that fail, as long as enough take it', async () => {
    const { servers, file } = await published(10)
    for (const server of servers.slice(0, 7)) {
      server.onWrite = () => Promise.reject(new Error('gone'))
    }
    await updateOn(servers, file, 0, patch)
    expect([...(await recoverable(file, servers)).keys()]).toEqual([1, 2])
    const map = await mapOf(servers, file)
    expect(canUpdateInPlace(map, bestOf(map), 0, 1)).toBe(false)
  })

  it('must know what it changes', async () => {
    const { servers, file } = await published(4)
    const map = await mapOf(servers, file)
    const version = bestOf(map)
    const nothing = { blockHashes: new Map(), segments: new Map() }
    const data = mutableUploadableFromBytes(patch)
    await expect(
      publishUpdate(file, map, version, { offset: 7, data, basis: nothing }),
    ).rejects.toThrow('expected 131073 bytes of old contents of segment 0')
    const segments = new Map([[0, contents.subarray(0, SEGMENT)]])
    await expect(
      publishUpdate(file, map, version, { offset: 7, data, basis: { ...nothing, segments } }),
    ).rejects.toThrow('expected all block hashes of share 0')
    expect(servers.flatMap(({ writes }) => writes)).toEqual([])
  })
})

describe('canUpdateInPlace', () => {
  it('takes changes to whole MDMF files alone', async () => {
    const { servers, file } = await published(5)
    const map = await mapOf(servers, file)
    const version = bestOf(map)
    const size = contents.length
    expect(canUpdateInPlace(map, version, 0, 1)).toBe(true)
    expect(canUpdateInPlace(map, version, size, 1)).toBe(true)
    expect(canUpdateInPlace(map, version, size + 1, 1)).toBe(false)
    expect(canUpdateInPlace(map, version, 0, 0)).toBe(false)
    const missing = await mapOf(servers.slice(1), file)
    expect(canUpdateInPlace(missing, version, 0, 1)).toBe(false)
    const bad = map.copy()
    const [{ server, shareNumber } = { server: undefined, shareNumber: 0 }] = map.shares()
    if (server !== undefined) bad.markBadShare(server, shareNumber, new Uint8Array())
    expect(canUpdateInPlace(bad, version, 0, 1)).toBe(false)
    const data = mutableUploadableFromBytes(patch)
    const basis = { blockHashes: new Map(), segments: new Map() }
    await expect(publishUpdate(file, missing, version, { offset: 0, data, basis })).rejects.toThrow(
      RangeError,
    )
  })

  it('wants no share of another version, SDMF or empty file', async () => {
    const { servers, file } = await published(5)
    const [first] = servers
    const share = (await allShares(servers, file)).get(0)
    if (first === undefined || share === undefined) throw new Error('nothing there')
    await publish(file, await mapOf(servers, file), mutableUploadableFromBytes(contents))
    await overwriteShare(file, first, 7, share)
    const mixed = await mapOf(servers, file)
    expect(canUpdateInPlace(mixed, bestOf(mixed), 0, 1)).toBe(false)
    for (const [format, size] of [
      [0, 10],
      [1, 0],
    ] as const) {
      const others = await createServers(3)
      const other = await fileOn(others, { version: format })
      const map = new ServerMap()
      await publish(other, map, mutableUploadableFromBytes(new Uint8Array(size)))
      expect(canUpdateInPlace(map, bestOf(map), 0, 1)).toBe(false)
    }
  })
})
