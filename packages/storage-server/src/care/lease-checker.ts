import { fromBase32 } from '@lafs/crypto'
import type { BucketRecord, ShareNumber } from '@lafs/storage-interface'
import { Crawler, type CrawlContext, type CrawlPosition, type CrawlTask } from './crawler.ts'
import type { CrawlerProgress } from './crawler.ts'
import { checkPolicy, configuredMode, isExpired, standingOf } from './expiration.ts'
import type { ConfiguredMode, ExpirationPolicy } from './expiration.ts'
import { isObject, parseObject, type JsonObject } from './json.ts'
import { CycleTally, SPACE_KEYS, type CycleCounts } from './tally.ts'

/** What a whole cycle has counted, and under which policy; times are seconds since 1970. */
export interface CycleRecord extends CycleCounts {
  readonly 'cycle-start-finish-times': readonly [start: number, finish: number]
  readonly 'expiration-enabled': boolean
  readonly 'configured-expiration-mode': ConfiguredMode
}

/** An extrapolation; null where there is nothing to go by. */
export interface EstimatedSpace {
  readonly 'space-recovered': Readonly<Record<string, number | null>>
}

/** The state of a lease checker, in the words of upstream's `lease_checker.state.json`. */
export interface LeaseCheckerState extends CrawlPosition {
  /** The last ten whole cycles, by number. */
  readonly history: Readonly<Record<string, CycleRecord>>
  /** These three only while a cycle is in progress. */
  readonly 'cycle-to-date'?: Omit<CycleRecord, 'cycle-start-finish-times'>
  readonly 'estimated-remaining-cycle'?: EstimatedSpace
  readonly 'estimated-current-cycle'?: EstimatedSpace
}

/** A crawler that looks at the leases of every share and, if its policy says so, deletes what has none left. */
export interface LeaseChecker {
  /** Begins to work, after six minutes; two cycles a day at most. */
  start(): void
  /** Ends the work and saves the state. */
  stop(): Promise<void>
  state(): LeaseCheckerState
  progress(): CrawlerProgress
}

/** The names of its states. */
export const LEASE_CHECKER_STATE = 'lease_checker.state.json'
export const LEASE_CHECKER_HISTORY = 'lease_checker.history.json'

/** So many whole cycles are remembered. */
const HISTORY_SIZE = 10

/**
 * @param onDeleted - called with the bytes of each share that is deleted.
 * @throws RangeError for a policy that makes no sense.
 * @see allmydata.storage.expirer.LeaseCheckingCrawler
 */
export async function openLeaseChecker(
  context: CrawlContext,
  policy: ExpirationPolicy,
  onDeleted: (bytes: number) => void = () => {},
): Promise<LeaseChecker> {
  checkPolicy(policy)
  const history = parseHistory(await context.store.readState(LEASE_CHECKER_HISTORY))
  const task = new LeaseTask(context, policy, history, onDeleted)
  const crawler = await Crawler.open(context, task)
  const state = (): LeaseCheckerState => {
    const done = crawler.partDone
    const cycle = done === undefined ? {} : task.inProgress(done)
    return { ...crawler.position, ...cycle, history: task.history }
  }
  return {
    start: () => {
      crawler.start()
    },
    stop: () => crawler.stop(),
    state,
    progress: () => crawler.progress(),
  }
}

class LeaseTask implements CrawlTask {
  readonly stateName = LEASE_CHECKER_STATE
  readonly pace = { slowStartMs: 360_000, minimumRestMs: 43_200_000 }
  readonly #context: CrawlContext
  readonly #policy: ExpirationPolicy
  readonly #onDeleted: (bytes: number) => void
  #tally = new CycleTally()
  history: Readonly<Record<string, CycleRecord>>

  constructor(
    context: CrawlContext,
    policy: ExpirationPolicy,
    history: Readonly<Record<string, CycleRecord>>,
    onDeleted: (bytes: number) => void,
  ) {
    this.#context = context
    this.#policy = policy
    this.history = history
    this.#onDeleted = onDeleted
  }

  load(saved: JsonObject): void {
    this.#tally = CycleTally.from(saved['cycle-to-date'])
  }

