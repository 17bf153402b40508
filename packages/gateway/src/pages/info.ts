import { randomBytes } from 'node:crypto'
import { toBase32 } from '@lafs/crypto'
import { isDirectoryNode, isFileNode } from '@lafs/filesystem-interface'
import type { IFilesystemNode } from '@lafs/filesystem-interface'
import { parseCap } from '@lafs/uri'
import type { GatewayResponse } from '../exchange.ts'
import type { NodeExchange } from '../context.ts'
import { badge, banner, copyField, facts, fold, section } from './components.ts'
import { breadcrumbs } from './directory.ts'
import { checkOptions } from './forms.ts'
import { exact, html } from './html.ts'
import type { Html } from './html.ts'
import { pageResponse } from './layout.ts'
import {
  contentAddress,
  directoryAddress,
  fitsIntoPath,
  pathBelowUri,
  query,
  rootOf,
  segment,
} from './links.ts'
import { nameText, plainName, sizeText } from './text.ts'
import { errorText, formatOf, kindOf } from './words.ts'

/** What the parts of the page need to know. */
interface Subject {
  readonly exchange: NodeExchange
  readonly root: string
  /** A cap, and the names from there; empty where the object has no cap to name it by. */
  readonly path: readonly string[]
  /** Where forms about the object go; undefined for one without an address. */
  readonly here: string | undefined
  /** Its name in the folder above. */
  readonly name: string | undefined
}

/** GET FILE-or-DIR-or-unknown?t=info */
export async function infoPage(exchange: NodeExchange): Promise<GatewayResponse> {
  const subject = subjectOf(exchange)
  const { node } = exchange
  const { name, root, path } = subject
  const kind = kindOf(node)
  const body = html`${(path.length > 1 || (path.length > 0 && isDirectoryNode(node))) && breadcrumbs(root, path)}
    <div class="heading">
      <h1>${name === undefined ? kind : nameText(name)}</h1>
      ${name !== undefined && badge('plain', kind)}
    </div>
    ${node.unknown && unknownNote(subject)}
    <div class="toolbar">${openButtons(subject)}</div>
    ${await mainFacts(exchange)} ${section('share', 'Share', keys(node))}
    ${(!node.unknown || verifierKind(subject) !== undefined) && section('health', 'Health', health(subject))}
    ${node.kind === 'mutable-file' && !node.readonly && section('replace', 'Change the content', replaceForm(subject))}
    ${section('technical', 'For programs', technical(subject))}`
  const title = name === undefined ? kind : `${plainName(name)}: details`
  return pageResponse(exchange, { title, body })
}

function subjectOf(exchange: NodeExchange): Subject {
  const { node, request } = exchange
  const root = rootOf(request)
  const below = pathBelowUri(exchange)
  const named = below.length > 1 && below.slice(1).every(fitsIntoPath)
  const path = named || below.length === 1 ? below : node.uri === undefined ? [] : [node.uri]
  const address = `${root}uri/${path.map(segment).join('/')}`
  return {
    exchange,
    root,
    path,
    here: path.length === 0 ? undefined : node.kind === 'directory' ? `${address}/` : address,
    name: named ? below.at(-1) : undefined,
  }
}

/** What is said of a cap that opens nothing here: one that only checks, a broken one, or a newer one. */
function unknownNote(subject: Subject): Html {
  const { path, exchange } = subject
  const { node } = exchange
  if (verifierKind(subject) !== undefined)
    return banner(
      'plain',
      'This key only checks',
      'It tells whether all pieces are there. Who has it cannot read anything.',
    )
  const cap = path.length === 1 ? parseCap(path[0] ?? '') : undefined
  if (cap?.kind === 'unknown' && cap.error !== undefined)
    return banner('bad', 'This key is not whole', html`<p>${errorText(cap.error)}</p>`)
  let reason: unknown
  try {
    node.raiseError()
  } catch (error) {
    reason = error
  }
  return banner(
    'warning',
    'This version does not know what this is',
    html`<p>A newer version may. It is kept as it is.</p>
      ${reason !== undefined && html`<p>${errorText(reason)}</p>`}`,
  )
}

/** The kind of the verify cap that the page is about; undefined where it is about something else. */
function verifierKind({ exchange, path }: Subject): string | undefined {
  if (!exchange.node.unknown || path.length !== 1) return undefined
  const { kind } = parseCap(path[0] ?? '')
  return kind.endsWith('verifier') ? kind : undefined
}

function openButtons({ exchange, root, path, name, here }: Subject): Html {
  const { node, parent } = exchange
  const above = directoryAddress(root, path.slice(0, -1))
  const rename = name !== undefined && parent !== undefined && !parent.directory.readonly
  const content = isFileNode(node) ? contentAddress(root, node.uri, name) : undefined
  return html`${isDirectoryNode(node) && html`<a class="button primary" href="${here}">Open</a> `}
  ${content !== undefined && html`<a class="button primary" href="${content}" rel="noreferrer">Open</a> <a class="button" href="${content}?save=true" rel="noreferrer" download>Download</a> `}
  ${
    rename &&
    html`<a class="button" href="${above}${query({ t: 'rename-form', name })}">Rename or move</a>
      ${fold(
        'Remove…',
        html`<form method="post" action="${above}${query({ t: 'unlink', name })}">
          <input type="hidden" name="when_done" value="." />
          <p>Takes it out of its folder. Whoever has its key can still open it.</p>
          <button type="submit" class="danger">Remove</button>
        </form>`,
        'tool confirm',
      )}`
  }`
}

