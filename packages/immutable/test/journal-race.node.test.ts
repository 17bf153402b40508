import type * as Fs from 'node:fs/promises'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { toBase32 } from '@lafs/crypto'
import { createUploadJournal } from '@lafs/immutable/node'
import { afterAll, beforeEach, expect, it, vi } from 'vitest'

/** What happens just before a file is made that says who takes an entry over. */
let beforeTaking: (() => Promise<void>) | undefined

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof Fs>()
  const write: typeof original.writeFile = async (file, ...rest) => {
    if (typeof file === 'string' && file.includes('.taken-')) await beforeTaking?.()
    return original.writeFile(file, ...rest)
  }
  return { ...original, writeFile: write }
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
  beforeTaking = undefined
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each([
  ['one whose process is gone', record(GONE, 'a')],
  ['one of a process with this number', record(process.pid, 'a')],
])('leaves an entry to who takes it over first: %s', async (_what, left) => {
  await writeFile(path, left)
  const other = record(process.ppid, 'e')
  beforeTaking = async () => {
    beforeTaking = undefined
    await writeFile(path, other)
  }
  expect(await createUploadJournal(folder).open(storageIndex)).toBeUndefined()
  expect(await readFile(path, 'utf8')).toBe(other)
  expect(await readdir(folder)).toEqual([toBase32(storageIndex)])
})

it('leaves an entry to who is taking it over, unless that was long ago', async () => {
  await writeFile(path, record(GONE, 'a'))
  const taken = `${path}.taken-${GONE}`
  await writeFile(taken, '')
  const journal = createUploadJournal(folder)
  expect(await journal.open(storageIndex)).toBeUndefined()
  const aMinuteAgo = Date.now() / 1000 - 60
  await utimes(taken, aMinuteAgo, aMinuteAgo)
  const entry = await journal.open(storageIndex)
  expect(entry?.interrupted).toBe(true)
  await entry?.close('drop')
  expect(await readdir(folder)).toEqual([])
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
