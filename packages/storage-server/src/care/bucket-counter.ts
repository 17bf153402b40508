import {
  Crawler,
  PREFIXES,
  type CrawlContext,
  type CrawlPosition,
  type CrawlTask,
} from './crawler.ts'
import type { CrawlerProgress } from './crawler.ts'
import { isObject, numberOr, numbersOf, type JsonObject } from './json.ts'

/** The state of a bucket counter, in the words of upstream's `bucket_counter.state.json`. */
export interface BucketCounterState extends CrawlPosition {
  /** By cycle, then by prefix. */
  readonly 'bucket-counts': Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Storage indexes that had shares when the last whole cycle went by. */
  readonly 'last-complete-bucket-count': number | null
  /** The storage indexes in base32 of some prefixes, by prefix, and the cycle that found them. */
  readonly 'storage-index-samples': Readonly<
    Record<string, readonly [cycle: number, storageIndexes: readonly string[]]>
  >
}

/** A crawler that counts the storage indexes that have shares. */
export interface BucketCounter {
  /** Begins to work, after five minutes; a cycle an hour at most. */
  start(): void
  /** Ends the work and saves the state. */
  stop(): Promise<void>
  state(): BucketCounterState
  progress(): CrawlerProgress
}

/** The name of its state. */
export const BUCKET_COUNTER_STATE = 'bucket_counter.state.json'

/** Storage indexes are kept of so many prefixes. */
const SAMPLED_PREFIXES = 1

/** @see allmydata.storage.crawler.BucketCountingCrawler */
export async function openBucketCounter(context: CrawlContext): Promise<BucketCounter> {
  const task = new BucketCountTask()
  const crawler = await Crawler.open(context, task)
  return {
    start: () => {
      crawler.start()
    },
    stop: () => crawler.stop(),
    state: () => ({ ...crawler.position, ...task.save() }),
    progress: () => crawler.progress(),
  }
}

type OwnState = Omit<BucketCounterState, keyof CrawlPosition>

class BucketCountTask implements CrawlTask {
  readonly stateName = BUCKET_COUNTER_STATE
  readonly pace = { slowStartMs: 300_000, minimumRestMs: 3_600_000 }
  #counts: Record<string, Record<string, number>> = {}
  #total: number | null = null
  #samples: Record<string, readonly [number, readonly string[]]> = {}

  load(saved: JsonObject): void {
    const counts = saved['bucket-counts']
    if (isObject(counts))
      for (const [cycle, byPrefix] of Object.entries(counts))
        this.#counts[cycle] = numbersOf(byPrefix)
    this.#total = numberOr(saved['last-complete-bucket-count'], null)
    const samples = saved['storage-index-samples']
    if (isObject(samples))
      for (const [prefix, sample] of Object.entries(samples))
        if (isSample(sample)) this.#samples[prefix] = sample
  }

  startCycle(): void {}

  visitPrefix(cycle: number, prefix: string, names: readonly string[]): readonly string[] {
    const counts = (this.#counts[cycle] ??= {})
    counts[prefix] = names.length
    if (PREFIXES.indexOf(prefix) < SAMPLED_PREFIXES) this.#samples[prefix] = [cycle, names]
    return []
  }

  async visitBucket(): Promise<void> {}

  async finishCycle(cycle: number): Promise<void> {
    const counts = Object.values(this.#counts[cycle] ?? {})
    if (counts.length === PREFIXES.length) {
      this.#total = counts.reduce((sum, count) => sum + count, 0)
      this.#counts = { [cycle]: this.#counts[cycle] ?? {} }
    }
    const samples = Object.entries(this.#samples).filter(([, [of]]) => of === cycle)
    this.#samples = Object.fromEntries(samples)
  }

  save(): OwnState {
    const counts = Object.entries(this.#counts).map(([cycle, byPrefix]) => [cycle, { ...byPrefix }])
    return {
      'bucket-counts': Object.fromEntries(counts) as OwnState['bucket-counts'],
      'last-complete-bucket-count': this.#total,
      'storage-index-samples': { ...this.#samples },
    }
  }
}

function isSample(value: unknown): value is readonly [number, readonly string[]] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'number' &&
    Array.isArray(value[1]) &&
    value[1].every((name) => typeof name === 'string')
  )
}
