import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { IncomingShare, Lease } from '@lafs/storage-interface'
import { makeFolder, named, openInFolder, syncFolders, writeAll } from './files.ts'
import { bytesOfFile, readExactly } from './share-bytes.ts'
import type { FilePool, PooledFile } from './file-pool.ts'
import { IMMUTABLE_HEADER_SIZE, immutableHeader, immutableLease } from './immutable-container.ts'

/**
 * An immutable share on its way: a file under `incoming/`. Its header and its lease go along with the
 * data next to them.
 *
 * Committing it is: what is missing around the data, everything to the disk, rename, names to the disk.
 */
export class DiskIncomingShare implements IncomingShare {
  readonly #file: PooledFile
  readonly #finalPath: string
  readonly #lease: Uint8Array
  readonly #onEnd: (share: DiskIncomingShare) => void
  #size: number
  /** Whether the file has its header, and its lease behind the data. */
  #hasHeader = false
  #hasLease = false

  private constructor(
    file: PooledFile,
    finalPath: string,
    size: number,
    lease: Uint8Array,
    onEnd: (share: DiskIncomingShare) => void,
  ) {
    this.#file = file
    this.#finalPath = finalPath
    this.#size = size
    this.#lease = lease
    this.#onEnd = onEnd
  }

  /**
   * Makes the file.
   *
   * @param onEnd - called once the share has been committed or dropped.
   */
  static async create(
    pool: FilePool,
    paths: { readonly incoming: string; readonly final: string },
    size: number,
    lease: Lease,
    onEnd: (share: DiskIncomingShare) => void,
  ): Promise<DiskIncomingShare> {
    try {
      const handle = await openInFolder(paths.incoming, 'w+')
      const file = pool.add(paths.incoming, handle, 'r+')
      return new DiskIncomingShare(file, paths.final, size, immutableLease(2, lease), onEnd)
    } catch (error) {
      throw named(error)
    }
  }

  async write(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#file.use((handle) => this.#writeAt(handle, offset, pieces))
    } catch (error) {
      throw named(error)
    }
  }

  async resize(size: number): Promise<void> {
    try {
      await this.#file.use(async (handle) => {
        // The lease goes with the end; where it stood there are zeros again.
        this.#hasHeader = false
        this.#hasLease = false
        await handle.truncate(IMMUTABLE_HEADER_SIZE + Math.min(size, this.#size))
      })
      this.#size = size
    } catch (error) {
      throw named(error)
    }
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#file.use((handle) =>
      readExactly(bytesOfFile(handle), IMMUTABLE_HEADER_SIZE + offset, length),
    )
  }

  async commit(): Promise<void> {
    const folder = dirname(this.#finalPath)
    let renamed = false
    try {
      await this.#file.use(async (handle) => {
        if (!this.#hasHeader) await this.#writeAt(handle, 0, [])
        if (!this.#hasLease) await this.#writeAt(handle, this.#size, [])
        await handle.datasync()
      })
      await this.#file.close()
      const parents = await makeFolder(folder)
      await fs.rename(this.#file.path, this.#finalPath)
      renamed = true
      await syncFolders([folder, ...parents])
    } catch (error) {
      if (renamed) await fs.rm(this.#finalPath, { force: true })
      await this.discard()
      throw named(error)
    }
    this.#onEnd(this)
  }

  async discard(): Promise<void> {
    await this.#file.close()
    this.#onEnd(this)
    await fs.rm(this.#file.path, { force: true })
  }

  /** Writes data, with the header where they are the first, and the lease where they are the last. */
  async #writeAt(handle: FileHandle, offset: number, data: readonly Uint8Array[]): Promise<void> {
    const end = data.reduce((sum, { length }) => sum + length, offset)
    const header = offset === 0 && !this.#hasHeader ? [immutableHeader(this.#size)] : []
    const lease = end === this.#size && !this.#hasLease ? [this.#lease] : []
    const position = header.length > 0 ? 0 : IMMUTABLE_HEADER_SIZE + offset
    await writeAll(handle, position, [...header, ...data, ...lease])
    this.#hasHeader ||= header.length > 0
    this.#hasLease ||= lease.length > 0
  }
}
