import { toBase32 } from '@lafs/crypto'
import type { IStatsProducer } from '@lafs/service-interface'
import {
  isStorageError,
  LEASE_DURATION_SECONDS,
  MAX_MUTABLE_SHARE_SIZE,
  NoSpaceError,
  StorageError,
} from '@lafs/storage-interface'
import type {
  AllocateRequest,
  AllocateResult,
  IShareStore,
  Lease,
  LeaseSecrets,
  OperationOptions,
  ReadTestWriteResult,
  ReadVector,
  RIStorageServer,
  ServedBucketWriter,
  ServedShareReader,
  ServerVersion,
  ShareKind,
  ShareNumber,
  SlotSecrets,
  StorageIndex,
  StoredLease,
  StoredShareKind,
  StoreRequest,
  StoreResult,
  TestWriteVectors,
} from '@lafs/storage-interface'
import { advisoryName, advisoryText } from './advisory.ts'
import { BucketWriter, type Schedule } from './bucket-writer.ts'
import type { CrawlContext } from './care/crawler.ts'
import { openCrawlers, type StorageCrawlers } from './care/crawlers.ts'
import { checkPolicy, KEEP_EVERYTHING, type ExpirationPolicy } from './care/expiration.ts'
import {
  checkCancelSecret,
  checkLeaseSecrets,
  checkShareNumber,
  checkSlotSecrets,
  checkSpan,
  checkStorageIndex,
  checkStoreSize,
  checkVectors,
} from './checks.ts'
import { KeyedQueue } from './queue.ts'
import { checkReadSize, closeAll, openSlot, readSpans, testsHold } from './slot.ts'
import { OperationStatistics, type StorageOperation } from './statistics.ts'

/** What a storage server is made of. */
export interface StorageServerOptions {
  /** Where the shares are kept. The server owns it and closes it. */
  readonly store: IShareStore
  /** Refuse new immutable shares. Mutable slots are written all the same, as upstream does. */
  readonly readonly?: boolean
  /** Bytes of the store that are left alone. Default 0. */
  readonly reservedSpace?: number
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly now?: () => number
  /** How idle uploads are found, in step with `now`. Default: `setTimeout` that keeps no process up. */
  readonly schedule?: Schedule
  /**
   * How long an upload may lie without a write before it gives way to another one of the same share,
   * and to others where room gets scarce. Default: 30 minutes, after which upstream's servers drop it.
   */
  readonly idleTimeoutMs?: number
  /** How long it may lie at all, so that its client can go on with it. Default: a day. */
  readonly keepAbandonedMs?: number
  /** Which leases end when, once the crawlers are started. Default: nothing is deleted. */
  readonly expiration?: ExpirationPolicy
  /** What {@link ServerVersion.applicationVersion} says. Default: `lafs`. */
  readonly applicationVersion?: string
  /** Takes one line for people about something unusual; no secret is ever in it. */
  readonly log?: (line: string) => void
}

/** A storage server with what its operator needs. */
export interface StorageServer extends RIStorageServer, IStatsProducer {
  /**
   * Begins to walk through the shares: to count them, and to look at their leases and expire them where
   * {@link StorageServerOptions.expiration} says so. Closing the server ends it.
   */
  startCrawlers(): Promise<StorageCrawlers>
  /** Undefined before they are started. */
  readonly crawlers: StorageCrawlers | undefined
  /** What was counted since the server began, by `storage_server.<counter>`. */
  counters(): ReadonlyMap<string, number>
}

/**
 * Makes a storage server over a share store: what a transport serves.
 *
 * Operations on one storage index never interleave; those on different ones run side by side.
 *
 * @see allmydata.storage.server.StorageServer
 */
export function createStorageServer(options: StorageServerOptions): StorageServer {
  return new StoreServer(options)
}

/** What shares that are to be uploaded have in common. */
interface NewUpload {
  readonly size: number
  readonly lease: Lease
  readonly isOpenEnded: boolean
}

class StoreServer implements StorageServer {
  readonly #options: Required<StorageServerOptions>
  readonly #statistics: OperationStatistics
  readonly #store: IShareStore
  readonly #queue = new KeyedQueue()
  /** Uploads in progress: by the base32 of the storage index, then by share number. */
  readonly #uploads = new Map<string, Map<ShareNumber, BucketWriter>>()
  /** Bytes that uploads in progress have been promised. */
  #promised = 0
  #lastAdvisoryMicroseconds = 0
  #opening: Promise<StorageCrawlers> | undefined
  #crawlers: StorageCrawlers | undefined
  #closed = false

