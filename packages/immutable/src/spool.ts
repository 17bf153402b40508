import { mkdtemp, open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concatBytes, convergenceHasher } from '@lafs/crypto'
import type { EncodingDefaults, IUploadable } from '@lafs/filesystem-interface'
import { interruptible } from '@lafs/storage-protocol/waiting'
import { fromHandle } from './file-uploadable.ts'
import { segmentSizeFor } from './geometry.ts'
import { isOnePass, uploadableFromBytes, uploadableFromStream as fromMemory } from './uploadable.ts'
import type { StreamUploadableOptions } from './uploadable.ts'

/** What a convergent key is made of, beside the content. */
export interface ConvergenceOptions extends Pick<
  EncodingDefaults,
  'requiredShares' | 'totalShares' | 'maxSegmentSize'
> {
  /** The convergence secret. */
  readonly secret: Uint8Array
}

/** Options of {@link uploadableFromStream}. */
export interface SpoolOptions extends StreamUploadableOptions {
  /** Default: the system's. */
  readonly temporaryFolder?: string | undefined
  /**
   * Makes the key while the stream arrives, so that the upload need not read everything for it. It
   * must be what the upload would have taken.
   */
  readonly convergence?: ConvergenceOptions | undefined
}

/** Streams of up to this many bytes are kept in memory. */
const MEMORY_MAX = 1024 * 1024
/** So much is written at once, in bytes. */
const WRITE_SIZE = 1024 * 1024

/**
 * An uploadable over a stream. Unless its size is known and its key random, the stream is read to
 * its end at once: into memory while it is short, else into a temporary file that only this user can
 * read, and that is gone when the uploadable is closed or the process ends.
 *
 * @param options.memoryLimit - the most bytes to keep in memory; default 1 MiB.
 */
export async function uploadableFromStream(
  stream: AsyncIterable<Uint8Array>,
  options: SpoolOptions = {},
): Promise<IUploadable> {
  if (isOnePass(options)) return fromMemory(stream, options)
  const {
    memoryLimit = MEMORY_MAX,
    temporaryFolder = tmpdir(),
    convergence,
    signal,
    size: _size,
    ...preferences
  } = options
  const early: Uint8Array[] = []
  const key = convergence && new ArrivingKey(convergence)
  let file: SpoolFile | undefined
  let size = 0
  try {
    for await (const piece of interruptible(stream, signal)) {
      size += piece.length
      key?.update(piece, early, size)
      if (file === undefined && size > memoryLimit) {
        file = await SpoolFile.open(temporaryFolder)
        for (const one of early.splice(0)) await file.append(one)
      }
      if (file === undefined) early.push(piece.slice())
      else await file.append(piece)
    }
    const convergentKey = key?.digest(early, size)
    if (file === undefined) {
      return { ...uploadableFromBytes(concatBytes(early), preferences), convergentKey }
    }
    const { close } = file
    return { ...fromHandle(await file.finish(), size, preferences), convergentKey, close }
  } catch (error) {
    await file?.close().catch(() => undefined)
    throw error
  }
}

/** The convergent key of content that arrives: it depends on the size while that is small. */
class ArrivingKey {
  readonly #options: ConvergenceOptions
  #hasher: ReturnType<typeof convergenceHasher> | undefined
  #missed = false

  constructor(options: ConvergenceOptions) {
    this.#options = options
  }

  /** @param early - everything before the piece, as long as nothing of it has been put away. */
  update(piece: Uint8Array, early: readonly Uint8Array[], size: number): void {
    if (this.#hasher === undefined && size > this.#options.maxSegmentSize) {
      const held = early.reduce((sum, one) => sum + one.length, 0)
      this.#missed = held + piece.length !== size
      this.#hasher = this.#begin(size)
      for (const one of early) this.#hasher.update(one)
    }
    this.#hasher?.update(piece)
  }

  /** @returns undefined where too much had been put away before it could begin. */
  digest(early: readonly Uint8Array[], size: number): Uint8Array | undefined {
    if (this.#missed) return undefined
    if (this.#hasher !== undefined) return this.#hasher.digest()
    if (early.reduce((sum, one) => sum + one.length, 0) !== size) return undefined
    const hasher = this.#begin(size)
    for (const one of early) hasher.update(one)
    return hasher.digest()
  }

  #begin(size: number): ReturnType<typeof convergenceHasher> {
    const { secret, requiredShares, totalShares, maxSegmentSize } = this.#options
    const segmentSize = segmentSizeFor(size, maxSegmentSize, requiredShares)
    return convergenceHasher(requiredShares, totalShares, segmentSize, secret)
  }
}

/** A file that fills: one piece of memory is written while the next one fills. */
class SpoolFile {
  readonly #handle: FileHandle
  #filling: Uint8Array = new Uint8Array(WRITE_SIZE)
  #spare: Uint8Array = new Uint8Array(WRITE_SIZE)
  #filled = 0
  #position = 0
  #writing: Promise<void> = Promise.resolve()
  /** Ends the file. */
  readonly close: () => Promise<void>

  private constructor(handle: FileHandle, folder: string | undefined) {
    this.#handle = handle
    this.close = async () => {
      await this.#writing.catch(() => undefined)
      await handle.close()
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    }
  }

  static async open(temporaryFolder: string): Promise<SpoolFile> {
    const folder = await mkdtemp(join(temporaryFolder, 'lafs-upload-'))
    const handle = await open(join(folder, 'data'), 'wx+', 0o600)
    // A file without a name goes with the process, however that ends. Some systems refuse it.
    const nameless = await rm(folder, { recursive: true }).then(
      () => true,
      () => false,
    )
    return new SpoolFile(handle, nameless ? undefined : folder)
  }

  async append(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + this.#filling.length - this.#filled)
      this.#filling.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === this.#filling.length) await this.#flush()
    }
  }

  async finish(): Promise<FileHandle> {
    await this.#flush()
    await this.#writing
    return this.#handle
  }

  async #flush(): Promise<void> {
    await this.#writing
    const full = this.#filling.subarray(0, this.#filled)
    this.#filling = this.#spare
    this.#spare = new Uint8Array(full.buffer)
    this.#filled = 0
    this.#writing = writeAll(this.#handle, full, this.#position)
    this.#writing.catch(() => undefined)
    this.#position += full.length
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at)
    at += bytesWritten
  }
}
