import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { isStorageError } from '@lafs/storage-interface'
import type { IShareStore, StoredLease } from '@lafs/storage-interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDiskStore } from '../src/index.ts'
import { crashLease, enabler } from './crash-data.ts'

const index = new Uint8Array(16).fill(7)
const si = toBase32(index)
let folder: string
let store: IShareStore
const pathOf = (n: number | string): string => join(folder, 'shares', si.slice(0, 2), si, String(n))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-damaged-'))
  store = await createDiskStore({ folder })
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

async function code(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    if (isStorageError(error)) return error.code
    throw error
  }
}

async function lay(n: number | string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(pathOf(n)), { recursive: true })
  await writeFile(pathOf(n), bytes)
}

async function immutable(data: Uint8Array): Promise<void> {
  const incoming = await store.createImmutable(index, 0, data.length, crashLease('a'))
  await incoming.write(0, [data])
  await incoming.commit()
}

function mutable(data: Uint8Array, n = 0): Promise<void> {
  const change = { writes: [{ offset: 0, data }] }
  return store.writeSlot(index, enabler, new Map([[n, change]]), crashLease('a'), Infinity)
}

async function read(n = 0): Promise<Uint8Array> {
  const share = await store.open(index, n)
  try {
    return await share.read(0, 1e9)
  } finally {
    await share.close()
  }
}

const words = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4)
  for (const [i, value] of values.entries()) new DataView(bytes.buffer).setUint32(i * 4, value)
  return bytes
}

/** The recorded form of a mutable share, with one field put wrong. */
async function spoiledMutable(offset: number, bytes: Uint8Array): Promise<void> {
  await mutable(new Uint8Array(50).fill(3))
  const file = new Uint8Array(await readFile(pathOf(0)))
  file.set(bytes, offset)
  await writeFile(pathOf(0), file)
}

describe('files that are no shares', () => {
  it.each([
    ['an empty file', new Uint8Array(), 'STORAGE_BAD_SHARE'],
    ['less than a header', words(2, 0).subarray(0, 7), 'STORAGE_BAD_SHARE'],
    ['version 0', words(0, 0, 0), 'STORAGE_UNKNOWN_CONTAINER_VERSION'],
    ['version 3', words(3, 0, 0), 'STORAGE_UNKNOWN_CONTAINER_VERSION'],
    [
      'text',
      new TextEncoder().encode('Tahoe mutable container v9\n12345'),
      'STORAGE_UNKNOWN_CONTAINER_VERSION',
    ],
  ])('%s is listed as unknown and refused by name', async (_, bytes, expected) => {
    await lay(3, bytes)
    expect([...(await store.shares(index))]).toEqual([[3, 'unknown']])
    expect(await code(store.open(index, 3))).toBe(expected)
    expect(await code(store.leases(index, 3))).toBe(expected)
    expect(await code(store.addLease(index, 3, crashLease('a'), 999))).toBe(expected)
    expect(await code(mutable(words(1), 3))).toBe(expected)
    expect(new Uint8Array(await readFile(pathOf(3)))).toEqual(bytes)
  })

  it.each(['x', '03', '256', '-1', '1.tmp', '1e1', ' 1', '99999'])(
    'the name %j is ignored',
    async (name) => {
      await lay(name, words(2, 0, 0))
      expect((await store.shares(index)).size).toBe(0)
      const found = []
      for await (const each of store.storageIndexes()) found.push(each)
      expect(found).toEqual([])
    },
  )

  it.each([
    'a/aaaaaaaaaaaaaaaaaaaaaaaaaa/0',
    'bb/aaaaaaaaaaaaaaaaaaaaaaaaaa/0',
    'aa/aaaaaaaaaaaaaaaaaaaaaaaaa/0',
    'aa/aaaaaaaaaaaaaaaaaaaaaaaaab/0',
    'aa/AAAAAAAAAAAAAAAAAAAAAAAAAA/0',
    'aa/aaaaaaaaaaaaaaaaaaaaaaaaa1/0',
    'aa/0',
  ])('the folder of %s is none of a storage index', async (path) => {
    const at = join(folder, 'shares', path)
    await mkdir(dirname(at), { recursive: true })
    await writeFile(at, words(2, 0, 0))
    await immutable(words(1))
    const found = []
    for await (const each of store.storageIndexes()) found.push(toBase32(each))
    expect(found).toEqual([si])
  })

  it('a folder in the place of a share is unknown', async () => {
    await mkdir(pathOf(4), { recursive: true })
    expect([...(await store.shares(index))]).toEqual([[4, 'unknown']])
  })

  it('advisories have names without folders', async () => {
    await expect(store.saveAdvisory('../x', 'text')).rejects.toThrow(TypeError)
    await store.saveAdvisory('2026-01-01T000000--si-0', 'text\n')
    const file = join(folder, 'corruption-advisories', '2026-01-01T000000--si-0')
    expect(await readFile(file, 'utf8')).toBe('text\n')
  })
})