  constructor(options: StorageServerOptions) {
    this.#options = {
      readonly: false,
      reservedSpace: 0,
      now: Date.now,
      schedule,
      idleTimeoutMs: 30 * 60 * 1000,
      keepAbandonedMs: 24 * 60 * 60 * 1000,
      expiration: KEEP_EVERYTHING,
      applicationVersion: 'lafs',
      log: () => {},
      ...options,
    }
    checkPolicy(this.#options.expiration)
    this.#store = options.store
    this.#statistics = new OperationStatistics(options.now ?? (() => performance.now()))
  }

  get crawlers(): StorageCrawlers | undefined {
    return this.#crawlers
  }

  async startCrawlers(): Promise<StorageCrawlers> {
    this.#assertOpen()
    this.#opening ??= this.#openCrawlers()
    const crawlers = await this.#opening
    this.#assertOpen()
    crawlers.bucketCounter.start()
    crawlers.leaseChecker.start()
    return crawlers
  }

  async #openCrawlers(): Promise<StorageCrawlers> {
    const { now, schedule, log, expiration } = this.#options
    const inTurn: CrawlContext['inTurn'] = (key, task) => this.#queue.run(key, task)
    const context = { store: this.#store, now, schedule, inTurn, log }
    const onDeleted = (bytes: number): void => {
      this.#statistics.count('bytes_freed', bytes)
    }
    this.#crawlers = await openCrawlers(context, expiration, onDeleted)
    return this.#crawlers
  }

  counters(): ReadonlyMap<string, number> {
    return this.#statistics.counters()
  }

