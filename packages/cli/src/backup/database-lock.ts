import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError } from '../failure.ts'
import { rollBackHotJournal } from './hot-journal.ts'

/** How long to wait for another process that uses the database, and how often to look. */
const BUSY_TIMEOUT_MS = 20_000
const BUSY_RETRY_MS = 50
/** No transaction takes so long: a lock or a journal of that age was left by a process that was killed. */
const STALE_MS = 10_000

/**
 * Waits until no transaction is open, and rolls back one that nobody is left to end. (Upstream's locks
 * are of another kind and cannot be seen from here; its journal can.)
 */
export async function waitForJournal(file: string, now: () => number): Promise<void> {
  const giveUpAtMs = performance.now() + BUSY_TIMEOUT_MS
  const isJournalStale = staleness(`${file}-journal`, now)
  const isLockStale = staleness(lockOf(file), now)
  for (;;) {
    const journal = statSync(`${file}-journal`, { throwIfNoEntry: false })
    if (journal === undefined || journal.size === 0) return
    removeLockIf(file, isLockStale)
    if (isJournalStale() && takeLock(file)) {
      try {
        return rollBackHotJournal(file)
      } finally {
        rmdirSync(lockOf(file))
      }
    }
    if (performance.now() > giveUpAtMs) throw unusable('another process is using it')
    await sleep(BUSY_RETRY_MS)
  }
}

/**
 * Tells whether what stands at a path is too old to be anybody's: by its time, or, as the clock may have
 * been put back since, because it has stood there for as long as it is asked for.
 */
function staleness(path: string, now: () => number): () => boolean {
  let seenMtimeMs: number | undefined
  let sinceMs = 0
  return () => {
    const mtimeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs
    if (mtimeMs !== seenMtimeMs) {
      seenMtimeMs = mtimeMs
      sinceMs = performance.now()
    }
    if (mtimeMs === undefined) return false
    return now() - mtimeMs > STALE_MS || performance.now() - sinceMs > STALE_MS
  }
}

/** The folder with which this build of SQLite locks a database. */
function lockOf(file: string): string {
  return `${file}.lock`
}

/** Takes the lock, unless somebody has it. */
function takeLock(file: string): boolean {
  try {
    mkdirSync(lockOf(file))
    return true
  } catch {
    return false
  }
}

/** Removes the lock, which stays where a process is killed in the midst of a transaction. */
function removeLockIf(file: string, isStale: () => boolean): void {
  if (!isStale()) return
  try {
    rmdirSync(lockOf(file))
  } catch {
    // Another process was faster.
  }
}

/**
 * Uses the database as soon as no other process does.
 *
 * @throws {@link CommandError} `CLI_BAD_BACKUPDB`.
 */
export async function whenNotBusy<T>(file: string, now: () => number, work: () => T): Promise<T> {
  const giveUpAtMs = performance.now() + BUSY_TIMEOUT_MS
  const isLockStale = staleness(lockOf(file), now)
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (error instanceof CommandError) throw error
      const isLocked = error instanceof Error && error.message === 'database is locked'
      if (!isLocked || performance.now() > giveUpAtMs) throw unusable(error)
    }
    removeLockIf(file, isLockStale)
    await sleep(BUSY_RETRY_MS)
  }
}

/** What is said of a database that is of no use. */
export function unusable(cause: unknown): CommandError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new CommandError(
    'CLI_BAD_BACKUPDB',
    `Unable to load backup db: private/backupdb.sqlite is unusable: ${reason}`,
    { cause },
  )
}
