import type { IShareStore } from '@lafs/storage-interface'
import type { Schedule } from '../bucket-writer.ts'
import { numberOr, parseObject, type JsonObject } from './json.ts'

const LETTERS = Array.from('234567abcdefghijklmnopqrstuvwxyz')

/** The first two characters of storage indexes in base32, in the order of a walk. */
export const PREFIXES: readonly string[] = LETTERS.flatMap((first) =>
  LETTERS.map((second) => first + second),
)

/** What crawlers share with the storage server that they belong to. */
export interface CrawlContext {
  readonly store: IShareStore
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly schedule: Schedule
  /** Runs a task alone among the operations on one storage index, given in base32. */
  readonly inTurn: <T>(storageIndex: string, task: () => Promise<T>) => Promise<T>
  /** Takes one line for people about something unusual. */
  readonly log: (line: string) => void
}

/** How fast a crawler goes. */
interface CrawlPace {
  /** Milliseconds from the start of a server to the first slice. */
  readonly slowStartMs: number
  /** Milliseconds of rest between two cycles, at least. */
  readonly minimumRestMs: number
}

/** One walk through all shares, cycle after cycle. */
export interface CrawlTask {
  /** Under which name of the store its state is kept. */
  readonly stateName: string
  readonly pace: CrawlPace
  /** Takes up what was saved of it; an empty object when nothing was. */
  load(saved: JsonObject): void
  startCycle(cycle: number): void
  /** Looks at the names under a prefix. @returns those that are to be visited. */
  visitPrefix(cycle: number, prefix: string, names: readonly string[]): readonly string[]
  visitBucket(name: string): Promise<void>
  /** Sums up a cycle that began at such a time. */
  finishCycle(cycle: number, startSeconds: number): Promise<void>
  /**
   * What it keeps for the time when it goes on.
   *
   * @param done - the part of the cycle that is done, 0 to 1; undefined between two cycles.
   */
  save(done: number | undefined): JsonObject
}

/** A slice of work ends after so many milliseconds, */
const SLICE_MS = 10
/** or so many steps (a prefix listed, a bucket visited), */
const SLICE_STEPS = 400
/** and is followed by a rest so long that the work takes no more than this part of the time, */
const WORK_PART = 0.1
/** but no longer than so many milliseconds. */
const REST_MAX_MS = 299_000
/** The state is saved when so many milliseconds have gone by since it was saved last. */
const SAVE_INTERVAL_MS = 10_000

/** How far a crawler is, in the words of upstream's `/storage?t=json`. Times are seconds. */
export type CrawlerProgress =
  | {
      readonly 'cycle-in-progress': true
      /** 0 to 100. */
      readonly 'cycle-complete-percentage': number
      readonly 'estimated-cycle-complete-time-left': number | null
      readonly 'remaining-sleep-time': number | null
      readonly 'estimated-time-per-cycle': number | null
    }
  | {
      readonly 'cycle-in-progress': false
      /** Since 1970; null while the crawler is stopped. */
      readonly 'next-crawl-time': number | null
      readonly 'remaining-wait-time': number | null
      readonly 'estimated-time-per-cycle': number | null
    }

/** Where a crawler stands in its walk, in the words of upstream's state files. Times are seconds. */
export interface CrawlPosition {
  readonly version: 1
  readonly 'last-cycle-finished': number | null
  /** Null between two cycles. */
  readonly 'current-cycle': number | null
  readonly 'last-complete-prefix': string | null
  readonly 'last-complete-bucket': string | null
  readonly 'current-cycle-start-time': number
}

/**
 * Walks through a store in slices, each so short that those who wait for the server do not notice,
 * and goes on where it was after a stop or a crash: what came after the last saved state is done again.
 *
 * @see allmydata.storage.crawler.ShareCrawler
 */
