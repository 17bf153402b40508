import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/**
 * Writes a file in one step, which a power cut does not come into, either; unless told otherwise, for its
 * owner alone.
 */
export async function writeWhole(file: string, text: string, mode = 0o600): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeFile(temporary, text, { flag: 'wx', mode, flush: true })
    await rename(temporary, file)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
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
 * Makes a file in one step: whoever reads it meanwhile, or after a power cut, sees none or all of it.
 *
 * @returns false when there is one already.
 */
export async function createWhole(file: string, text: string, mode: number): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeFile(temporary, text, { flag: 'wx', mode, flush: true })
    await link(temporary, file)
    return true
  } catch (error) {
    if (hasSystemCode(error, 'EEXIST')) return false
    if (!hasSystemCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
  // This file system has no links: there it takes a moment.
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
