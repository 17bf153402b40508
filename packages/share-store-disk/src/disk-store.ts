import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import {
  DataTooLargeError,
  MAX_MUTABLE_SHARE_SIZE,
  NODE_ID_SIZE,
  NoSpaceError,
  StorageError,
} from '@lafs/storage-interface'
import type {
  IncomingShare,
  IShareStore,
  IShareStoreReader,
  Lease,
  LeaseRemoval,
  ShareNumber,
  SlotChange,
  StorageIndex,
  StoredLease,
} from '@lafs/storage-interface'
import { leasesOf } from './container-leases.ts'
import { DiskStoreReader } from './disk-reader.ts'
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
import {
  addImmutableLease,
  immutableHeader,
  immutableLease,
  removeImmutableLeases,
  renewImmutableLease,
  type ImmutableContainer,
} from './immutable-container.ts'
import { DiskIncomingShare } from './incoming-share.ts'
import { Journal } from './journal.ts'
import { LeaseFile } from './lease-file.ts'
import {
  addMutableLease,
  changeMutable,
  emptyMutable,
  MUTABLE_DATA_OFFSET,
  removeMutableLeases,
  type MutableContainer,
} from './mutable-container.ts'
import { bytesOfFile, BytesInMemory, type ShareBytes } from './share-bytes.ts'
import { PlannedChange } from './planned-change.ts'
import {
  readContainer,
  readIfSmall,
  SMALL_FILE,
  withShareFile,
  type Container,
} from './share-file.ts'
import { storeWhole, type WholeShare } from './whole-share.ts'

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
  /** Bytes of the journal that are held in memory until then. */
  readonly journaled: number
  commit(): Promise<void>
  /** Removes what was prepared, unless it was committed. */
  discard(): Promise<void>
}

/** A large share is changed in place when no more than this part of it changes: one of so many. */
const JOURNALED_PART = 4
/** And no more than so many bytes of all shares of one write, */
const JOURNALED_MAX = 8 * 1024 * 1024
/** by no more than so many writes, each of which is looked at for each other. */
const JOURNALED_WRITES_MAX = 1000

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

/**
 * Opens a share store in a folder to look at it, beside a server that uses it or without one: nothing
 * is made, changed or dropped. What such a server writes meanwhile may be seen before it is whole.
 *
 * @throws what the file system says where there is no such folder, `ENOENT` for one.
 */
export async function openDiskStore(
  options: Pick<DiskStoreOptions, 'folder'>,
): Promise<IShareStoreReader> {
  const { folder } = options
  await fs.access(join(folder, 'shares'))
  return new DiskStoreReader(folder)
}

class DiskStore extends DiskStoreReader implements IShareStore {
  readonly #incoming: string
  readonly #nodeId: Uint8Array
  readonly #uploads = new Set<DiskIncomingShare>()
  readonly #journal: Journal
  #incomingCount = 0

  constructor(folder: string, nodeId: Uint8Array) {
    super(folder)
    this.#incoming = join(this.sharesFolder, 'incoming')
    this.#journal = new Journal(join(folder, 'journal'), this.sharesFolder)
    this.#nodeId = nodeId
  }