export class Crawler {
  readonly #context: CrawlContext
  readonly #task: CrawlTask
  #position: CrawlPosition
  /** The index of the last prefix that is done; -1 for none. */
  #prefixIndex = -1
  /** What is to be visited under the prefix after that, the next one last; undefined before it was listed. */
  #pending: string[] | undefined
  #cancelTimer: (() => void) | undefined
  #slice: Promise<void> = Promise.resolve()
  #running = false
  #savedAtMs: number
  #nextWakeMs: number | undefined
  #prefixFinishedMs: number | undefined
  #prefixMs: number | undefined
  #cycleStartedMs: number | undefined
  #cycleMs: number | undefined

  private constructor(context: CrawlContext, task: CrawlTask, position: CrawlPosition) {
    this.#context = context
    this.#task = task
    this.#position = position
    this.#prefixIndex = PREFIXES.indexOf(position['last-complete-prefix'] ?? '')
    this.#savedAtMs = context.now()
  }

  /** Takes up the state that the store has of a task; a state that cannot be read begins anew. */
  static async open(context: CrawlContext, task: CrawlTask): Promise<Crawler> {
    const saved = parseObject(await context.store.readState(task.stateName)) ?? {}
    task.load(saved)
    return new Crawler(context, task, positionOf(saved, context.now() / 1000))
  }

  get position(): CrawlPosition {
    return this.#position
  }

  /** The part of the cycle that is done, 0 to 1; undefined between two cycles. */
  get partDone(): number | undefined {
    if (this.#position['current-cycle'] === null) return undefined
    return Math.max(0, this.#prefixIndex) / PREFIXES.length
  }

  /** Begins to work, after the slow start. */
  start(): void {
    if (this.#running) return
    this.#running = true
    this.#sleep(this.#task.pace.slowStartMs)
  }

  /** Ends the work after the step that is under way, and saves the state. */
  async stop(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    this.#cancelTimer?.()
    this.#nextWakeMs = undefined
    await this.#slice
    await this.#save()
  }

  progress(): CrawlerProgress {
    const nowMs = this.#context.now()
    const wake = this.#nextWakeMs
    const sleep = wake === undefined ? null : (wake - nowMs) / 1000
    const prefixSeconds = this.#prefixMs === undefined ? null : this.#prefixMs / 1000
    const perCycle =
      this.#cycleMs === undefined
        ? prefixSeconds && prefixSeconds * PREFIXES.length
        : this.#cycleMs / 1000
    const done = this.partDone
    if (done === undefined)
      return {
        'cycle-in-progress': false,
        'next-crawl-time': wake === undefined ? null : wake / 1000,
        'remaining-wait-time': sleep,
        'estimated-time-per-cycle': perCycle,
      }
    return {
      'cycle-in-progress': true,
      'cycle-complete-percentage': 100 * done,
      'estimated-cycle-complete-time-left':
        prefixSeconds && (1 - done) * PREFIXES.length * prefixSeconds,
      'remaining-sleep-time': sleep,
      'estimated-time-per-cycle': perCycle,
    }
  }

  #sleep(ms: number): void {
    this.#nextWakeMs = this.#context.now() + ms
    this.#cancelTimer = this.#context.schedule(() => {
      this.#slice = this.#runSlice()
    }, ms)
  }

