import { toBase32 } from '@lafs/crypto'
import type {
  IDownloadStatus,
  IPublishStatus,
  IRetrieveStatus,
  IServermapUpdaterStatus,
  IUploadStatus,
  MutableOperationStatus,
  OperationStatus,
} from '@lafs/filesystem-interface'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { facts, fold, table } from './components.ts'
import { html } from './html.ts'
import type { Html, Part } from './html.ts'
import { pageResponse } from './layout.ts'
import { rootOf } from './links.ts'
import { placement } from './share-map.ts'
import { number, percent, sizeText, timeText } from './text.ts'
import { timeline } from './timeline.ts'
import {
  downloadTimings,
  mapUpdateTimings,
  perServer,
  publishTimings,
  retrieveTimings,
  uploadTimings,
} from './timings.ts'
import { errorText, serverText } from './words.ts'

/** GET /status/up-N */
export async function uploadStatusPage(
  exchange: Exchange,
  upload: IUploadStatus,
): Promise<GatewayResponse> {
  const { progress, results, size } = upload
  const more: Part =
    results !== undefined &&
    html`${facts([
        ['Pieces stored now', number(results.pushedShares)],
        ['Pieces that were there already', number(results.preexistingShares)],
      ])}${
        results.sharemap.size > 0 &&
        html`<h2>Which server holds which piece</h2>
          ${placement(exchange.context, results.sharemap)}`
      }
      <h2>Time</h2>
      ${uploadTimings(results.timings, size)}`
  return statusPageOf(
    exchange,
    'Storing a file',
    upload,
    [
      ['Making the key', percent(progress.chk)],
      ['Sending', bar('Sending', progress.encodeAndPush)],
    ],
    more,
  )
}

/** GET /status/down-N */
export async function downloadStatusPage(
  exchange: Exchange,
  download: IDownloadStatus,
): Promise<GatewayResponse> {
  const { context } = exchange
  const { events, progress, results, size, counter } = download
  const problems = [...(results?.serverProblems ?? [])].map(([serverId, problem]) => [
    serverText(context, serverId),
    problem,
  ])
  const more = html`${
    results !== undefined &&
    html`${
        problems.length > 0 &&
        html`<h2>Problems</h2>
          ${table('Problems', [{ label: 'Server' }, { label: 'Problem' }], problems)}`
      }
      <h2>Time</h2>
      ${downloadTimings(results.timings, size)}${perServer(context, results.timings.fetchPerServerMs)}`
  }
  ${events !== undefined && timeline(context, events)}
  ${events !== undefined && html`<p><a href="${rootOf(exchange.request)}status/down-${counter}/event_json">All events as JSON</a></p>`}`
  return statusPageOf(
    exchange,
    'Reading a file',
    download,
    [['Progress', bar('Progress', progress)]],
    more,
  )
}

/** GET /status/mapupdate-N */
export async function mapUpdateStatusPage(
  exchange: Exchange,
  update: IServermapUpdaterStatus,
): Promise<GatewayResponse> {
  const { context } = exchange
  const { servermap, mode, progress, privateKeyFrom, timings } = update
  const versions = [...(servermap?.versionMap() ?? [])].map(([version, shares]) => [
    version.summary,
    `${number(shares.size)} of ${number(version.totalShares)}`,
    number(version.requiredShares),
    sizeText(version.size),
  ])
  const columns = [
    { label: 'Version' },
    { label: 'Pieces' },
    { label: 'Needed', numeric: true },
    { label: 'Size', numeric: true },
  ]
  return statusPageOf(
    exchange,
    'Finding versions',
    update,
    [
      ['Progress', bar('Progress', progress)],
      ['How far it looks', mode],
      privateKeyFrom !== undefined && ['Private key from', serverText(context, privateKeyFrom)],
      servermap !== undefined && ['Servers that answered', number(servermap.reachableServers.size)],
      servermap !== undefined && [
        'Servers that did not',
        number(servermap.unreachableServers.size),
      ],
    ],
    html`${
        versions.length > 0 &&
        html`<h2>Versions</h2>
          ${table('Versions', columns, versions)}`
      }${problemsOf(exchange, update)}
      <h2>Time</h2>
      ${mapUpdateTimings(timings)}${perServer(context, timings.perServerMs)}`,
  )
}

/** GET /status/publish-N */
export async function publishStatusPage(
  exchange: Exchange,
  publish: IPublishStatus,
): Promise<GatewayResponse> {
  const { progress, size, timings } = publish
  return statusPageOf(
    exchange,
    'Writing a folder or changeable file',
    publish,
    [['Progress', bar('Progress', progress)], encodingOf(publish)],
    html`${problemsOf(exchange, publish)}
      <h2>Time</h2>
      ${publishTimings(timings, size)}${perServer(exchange.context, timings.sendPerServerMs)}`,
  )
}

/** GET /status/retrieve-N */
export async function retrieveStatusPage(
  exchange: Exchange,
  retrieve: IRetrieveStatus,
): Promise<GatewayResponse> {
  const { progress, size, timings } = retrieve
  return statusPageOf(
    exchange,
    'Reading a folder or changeable file',
    retrieve,
    [['Progress', bar('Progress', progress)], encodingOf(retrieve)],
    html`${problemsOf(exchange, retrieve)}
      <h2>Time</h2>
      ${retrieveTimings(timings, size)}${perServer(exchange.context, timings.fetchPerServerMs)}`,
  )
}

type Fact = readonly [name: Part, value: Part] | false

function encodingOf({ requiredShares, totalShares }: IPublishStatus | IRetrieveStatus): Fact {
  if (requiredShares === undefined || totalShares === undefined) return false
  return ['Pieces', `any ${number(requiredShares)} of ${number(totalShares)}`]
}

/** What all operations show, and what one of them shows beside it. */
function statusPageOf(
  exchange: Exchange,
  title: string,
  operation: OperationStatus,
  own: readonly Fact[],
  more: Part,
): GatewayResponse {
  const body = html`<p class="crumbs"><a href="${rootOf(exchange.request)}status">Activity</a></p>
    <h1>${title}</h1>
    <div data-live="operation" ${operation.active && html` data-running`}>
      ${facts([
        ['State', operation.status],
        ['Size', sizeText(operation.size)],
        ['Began', timeText(operation.startedMs)],
        ...own,
        operation.usingHelper && ['Through a helper', 'yes'],
        [
          'Storage index',
          operation.storageIndex === undefined
            ? 'none'
            : html`<code class="long">${toBase32(operation.storageIndex)}</code>`,
        ],
      ])}
      ${more}
    </div>`
  return pageResponse(exchange, {
    title,
    section: 'activity',
    body,
    refreshSeconds: operation.active ? 1 : undefined,
    reloads: operation.active,
  })
}

function bar(label: string, part: number): Html {
  return html`<progress max="1" value="${part.toFixed(3)}" aria-label="${label}"></progress>
    ${percent(part)}`
}

function problemsOf({ context }: Exchange, { problems }: MutableOperationStatus): Part {
  if (problems.size === 0) return undefined
  const rows = [...problems].map(([serverId, all]) => [
    serverText(context, serverId),
    all.map(errorText).join('; '),
  ])
  return fold(
    'Problems with servers',
    table('Problems with servers', [{ label: 'Server' }, { label: 'Problem' }], rows),
  )
}
