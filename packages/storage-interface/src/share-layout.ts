import type { OperationOptions, ReadTestWriteResult, TestWriteVectors } from './types.ts'

/** Options of {@link IStorageBucketWriter.putBlock}. */
export interface PutBlockOptions extends OperationOptions {
  /**
   * Told, once, when the block's memory may be used again: it has been sent, or never will be.
   * Without it the block is borrowed until the share is closed or aborted.
   */
  readonly onReleased?: (() => void) | undefined
}

/**
 * Writes one immutable share, section by section, onto a bucket.
 *
 * The sections come in the order of the methods below; blocks come in order of their segment.
 * Implementations gather small writes: a promise that settles means that the section is accepted,
 * and only {@link close} that it is stored.
 *
 * Upstream's `put_plaintext_hashes` is gone: the field stands in the layout, zeroed.
 *
 * @see allmydata.interfaces.IStorageBucketWriter
 */
export interface IStorageBucketWriter {
  /**
   * The block of one segment: all of one size but for the last.
   *
   * @param block - borrowed until {@link PutBlockOptions.onReleased}.
   */
  putBlock(segmentIndex: number, block: Uint8Array, options?: PutBlockOptions): Promise<void>
  /** Every node of the crypttext hash tree, root first. */
  putCrypttextHashes(hashes: readonly Uint8Array[], options?: OperationOptions): Promise<void>
  /** Every node of this share's block hash tree, root first. */
  putBlockHashes(hashes: readonly Uint8Array[], options?: OperationOptions): Promise<void>
  /** The nodes of the share hash tree that this share needs, by their number in that tree. */
  putShareHashes(hashes: ReadonlyMap<number, Uint8Array>, options?: OperationOptions): Promise<void>
  /** The URI extension block, packed. */
  putUriExtension(block: Uint8Array, options?: OperationOptions): Promise<void>
  /** Sends what is still held back and commits the share. */
  close(options?: OperationOptions): Promise<void>
  /** Drops the share. */
  abort(options?: OperationOptions): Promise<void>
}

/**
 * Reads the sections of one immutable share back.
 *
 * Nothing is verified here: each section comes as it stands. Each method rejects with
 * {@link StorageError} `STORAGE_BAD_SHARE` when the share's offsets make no sense.
 *
 * @see allmydata.interfaces.IStorageBucketReader
 */
export interface IStorageBucketReader {
  /**
   * @param segmentIndex - which segment.
   * @param blockSize - bytes of every block but the last one.
   * @param size - bytes of this block.
   */
  getBlock(
    segmentIndex: number,
    blockSize: number,
    size: number,
    options?: OperationOptions,
  ): Promise<Uint8Array>
  /** Every node of the crypttext hash tree, root first; 32 bytes each. */
  getCrypttextHashes(options?: OperationOptions): Promise<Uint8Array[]>
  /** Every node of this share's block hash tree, root first; 32 bytes each. */
  getBlockHashes(options?: OperationOptions): Promise<Uint8Array[]>
  /** Nodes of the share hash tree, 32 bytes each, by their number in that tree. */
  getShareHashes(options?: OperationOptions): Promise<Map<number, Uint8Array>>
  /** The URI extension block, packed. */
  getUriExtension(options?: OperationOptions): Promise<Uint8Array>
}

/**
 * Builds one share of a new version of a mutable file and writes it with one test-and-write. Nothing
 * is sent before the end; the parts may come in any order and are borrowed until then.
 *
 * A part of the wrong size, or one that is missing when it is needed, is a RangeError.
 *
 * @see allmydata.interfaces.IMutableSlotWriter
 */
export interface IMutableSlotWriter {
  /**
   * Sets the bytes that the share must begin with on the server for the write to go through. Without
   * it, or when they are none, there must be no such share.
   */
  setCheckstring(checkstring: Uint8Array): void
  /** The checkstring of the version being written: version byte, sequence number, root hash (and salt). */
  checkstring(): Uint8Array
  /** The block of one segment and the 16 bytes of the segment's salt. */
  putBlock(block: Uint8Array, segmentIndex: number, salt: Uint8Array): void
  /** The private key, as DER, encrypted with the write key. */
  putEncryptedPrivateKey(key: Uint8Array): void
  /** Every node of this share's block hash tree, root first. */
  putBlockHashes(hashes: readonly Uint8Array[]): void
  /** The nodes of the share hash tree that this share needs, by their number in that tree. */
  putShareHashes(hashes: ReadonlyMap<number, Uint8Array>): void
  /** The root of the share hash tree, 32 bytes: from then on {@link signable} is known. */
  putRootHash(rootHash: Uint8Array): void
  /** The bytes that the signature covers. */
  signable(): Uint8Array
  /** The signature over {@link signable}. */
  putSignature(signature: Uint8Array): void
  /** The public key, as DER. */
  putVerificationKey(key: Uint8Array): void
  /** What is to be tested and written, for a request that writes several shares of one server. */
  testWriteVectors(): TestWriteVectors
  /**
   * Sends everything in a request of its own. The outcome says whether the test held, and with which
   * bytes each share of the slot on that server began before: as many as a checkstring has.
   */
  finishPublishing(options?: OperationOptions): Promise<ReadTestWriteResult>
}
