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

/**
 * What to do to one mutable share: write all of `writes` in order, then cut its data to `newLength`
 * where that is shorter. A `newLength` of 0 deletes the share instead.
 */
export interface SlotChange {
  readonly writes: readonly WriteVector[]
  readonly newLength?: number | undefined
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
export interface IShareStore {
  readonly name: string
  readonly capabilities: ShareStoreCapabilities

  /** What stands under a storage index. Incoming shares are not seen. Never fails for a damaged share. */
  shares(storageIndex: StorageIndex): Promise<Map<ShareNumber, StoredShareKind>>

  /** The numbers of {@link shares} alone, in rising order: cheaper, since it looks into none of them. */
  shareNumbers(storageIndex: StorageIndex): Promise<ShareNumber[]>

  /** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`, `STORAGE_UNKNOWN_CONTAINER_VERSION`, `STORAGE_BAD_SHARE`. */
  open(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredShare>

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
  leases(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredLease[]>

  /** Deletes one share for good. Deleting one that is not there does nothing. */
  delete(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<void>

  /** Every storage index that has a share, in the order of its base32 form. */
  storageIndexes(): AsyncIterable<StorageIndex>

  /** How much room there is; undefined when the store cannot know. */
  space(): Promise<StoreSpace | undefined>

  /** Keeps a report that a share is bad. `text` is one report, ready to be stored. */
  saveAdvisory(name: string, text: string): Promise<void>

  /** Drops incoming shares and closes what is open. Other methods then reject with `STORAGE_CLOSED`. */
  close(): Promise<void>
}
