import type { IStorageBucketWriter, OperationOptions, ShareNumber } from '@lafs/storage-interface'
import type { ProgressOptions } from './progress.ts'
import type { IVerifierURI } from './uri.ts'

/**
 * How an upload is to be encoded, before the size of the file is known.
 * `1 <= requiredShares <= totalShares <= 256` and `1 <= happyShares <= totalShares`. Upstream's
 * names: k, happy, n, max_segment_size.
 */
export interface EncodingDefaults {
  readonly requiredShares: number
  /** On how many servers the shares must lie, in the sense of servers of happiness. */
  readonly happyShares: number
  readonly totalShares: number
  /** Bytes, before rounding up to a multiple of `requiredShares`. */
  readonly maxSegmentSize: number
}

/** How one file is encoded. */
export interface EncodingParameters {
  readonly requiredShares: number
  readonly happyShares: number
  readonly totalShares: number
  /** Bytes; a multiple of `requiredShares`. The last segment may be shorter. */
  readonly segmentSize: number
}

/** Options of {@link IUploadable.read}. */
export interface SourceReadOptions extends OperationOptions {
  /** Where to begin. Default: 0. */
  readonly offset?: number | undefined
  /**
   * The size of piece that suits the reader, in bytes: a hint. Pieces may be of any size, and each
   * pass may cut them differently.
   */
  readonly pieceSize?: number | undefined
}

/** How a pass over ciphertext goes. */
export interface EncryptedReadOptions extends SourceReadOptions {
  /**
   * Gives the memory for the next piece, `size` bytes of it, which is then yielded itself. A hint:
   * pieces may come in other memory. Default: fresh memory for each.
   */
  readonly allocate?: ((size: number) => Uint8Array) | undefined
}

/**
 * Bytes to be uploaded into an immutable file: its size, its preferences and a way to read it as
 * often as need be.
 *
 * A convergent upload passes over the data twice, first to find the key and then to encode, and a
 * retry may pass again; so every `read` begins anew. What can be read only once, such as a stream,
 * must be put aside (into memory or a file) before it becomes an uploadable; its size is then known
 * as well. The content must not change while the uploadable is in use; a source that gives more or
 * fewer bytes than `size` makes the upload reject with `UPLOAD_SOURCE_CHANGED`.
 *
 * The creator owns the uploadable and closes it; uploading does not.
 *
 * @see allmydata.interfaces.IUploadable
 */
export interface IUploadable {
  /** Bytes of plaintext. */
  readonly size: number
  /** What this uploadable wants in place of the uploader's defaults. @see IUploadable.get_all_encoding_parameters */
  readonly encoding?: Partial<EncodingDefaults> | undefined
  /**
   * Where the AES key comes from: `convergent` derives it from the content, the parameters and the
   * uploader's convergence secret, so that equal files meet; `random` draws it; 16 bytes are the key.
   * Default: convergent. An uploader without a convergence secret draws random keys.
   *
   * @see IUploadable.get_encryption_key
   */
  readonly encryptionKey?: 'convergent' | 'random' | Uint8Array | undefined
  /**
   * The 16 bytes of the convergent key, where whoever made the uploadable hashed the content as it
   * came: taken for what the uploader would derive, so that it need not read everything for it.
   */
  readonly convergentKey?: Uint8Array | undefined
  /**
   * A pass over the plaintext from `offset` to the end. Several passes may run at once.
   *
   * @returns pieces of any size; each belongs to the source again once the next one is asked for.
   */
  read(options?: SourceReadOptions): AsyncIterable<Uint8Array>
  /** Hands back what the uploadable holds, such as an open file. Passes under way may fail. */
  close(): Promise<void>
}

/**
 * Bytes to be put into a mutable file. Every {@link IUploadable} is one.
 *
 * @see allmydata.interfaces.IMutableUploadable
 */
export interface IMutableUploadable {
  /** Bytes. */
  readonly size: number
  /** As {@link IUploadable.read}. */
  read(options?: SourceReadOptions): AsyncIterable<Uint8Array>
  /** As {@link IUploadable.close}. */
  close(): Promise<void>
}

/**
 * Ciphertext to be uploaded, with what is known of it: what the encoder takes, and what a helper
 * gets from its client.
 *
 * The parameters are obeyed as they stand.
 *
 * @see allmydata.interfaces.IEncryptedUploadable
 */
export interface IEncryptedUploadable {
  /** Bytes of ciphertext, as many as of plaintext. */
  readonly size: number
  readonly encodingParameters: EncodingParameters
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  /**
   * A pass over the ciphertext from `offset` to the end; see {@link IUploadable.read}. But here each
   * piece belongs to the reader.
   */
  readEncrypted(options?: EncryptedReadOptions): AsyncIterable<Uint8Array>
  /** As {@link IUploadable.close}; closes the uploadable below it, where there is one. */
  close(): Promise<void>
}

/** What an encoder knows before it begins. Sizes are bytes. @see allmydata.interfaces.IEncoder.get_param */
export interface EncoderParameters {
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  readonly requiredShares: number
  readonly happyShares: number
  readonly totalShares: number
  readonly segmentCount: number
  readonly segmentSize: number
  /** Bytes of one block, one share's part of one segment. */
  readonly blockSize: number
  /** Bytes of the blocks of one share, all together. */
  readonly shareSize: number
  /** The code and its parameters, such as `crs:131073-3-10`. */
  readonly serializedParams: string
}

