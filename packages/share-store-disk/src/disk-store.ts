import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { defaultCrypto, fromBase32, toBase32 } from '@lafs/crypto'
import {
  DataTooLargeError,
  MAX_BUCKETS,
  MAX_MUTABLE_SHARE_SIZE,
  NODE_ID_SIZE,
  NoSpaceError,
  STORAGE_INDEX_SIZE,
  StorageError,
} from '@lafs/storage-interface'
import type {
  IncomingShare,
  IShareStore,
  Lease,
  ShareNumber,
  ShareStoreCapabilities,
  SlotChange,
  StorageIndex,
  StoredLease,
  StoredShare,
  StoredShareKind,
  StoreSpace,
} from '@lafs/storage-interface'
import { FilePool } from './file-pool.ts'
import {
  makeFolder,
  named,
  openInFolder,
  removeEmptyFolder,
  syncFolder,
  syncFolders,
  systemCode,
  writeAll,
} from './files.ts'
import { addImmutableLease, immutableLeases, renewImmutableLease } from './immutable-container.ts'
import { DiskIncomingShare } from './incoming-share.ts'
import { Journal } from './journal.ts'
import {
  addMutableLease,
  changeMutable,
  emptyMutable,
  MUTABLE_DATA_OFFSET,
  mutableLeases,
  type MutableContainer,
} from './mutable-container.ts'
import { bytesOfFile, BytesInMemory, readExactly, type ShareBytes } from './share-bytes.ts'
import { PlannedChange } from './planned-change.ts'
import { warmFile, WarmFolders, warmNames } from './warm.ts'
import {
  kindOfFile,
  kindOfHeader,
  openShareFile,
  readContainer,
  readIfSmall,
  SMALL_FILE,
  withShareFile,
  type Container,
} from './share-file.ts'

/** Where a disk store stands and whose it is. */
export interface DiskStoreOptions {
  /** The folder that upstream calls `storage`: it gets `shares` and `corruption-advisories`. */
  readonly folder: string
  /** The 20 bytes of the server's TubID, kept with mutable shares and their leases. Default: zeros. */
  readonly nodeId?: Uint8Array
}

/** A change of a share that is ready: nothing of it shows before it is committed. */
interface PreparedChange {
  readonly kind: 'replacement' | 'in place' | 'deletion'
  commit(): Promise<void>
  /** Removes what was prepared, unless it was committed. */
  discard(): Promise<void>
}

/** A large share is changed in place when no more than this part of it changes: one of so many. */
const JOURNALED_PART = 4
/** And no more than so many bytes. */
const JOURNALED_MAX = 8 * 1024 * 1024

/** Files that stay open between uses, at most, but for open shares that were deleted or replaced. */
const OPEN_FILES = 256

/**
 * Opens a share store in a folder, making what is missing of it. Uploads that an earlier process
 * left unfinished are dropped. One process at a time may use a folder.
 *
 * @see allmydata.storage.immutable.ShareFile, allmydata.storage.mutable.MutableShareFile
 */
export async function createDiskStore(options: DiskStoreOptions): Promise<IShareStore> {
  const { folder, nodeId = new Uint8Array(NODE_ID_SIZE) } = options
  if (nodeId.length !== NODE_ID_SIZE)
    throw new RangeError(`node id: expected ${NODE_ID_SIZE} bytes, got ${nodeId.length}`)
  const store = new DiskStore(folder, nodeId.slice())
  await store.prepare()
  return store
}

class DiskStore implements IShareStore {
  readonly name = 'disk'
  readonly capabilities: ShareStoreCapabilities = { persistent: true, knowsSpace: true }
  readonly #shares: string
  readonly #incoming: string
  readonly #advisories: string
  readonly #nodeId: Uint8Array
  readonly #pool = new FilePool(OPEN_FILES)
  readonly #uploads = new Set<DiskIncomingShare>()
  readonly #warm = new WarmFolders()
  readonly #journal: Journal
  #copies = 0
  #closed = false

