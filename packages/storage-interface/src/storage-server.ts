import type {
  LeaseSecrets,
  OperationOptions,
  ReadTestWriteResult,
  ReadVector,
  ServerVersion,
  ShareKind,
  ShareNumber,
  SlotSecrets,
  StorageIndex,
  TestWriteVectors,
} from './types.ts'

/**
 * A share that is being uploaded.
 *
 * The share becomes visible when it is closed, and not before. A writer that is left alone is
 * abandoned after 30 minutes: its server may drop it, and does so when the share is begun anew.
 *
 * @see allmydata.interfaces.RIBucketWriter
 */
export interface RIBucketWriter {
  /**
   * Writes bytes from `offset` on. Ranges may come in any order; a range that was written before may
   * be written again with the same bytes.
   *
   * @param pieces - the bytes, in pieces that follow one another (so that blocks need no copy on
   *   their way to a socket or a disk); borrowed until the promise settles, not modified.
   * @throws {@link StorageError} `STORAGE_CONFLICTING_WRITE` when other bytes stand there already,
   *   `STORAGE_DATA_TOO_LARGE` past the allocated size.
   */
  write(offset: number, pieces: readonly Uint8Array[], options?: OperationOptions): Promise<void>
  /** Commits the share: once this settles the share is stored whole and visible. */
  close(options?: OperationOptions): Promise<void>
  /** Drops everything that was written. Harmless when the server has dropped it already. */
  abort(options?: OperationOptions): Promise<void>
  /**
   * Changes the size of an open-ended upload; of no other. It can be closed once its size is final.
   *
   * @throws {@link StorageError} `STORAGE_NO_SPACE`; `STORAGE_BAD_RANGE` when bytes were written past
   *   that size, or the size is final already.
   */
  resize?(size: number, options: ResizeOptions): Promise<void>
}

/** Options of {@link RIBucketWriter.resize}. */
export interface ResizeOptions extends OperationOptions {
  /** Whether this is the size of the whole share. */
  readonly final: boolean
}

/**
 * An immutable share that can be read.
 *
 * @see allmydata.interfaces.RIBucketReader
 */
export interface RIBucketReader {
  /**
   * Reads up to `length` bytes from `offset` on. A range that reaches past the end of the share
   * gives fewer bytes, and one that starts there gives none. The bytes belong to the caller.
   */
  read(offset: number, length: number, options?: OperationOptions): Promise<Uint8Array>
  /** Tells the server that this share is bad; the server may only note it. */
  adviseCorruptShare(reason: string, options?: OperationOptions): Promise<void>
}

/** What to reserve room for. */
export interface AllocateRequest extends LeaseSecrets {
  readonly shareNumbers: ReadonlySet<ShareNumber>
  /** Bytes of each share, the whole share with its layout. */
  readonly allocatedSize: number
  /**
   * What opens these uploads again, see {@link IStorageServer.resumeUpload}: 20 bytes that were never
   * told to another server. Default: a random one that nobody knows.
   */
  readonly uploadSecret?: Uint8Array | undefined
}

/** Which upload to take up again. */
export interface ResumeRequest {
  /** The one that it was begun with. */
  readonly uploadSecret: Uint8Array
  /** The one that it was begun with. */
  readonly allocatedSize: number
  /** What stands at the beginning of the share. It is written (once more) to learn what is missing. */
  readonly firstBytes: Uint8Array
}

/** An upload that was taken up again. */
export interface ResumedUpload {
  readonly writer: RIBucketWriter
  /** The spans that the server still wants, in order. It holds all others. */
  readonly missing: readonly ByteRange[]
}

/** What came of an {@link AllocateRequest}. A share in neither found no room on the server. */
export interface AllocateResult<Writer = RIBucketWriter> {
  /** Shares that the server holds whole already. */
  readonly alreadyGot: Set<ShareNumber>
  readonly writers: Map<ShareNumber, Writer>
}

/** Immutable shares that are given to a server whole, in one go. */
export interface StoreRequest extends LeaseSecrets {
  /**
   * The bytes of each share with its layout, in pieces that follow one another. Borrowed until the
   * operation settles.
   */
  readonly shares: ReadonlyMap<ShareNumber, readonly Uint8Array[]>
}

/**
 * What came of a {@link StoreRequest}. A share in neither found no room on the server, or is being
 * uploaded by somebody.
 */
export interface StoreResult {
  /**
   * The shares of the file that the server held before, each with the lease now. Where there are any,
   * it stored nothing.
   */
  readonly alreadyGot: Set<ShareNumber>
  /** The shares that it has now, whole and with a lease. */
  readonly stored: Set<ShareNumber>
}