async function mainFacts({ node, request }: NodeExchange): Promise<Html> {
  return facts([
    ['Kind', kindOf(node)],
    !node.unknown && [
      isDirectoryNode(node) ? 'Size of its list' : 'Size',
      await sizeOf(node, request.signal),
    ],
    ['Can be changed', changeability(node)],
  ])
}

async function sizeOf(node: IFilesystemNode, signal: AbortSignal): Promise<Html> {
  try {
    return sizeText(await node.currentSize({ signal }))
  } catch (error) {
    signal.throwIfAborted()
    return html`not known now: ${errorText(error)}`
  }
}

function changeability(node: IFilesystemNode): string {
  if (!node.mutable) return 'no, by nobody'
  return node.readonly ? 'not with the key that you have' : 'yes, by everyone who has its full key'
}

function keys(node: IFilesystemNode): Html {
  const { writeUri, readonlyUri, verifyCap } = node
  const what = node.kind === 'directory' ? 'folder and all that is in it' : 'file'
  if (writeUri === undefined && readonlyUri === undefined)
    return html`<p>It has no key that this version can use.</p>`
  return html`<p>
      Whoever has a key of this ${what} can open it: send it only over a channel that you trust. It
      is pasted under “Open” on the home page of their node.
      <strong>Send keys, never the address of a page:</strong> an address may open the folders
      above, too.
    </p>
    ${readonlyUri !== undefined && copyField('key-readonly', writeUri === undefined ? 'Key' : 'Read-only key', exact(readonlyUri), writeUri === undefined ? undefined : 'Opens it and changes nothing. This is the one to share.')}
    ${writeUri !== undefined && fold('Full key', copyField('key-full', 'Full key', exact(writeUri), 'Whoever has it can change and empty it.'))}
    ${verifyCap !== undefined && fold('Key for checks', copyField('key-verify', 'Verify key', exact(verifyCap.format()), 'Checks whether all pieces are there, and reads nothing: for somebody who looks after your files.'))}`
}

function health(subject: Subject): Html {
  const { here, exchange } = subject
  const { node } = exchange
  if (here === undefined) return html``
  const verifier = verifierKind(subject)
  if (node.storageIndex === undefined && verifier === undefined)
    return html`<p>
      It is so small that its key holds all of it. There is nothing on any server that could be
      lost.
    </p>`
  const one = html`<form method="post" action="${here}?t=check" enctype="multipart/form-data">
    <p>Asks the servers which pieces of it they have.</p>
    ${checkOptions(verifier?.includes('chk') !== false)}
    <button type="submit" class="primary">
      Check ${isDirectoryNode(node) ? 'this folder alone' : 'now'}
    </button>
  </form>`
  return isDirectoryNode(node)
    ? html`${deepForms(here)}${fold('Only this folder itself', one)}`
    : one
}

function deepForms(here: string): Html {
  const handle = (): string => toBase32(new Uint8Array(randomBytes(15)))
  return html`<form method="post" action="${here}?t=start-deep-check" enctype="multipart/form-data">
      <input type="hidden" name="ophandle" value="${handle()}" />
      <p>Looks at this folder and everything in it. It goes on while you do something else.</p>
      ${checkOptions(true)}
      <button type="submit" class="primary">Check everything in it</button>
    </form>
    <form
      class="inline"
      method="post"
      action="${here}?t=start-deep-stats"
      enctype="multipart/form-data"
    >
      <input type="hidden" name="ophandle" value="${handle()}" /><button type="submit">
        Count files and sizes
      </button>
    </form>
    <form
      class="inline"
      method="post"
      action="${here}?t=start-manifest"
      enctype="multipart/form-data"
    >
      <input type="hidden" name="ophandle" value="${handle()}" /><button type="submit">
        List everything in it
      </button>
    </form>`
}

function replaceForm({ here }: Subject): Html {
  return html`<form method="post" action="${here}?t=upload" enctype="multipart/form-data">
    <input type="hidden" name="when_done" value="?t=info" />
    <div class="field">
      <label for="new-content">File with the new content</label
      ><input id="new-content" name="file" type="file" required />
    </div>
    <button type="submit" class="primary">Replace the content</button>
  </form>`
}

function technical({ exchange, here }: Subject): Html {
  const { node } = exchange
  return html`${facts([
    ['Format', formatOf(node)],
    [
      'Storage index',
      node.storageIndex === undefined
        ? 'none'
        : html`<code class="long">${toBase32(node.storageIndex)}</code>`,
    ],
  ])}
  ${here !== undefined && html`<p><a href="${here}?t=json">All of it as JSON</a></p>`}`
}
