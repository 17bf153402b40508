import type { StorageError } from './errors.ts'
import type { ServedShareReader } from './storage-server.ts'
import type { LeaseSecrets, ShareKind, ShareNumber, StorageIndex, WriteVector } from './types.ts'

/**
 * The greatest size of the data of a mutable share, in bytes.
 *
 * It is above `Number.MAX_SAFE_INTEGER` (though exact), so that it can be announced but never reached.
 *
 * @see allmydata.mutable.layout.MAX_MUTABLE_SHARE_SIZE
 */
export const MAX_MUTABLE_SHARE_SIZE: number = 69_105 * 10 ** 12

/** A lease to put on a share: its secrets and when it ends, in seconds since 1970. */
export interface Lease extends LeaseSecrets {
  /** 0 on immutable shares as they are made, 1 otherwise: nothing reads it but upstream's tools. */
  readonly ownerNumber: number
  readonly expiresAtSeconds: number
}

/** A lease as a store remembers it: when it ends. Its secrets may be known as hashes only. */
export interface StoredLease {
  readonly ownerNumber: number
  readonly expiresAtSeconds: number
  /** Whether the lease was made with this cancel secret, in constant time. */
  cancelSecretMatches(cancelSecret: Uint8Array): boolean
}

/** What a store can do; the conformance suite reads it. */
export interface ShareStoreCapabilities {
  /** Whether shares outlive the process. */
  readonly persistent: boolean
  /** Whether {@link IShareStore.space} knows how much room is left. */
  readonly knowsSpace: boolean
}

/** Room in a store, in bytes. */
export interface StoreSpace {
  /** All there is for this process, before any reserve. */
  readonly available: number
  /** All that is not in use, what only the system may take included. */
  readonly free: number
  readonly total: number
}

/**
 * An immutable share that is being written: not visible until it is committed.
 *
 * The store keeps only the bytes; which ranges were written, conflicts and idleness are the storage
 * server's business. Calls on one share do not overlap.
 */
export interface IncomingShare {
  /**
   * Writes pieces that follow one another, from `offset` on, within the size that was asked for;
   * borrowed until the promise settles.
   *
   * @throws {@link StorageError} `STORAGE_NO_SPACE`; what was written before stays.
   */
  write(offset: number, pieces: readonly Uint8Array[]): Promise<void>
  /**
   * Changes the size of the share; nothing was written past it.
   *
   * @throws {@link StorageError} `STORAGE_NO_SPACE`; the size is as before.
   */
  resize(size: number): Promise<void>
  /** Reads back what was written, for the check of repeated writes. */
  read(offset: number, length: number): Promise<Uint8Array>
  /**
   * Makes the share visible, whole, in one step that survives a crash. Ends this object: when it
   * rejects the share is dropped.
   */
  commit(): Promise<void>
  /** Drops the share and everything that it holds. Ends this object. */
  discard(): Promise<void>
}

/**
 * What stands where a share would: one of the two kinds, or `unknown` for something that the store
 * cannot read and will not overwrite (a damaged container, or one of a later version).
 */
export type StoredShareKind = ShareKind | 'unknown'

/** A share of a store, opened for reading: a snapshot that later writes do not change. */
export interface StoredShare extends ServedShareReader {
  readonly kind: ShareKind
  /** Whether a mutable share was made with this write enabler, in constant time. */
  writeEnablerMatches(writeEnabler: Uint8Array): boolean
}

/** One share as those see it who take stock. */
export interface ShareRecord {
  readonly shareNumber: ShareNumber
  /** `unknown` for every share that is {@link ShareRecord.damage | damaged}. */
  readonly kind: StoredShareKind
  /** Bytes of the share with its header and its leases. */
  readonly containerBytes: number
  /** Bytes that it takes of the room there is. */
  readonly diskBytes: number
  /** In the order in which the store keeps them; none of a damaged share. */
  readonly leases: readonly StoredLease[]
  /** Why nothing can be told of the share: `STORAGE_BAD_SHARE` or `STORAGE_UNKNOWN_CONTAINER_VERSION`. */
  readonly damage: StorageError | undefined
}

/** All shares of one storage index as those see them who take stock. */
export interface BucketRecord {
  /** Bytes that it takes besides those of its shares, such as a folder's. */
  readonly diskBytes: number
  /** By rising number. */
  readonly shares: readonly ShareRecord[]
}

/** A report that a share is bad, as it was saved. */
export interface StoredAdvisory {
  readonly name: string
  readonly text: string
}

/**
 * What to do to one mutable share: write all of `writes` in order, then cut its data to `newLength`
 * where that is shorter. A `newLength` of 0 deletes the share instead.
 */
export interface SlotChange {
  readonly writes: readonly WriteVector[]
  readonly newLength?: number | undefined
}

/**
 * A share store as an onlooker sees it, who changes nothing.
 *
 * A storage index of other than 16 bytes or a share number outside `[0, 256)` is the caller's mistake.
 */
export interface IShareStoreReader {
  readonly name: string
  readonly capabilities: ShareStoreCapabilities

  /** What stands under a storage index. Incoming shares are not seen. Never fails for a damaged share. */
  shares(storageIndex: StorageIndex): Promise<Map<ShareNumber, StoredShareKind>>

  /** The numbers of {@link IShareStoreReader.shares} alone, in rising order: cheaper, since it looks into none of them. */
  shareNumbers(storageIndex: StorageIndex): Promise<ShareNumber[]>

