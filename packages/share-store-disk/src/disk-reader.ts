import * as fs from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { defaultCrypto, fromBase32, toBase32 } from '@lafs/crypto'
import { MAX_BUCKETS, STORAGE_INDEX_SIZE, StorageError } from '@lafs/storage-interface'
import type {
  BucketRecord,
  IShareStoreReader,
  ShareNumber,
  ShareStoreCapabilities,
  StorageIndex,
  StoredAdvisory,
  StoredLease,
  StoredShare,
  StoredShareKind,
  StoreSpace,
} from '@lafs/storage-interface'
import { FilePool } from './file-pool.ts'
import { systemCode } from './files.ts'
import { leasesOf } from './container-leases.ts'
import { inspectFolder } from './inspect.ts'
import { bytesOfFile, BytesInMemory, readExactly, type ShareBytes } from './share-bytes.ts'
import {
  kindOfHeader,
  lookAtFile,
  openShareFile,
  readContainer,
  readIfSmall,
  SMALL_FILE,
  withShareFile,
  type Container,
} from './share-file.ts'
import { isShareName, namesIn } from './names.ts'
import { warmFile, WarmFolders, warmNames } from './warm.ts'

/** Files that stay open between uses, at most, but for open shares that were deleted or replaced. */
const OPEN_FILES = 256

/** The part of a disk store that changes nothing. */
export class DiskStoreReader implements IShareStoreReader {
  readonly name = 'disk'
  readonly capabilities: ShareStoreCapabilities = { persistent: true, knowsSpace: true }
  protected readonly folder: string
  protected readonly sharesFolder: string
  protected readonly advisoriesFolder: string
  protected readonly pool: FilePool = new FilePool(OPEN_FILES)
  protected readonly warm: WarmFolders = new WarmFolders()
  protected closed = false

  constructor(folder: string) {
    this.folder = folder
    this.sharesFolder = join(folder, 'shares')
    this.advisoriesFolder = join(folder, 'corruption-advisories')
  }

  async shares(storageIndex: StorageIndex): Promise<Map<ShareNumber, StoredShareKind>> {
    this.assertOpen()
    const folder = this.folderOf(this.sharesFolder, storageIndex)
    const found = new Map<ShareNumber, StoredShareKind>()
    let areWhole = true
    for (const shareNumber of await this.shareNumbers(storageIndex)) {
      const path = join(folder, String(shareNumber))
      const warm = this.warmShare(path)
      const looked =
        warm === undefined
          ? await lookAtFile(path)
          : { kind: kindOfHeader(warm.bytes), isWhole: true }
      if (looked !== undefined) found.set(shareNumber, looked.kind)
      areWhole &&= looked?.isWhole === true
    }
    // Who asks what there is reads it next.
    if (areWhole && found.size > 0) this.warm.note(folder)
    return found
  }

  async shareNumbers(storageIndex: StorageIndex): Promise<ShareNumber[]> {
    this.assertOpen()
    const folder = this.folderOf(this.sharesFolder, storageIndex)
    const names = this.warm.has(folder) ? warmNames(folder) : await namesIn(folder)
    return names
      .filter(isShareName)
      .map(Number)
      .toSorted((a, b) => a - b)
  }