  async prepare(): Promise<void> {
    await fs.rm(this.#incoming, { recursive: true, force: true })
    const changed = await makeFolder(this.#incoming)
    changed.push(...(await makeFolder(this.advisoriesFolder)))
    // Else a power cut could take the folder in which a share is safe.
    await syncFolders([...new Set(changed)])
    await this.#journal.recover()
  }

  async createImmutable(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    size: number,
    lease: Lease,
  ): Promise<IncomingShare> {
    const final = this.pathOf(storageIndex, shareNumber)
    const paths = { final, incoming: this.#nextIncoming('share') }
    const share = await DiskIncomingShare.create(this.pool, paths, size, lease, (ended) =>
      this.#uploads.delete(ended),
    )
    this.#uploads.add(share)
    return share
  }

  async storeImmutable(
    storageIndex: StorageIndex,
    shares: ReadonlyMap<ShareNumber, readonly Uint8Array[]>,
    lease: Lease,
  ): Promise<void> {
    this.assertOpen()
    const leaseRecord = immutableLease(2, lease)
    const whole = [...shares].map(([shareNumber, data]): WholeShare => {
      const dataSize = data.reduce((sum, { length }) => sum + length, 0)
      const header = immutableHeader(dataSize)
      return {
        incoming: this.#nextIncoming('share'),
        final: this.pathOf(storageIndex, shareNumber),
        pieces: [header, ...data, leaseRecord],
        size: header.length + dataSize + leaseRecord.length,
      }
    })
    if (whole.length === 0) return
    const folder = this.folderOf(this.sharesFolder, storageIndex)
    await storeWhole(folder, whole)
    if (whole.every(({ size }) => size <= SMALL_FILE)) this.warm.note(folder)
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
        const path = this.pathOf(storageIndex, shareNumber)
        const edit = async (file: ShareBytes, container: Container): Promise<void> =>
          this.#edit(file, container, change, lease, leaseRoom)
        const room = prepared.reduce((left, { journaled }) => left - journaled, JOURNALED_MAX)
        prepared.push(
          change.newLength === 0
            ? this.#deletion(path)
            : ((await this.#changeInPlace(path, change, edit, room)) ??
                (await this.#replacement(path, writeEnabler, change, edit))),
        )
      }
      await this.#commit(this.folderOf(this.sharesFolder, storageIndex), prepared)
    } catch (error) {
      await Promise.allSettled(prepared.map((change) => change.discard()))
      throw named(error)
    }
  }

  async addLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    lease: Lease,
    room: number,
  ): Promise<void> {
    const path = this.pathOf(storageIndex, shareNumber)
    await this.#withLeases(path, shareNumber, async (file, container) => {
      if (container.kind === 'mutable')
        return addMutableLease(file, container.header, lease, this.#nodeId, room)
      if (await renewImmutableLease(file, container.header, lease)) return undefined
      return container.header.recoverable
        ? addImmutableLease(file, container.header, lease, room)
        : this.#editCopy(path, (copy, header) => addImmutableLease(copy, header, lease, room))
    })
  }

  async removeLeases(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    isChosen: (lease: StoredLease) => boolean,
  ): Promise<LeaseRemoval> {
    const path = this.pathOf(storageIndex, shareNumber)
    return this.#withLeases(path, shareNumber, async (file, container) => {
      const leases = await leasesOf(file, container)
      const chosen = leases.flatMap((lease, index) => (isChosen(lease) ? [index] : []))
      const left = leases.length - chosen.length
      if (chosen.length > 0 && left === 0) {
        await this.#remove(path)
        await removeEmptyFolder(dirname(path))
      } else if (container.kind === 'mutable') {
        await removeMutableLeases(file, container.header, new Set(chosen))
      } else if (container.header.recoverable) {
        await removeImmutableLeases(file, container.header, chosen)
      } else if (chosen.length > 0) {
        await this.#editCopy(path, (copy, header) => removeImmutableLeases(copy, header, chosen))
      }
      return { removed: chosen.length, left }
    })
  }

  async delete(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<void> {
    await this.#remove(this.pathOf(storageIndex, shareNumber))
    await this.#settleFolder(this.folderOf(this.sharesFolder, storageIndex))
  }

  async saveAdvisory(name: string, text: string): Promise<void> {
    this.assertOpen()
    if (basename(name) !== name) throw new TypeError('advisory: expected the name of a file')
    try {
      await fs.writeFile(join(this.advisoriesFolder, name), text, { mode: 0o600 })
    } catch (error) {
      throw named(error)
    }
  }

  async saveState(name: string, text: string): Promise<void> {
    const path = this.statePath(name)
    const next = `${path}.tmp`
    try {
      const handle = await fs.open(next, 'w', 0o600)
      try {
        await handle.writeFile(text)
        // Else a power cut could leave the new name with nothing behind it.
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await fs.rename(next, path)
    } catch (error) {
      throw named(error)
    }
  }

  override async close(): Promise<void> {
    this.closed = true
    for (const share of this.#uploads) await share.discard()
    await super.close()
  }

  /** The path of a file on its way that no other has. */
  #nextIncoming(what: 'share' | 'copy'): string {
    this.#incomingCount += 1
    return join(this.#incoming, `${what}-${this.#incomingCount}`)
  }

  #deletion(path: string): PreparedChange {
    const commit = (): Promise<void> => this.#remove(path)
    return { kind: 'deletion', journaled: 0, commit, discard: async () => {} }
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
    const copy = this.#nextIncoming('copy')
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
      await this.pool.detach(path)
      await fs.rename(copy, path)
      if (small !== undefined) this.warm.note(dirname(path))
    }
    return { kind: 'replacement', journaled: 0, commit, discard }
  }

  /**
   * A change of a large share in place, by way of the journal; undefined where a copy serves better:
   * for a small share, one that a reader has open, or one of which much changes.
   *
   * @param room - bytes that the journal may still take for this write.
   */
  async #changeInPlace(
    path: string,
    change: SlotChange,
    edit: (file: ShareBytes, container: Container) => Promise<void>,
    room: number,
  ): Promise<PreparedChange | undefined> {
    if (this.warm.has(dirname(path)) || this.pool.has(path)) return undefined
    const handle = await openIfThere(path)
    if (handle === undefined) return undefined
    try {
      const { size } = await handle.stat()
      const written = change.writes.reduce((sum, { data }) => sum + data.length, 0)
      const most = Math.min(size / JOURNALED_PART, room)
      if (size <= SMALL_FILE || written > most) return undefined
      if (change.writes.length > JOURNALED_WRITES_MAX) return undefined
      const plan = new PlannedChange(bytesOfFile(handle), most)
      try {
        await edit(plan, await readContainer(plan))
      } catch (error) {
        if (plan.isTooLarge) return undefined
        throw error
      }
      const newSize = await plan.size()
      if (newSize - size > most) return undefined
      await extend(handle, size, newSize)
      const entry = await this.#journal.begin(this.#nameOf(path), await plan.changes())
      return { kind: 'in place', journaled: plan.written, ...entry }
    } finally {
      await handle.close()
    }
  }

