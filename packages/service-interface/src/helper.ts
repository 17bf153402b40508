import type { EncodingParameters, UploadTimings } from '@lafs/filesystem-interface'
import type { OperationOptions, ShareNumber, StorageIndex } from '@lafs/storage-interface'
import type { ServiceVersion } from './version.ts'

/**
 * Ciphertext that a client offers to its helper: the remote form of `IEncryptedUploadable`.
 *
 * @see allmydata.interfaces.RIEncryptedUploadable
 */
export interface RIEncryptedUploadable {
  /** Bytes of ciphertext. */
  size(options?: OperationOptions): Promise<number>
  allEncodingParameters(options?: OperationOptions): Promise<EncodingParameters>
  /**
   * Reads up to `length` bytes from `offset` on, fewer at the end only. Offsets never fall from one
   * call to the next; what lies between two reads is passed over.
   *
   * @returns pieces that follow one another; they belong to the caller.
   */
  readEncrypted(offset: number, length: number, options?: OperationOptions): Promise<Uint8Array[]>
  /** Nothing more will be read. */
  close(options?: OperationOptions): Promise<void>
}

/**
 * What a helper tells of an upload. It knows no key, so the client makes the read cap from the hash
 * of the URI extension block. Servers are named by their ids.
 *
 * @see allmydata.immutable.upload.HelperUploadResults
 */
export interface HelperUploadResults {
  readonly timings: UploadTimings
  readonly sharemap: ReadonlyMap<ShareNumber, ReadonlySet<string>>
  readonly servermap: ReadonlyMap<string, ReadonlySet<ShareNumber>>
  /** Bytes; undefined where the file was in the grid before. */
  readonly fileSize: number | undefined
  /** Bytes that the helper fetched from the client. */
  readonly ciphertextFetched: number | undefined
  /** Shares that were in the grid before. */
  readonly preexistingShares: number | undefined
  /** Shares that the helper stored. */
  readonly pushedShares: number | undefined
  /** The fields of the URI extension block, by their own names. */
  readonly uriExtensionData: ReadonlyMap<string, number | string | Uint8Array> | undefined
  /** 32 bytes. */
  readonly uriExtensionHash: Uint8Array | undefined
}

/**
 * One upload through a helper. Clients that bring the same file share it.
 *
 * @see allmydata.interfaces.RICHKUploadHelper
 */
export interface RICHKUploadHelper {
  getVersion(options?: OperationOptions): Promise<ServiceVersion>
  /** Fetches the ciphertext from the reader, encodes and pushes it, and closes the reader. */
  upload(reader: RIEncryptedUploadable, options?: OperationOptions): Promise<HelperUploadResults>
}

/** What a helper says of a file: that it is in the grid, or how to bring it there. */
export interface HelperAnswer {
  /** Undefined where the file needs uploading. */
  readonly results: HelperUploadResults | undefined
  /** Takes the ciphertext; undefined where the file is in the grid. */
  readonly uploadHelper: RICHKUploadHelper | undefined
}

/**
 * Uploads files for clients with a slow way to the servers: they send the ciphertext once, and the
 * helper sends the shares.
 *
 * @see allmydata.interfaces.RIHelper
 */
export interface RIHelper {
  getVersion(options?: OperationOptions): Promise<ServiceVersion>
  /** Looks whether a file needs uploading, asking the servers that it would lie on. */
  uploadChk(storageIndex: StorageIndex, options?: OperationOptions): Promise<HelperAnswer>
}
