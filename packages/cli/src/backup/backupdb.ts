import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { backupdbDirhash, netstring, toBase32 } from '@lafs/crypto'
import type * as Sqlite from 'node-sqlite3-wasm'
import { isCapText } from '../cap-text.ts'
import { compareCodePoints } from '../text.ts'
import { unusable, waitForJournal, whenNotBusy } from './database-lock.ts'

// Its CommonJS shows no names to an import.
const sqlite = createRequire(import.meta.url)('node-sqlite3-wasm') as typeof Sqlite

const VERSION = 2
const DAY_SECONDS = 24 * 60 * 60
/** What was checked less than this ago is taken to be there. */
const NO_CHECK_BEFORE_SECONDS = 30 * DAY_SECONDS
/** What was checked longer ago is checked again; in between it is ever more likely. */
const ALWAYS_CHECK_AFTER_SECONDS = 60 * DAY_SECONDS

const DIRECTORIES_TABLE = `
CREATE TABLE directories (
  dirhash VARCHAR(256) PRIMARY KEY, dircap VARCHAR(256),
  last_uploaded TIMESTAMP, last_checked TIMESTAMP
);`

const SCHEMA = `
CREATE TABLE version (version INTEGER);
CREATE TABLE local_files (
  path VARCHAR(1024) PRIMARY KEY, size INTEGER, mtime NUMBER, ctime NUMBER, fileid INTEGER
);
CREATE TABLE caps (fileid INTEGER PRIMARY KEY AUTOINCREMENT, filecap VARCHAR(256) UNIQUE);
CREATE TABLE last_upload (
  fileid INTEGER PRIMARY KEY, last_uploaded TIMESTAMP, last_checked TIMESTAMP
);
${DIRECTORIES_TABLE}
INSERT INTO version (version) VALUES (${VERSION});`

const NS_PER_SECOND = 1_000_000_000n
/** So far the times of files may be behind the clock. */
const CLOCK_LAG_MS = 100
/** Writes are gathered for so long, or until there are so many, and then made at once. */
const GATHER_MS = 500
const GATHER_COUNT = 200
/** So long a transaction stays open that only reads, with others kept out. */
const READING_MS = 20
/** By what a file is known to be unchanged. */
export interface LocalStamp {
  readonly sizeBytes: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** Where something was stored the last time. */
export interface Remembered {
  readonly cap: string
  /** It was not looked at for so long that it should be, before it is relied on. */
  readonly shouldCheck: boolean
}

/** What a backup remembers of those before it. Close it: what was gathered is written then. */
export interface BackupDb extends AsyncDisposable {
  /**
   * Where an unchanged file was stored.
   *
   * @param path - absolute.
   * @param trustsTimestamps - without it no file is known to be unchanged.
   * @returns undefined where the file is new or changed, which it is forgotten for, and where no cap is
   *   remembered.
   */
  findFile(
    path: string,
    stamp: LocalStamp,
    trustsTimestamps: boolean,
  ): Promise<Remembered | undefined>
  /**
   * As all that is recorded, it can be found again once it has been written: when the database is closed.
   *
   * Times are whole seconds there. A file that changed in the very second in which it was read could
   * change once more within it and look the same: for such a one its exact times are written, by which
   * it is found again here, and stored again by upstream.
   *
   * @param seenMs - when the file still had this stamp, after it was read: milliseconds since 1970.
   */
  recordUpload(path: string, stamp: LocalStamp, cap: string, seenMs: number): Promise<void>
  recordFileIsHealthy(cap: string): Promise<void>
  /** Where an immutable directory was stored whose hash, by {@link directoryHash}, is this. */
  findDirectory(hash: string): Promise<Remembered | undefined>
  recordDirectory(hash: string, cap: string): Promise<void>
  recordDirectoryIsHealthy(cap: string): Promise<void>
  close(): Promise<void>
}

/** What a database is opened with. */
export interface BackupDbOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** A number in [0, 1). Default: Math.random. */
  readonly random?: () => number
}

type Statement = readonly [sql: string, values: readonly (string | number | Uint8Array)[]]

/**
 * Opens the database of backups, or makes it where there is none: SQLite, version 2 of upstream's
 * schema, which upstream reads and writes as well. Caps and hashes are blobs there, since upstream's
 * are bytes; both kinds are read. A database that is no good is left as it is.
 *
 * @throws {@link CommandError} `CLI_BAD_BACKUPDB`.
 * @see allmydata.scripts.backupdb
 */
