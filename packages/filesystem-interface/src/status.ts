import type { IMutableFileServerMap, ServermapMode } from './servermap.ts'
import type { IDownloadResults } from './download.ts'
import type { IUploadResults } from './upload.ts'

/**
 * What all operations tell of themselves: live objects, whose properties change until the operation
 * is over. None of them holds a cap or a key.
 */
export interface OperationStatus {
  /** A number of its own among the operations of its kind, to make links with. */
  readonly counter: number
  /** When it began: milliseconds since the epoch. */
  readonly startedMs: number
  /** 16 bytes; undefined until it is known, and for LIT files. */
  readonly storageIndex: Uint8Array | undefined
  /** Bytes of the file; undefined until it is known. */
  readonly size: number | undefined
  readonly usingHelper: boolean
  /** What is going on, for people. */
  readonly status: string
  readonly active: boolean
}

/** How far an upload has come, each part from 0 to 1. */
export interface UploadProgress {
  /** Hashing the file for a convergent key; 1 at once where the key is random. */
  readonly chk: number
  /** Sending ciphertext to the helper; 1 at once where there is none. */
  readonly ciphertext: number
  readonly encodeAndPush: number
}

/** An upload, under way or over. @see allmydata.interfaces.IUploadStatus */
export interface IUploadStatus extends OperationStatus {
  readonly progress: UploadProgress
  /** Undefined until the upload is over. */
  readonly results: IUploadResults | undefined
}

/** Anything that happens in a download and takes time; times are milliseconds since the epoch. */
export interface DownloadEvent {
  readonly startMs: number
  /** Undefined until it is over. */
  readonly finishMs: number | undefined
}

/** One call of `read`. */
export interface ReadEvent extends DownloadEvent {
  readonly offset: number
  readonly size: number
  /** Grows with every piece that is handed out. */
  readonly bytesReturned: number
  /** How long decryption took. */
  readonly decryptMs: number
  /** How long the reader made it wait. */
  readonly pausedMs: number
}

/** One segment that was asked for. */
export interface SegmentEvent extends DownloadEvent {
  readonly segmentIndex: number
  /** When work on it began: milliseconds since the epoch. */
  readonly activeMs: number | undefined
  /** Undefined until it is over. */
  readonly success: boolean | undefined
  /** How long decoding took. */
  readonly decodeMs: number | undefined
  /** Where it begins in the file, in bytes; undefined until it is delivered. */
  readonly segmentOffset: number | undefined
  /** Bytes; undefined until it is delivered. */
  readonly segmentSize: number | undefined
}

/** One question to a server, which shares it has (upstream's "do you have block"). */
export interface ShareQueryEvent extends DownloadEvent {
  readonly serverId: string
  /** Undefined until the server has answered, or failed. */
  readonly success: boolean | undefined
  /** What it answered. */
  readonly shareNumbers: readonly number[] | undefined
}

/** One read of a span of a share. */
export interface BlockRequestEvent extends DownloadEvent {
  readonly serverId: string
  readonly shareNumber: number
  readonly offset: number
  readonly size: number
  /** Undefined until the server has answered, or failed. */
  readonly success: boolean | undefined
  /** Bytes of its answer. */
  readonly responseSize: number | undefined
}

/** All that happened in a download, each list in the order of beginning: the data of a timeline. */
export interface DownloadEvents {
  readonly reads: readonly ReadEvent[]
  readonly segments: readonly SegmentEvent[]
  readonly shareQueries: readonly ShareQueryEvent[]
  readonly blockRequests: readonly BlockRequestEvent[]
}

/** The reads of one immutable file through one node. @see allmydata.interfaces.IDownloadStatus */
export interface IDownloadStatus extends OperationStatus {
  /** From 0 to 1, over the reads under way; 0 until the first byte is handed out. */
  readonly progress: number
  /** Undefined until the download is over. */
  readonly results: IDownloadResults | undefined
  /** What happened in detail; undefined where nobody keeps it. @see allmydata.immutable.downloader.status.DownloadStatus */
  readonly events?: DownloadEvents | undefined
}

/** How an operation on a mutable file goes. */
export interface MutableOperationStatus extends OperationStatus {
  /** From 0 to 1. */
  readonly progress: number
  /** What servers did wrong, by their ids. */
  readonly problems: ReadonlyMap<string, readonly unknown[]>
}

/** The making of a servermap. @see allmydata.interfaces.IServermapUpdaterStatus */
export interface IServermapUpdaterStatus extends MutableOperationStatus {
  /** When it was over: milliseconds since the epoch. */
  readonly finishedMs: number | undefined
  readonly mode: ServermapMode
  readonly servermap: IMutableFileServerMap | undefined
  /** The server that gave the encrypted private key. */
  readonly privateKeyFrom: string | undefined
  readonly timings: {
    readonly totalMs?: number | undefined
    readonly cumulativeVerifyMs?: number | undefined
    readonly perServerMs?: ReadonlyMap<string, readonly number[]> | undefined
  }
}

/** The writing of a version of a mutable file. @see allmydata.interfaces.IPublishStatus */
export interface IPublishStatus extends MutableOperationStatus {
  readonly requiredShares: number | undefined
  readonly totalShares: number | undefined
  readonly servermap: IMutableFileServerMap | undefined
  readonly timings: {
    readonly totalMs?: number | undefined
    readonly setupMs?: number | undefined
    readonly encryptMs?: number | undefined
    readonly encodeMs?: number | undefined
    readonly packMs?: number | undefined
    readonly signMs?: number | undefined
    readonly pushMs?: number | undefined
    readonly sendPerServerMs?: ReadonlyMap<string, readonly number[]> | undefined
  }
}

/** The reading of a version of a mutable file. @see allmydata.interfaces.IRetrieveStatus */
export interface IRetrieveStatus extends MutableOperationStatus {
  readonly requiredShares: number | undefined
  readonly totalShares: number | undefined
  readonly timings: {
    readonly totalMs?: number | undefined
    readonly fetchMs?: number | undefined
    readonly decodeMs?: number | undefined
    readonly decryptMs?: number | undefined
    readonly fetchPerServerMs?: ReadonlyMap<string, readonly number[]> | undefined
  }
}

/**
 * The operations of a client. Lists are snapshots, oldest first; the objects in them are live.
 *
 * @see allmydata.interfaces.IClientStatus
 */
export interface IClientStatus {
  /** Every upload that is still remembered; for debugging. */
  listAllUploads(): readonly IUploadStatus[]
  /** Those under way. */
  listActiveUploads(): readonly IUploadStatus[]
  /** The last ones to begin, under way or over. */
  listRecentUploads(): readonly IUploadStatus[]
  /** Every download that is still remembered; for debugging. */
  listAllDownloads(): readonly IDownloadStatus[]
  /** Those under way. */
  listActiveDownloads(): readonly IDownloadStatus[]
  /** The last ones to begin, under way or over. */
  listRecentDownloads(): readonly IDownloadStatus[]
}

/** Where operations announce themselves as they begin. @see allmydata.history.History */
export interface OperationHistory {
  addUpload(status: IUploadStatus): void
  addDownload(status: IDownloadStatus): void
  /** A read of an immutable file begins: so many bytes of it. The first one is a download as well. */
  addRead?(size: number): void
  addServermapUpdate(status: IServermapUpdaterStatus): void
  addPublish(status: IPublishStatus): void
  addRetrieve(status: IRetrieveStatus): void
}
