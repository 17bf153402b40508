import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { UploadSourceChangedError } from '@lafs/filesystem-interface'
import type { IUploadable, SourceReadOptions } from '@lafs/filesystem-interface'
import type { UploadablePreferences } from './uploadable.ts'

/** The size of the pieces that are read, unless the reader wishes another. */
const PIECE_SIZE = 1024 * 1024

/**
 * An uploadable over a file, which stays open until the uploadable is closed. A pass over it fails at its
 * end when somebody has written to the file: the shares of one that changes between the pass for its
 * key and the one that is sent could not be read under the cap of what it was.
 *
 * @throws TypeError when the path names no regular file; the file system's errors.
 */
export async function uploadableFromFile(
  path: string,
  preferences: UploadablePreferences = {},
): Promise<IUploadable> {
  // To be opened, a pipe would wait for somebody who writes to it.
  if (!(await stat(path)).isFile()) throw new TypeError('expected a regular file to upload')
  const handle = await open(path, constants.O_RDONLY)
  try {
    const stats = await handle.stat({ bigint: true })
    const uploadable = fromHandle(handle, Number(stats.size), preferences)
    return {
      ...uploadable,
      async *read(options) {
        yield* uploadable.read(options)
        const { mtimeNs, size } = await handle.stat({ bigint: true })
        if (mtimeNs === stats.mtimeNs && size === stats.size) return
        throw new UploadSourceChangedError('the file to upload was written to meanwhile')
      },
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** An uploadable over an open file, which it closes. */
export function fromHandle(
  handle: FileHandle,
  size: number,
  preferences: UploadablePreferences,
): IUploadable {
  return {
    ...preferences,
    size,
    async *read({ offset = 0, pieceSize = PIECE_SIZE, signal }: SourceReadOptions = {}) {
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
