import { closeSync, fsync, openSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { takeMemory } from '@lafs/crypto'
import { NoSpaceError } from '@lafs/storage-interface'

const syncLater = promisify(fsync)

/** The code of a failed system call, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

/** What a file system says when it takes nothing more. */
const NO_SPACE = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the quota is used up'],
  ['EFBIG', 'the file system takes no file of this size'],
  ['EROFS', 'the file system is read-only'],
])

/** A {@link NoSpaceError} for the ways in which a file system says so; any other error as it is. */
export function named(error: unknown): unknown {
  const what = NO_SPACE.get(systemCode(error) ?? '')
  return what === undefined ? error : new NoSpaceError(what, { cause: error })
}

/** Writes all of the pieces, which follow one another, at a position. */
export async function writeAll(
  handle: FileHandle,
  position: number,
  pieces: readonly Uint8Array[],
): Promise<void> {
  let at = position
  let rest = pieces.filter((piece) => piece.length > 0)
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, at)
    at += bytesWritten
    rest = without(rest, bytesWritten)
  }
}

/** What is left of pieces when their first bytes are gone. */
export function without(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let gone = count
  let index = 0
  for (; index < pieces.length; index += 1) {
    const length = pieces[index]?.length ?? 0
    if (gone < length) break
    gone -= length
  }
  const rest = pieces.slice(index)
  const [first] = rest
  if (first !== undefined && gone > 0) rest[0] = first.subarray(gone)
  return rest
}

/** Reads up to `length` bytes from a position on; fewer where the file ends. */
export async function readUpTo(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = takeMemory(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled === length ? bytes : bytes.slice(0, filled)
}

/**
 * Makes the names in a folder that has just been changed outlast a power cut, where the platform can.
 * Such a folder is in memory, so that it is opened here and now.
 */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return
  const file = openSync(folder, 'r')
  try {
    await syncLater(file)
  } finally {
    closeSync(file)
  }
}

/** {@link syncFolder} for several at once, which costs a disk little more than one. */
export async function syncFolders(folders: readonly string[]): Promise<void> {
  // All of them have ended, and let go of their handles, before a failure is passed on.
  const outcomes = await Promise.allSettled(folders.map((folder) => syncFolder(folder)))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/**
 * Makes a folder and those above it that are missing.
 *
 * @returns the folders in which a new name appeared, innermost first.
 */
export async function makeFolder(folder: string): Promise<string[]> {
  const first = await fs.mkdir(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return []
  const changed: string[] = []
  for (let at = folder; ; at = dirname(at)) {
    changed.push(dirname(at))
    if (at === first || dirname(at) === at) return changed
  }
}

/** Removes a folder if it is there and empty. @returns whether it was. */
export async function removeEmptyFolder(folder: string): Promise<boolean> {
  try {
    await fs.rmdir(folder)
    return true
  } catch (error) {
    const code = systemCode(error) ?? ''
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(code)) return false
    throw error
  }
}

/** Opens a file, making the folder that it stands in, though others remove it when it is empty. */
export async function openInFolder(path: string, flags: string): Promise<FileHandle> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await fs.open(path, flags, 0o600)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || attempt >= 100) throw error
    }
    await makeFolder(dirname(path))
  }
}
