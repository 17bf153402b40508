import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'
import type { IncomingShare, Lease } from '@lafs/storage-interface'
import {
  makeFolder,
  named,
  openInFolder,
  removeEmptyFolder,
  syncFolders,
  writeAll,
} from './files.ts'
import { bytesOfFile, readExactly } from './share-bytes.ts'
import type { FilePool, PooledFile } from './file-pool.ts'
import { IMMUTABLE_HEADER_SIZE, immutableHeader, immutableLease } from './immutable-container.ts'

/**
 * An immutable share on its way: a file under `incoming/` that has its final form from the start.
 *
 * Committing it is: data to the disk, rename, names to the disk.
 */
export class DiskIncomingShare implements IncomingShare {
  readonly #file: PooledFile
  readonly #finalPath: string
  readonly #onEnd: (share: DiskIncomingShare) => void

  private constructor(
    file: PooledFile,
    finalPath: string,
    onEnd: (share: DiskIncomingShare) => void,
  ) {
    this.#file = file
    this.#finalPath = finalPath
    this.#onEnd = onEnd
  }

  /**
   * Makes the file, sparse, with its header and its lease.
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
      const share = new DiskIncomingShare(file, paths.final, onEnd)
      try {
        await file.use(async (opened) => {
          await writeAll(opened, 0, [immutableHeader(size)])
          await writeAll(opened, IMMUTABLE_HEADER_SIZE + size, [immutableLease(2, lease)])
        })
        return share
      } catch (error) {
        await share.discard()
        throw error
      }
    } catch (error) {
      await removeFolders(paths.incoming)
      throw named(error)
    }
  }

  async write(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#file.use((handle) => writeAll(handle, IMMUTABLE_HEADER_SIZE + offset, pieces))
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
      await this.#file.use((handle) => handle.datasync())
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
    await removeFolders(this.#file.path)
  }

  async discard(): Promise<void> {
    await this.#file.close()
    this.#onEnd(this)
    await fs.rm(this.#file.path, { force: true })
    await removeFolders(this.#file.path)
  }
}

/** Removes the folders of a file under `incoming/`, unless others still use them. */
async function removeFolders(path: string): Promise<void> {
  const folder = dirname(path)
  if (await removeEmptyFolder(folder)) await removeEmptyFolder(dirname(folder))
}
