import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import type { Statistics } from '../statistics.ts'
import { spreads, stackedBar } from './charts.ts'
import type { Spread } from './charts.ts'
import { fold, section, table, tiles } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { pageResponse } from './layout.ts'
import { rootOf } from './links.ts'
import { duration, number, size } from './text.ts'

/** GET /statistics */
export async function statisticsPage(
  exchange: Exchange,
  statistics: Statistics,
): Promise<GatewayResponse> {
  const { stats, counters } = statistics
  const root = rootOf(exchange.request)
  const latencies = latenciesOf(stats)
  const body = html`<h1>Statistics</h1>
    <p class="hint">
      Since this node
      began${typeof stats['node.uptime'] === 'number' && `, ${duration(stats['node.uptime'] * 1000)} ago`}.
      <a href="${root}statistics?t=json">JSON</a>,
      <a href="${root}statistics?t=openmetrics">OpenMetrics</a>
    </p>
    <div data-plot="rate" hidden></div>
    <div data-live="statistics">
      ${section('files', 'Files', traffic(counters))}
      ${section('processor', 'Processor', processor(stats))} ${disk(stats)}
      ${latencies.length > 0 && section('latencies', 'How long the storage server takes', html`${spreads('How long the operations of the storage server take', latencies, duration)}${latencyTable(latencies)}`)}
      ${fold('All numbers', html`${numbers('Counters', counters)}${numbers('Measurements', stats)}`)}
    </div>`
  return pageResponse(exchange, {
    title: 'Statistics',
    section: 'statistics',
    body,
    refreshSeconds: 5,
  })
}

function traffic(counters: Statistics['counters']): Html {
  const of = (name: string): number => counters[name] ?? 0
  return tiles([
    ['Files stored', number(of('uploader.files_uploaded'))],
    ['Bytes stored', size(of('uploader.bytes_uploaded'))],
    ['Reads of files', number(of('downloader.files_downloaded'))],
    ['Bytes read', size(of('downloader.bytes_downloaded'))],
    ['Folders and changeable files written', number(of('mutable.files_published'))],
    ['… and read', number(of('mutable.files_retrieved'))],
  ])
}

function processor(stats: Statistics['stats']): Html {
  const part = (name: string): string => {
    const value = stats[name]
    return typeof value === 'number' ? `${(value * 100).toFixed(1)}%` : '–'
  }
  const total = stats['cpu_monitor.total']
  return tiles([
    ['Last minute', part('cpu_monitor.1min_avg')],
    ['Last 5 minutes', part('cpu_monitor.5min_avg')],
    ['Last 15 minutes', part('cpu_monitor.15min_avg')],
    ['Together', typeof total === 'number' ? duration(total * 1000) : '–'],
  ])
}

function disk(stats: Statistics['stats']): Html | false {
  const total = stats['storage_server.disk_total']
  return typeof total === 'number' && section('disk', 'Disk of the storage server', diskBar(stats))
}

/** How full the disk of the storage server is, of upstream's statistics. */
export function diskBar(stats: Statistics['stats']): Html {
  const total = stats['storage_server.disk_total'] ?? 0
  const used = stats['storage_server.disk_used'] ?? 0
  const available = stats['storage_server.disk_avail'] ?? 0
  return stackedBar(
    'Disk',
    [
      { label: 'Used', value: used, kind: 'used' },
      {
        label: 'Free, not for shares',
        value: Math.max(0, total - used - available),
        kind: 'reserved',
      },
      { label: 'For shares', value: available, kind: 'free' },
    ],
    size,
  )
}

interface Latency extends Spread {
  readonly samples: number
}

const LATENCY = /^storage_server\.latencies\.(.+)\.samplesize$/

/** Of every operation that was timed; upstream measures in seconds. */
function latenciesOf(stats: Statistics['stats']): Latency[] {
  const operations = Object.keys(stats).flatMap((name) => LATENCY.exec(name)?.[1] ?? [])
  return operations.toSorted().map((operation) => {
    const of = (what: string): number | undefined => {
      const seconds = stats[`storage_server.latencies.${operation}.${what}`]
      return typeof seconds === 'number' ? seconds * 1000 : undefined
    }
    return {
      label: operation,
      low: of('10_0_percentile'),
      median: of('50_0_percentile'),
      high: of('90_0_percentile'),
      mean: of('mean'),
      samples: stats[`storage_server.latencies.${operation}.samplesize`] ?? 0,
    }
  })
}

function latencyTable(latencies: readonly Latency[]): Html {
  const time = (value: number | undefined): string => (value === undefined ? '–' : duration(value))
  const columns = ['Operation', 'Samples', 'Mean', '10%', 'Median', '90%'].map((label, index) => ({
    label,
    numeric: index > 0,
  }))
  return table(
    'How long the operations of the storage server take',
    columns,
    latencies.map(({ label, samples, mean, low, median, high }) => [
      label,
      number(samples),
      time(mean),
      time(low),
      time(median),
      time(high),
    ]),
  )
}

function numbers(caption: string, values: Readonly<Record<string, number | null>>): Html {
  const rows = Object.entries(values)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [html`<code>${name}</code>`, value === null ? '–' : String(value)])
  return html`<h3>${caption}</h3>
    ${rows.length === 0 ? html`<p class="empty">None.</p>` : table(caption, [{ label: 'Name' }, { label: 'Value', numeric: true }], rows)}`
}
