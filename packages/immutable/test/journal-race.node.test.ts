import type * as Fs from 'node:fs/promises'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { toBase32 } from '@lafs/crypto'
import { createUploadJournal } from '@lafs/immutable/node'
import { afterAll, beforeEach, expect, it, vi } from 'vitest'

/** What happens just before a file is renamed. */
let beforeRename: (() => Promise<void>) | undefined

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof Fs>()
  const rename: typeof original.rename = async (from, to) => {
    await beforeRename?.()
    return original.rename(from, to)
  }
  return { ...original, rename }
})

const storageIndex = new Uint8Array(16)
const folder = await mkdtemp(join(tmpdir(), 'lafs-journal-'))
const path = join(folder, toBase32(storageIndex))
const record = (pid: number, seed: string, started = ''): string =>
  `${JSON.stringify({
    version: 1,
    process: { pid, started },
    seed: seed.repeat(52),
    placed: {},
  })}\n`
/** No process has it: numbers end below. */
const GONE = 2 ** 22 + 1

beforeEach(() => {
  beforeRename = undefined
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each([
  ['one whose process is gone', record(GONE, 'a')],
  ['one of a process with this number', record(process.pid, 'a')],
])('leaves an entry to who takes it over first: %s', async (_what, left) => {
  await writeFile(path, left)
  const other = record(process.ppid, 'e')
  beforeRename = async () => {
    beforeRename = undefined
    await writeFile(path, other)
  }
  expect(await createUploadJournal(folder).open(storageIndex)).toBeUndefined()
  expect(await readFile(path, 'utf8')).toBe(other)
  expect(await readdir(folder)).toEqual([toBase32(storageIndex)])
})

it('leaves an entry to who has it in hand just then', async () => {
  await writeFile(path, record(GONE, 'a'))
  const other = record(process.ppid, 'a')
  beforeRename = async () => {
    beforeRename = undefined
    await rm(path)
    setTimeout(() => void writeFile(path, other), 10)
  }
  expect(await createUploadJournal(folder).open(storageIndex)).toBeUndefined()
  expect(await readFile(path, 'utf8')).toBe(other)
  await rm(path)
})

it('takes over what nobody has', async () => {
  await writeFile(path, record(GONE, 'a'))
  const entry = await createUploadJournal(folder).open(storageIndex)
  expect(entry?.interrupted).toBe(true)
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    process: { pid: process.pid },
    seed: 'a'.repeat(52),
  })
  await entry?.close('drop')
  expect(await readdir(folder)).toEqual([])
  if (process.platform !== 'linux') return
  // Of an earlier process with the number of one that runs.
  await writeFile(path, record(process.ppid, 'a', 'another boot/1'))
  const again = await createUploadJournal(folder).open(storageIndex)
  expect(again?.interrupted).toBe(true)
  await again?.close('drop')
})
