import type { IUploadStatus, OperationStatus } from '@lafs/filesystem-interface'
import { toBase32 } from '@lafs/crypto'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { fold, section, table } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { pageResponse } from './layout.ts'
import { rootOf } from './links.ts'
import { percent, sizeText, timeText } from './text.ts'

/** One operation in the list. */
interface Item {
  readonly label: string
  readonly address: string
  readonly operation: OperationStatus
  /** From 0 to 1. */
  readonly progress: number
}

/** GET /status */
export async function statusPage(exchange: Exchange): Promise<GatewayResponse> {
  const { history } = exchange.context
  const files = [
    ...items('Storing a file', 'up', history.listRecentUploads(), sent),
    ...items('Storing a file', 'up', history.listActiveUploads(), sent),
    ...items('Reading a file', 'down', history.listRecentDownloads(), own),
    ...items('Reading a file', 'down', history.listActiveDownloads(), own),
    ...items('Writing a folder or changeable file', 'publish', history.listRecentPublishes(), own),
  ]
  const readings = [
    ...items('Finding versions', 'mapupdate', history.listRecentServermapUpdates(), own),
    ...items('Reading a folder or changeable file', 'retrieve', history.listRecentRetrieves(), own),
  ]
  const root = rootOf(exchange.request)
  const of = (all: readonly Item[], active: boolean): Item[] =>
    newestFirst(all.filter(({ operation }) => operation.active === active))
  const active = of([...files, ...readings], true)
  const body = html`<h1>Activity</h1>
    <div data-live="activity">
      ${section('active', 'Going on', list(root, active, 'Nothing goes on right now.'))}
      ${section('recent', 'Lately', list(root, of(files, false), 'Nothing yet.'))}
      ${fold('Readings of folders and changeable files', list(root, of(readings, false), 'None yet.'))}
    </div>`
  return pageResponse(exchange, { title: 'Activity', section: 'activity', body, refreshSeconds: 1 })
}

function items<Status extends OperationStatus>(
  label: string,
  prefix: string,
  all: readonly Status[],
  progress: (status: Status) => number,
): Item[] {
  return all.map((operation) => ({
    label,
    address: `status/${prefix}-${operation.counter}`,
    operation,
    progress: progress(operation),
  }))
}

function sent({ progress }: IUploadStatus): number {
  return progress.encodeAndPush
}

function own({ progress }: { readonly progress: number }): number {
  return progress
}

/** Each once: what goes on is among the last ones, too. */
function newestFirst(all: readonly Item[]): Item[] {
  const each = new Map(all.map((item) => [item.operation, item]))
  return [...each.values()].toSorted((a, b) => b.operation.startedMs - a.operation.startedMs)
}

function list(root: string, all: readonly Item[], empty: string): Html {
  if (all.length === 0) return html`<p class="empty">${empty}</p>`
  const rows = all.map(({ label, address, operation, progress }) => [
    html`<a href="${root}${address}">${label}</a> ${identity(operation)}`,
    sizeText(operation.size),
    stateOf(label, operation, progress),
    timeText(operation.startedMs),
  ])
  const columns = [
    { label: 'What' },
    { label: 'Size', numeric: true },
    { label: 'State' },
    { label: 'Began' },
  ]
  return table('Operations', columns, rows)
}

function identity({ storageIndex }: OperationStatus): Html {
  if (storageIndex === undefined) return html``
  return html`<code class="faint">${toBase32(storageIndex).slice(0, 6)}</code>`
}

function stateOf(label: string, { active, status }: OperationStatus, progress: number): Html {
  if (!active) return html`${status}`
  const value = progress.toFixed(3)
  return html`<progress max="1" value="${value}" aria-label="${label}"></progress>
    ${percent(progress)}, ${status}`
}
