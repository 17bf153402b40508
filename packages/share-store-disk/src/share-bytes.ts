import type { FileHandle } from 'node:fs/promises'
import { StorageError } from '@lafs/storage-interface'
import { readUpTo, writeAll } from './files.ts'

/** The bytes of one share file, wherever they are. */
export interface ShareBytes {
  size(): Promise<number>
  /** Up to `length` bytes from a position on; fewer where the file ends. Read only. */
  readUpTo(position: number, length: number): Promise<Uint8Array>
  /** Writes all of the pieces, which follow one another, at a position. */
  write(position: number, pieces: readonly Uint8Array[]): Promise<void>
  /** Settles once all that was written outlasts a power cut, where the file itself would. */
  flush(): Promise<void>
}

/** Reads exactly `length` bytes. @throws {@link StorageError} `STORAGE_BAD_SHARE` where the file ends before. */
export async function readExactly(
  bytes: Pick<ShareBytes, 'readUpTo'>,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const found = await bytes.readUpTo(position, length)
  if (found.length === length) return found
  const message = `container: expected ${length} bytes at ${position}, got ${found.length}`
  throw new StorageError('STORAGE_BAD_SHARE', message)
}

/** The bytes of an open file, which stays the caller's. */
export function bytesOfFile(handle: FileHandle): ShareBytes {
  return {
    size: async () => (await handle.stat()).size,
    readUpTo: (position, length) => readUpTo(handle, position, length),
    write: (position, pieces) => writeAll(handle, position, pieces),
    flush: () => handle.datasync(),
  }
}

/** The bytes of a small file, read at once, to be changed here and written at once. */
export class BytesInMemory implements ShareBytes {
  #bytes: Uint8Array

  /** @param bytes - belong to this object from now on. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** As they stand. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  async size(): Promise<number> {
    return this.#bytes.length
  }

  async readUpTo(position: number, length: number): Promise<Uint8Array> {
    return this.#bytes.slice(position, position + length)
  }

  async write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    const end = pieces.reduce((at, piece) => at + piece.length, position)
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(end)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    let at = position
    for (const piece of pieces) {
      this.#bytes.set(piece, at)
      at += piece.length
    }
  }

  async flush(): Promise<void> {}
}
