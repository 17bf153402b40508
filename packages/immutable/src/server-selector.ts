import { toBase32 } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { NoServersError, UploadUnhappinessError } from '@lafs/filesystem-interface'
import type { ProgressOptions, Shareholder } from '@lafs/filesystem-interface'
import { StorageError } from '@lafs/storage-interface'
import type {
  AllocateResult,
  IServer,
  IStorageBucketWriter,
  IStorageBroker,
  IStorageServer,
  LeaseSecrets,
  OperationOptions,
  RIBucketWriter,
} from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { WRITE_BATCH_SIZE } from '@lafs/storage-protocol/layout'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import { within } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { failureMessage, serversOfHappiness } from './happiness.ts'
import type { ShareMap } from './happiness.ts'
import { PeerSelector } from './peer-selector.ts'
import type { Resumption } from './resume/resumption.ts'

/** How long a server may take to answer a question of the selection. */
const QUERY_TIMEOUT_MS = 15_000
/** How long a selection that has failed waits for servers to take back what they reserved. */
const ABORT_TIMEOUT_MS = 5000
/** All bytes that the writers of one upload may gather before they send them. */
const GATHERED_SIZE = 32 * 1024 * 1024

/** What a server has said of a file. */
export interface ServerAnswer {
  readonly storage: IStorageServer
  /** The shares that it holds. */
  readonly held: ReadonlySet<number>
  /** Those of them that this upload has stored there, with a lease. */
  readonly stored: ReadonlySet<number>
  /** Whether it takes no share of this size. */
  readonly isFull: boolean
}

/** What is to be placed. */
export interface SelectionRequest {
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  readonly requiredShares: number
  readonly happyShares: number
  readonly totalShares: number
  /** Bytes of each share, or those to begin with where the upload is open-ended. */
  readonly allocatedSize: number
  /** Whether the size is not known yet: servers that cannot take such shares are left out. */
  readonly isOpenEnded?: boolean
  /** Makes the writer onto a bucket. */
  readonly makeWriter: (
    bucket: RIBucketWriter,
    options: { readonly batchSize: number; readonly firstBatchSize: number },
  ) => IStorageBucketWriter
}

export interface SelectionDependencies extends ProgressOptions {
  readonly broker: IStorageBroker
  readonly crypto: CryptoProvider
  readonly clock: Clock
  /** 32 bytes: the client's own, from which all its lease secrets derive. */
  readonly leaseSecret: Uint8Array
  /** What an interrupted upload of this file has left. */
  readonly resumption?: Resumption | undefined
  /** What servers have answered already, by their ids. Default: nothing, all are asked. */
  readonly answers?: ReadonlyMap<string, Promise<ServerAnswer>> | undefined
}

/** Who takes the shares of an upload, and who has some already. */
export interface Selection {
  readonly shareholders: Map<number, Shareholder>
  readonly preexisting: ShareMap
  /** What this upload had stored before, see {@link ServerAnswer.stored}. */
  readonly stored: ShareMap
}

/** One server in a selection. */
interface Tracker {
  readonly server: IServer
  readonly secrets: LeaseSecrets
  storage: IStorageServer | undefined
  /** Whether it takes no shares, be it by its own word, for want of room, or since it failed. */
  readonly: boolean
  /** Whether it failed to answer, so that it is not asked again. */
  bad: boolean
  /** Whether it was asked to allocate anything, which renews the leases on what it has. */
  asked: boolean
  readonly held: Set<number>
  /** Those of them that are this upload's own. */
  readonly stored: Set<number>
  readonly buckets: Map<number, RIBucketWriter>
}

/**
 * Finds servers for the shares of a file: asks twice as many as there are shares what they hold,
 * decides on a placement, reserves room, and decides again without those that had none or failed,
 * until the servers of happiness suffice or nothing gets better. A file whose shares are all there, on
 * servers enough, stays as it is. (Upstream pushes some of them once more then, to other servers.)
 *
 * @throws {@link FilesystemError} `UPLOAD_NO_SERVERS`, `UPLOAD_UNHAPPINESS`; whatever was reserved
 *   until then is given back.
 * @see allmydata.immutable.upload.Tahoe2ServerSelector
 */
export function selectServers(
  request: SelectionRequest,
  dependencies: SelectionDependencies,
): Promise<Selection> {
  return new ServerSelector(request, dependencies).run()
}

