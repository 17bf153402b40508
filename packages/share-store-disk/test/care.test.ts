import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import type { IShareStore, StoredLease } from '@lafs/storage-interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDiskStore, openDiskStore } from '../src/index.ts'
import { crashLease, enabler } from './crash-data.ts'

const index = new Uint8Array(16).fill(7)
const si = toBase32(index)
const secret = (who: string) => crashLease(who).cancelSecret
const isOneOf =
  (...names: readonly string[]) =>
  (lease: StoredLease): boolean =>
    names.some((who) => lease.cancelSecretMatches(secret(who)))

let folder: string
let store: IShareStore
const pathOf = (n: number | string): string => join(folder, 'shares', si.slice(0, 2), si, String(n))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-care-'))
  store = await createDiskStore({ folder })
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

async function immutable(n: number, data: Uint8Array): Promise<void> {
  const incoming = await store.createImmutable(index, n, data.length, crashLease('a'))
  await incoming.write(0, [data])
  await incoming.commit()
}

function mutable(n: number, data: Uint8Array): Promise<void> {
  const change = { writes: [{ offset: 0, data }] }
  return store.writeSlot(index, enabler, new Map([[n, change]]), crashLease('a'), Infinity)
}

describe('taking stock', () => {
  it('tells sizes, leases and what is damaged, and changes nothing', async () => {
    await immutable(0, new Uint8Array(100_000))
    await mutable(1, new Uint8Array(50))
    await immutable(2, new Uint8Array(10))
    await truncate(pathOf(2), 7)
    await mutable(3, new Uint8Array(50))
    await truncate(pathOf(3), 500)
    await writeFile(pathOf(4), 'neither magic nor version')
    await mkdir(pathOf(5))
    await writeFile(pathOf('notes.txt'), 'no share')
    const { diskBytes, shares } = await store.inspect(index)
    expect(diskBytes).toBeGreaterThanOrEqual(0)
    const about = shares.map(({ shareNumber, kind, containerBytes, leases, damage }) => [
      shareNumber,
      kind,
      containerBytes,
      leases.length,
      damage?.code,
    ])
    expect(about).toEqual([
      [0, 'immutable', 100_084, 1, undefined],
      [1, 'mutable', 522, 1, undefined],
      [2, 'unknown', 7, 0, 'STORAGE_BAD_SHARE'],
      [3, 'unknown', 500, 0, 'STORAGE_BAD_SHARE'],
      [4, 'unknown', 25, 0, 'STORAGE_UNKNOWN_CONTAINER_VERSION'],
      [5, 'unknown', 0, 0, 'STORAGE_BAD_SHARE'],
    ])
    expect(shares[0]?.diskBytes).toBe(((await stat(pathOf(0))).blocks || 0) * 512)
  })

  it('leaves out folders that no storage index names', async () => {
    await immutable(0, new Uint8Array(9))
    const prefix = si.slice(0, 2)
    for (const name of ['README', `${si}a`, `${si.slice(0, -1)}1`, `zz${si.slice(2)}`])
      await mkdir(join(folder, 'shares', prefix, name))
    expect(await store.bucketNames(prefix)).toEqual([si])
    expect(await store.bucketNames('zz')).toEqual([])
  })
})

