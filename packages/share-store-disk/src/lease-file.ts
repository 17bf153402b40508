import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { StorageError } from '@lafs/storage-interface'
import type { ShareNumber } from '@lafs/storage-interface'
import { systemCode } from './files.ts'
import type { ShareBytes } from './share-bytes.ts'

const openLater = promisify(fs.open)
const readLater = promisify(fs.read)
const syncDataLater = promisify(fs.fdatasync)
const syncLater = promisify(fs.fsync)
const truncateLater = promisify(fs.ftruncate)

/** So many bytes at either end of a file are read at once: there the header and the leases stand. */
const WINDOW_SIZE = 4096

/** Some bytes of a file that have been read. */
interface Window {
  readonly position: number
  readonly bytes: Uint8Array
}

/**
 * A share file for work on its leases: the ends of the file are in memory, and what is written goes
 * into the memory of the operating system here and now, which takes less than asking a thread.
 */
export class LeaseFile implements ShareBytes {
  readonly #fd: number
  readonly #windows: Window[] = []
  #size: number
  /** Bytes that the file takes of the disk. */
  readonly diskBytes: number

  private constructor(fd: number) {
    this.#fd = fd
    try {
      const { size, blocks } = fs.fstatSync(fd)
      this.#size = size
      this.diskBytes = diskBytesOf(size, blocks)
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
  }

  /**
   * Opens a file that may have to be waited for; others go on meanwhile.
   *
   * @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`.
   */
  static async open(path: string, shareNumber: ShareNumber): Promise<LeaseFile> {
    const file = new LeaseFile(await openLater(path, 'r+').catch(refuse(shareNumber)))
    try {
      await file.#load(0)
      if (file.#size > WINDOW_SIZE) await file.#load(file.#size - WINDOW_SIZE)
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** {@link LeaseFile.open} here and now. */
  static openNow(path: string, shareNumber: ShareNumber, flags: 'r' | 'r+'): LeaseFile {
    const file = new LeaseFile(openNow(path, shareNumber, flags))
    try {
      file.#windows.push({ position: 0, bytes: file.#readNow(0, WINDOW_SIZE) })
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  async #load(position: number): Promise<void> {
    const bytes = new Uint8Array(Math.min(WINDOW_SIZE, this.#size - position))
    const { bytesRead } = await readLater(this.#fd, bytes, 0, bytes.length, position)
    this.#windows.push({ position, bytes: bytes.subarray(0, bytesRead) })
  }

  async size(): Promise<number> {
    return this.#size
  }

  async readUpTo(position: number, length: number): Promise<Uint8Array> {
    for (const window of this.#windows) {
      const start = position - window.position
      if (start >= 0 && start + length <= window.bytes.length)
        return window.bytes.slice(start, start + length)
    }
    return this.#readNow(position, length)
  }

  #readNow(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - position)))
    let filled = 0
    while (filled < bytes.length) {
      const count = fs.readSync(this.#fd, bytes, filled, bytes.length - filled, position + filled)
      if (count === 0) break
      filled += count
    }
    return filled === bytes.length ? bytes : bytes.slice(0, filled)
  }

  async write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    this.#windows.length = 0
    let at = position
    for (const piece of pieces) {
      let written = 0
      while (written < piece.length)
        written += fs.writeSync(this.#fd, piece, written, piece.length - written, at + written)
      at += piece.length
    }
    this.#size = Math.max(this.#size, at)
  }

  async flush(): Promise<void> {
    await syncDataLater(this.#fd)
  }

  /** Cuts the file off, for good. */
  async truncate(size: number): Promise<void> {
    this.#windows.length = 0
    await truncateLater(this.#fd, size)
    await syncLater(this.#fd)
    this.#size = size
  }

  close(): void {
    fs.closeSync(this.#fd)
  }
}

/** What a file takes of a disk whose blocks are known, or else its size. @see stat(2) */
export function diskBytesOf(size: number, blocks: number | undefined): number {
  return blocks === undefined || Number.isNaN(blocks) ? size : blocks * 512
}

function openNow(path: string, shareNumber: ShareNumber, flags: 'r' | 'r+'): number {
  try {
    return fs.openSync(path, flags)
  } catch (error) {
    return refuse(shareNumber)(error)
  }
}

/** Names the error of a file that is not there. */
function refuse(shareNumber: ShareNumber): (error: unknown) => never {
  return (error) => {
    if (systemCode(error) !== 'ENOENT') throw error
    const details = { shareNumber, cause: error }
    throw new StorageError('STORAGE_NO_SUCH_SHARE', `there is no share ${shareNumber}`, details)
  }
}
