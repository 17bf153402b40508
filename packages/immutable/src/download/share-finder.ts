import type { IServer, IStorageBroker, RIBucketReader } from '@lafs/storage-interface'
import type { Cancellation } from '@lafs/storage-protocol/waiting'
import { within } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { EventLog } from './event-log.ts'
import type { Notifier } from './notifier.ts'

/** Servers that are asked at once, not counting those that are overdue. */
const OUTSTANDING_MAX = 10
/** How long the first servers of a small file may keep the others from being asked. */
const HEAD_START_MS = 50
/** After this long the next server is asked as well. */
const OVERDUE_MS = 10_000
/** After this long an answer is not waited for, though it is still taken. */
const GIVE_UP_MS = 60_000

/** The servers that are asked first; the others are only where these do not suffice at once. */
export interface FirstAsked {
  readonly count: number
  /** Bytes of a share that are worth having with the answer. */
  readonly readAhead: number | undefined
}

export interface ShareFinderOptions {
  readonly broker: IStorageBroker
  readonly storageIndex: Uint8Array
  readonly clock: Clock
  readonly changed: Notifier
  readonly events: EventLog
  /** Which servers are asked before the others. Default: all are asked. */
  readonly first?: FirstAsked | undefined
  /** Takes each share that is found, with the time that its server took to answer. */
  readonly onShare: (
    server: IServer,
    shareNumber: number,
    bucket: RIBucketReader,
    answerMs: number,
  ) => void
}

/**
 * Asks servers for the shares of a file, in the order of the file, as long as somebody wants more.
 * What was found stays known; servers that failed are asked again in the next read.
 *
 * @see allmydata.immutable.downloader.finder.ShareFinder
 */
export class ShareFinder {
  readonly #options: ShareFinderOptions
  readonly #asked = new Set<string>()
  readonly #failed = new Set<string>()
  #queue: IServer[] = []
  #pending = 0
  #overdue = 0
  /** Whether nobody has been asked yet, the first servers have and the others wait, or all may be. */
  #stage: 'new' | 'first' | 'all'
  /** What went wrong last. */
  lastFailure: unknown
  /** What went wrong with each server, by its id. */
  readonly problems: Map<string, string> = new Map()

  constructor(options: ShareFinderOptions) {
    this.#options = options
    this.#stage = options.first === undefined ? 'all' : 'new'
  }

  /** Takes up the servers that are new or failed before. Call it when a read begins. */
  refresh(): void {
    for (const id of this.#failed) this.#asked.delete(id)
    this.#failed.clear()
    const { broker, storageIndex } = this.#options
    this.#queue = broker
      .serversForStorageIndex(storageIndex)
      .filter(({ serverId }) => !this.#asked.has(serverId))
  }

  /** Asks a server once more that has answered. */
  askAgain(server: IServer): void {
    if (this.#asked.delete(server.serverId)) this.#queue.unshift(server)
  }

  /** Whether no question is open and no server is left to ask. */
  get exhausted(): boolean {
    return this.#queue.length === 0 && this.#pending === 0
  }

  /** Sends questions, as many as may be open at once. */
  ask(requests: Cancellation): void {
    if (this.#stage === 'new') this.#askFirst(requests)
    if (this.#stage === 'first') return
    while (this.#pending - this.#overdue < OUTSTANDING_MAX) {
      const server = this.#queue.shift()
      if (server === undefined) return
      void requests.run((signal) => this.#query(server, signal, {}))
    }
  }

  /** Asks the first servers, and lets the others wait until these have answered, or one is of no use. */
  #askFirst(requests: Cancellation): void {
    const { clock, changed, first } = this.#options
    const servers = this.#queue.splice(0, first?.count ?? 0)
    let open = servers.length
    const askAll = (): void => {
      cancelTimer()
      this.#stage = 'all'
      changed.notify()
    }
    const cancelTimer = clock.after(HEAD_START_MS, askAll)
    this.#stage = open > 0 ? 'first' : 'all'
    for (const server of servers) {
      const query = requests.run((signal) => this.#query(server, signal, { ...first }))
      void query.then((wasOfUse) => {
        open -= 1
        if (this.#stage === 'first' && (open === 0 || !wasOfUse)) askAll()
      })
    }
  }

  /** Asks one server. @returns whether it has shares. */
  async #query(
    server: IServer,
    signal: AbortSignal,
    { readAhead }: { readonly readAhead?: number | undefined },
  ): Promise<boolean> {
    const { clock, changed, storageIndex, events } = this.#options
    const startMs = clock.nowMs()
    const event = events.shareQuery(server.serverId)
    let overdue = false
    let isOfUse = false
    this.#asked.add(server.serverId)
    this.#pending += 1
    const cancelTimer = clock.after(OVERDUE_MS, () => {
      overdue = true
      this.#overdue += 1
      changed.notify()
    })
    const found = (buckets: Map<number, RIBucketReader>): void => {
      isOfUse = buckets.size > 0
      event.success = true
      event.shareNumbers = [...buckets.keys()].toSorted((a, b) => a - b)
      event.finishMs = clock.nowMs()
      for (const [share, bucket] of [...buckets].toSorted(([a], [b]) => a - b)) {
        this.#options.onShare(server, share, bucket, clock.nowMs() - startMs)
      }
      changed.notify()
    }
    try {
      const query = server
        .storageServer({ signal })
        .then((storage) => storage.getBuckets(storageIndex, { signal, readAhead }))
      found(
        await within(query, {
          clock,
          delayMs: GIVE_UP_MS,
          timeout: () => new Error(`${server.name} did not answer`),
          signal,
          late: found,
        }),
      )
    } catch (error) {
      event.success = false
      event.finishMs = clock.nowMs()
      if (signal.aborted) {
        // A read may have begun since, which counts on this answer.
        this.#asked.delete(server.serverId)
        this.#queue.unshift(server)
      } else {
        this.#failed.add(server.serverId)
        this.lastFailure = error
        this.problems.set(server.serverId, error instanceof Error ? error.message : String(error))
      }
    } finally {
      cancelTimer()
      this.#pending -= 1
      if (overdue) this.#overdue -= 1
      changed.notify()
    }
    return isOfUse
  }
}