class ServerSelector {
  readonly #request: SelectionRequest
  readonly #dependencies: SelectionDependencies
  readonly #allocatedSize: number
  readonly #peers: PeerSelector
  readonly #cancellation: Cancellation
  readonly #homeless: Set<number>
  readonly #serversWithShares = new Set<string>()
  readonly #errors: unknown[] = []
  readonly #queries = { total: 0, good: 0, full: 0, error: 0 }
  /** The buckets that an earlier upload began. */
  readonly #resumed = new Set<RIBucketWriter>()
  #trackers: Tracker[] = []

  constructor(request: SelectionRequest, dependencies: SelectionDependencies) {
    this.#request = request
    this.#dependencies = dependencies
    this.#cancellation = new Cancellation(dependencies.signal)
    this.#allocatedSize = request.allocatedSize
    this.#peers = new PeerSelector(request.totalShares)
    this.#homeless = new Set(Array.from({ length: request.totalShares }, (_, share) => share))
  }

  async run(): Promise<Selection> {
    const { broker } = this.#dependencies
    this.#cancellation.signal.throwIfAborted()
    const { storageIndex, totalShares, happyShares } = this.#request
    const servers = broker.serversForStorageIndex(storageIndex, { forUpload: true })
    if (servers.length === 0) throw new NoServersError(whyNoServers(broker))
    this.#trackers = this.#makeTrackers(servers.slice(0, 2 * totalShares))
    this.#peers.addPeers(this.#trackers.map(({ server }) => server.serverId))
    try {
      await Promise.all(this.#trackers.map((tracker) => this.#probe(tracker)))
      await Promise.all(this.#trackers.map((tracker) => this.#resume(tracker)))
      const happiness = this.#isSettled() ? await this.#renew() : await this.#placeAll()
      if (happiness < happyShares || this.#isLost()) throw this.#unhappy(happiness)
      return {
        shareholders: this.#shareholders(),
        preexisting: this.#sharesOn(({ held, stored }) => [...held].filter((n) => !stored.has(n))),
        stored: this.#sharesOn(({ stored }) => stored),
      }
    } catch (error) {
      // What holds data already is left for another try.
      const kept = this.#dependencies.resumption?.keeps(error) === true
      const reserved = this.#trackers.flatMap(({ buckets }) => [...buckets.values()])
      await this.#giveBack(reserved.filter((bucket) => !kept || !this.#resumed.has(bucket)))
      throw error
    } finally {
      this.#cancellation.dispose()
    }
  }

  #makeTrackers(servers: readonly IServer[]): Tracker[] {
    const secretsOn = leaseSecretsOf(this.#request.storageIndex, this.#dependencies)
    return servers.map((server) => ({
      server,
      secrets: secretsOn(server),
      storage: undefined,
      readonly: false,
      bad: false,
      asked: false,
      held: new Set(),
      stored: new Set(),
      buckets: new Map(),
    }))
  }

  /** Asks a server how large a share it takes, and which it has of this file. */
  async #probe(tracker: Tracker): Promise<void> {
    const { serverId } = tracker.server
    try {
      const known = this.#dependencies.answers?.get(serverId)
      const { storage, held, stored, isFull } = await (known ??
        this.#inTime((signal) => this.#ask(tracker.server, { signal })))
      tracker.storage = storage
      if (isFull) {
        tracker.readonly = true
        this.#peers.markReadonlyPeer(serverId)
      }
      for (const share of stored) tracker.stored.add(share)
      for (const share of [...held].toSorted((a, b) => a - b)) this.#found(tracker, share)
    } catch (error) {
      this.#cancellation.signal.throwIfAborted()
      this.#errors.push(error)
      this.#queries.total += 1
      this.#queries.error += 1
      tracker.bad = true
      this.#peers.markBadPeer(serverId)
    }
  }

  async #ask(server: IServer, options: OperationOptions): Promise<ServerAnswer> {
    return askServer(await server.storageServer(options), this.#request, options)
  }

  /** Takes up what an interrupted upload had begun on a server, as far as it can be relied upon. */
  async #resume(tracker: Tracker): Promise<void> {
    const { serverId } = tracker.server
    const placed = this.#dependencies.resumption?.entry.placed.get(serverId) ?? []
    await Promise.all(
      [...placed].map(async (share) => {
        if (tracker.held.has(share)) return
        const writer = await this.#reopen(tracker, share)
        if (writer === undefined) return
        tracker.buckets.set(share, writer)
        this.#homeless.delete(share)
        this.#peers.addPeerWithShare(serverId, share)
        this.#serversWithShares.add(serverId)
      }),
    )
  }

  /**
   * Opens an upload of an earlier run. One that cannot be relied upon is dropped, since servers give
   * no room for a share that is being uploaded.
   */
  async #reopen({ server, storage }: Tracker, share: number): Promise<RIBucketWriter | undefined> {
    const { resumption } = this.#dependencies
    if (resumption?.entry.interrupted !== true || storage === undefined) return undefined
    const request = {
      uploadSecret: resumption.secretOn(server.serverId),
      allocatedSize: this.#allocatedSize,
      firstBytes: resumption.firstBytes,
    }
    try {
      const upload = await this.#inTime(async (signal) =>
        storage.resumeUpload?.(this.#request.storageIndex, share, request, { signal }),
      )
      if (upload === undefined) return undefined
      const { writer, missing } = upload
      if (resumption.canUse(server.serverId, share, missing)) {
        const resumed = resumption.writer(writer, missing)
        this.#resumed.add(resumed)
        return resumed
      }
      await this.#inTime((signal) => writer.abort({ signal }))
    } catch {
      this.#cancellation.signal.throwIfAborted()
    }
    return undefined
  }

  /** Returns when the servers know, as far as they answer: whoever asked may leave after that. */
  async #giveBack(buckets: readonly RIBucketWriter[]): Promise<void> {
    const { clock } = this.#dependencies
    const timeout = (): Error => new Error('no answer to an abort')
    await Promise.allSettled(
      buckets.map((bucket) =>
        within(bucket.abort(), { clock, delayMs: ABORT_TIMEOUT_MS, timeout }),
      ),
    )
  }

