import { mkdtemp, open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultCrypto } from '@lafs/crypto'
import type { SourceReadOptions } from '@lafs/filesystem-interface'

/** How much is read or filled at once, in bytes. */
const PIECE_SIZE = 1024 * 1024

/**
 * The content of a file while it is being written: in a file of its own that is encrypted with a key
 * which only this object knows, and that is gone when it is closed or the process ends.
 *
 * Operations must not overlap.
 *
 * @see allmydata.util.fileutil.EncryptedTemporaryFile
 */
export class TemporaryContent {
  /** What holds the file; undefined where the file has no name. */
  readonly #folder: string | undefined
  readonly #file: FileHandle
  readonly #key = defaultCrypto.randomBytes(16)
  #size = 0

  private constructor(folder: string | undefined, file: FileHandle) {
    this.#folder = folder
    this.#file = file
  }

  /** An empty one. @param parent - the folder for temporary files; default: the system's. */
  static async create(parent: string = tmpdir()): Promise<TemporaryContent> {
    const folder = await mkdtemp(join(parent, 'lafs-sftp-'))
    let file: FileHandle
    try {
      file = await open(join(folder, 'data'), 'wx+', 0o600)
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
    // A file without a name goes with the process, however that ends. Some systems refuse it.
    const nameless = await rm(folder, { recursive: true }).then(
      () => true,
      () => false,
    )
    return new TemporaryContent(nameless ? undefined : folder, file)
  }

  /** Bytes. */
  get size(): number {
    return this.#size
  }

  /** Up to `length` bytes from `offset` on; fewer at the end. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.#size - offset))
    const data = new Uint8Array(wanted)
    for (let at = 0; at < wanted;) {
      const { bytesRead } = await this.#file.read(data, at, wanted - at, offset + at)
      if (bytesRead === 0) throw new Error('a temporary file is shorter than it was written')
      at += bytesRead
    }
    await defaultCrypto.aesCtrInPlace(this.#key, data, { offset })
    return data
  }

  /** Writes at `offset`; between the end and there it fills with zeros. @param data - borrowed. */
  async write(offset: number, data: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#fill(offset, signal)
    await this.#put(offset, data.slice())
  }

  /** Cuts off what is beyond, or fills up with zeros. */
  async resize(size: number, signal?: AbortSignal): Promise<void> {
    await this.#fill(size, signal)
    if (size === this.#size) return
    await this.#file.truncate(size)
    this.#size = size
  }

  /** A pass over the content from `offset` on, while nothing is written. */
  async *readAll({
    offset = 0,
    pieceSize = PIECE_SIZE,
    signal,
  }: SourceReadOptions = {}): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < this.#size; at += pieceSize) {
      signal?.throwIfAborted()
      yield await this.read(at, pieceSize)
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }

  /** Zeros are written like other bytes: a hole would read as the keystream. */
  async #fill(end: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#size < end) {
      signal?.throwIfAborted()
      await this.#put(this.#size, new Uint8Array(Math.min(PIECE_SIZE, end - this.#size)))
    }
  }

  async #put(offset: number, data: Uint8Array): Promise<void> {
    await defaultCrypto.aesCtrInPlace(this.#key, data, { offset })
    for (let at = 0; at < data.length;) {
      const { bytesWritten } = await this.#file.write(data, at, data.length - at, offset + at)
      at += bytesWritten
    }
    this.#size = Math.max(this.#size, offset + data.length)
  }
}