  async open(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredShare> {
    const path = this.pathOf(storageIndex, shareNumber)
    const warm = this.warmShare(path)
    if (warm !== undefined) return storedShare(await readContainer(warm), warm)
    const handle = await openShareFile(path, shareNumber, 'r')
    let kept = false
    try {
      const { size } = await handle.stat()
      const whole = await readIfSmall(handle, size)
      if (whole !== undefined) {
        this.warm.note(dirname(path))
        return storedShare(await readContainer(whole), whole)
      }
      const container = await readContainer({ ...bytesOfFile(handle), size: async () => size })
      const file = this.pool.add(path, handle, 'r')
      kept = true
      const readUpTo: ShareBytes['readUpTo'] = (position, length) =>
        file.use((opened) => bytesOfFile(opened).readUpTo(position, length))
      return storedShare(container, { readUpTo }, () => file.close())
    } finally {
      if (!kept) await handle.close()
    }
  }

  async leases(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredLease[]> {
    const path = this.pathOf(storageIndex, shareNumber)
    return withShareFile(openShareFile(path, shareNumber, 'r'), leasesOf)
  }

  async *storageIndexes(): AsyncGenerator<StorageIndex> {
    this.assertOpen()
    for (const prefix of await namesIn(this.sharesFolder)) {
      for (const name of await namesIn(join(this.sharesFolder, prefix))) {
        const storageIndex = storageIndexOf(prefix, name)
        if (storageIndex === undefined) continue
        const shareNames = await namesIn(join(this.sharesFolder, prefix, name))
        if (shareNames.some(isShareName)) yield storageIndex
      }
    }
  }

  async space(): Promise<StoreSpace | undefined> {
    this.assertOpen()
    const { bavail, bfree, blocks, bsize } = await fs.statfs(this.sharesFolder)
    return { available: bavail * bsize, free: bfree * bsize, total: blocks * bsize }
  }

  async bucketNames(prefix: string): Promise<string[]> {
    this.assertOpen()
    const names = warmNames(join(this.sharesFolder, prefix))
    return names.filter((name) => storageIndexOf(prefix, name) !== undefined).toSorted()
  }

  async inspect(storageIndex: StorageIndex): Promise<BucketRecord> {
    this.assertOpen()
    return inspectFolder(this.folderOf(this.sharesFolder, storageIndex))
  }

  async *advisories(): AsyncGenerator<StoredAdvisory> {
    this.assertOpen()
    for (const name of await namesIn(this.advisoriesFolder)) {
      const text = await readIfThere(join(this.advisoriesFolder, name))
      if (text !== undefined) yield { name, text }
    }
  }

  async readState(name: string): Promise<string | undefined> {
    return readIfThere(this.statePath(name))
  }

  async close(): Promise<void> {
    this.closed = true
    await this.pool.close()
  }

  protected assertOpen(): void {
    if (this.closed) throw new StorageError('STORAGE_CLOSED', 'the store has been closed')
  }

  /** `<room>/<first two characters>/<storage index in base32>` */
  protected folderOf(room: string, storageIndex: StorageIndex): string {
    const { length } = storageIndex
    if (length !== STORAGE_INDEX_SIZE)
      throw new RangeError(`storage index: expected ${STORAGE_INDEX_SIZE} bytes, got ${length}`)
    const name = toBase32(storageIndex)
    return join(room, name.slice(0, 2), name)
  }

  protected pathOf(storageIndex: StorageIndex, shareNumber: ShareNumber): string {
    this.assertOpen()
    if (!isShareName(String(shareNumber)))
      throw new RangeError(`share number: expected one in [0, ${MAX_BUCKETS}), got ${shareNumber}`)
    return join(this.folderOf(this.sharesFolder, storageIndex), String(shareNumber))
  }

  /** States stand beside the folder of the shares. */
  protected statePath(name: string): string {
    this.assertOpen()
    if (basename(name) !== name) throw new TypeError('state: expected the name of a file')
    return join(this.folder, name)
  }

  /** A small share that is in the memory of the operating system, if the file is there. */
  protected warmShare(path: string): BytesInMemory | undefined {
    const folder = dirname(path)
    if (!this.warm.has(folder)) return undefined
    try {
      const bytes = warmFile(path, SMALL_FILE)
      if (bytes === undefined) return undefined
      this.warm.note(folder)
      return new BytesInMemory(bytes)
    } catch {
      // Who asks a thread gets the error in full.
      return undefined
    }
  }
}

/** The text of a file; undefined when there is none. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'EISDIR') return undefined
    throw error
  }
}

/** A share whose bytes a reader gets at, until it closes them. */
function storedShare(
  { kind, header, dataOffset }: Container,
  file: Pick<ShareBytes, 'readUpTo'>,
  close: () => Promise<void> = async () => {},
): StoredShare {
  return {
    kind,
    length: header.dataLength,
    read: (offset, length) => {
      const size = Math.max(0, Math.min(length, header.dataLength - offset))
      return readExactly(file, dataOffset + offset, size)
    },
    writeEnablerMatches: (candidate) =>
      kind === 'mutable' && defaultCrypto.timingSafeEqual(candidate, header.writeEnabler),
    close,
  }
}

/** The storage index that a folder stands for; undefined when its name is none. */
function storageIndexOf(prefix: string, name: string): StorageIndex | undefined {
  if (name.slice(0, 2) !== prefix) return undefined
  try {
    const storageIndex = fromBase32(name)
    return storageIndex.length === STORAGE_INDEX_SIZE ? storageIndex : undefined
  } catch {
    return undefined
  }
}
