import type { IUploadResults } from '@lafs/filesystem-interface'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { banner, copyField, facts, fold } from './components.ts'
import { exact, html } from './html.ts'
import { pageResponse } from './layout.ts'
import { contentAddress, infoAddress, rootOf } from './links.ts'
import { placement } from './share-map.ts'
import { count, number, size } from './text.ts'
import { uploadTimings } from './timings.ts'

/** POST /uri?t=upload without when_done, for an immutable file. */
export async function uploadResultsPage(
  exchange: Exchange,
  results: IUploadResults,
): Promise<GatewayResponse> {
  const root = rootOf(exchange.request)
  const servers = results.servermap.size
  const inKey = servers === 0
  const body = html`<h1>Stored</h1>
    ${banner('good', 'The file is stored', html`<p>${size(results.fileSize)}, ${inKey ? 'all of it in the key itself' : `in ${count(results.sharemap.size, 'piece')} on ${count(servers, 'server')}`}.</p>`)}
    ${copyField('key', 'Key of the file', exact(results.uri), 'Keep it: the file is in no folder, and nobody can find it without its key.')}
    <p class="toolbar">
      <a class="button primary" href="${contentAddress(root, results.uri)}" rel="noreferrer"
        >Open</a
      >
      <a class="button" href="${infoAddress(root, [results.uri])}">Details and sharing</a>
      <a class="button" href="${root}">Home</a>
    </p>
    ${!inKey && fold('Which server holds which piece', placement(exchange.context, results.sharemap))}
    ${fold(
      'How it went',
      html`${facts([
        ['Pieces stored now', number(results.pushedShares)],
        ['Pieces that were there already', number(results.preexistingShares)],
      ])}${uploadTimings(results.timings, results.fileSize)}`,
    )}`
  return pageResponse(exchange, { title: 'Stored', section: 'home', body })
}
