import { randomBytes } from 'node:crypto'
import { open, realpath, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { createClientFromDirectory } from '@lafs/client/node'
import { capTextFromInput } from '@lafs/uri'
import { progressBar } from '../progress.ts'
import type { CommandContext } from '../run.ts'
import { writeTo } from '../terminal.ts'

/** Gets a file by its cap. @see allmydata.scripts.tahoe_get */
export async function getCommand(
  { terminal, nodeDirectory, quiet }: CommandContext,
  cap: string,
  file: string | undefined,
): Promise<void> {
  await using client = await createClientFromDirectory(nodeDirectory)
  const node = client.createNodeFromUri(capTextFromInput(cap))
  const toStdout = file === undefined || file === '-'
  // A bar between the lines of a file on the same terminal would help nobody.
  const silent = quiet || (toStdout && terminal.stdout.isTTY === true)
  const bar = progressBar(terminal.stderr, { now: terminal.now, quiet: silent })
  const pieces = node.read({ signal: terminal.signal, onProgress: bar.update })
  try {
    if (toStdout) for await (const piece of pieces) await writeTo(terminal.stdout, piece)
    else await writeFileWhole(resolve(terminal.cwd, file), pieces)
  } finally {
    bar.end()
  }
}

/** Writes a file under another name and gives it its own at the end: it is there whole or not at all. */
async function writeFileWhole(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const existing = await stat(path).catch(() => undefined)
  if (existing !== undefined && !existing.isFile()) return writeInPlace(path, pieces)
  const target = existing === undefined ? path : await realpath(path)
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`,
  )
  const output = await open(temporary, 'wx', existing === undefined ? 0o666 : existing.mode & 0o777)
  try {
    await writeFile(output, pieces)
    await output.close()
    await rename(temporary, target)
  } catch (error) {
    await output.close().catch(() => undefined)
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

/** Writes to what is no file, such as a device or a pipe. A folder says that it is one. */
async function writeInPlace(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  await using output = await open(path, 'w')
  await writeFile(output, pieces)
}
