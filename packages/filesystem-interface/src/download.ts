import type { RIBucketReader, ShareNumber } from '@lafs/storage-interface'
import type { ProgressOptions } from './progress.ts'
import type { IURI } from './uri.ts'

/** Options of {@link IReadable.read}. */
export interface ReadOptions extends ProgressOptions {
  /** Where to begin, in bytes; past the end there is nothing to read. Default: 0. */
  readonly offset?: number | undefined
  /** How many bytes; fewer come where the file ends before. Default: to the end. */
  readonly size?: number | undefined
}

/**
 * How long the steps of a download took, in milliseconds, by upstream's names. A step that did not
 * happen has none.
 */
export interface DownloadTimings {
  /** From start to finish. */
  readonly totalMs?: number | undefined
  /** To ask servers for shares. */
  readonly peerSelectionMs?: number | undefined
  /** The same for each server that answered. */
  readonly serversPeerSelectionMs?: ReadonlyMap<string, number> | undefined
  /** To fetch the URI extension block. */
  readonly uriExtensionMs?: number | undefined
  /** To fetch the hash trees. */
  readonly hashtreesMs?: number | undefined
  /** To fetch, decode and deliver segments. */
  readonly segmentsMs?: number | undefined
  /** Waiting for storage servers. */
  readonly cumulativeFetchMs?: number | undefined
  /** In the erasure code alone. */
  readonly cumulativeDecodeMs?: number | undefined
  /** In decryption alone. */
  readonly cumulativeDecryptMs?: number | undefined
  /** Each fetch from each server, in order. */
  readonly fetchPerServerMs?: ReadonlyMap<string, readonly number[]> | undefined
}

/** How a download went. Servers are named by their ids. @see allmydata.interfaces.IDownloadResults */
export interface IDownloadResults {
  /** Bytes of the whole file. */
  readonly fileSize: number
  readonly serversUsed: ReadonlySet<string>
  /** What was wrong with a server: bad hashes, a lost connection. Only those with a problem are here. */
  readonly serverProblems: ReadonlyMap<string, string>
  /** The shares that each server has. Only servers with shares are here. */
  readonly servermap: ReadonlyMap<string, ReadonlySet<ShareNumber>>
  readonly timings: DownloadTimings
}

/**
 * Fetches, validates, decodes and decrypts a file from servers that were found before.
 *
 * Vestigial: nothing in upstream 1.20 provides it; `IReadable.read` is the way to read.
 *
 * @see allmydata.interfaces.IDecoder
 */
export interface IDecoder {
  /**
   * The plaintext, in order, each piece checked against the cap before it is handed out.
   *
   * @throws {@link FilesystemError} `DOWNLOAD_NOT_ENOUGH_SHARES`, `DOWNLOAD_BAD_CIPHERTEXT_HASH`.
   */
  start(
    shareholders: ReadonlyMap<ShareNumber, RIBucketReader>,
    options?: ProgressOptions,
  ): AsyncIterable<Uint8Array>
}

/**
 * Takes what is downloaded.
 *
 * Vestigial: a loop over `IReadable.read` does the same. Its calls come in the order `open`, `write`
 * any number of times, then `close` and `finish`, or `fail` at any point.
 *
 * @see allmydata.interfaces.IDownloadTarget
 */
export interface IDownloadTarget<Result = unknown> {
  /** Begins, with the size of the file in bytes. */
  open(size: number): void | Promise<void>
  /** Takes the next piece, which belongs to the target; the next one comes after it settles. */
  write(data: Uint8Array): void | Promise<void>
  /** There is no more data. */
  close(): void | Promise<void>
  /** The download has failed; no other call follows. */
  fail(reason: unknown): void
  /** Everything is done; what it gives is the outcome of the download. */
  finish(): Result | Promise<Result>
}

/**
 * Downloads a file into a target.
 *
 * Vestigial: nothing in upstream 1.20 provides it; `IReadable.read` is the way to read.
 *
 * @see allmydata.interfaces.IDownloader
 */
export interface IDownloader {
  /** @returns what {@link IDownloadTarget.finish} gives. */
  download<Result>(
    cap: IURI,
    target: IDownloadTarget<Result>,
    options?: ProgressOptions,
  ): Promise<Result>
}

/**
 * Something that is fetched and validated before it can be used, such as a URI extension block.
 *
 * @see allmydata.interfaces.IValidatedThingProxy
 */
export interface IValidatedThingProxy {
  /** Settles with the thing itself once it is had and valid, and rejects where it cannot be. */
  start(options?: ProgressOptions): Promise<this>
}
