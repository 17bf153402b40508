import type { ServedShareReader } from './storage-server.ts'
import type {
  LeaseSecrets,
  ReadTestWriteResult,
  ReadVector,
  ShareKind,
  ShareNumber,
  SlotSecrets,
  StorageIndex,
  TestWriteVectors,
} from './types.ts'

/** A lease to put on a share: its secrets and when it ends, in seconds since 1970. */
export interface Lease extends LeaseSecrets {
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
 * server's business.
 */
export interface IncomingShare {
  /** Writes pieces that follow one another, from `offset` on; borrowed until the promise settles. */
  write(offset: number, pieces: readonly Uint8Array[]): Promise<void>
  /** Reads back what was written, for the check of repeated writes. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Makes the share visible, whole, in one step that survives a crash. */
  commit(): Promise<void>
  /** Drops the share and everything that it holds. */
  discard(): Promise<void>
}

/**
 * Where a storage server keeps its shares: the plug-in point of share stores.
 *
 * Each method is atomic with respect to the others on the same storage index. A crash at any point
 * leaves each share as it was before or as it is after, never between.
 */
export interface IShareStore {
  readonly name: string
  readonly capabilities: ShareStoreCapabilities

  /** Every share of a file, and its kind. Incoming shares are not seen. */
  shares(storageIndex: StorageIndex): Promise<Map<ShareNumber, ShareKind>>

  /** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`, `STORAGE_UNKNOWN_CONTAINER_VERSION`, `STORAGE_BAD_SHARE`. */
  open(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<ServedShareReader>

  /**
   * Begins an immutable share of `size` bytes with one lease.
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
   * Tests, reads and writes the shares of a mutable slot in one atomic step, and puts the lease on
   * every share that stands after it.
   *
   * @throws {@link StorageError} `STORAGE_BAD_WRITE_ENABLER`, `STORAGE_DATA_TOO_LARGE`, `STORAGE_NO_SPACE`.
   */
  readTestWrite(
    storageIndex: StorageIndex,
    secrets: SlotSecrets,
    testWriteVectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
    readVectors: readonly ReadVector[],
    expiresAtSeconds: number,
  ): Promise<ReadTestWriteResult>

  /** Adds a lease to one share, or renews the one with the same renew secret (never shortening it). */
  addLease(storageIndex: StorageIndex, shareNumber: ShareNumber, lease: Lease): Promise<void>
  leases(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredLease[]>

  /** Deletes one share for good. Deleting one that is not there does nothing. */
  delete(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<void>

  /** Every storage index that has a share, in the order of its base32 form. */
  storageIndexes(): AsyncIterable<StorageIndex>

  /** How much room there is; undefined when the store cannot know. */
  space(): Promise<StoreSpace | undefined>

  /** Keeps a report that a share is bad. `text` is one report, ready to be stored. */
  saveAdvisory(name: string, text: string): Promise<void>

  close(): Promise<void>
}

