import { constants } from 'node:fs'
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { defaultCrypto, fromBase32, toBase32 } from '@lafs/crypto'
import { HASH_SIZE } from '@lafs/storage-interface'
import { describeProcess, isRunning } from './process-id.ts'
import type { ProcessId } from './process-id.ts'
import { JOURNAL_SEED_SIZE } from './upload-journal.ts'
import type { PlacedShares, UploadJournal, UploadJournalEntry } from './upload-journal.ts'

/** Entries that nobody has touched for so long are removed: no server remembers the upload by then. */
const ENTRY_LIFETIME_MS = 7 * 24 * 60 * 60_000

/** A file that cannot be read and is younger may be in the making. */
const UNWRITTEN_MS = 10_000

/** The names of the files of an entry, by the base32 of its storage index. */
const NAME = /^([a-z2-7]{26})(\.hashes|\.next|\.taken-\d+)?$/

/** What the main file of an entry says. */
interface Record {
  readonly owner: ProcessId
  readonly seed: Uint8Array
  readonly placed: PlacedShares
}

/** The entries that uploads of this process have, by path, and the promise that ends each. */
const inUse = new Map<string, Promise<void>>()

/**
 * A journal of uploads in a folder of its own. With the first upload the folder is made, where need be,
 * and entries that are a week old are removed. Several processes may use one folder. What is written need not outlast a power cut: an entry
 * that was lost or cut short costs no more than what it would have saved.
 *
 * The files hold secrets with which somebody could write into uploads under way: only their owner can
 * read them.
 */
export function createUploadJournal(folder: string): UploadJournal {
  const home = resolve(folder)
  let cleaning: Promise<void> | undefined
  return {
    open: async (storageIndex, { signal } = {}) => {
      await mkdir(home, { recursive: true, mode: 0o700 })
      cleaning ??= clean(home)
      await cleaning
      const path = join(home, toBase32(storageIndex))
      const end = await takeTurn(path, signal)
      try {
        const entry = await openEntry(path, end)
        if (entry === undefined) end()
        return entry
      } catch (error) {
        end()
        throw error
      }
    },
  }
}

/** Done once; a folder that cannot be cleaned is used all the same. */
async function clean(home: string): Promise<void> {
  try {
    await chmod(home, 0o700)
    await removeStale(home)
  } catch {
    // An entry that can be neither read nor removed shows when it is opened.
  }
}

