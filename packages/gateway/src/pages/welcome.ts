import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import type { ServerFacts } from '../server-facts.ts'
import { badge, banner, facts, fold, section, table, tiles } from './components.ts'
import type { Tone } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { formatChoice, keyField } from './forms.ts'
import { pageResponse } from './layout.ts'
import { rootOf } from './links.ts'
import { ago, count, nameText, number, size, sizeText, timeText } from './text.ts'
import { shortServerId } from './words.ts'

/** GET / */
export async function welcomePage(
  exchange: Exchange,
  servers: readonly ServerFacts[],
): Promise<GatewayResponse> {
  const { context, request } = exchange
  const root = rootOf(request)
  const body = html`<h1>
      ${context.node.nickname === '' ? 'Welcome' : nameText(context.node.nickname)}
    </h1>
    <div data-live="grid" role="status">${gridBanner(exchange, servers)}</div>
    <div class="cards">${openForm(root)}${uploadForm(root)}${newFolderForm(root)}</div>
    <div id="uploads" role="region" aria-label="Files being stored"></div>
    ${fold('New here? How this works', explanation(exchange))}
    <div data-live="servers">
      ${section('servers', 'Storage servers', serverTable(servers, context.clock.nowMs()))}
    </div>
    ${section('node', 'This node', nodeFacts(exchange))}`
  return pageResponse(exchange, { title: 'Home', section: 'home', body, refreshSeconds: 15 })
}

function gridBanner({ context }: Exchange, servers: readonly ServerFacts[]): Html {
  const { requiredShares, happyShares, totalShares } = context.client.encoding
  const connected = servers.filter((server) => server.connected)
  const answering = `${number(connected.length)} of ${count(servers.length, 'storage server')} ${servers.length === 1 ? 'answers' : 'answer'}`
  const [tone, title, text] = verdict(connected.length, servers.length, requiredShares, happyShares)
  const space = connected.reduce((sum, server) => sum + (server.availableSpace ?? 0), 0)
  const room = (space * requiredShares) / totalShares
  return html`${banner(tone, title, html`<p>${answering}. ${text}</p>`)}
  ${
    servers.length > 0 &&
    tiles([
      ['Servers that answer', `${number(connected.length)} / ${number(servers.length)}`],
      ['Needed to store files', number(happyShares)],
      ['Needed to read files', number(requiredShares)],
      ['Room for files, about', space === 0 ? '–' : size(room)],
    ])
  }`
}

function verdict(
  connected: number,
  known: number,
  required: number,
  happy: number,
): readonly [Tone, string, string] {
  if (known === 0)
    return [
      'bad',
      'No storage servers are set up',
      'Add each with lafs add-server and its private/announcement.yaml, then restart the node.',
    ]
  if (connected >= happy) return ['good', 'Your grid is well', 'You can store and read files.']
  if (connected >= required)
    return [
      'warning',
      'You can read files, but not store new ones',
      `Storing needs ${number(happy)} servers, so that losing a few does no harm.`,
    ]
  return [
    'bad',
    'Too few storage servers answer',
    `Reading needs at least ${number(required)}, storing ${number(happy)}. Is this computer online?`,
  ]
}

function openForm(root: string): Html {
  return html`<form
    class="card"
    method="post"
    action="${root}uri?t=open"
    enctype="multipart/form-data"
  >
    <h2>Open</h2>
    ${keyField('open-cap', 'uri', 'Key of a file or folder', html`It begins with <code>URI:</code>`)}
    <button type="submit" class="primary">Open</button>
  </form>`
}

function uploadForm(root: string): Html {
  return html`<form
    class="card"
    method="post"
    action="${root}uri"
    enctype="multipart/form-data"
    data-store
  >
    <h2>Store a file</h2>
    <input type="hidden" name="t" value="upload" />
    <div class="field">
      <label for="upload-file">File</label
      ><input id="upload-file" name="file" type="file" required />
    </div>
    ${fold('Options', formatChoice('upload', 'file'))}
    <button type="submit" class="primary">Store</button>
    <p class="hint">You get a key for the file. It is in no folder, so keep the key.</p>
  </form>`
}