/** What an encoder gives: all that a read cap needs but the key. */
export interface EncodingResult {
  readonly verifyCap: IVerifierURI
  /** 32 bytes. */
  readonly uriExtensionHash: Uint8Array
  readonly uriExtensionData: UriExtensionData
  /** The shares that this run stored. @see allmydata.immutable.encode.Encoder.get_shares_placed */
  readonly sharesPlaced: ReadonlySet<ShareNumber>
  readonly timings: UploadTimings
}

/** Who takes a share: the writer onto a bucket, and the id of its server. */
export interface Shareholder {
  readonly serverId: string
  readonly writer: IStorageBucketWriter
}

/**
 * Encodes ciphertext, computes the hash trees and delivers the shares. Which servers take them has
 * been decided before.
 *
 * @see allmydata.interfaces.IEncoder
 */
export interface IEncoder {
  readonly parameters: EncoderParameters
  /**
   * Reads the ciphertext and pushes every share. A shareholder that fails is dropped, as long as the
   * rest is happy enough.
   *
   * @param shareholders - who takes which share; the encoder closes or aborts each of them.
   * @param servermap - on which servers each share is or will be, for the count of happiness.
   * @throws {@link FilesystemError} `UPLOAD_UNHAPPINESS`, `UPLOAD_SOURCE_CHANGED`.
   */
  start(
    shareholders: ReadonlyMap<ShareNumber, Shareholder>,
    servermap: ReadonlyMap<ShareNumber, ReadonlySet<string>>,
    options?: ProgressOptions,
  ): Promise<EncodingResult>
}

/**
 * The fields of a URI extension block under their own names: sizes and counts as numbers, hashes as
 * 32 bytes, codec names and parameters as text. Unknown fields stay, as bytes.
 *
 * @see allmydata.interfaces.IUploadResults.get_uri_extension_data
 */
export interface UriExtensionData {
  readonly codec_name?: string
  readonly codec_params?: string
  readonly tail_codec_params?: string
  readonly size: number
  readonly segment_size: number
  readonly num_segments: number
  readonly needed_shares: number
  readonly total_shares: number
  readonly crypttext_hash?: Uint8Array
  readonly crypttext_root_hash: Uint8Array
  readonly share_root_hash: Uint8Array
  readonly plaintext_hash?: Uint8Array
  readonly plaintext_root_hash?: Uint8Array
  readonly [field: string]: number | string | Uint8Array | undefined
}

/**
 * How long the steps of an upload took, in milliseconds, by upstream's names. A step that did not
 * happen has none.
 */
export interface UploadTimings {
  /** From start to finish. */
  readonly totalMs?: number | undefined
  /** To compute the storage index, hashing the file where the key is convergent. */
  readonly storageIndexMs?: number | undefined
  /** To decide which servers take which shares. */
  readonly peerSelectionMs?: number | undefined
  /** The helper's decision whether an upload is needed. */
  readonly contactingHelperMs?: number | undefined
  /** The helper's look for shares that exist. */
  readonly existenceCheckMs?: number | undefined
  /** From the first word to the helper until it had pushed everything. */
  readonly helperTotalMs?: number | undefined
  /** The helper's waiting for ciphertext. */
  readonly cumulativeFetchMs?: number | undefined
  /** From the helper's start to the last piece of ciphertext. */
  readonly totalFetchMs?: number | undefined
  /** In the erasure code alone. */
  readonly cumulativeEncodingMs?: number | undefined
  /** Waiting for storage servers. */
  readonly cumulativeSendingMs?: number | undefined
  /** From the last segment to the closed shares. */
  readonly hashesAndCloseMs?: number | undefined
  /** From the first segment to the closed shares. */
  readonly totalEncodeAndPushMs?: number | undefined
}

/**
 * What came of an upload. For a LIT file, which is in no server, the maps are empty, the counts 0,
 * and there is no verify cap and no URI extension block.
 *
 * @see allmydata.interfaces.IUploadResults
 */
export interface IUploadResults {
  /** Bytes of plaintext. */
  readonly fileSize: number
  /** The text of the read cap: a secret. */
  readonly uri: string
  /** Bytes that a helper fetched; 0 where there was none, or where it needed none. */
  readonly ciphertextFetched: number
  /** Shares that were in the grid before. */
  readonly preexistingShares: number
  /** Shares that this upload stored. */
  readonly pushedShares: number
  /** The ids of the servers that hold each share. */
  readonly sharemap: ReadonlyMap<ShareNumber, ReadonlySet<string>>
  /** The shares that each server holds. */
  readonly servermap: ReadonlyMap<string, ReadonlySet<ShareNumber>>
  readonly timings: UploadTimings
  readonly uriExtensionData: UriExtensionData | undefined
  /** 32 bytes. */
  readonly uriExtensionHash: Uint8Array | undefined
  /** The text of the verify cap. @see IUploadResults.get_verifycapstr */
  readonly verifyCap: string | undefined
}

/** Uploads immutable files. @see allmydata.interfaces.IUploader */
export interface IUploader {
  /**
   * Uploads a file. The caller closes the uploadable.
   *
   * @throws {@link FilesystemError} `UPLOAD_NO_SERVERS`, `UPLOAD_UNHAPPINESS`, `UPLOAD_SOURCE_CHANGED`, `UPLOAD_FILE_TOO_LARGE`.
   */
  upload(uploadable: IUploadable, options?: ProgressOptions): Promise<IUploadResults>
}
