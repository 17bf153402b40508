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
  for (;;) {
    const journal = statSync(`${file}-journal`, { throwIfNoEntry: false })
    if (journal === undefined || journal.size === 0) return
    if (now() - journal.mtimeMs > STALE_MS && takeLock(file, now)) {
      try {
        return rollBackHotJournal(file)
      } finally {
        rmdirSync(`${file}.lock`)
      }
    }
    if (performance.now() > giveUpAtMs) throw unusable('another process is using it')
    await sleep(BUSY_RETRY_MS)
  }
}

/** Takes the lock that this build of SQLite takes, from a process that was killed too. */
function takeLock(file: string, now: () => number): boolean {
  removeStaleLock(file, now)
  try {
    mkdirSync(`${file}.lock`)
    return true
  } catch {
    return false
  }
}

/**
 * This build of SQLite locks with a folder beside the file, which stays where a process is killed in the
 * midst of a transaction: it goes when it is too old to be anybody's.
 */
function removeStaleLock(file: string, now: () => number): void {
  const lock = statSync(`${file}.lock`, { throwIfNoEntry: false })
  if (lock === undefined || now() - lock.mtimeMs <= STALE_MS) return
  try {
    rmdirSync(`${file}.lock`)
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
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (error instanceof CommandError) throw error
      const isLocked = error instanceof Error && error.message === 'database is locked'
      if (!isLocked || performance.now() > giveUpAtMs) throw unusable(error)
    }
    removeStaleLock(file, now)
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
