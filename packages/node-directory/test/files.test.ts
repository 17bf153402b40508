import type * as files from 'node:fs/promises'
import { link, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createWhole, writeOnce, writeWhole } from '../src/files.ts'
import { disk } from './disk.ts'

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof files>()
  return {
    ...fs,
    link: vi.fn<typeof fs.link>(fs.link),
    rename: vi.fn<typeof fs.rename>(fs.rename),
  }
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true })
})

const file = (): string => join(folder, 'file')
const failWith = (code: string): void => {
  vi.mocked(link).mockRejectedValueOnce(Object.assign(new Error(code), { code }))
}

it.each([
  ['writeWhole', rename, (): Promise<unknown> => writeWhole(file(), 'text')],
  ['createWhole', link, (): Promise<unknown> => createWhole(file(), 'text', 0o600)],
])('%s has content and name on the disk, in this order', async (_name, naming, work) => {
  const sync = vi.spyOn(await disk(), 'sync')
  await work()
  const named = vi.mocked(naming).mock.invocationCallOrder.at(-1) ?? 0
  const [content = Number.NaN, folderOfIt = Number.NaN] = sync.mock.invocationCallOrder
  expect(content).toBeLessThan(named)
  expect(folderOfIt).toBeGreaterThan(named)
})

it.each([
  ['writeWhole', (): Promise<unknown> => writeWhole(file(), 'second')],
  ['createWhole', (): Promise<unknown> => createWhole(`${file()}2`, 'second', 0o600)],
  [
    'createWhole without links',
    async (): Promise<unknown> => {
      vi.spyOn(await disk(), 'sync').mockResolvedValueOnce()
      failWith('EPERM')
      return createWhole(`${file()}2`, 'second', 0o600)
    },
  ],
])('%s leaves all as it was where the disk is full', async (_name, work) => {
  await writeWhole(file(), 'first')
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  vi.spyOn(await disk(), 'sync').mockRejectedValue(full)
  await expect(work()).rejects.toBe(full)
  expect(await readdir(folder)).toEqual(['file'])
  expect(await readFile(file(), 'utf8')).toBe('first')
})

describe('createWhole', () => {
  it.each(['on a file system with links', 'on one without'])(
    'makes a file once, %s',
    async (where) => {
      for (const [text, made] of [
        ['first', true],
        ['second', false],
      ] as const) {
        if (where.endsWith('without')) failWith('EPERM')
        expect(await createWhole(file(), text, 0o600)).toBe(made)
      }
      expect(await readFile(file(), 'utf8')).toBe('first')
      expect((await stat(file())).mode & 0o777).toBe(0o600)
      expect(await readdir(folder)).toEqual(['file'])
    },
  )

  it('leaves nothing where it fails', async () => {
    failWith('ENOSPC')
    await expect(createWhole(file(), 'text', 0o600)).rejects.toThrow('ENOSPC')
    expect(await readdir(folder)).toEqual([])
  })
})

describe('writeOnce', () => {
  it('gives what stands in the file', async () => {
    const inside = join(folder, 'private', 'secret')
    expect(await writeOnce(inside, 'first')).toBe('first')
    expect(await writeOnce(inside, 'second')).toBe('first')
    expect((await stat(join(folder, 'private'))).mode & 0o777).toBe(0o700)
  })
})

describe('writeWhole', () => {
  it('replaces a file, and leaves nothing where it cannot', async () => {
    await writeWhole(file(), 'first')
    await writeWhole(file(), 'second', 0o644)
    expect(await readFile(file(), 'utf8')).toBe('second')
    expect((await stat(file())).mode & 0o777).toBe(0o644)
    await expect(writeWhole(join(folder, 'none', 'file'), '')).rejects.toThrow('ENOENT')
    await expect(writeWhole(folder, '')).rejects.toThrow(/^E[A-Z]+:/)
    expect(await readdir(folder)).toEqual(['file'])
  })
})