  #nameOf(path: string): string {
    return relative(this.sharesFolder, path)
  }

  /** A mutable share in memory, an empty one where there is none; undefined for one that is not small. */
  async #smallMutable(path: string, writeEnabler: Uint8Array): Promise<BytesInMemory | undefined> {
    const warm = this.warmShare(path)
    if (warm !== undefined) return warm
    try {
      const handle = await fs.open(path, 'r')
      try {
        return await readIfSmall(handle, (await handle.stat()).size)
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
    if (await copyIfThere(path, copy)) return
    const handle = await openInFolder(copy, 'w')
    try {
      await writeAll(handle, 0, [emptyMutable(this.#nodeId, writeEnabler)])
    } finally {
      await handle.close()
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
  async #checkGrowth(header: MutableContainer, change: SlotChange): Promise<void> {
    const end = endOf(change)
    if (end > MAX_MUTABLE_SHARE_SIZE)
      throw new DataTooLargeError(`${end} bytes are more than a mutable share holds`)
    const growth = MUTABLE_DATA_OFFSET + end - header.extraLeasesOffset
    const room = growth > 0 ? ((await this.space())?.available ?? Infinity) : 0
    if (growth > room) throw new NoSpaceError(`no room for ${growth} more bytes`)
  }

  /** Makes prepared changes, and makes them outlast a power cut: deletions once the others have. */
  async #commit(folder: string, prepared: readonly PreparedChange[]): Promise<void> {
    const of = (kind: PreparedChange['kind']): PreparedChange[] =>
      prepared.filter((change) => change.kind === kind)
    const [replacements, deletions] = [of('replacement'), of('deletion')]
    const parents = replacements.length > 0 ? await makeFolder(folder) : []
    for (const change of [...replacements, ...of('in place')]) await change.commit()
    if (replacements.length > 0) await syncFolders([folder, ...parents])
    for (const change of deletions) await change.commit()
    if (deletions.length > 0) await this.#settleFolder(folder)
  }

  /** Works on the leases of a share, which nobody changes meanwhile. */
  async #withLeases<T>(
    path: string,
    shareNumber: ShareNumber,
    task: (file: LeaseFile, container: Container) => Promise<T>,
  ): Promise<T> {
    try {
      await this.#journal.settle(this.#nameOf(path))
      const file = this.warm.has(dirname(path))
        ? LeaseFile.openNow(path, shareNumber, 'r+')
        : await LeaseFile.open(path, shareNumber)
      try {
        return await task(file, await readContainer(file))
      } finally {
        file.close()
      }
    } catch (error) {
      throw named(error)
    }
  }

  /** Edits the leases of a share in a copy: its header cannot tell an interrupted edit from data. */
  async #editCopy(
    path: string,
    edit: (copy: LeaseFile, header: ImmutableContainer) => Promise<void>,
  ): Promise<void> {
    const copy = this.#nextIncoming('copy')
    try {
      await copyIfThere(path, copy)
      const file = await LeaseFile.open(copy, Number(basename(path)))
      try {
        const container = await readContainer(file)
        if (container.kind === 'immutable') await edit(file, container.header)
        await file.flush()
      } finally {
        file.close()
      }
      await this.pool.detach(path)
      await fs.rename(copy, path)
      await syncFolder(dirname(path))
    } catch (error) {
      await fs.rm(copy, { force: true })
      throw error
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#journal.settle(this.#nameOf(path))
    await this.pool.detach(path)
    try {
      await fs.unlink(path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
    }
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
  return writes.reduce((end, { offset, data }) => Math.max(end, offset + data.length), 0)
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await fs.open(path, 'r+')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Copies a file, cheaply where the file system can. @returns whether there is one. */
async function copyIfThere(path: string, copy: string): Promise<boolean> {
  const copyFile = (): Promise<void> => fs.copyFile(path, copy, constants.COPYFILE_FICLONE)
  try {
    await copyFile()
    return true
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
  // Which of the two is not there? To take a share for none would replace it by an empty one.
  const original = await openIfThere(path)
  if (original === undefined) return false
  await original.close()
  await makeFolder(dirname(copy))
  await copyFile()
  return true
}

/** Makes a file larger by zeros that stand on the disk: what is to be written there finds room. */
async function extend(handle: FileHandle, size: number, wanted: number): Promise<void> {
  if (wanted <= size) return
  await writeAll(handle, size, [new Uint8Array(wanted - size)])
  await handle.datasync()
}