function newFolderForm(root: string): Html {
  return html`<form
    class="card"
    method="post"
    action="${root}uri?t=mkdir&amp;redirect_to_result=true"
    enctype="multipart/form-data"
  >
    <h2>Make a folder</h2>
    <p>
      A new folder has its own key, which is its address. Keep it as a bookmark: nobody can find the
      folder again without it.
    </p>
    ${fold('Options', formatChoice('mkdir', 'folder'))}
    <button type="submit" class="primary">Make a folder</button>
  </form>`
}

function explanation({ context }: Exchange): Html {
  const { requiredShares, happyShares, totalShares } = context.client.encoding
  return html`<ul class="prose">
    <li>
      <strong>Only you can read your files.</strong> Each file is encrypted on this computer before
      anything leaves it.
    </li>
    <li>
      <strong>Servers may fail.</strong> Each file is cut into ${number(totalShares)} pieces
      (“shares”) on at least ${number(happyShares)} servers. Any ${number(requiredShares)} pieces
      are enough to bring it back.
    </li>
    <li>
      <strong>A key is all there is.</strong> Every file and folder has a key, a line that begins
      with <code>URI:</code> (a “cap”). There are no accounts and no passwords: who has the key of a
      folder can open all that is in it, and without the key nobody can, not even the people who run
      the servers.
    </li>
    <li>
      <strong>Keys come in strengths.</strong> The full key of a folder also changes it; its
      read-only key only reads. Share the weakest one that does.
    </li>
    <li>
      <strong>Keep one key safe.</strong> Make one folder, put the others into it, and keep its key
      in a safe place.
    </li>
  </ul>`
}

function serverTable(servers: readonly ServerFacts[], nowMs: number): Html {
  if (servers.length === 0) return html`<p class="empty">None yet.</p>`
  const sorted = servers.toSorted((a, b) =>
    a.nickname.localeCompare(b.nickname, 'en', { numeric: true }),
  )
  const rows = sorted.map((server) => [
    html`${server.nickname === '' ? html`<span class="faint">no name</span>` : nameText(server.nickname)}
      <code class="faint" title="${server.serverId}">${shortServerId(server.serverId)}</code>`,
    html`${server.connected ? badge('good', 'Answers') : badge('bad', 'No answer')}${!server.connected && html` <span class="hint">${reasonOf(server)}</span>`}`,
    sizeText(server.availableSpace),
    lastHeard(server, nowMs),
    server.version === undefined ? html`<span class="faint">–</span>` : nameText(server.version),
  ])
  const columns = [
    { label: 'Server' },
    { label: 'State' },
    { label: 'Free space', numeric: true },
    { label: 'Last heard' },
    { label: 'Version' },
  ]
  return table('Storage servers', columns, rows)
}

const REASONS: Readonly<Record<string, string>> = {
  'failed: STORAGE_UNREACHABLE': 'cannot be reached',
  'failed: STORAGE_TIMEOUT': 'took too long',
  'failed: STORAGE_CLOSED': 'ended the connection',
}

function reasonOf({ summary }: ServerFacts): string {
  return REASONS[summary] ?? summary
}

function lastHeard({ lastReceivedMs, lastConnectedMs }: ServerFacts, nowMs: number): Html {
  const heard = lastReceivedMs ?? lastConnectedMs
  if (heard === undefined) return html`<span class="faint">not yet</span>`
  return html`${ago(heard, nowMs)}`
}

function nodeFacts({ context, request }: Exchange): Html {
  const { node, storage } = context
  const { notes = [] } = node
  const list = facts([
    ['Version', node.version],
    ['Started', timeText(node.startedMs)],
    ['Id', html`<code class="long">${node.nodeId}</code>`],
    [
      'Storage for others',
      storage === undefined
        ? 'not on this node'
        : html`<a href="${rootOf(request)}storage">on, see its state</a>`,
    ],
  ])
  const lines = html`<ul>
    ${notes.map((note) => html`<li>${note}</li>`)}
  </ul>`
  return html`${notes.length > 0 && banner('warning', 'What this node does without', lines)}${list}`
}