  constructor(folder: string, nodeId: Uint8Array) {
    this.#shares = join(folder, 'shares')
    this.#incoming = join(folder, 'shares', 'incoming')
    this.#advisories = join(folder, 'corruption-advisories')
    this.#journal = new Journal(join(folder, 'journal'), this.#shares)
    this.#nodeId = nodeId
  }

  async prepare(): Promise<void> {
    await fs.rm(this.#incoming, { recursive: true, force: true })
    await makeFolder(this.#incoming)
    await makeFolder(this.#advisories)
    await this.#journal.recover()
  }

  async shares(storageIndex: StorageIndex): Promise<Map<ShareNumber, StoredShareKind>> {
    this.#assertOpen()
    const folder = this.#folderOf(this.#shares, storageIndex)
    const found = new Map<ShareNumber, StoredShareKind>()
    for (const shareNumber of await this.shareNumbers(storageIndex)) {
      const path = join(folder, String(shareNumber))
      const warm = this.#warmShare(path)
      const kind = warm === undefined ? await kindOfFile(path) : kindOfHeader(warm.bytes)
      if (kind !== undefined) found.set(shareNumber, kind)
    }
    return found
  }

  async shareNumbers(storageIndex: StorageIndex): Promise<ShareNumber[]> {
    this.#assertOpen()
    const folder = this.#folderOf(this.#shares, storageIndex)
    const names = this.#warm.has(folder) ? warmNames(folder) : await namesIn(folder)
    return names
      .filter(isShareName)
      .map(Number)
      .toSorted((a, b) => a - b)
  }

  async open(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredShare> {
    const path = this.#pathOf(storageIndex, shareNumber)
    const warm = this.#warmShare(path)
    if (warm !== undefined) return storedShare(await readContainer(warm), warm)
    const handle = await openShareFile(path, shareNumber, 'r')
    let kept = false
    try {
      const whole = await readIfSmall(handle)
      if (whole !== undefined) {
        this.#warm.note(dirname(path))
        return storedShare(await readContainer(whole), whole)
      }
      const container = await readContainer(bytesOfFile(handle))
      const file = this.#pool.add(path, handle, 'r')
      kept = true
      const readUpTo: ShareBytes['readUpTo'] = (position, length) =>
        file.use((opened) => bytesOfFile(opened).readUpTo(position, length))
      return storedShare(container, { readUpTo }, () => file.close())
    } finally {
      if (!kept) await handle.close()
    }
  }

  async createImmutable(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    size: number,
    lease: Lease,
  ): Promise<IncomingShare> {
    const paths = {
      final: this.#pathOf(storageIndex, shareNumber),
      incoming: join(this.#folderOf(this.#incoming, storageIndex), String(shareNumber)),
    }
    const share = await DiskIncomingShare.create(this.#pool, paths, size, lease, (ended) =>
      this.#uploads.delete(ended),
    )
    this.#uploads.add(share)
    return share
  }

  async writeSlot(
    storageIndex: StorageIndex,
    writeEnabler: Uint8Array,
    changes: ReadonlyMap<ShareNumber, SlotChange>,
    lease: Lease,
    leaseRoom: number,
  ): Promise<void> {
    const prepared: PreparedChange[] = []
    try {
      for (const [shareNumber, change] of changes) {
        const path = this.#pathOf(storageIndex, shareNumber)
        const edit = async (file: ShareBytes, container: Container): Promise<void> =>
          this.#edit(file, container, change, lease, leaseRoom)
        prepared.push(
          change.newLength === 0
            ? this.#deletion(path)
            : ((await this.#changeInPlace(path, change, edit)) ??
                (await this.#replacement(path, writeEnabler, change, edit))),
        )
      }
      await this.#commit(this.#folderOf(this.#shares, storageIndex), prepared)
    } catch (error) {
      for (const change of prepared) await change.discard()
      throw named(error)
    }
  }

  async addLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    lease: Lease,
    room: number,
  ): Promise<void> {
    const path = this.#pathOf(storageIndex, shareNumber)
    await this.#journal.settle(this.#nameOf(path))
    const onCopy = await withShareFile(
      openShareFile(path, shareNumber, 'r+'),
      async (file, container) => {
        if (container.kind === 'mutable') {
          await addMutableLease(file, container.header, lease, this.#nodeId, room)
          return false
        }
        if (await renewImmutableLease(file, container.header, lease)) return false
        if (!container.header.recoverable) return true
        await addImmutableLease(file, container.header, lease, room)
        return false
      },
    )
    if (onCopy) await this.#addLeaseOnCopy(path, lease, room)
  }

  async leases(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredLease[]> {
    const path = this.#pathOf(storageIndex, shareNumber)
    return withShareFile(openShareFile(path, shareNumber, 'r'), (file, container) =>
      container.kind === 'mutable'
        ? mutableLeases(file, container.header)
        : immutableLeases(file, container.header),
    )
  }

  async delete(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<void> {
    await this.#remove(this.#pathOf(storageIndex, shareNumber))
    await this.#settleFolder(this.#folderOf(this.#shares, storageIndex))
  }

  async *storageIndexes(): AsyncGenerator<StorageIndex> {
    this.#assertOpen()
    for (const prefix of await namesIn(this.#shares)) {
      for (const name of await namesIn(join(this.#shares, prefix))) {
        const storageIndex = storageIndexOf(prefix, name)
        if (storageIndex === undefined) continue
        const shareNames = await namesIn(join(this.#shares, prefix, name))
        if (shareNames.some(isShareName)) yield storageIndex
      }
    }
  }

  async space(): Promise<StoreSpace | undefined> {
    this.#assertOpen()
    const { bavail, blocks, bsize } = await fs.statfs(this.#shares)
    return { available: bavail * bsize, total: blocks * bsize }
  }

  async saveAdvisory(name: string, text: string): Promise<void> {
    this.#assertOpen()
    if (basename(name) !== name) throw new TypeError('advisory: expected the name of a file')
    try {
      await fs.writeFile(join(this.#advisories, name), text, { mode: 0o600 })
    } catch (error) {
      throw named(error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const share of this.#uploads) await share.discard()
    await this.#pool.close()
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageError('STORAGE_CLOSED', 'the store has been closed')
  }

  /** `<room>/<first two characters>/<storage index in base32>` */
  #folderOf(room: string, storageIndex: StorageIndex): string {
    const { length } = storageIndex
    if (length !== STORAGE_INDEX_SIZE)
      throw new RangeError(`storage index: expected ${STORAGE_INDEX_SIZE} bytes, got ${length}`)
    const name = toBase32(storageIndex)
    return join(room, name.slice(0, 2), name)
  }

  #pathOf(storageIndex: StorageIndex, shareNumber: ShareNumber): string {
    this.#assertOpen()
    if (!isShareName(String(shareNumber)))
      throw new RangeError(`share number: expected one in [0, ${MAX_BUCKETS}), got ${shareNumber}`)
    return join(this.#folderOf(this.#shares, storageIndex), String(shareNumber))
  }

  #nextCopy(): string {
    this.#copies += 1
    return join(this.#incoming, `copy-${this.#copies}`)
  }

  #deletion(path: string): PreparedChange {
    return { kind: 'deletion', commit: () => this.#remove(path), discard: async () => {} }
  }

  /**
   * An edited copy of a mutable share, or of an empty one where there is none. A small share is edited
   * in memory, so that its copy takes one write.
   */
  async #replacement(
    path: string,
    writeEnabler: Uint8Array,
    change: SlotChange,
    edit: (file: ShareBytes, container: Container) => Promise<void>,
  ): Promise<PreparedChange> {
    const copy = this.#nextCopy()
    const discard = (): Promise<void> => fs.rm(copy, { force: true })
    const small =
      endOf(change) > SMALL_FILE ? undefined : await this.#smallMutable(path, writeEnabler)
    try {
      if (small === undefined) {
        const copied = await this.#copyWithoutData(path, copy, change)
        if (!copied) await this.#copyMutable(path, copy, writeEnabler)
        await withShareFile(fs.open(copy, 'r+'), edit)
      } else {
        await edit(small, await readContainer(small))
        const handle = await openInFolder(copy, 'w')
        try {
          await writeAll(handle, 0, [small.bytes])
          await handle.datasync()
        } finally {
          await handle.close()
        }
      }
    } catch (error) {
      await discard()
      throw error
    }
    const commit = async (): Promise<void> => {
      await this.#journal.settle(this.#nameOf(path))
      await this.#pool.detach(path)
      await fs.rename(copy, path)
      if (small !== undefined) this.#warm.note(dirname(path))
    }
    return { kind: 'replacement', commit, discard }
  }

  /**
   * A change of a large share in place, by way of the journal; undefined where a copy serves better:
   * for a small share, one that a reader has open, or one of which much changes.
   */
  async #changeInPlace(
    path: string,
    change: SlotChange,
    edit: (file: ShareBytes, container: Container) => Promise<void>,
  ): Promise<PreparedChange | undefined> {
    if (this.#warm.has(dirname(path)) || this.#pool.has(path)) return undefined
    const handle = await openIfThere(path)
    if (handle === undefined) return undefined
    try {
      const { size } = await handle.stat()
      const written = change.writes.reduce((sum, { data }) => sum + data.length, 0)
      const most = Math.min(size / JOURNALED_PART, JOURNALED_MAX)
      if (size <= SMALL_FILE || written > most) return undefined
      const file = bytesOfFile(handle)
      const plan = new PlannedChange(file)
      await edit(plan, await readContainer(plan))
      const newSize = await plan.size()
      if (plan.written > most || newSize - size > most) return undefined
      await extend(handle, size, newSize)
      const entry = await this.#journal.begin(this.#nameOf(path), await plan.changes())
      return { kind: 'in place', ...entry }
    } finally {
      await handle.close()
    }
  }

  #nameOf(path: string): string {
    return relative(this.#shares, path)
  }

  /** A small share that is in the memory of the operating system, if the file is there. */
  #warmShare(path: string): BytesInMemory | undefined {
    const folder = dirname(path)
    if (!this.#warm.has(folder)) return undefined
    try {
      const bytes = warmFile(path, SMALL_FILE)
      if (bytes === undefined) return undefined
      this.#warm.note(folder)
      return new BytesInMemory(bytes)
    } catch {
      // Who asks a thread gets the error in full.
      return undefined
    }
  }

  /** A mutable share in memory, an empty one where there is none; undefined for one that is not small. */
  async #smallMutable(path: string, writeEnabler: Uint8Array): Promise<BytesInMemory | undefined> {
    const warm = this.#warmShare(path)
    if (warm !== undefined) return warm
    try {
      const handle = await fs.open(path, 'r')
      try {
        return await readIfSmall(handle)
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      return new BytesInMemory(emptyMutable(this.#nodeId, writeEnabler))
    }
  }

  /** Copies the header and the leases of a mutable share all of whose data a change replaces. */
  async #copyWithoutData(path: string, copy: string, { writes }: SlotChange): Promise<boolean> {
    const [first] = writes
    const original = first?.offset === 0 ? await openIfThere(path) : undefined
    if (first === undefined || original === undefined) return false
    try {
      const file = bytesOfFile(original)
      const size = await file.size()
      const { kind, header } = await readContainer(file)
      if (kind !== 'mutable') return false
      // Up to here the file may hold what earlier data have left.
      const dataEnd = header.extraLeasesOffset
      const leasesSize = size - dataEnd
      if (MUTABLE_DATA_OFFSET + first.data.length < dataEnd) return false
      if (leasesSize < 0 || leasesSize > SMALL_FILE) return false
      const target = await openInFolder(copy, 'w')
      try {
        await writeAll(target, 0, [await file.readUpTo(0, MUTABLE_DATA_OFFSET)])
        await writeAll(target, dataEnd, [await file.readUpTo(dataEnd, leasesSize)])
      } finally {
        await target.close()
      }
      return true
    } finally {
      await original.close()
    }
  }

  /** Copies a mutable share, cheaply where the file system can, or begins a new one. */
  async #copyMutable(path: string, copy: string, writeEnabler: Uint8Array): Promise<void> {
    try {
      await fs.copyFile(path, copy, constants.COPYFILE_FICLONE)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      const handle = await openInFolder(copy, 'w')
      try {
        await writeAll(handle, 0, [emptyMutable(this.#nodeId, writeEnabler)])
      } finally {
        await handle.close()
      }
    }
  }

  async #edit(
    file: ShareBytes,
    container: Container,
    change: SlotChange,
    lease: Lease,
    leaseRoom: number,
  ): Promise<void> {
    if (container.kind !== 'mutable')
      throw new StorageError('STORAGE_UNKNOWN_CONTAINER_VERSION', 'the share is immutable')
    await this.#checkGrowth(container.header, change)
    const header = await changeMutable(file, container.header, change)
    await addMutableLease(file, header, lease, this.#nodeId, leaseRoom)
    await file.flush()
  }

  /** A file may have holes, so that a disk would take the promise of more bytes than it has. */
  async #checkGrowth(header: MutableContainer, { writes }: SlotChange): Promise<void> {
    const end = Math.max(0, ...writes.map(({ offset, data }) => offset + data.length))
    if (end > MAX_MUTABLE_SHARE_SIZE)
      throw new DataTooLargeError(`${end} bytes are more than a mutable share holds`)
    const growth = MUTABLE_DATA_OFFSET + end - header.extraLeasesOffset
    const room = growth > 0 ? ((await this.space())?.available ?? Infinity) : 0
    if (growth > room) throw new NoSpaceError(`no room for ${growth} more bytes`)
  }

  /** Makes prepared changes, and makes them outlast a power cut. */
  async #commit(folder: string, prepared: readonly PreparedChange[]): Promise<void> {
    const some = (wanted: PreparedChange['kind']): boolean =>
      prepared.some(({ kind }) => kind === wanted)
    const parents = some('replacement') ? await makeFolder(folder) : []
    for (const change of prepared) await change.commit()
    if (some('deletion')) await this.#settleFolder(folder)
    else if (some('replacement')) await syncFolder(folder)
    await syncFolders(parents)
  }

  /** Adds a lease to a share whose header cannot tell an interrupted one from data. */
  async #addLeaseOnCopy(path: string, lease: Lease, room: number): Promise<void> {
    const copy = this.#nextCopy()
    try {
      await fs.copyFile(path, copy, constants.COPYFILE_FICLONE)
      await withShareFile(fs.open(copy, 'r+'), async (file, container) => {
        if (container.kind !== 'immutable') return
        await addImmutableLease(file, container.header, lease, room)
        await file.flush()
      })
      await this.#pool.detach(path)
      await fs.rename(copy, path)
      await syncFolder(dirname(path))
    } catch (error) {
      await fs.rm(copy, { force: true })
      throw named(error)
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#journal.settle(this.#nameOf(path))
    await this.#pool.detach(path)
    await fs.rm(path, { force: true })
  }

  /** Removes the folder of a file when it is empty, and makes what happened last. */
  async #settleFolder(folder: string): Promise<void> {
    const gone = await removeEmptyFolder(folder)
    const settled = gone ? dirname(folder) : folder
    try {
      await syncFolder(settled)
    } catch (error) {
      // Nothing was ever stored there.
      if (systemCode(error) !== 'ENOENT') throw error
    }
  }
}

/** Where the data of a change end. */
function endOf({ writes }: SlotChange): number {
  return Math.max(0, ...writes.map(({ offset, data }) => offset + data.length))
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await fs.open(path, 'r+')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Makes a file larger by zeros that stand on the disk: what is to be written there finds room. */
async function extend(handle: FileHandle, size: number, wanted: number): Promise<void> {
  if (wanted <= size) return
  await writeAll(handle, size, [new Uint8Array(wanted - size)])
  await handle.datasync()
}

/** The names in a folder in the order of their bytes; none when it is not there. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).toSorted()
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
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

function isShareName(name: string): boolean {
  return /^(0|[1-9][0-9]{0,2})$/.test(name) && Number(name) < MAX_BUCKETS
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
