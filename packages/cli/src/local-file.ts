import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { open, realpath, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Writes a file under another name and gives it its own at the end: it is there whole or not at all. One
 * that stood there keeps its owner, as far as the system lets us, and goes only when the new one is on the
 * disk. A link is followed; a device or a pipe is written to as it is, and a folder says that it is one.
 */
export async function writeFileWhole(
  path: string,
  content: string | AsyncIterable<Uint8Array>,
): Promise<void> {
  const existing = await statIfAny(path)
  if (existing !== undefined && !existing.isFile()) return writeInPlace(path, content)
  const target = existing === undefined ? path : await realpath(path)
  // Not made of the name, which may be as long as names can be.
  const temporary = join(dirname(target), `.lafs-${randomBytes(8).toString('hex')}.tmp`)
  const mode = existing === undefined ? 0o666 : existing.mode & 0o777
  const output = await open(temporary, 'wx', mode).catch((error: unknown) => {
    throw asOf(error, temporary, target)
  })
  try {
    await writeFile(output, content)
    if (existing !== undefined) {
      await output.chown(existing.uid, existing.gid).catch(() => undefined)
      await output.sync()
    }
    await output.close()
    await rename(temporary, target)
  } catch (error) {
    await output.close().catch(() => undefined)
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

/** What the system says of a file, said of another. */
function asOf(error: unknown, temporary: string, target: string): unknown {
  if (error instanceof Error) error.message = error.message.replace(temporary, target)
  return error
}

async function statIfAny(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function writeInPlace(
  path: string,
  content: string | AsyncIterable<Uint8Array>,
): Promise<void> {
  await using output = await open(path, 'w')
  await writeFile(output, content)
}