  /** Whether every share has a home already, on servers enough. */
  #isSettled(): boolean {
    return this.#homeless.size === 0 && this.#happiness() >= this.#request.happyShares
  }

  /** Leaves all shares where they are, and renews the leases on them. */
  async #renew(): Promise<number> {
    await Promise.all(this.#trackers.map((tracker) => this.#allocate(tracker, tracker.held)))
    return this.#happiness()
  }

  /** Places shares round after round; gives the servers of happiness that were reached. */
  async #placeAll(): Promise<number> {
    const { happyShares, isOpenEnded = false } = this.#request
    let last: number | undefined
    for (;;) {
      const failuresBefore = this.#queries.full + this.#queries.error
      const placement = this.#peers.sharePlacements()
      this.#keepOwn(placement)
      await Promise.all(
        this.#trackers.map((tracker) => this.#allocate(tracker, sharesFor(placement, tracker))),
      )
      const happiness = this.#happiness()
      const failures = this.#queries.full + this.#queries.error
      const writable = this.#trackers.some((tracker) => !tracker.readonly && !tracker.bad)
      // Servers that take no shares of unknown size show when they are asked: others get these shares.
      const isIncomplete = this.#homeless.size > 0 && (isOpenEnded || this.#isLost())
      const noBetter = last !== undefined && happiness <= last && !isIncomplete
      if (noBetter || failures === failuresBefore || !writable) return happiness
      if (happiness >= happyShares && !isIncomplete) return happiness
      last = happiness
    }
  }

  /** Lets shares that are on their servers by this upload stay there: they change places with others. */
  #keepOwn(placement: Map<number, string>): void {
    for (const { server, stored, buckets } of this.#trackers) {
      const resumed = [...buckets].filter(([, bucket]) => this.#resumed.has(bucket))
      const own = new Set([...stored, ...resumed.map(([share]) => share)])
      for (const share of own) {
        const elsewhere = placement.get(share)
        if (elsewhere === server.serverId) continue
        const other = [...placement].find(
          ([candidate, id]) =>
            id === server.serverId && !own.has(candidate) && !buckets.has(candidate),
        )
        if (other !== undefined && elsewhere !== undefined) placement.set(other[0], elsewhere)
        placement.set(share, server.serverId)
      }
    }
  }

  /** Reserves room for shares on a server. */
  async #allocate(tracker: Tracker, wanted: ReadonlySet<number>): Promise<void> {
    if (tracker.bad || tracker.storage === undefined) return
    const shareNumbers = new Set(
      [...wanted].filter((share) =>
        tracker.readonly ? tracker.held.has(share) && !tracker.asked : !tracker.buckets.has(share),
      ),
    )
    // What was stored a moment ago has its lease.
    for (const share of tracker.stored) shareNumbers.delete(share)
    const renews = tracker.readonly && tracker.held.size > tracker.stored.size && !tracker.asked
    if (shareNumbers.size === 0 && !renews) return
    tracker.asked = true
    for (const share of shareNumbers) this.#homeless.delete(share)
    this.#queries.total += 1
    try {
      const begun = new Map<number, RIBucketWriter>()
      for (const share of shareNumbers) {
        if (tracker.held.has(share)) continue
        const writer = await this.#reopen(tracker, share)
        if (writer !== undefined) begun.set(share, writer)
      }
      const rest = new Set([...shareNumbers].filter((share) => !begun.has(share)))
      const { alreadyGot, writers } = await this.#reserve(tracker.storage, tracker, rest)
      for (const [share, writer] of begun) writers.set(share, writer)
      this.#allocated(tracker, shareNumbers, { alreadyGot, writers })
    } catch (error) {
      this.#cancellation.signal.throwIfAborted()
      this.#errors.push(error)
      this.#queries.error += 1
      for (const share of shareNumbers) this.#homeless.add(share)
      tracker.readonly = true
      this.#peers.markReadonlyPeer(tracker.server.serverId)
    }
  }

  async #reserve(
    storage: IStorageServer,
    { server, secrets }: Tracker,
    shareNumbers: ReadonlySet<number>,
  ): Promise<AllocateResult> {
    // Not to be aborted: the answer must come, so that what it reserves can be given back.
    const { storageIndex, isOpenEnded = false } = this.#request
    const wanted = {
      ...secrets,
      shareNumbers,
      allocatedSize: this.#allocatedSize,
      uploadSecret: this.#dependencies.resumption?.secretOn(server.serverId),
    }
    const allocation = isOpenEnded
      ? storage.allocateOpenEnded?.(storageIndex, wanted)
      : storage.allocateBuckets(storageIndex, wanted)
    if (allocation === undefined) {
      const message = 'shares of unknown size cannot go there'
      throw new StorageError('STORAGE_NOT_SUPPORTED', message, { serverId: server.serverId })
    }
    return this.#inTime(
      () => allocation,
      ({ writers }) => abortAll(writers.values()),
    )
  }

  #allocated(
    tracker: Tracker,
    asked: ReadonlySet<number>,
    { alreadyGot, writers }: AllocateResult,
  ): void {
    const { serverId } = tracker.server
    for (const share of alreadyGot) this.#found(tracker, share)
    for (const [share, writer] of writers) {
      if (asked.has(share)) this.#reserved(tracker, share, writer)
      else abortAll([writer])
    }
    if (writers.size > 0) this.#serversWithShares.add(serverId)
    const refused = [...asked].filter((share) => !alreadyGot.has(share) && !writers.has(share))
    for (const share of refused) this.#homeless.add(share)
    if (alreadyGot.size > 0 || writers.size > 0) this.#queries.good += 1
    else this.#queries.full += 1
    if (refused.length > 0) {
      tracker.readonly = true
      this.#peers.markReadonlyPeer(serverId)
      // What it has taken stays there in the next round.
      for (const share of tracker.buckets.keys()) this.#peers.addPeerWithShare(serverId, share)
    }
    const { totalShares } = this.#request
    const done = totalShares - this.#homeless.size
    this.#dependencies.onProgress?.({ phase: 'placing', done, total: totalShares })
  }

  /** Notes that a server has a share whole, if it says so of one that the file has. */
  #found({ server: { serverId }, held }: Tracker, share: number): void {
    if (share >= this.#request.totalShares) return
    held.add(share)
    this.#peers.addPeerWithShare(serverId, share)
    this.#homeless.delete(share)
    this.#serversWithShares.add(serverId)
  }

  /** Notes that a server takes a share; another one that took it in an earlier round is let go. */
  #reserved(tracker: Tracker, share: number, writer: RIBucketWriter): void {
    for (const { buckets } of this.#trackers) {
      const earlier = buckets.get(share)
      buckets.delete(share)
      if (earlier !== undefined) abortAll([earlier])
    }
    tracker.buckets.set(share, writer)
  }

  #sharesOn(chosen: (tracker: Tracker) => Iterable<number>): ShareMap {
    const shareMap: ShareMap = new Map()
    for (const tracker of this.#trackers) {
      for (const share of chosen(tracker)) {
        shareMap.set(share, (shareMap.get(share) ?? new Set()).add(tracker.server.serverId))
      }
    }
    return shareMap
  }

  /** What the servers hold, and what they take. */
  #merged(): ShareMap {
    return this.#sharesOn(({ held, buckets }) => [...held, ...buckets.keys()])
  }

  #happiness(): number {
    return serversOfHappiness(this.#merged())
  }

  /**
   * Whether there are too few shares to make the file of, though it may be spread as it was asked for.
   * (Upstream takes such uploads.)
   */
  #isLost(): boolean {
    const { requiredShares, happyShares } = this.#request
    return happyShares > 0 && this.#merged().size < requiredShares
  }

  #shareholders(): Map<number, Shareholder> {
    const { makeWriter, totalShares } = this.#request
    const batchSize = Math.min(WRITE_BATCH_SIZE, Math.floor(GATHERED_SIZE / totalShares))
    const shareholders = new Map<number, Shareholder>()
    for (const { server, buckets } of this.#trackers) {
      for (const [share, bucket] of buckets) {
        // A third of the writers sends at a time, so that the line is never idle for long.
        const firstBatchSize = Math.ceil((batchSize * (1 + (share % 3))) / 3)
        const writer = makeWriter(bucket, { batchSize, firstBatchSize })
        shareholders.set(share, { serverId: server.serverId, writer })
      }
    }
    return shareholders
  }

  #unhappy(happiness: number): UploadUnhappinessError {
    const { storageIndex, requiredShares, happyShares } = this.#request
    const message = failureMessage({
      peerCount: this.#serversWithShares.size,
      requiredShares,
      happyShares,
      happiness,
    })
    const names = new Map(this.#trackers.map(({ server }) => [server.serverId, server.name]))
    const merged = [...this.#merged()]
      .toSorted(([a], [b]) => a - b)
      .map(([share, ids]) => `sh${share}: ${[...ids].map((id) => names.get(id) ?? id).join('+')}`)
      .join(', ')
    const upload = toBase32(storageIndex).slice(0, 5)
    const full = this.#trackers.filter((tracker) => tracker.readonly && !tracker.bad).length
    const room =
      full === 0
        ? ''
        : `, ${full} of ${this.#trackers.length} servers take no share of ${this.#allocatedSize} bytes`
    const last = this.#errors.at(-1)
    const why = last instanceof Error ? ` (last failure was: ${last.message})` : ''
    return new UploadUnhappinessError(
      `server selection failed for upload ${upload}: ${message} (${this.#progressMessage()}${room}), merged=${merged}${why}`,
      { errors: this.#errors, happiness, happyShares },
    )
  }

  #progressMessage(): string {
    const { totalShares, requiredShares, happyShares } = this.#request
    const { total, good, full, error } = this.#queries
    const homeless = this.#homeless.size
    const placed =
      homeless === 0
        ? `placed all ${totalShares} shares`
        : `placed ${totalShares - homeless} shares out of ${totalShares} total (${homeless} homeless)`
    return (
      `${placed}, want to place shares on at least ${happyShares} servers such that any ` +
      `${requiredShares} of them have enough shares to recover the file, sent ${total} queries to ` +
      `${total} servers, ${good} queries placed some shares, ${full + error} placed none (of which ` +
      `${full} placed none due to the server being full and ${error} placed none due to an error)`
    )
  }

  #inTime<T>(work: (signal: AbortSignal) => Promise<T>, late?: (value: T) => void): Promise<T> {
    return this.#cancellation.run((signal) =>
      within(work(signal), {
        clock: this.#dependencies.clock,
        delayMs: QUERY_TIMEOUT_MS,
        timeout: () => new Error(`no answer within ${QUERY_TIMEOUT_MS / 1000} seconds`),
        signal,
        ...(late && { late }),
      }),
    )
  }
}

