import { toBase32 } from '@lafs/crypto'
import type { ICheckAndRepairResults, ICheckResults } from '@lafs/filesystem-interface'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { booleanArgument } from '../request/arguments.ts'
import { banner, facts, fold, tiles } from './components.ts'
import type { Tone } from './components.ts'
import { breadcrumbs } from './directory.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { pageResponse } from './layout.ts'
import { infoAddress, pathBelowUri, query, rootOf, segment } from './links.ts'
import { shareMap } from './share-map.ts'
import { count, number } from './text.ts'
import { serverText } from './words.ts'

/** What a check says of an object, in one word and one sentence. */
export interface Verdict {
  readonly tone: Tone
  readonly title: string
  readonly text: string
}

/** POST FILE-or-DIR?t=check; undefined for a LIT file, which is in no server. */
export async function checkResultsPage(
  exchange: Exchange,
  results: ICheckResults | undefined,
): Promise<GatewayResponse> {
  const body = html`${above(exchange)}
    <h1>Health</h1>
    ${results === undefined ? nothingStored() : html`${verdictBanner(verdictOf(results))}${!results.healthy && repairForm(exchange)}${details(exchange, results)}`}
    ${back(exchange)}`
  return pageResponse(exchange, { title: 'Health', body })
}

/** POST FILE-or-DIR?t=check&repair=true; undefined for a LIT file, which is in no server. */
export async function checkAndRepairResultsPage(
  exchange: Exchange,
  results: ICheckAndRepairResults | undefined,
): Promise<GatewayResponse> {
  const body = html`${above(exchange)}
    <h1>Health</h1>
    ${results === undefined ? nothingStored() : repaired(exchange, results)} ${back(exchange)}`
  return pageResponse(exchange, { title: 'Health', body })
}

function above(exchange: Exchange): Html | false {
  const path = pathBelowUri(exchange)
  return path.length > 1 && breadcrumbs(rootOf(exchange.request), path)
}

function nothingStored(): Html {
  return banner(
    'good',
    'Healthy',
    'It is so small that its key holds all of it. There is nothing on any server that could be lost.',
  )
}

function repaired(exchange: Exchange, results: ICheckAndRepairResults): Html {
  const { repairAttempted, repairSuccessful, preRepairResults, postRepairResults } = results
  const before = verdictOf(preRepairResults)
  if (!repairAttempted)
    return html`${verdictBanner(before)}${!preRepairResults.healthy && html`<p>It was not repaired: too little of it is left, or the key does not suffice.</p>`}${details(exchange, preRepairResults)}`
  const outcome = repairSuccessful
    ? banner('good', 'Repaired', `Before: ${before.text}`)
    : banner('bad', 'Could not be repaired in full', verdictOf(postRepairResults).text)
  return html`${outcome}${details(exchange, postRepairResults)}
  ${fold('How it was before', details(exchange, preRepairResults))}`
}

/** What a check says, for people. */
export function verdictOf(results: ICheckResults): Verdict {
  const { healthy, recoverable, requiredShares, totalShares, goodShareCount } = results
  const found = `${number(goodShareCount)} of ${count(totalShares, 'piece')} were found`
  const needed = `any ${number(requiredShares)} are enough to read it`
  if (healthy) return { tone: 'good', title: 'Healthy', text: `${found}; ${needed}.` }
  if (recoverable)
    return {
      tone: 'warning',
      title: 'Readable, but not whole',
      text: `${found}; ${needed}. Repair it before more is lost.`,
    }
  return {
    tone: 'bad',
    title: 'Cannot be read now',
    text: `${found}; it takes ${number(requiredShares)} to read it. If the missing ones are on servers that are away, it comes back with them.`,
  }
}

function verdictBanner({ tone, title, text }: Verdict): Html {
  return banner(tone, title, text)
}

/** Offers to repair what this page is about; not below `/operations`, which names no key. */
function repairForm(exchange: Exchange): Html | false {
  const path = pathBelowUri(exchange)
  if (path.length === 0) return false
  const address = `${rootOf(exchange.request)}uri/${path.map(segment).join('/')}`
  // What only a look at every byte has found would not be found without it.
  const verify = booleanArgument(exchange.args, 'verify') ? 'true' : undefined
  return html`<form
    method="post"
    action="${address}${query({ t: 'check', repair: 'true', verify })}"
    enctype="multipart/form-data"
  >
    <button type="submit" class="primary">Repair now</button>
  </form>`
}

function details({ context }: Exchange, results: ICheckResults): Html {
  const { corruptShares, serversResponding, storageIndex } = results
  const corrupt = corruptShares.map(
    ({ serverId, shareNumber }) =>
      html`<li>Piece ${shareNumber} on ${serverText(context, serverId)}</li>`,
  )
  return html`${tiles([
      ['Good pieces', `${number(results.goodShareCount)} / ${number(results.totalShares)}`],
      ['Needed to read', number(results.requiredShares)],
      ['Servers with pieces', number(results.goodShareHostCount)],
      ['Damaged pieces', number(corruptShares.length), corruptShares.length > 0 ? 'bad' : 'plain'],
    ])}
    <h2>Which server holds which piece</h2>
    ${shareMap(context, results)}
    ${
      corrupt.length > 0 &&
      html`<h2>Damaged pieces</h2>
        <ul>
          ${corrupt}
        </ul>`
    }
    ${fold(
      'More',
      facts([
        ['In short', results.summary],
        results.report.length > 0 && ['Report', html`<pre>${results.report.join('\n')}</pre>`],
        ['Servers that answered', number(serversResponding.size)],
        ['Servers of happiness', number(results.happiness)],
        ['Could be spread better', results.needsRebalancing ? 'yes' : 'no'],
        ['Pieces of other versions', number(results.wrongShareCount)],
        ['Versions that can be read', number(results.recoverableVersionCount)],
        ['Versions that cannot', number(results.unrecoverableVersionCount)],
        ['Storage index', html`<code class="long">${toBase32(storageIndex)}</code>`],
      ]),
    )}`
}

/** To where the check was asked for. */
function back(exchange: Exchange): Html {
  const root = rootOf(exchange.request)
  const path = pathBelowUri(exchange)
  if (path.length > 0)
    return html`<p class="toolbar">
      <a class="button" href="${infoAddress(root, path)}">Back to the details</a>
    </p>`
  const [kind, handle] = exchange.path
  if (kind === 'operations' && handle !== undefined)
    return html`<p class="toolbar">
      <a class="button" href="${root}operations/${segment(handle)}">Back to the whole check</a>
    </p>`
  return html`<p class="toolbar"><a class="button" href="${root}">Home</a></p>`
}
