import type {
  IDownloadStatus,
  IPublishStatus,
  IRetrieveStatus,
  IServermapUpdaterStatus,
  IUploadStatus,
  OperationStatus,
} from '@lafs/filesystem-interface'
import { toBase32 } from '@lafs/crypto'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../routes/route.ts'
import { section, table } from './components.ts'
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
  /** From 0 to 1; undefined where it is not said. */
  readonly progress: number | undefined
}

/** GET /status */
export async function statusPage(exchange: Exchange): Promise<GatewayResponse> {
  const { history } = exchange.context
  const active = itemsOf({
    uploads: history.listActiveUploads(),
    downloads: history.listActiveDownloads(),
    servermapUpdates: history.listRecentServermapUpdates().filter(isActive),
    publishes: history.listRecentPublishes().filter(isActive),
    retrieves: history.listRecentRetrieves().filter(isActive),
  })
  const recent = itemsOf({
    uploads: history.listRecentUploads(),
    downloads: history.listRecentDownloads(),
    servermapUpdates: history.listRecentServermapUpdates(),
    publishes: history.listRecentPublishes(),
    retrieves: history.listRecentRetrieves(),
  }).filter(({ operation }) => !operation.active)
  const root = rootOf(exchange.request)
  const body = html`<h1>Activity</h1>
    <div data-live="activity">
      ${section('active', 'Going on', list(root, active, 'Nothing goes on right now.'))}
      ${section('recent', 'Lately', list(root, recent, 'Nothing yet.'))}
    </div>`
  return pageResponse(exchange, { title: 'Activity', section: 'activity', body, refreshSeconds: 5 })
}

function isActive({ active }: OperationStatus): boolean {
  return active
}

function itemsOf(lists: {
  readonly uploads: readonly IUploadStatus[]
  readonly downloads: readonly IDownloadStatus[]
  readonly servermapUpdates: readonly IServermapUpdaterStatus[]
  readonly publishes: readonly IPublishStatus[]
  readonly retrieves: readonly IRetrieveStatus[]
}): Item[] {
  const of = <Status extends OperationStatus>(
    label: string,
    prefix: string,
    all: readonly Status[],
    progress: (status: Status) => number,
  ): Item[] =>
    all.map((operation) => ({
      label,
      address: `status/${prefix}-${operation.counter}`,
      operation,
      progress: progress(operation),
    }))
  const own = ({ progress }: { readonly progress: number }): number => progress
  return [
    ...of('Storing a file', 'up', lists.uploads, ({ progress }) => progress.encodeAndPush),
    ...of('Reading a file', 'down', lists.downloads, own),
    ...of('Finding versions', 'mapupdate', lists.servermapUpdates, own),
    ...of('Writing a folder or changeable file', 'publish', lists.publishes, own),
    ...of('Reading a folder or changeable file', 'retrieve', lists.retrieves, own),
  ].toSorted((a, b) => b.operation.startedMs - a.operation.startedMs)
}

function list(root: string, items: readonly Item[], empty: string): Html {
  if (items.length === 0) return html`<p class="empty">${empty}</p>`
  const rows = items.map(({ label, address, operation, progress }) => [
    html`<a href="${root}${address}">${label}</a
      >${operation.storageIndex !== undefined && html` <code class="faint">${toBase32(operation.storageIndex).slice(0, 6)}</code>`}`,
    sizeText(operation.size),
    progressBar(label, operation, progress),
    operation.status,
    timeText(operation.startedMs),
  ])
  const columns = [
    { label: 'What' },
    { label: 'Size', numeric: true },
    { label: 'Progress' },
    { label: 'State' },
    { label: 'Began' },
  ]
  return table('Operations', columns, rows)
}

function progressBar(
  label: string,
  { active }: OperationStatus,
  progress: number | undefined,
): Html {
  if (!active || progress === undefined)
    return html`<span class="faint">${active ? '' : 'over'}</span>`
  return html`<progress max="1" value="${progress.toFixed(3)}" aria-label="${label}"></progress>
    ${percent(progress)}`
}