async function removeStale(folder: string): Promise<void> {
  const newest = new Map<string, number>()
  for (const file of await readdir(folder)) {
    const name = NAME.exec(file)?.[1]
    if (name === undefined) continue
    const touchedMs = await stat(join(folder, file)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
    newest.set(name, Math.max(touchedMs, newest.get(name) ?? 0))
  }
  const oldestMs = Date.now() - ENTRY_LIFETIME_MS
  for (const file of await readdir(folder)) {
    const touchedMs = newest.get(NAME.exec(file)?.[1] ?? '')
    if (touchedMs !== undefined && touchedMs < oldestMs)
      await rm(join(folder, file), { force: true })
  }
}

/** Waits until no upload of this process has an entry, and takes it. Gives what ends that. */
async function takeTurn(path: string, signal: AbortSignal | undefined): Promise<() => void> {
  for (;;) {
    signal?.throwIfAborted()
    const current = inUse.get(path)
    if (current === undefined) {
      const mine = pending()
      inUse.set(path, mine.promise)
      return () => {
        inUse.delete(path)
        mine.settle()
      }
    }
    const aborted = pending()
    signal?.addEventListener('abort', aborted.settle)
    await Promise.race([current, aborted.promise])
    signal?.removeEventListener('abort', aborted.settle)
  }
}

function pending(): { readonly promise: Promise<void>; readonly settle: () => void } {
  let settle = (): void => {}
  const promise = new Promise<void>((done) => {
    settle = done
  })
  return { promise, settle }
}

/**
 * Makes an entry, or takes one over whose process is gone. Undefined while its process runs.
 *
 * Whoever makes the main file, where there is none, owns the entry; and of several who want to take it
 * over from one process, one is able to make the file that says so.
 */
async function openEntry(path: string, end: () => void): Promise<FolderEntry | undefined> {
  const owner = await describeProcess()
  for (;;) {
    const record: Record = { owner, seed: newSeed(), placed: new Map() }
    if (await makeFile(path, formatRecord(record))) {
      await rm(`${path}.hashes`, { force: true })
      return new FolderEntry(path, record, undefined, end)
    }
    const found = await readRecord(path)
    if (found === 'absent') continue
    // Entries of this process that nobody has open were left by an earlier one of the same number.
    const isOurs = found !== 'unreadable' && found.owner.pid === owner.pid
    if (!isOurs && (await isInUse(path, found))) return undefined
    const taken = `${path}.taken-${found === 'unreadable' ? 0 : found.owner.pid}`
    if (!(await makeFile(taken, ''))) {
      if (await isYoung(taken)) return undefined
      await rm(taken, { force: true })
      continue
    }
    try {
      // Another one may have taken it over since it was read.
      if (!(await isRecord(path, found))) continue
      if (found === 'unreadable') {
        await rm(path, { force: true })
        continue
      }
      const mine: Record = { ...found, owner }
      await replaceRecord(path, mine)
      const hashes = (await readIfThere(`${path}.hashes`)) ?? new Uint8Array()
      return new FolderEntry(path, mine, hashes, end)
    } finally {
      await rm(taken, { force: true })
    }
  }
}

/** Whether a file holds what was found in it before, by the process that it names. */
async function isRecord(path: string, found: Record | 'unreadable'): Promise<boolean> {
  const record = await readRecord(path)
  if (typeof record === 'string' || found === 'unreadable') return record === found
  return record.owner.pid === found.owner.pid && record.owner.started === found.owner.started
}

/** Makes a file unless there is one. */
async function makeFile(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

async function isInUse(path: string, found: Record | 'unreadable'): Promise<boolean> {
  if (found !== 'unreadable') return isRunning(found.owner)
  // Somebody may be about to write it.
  return isYoung(path)
}

async function isYoung(path: string): Promise<boolean> {
  const touchedMs = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
  return Date.now() - touchedMs < UNWRITTEN_MS
}

/** There is a whole record at any time. */
async function replaceRecord(path: string, record: Record): Promise<void> {
  const next = `${path}.next`
  await writeFile(next, formatRecord(record), { mode: 0o600 })
  await rename(next, path)
}

/** An entry in two files: one that says all but the hashes, and one of 32 bytes a segment. */
class FolderEntry implements UploadJournalEntry {
  interrupted: boolean
  readonly #path: string
  readonly #end: () => void
  #record: Record
  #hashes: Uint8Array
  #file: Promise<FileHandle> | undefined
  readonly #writing = new Set<Promise<unknown>>()

  /** @param hashes - of an interrupted upload; undefined for a new one. */
  constructor(path: string, record: Record, hashes: Uint8Array | undefined, end: () => void) {
    this.#path = path
    this.#record = record
    this.#hashes = hashes ?? new Uint8Array()
    this.#end = end
    this.interrupted = hashes !== undefined
  }

  get seed(): Uint8Array {
    return this.#record.seed
  }

  get placed(): PlacedShares {
    return this.#record.placed
  }

  segmentHash(segment: number): Uint8Array | undefined {
    const hash = this.#hashes.subarray(segment * HASH_SIZE, (segment + 1) * HASH_SIZE)
    // A hole in the file is a hash that was never recorded.
    return hash.length < HASH_SIZE || hash.every((byte) => byte === 0) ? undefined : hash
  }

  async place(placed: PlacedShares): Promise<void> {
    await this.#write({ ...this.#record, placed })
  }

  async record(segment: number, hash: Uint8Array): Promise<void> {
    this.#file ??= open(`${this.#path}.hashes`, constants.O_RDWR | constants.O_CREAT, 0o600)
    const writing = this.#file.then((file) => file.write(hash, 0, HASH_SIZE, segment * HASH_SIZE))
    this.#writing.add(writing)
    try {
      await writing
    } finally {
      this.#writing.delete(writing)
    }
  }

  async renew(): Promise<void> {
    // First the hashes: what they say must never meet the new seed.
    await this.#closeFile()
    this.#hashes = new Uint8Array()
    await rm(`${this.#path}.hashes`, { force: true })
    await this.#write({ ...this.#record, seed: newSeed(), placed: new Map() })
    this.interrupted = false
  }

  async close(outcome: 'keep' | 'drop'): Promise<void> {
    try {
      await this.#closeFile()
      if (outcome === 'keep') return
      await rm(`${this.#path}.hashes`, { force: true })
      await rm(this.#path, { force: true })
    } finally {
      this.#end()
    }
  }

  async #write(record: Record): Promise<void> {
    await replaceRecord(this.#path, record)
    this.#record = record
  }

  async #closeFile(): Promise<void> {
    await Promise.allSettled(this.#writing)
    const file = await this.#file?.catch(() => undefined)
    this.#file = undefined
    await file?.close()
  }
}

function newSeed(): Uint8Array {
  return defaultCrypto.randomBytes(JOURNAL_SEED_SIZE)
}

function formatRecord({ owner, seed, placed }: Record): string {
  const shares = Object.fromEntries([...placed].map(([id, numbers]) => [id, [...numbers]]))
  return `${JSON.stringify({ version: 1, process: owner, seed: toBase32(seed), placed: shares })}\n`
}

/** `unreadable` is what is no whole record: a file that was cut short, or one of a later version. */
async function readRecord(path: string): Promise<Record | 'unreadable' | 'absent'> {
  const bytes = await readIfThere(path)
  if (bytes === undefined) return 'absent'
  try {
    return parseRecord(new TextDecoder().decode(bytes))
  } catch {
    return 'unreadable'
  }
}

/** @throws Error for anything but a whole record. */
function parseRecord(text: string): Record {
  const { version, process, seed, placed } = asObject(JSON.parse(text))
  const { pid, started } = asObject(process)
  if (version !== 1 || typeof seed !== 'string') throw new TypeError('expected a record')
  if (typeof pid !== 'number' || typeof started !== 'string')
    throw new TypeError('expected an owner')
  const shares = Object.entries(asObject(placed)).map(
    ([id, numbers]) => [id, new Set(asNumbers(numbers))] as const,
  )
  const bytes = fromBase32(seed)
  if (bytes.length !== JOURNAL_SEED_SIZE) throw new RangeError('expected a seed of another size')
  return { owner: { pid, started }, seed: bytes, placed: new Map(shares) }
}

function asObject(value: unknown): { readonly [key: string]: unknown } {
  if (typeof value === 'object' && value !== null) return { ...value }
  throw new TypeError('expected an object')
}

function asNumbers(value: unknown): number[] {
  if (!Array.isArray(value)) throw new TypeError('expected an array')
  return value.filter((one): one is number => Number.isInteger(one))
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
