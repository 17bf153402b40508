import type { History } from '@lafs/client'
import type { StorageServer } from '@lafs/storage-server'
import type { Clock } from '@lafs/storage-protocol/waiting'

const SAMPLE_INTERVAL_MS = 60_000
/** For averages of so many minutes, each under upstream's name. */
const AVERAGES = [
  [1, 'cpu_monitor.1min_avg'],
  [5, 'cpu_monitor.5min_avg'],
  [15, 'cpu_monitor.15min_avg'],
] as const
const SAMPLES_MAX = 16

/** What a process has used of the processor at some moment. */
interface CpuSample {
  readonly atMs: number
  readonly cpuSeconds: number
}

/** What a node counts and measures, by upstream's names. */
export interface Statistics {
  /** Null where too little is known. */
  readonly stats: Readonly<Record<string, number | null>>
  readonly counters: Readonly<Record<string, number>>
}

/** What the statistics of a node are made from. */
export interface StatisticsSources {
  readonly clock: Clock
  /** When the node started: milliseconds since 1970. */
  readonly startedMs: number
  readonly history: History
  readonly storage: StorageServer | undefined
}

/**
 * Gathers what a node counts and measures, by upstream's names. Looks at the processor once a minute,
 * until it is closed.
 *
 * @see allmydata.stats.StatsProvider
 */
export class NodeStatistics {
  readonly #sources: StatisticsSources
  readonly #initialCpuSeconds: number = cpuSeconds()
  /** One a minute, the last one at the end. */
  #samples: readonly CpuSample[] = []
  #stop: () => void = () => {}

  constructor(sources: StatisticsSources) {
    this.#sources = sources
    this.#sample()
  }

  /** How things stand now. Null stands for what has been measured too seldom. */
  async gather(): Promise<Statistics> {
    const { clock, startedMs, history, storage } = this.#sources
    const stored = storage === undefined ? [] : await storage.getStats()
    return {
      counters: {
        ...Object.fromEntries(history.counters()),
        ...Object.fromEntries(storage?.counters() ?? []),
      },
      stats: {
        ...this.#cpu(),
        'node.uptime': (clock.nowMs() - startedMs) / 1000,
        ...Object.fromEntries([...stored].map(([name, value]) => [name, value ?? null])),
      },
    }
  }

  close(): void {
    this.#stop()
  }

  #sample(): void {
    const { clock } = this.#sources
    const sample = { atMs: clock.nowMs(), cpuSeconds: cpuSeconds() }
    this.#samples = [...this.#samples, sample].slice(-SAMPLES_MAX)
    this.#stop = clock.after(SAMPLE_INTERVAL_MS, () => this.#sample())
  }

  /** Averages are parts of one processor's time. */
  #cpu(): Record<string, number> {
    const last = this.#samples.at(-1)
    const averages = AVERAGES.flatMap(([minutes, name]) => {
      const first = this.#samples.at(-1 - minutes)
      if (first === undefined || last === undefined) return []
      const elapsedSeconds = (last.atMs - first.atMs) / 1000
      return [[name, (last.cpuSeconds - first.cpuSeconds) / elapsedSeconds] as const]
    })
    const total = cpuSeconds() - this.#initialCpuSeconds
    return { ...Object.fromEntries(averages), 'cpu_monitor.total': total }
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/**
 * Statistics for Prometheus and its like.
 *
 * @see https://openmetrics.io; allmydata.web.status.Statistics.render_OPENMETRICS
 */
export function openMetrics({ counters, stats }: Statistics): string {
  return [
    ...metricLines('tahoe_counters_', counters),
    ...metricLines('tahoe_stats_', stats),
    '# EOF\n',
  ].join('\n')
}

function metricLines(prefix: string, values: Readonly<Record<string, number | null>>): string[] {
  return Object.entries(values)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${prefix}${metricName(name)} ${value ?? 'NaN'}`)
}

/** `get.99_9_percentile` becomes `get{quantile="0.999"}`. */
function metricName(name: string): string {
  return name.replaceAll('.', '_').replace(/_(\d\d)_(\d)_percentile/, '{quantile="0.$1$2"}')
}