export async function openBackupDb(file: string, options: BackupDbOptions): Promise<BackupDb> {
  const isNew = createIfMissing(file)
  await waitForJournal(file, options.now)
  const database = await whenNotBusy(file, options.now, () => new sqlite.Database(file))
  const use = async <T>(work: () => T): Promise<T> => {
    // While it holds the lock itself there is no journal of somebody else's.
    if (!database.inTransaction) await waitForJournal(file, options.now)
    return whenNotBusy(file, options.now, work)
  }
  try {
    await use(() => prepareDatabase(database, isNew))
  } catch (error) {
    database.close()
    throw error
  }
  return backupDbOn(database, use, options)
}

/** The hash by which a directory is found again: of its names and the caps of its children. */
export function directoryHash(children: ReadonlyMap<string, string>): string {
  const encoder = new TextEncoder()
  const parts = [...children]
    .toSorted(([a], [b]) => compareCodePoints(a, b))
    .flatMap(([name, cap]) => [netstring(encoder.encode(name)), netstring(encoder.encode(cap))])
  return toBase32(backupdbDirhash(concatenate(parts)))
}

/** Makes an empty file for its owner's eyes alone: caps will be in it. */
function createIfMissing(file: string): boolean {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    closeSync(openSync(file, 'wx', 0o600))
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  // Empty where a process was killed before it made the tables.
  const isEmpty = statSync(file).size === 0
  if (isEmpty) chmodSync(file, 0o600)
  return isEmpty
}

function prepareDatabase(database: Sqlite.Database, isNew: boolean): void {
  if (isNew || versionOf(database) === 1) {
    inTransaction(database, () => {
      // Another process may have begun with it, too, and was first.
      if (database.get('SELECT name FROM sqlite_master') === null) database.exec(SCHEMA)
      if (versionOf(database) !== 1) return
      database.exec(`${DIRECTORIES_TABLE} UPDATE version SET version = ${VERSION};`)
    })
  }
  const version = versionOf(database)
  if (version !== VERSION) throw unusable(`expected version 1 or 2 of it, got ${String(version)}`)
}

function versionOf(database: Sqlite.Database): unknown {
  return database.get('SELECT version FROM version')?.['version']
}