describe('damaged immutable containers', () => {
  it('more leases than the file has room for', async () => {
    await lay(0, words(2, 0, 1))
    expect([...(await store.shares(index)).values()]).toEqual(['immutable'])
    expect(await code(read())).toBe('STORAGE_BAD_SHARE')
    expect(await code(store.addLease(index, 0, crashLease('b'), 99))).toBe('STORAGE_BAD_SHARE')
  })

  it.each([
    ['a number of leases that reach into the data', 8, words(3)],
    ['a size field of more data than there is', 4, words(301)],
  ])('%s: nothing is written', async (_, offset, field) => {
    await immutable(new Uint8Array(300).fill(1))
    const file = new Uint8Array(await readFile(pathOf(0)))
    file.set(field, offset)
    await writeFile(pathOf(0), file)
    expect((await read()).length).toBeGreaterThan(0)
    expect(await code(store.leases(index, 0))).toBe('STORAGE_BAD_SHARE')
    expect(await code(store.addLease(index, 0, crashLease('a'), 99))).toBe('STORAGE_BAD_SHARE')
    const isOld = (lease: StoredLease): boolean => lease.expiresAtSeconds < 1e9
    expect(await code(store.removeLeases(index, 0, isOld))).toBe('STORAGE_BAD_SHARE')
    const [record] = (await store.inspect(index)).shares
    expect(record?.damage?.code).toBe('STORAGE_BAD_SHARE')
    expect(new Uint8Array(await readFile(pathOf(0)))).toEqual(file)
  })

  it('one that is cut while it is open', async () => {
    await immutable(new Uint8Array(100_000))
    const share = await store.open(index, 0)
    await truncate(pathOf(0), 500)
    expect(await code(share.read(0, 100_000))).toBe('STORAGE_BAD_SHARE')
    await share.close()
  })

  it.each([1, 36, 71, 72])('%i bytes of a lease whose count was never written', async (excess) => {
    const data = Uint8Array.from({ length: 300 }, (_, i) => i)
    await immutable(data)
    await appendFile(pathOf(0), new Uint8Array(excess).fill(0xee))
    expect(await read()).toEqual(data)
    expect((await store.leases(index, 0)).length).toBe(1)
    await store.addLease(index, 0, crashLease('b'), 99)
    expect(await read()).toEqual(data)
    expect((await store.leases(index, 0)).length).toBe(2)
    expect((await readFile(pathOf(0))).length).toBe(12 + 300 + 2 * 72)
  })

  it('a size field that says nothing, as of a share of 4 GiB', async () => {
    const data = Uint8Array.from({ length: 300 }, (_, i) => i)
    await immutable(data)
    const file = new Uint8Array(await readFile(pathOf(0)))
    file.set(words(0xffff_ffff), 4)
    await writeFile(pathOf(0), file)
    await store.addLease(index, 0, crashLease('b'), 99)
    expect(await read()).toEqual(data)
    expect((await store.leases(index, 0)).length).toBe(2)
    expect(await code(store.addLease(index, 0, crashLease('c'), 71))).toBe('STORAGE_NO_SPACE')
    expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
  })

  it('no room for a lease', async () => {
    await immutable(words(1))
    expect(await code(store.addLease(index, 0, crashLease('b'), 71))).toBe('STORAGE_NO_SPACE')
    await store.addLease(index, 0, crashLease('b'), 72)
    await store.addLease(index, 0, crashLease('b'), 0)
    expect((await store.leases(index, 0)).length).toBe(2)
  })
})