  startCycle(): void {
    this.#tally = new CycleTally()
  }

  visitPrefix(_: number, __: string, names: readonly string[]): readonly string[] {
    return names
  }

  async visitBucket(name: string): Promise<void> {
    const nowSeconds = this.#context.now() / 1000
    const bucket = await this.#context.store.inspect(fromBase32(name))
    const gone = this.#policy.enabled
      ? await this.#expire(name, bucket, nowSeconds)
      : new Set<ShareNumber>()
    for (const share of bucket.shares) {
      const { shareNumber, damage } = share
      if (damage === undefined)
        this.#tally.addShare(share, this.#policy, nowSeconds, gone.has(shareNumber))
      else {
        this.#tally.addCorrupt(name, shareNumber)
        this.#context.log(`share ${shareNumber} of ${name} is damaged: ${damage.message}`)
      }
    }
    this.#tally.addBucket(bucket, this.#policy, nowSeconds, gone)
  }

  /** Lets go of leases that have ended. @returns the shares that went with their last one. */
  async #expire(name: string, bucket: BucketRecord, nowSeconds: number): Promise<Set<ShareNumber>> {
    const gone = new Set<ShareNumber>()
    for (const share of bucket.shares) {
      const { shareNumber, kind } = share
      if (standingOf(share, this.#policy, nowSeconds).expiredCount === 0) continue
      try {
        const { left } = await this.#context.store.removeLeases(
          fromBase32(name),
          shareNumber,
          (lease) => isExpired(lease, kind, this.#policy, nowSeconds),
        )
        if (left > 0) continue
        gone.add(shareNumber)
        this.#onDeleted(share.containerBytes)
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        this.#context.log(`leases on share ${shareNumber} of ${name} stay: ${why}`)
      }
    }
    return gone
  }

  async finishCycle(cycle: number, startSeconds: number): Promise<void> {
    const times = [startSeconds, this.#context.now() / 1000] as const
    const record: CycleRecord = { 'cycle-start-finish-times': times, ...this.#countsAndPolicy() }
    const all: [string, CycleRecord][] = [
      ...Object.entries(this.history).filter(([known]) => known !== String(cycle)),
      [String(cycle), record],
    ]
    const last = all.toSorted(([a], [b]) => Number(a) - Number(b)).slice(-HISTORY_SIZE)
    this.history = Object.fromEntries(last)
    await this.#context.store.saveState(LEASE_CHECKER_HISTORY, JSON.stringify(this.history))
  }

  save(done: number | undefined): JsonObject {
    if (done === undefined) return { history: this.history }
    const state = this.inProgress(done)
    const toDate = { ...state['cycle-to-date'], ...this.#tally.saved() }
    return { ...state, 'cycle-to-date': toDate, history: this.history }
  }

  /** @param done - the part of the cycle that is done, 0 to 1. */
  inProgress(
    done: number,
  ): Pick<
    LeaseCheckerState,
    'cycle-to-date' | 'estimated-remaining-cycle' | 'estimated-current-cycle'
  > {
    const counts = this.#countsAndPolicy()
    const space = counts['space-recovered']
    const times = (factor: number): EstimatedSpace => ({
      'space-recovered': Object.fromEntries(
        SPACE_KEYS.map((key) => [key, done > 0 ? (space[key] ?? 0) * factor : null]),
      ),
    })
    return {
      'cycle-to-date': counts,
      'estimated-remaining-cycle': times((1 - done) / done),
      'estimated-current-cycle': times(1 / done),
    }
  }

  #countsAndPolicy(): Omit<CycleRecord, 'cycle-start-finish-times'> {
    return {
      ...this.#tally.counts(),
      'expiration-enabled': this.#policy.enabled,
      'configured-expiration-mode': configuredMode(this.#policy),
    }
  }
}

/** The cycles of a history file that are objects: what they hold is only shown. */
function parseHistory(text: string | undefined): Readonly<Record<string, CycleRecord>> {
  const cycles = Object.entries(parseObject(text) ?? {})
  return Object.fromEntries(
    cycles.filter((entry): entry is [string, CycleRecord & JsonObject] => isObject(entry[1])),
  )
}
