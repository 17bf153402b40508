import { STATUS_CODES } from 'node:http'
import type { GatewayRequest, GatewayResponse } from '../exchange.ts'
import { banner } from './components.ts'
import { html } from './html.ts'
import { framed } from './layout.ts'
import { rootOf } from './links.ts'

/** What somebody can do about an error, by its status. */
const ADVICE: Readonly<Record<number, string>> = {
  400: 'Something in the request could not be understood. A key must be whole, from URI: to its last character.',
  403: 'This node was told not to serve it.',
  404: 'It may have been removed or renamed, or the address is not whole.',
  409: 'Something of that name is there already. Go back and choose another name, or allow it to be replaced.',
  410: 'Too few storage servers that have pieces of it answer now. Often this passes: look at the home page to see which servers answer, and try again later.',
  413: 'It is larger than this node takes.',
  500: 'Something went wrong that should not have.',
}

/** An error for people: what happened, and what they can do. The text holds no cap. */
export function errorPage(request: GatewayRequest, status: number, text: string): GatewayResponse {
  const title = STATUS_CODES[status] ?? 'Error'
  const advice = ADVICE[status]
  const body = html`<h1>That did not work</h1>
    ${banner('bad', title, html`<pre class="message">${text.trim()}</pre>`)}
    ${advice !== undefined && html`<p>${advice}</p>`}
    <p><a href="${rootOf(request)}">Home</a></p>`
  return framed(request, { title, body, status })
}
