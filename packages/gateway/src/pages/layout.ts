import type { GatewayRequest, GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { exact, html, type Html } from './html.ts'
import { rootOf } from './links.ts'
import { nameText } from './text.ts'

/** Nothing but what the gateway itself serves may be loaded, run, sent to, or put around a page. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The headers of every page. A page shows caps, so that no cache may keep it. */
const HEADERS: GatewayResponse['headers'] = [
  ['content-type', 'text/html; charset=utf-8'],
  ['content-security-policy', CONTENT_SECURITY_POLICY],
  ['cache-control', 'no-store'],
  ['cross-origin-opener-policy', 'same-origin'],
  // Not `no-referrer`: forms would have no origin then, which tells them from those of other sites.
  // Other sites learn nothing either way.
  ['referrer-policy', 'same-origin'],
]

/** What makes a page. */
export interface Page {
  /** What a browser keeps in its history, so never a cap. */
  readonly title: string
  readonly body: Html
  /** The entry of the navigation that the page belongs to. */
  readonly section?: 'home' | 'activity' | 'statistics' | 'storage' | undefined
  /** Its live parts are exchanged by the script after so many seconds. */
  readonly refreshSeconds?: number | undefined
  /** Without a script the whole page is loaded again: only for what will be over. */
  readonly reloads?: boolean | undefined
  /** Default: 200. */
  readonly status?: number | undefined
}

/** So often a page is loaded again without a script, in seconds. */
const RELOAD_SECONDS = 10

const SECTIONS = [
  { section: 'home', address: '', label: 'Home' },
  { section: 'activity', address: 'status', label: 'Activity' },
  { section: 'statistics', address: 'statistics', label: 'Statistics' },
  { section: 'storage', address: 'storage', label: 'Storage' },
] as const

/** A page as the answer to a request. */
export function pageResponse(
  exchange: Pick<Exchange, 'request' | 'context'>,
  page: Page,
): GatewayResponse {
  const { nickname, version } = exchange.context.node
  return framed(
    exchange.request,
    page,
    html`<p>${nickname !== '' && html`Node ${nameText(nickname)}, `}${version}</p>`,
  )
}

/** A page without a word about the node. */
export function framed(request: GatewayRequest, page: Page, footer?: Html): GatewayResponse {
  const root = rootOf(request)
  const links = SECTIONS.map(
    ({ section, address, label }) =>
      html`<li>
        <a href="${root}${address}" ${section === page.section && html` aria-current="page"`}
          >${label}</a
        >
      </li>`,
  )
  const markup = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${page.title} · LAFS</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex, nofollow" />
        <link rel="icon" href="${root}assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="${root}assets/app.css" />
        <script type="module" src="${root}assets/app.js"></script>
        ${page.reloads === true && html`<noscript><meta http-equiv="refresh" content="${RELOAD_SECONDS}" /></noscript>`}
      </head>
      <body
        data-root="${exact(root)}"
        ${page.refreshSeconds !== undefined && html` data-refresh="${page.refreshSeconds}"`}
      >
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <a class="brand" href="${root}"
            ><img src="${root}assets/icon.svg" alt="" width="28" height="28" />LAFS</a
          >
          <nav aria-label="Main">
            <ul>
              ${links}
            </ul>
          </nav>
        </header>
        <main id="main" tabindex="-1">${page.body}</main>
        <footer>
          ${footer}
          <p aria-live="polite" class="visually-hidden" id="announcer"></p>
        </footer>
      </body>
    </html> `
  return {
    status: page.status ?? 200,
    headers: HEADERS,
    body: new TextEncoder().encode(markup.markup),
  }
}