/** How to look for the shares of a file. */
export interface GetBucketsOptions extends OperationOptions {
  /**
   * How many bytes of the beginning of a share are worth having along with the answer: a hint. A
   * transport may keep them in the reader of the share with the lowest number, which answers from
   * them what they cover, each time with a copy of its own. Of more than {@link READ_AHEAD_MAX} the
   * first so many come. Default: none.
   */
  readonly readAhead?: number | undefined
}

/**
 * A storage server as its clients see it, whatever the transport.
 *
 * (Despite the name that the field gives it, this is the client's side.) Every operation may reject
 * with a {@link StorageError}: `STORAGE_UNREACHABLE` when the server cannot be talked to,
 * `STORAGE_BAD_RESPONSE` when what it says makes no sense, `STORAGE_TIMEOUT` when it says nothing.
 *
 * Operations that are under way together have no order among each other; each sees what had settled
 * before it was issued. Many small ones at once cost less than one after the other: a transport may
 * send them together. Arguments are borrowed until an operation settles.
 *
 * @see allmydata.interfaces.IStorageServer
 */
export interface IStorageServer {
  getVersion(options?: OperationOptions): Promise<ServerVersion>

  /** Reserves room for shares of an immutable file, and adds a lease to those that are there already. */
  allocateBuckets(
    storageIndex: StorageIndex,
    request: AllocateRequest,
    options?: OperationOptions,
  ): Promise<AllocateResult>

  /**
   * {@link allocateBuckets} for shares whose size is not known yet: the allocated size is for the
   * beginning, and their writers can be resized. Absent where a transport cannot do that.
   *
   * @throws {@link StorageError} `STORAGE_NOT_SUPPORTED` from a server that cannot, as upstream's.
   */
  allocateOpenEnded?(
    storageIndex: StorageIndex,
    request: AllocateRequest,
    options?: OperationOptions,
  ): Promise<AllocateResult>

  /**
   * Takes up an upload again that {@link allocateBuckets} began, be it over another connection or by
   * another process. Absent where a transport cannot do that.
   *
   * @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE` when the server knows of no such upload (any
   *   more), `STORAGE_UNAUTHORIZED` when it was begun with another secret, `STORAGE_CONFLICTING_WRITE`
   *   when the share begins otherwise.
   */
  resumeUpload?(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    request: ResumeRequest,
    options?: OperationOptions,
  ): Promise<ResumedUpload>

  /**
   * Stores small shares of a file in one request, unless the server holds any share of that file: then
   * it stores nothing, adds the lease to those and tells which. Once it settles what is stored outlasts
   * a power cut. A share that somebody uploads meanwhile is left out, as are all where mutable shares
   * stand. Absent where a transport cannot do that, or has learned that its server cannot.
   *
   * @throws {@link StorageError} `STORAGE_NOT_SUPPORTED` from a server that cannot, as upstream's;
   *   `STORAGE_DATA_TOO_LARGE` for more than {@link STORE_SIZE_MAX} bytes of shares.
   */
  storeShares?(
    storageIndex: StorageIndex,
    request: StoreRequest,
    options?: OperationOptions,
  ): Promise<StoreResult>

  /** Adds or renews a lease on every share of a file. Does nothing when there are none. */
  addLease(
    storageIndex: StorageIndex,
    secrets: LeaseSecrets,
    options?: OperationOptions,
  ): Promise<void>