  async getStats(): Promise<ReadonlyMap<string, number | undefined>> {
    this.#assertOpen()
    const { readonly: refusing, reservedSpace } = this.#options
    const stats = new Map<string, number | undefined>([
      ['allocated', this.#promised],
      ['reserved_space', reservedSpace],
    ])
    for (const [operation, latencies] of this.#statistics.latencies())
      for (const [name, value] of latencies) stats.set(`latencies.${operation}.${name}`, value)
    const space = await this.#store.space()
    const available = await this.#availableSpace()
    if (space !== undefined) {
      stats.set('disk_total', space.total)
      stats.set('disk_used', space.total - space.free)
      stats.set('disk_free_for_root', space.free)
      stats.set('disk_free_for_nonroot', space.available)
    }
    if (available !== undefined) stats.set('disk_avail', available)
    const accepting = !refusing && (available ?? Infinity) > 0
    stats.set('accepting_immutable_shares', accepting ? 1 : 0)
    const count = this.#crawlers?.bucketCounter.state()['last-complete-bucket-count'] ?? 0
    if (count > 0) stats.set('total_bucket_count', count)
    return new Map([...stats].map(([name, value]) => [`storage_server.${name}`, value]))
  }

  async getVersion(): Promise<ServerVersion> {
    this.#assertOpen()
    const space = (await this.#availableSpace()) ?? Number.MAX_SAFE_INTEGER
    return {
      maximumImmutableShareSize: space,
      maximumMutableShareSize: MAX_MUTABLE_SHARE_SIZE,
      availableSpace: space,
      toleratesImmutableReadOverrun: true,
      deleteMutableSharesWithZeroLengthWritev: true,
      fillsHolesWithZeroBytes: true,
      preventsReadPastEndOfShareData: true,
      applicationVersion: this.#options.applicationVersion,
    }
  }

  async allocateBuckets(
    storageIndex: StorageIndex,
    request: AllocateRequest,
  ): Promise<AllocateResult<ServedBucketWriter>> {
    return this.#allocate(storageIndex, request, false)
  }

  async allocateOpenEnded(
    storageIndex: StorageIndex,
    request: AllocateRequest,
  ): Promise<AllocateResult<ServedBucketWriter>> {
    return this.#allocate(storageIndex, request, true)
  }

  async #allocate(
    storageIndex: StorageIndex,
    request: AllocateRequest,
    isOpenEnded: boolean,
  ): Promise<AllocateResult<ServedBucketWriter>> {
    const { allocatedSize } = request
    checkLeaseSecrets(request)
    for (const shareNumber of request.shareNumbers) checkShareNumber(shareNumber)
    checkSpan('allocated size', 0, allocatedSize)
    return this.#measured('allocate', storageIndex, async (key) => {
      // Upstream counts these leases as owner 0's, unlike those of addLease.
      const lease = this.#lease(request, 0)
      const { alreadyGot, free } = await this.#takePlaces(
        storageIndex,
        key,
        request.shareNumbers,
        lease,
      )
      const upload = { size: allocatedSize, lease, isOpenEnded }
      const writers = await this.#beginUploads(storageIndex, free, upload)
      return { alreadyGot, writers }
    })
  }

  async storeShares(storageIndex: StorageIndex, request: StoreRequest): Promise<StoreResult> {
    const { shares } = request
    checkLeaseSecrets(request)
    for (const shareNumber of shares.keys()) checkShareNumber(shareNumber)
    const sizes = new Map([...shares].map(([n, pieces]) => [n, sizeOf(pieces)]))
    checkStoreSize(sizes)
    return this.#inTurn(storageIndex, async (key) => {
      const lease = this.#lease(request, 0)
      const { alreadyGot, free } = await this.#statistics.measure('allocate', () =>
        this.#takePlaces(storageIndex, key, shares.keys(), lease),
      )
      const wanted = new Map(free.map((n) => [n, sizes.get(n) ?? 0]))
      const accepted = alreadyGot.size > 0 ? [] : await this.#promise(wanted)
      try {
        const stored = await this.#storeAccepted(storageIndex, shares, accepted, lease)
        return { alreadyGot, stored: new Set(stored) }
      } finally {
        for (const shareNumber of accepted) this.#promised -= wanted.get(shareNumber) ?? 0
      }
    })
  }

  /** Stores shares to which room has been promised; none when the store has no room after all. */
  async #storeAccepted(
    storageIndex: StorageIndex,
    shares: StoreRequest['shares'],
    accepted: readonly ShareNumber[],
    lease: Lease,
  ): Promise<readonly ShareNumber[]> {
    if (accepted.length === 0) return []
    const whole = new Map(accepted.map((n) => [n, shares.get(n) ?? []]))
    try {
      this.#statistics.count('write', whole.size)
      const store = (): Promise<void> => this.#store.storeImmutable(storageIndex, whole, lease)
      await this.#statistics.measure('close', store, whole.size)
    } catch (error) {
      if (isStorageError(error, 'STORAGE_NO_SPACE')) return []
      throw error
    }
    for (const pieces of whole.values()) this.#statistics.count('bytes_added', sizeOf(pieces))
    return accepted
  }

  /**
   * Looks for places for new shares of a file: abandoned uploads give way, and immutable shares that
   * are there get the lease. There are none where a slot is.
   *
   * @returns those, and which numbers nothing stands under.
   */
  async #takePlaces(
    storageIndex: StorageIndex,
    key: string,
    shareNumbers: Iterable<ShareNumber>,
    lease: Lease,
  ): Promise<{ readonly alreadyGot: Set<ShareNumber>; readonly free: ShareNumber[] }> {
    const wanted = new Set(shareNumbers)
    // A share that is being dropped can be begun anew.
    for (const upload of this.#uploads.get(key)?.values() ?? []) {
      if (wanted.has(upload.shareNumber) && upload.isAbandoned) await upload.abort()
      else await upload.aborted()
    }
    const stored = await this.#store.shares(storageIndex)
    const alreadyGot = new Set(numbersOfKind(stored, 'immutable'))
    await this.#addLeases(storageIndex, alreadyGot, lease)
    // A slot with a share of the other kind could not be written any more.
    const isSlot = [...stored.values()].includes('mutable')
    const isFree = (n: ShareNumber): boolean => !isSlot && !stored.has(n) && !this.#upload(key, n)
    return { alreadyGot, free: [...wanted].filter(isFree) }
  }

  async addLease(storageIndex: StorageIndex, secrets: LeaseSecrets): Promise<void> {
    checkLeaseSecrets(secrets)
    await this.#measured('add-lease', storageIndex, async () => {
      const found = await this.#store.shareNumbers(storageIndex)
      const count = await this.#addLeases(storageIndex, found, this.#lease(secrets, 1))
      if (count === 0) throw noSuchShare('there is no share of this file')
    })
  }

  async cancelLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    cancelSecret: Uint8Array,
  ): Promise<void> {
    checkShareNumber(shareNumber)
    checkCancelSecret(cancelSecret)
    await this.#measured('cancel', storageIndex, async () => {
      const isChosen = (lease: StoredLease): boolean => lease.cancelSecretMatches(cancelSecret)
      await this.#store.removeLeases(storageIndex, shareNumber, isChosen)
    })
  }

  async listShares(kind: ShareKind, storageIndex: StorageIndex): Promise<Set<ShareNumber>> {
    return this.#measured(
      kind === 'immutable' ? 'get' : 'readv',
      storageIndex,
      async () => new Set(numbersOfKind(await this.#store.shares(storageIndex), kind)),
    )
  }

  async openShare(
    kind: ShareKind,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
  ): Promise<ServedShareReader> {
    checkShareNumber(shareNumber)
    return this.#inTurn(storageIndex, async () => {
      const share = await this.#store.open(storageIndex, shareNumber)
      if (share.kind !== kind) {
        await share.close()
        throw noSuchShare(`share ${shareNumber} is not ${kind}`, shareNumber)
      }
      return {
        length: share.length,
        read: async (offset, length, options) => {
          options?.signal?.throwIfAborted()
          checkSpan('read', offset, length)
          const operation = kind === 'immutable' ? 'read' : 'readv'
          return this.#statistics.measure(operation, () => share.read(offset, length))
        },
        close: () => share.close(),
      }
    })
  }

  async slotReadv(
    storageIndex: StorageIndex,
    shareNumbers: readonly ShareNumber[],
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<Map<ShareNumber, Uint8Array[]>> {
    for (const { offset, size } of readVectors) checkSpan('read vector', offset, size)
    return this.#measured('readv', storageIndex, async () => {
      options?.signal?.throwIfAborted()
      const wanted = new Set(shareNumbers)
      const data = new Map<ShareNumber, Uint8Array[]>()
      for (const shareNumber of await this.#store.shareNumbers(storageIndex)) {
        if (wanted.size > 0 && !wanted.has(shareNumber)) continue
        const spans = await this.#readMutable(storageIndex, shareNumber, readVectors)
        if (spans !== undefined) data.set(shareNumber, spans)
      }
      return data
    })
  }

  async slotTestvAndReadvAndWritev(
    storageIndex: StorageIndex,
    secrets: SlotSecrets,
    testWriteVectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<ReadTestWriteResult> {
    checkSlotSecrets(secrets)
    for (const [shareNumber, vectors] of testWriteVectors) {
      checkShareNumber(shareNumber)
      checkVectors(vectors)
    }
    for (const { offset, size } of readVectors) checkSpan('read vector', offset, size)
    return this.#measured('writev', storageIndex, async (key) => {
      options?.signal?.throwIfAborted()
      const shares = await openSlot(this.#store, storageIndex, secrets.writeEnabler)
      const data = new Map<ShareNumber, Uint8Array[]>()
      let success: boolean
      try {
        checkReadSize(shares, readVectors)
        success = await testsHold(shares, testWriteVectors)
        for (const [shareNumber, share] of shares)
          data.set(shareNumber, await readSpans(share, readVectors))
      } finally {
        await closeAll(shares)
      }
      if (success) await this.#writeSlot(storageIndex, key, secrets, testWriteVectors)
      return { success, data }
    })
  }

  async adviseCorruptShare(
    kind: ShareKind,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    reason: string,
  ): Promise<void> {
    checkShareNumber(shareNumber)
    await this.#inTurn(storageIndex, async (key) => {
      if (!(await this.#store.shares(storageIndex)).has(shareNumber))
        throw noSuchShare(`there is no share ${shareNumber}`, shareNumber)
      this.#options.log(`a client says that share ${shareNumber} of ${key} (${kind}) is corrupt`)
      const text = advisoryText(kind, key, shareNumber, reason)
      const room = (await this.#availableSpace()) ?? Infinity
      if (new TextEncoder().encode(text).length > room) return
      // Two reports of one moment need two names.
      const now = Math.floor(this.#options.now()) * 1000
      this.#lastAdvisoryMicroseconds = Math.max(now, this.#lastAdvisoryMicroseconds + 1)
      const name = advisoryName(this.#lastAdvisoryMicroseconds, key, shareNumber)
      await this.#store.saveAdvisory(name, text)
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const crawlers = await this.#opening?.catch(() => undefined)
    await crawlers?.bucketCounter.stop()
    await crawlers?.leaseChecker.stop()
    await this.#queue.idle()
    const writers = [...this.#uploads.values()].flatMap((byNumber) => [...byNumber.values()])
    await Promise.all(writers.map((writer) => writer.abort()))
    await this.#queue.idle()
    await this.#store.close()
  }

  /** Runs a task alone among those of its storage index. It is given the index in base32. */
  async #inTurn<T>(storageIndex: StorageIndex, task: (key: string) => Promise<T>): Promise<T> {
    this.#assertOpen()
    checkStorageIndex(storageIndex)
    const key = toBase32(storageIndex)
    return this.#queue.run(key, () => task(key))
  }

  /** {@link StoreServer.#inTurn}, counted and timed, the wait for the turn included. */
  async #measured<T>(
    operation: StorageOperation,
    storageIndex: StorageIndex,
    task: (key: string) => Promise<T>,
  ): Promise<T> {
    return this.#statistics.measure(operation, () => this.#inTurn(storageIndex, task))
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageError('STORAGE_CLOSED', 'the storage server has been closed')
  }

  /** Bytes that new shares may take; undefined when the store cannot know. */
  async #availableSpace(): Promise<number | undefined> {
    if (this.#options.readonly) return 0
    const space = await this.#store.space()
    return space && Math.max(0, space.available - this.#options.reservedSpace)
  }

  #lease(secrets: LeaseSecrets, ownerNumber: number): Lease {
    const { renewSecret, cancelSecret } = secrets
    const expiresAtSeconds = Math.floor(this.#options.now() / 1000 + LEASE_DURATION_SECONDS)
    return { ownerNumber, renewSecret, cancelSecret, expiresAtSeconds }
  }

  /** Settles with how many of the shares can have a lease at all: a damaged one cannot. */
  async #addLeases(
    storageIndex: StorageIndex,
    shareNumbers: Iterable<ShareNumber>,
    lease: Lease,
  ): Promise<number> {
    let count = 0
    for (const shareNumber of shareNumbers) {
      try {
        await this.#addOneLease(storageIndex, shareNumber, lease)
        count += 1
      } catch (error) {
        if (!isDamage(error)) throw error
        this.#options.log(`no lease on share ${shareNumber}: ${error.message}`)
      }
    }
    return count
  }

  /** Most leases are renewed, which takes no room: the store is asked how much it has only if it must. */
  async #addOneLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    lease: Lease,
  ): Promise<void> {
    try {
      await this.#store.addLease(storageIndex, shareNumber, lease, 0)
    } catch (error) {
      if (!isStorageError(error, 'STORAGE_NO_SPACE')) throw error
      const room = (await this.#availableSpace()) ?? Infinity
      await this.#store.addLease(storageIndex, shareNumber, lease, room)
    }
  }

  #upload(key: string, shareNumber: ShareNumber): BucketWriter | undefined {
    return this.#uploads.get(key)?.get(shareNumber)
  }

  /** Promises room to as many of the shares as there is room for, lowest number first. */
  async #promise(sizes: ReadonlyMap<ShareNumber, number>): Promise<ShareNumber[]> {
    if (sizes.size === 0) return []
    const available = (await this.#availableSpace()) ?? Infinity
    // From here on nothing may wait, lest two files be promised the same room. What uploads in
    // progress have written counts twice, as with upstream.
    let room = available - this.#promised
    const accepted: ShareNumber[] = []
    if (this.#options.readonly) return accepted
    for (const [shareNumber, size] of [...sizes].toSorted(([a], [b]) => a - b)) {
      if (room < size) continue
      room -= size
      this.#promised += size
      accepted.push(shareNumber)
    }
    return accepted
  }

  async #beginUploads(
    storageIndex: StorageIndex,
    wanted: readonly ShareNumber[],
    upload: NewUpload,
  ): Promise<Map<ShareNumber, BucketWriter>> {
    const accepted = await this.#promise(new Map(wanted.map((n) => [n, upload.size])))
    const outcomes = await Promise.allSettled(
      accepted.map((shareNumber) => this.#beginUpload(storageIndex, shareNumber, upload)),
    )
    const writers = new Map<ShareNumber, BucketWriter>()
    for (const outcome of outcomes)
      if (outcome.status === 'fulfilled' && outcome.value !== undefined)
        writers.set(outcome.value.shareNumber, outcome.value)
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed === undefined) return writers
    await Promise.all([...writers.values()].map((writer) => writer.abort()))
    throw failed.reason
  }

  /** Begins an upload to which room has been promised; undefined when the store has none after all. */
  async #beginUpload(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    { size, lease, isOpenEnded }: NewUpload,
  ): Promise<BucketWriter | undefined> {
    const key = toBase32(storageIndex)
    let incoming
    try {
      incoming = await this.#store.createImmutable(storageIndex, shareNumber, size, lease)
    } catch (error) {
      this.#promised -= size
      if (isStorageError(error, 'STORAGE_NO_SPACE')) return undefined
      throw error
    }
    const uploads = this.#uploads.get(key) ?? new Map<ShareNumber, BucketWriter>()
    const context = {
      now: this.#options.now,
      schedule: this.#options.schedule,
      idleTimeoutMs: this.#options.idleTimeoutMs,
      keepAbandonedMs: this.#options.keepAbandonedMs,
      // Half of the room is for those who come.
      hasAmpleRoom: async () => ((await this.#availableSpace()) ?? Infinity) >= 2 * this.#promised,
      statistics: this.#statistics,
      changeRoom: (from: number, to: number, written: number) =>
        this.#changeRoom(from, to, written),
      inTurn: (task: () => Promise<void>) => this.#queue.run(key, task),
      onEnd: (promised: number) => {
        this.#promised -= promised
        uploads.delete(shareNumber)
        if (uploads.size === 0) this.#uploads.delete(key)
      },
    }
    const writer = new BucketWriter(incoming, shareNumber, size, context, isOpenEnded)
    this.#uploads.set(key, uploads.set(shareNumber, writer))
    return writer
  }

  /** Promises an upload more room, or less. What it has written is not free any more. */
  async #changeRoom(from: number, to: number, written: number): Promise<void> {
    const available = to > from ? ((await this.#availableSpace()) ?? Infinity) : Infinity
    // As in #promise, nothing may wait from here on.
    const room = available - (this.#promised - from)
    if (to > from && room < to - written) throw new NoSpaceError(`no room for ${to - from} bytes`)
    this.#promised += to - from
  }

  /** The spans of one mutable share; undefined for one that cannot be read, so that others still are. */
  async #readMutable(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    readVectors: readonly ReadVector[],
  ): Promise<Uint8Array[] | undefined> {
    try {
      const share = await this.#store.open(storageIndex, shareNumber)
      try {
        return share.kind === 'mutable' ? await readSpans(share, readVectors) : undefined
      } finally {
        await share.close()
      }
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#options.log(`share ${shareNumber} is left out: ${error.message}`)
      return undefined
    }
  }

  async #writeSlot(
    storageIndex: StorageIndex,
    key: string,
    secrets: SlotSecrets,
    vectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
  ): Promise<void> {
    if (vectors.size === 0) return
    const changes = new Map(
      [...vectors].map(([n, { write, newLength }]) => [n, { writes: write, newLength }]),
    )
    const leaseRoom = (await this.#availableSpace()) ?? Infinity
    const lease = this.#lease(secrets, 1)
    await this.#store.writeSlot(storageIndex, secrets.writeEnabler, changes, lease, leaseRoom)
    for (const upload of this.#uploads.get(key)?.values() ?? []) upload.giveWay()
  }
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

function numbersOfKind(
  stored: ReadonlyMap<ShareNumber, StoredShareKind>,
  wanted: ShareKind,
): ShareNumber[] {
  const found = [...stored].filter(([, kind]) => kind === wanted).map(([number]) => number)
  return found.toSorted((a, b) => a - b)
}

function noSuchShare(message: string, shareNumber?: ShareNumber): StorageError {
  return new StorageError('STORAGE_NO_SUCH_SHARE', message, { shareNumber })
}

/** Whether an error says that one share is damaged, which is no reason to refuse the others. */
function isDamage(error: unknown): error is StorageError {
  return (
    isStorageError(error, 'STORAGE_BAD_SHARE') ||
    isStorageError(error, 'STORAGE_UNKNOWN_CONTAINER_VERSION')
  )
}

const schedule: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs)
  // In Node a timer is an object that can let the process end; in a browser it is a number.
  if (isUnreferencable(timer)) timer.unref()
  return () => {
    clearTimeout(timer)
  }
}

function isUnreferencable(timer: unknown): timer is { unref(): void } {
  return typeof timer === 'object' && timer !== null && 'unref' in timer
}