describe('leases that go', () => {
  it('leave the file as if they had never come', async () => {
    await immutable(0, new Uint8Array(1000).fill(5))
    const before = await readFile(pathOf(0))
    for (const who of ['b', 'c', 'd']) await store.addLease(index, 0, crashLease(who), Infinity)
    await store.removeLeases(index, 0, isOneOf('b', 'c', 'd'))
    expect(Buffer.compare(await readFile(pathOf(0)), before)).toBe(0)
  })

  it('go from containers whose header cannot tell an interrupted change, too', async () => {
    // A size field that does not match stands for a share of 4 GiB, whose field says 2**32 - 1.
    await immutable(0, new Uint8Array(1000).fill(5))
    for (const who of ['b', 'c', 'd']) await store.addLease(index, 0, crashLease(who), Infinity)
    const file = await open(pathOf(0), 'r+')
    await file.write(new Uint8Array(4).fill(255), 0, 4, 4)
    await file.close()
    expect(await store.removeLeases(index, 0, isOneOf('a', 'c'))).toEqual({ removed: 2, left: 2 })
    await store.addLease(index, 0, crashLease('e'), Infinity)
    const share = await store.open(index, 0)
    expect([...(await share.read(0, 2000))]).toEqual([...new Uint8Array(1000).fill(5)])
    await share.close()
    const [held, other] = [await store.leases(index, 0), isOneOf('a', 'c')]
    expect([held.length, held.some(other)]).toEqual([3, false])
    expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
  })

  it('may be interrupted after any step', async () => {
    const data = new Uint8Array(1000).fill(5)
    await immutable(0, data)
    for (const who of ['b', 'c', 'd']) await store.addLease(index, 0, crashLease(who), Infinity)
    const whole = new Uint8Array(await readFile(pathOf(0)))
    // Lease b goes: the record of d takes its place, the count falls, the file ends earlier.
    const moved = whole.slice()
    moved.copyWithin(12 + 1000 + 72, 12 + 1000 + 3 * 72)
    const counted = moved.slice()
    counted[11] = 3
    for (const bytes of [whole, moved, counted, counted.subarray(0, -72)]) {
      await writeFile(pathOf(0), bytes)
      const share = await store.open(index, 0)
      expect(Buffer.compare(await share.read(0, 2000), data)).toBe(0)
      await share.close()
      for (const who of ['a', 'c', 'd'])
        expect((await store.leases(index, 0)).some(isOneOf(who))).toBe(true)
      await store.addLease(index, 0, crashLease('e'), Infinity)
      expect((await store.leases(index, 0)).some(isOneOf('e'))).toBe(true)
    }
  })

  it('do not go from damaged containers', async () => {
    await immutable(0, new Uint8Array(10))
    await truncate(pathOf(0), 30)
    const all = store.removeLeases(index, 0, () => true)
    await expect(all).rejects.toMatchObject({ code: 'STORAGE_BAD_SHARE' })
    expect((await readFile(pathOf(0))).length).toBe(30)
  })
})

describe('a store that is looked at', () => {
  it('is left as it is, whoever else uses it', async () => {
    await immutable(0, new Uint8Array(100).fill(3))
    const upload = await store.createImmutable(index, 1, 10, crashLease('a'))
    await upload.write(0, [new Uint8Array(10)])
    await store.saveState('a.state.json', '{}')
    const list = async (): Promise<string[]> =>
      (await readdir(folder, { recursive: true })).toSorted()
    const before = await list()
    const reader = await openDiskStore({ folder })
    expect([...(await reader.shares(index)).keys()]).toEqual([0])
    expect((await reader.inspect(index)).shares.length).toBe(1)
    expect(await reader.bucketNames(si.slice(0, 2))).toEqual([si])
    expect(await reader.readState('a.state.json')).toBe('{}')
    const share = await reader.open(index, 0)
    expect((await share.read(0, 200)).length).toBe(100)
    await share.close()
    expect(await list()).toEqual(before)
    await upload.commit()
    expect([...(await reader.shares(index)).keys()].toSorted((a, b) => a - b)).toEqual([0, 1])
    await reader.close()
    await expect(reader.inspect(index)).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
  })

  it('must be there', async () => {
    const nothing = openDiskStore({ folder: join(folder, 'nothing') })
    await expect(nothing).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readdir(folder)).not.toContain('nothing')
  })
})

it('states are files beside the shares, and nowhere else', async () => {
  await store.saveState('lease_checker.state.json', '{"version": 1}')
  const path = join(folder, 'lease_checker.state.json')
  expect(await readFile(path, 'utf8')).toBe('{"version": 1}')
  await appendFile(`${path}.tmp`, 'what a crash has left')
  await store.saveState('lease_checker.state.json', '{}')
  expect(await readFile(path, 'utf8')).toBe('{}')
  await expect(store.saveState('../outside', '{}')).rejects.toThrow(TypeError)
  await expect(store.readState('shares/x')).rejects.toThrow(TypeError)
})