function backupDbOn(
  database: Sqlite.Database,
  use: <T>(work: () => T) => Promise<T>,
  { now, random = Math.random }: BackupDbOptions,
): BackupDb {
  const nowSeconds = (): number => now() / 1000
  const { gather, flush } = gatherer(database, use)
  const read = reader(database, use)
  const remember = (capBytes: unknown, lastChecked: unknown): Remembered | undefined => {
    const cap = textOf(capBytes)
    // A damaged database must not damage what is stored by it.
    if (!isCapText(cap)) return undefined

    // A time to come, noted while the clock was wrong, says as little as one long ago.
    const ageSeconds = Math.abs(nowSeconds() - Number(lastChecked))
    const probability =
      (ageSeconds - NO_CHECK_BEFORE_SECONDS) /
      (ALWAYS_CHECK_AFTER_SECONDS - NO_CHECK_BEFORE_SECONDS)
    return { cap, shouldCheck: random() < probability }
  }
  const close = async (): Promise<void> => {
    try {
      await flush()
    } finally {
      endTransaction(database, 'COMMIT')
      database.close()
    }
  }
  return {
    findFile: async (path, stamp, trustsTimestamps) => {
      const row = await read(FIND_FILE, [path])
      if (row === null) return undefined
      if (trustsTimestamps && isStamp(row, stamp)) {
        return remember(row['filecap'], row['last_checked'])
      }
      await gather(['DELETE FROM local_files WHERE path = ?', [path]])
      return undefined
    },
    recordUpload: async (path, stamp, capText, seenMs) => {
      const cap = bytesOf(capText)
      const { sizeBytes, mtimeNs, ctimeNs } = stamp
      const isSettled = (seenMs - CLOCK_LAG_MS) / 1000 >= wholeSeconds(ctimeNs) + 1
      const [mtime, ctime] = [mtimeNs, ctimeNs].map(isSettled ? wholeSeconds : exactSeconds)
      await gather(
        ['INSERT OR IGNORE INTO caps (filecap) VALUES (?)', [cap]],
        [
          'REPLACE INTO last_upload SELECT fileid, ?, ? FROM caps WHERE filecap = ?',
          [nowSeconds(), nowSeconds(), cap],
        ],
        [
          'REPLACE INTO local_files SELECT ?, ?, ?, ?, fileid FROM caps WHERE filecap = ?',
          [path, sizeBytes, mtime ?? 0, ctime ?? 0, cap],
        ],
      )
    },
    recordFileIsHealthy: (cap) => gather([CHECKED_FILE, [nowSeconds(), bytesOf(cap), cap]]),
    findDirectory: async (hash) => {
      const row = await read(FIND_DIRECTORY, [bytesOf(hash), hash])
      return row === null ? undefined : remember(row['dircap'], row['last_checked'])
    },
    recordDirectory: (hash, cap) =>
      gather([
        'REPLACE INTO directories VALUES (?, ?, ?, ?)',
        [bytesOf(hash), bytesOf(cap), nowSeconds(), nowSeconds()],
      ]),
    recordDirectoryIsHealthy: (cap) =>
      gather([CHECKED_DIRECTORY, [nowSeconds(), bytesOf(cap), cap]]),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Reads in transactions that stay open for a while: every one costs a lock, which takes longer than a
 * read. What writes ends them.
 */
function reader(
  database: Sqlite.Database,
  use: <T>(work: () => T) => Promise<T>,
): (sql: string, values: Statement[1]) => Promise<Readonly<Record<string, unknown>> | null> {
  return (sql, values) =>
    use(() => {
      if (!database.inTransaction) {
        database.exec('BEGIN')
        setTimeout(() => endTransaction(database, 'COMMIT'), READING_MS).unref()
      }
      try {
        return database.get(sql, [...values])
      } catch (error) {
        endTransaction(database, 'ROLLBACK')
        throw error
      }
    })
}

/**
 * Gathers statements, and makes them in one transaction when there are many, or after some time, also while
 * nothing else is recorded, as when a large file is on its way. After a failure nothing more is written,
 * and every `flush` tells of it.
 */
function gatherer(
  database: Sqlite.Database,
  use: <T>(work: () => T) => Promise<T>,
): {
  readonly gather: (...statements: Statement[]) => Promise<void>
  readonly flush: () => Promise<void>
} {
  let gathered: Statement[] = []
  let timer: NodeJS.Timeout | undefined
  let written = Promise.resolve()
  const write = async (): Promise<void> => {
    const statements = gathered
    gathered = []
    if (statements.length === 0) return
    await use(() => {
      inTransaction(database, () => {
        for (const [sql, values] of statements) database.run(sql, [...values])
      })
    })
  }
  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    written = written.then(write)
    return written
  }
  const gather = async (...statements: Statement[]): Promise<void> => {
    gathered.push(...statements)
    if (gathered.length >= GATHER_COUNT) return flush()
    timer ??= setTimeout(() => void flush().catch(() => undefined), GATHER_MS).unref()
  }
  return { gather, flush }
}

const FIND_FILE = `SELECT size, mtime, ctime, filecap, last_checked FROM local_files
  LEFT JOIN caps USING (fileid) LEFT JOIN last_upload USING (fileid) WHERE path = ?`
const FIND_DIRECTORY = 'SELECT dircap, last_checked FROM directories WHERE dirhash IN (?, ?)'
const CHECKED_FILE = `UPDATE last_upload SET last_checked = ?
  WHERE fileid IN (SELECT fileid FROM caps WHERE filecap IN (?, ?))`
const CHECKED_DIRECTORY = 'UPDATE directories SET last_checked = ? WHERE dircap IN (?, ?)'

/** Whether a row is of a file with this stamp, and where it was put is known. */
function isStamp(row: Readonly<Record<string, unknown>>, stamp: LocalStamp): boolean {
  return (
    row['filecap'] !== null &&
    row['last_checked'] !== null &&
    Number(row['size']) === stamp.sizeBytes &&
    isTime(row['mtime'], stamp.mtimeNs) &&
    isTime(row['ctime'], stamp.ctimeNs)
  )
}

function isTime(recorded: unknown, ns: bigint): boolean {
  return recorded !== null && [wholeSeconds(ns), exactSeconds(ns)].includes(Number(recorded))
}

/** Rounded down, before 1970 too. */
function wholeSeconds(ns: bigint): number {
  const seconds = ns / NS_PER_SECOND
  return Number(ns < seconds * NS_PER_SECOND ? seconds - 1n : seconds)
}

/** To the microsecond: finer ones would be rounded, and might become those of the next second. */
function exactSeconds(ns: bigint): number {
  return Number(ns / 1000n) / 1e6
}

function inTransaction(database: Sqlite.Database, work: () => void): void {
  endTransaction(database, 'COMMIT')
  database.exec('BEGIN IMMEDIATE')
  try {
    work()
    database.exec('COMMIT')
  } catch (error) {
    endTransaction(database, 'ROLLBACK')
    throw error
  }
}

function endTransaction(database: Sqlite.Database, how: 'COMMIT' | 'ROLLBACK'): void {
  if (database.isOpen && database.inTransaction) database.exec(how)
}

/** Upstream writes bytes now and once wrote text. */
function textOf(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value)
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
