import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** What systems say that make no links, or hand no folder to the disk. */
const NOT_DONE_HERE = ['EPERM', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'] as const

/**
 * Writes a file in one step, which a power cut does not come into or undo; unless told otherwise, for its
 * owner alone.
 */
export async function writeWhole(file: string, text: string, mode = 0o600): Promise<void> {
  const temporary = temporaryFor(file)
  try {
    await writeFile(temporary, text, { flag: 'wx', mode, flush: true })
    await rename(temporary, file)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(file))
}

/**
 * Writes a file for its owner alone, unless there is one. Its folder is made where there is none, for its
 * owner alone, too.
 *
 * @returns what stands in the file now.
 */
export async function writeOnce(file: string, text: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  return (await createWhole(file, text, 0o600)) ? text : readFile(file, 'utf8')
}

/**
 * Makes a file in one step: whoever reads it meanwhile, or after a power cut, sees none or all of it; all of
 * it, once this has come to its end.
 *
 * @returns false when there is one already.
 */
export async function createWhole(file: string, text: string, mode: number): Promise<boolean> {
  // Where the file system has no links it takes a moment.
  const isMade = (await createByLink(file, text, mode)) ?? (await createInPlace(file, text, mode))
  if (isMade) await syncFolder(dirname(file))
  return isMade
}

/** @returns undefined where the file system has no links. */
async function createByLink(
  file: string,
  text: string,
  mode: number,
): Promise<boolean | undefined> {
  const temporary = temporaryFor(file)
  try {
    await writeFile(temporary, text, { flag: 'wx', mode, flush: true })
    await link(temporary, file)
    return true
  } catch (error) {
    if (hasSystemCode(error, 'EEXIST')) return false
    if (hasSystemCode(error, ...NOT_DONE_HERE)) return undefined
    throw error
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
}

async function createInPlace(file: string, text: string, mode: number): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode, flush: true })
    return true
  } catch (error) {
    if (hasSystemCode(error, 'EEXIST')) return false
    // What is there of it is ours.
    await unlink(file).catch(() => undefined)
    throw error
  }
}

function temporaryFor(file: string): string {
  return `${file}.${randomBytes(6).toString('hex')}.tmp`
}

/** Makes the names in a folder outlast a power cut, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return
  await using handle = await open(folder)
  try {
    await handle.sync()
  } catch (error) {
    if (!hasSystemCode(error, ...NOT_DONE_HERE)) throw error
  }
}

/** The absolute path of what a node directory names: counted from it, and `~/` from the home folder. */
export function folderIn(nodeFolder: string, path: string): string {
  return resolve(nodeFolder, /^~(?=\/|$)/.test(path) ? join(homedir(), path.slice(1)) : path)
}

/** The text of a file; undefined when there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  const bytes = await readBytesIfThere(file)
  return bytes && new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/** The content of a file; undefined when there is none. */
export async function readBytesIfThere(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if (hasSystemCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Whether an error is one of the system's with one of these codes, such as `ENOENT`. */
export function hasSystemCode(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    codes.includes(error.code)
  )
}