  /** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`, `STORAGE_UNKNOWN_CONTAINER_VERSION`, `STORAGE_BAD_SHARE`. */
  open(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredShare>

  /** @throws {@link StorageError} those of {@link IShareStoreReader.open}. */
  leases(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredLease[]>

  /** Every storage index that has a share, in the order of its base32 form. */
  storageIndexes(): AsyncIterable<StorageIndex>

  /** How much room there is; undefined when the store cannot know. */
  space(): Promise<StoreSpace | undefined>

  /**
   * The storage indexes that begin with two characters, in base32 and in order: one of the steps of a
   * walk through the store. May name one that has no share.
   */
  bucketNames(prefix: string): Promise<string[]>

  /**
   * Takes stock of what stands under a storage index: cheaper than asking share by share. Never fails
   * for a damaged share. A store of files may look at them here and now, so that thousands of calls
   * take less than the tenth of what threads would; the caller sees to it that others get their turn.
   */
  inspect(storageIndex: StorageIndex): Promise<BucketRecord>

  /** The reports that were saved, by name. */
  advisories(): AsyncIterable<StoredAdvisory>

  /** What was saved last under a name; undefined when nothing was. */
  readState(name: string): Promise<string | undefined>

  /** Closes what is open. Other methods then reject with `STORAGE_CLOSED`. */
  close(): Promise<void>
}

/** What came of letting go of leases. */
export interface LeaseRemoval {
  readonly removed: number
  /** With none left the share has been deleted, if any was removed. */
  readonly left: number
}

/**
 * Where a storage server keeps its shares: the plug-in point of share stores.
 *
 * A store moves bytes and decides nothing: what may be written, and whether tests hold, is the
 * storage server's business. It calls a store's methods for one storage index one at a time
 * (incoming shares and opened ones apart, which go on beside). A crash at any point leaves each share
 * as it was before or as it is after, never between.
 *
 * A storage index of other than 16 bytes or a share number outside `[0, 256)` is the caller's mistake.
 */
export interface IShareStore extends IShareStoreReader {
  /**
   * Begins an immutable share of `size` bytes with one lease. The storage server begins no share twice.
   *
   * @throws {@link StorageError} `STORAGE_NO_SPACE`.
   */
  createImmutable(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    size: number,
    lease: Lease,
  ): Promise<IncomingShare>

  /**
   * Stores immutable shares of one file whole, each with a lease of its own, in as few steps as the store
   * can. Once it settles they are visible and survive a crash; when it rejects none of them is there.
   * A crash amid it leaves each share whole, or none of it. The storage server stores no share twice.
   *
   * @param shares - the bytes of each, in pieces that follow one another; borrowed until the promise
   *   settles.
   * @throws {@link StorageError} `STORAGE_NO_SPACE`.
   */
  storeImmutable(
    storageIndex: StorageIndex,
    shares: ReadonlyMap<ShareNumber, readonly Uint8Array[]>,
    lease: Lease,
  ): Promise<void>

  /**
   * Changes shares of a mutable slot, making those that are not there, and adds or renews the lease
   * on each of them that stands afterwards. When it rejects nothing is changed, a crash or failure
   * amid the last step (of one cheap operation a share) apart; each share is whole even then.
   *
   * @param writeEnabler - kept with the shares that are made; the caller has compared it with others.
   * @param leaseRoom - how many bytes of room new leases may take; may be `Infinity`.
   * @throws {@link StorageError} `STORAGE_DATA_TOO_LARGE`, `STORAGE_NO_SPACE`, `STORAGE_BAD_SHARE`,
   *   `STORAGE_UNKNOWN_CONTAINER_VERSION`.
   */
  writeSlot(
    storageIndex: StorageIndex,
    writeEnabler: Uint8Array,
    changes: ReadonlyMap<ShareNumber, SlotChange>,
    lease: Lease,
    leaseRoom: number,
  ): Promise<void>

  /**
   * Adds a lease to one share, or renews the one with the same renew secret (never shortening it).
   *
   * @param room - as in {@link IShareStore.writeSlot}.
   * @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`, `STORAGE_NO_SPACE`, `STORAGE_BAD_SHARE`,
   *   `STORAGE_UNKNOWN_CONTAINER_VERSION`.
   */
  addLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    lease: Lease,
    room: number,
  ): Promise<void>

  /**
   * Lets go of the leases of one share that `isChosen` says yes to; a share whose last one goes is
   * deleted. One without leases stays as it is. Neither has to outlast a power cut at once: nothing is
   * lost when a lease that was let go comes back.
   *
   * @returns how many leases went, and how many are left.
   * @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`, `STORAGE_BAD_SHARE`,
   *   `STORAGE_UNKNOWN_CONTAINER_VERSION`.
   */
  removeLeases(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    isChosen: (lease: StoredLease) => boolean,
  ): Promise<LeaseRemoval>

  /** Deletes one share for good. Deleting one that is not there does nothing. */
  delete(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<void>

  /** Keeps a report that a share is bad. `text` is one report, ready to be stored. */
  saveAdvisory(name: string, text: string): Promise<void>

  /**
   * Keeps a state under a name, such as `lease_checker.state.json`, in place of the one before, in one
   * step: a crash leaves either. It need not outlast a power cut at once.
   */
  saveState(name: string, text: string): Promise<void>

  /** Drops incoming shares and closes what is open. Other methods then reject with `STORAGE_CLOSED`. */
  close(): Promise<void>
}
