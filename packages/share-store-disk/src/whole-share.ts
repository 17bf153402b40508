import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { makeFolder, named, removeEmptyFolder, syncFolders, systemCode, without } from './files.ts'
import { SMALL_FILE } from './share-file.ts'

const writevLater = promisify(fs.writev)
const syncDataLater = promisify(fs.fdatasync)

/** A share file that is to appear whole. */
export interface WholeShare {
  /** Where it is written: a name under `incoming/` that nothing has. */
  readonly incoming: string
  /** Where it belongs: in the folder of its storage index. */
  readonly final: string
  /** All of its bytes, the header and the lease included, in pieces that follow one another. */
  readonly pieces: readonly Uint8Array[]
  readonly size: number
}

/** How many files of one request are open at a time. */
const OPEN_AT_A_TIME = 16

/**
 * Stores share files of one storage index: all of them, for good, or none. A crash amid it leaves some
 * of them, whole.
 *
 * What goes into the memory of the operating system alone is done here and now, which takes less than
 * asking a thread: making small files in a folder that is always in use, and moving them into one that
 * was just made. Threads do what waits for the disk.
 *
 * @param folder - of the storage index.
 * @throws what the file system says, and a NoSpaceError when that is that it is full.
 */
export async function storeWhole(folder: string, shares: readonly WholeShare[]): Promise<void> {
  const renamed: string[] = []
  try {
    const [, parents] = await allDone([writeFiles(shares), makeFolder(folder)])
    for (const { incoming, final } of shares) {
      fs.renameSync(incoming, final)
      renamed.push(final)
    }
    await syncFolders([folder, ...parents])
  } catch (error) {
    for (const { incoming } of shares) fs.rmSync(incoming, { force: true })
    for (const final of renamed) fs.rmSync(final, { force: true })
    await removeEmptyFolder(folder)
    throw named(error)
  }
}

/** Writes the files, and makes their bytes outlast a power cut. */
async function writeFiles(shares: readonly WholeShare[]): Promise<void> {
  for (let at = 0; at < shares.length; at += OPEN_AT_A_TIME) {
    await allDone(shares.slice(at, at + OPEN_AT_A_TIME).map(writeFile))
  }
}

async function writeFile({ incoming, pieces, size }: WholeShare): Promise<void> {
  const file = createNow(incoming)
  try {
    let rest: readonly Uint8Array[] = pieces
    for (let at = 0; at < size;) {
      const written =
        size <= SMALL_FILE
          ? fs.writevSync(file, rest, at)
          : (await writevLater(file, rest, at)).bytesWritten
      at += written
      rest = without(rest, written)
    }
    await syncDataLater(file)
  } finally {
    // All of it is on the disk: nothing is left to wait for.
    fs.closeSync(file)
  }
}

/** Makes a file, and its folder where somebody has removed it. */
function createNow(path: string): number {
  try {
    return fs.openSync(path, 'wx', 0o600)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return fs.openSync(path, 'wx', 0o600)
  }
}

/** What all of them give, once the last one has ended: none is under way when another one's failure is passed on. */
async function allDone<T extends readonly Promise<unknown>[]>(
  tasks: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(tasks)
  return Promise.all(tasks)
}