  /**
   * Lets go of the lease on one share, of either kind, that has this cancel secret. A share whose last
   * lease goes is deleted. Does nothing when there is no such share, or no such lease on it: it is safe
   * to ask again.
   *
   * @param cancelSecret - 32 bytes, see {@link LeaseSecrets}.
   * @throws {@link StorageError} `STORAGE_NOT_SUPPORTED` from a server that cannot: upstream's have no
   *   such operation. The lease lasts until it expires then.
   */
  cancelLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    cancelSecret: Uint8Array,
    options?: OperationOptions,
  ): Promise<void>

  /** The immutable shares that the server holds; an empty map when there are none. */
  getBuckets(
    storageIndex: StorageIndex,
    options?: GetBucketsOptions,
  ): Promise<Map<ShareNumber, RIBucketReader>>

  /**
   * Reads spans of the shares of a mutable slot.
   *
   * @param shareNumbers - which shares; empty means all of them.
   * @returns one byte string a read vector, shorter where the span reaches past the end, for every
   *   share that is there.
   */
  slotReadv(
    storageIndex: StorageIndex,
    shareNumbers: readonly ShareNumber[],
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<Map<ShareNumber, Uint8Array[]>>

  /**
   * Tests, reads and then writes the shares of a mutable slot in one atomic step. Every test of
   * every share must hold, or nothing is written. A share that is not there tests as empty, and is
   * made by a write.
   *
   * @throws {@link StorageError} `STORAGE_BAD_WRITE_ENABLER`, `STORAGE_DATA_TOO_LARGE`, `STORAGE_NO_SPACE`.
   */
  slotTestvAndReadvAndWritev(
    storageIndex: StorageIndex,
    secrets: SlotSecrets,
    testWriteVectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<ReadTestWriteResult>

  /** Tells the server that a share is bad. A share that it does not hold is ignored. */
  adviseCorruptShare(
    kind: ShareKind,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    reason: string,
    options?: OperationOptions,
  ): Promise<void>
}

/** A span of bytes, `end` exclusive. */
export interface ByteRange {
  readonly begin: number
  readonly end: number
}

/** A share being uploaded, as the server's own side sees it. */
export interface ServedBucketWriter extends RIBucketWriter {
  readonly allocatedSize: number
  /** Whether the size may still change: until then the share cannot be closed. */
  readonly isOpenEnded?: boolean
  /** What has not been written yet, in order. Empty when the share can be closed. */
  requiredRanges(): readonly ByteRange[]
  /** Aborts when the share has been closed, aborted or dropped for idleness. */
  readonly ended: AbortSignal
}

/** A share of either kind, as the server's own side sees it. */
export interface ServedShareReader {
  /** Bytes of the share's data. */
  readonly length: number
  read(offset: number, length: number, options?: OperationOptions): Promise<Uint8Array>
  /**
   * Hands back what the reader holds, such as an open file. The caller owns the reader. An open
   * immutable share can be read to its end even if it is deleted meanwhile.
   */
  close(): Promise<void>
}

/**
 * A storage server as its transports see it: what each of them serves to the outside.
 *
 * Upstream's RIStorageServer is this contract for one transport; the differences are that readers
 * are opened one at a time, that listing says the kind of share, and that a slot's test vectors are
 * `eq` only (1.9.2 had six operators, of which every client used this one).
 *
 * @see allmydata.interfaces.RIStorageServer
 */
export interface RIStorageServer {
  getVersion(): Promise<ServerVersion>
  /** @throws {@link StorageError} `STORAGE_BAD_SECRET`, `STORAGE_BAD_STORAGE_INDEX`, `STORAGE_BAD_SHARE_NUMBER`. */
  allocateBuckets(
    storageIndex: StorageIndex,
    request: AllocateRequest,
  ): Promise<AllocateResult<ServedBucketWriter>>
  /** As {@link IStorageServer.allocateOpenEnded}. Absent where the server cannot do that. */
  allocateOpenEnded?(
    storageIndex: StorageIndex,
    request: AllocateRequest,
  ): Promise<AllocateResult<ServedBucketWriter>>
  /**
   * As {@link IStorageServer.storeShares}. Absent where the server cannot do that.
   *
   * @throws {@link StorageError} `STORAGE_DATA_TOO_LARGE`, and as for {@link allocateBuckets}.
   */
  storeShares?(storageIndex: StorageIndex, request: StoreRequest): Promise<StoreResult>
  /** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE` when the server holds no share of the file. */
  addLease(storageIndex: StorageIndex, secrets: LeaseSecrets): Promise<void>
  /**
   * Lets go of the lease on one share that has this cancel secret, if there is one, and deletes a share
   * whose last lease goes.
   *
   * @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE` when the server holds no such share,
   *   `STORAGE_BAD_SECRET`, `STORAGE_NOT_SUPPORTED`.
   */
  cancelLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    cancelSecret: Uint8Array,
  ): Promise<void>
  listShares(kind: ShareKind, storageIndex: StorageIndex): Promise<Set<ShareNumber>>
  /** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`. */
  openShare(
    kind: ShareKind,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
  ): Promise<ServedShareReader>
  slotReadv: IStorageServer['slotReadv']
  slotTestvAndReadvAndWritev: IStorageServer['slotTestvAndReadvAndWritev']
  /** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE`. */
  adviseCorruptShare(
    kind: ShareKind,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    reason: string,
  ): Promise<void>
  /** Aborts uploads in progress and closes the store. */
  close(): Promise<void>
}