describe('damaged mutable containers', () => {
  it.each([0, 32, 99, 467])('cut to %i bytes', async (length) => {
    await mutable(words(1, 2, 3))
    await truncate(pathOf(0), length)
    expect(await code(read())).toBe('STORAGE_BAD_SHARE')
    expect(await code(mutable(words(1)))).toBe('STORAGE_BAD_SHARE')
  })

  it.each([
    ['more data than there is', 84, words(0, 1e6)],
    ['an absurd length of data', 84, words(0xffff_ffff, 0xffff_ffff)],
  ])('%s', async (_, offset, bytes) => {
    await spoiledMutable(offset, bytes)
    expect(await code(read())).toBe('STORAGE_BAD_SHARE')
    expect(await code(mutable(words(1)))).toBe('STORAGE_BAD_SHARE')
  })

  it.each([
    ['extra leases past the end', 92, words(0, 1e6)],
    ['extra leases in the header', 92, words(0, 100)],
    ['extra leases nowhere', 92, words(0xffff_ffff, 0)],
    ['too many extra leases', 468 + 50, words(0xffff_ffff)],
  ])('%s: the data is read, nothing is written', async (_, offset, bytes) => {
    await spoiledMutable(offset, bytes)
    expect(await read()).toEqual(new Uint8Array(50).fill(3))
    expect(await code(store.leases(index, 0))).toBe('STORAGE_BAD_SHARE')
    expect(await code(store.addLease(index, 0, crashLease('b'), 99))).toBe('STORAGE_BAD_SHARE')
    expect(await code(mutable(new Uint8Array(200)))).toBe('STORAGE_BAD_SHARE')
    expect(await read()).toEqual(new Uint8Array(50).fill(3))
    expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
  })

  it('extra leases in the data: no lease is written there', async () => {
    await mutable(new Uint8Array(300))
    for (const who of ['b', 'c', 'd']) await store.addLease(index, 0, crashLease(who), 0)
    const file = new Uint8Array(await readFile(pathOf(0)))
    file.set(words(0, 468 + 20), 92)
    await writeFile(pathOf(0), file)
    expect(await code(store.addLease(index, 0, crashLease('e'), 92))).toBe('STORAGE_BAD_SHARE')
    expect(await read()).toEqual(new Uint8Array(300))
  })

  it('no room for a fifth lease', async () => {
    await mutable(words(1))
    for (const who of ['b', 'c', 'd']) await store.addLease(index, 0, crashLease(who), 0)
    expect(await code(store.addLease(index, 0, crashLease('e'), 91))).toBe('STORAGE_NO_SPACE')
    await store.addLease(index, 0, crashLease('e'), 92)
    expect((await store.leases(index, 0)).length).toBe(5)
  })
})

describe('where somebody has removed the folder of what is on its way', () => {
  const data = Uint8Array.from({ length: 100_000 }, (_, i) => i)
  const gone = (): Promise<void> => rm(join(folder, 'shares', 'incoming'), { recursive: true })

  it('a large share keeps what is not written over', async () => {
    await mutable(data)
    const expected = data.slice()
    expected.set(new Uint8Array(50_000), 10)
    await gone()
    const writes = [{ offset: 10, data: new Uint8Array(50_000) }]
    await store.writeSlot(index, enabler, new Map([[0, { writes }]]), crashLease('a'), Infinity)
    expect(await read()).toEqual(expected)
  })

  it('a large share is made', async () => {
    await gone()
    const writes = [{ offset: 10, data }]
    await store.writeSlot(index, enabler, new Map([[0, { writes }]]), crashLease('a'), Infinity)
    expect((await read()).subarray(10)).toEqual(data)
  })

  it('leases are added in a copy', async () => {
    await immutable(data)
    const file = new Uint8Array(await readFile(pathOf(0)))
    file.set(words(0xffff_ffff), 4)
    await writeFile(pathOf(0), file)
    await gone()
    await store.addLease(index, 0, crashLease('b'), 99)
    expect((await store.leases(index, 0)).length).toBe(2)
    expect(await read()).toEqual(data)
  })
})

describe('opening the store', () => {
  it('drops what another process left unfinished', async () => {
    const left = join(folder, 'shares', 'incoming', 'aa', 'aaaaaaaaaaaaaaaaaaaaaaaaaa')
    await mkdir(left, { recursive: true })
    await writeFile(join(left, '0'), 'half a share')
    await writeFile(join(folder, 'shares', 'incoming', 'copy-1'), 'half a copy')
    const again = await createDiskStore({ folder })
    expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
    await again.close()
  })

  it('refuses a node id of another size', async () => {
    const opening = createDiskStore({ folder, nodeId: new Uint8Array(19) })
    await expect(opening).rejects.toThrow(RangeError)
  })
})