  async #runSlice(): Promise<void> {
    const { now } = this.#context
    this.#nextWakeMs = undefined
    const begunMs = now()
    let finished = false
    for (let step = 0; step < SLICE_STEPS && this.#running && !finished; step += 1) {
      finished = await this.#step()
      if (now() - begunMs >= SLICE_MS) break
    }
    if (!this.#running) return
    if (finished || now() - this.#savedAtMs >= SAVE_INTERVAL_MS) await this.#save()
    const workedMs = now() - begunMs
    const restMs = Math.max(1, Math.min(workedMs / WORK_PART - workedMs, REST_MAX_MS))
    // A stop may have come while the state was saved.
    if (this.#running)
      this.#sleep(finished ? Math.max(restMs, this.#task.pace.minimumRestMs) : restMs)
  }

  /** Lists a prefix or visits a bucket. @returns whether that was the last step of a cycle. */
  async #step(): Promise<boolean> {
    if (this.#position['current-cycle'] === null) this.#startCycle()
    // Upstream may have saved its state between the last prefix and the end of the cycle.
    if (this.#prefixIndex < PREFIXES.length - 1) await this.#goOn()
    if (this.#prefixIndex < PREFIXES.length - 1) return false
    await this.#finishCycle()
    return true
  }

  async #goOn(): Promise<void> {
    if (this.#pending === undefined) await this.#listPrefix()
    else {
      const name = this.#pending.pop()
      if (name !== undefined) await this.#visit(name)
    }
    if (this.#pending?.length === 0) this.#finishPrefix()
  }

  #startCycle(): void {
    const last = this.#position['last-cycle-finished']
    const cycle = last === null ? 0 : last + 1
    this.#cycleStartedMs = this.#context.now()
    this.#position = {
      ...this.#position,
      'current-cycle': cycle,
      'current-cycle-start-time': this.#cycleStartedMs / 1000,
    }
    this.#task.startCycle(cycle)
  }

  async #listPrefix(): Promise<void> {
    const prefix = PREFIXES[this.#prefixIndex + 1] ?? ''
    const last = this.#position['last-complete-bucket'] ?? ''
    try {
      const names = await this.#context.store.bucketNames(prefix)
      const cycle = this.#position['current-cycle'] ?? 0
      const wanted = this.#task.visitPrefix(cycle, prefix, names)
      this.#pending = wanted.filter((name) => name > last).toReversed()
    } catch (error) {
      this.#note(`shares under ${prefix} are left out`, error)
      this.#pending = []
    }
  }

  async #visit(name: string): Promise<void> {
    try {
      await this.#context.inTurn(name, () => this.#task.visitBucket(name))
    } catch (error) {
      this.#note(`shares of ${name} are left out`, error)
    }
    this.#position = { ...this.#position, 'last-complete-bucket': name }
  }

  #finishPrefix(): void {
    this.#pending = undefined
    this.#prefixIndex += 1
    const nowMs = this.#context.now()
    if (this.#prefixFinishedMs !== undefined) this.#prefixMs = nowMs - this.#prefixFinishedMs
    this.#prefixFinishedMs = nowMs
    const prefix = PREFIXES[this.#prefixIndex] ?? null
    this.#position = { ...this.#position, 'last-complete-prefix': prefix }
  }

  async #finishCycle(): Promise<void> {
    const cycle = this.#position['current-cycle'] ?? 0
    const startSeconds = this.#position['current-cycle-start-time']
    if (this.#cycleStartedMs !== undefined)
      this.#cycleMs = this.#context.now() - this.#cycleStartedMs
    this.#prefixIndex = -1
    this.#prefixFinishedMs = undefined
    this.#position = {
      ...this.#position,
      'last-cycle-finished': cycle,
      'current-cycle': null,
      'last-complete-prefix': null,
      'last-complete-bucket': null,
    }
    try {
      await this.#task.finishCycle(cycle, startSeconds)
    } catch (error) {
      this.#note(`cycle ${cycle} cannot be summed up`, error)
    }
  }

  async #save(): Promise<void> {
    this.#savedAtMs = this.#context.now()
    const state = { ...this.#position, ...this.#task.save(this.partDone) }
    try {
      await this.#context.store.saveState(this.#task.stateName, JSON.stringify(state))
    } catch (error) {
      this.#note('the state cannot be saved', error)
    }
  }

  #note(what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    this.#context.log(`${this.#task.stateName}: ${what}: ${why}`)
  }
}

/** The position that a state file tells, or the beginning. */
function positionOf(saved: JsonObject, nowSeconds: number): CrawlPosition {
  const prefix = saved['last-complete-prefix']
  const bucket = saved['last-complete-bucket']
  const known = typeof prefix === 'string' && PREFIXES.includes(prefix)
  return {
    version: 1,
    'last-cycle-finished': numberOr(saved['last-cycle-finished'], null),
    'current-cycle': numberOr(saved['current-cycle'], null),
    'last-complete-prefix': known ? prefix : null,
    // A bucket without the prefix that it follows could make the walk skip others.
    'last-complete-bucket':
      typeof bucket === 'string' && (known || prefix === null) ? bucket : null,
    'current-cycle-start-time': numberOr(saved['current-cycle-start-time'], nowSeconds),
  }
}