/** Asks a server how large a share it takes, and which it has of a file. */
export async function askServer(
  storage: IStorageServer,
  { storageIndex, allocatedSize }: Pick<SelectionRequest, 'storageIndex' | 'allocatedSize'>,
  options: OperationOptions,
): Promise<ServerAnswer> {
  const [version, buckets] = await Promise.all([
    storage.getVersion(options),
    storage.getBuckets(storageIndex, options),
  ])
  return {
    storage,
    held: new Set(buckets.keys()),
    stored: new Set(),
    isFull: version.maximumImmutableShareSize < allocatedSize,
  }
}

/** Upstream's words where no server is known; else what is wrong with one of them. */
function whyNoServers(broker: IStorageBroker): string {
  const known = broker.knownServers()
  const [first] = known
  if (first === undefined) return 'client gave us zero servers'
  const { summary } = first.connectionStatus
  return `none of ${known.length} servers can be used now; ${first.name}: ${summary}`
}

function sharesFor(placement: ReadonlyMap<number, string>, tracker: Tracker): Set<number> {
  const mine = [...placement].filter(([, serverId]) => serverId === tracker.server.serverId)
  return new Set(mine.map(([share]) => share))
}

/** Gives back what a server has reserved; that it may not hear of it is its own loss. */
function abortAll(buckets: Iterable<RIBucketWriter>): void {
  for (const bucket of buckets) void bucket.abort().catch(() => {})
}
