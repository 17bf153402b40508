import { toBase32 } from '@lafs/crypto'
import type { History } from '@lafs/client'
import type {
  IDownloadStatus,
  IServermapUpdaterStatus,
  IUploadStatus,
  OperationStatus,
} from '@lafs/filesystem-interface'
import { downloadEventsJson } from '../download-events.ts'
import { badRequest, NO_SUCH_RESOURCE, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import {
  downloadStatusPage,
  helperPage,
  mapUpdateStatusPage,
  publishStatusPage,
  retrieveStatusPage,
  statisticsPage,
  statusPage,
  storagePage,
  uploadStatusPage,
  welcomePage,
} from '../pages/index.ts'
import { quoteName } from '../quote.ts'
import { jsonResponse, textResponse } from '../response.ts'
import { serverFacts } from '../server-facts.ts'
import { openMetrics } from '../statistics.ts'
import type { Exchange } from '../context.ts'
import type { PathRoute } from './route.ts'

/** What the node says of itself. */
export const statusRoutes: readonly PathRoute[] = [
  get('/', '', 'The page to begin with', async (exchange) =>
    welcomePage(exchange, await serverFacts(exchange)),
  ),
  ...json('/', 'The servers of the grid, as JSON', welcomeJson),
  get('/status', '', 'A page of the operations under way and the last ones', statusPage),
  ...json('/status', 'The operations under way and the last ones, as JSON', statusJson),
  get('/status/:operation', '*', 'A page about one operation, such as `up-3`', operationStatus),
  get(
    '/status/:operation/event_json',
    '*',
    'What happened in a download, such as `down-3`, as JSON for a timeline',
    downloadEvents,
  ),
  get('/statistics', '', 'A page of what the node counts and measures', async (exchange) =>
    statisticsPage(exchange, await exchange.context.statistics.gather()),
  ),
  ...json('/statistics', 'What the node counts and measures, as JSON', statisticsJson),
  get('/statistics', 'openmetrics', 'The same for Prometheus and its like', statisticsMetrics),
  get('/storage', '', 'A page about the storage server of the node', storagePage),
  ...json('/storage', 'How the storage server of the node stands, as JSON', storageJson),
  get('/helper_status', '', 'A page about the upload helper of the node', helperPage),
  ...json('/helper_status', 'How the upload helper stands, as JSON', async () => jsonResponse({})),
  get('/report_incident', '*', 'Nothing: it can only be used with POST', async () => {
    throw badRequest('/report_incident can only be used with POST')
  }),
  {
    path: '/report_incident',
    method: 'POST',
    t: '*',
    args: ['details'],
    summary: 'Says that no incident is recorded',
    handle: async () => {
      throw new WebError(501, 'This node records no incidents: nothing has been saved.')
    },
  },
]

function get(
  path: string,
  t: string,
  summary: string,
  handle: (exchange: Exchange) => Promise<GatewayResponse>,
): PathRoute {
  return { path, method: 'GET', t, args: [], summary, handle }
}

/** Rows of JSON: upstream's commands ask for it with POST. */
function json(
  path: string,
  summary: string,
  handle: (exchange: Exchange) => Promise<GatewayResponse>,
): PathRoute[] {
  const row = get(path, 'json', summary, handle)
  return [row, { ...row, method: 'POST' }]
}

const JSON_TYPE = 'application/json'

/** @see allmydata.web.root.Root.render_JSON */
async function welcomeJson(exchange: Exchange): Promise<GatewayResponse> {
  const servers = (await serverFacts(exchange)).map((server) => ({
    nodeid: server.serverId,
    // Upstream's word, which scripts wait for.
    connection_status: server.connected ? 'connected' : server.summary,
    available_space: server.availableSpace ?? null,
    nickname: server.nickname,
    version: server.version ?? null,
    last_received_data: server.lastReceivedMs === undefined ? null : server.lastReceivedMs / 1000,
  }))
  return jsonResponse({ introducers: { statuses: [] }, servers }, `${JSON_TYPE}; charset=utf-8`)
}

/** One operation of a kind, with the kind's name. */
type KnownOperation =
  | { readonly type: 'upload'; readonly status: IUploadStatus }
  | { readonly type: 'download'; readonly status: IDownloadStatus }
  | { readonly type: 'mapupdate'; readonly status: IServermapUpdaterStatus }
  | { readonly type: 'publish' | 'retrieve'; readonly status: OperationStatus }

/** @see allmydata.web.status.Status.render_JSON */
async function statusJson({ context }: Exchange): Promise<GatewayResponse> {
  const operations = operationsOf(context.history).toSorted(
    (a, b) => b.status.startedMs - a.status.startedMs,
  )
  const active = operations.filter(({ status }) => status.active)
  const recent = operations.filter(({ status }) => !status.active)
  return jsonResponse(
    { active: active.map(operationJson), recent: recent.map(operationJson) },
    JSON_TYPE,
  )
}

function operationsOf(history: History): KnownOperation[] {
  return [
    ...history.listAllUploads().map((status) => ({ type: 'upload', status }) as const),
    ...history.listAllDownloads().map((status) => ({ type: 'download', status }) as const),
    ...history.listAllServermapUpdates().map((status) => ({ type: 'mapupdate', status }) as const),
    ...history.listAllPublishes().map((status) => ({ type: 'publish', status }) as const),
    ...history.listAllRetrieves().map((status) => ({ type: 'retrieve', status }) as const),
  ]
}

/** @see allmydata.web.status.marshal_json */
function operationJson(operation: KnownOperation): object {
  const { storageIndex, size, status } = operation.status
  const common = {
    'storage-index-string': storageIndex === undefined ? null : toBase32(storageIndex),
    // Upstream's making of a servermap has no size, and says so.
    'total-size': size ?? (operation.type === 'mapupdate' ? '-NA-' : null),
    status,
    type: operation.type,
  }
  switch (operation.type) {
    case 'upload': {
      const { chk, ciphertext, encodeAndPush } = operation.status.progress
      return {
        ...common,
        'progress-hash': chk,
        'progress-ciphertext': ciphertext,
        'progress-encode-push': encodeAndPush,
      }
    }
    case 'download':
      return { ...common, progress: operation.status.progress }
    case 'mapupdate':
      return { ...common, mode: operation.status.mode }
    case 'publish':
    case 'retrieve':
      return common
  }
}

async function operationStatus(exchange: Exchange): Promise<GatewayResponse> {
  const { history } = exchange.context
  const { kind, counter } = operationName(exchange)
  const t = exchange.args.get('t') ?? ''
  if (t !== '' && /^(?:mapupdate|publish|retrieve)$/.test(kind)) {
    throw badRequest(`Unknown t value: '${quoteName(t)}'`)
  }
  const found = <Status extends OperationStatus>(all: readonly Status[]): Status => {
    const status = all.find((one) => one.counter === counter)
    if (status === undefined) throw forgotten()
    return status
  }
  switch (kind) {
    case 'up':
      return uploadStatusPage(exchange, found(history.listAllUploads()))
    case 'down':
      return downloadStatusPage(exchange, found(history.listAllDownloads()))
    case 'mapupdate':
      return mapUpdateStatusPage(exchange, found(history.listAllServermapUpdates()))
    case 'publish':
      return publishStatusPage(exchange, found(history.listAllPublishes()))
    case 'retrieve':
      return retrieveStatusPage(exchange, found(history.listAllRetrieves()))
    default:
      throw forgotten()
  }
}

async function downloadEvents(exchange: Exchange): Promise<GatewayResponse> {
  const { client, history } = exchange.context
  const { kind, counter } = operationName(exchange)
  const status = history.listAllDownloads().find((one) => one.counter === counter)
  if (kind !== 'down' || status === undefined) throw forgotten()
  return jsonResponse(downloadEventsJson(status, client.broker))
}

/** The kind and the number of an operation in the path. @throws {@link WebError} 400 */
function operationName({ path }: Exchange): { readonly kind: string; readonly counter: number } {
  const name = path[1] ?? ''
  const [kind = '', digits = '', ...rest] = name.split('-')
  if (!name.includes('-') || rest.length > 0) throw badRequest(`no '-' in '${quoteName(name)}'`)
  return { kind, counter: /^\d+$/.test(digits) ? Number(digits) : NaN }
}

function forgotten(): WebError {
  return new WebError(404, NO_SUCH_RESOURCE)
}

async function statisticsJson({ context }: Exchange): Promise<GatewayResponse> {
  return jsonResponse(await context.statistics.gather())
}

async function statisticsMetrics({ context }: Exchange): Promise<GatewayResponse> {
  const text = openMetrics(await context.statistics.gather())
  const type = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
  return { ...textResponse(text), headers: [['content-type', type]] }
}

/** @see allmydata.web.storage.StorageStatus.render_JSON */
async function storageJson({ context }: Exchange): Promise<GatewayResponse> {
  const { storage } = context
  if (storage === undefined) return jsonResponse({})
  const stats = [...(await storage.getStats())].map(
    ([name, value]) => [name, value ?? null] as const,
  )
  const { bucketCounter, leaseChecker } = storage.crawlers ?? {}
  return jsonResponse({
    stats: Object.fromEntries(stats),
    'bucket-counter': bucketCounter?.state() ?? null,
    'lease-checker': leaseChecker?.state() ?? null,
    'lease-checker-progress': leaseChecker?.progress() ?? null,
  })
}
