/** What a storage server does, by the words of upstream's statistics. */
export type StorageOperation =
  | 'allocate'
  | 'write'
  | 'close'
  | 'read'
  | 'get'
  | 'writev'
  | 'readv'
  | 'add-lease'
  | 'renew'
  | 'cancel'

/** What is counted: operations, aborted uploads, and bytes that came and went. */
export type StorageCounter = StorageOperation | 'abort' | 'bytes_added' | 'bytes_freed'

/** So many of the last durations of an operation are remembered. */
const SAMPLES_MAX = 1000

/** Part, name, and how many samples make it meaningful. */
const PERCENTILES = [
  [0.01, '01_0_percentile', 100],
  [0.1, '10_0_percentile', 10],
  [0.5, '50_0_percentile', 10],
  [0.9, '90_0_percentile', 10],
  [0.95, '95_0_percentile', 20],
  [0.99, '99_0_percentile', 100],
  [0.999, '99_9_percentile', 1000],
] as const

/** The durations of one operation, in seconds; undefined for what would take more samples. */
export type Latencies = ReadonlyMap<string, number | undefined>

/**
 * Counts operations and remembers how long the last ones took.
 *
 * @see allmydata.storage.server.StorageServer.get_latencies
 */
export class OperationStatistics {
  readonly #now: () => number
  readonly #counters = new Map<StorageCounter, number>()
  readonly #samples = new Map<StorageOperation, { next: number; readonly seconds: number[] }>()

  /** @param now - milliseconds; only differences count. */
  constructor(now: () => number) {
    this.#now = now
  }

  count(what: StorageCounter, by = 1): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + by)
  }

  /**
   * Runs and counts an operation. One that fails is counted, and not timed.
   *
   * @param times - how many it stands for.
   */
  async measure<T>(what: StorageOperation, operation: () => Promise<T>, times = 1): Promise<T> {
    this.count(what, times)
    const begun = this.#now()
    const result = await operation()
    this.addSample(what, (this.#now() - begun) / 1000)
    return result
  }

  /** Remembers how long an operation took, in seconds. */
  addSample(what: StorageOperation, seconds: number): void {
    const ring = this.#samples.get(what) ?? { next: 0, seconds: [] }
    ring.seconds[ring.next] = seconds
    ring.next = (ring.next + 1) % SAMPLES_MAX
    this.#samples.set(what, ring)
  }

  /** What was counted, by `storage_server.<counter>`. */
  counters(): ReadonlyMap<string, number> {
    return new Map([...this.#counters].map(([what, count]) => [`storage_server.${what}`, count]))
  }

  /** `samplesize`, `mean` and the percentiles of each operation that has been timed. */
  latencies(): ReadonlyMap<StorageOperation, Latencies> {
    return new Map([...this.#samples].map(([what, { seconds }]) => [what, latenciesOf(seconds)]))
  }
}

function latenciesOf(seconds: readonly number[]): Latencies {
  const sorted = seconds.toSorted((a, b) => a - b)
  const mean = sorted.reduce((sum, each) => sum + each, 0) / sorted.length
  const found = new Map<string, number | undefined>([
    ['samplesize', sorted.length],
    ['mean', sorted.length > 1 ? mean : undefined],
  ])
  for (const [part, name, needed] of PERCENTILES) {
    const value = sorted[Math.trunc(part * sorted.length)]
    found.set(name, sorted.length >= needed ? value : undefined)
  }
  return found
}
