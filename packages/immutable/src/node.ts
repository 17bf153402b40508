import { constants } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IUploadable, SourceReadOptions } from '@lafs/filesystem-interface'
import { isOnePass, uploadableFromBytes, uploadableFromStream as fromMemory } from './uploadable.ts'
import type { StreamUploadableOptions, UploadablePreferences } from './uploadable.ts'

/** Streams of up to this many bytes are kept in memory. */
const MEMORY_MAX = 1024 * 1024

/**
 * An uploadable over a file, which stays open until the uploadable is closed.
 *
 * @throws TypeError when the path names no regular file; the file system's errors.
 */
export async function uploadableFromFile(
  path: string,
  preferences: UploadablePreferences = {},
): Promise<IUploadable> {
  const handle = await open(path, constants.O_RDONLY)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw new TypeError('expected a regular file to upload')
    return fromHandle(handle, stats.size, preferences)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/**
 * An uploadable over a stream. Unless its size is known and its key random, the stream is read to
 * its end at once: into memory while it is short, else into a temporary file that only this user can
 * read, and that is gone when the uploadable is closed.
 *
 * @param options.memoryLimit - the most bytes to keep in memory; default 1 MiB.
 */
export async function uploadableFromStream(
  stream: AsyncIterable<Uint8Array>,
  options: StreamUploadableOptions = {},
): Promise<IUploadable> {
  if (isOnePass(options)) return fromMemory(stream, options)
  const { memoryLimit = MEMORY_MAX, signal, size: _size, ...preferences } = options
  const pieces: Uint8Array[] = []
  let spool: { handle: FileHandle; folder: string } | undefined
  let size = 0
  try {
    for await (const piece of stream) {
      signal?.throwIfAborted()
      size += piece.length
      if (size > memoryLimit && spool === undefined) {
        spool = await openSpool()
        for (const early of pieces.splice(0)) await spool.handle.appendFile(early)
      }
      if (spool === undefined) pieces.push(piece.slice())
      else await spool.handle.appendFile(piece)
    }
  } catch (error) {
    await closeSpool(spool)
    throw error
  }
  if (spool === undefined) {
    const data = new Uint8Array(size)
    let at = 0
    for (const piece of pieces) {
      data.set(piece, at)
      at += piece.length
    }
    return uploadableFromBytes(data, preferences)
  }
  const { handle } = spool
  return { ...fromHandle(handle, size, preferences), close: () => closeSpool(spool) }
}

async function openSpool(): Promise<{ handle: FileHandle; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'lafs-upload-'))
  return { folder, handle: await open(join(folder, 'data'), 'wx+', 0o600) }
}

async function closeSpool(
  spool: { readonly handle: FileHandle; readonly folder: string } | undefined,
): Promise<void> {
  if (spool === undefined) return
  await spool.handle.close()
  await rm(spool.folder, { recursive: true, force: true })
}

function fromHandle(
  handle: FileHandle,
  size: number,
  preferences: UploadablePreferences,
): IUploadable {
  return {
    ...preferences,
    size,
    async *read({ offset = 0, pieceSize = MEMORY_MAX, signal }: SourceReadOptions = {}) {
      // Two buffers in turn: the next read goes on while the caller works on the one before.
      const buffers = [new Uint8Array(pieceSize), new Uint8Array(pieceSize)] as const
      let position = offset
      const fill = (turn: number): ReturnType<typeof readInto> =>
        readInto(handle, buffers[turn % 2 === 0 ? 0 : 1], position)
      let next = fill(0)
      next.catch(() => {})
      for (let turn = 1; ; turn++) {
        signal?.throwIfAborted()
        const piece = await next
        if (piece.length === 0) return
        position += piece.length
        next = fill(turn)
        next.catch(() => {})
        yield piece
      }
    },
    close: () => handle.close(),
  }
}

async function readInto(
  handle: FileHandle,
  buffer: Uint8Array,
  position: number,
): Promise<Uint8Array> {
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
  return buffer.subarray(0, bytesRead)
}
