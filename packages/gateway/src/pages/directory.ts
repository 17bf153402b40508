import type { DirectoryChild, IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import type { GatewayResponse } from '../exchange.ts'
import type { DirectoryExchange } from '../context.ts'
import { badge, banner, checkbox, fold, table } from './components.ts'
import type { Column } from './components.ts'
import { folderForm, formatChoice, keyField, nameField } from './forms.ts'
import { exact, html } from './html.ts'
import type { Html } from './html.ts'
import { pageResponse } from './layout.ts'
import {
  contentAddress,
  directoryAddress,
  fitsIntoPath,
  infoAddress,
  pathBelowUri,
  query,
  rootOf,
} from './links.ts'
import { count, nameText, number, plainName, sizeText, timeText } from './text.ts'
import { errorText, kindOf } from './words.ts'

/** So many entries stand on one page. */
const PAGE_LENGTH = 500

type Sort = 'name' | 'size' | 'modified'

/** What somebody wants to see of a directory. */
interface View {
  readonly sort: Sort
  readonly descending: boolean
  readonly find: string
  /** From 1 on. */
  readonly page: number
}

/** An entry as the list shows it. */
interface Entry {
  readonly name: string
  readonly node: IFilesystemNode
  readonly size: number | undefined
  readonly modifiedMs: number | undefined
}

/** What the parts of the page need of a directory. */
interface Place {
  readonly root: string
  /** A cap, and the names from there to the directory. */
  readonly path: readonly string[]
  /** The address of the directory. */
  readonly here: string
  readonly writeable: boolean
}

/** GET DIR. Lists the directory; where that fails, says why and offers to check and repair. */
export async function directoryPage(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { node, request } = exchange
  const place = placeOf(exchange)
  let children: Map<string, DirectoryChild> | undefined
  let failure: unknown
  try {
    children = await node.list({ signal: request.signal })
  } catch (error) {
    request.signal.throwIfAborted()
    failure = error
  }
  const name = place.path.length > 1 ? place.path.at(-1) : undefined
  const body = html`${breadcrumbs(place.root, place.path)}
    <div class="heading">
      <h1>${name === undefined ? 'Folder' : nameText(name)}</h1>
      ${kindBadge(node)}
    </div>
    ${children === undefined ? unreadable(place, failure) : await listing(exchange, place, children)}`
  const title = name === undefined ? 'Folder' : plainName(name)
  return pageResponse(exchange, { title, body })
}

function placeOf({ request, node, path }: DirectoryExchange): Place {
  const root = rootOf(request)
  const below = pathBelowUri({ path })
  const own = below.length > 0 && below.slice(1).every(fitsIntoPath) ? below : [node.uri]
  return {
    root,
    path: own,
    here: directoryAddress(root, own),
    writeable: !node.readonly,
  }
}

/** The way from the folder at the top down to here. */
export function breadcrumbs(root: string, path: readonly string[]): Html {
  const links = path.map((name, index) => {
    const label = index === 0 ? 'Top folder' : nameText(name)
    if (index === path.length - 1) return html`<li><span aria-current="page">${label}</span></li>`
    return html`<li><a href="${directoryAddress(root, path.slice(0, index + 1))}">${label}</a></li>`
  })
  return html`<nav class="crumbs" aria-label="Folders above">
    <ol>
      <li><a href="${root}">Home</a></li>
      ${links}
    </ol>
  </nav>`
}

function kindBadge(node: IDirectoryNode): Html {
  if (!node.mutable) return badge('plain', 'Never changes')
  return node.readonly ? badge('plain', 'Read-only') : badge('good', 'You can change it')
}

function unreadable({ root, path }: Place, error: unknown): Html {
  return html`${banner('bad', 'This folder cannot be read', html`<p>${errorText(error)}</p>`)}
    <p>
      Often some storage servers are only away for a while.
      <a href="${root}">See which servers answer</a>, or
      <a href="${infoAddress(root, path)}">check this folder</a>.
    </p>`
}

async function listing(
  exchange: DirectoryExchange,
  place: Place,
  children: ReadonlyMap<string, DirectoryChild>,
): Promise<Html> {
  const view = viewOf(exchange)
  const entries = [...children].map(([name, child]) => entryOf(name, child))
  const found = sortEntries(
    entries.filter(({ name }) => matches(name, view.find)),
    view,
  )
  const pageCount = Math.max(1, Math.ceil(found.length / PAGE_LENGTH))
  const page = Math.min(view.page, pageCount)
  const shown = found.slice((page - 1) * PAGE_LENGTH, page * PAGE_LENGTH)
  const { blacklist } = exchange.context
  const rows = shown.map(async (entry) =>
    rowOf(place, entry, await blacklist.reasonFor(entry.node)),
  )
  const filter = (entries.length > 20 || view.find !== '') && finder(place, view)
  return html`${place.writeable ? tools(place) : html`<p class="toolbar"><a class="button" href="${infoAddress(place.root, place.path)}#share">Share</a> <a class="button" href="${infoAddress(place.root, place.path)}">Details</a></p>`}
    ${filter}
    <div id="files" data-live="files" ${place.writeable && html` data-drop="${exact(place.here)}"`}>
      ${summary(found, entries.length)}
      ${
        found.length === 0
          ? empty(entries.length, place)
          : table('Files and folders here', columnsOf(place, view), await Promise.all(rows))
      }
      ${pageCount > 1 && pager(place, { ...view, page }, pageCount)}
    </div>`
}

function viewOf({ args }: DirectoryExchange): View {
  const sort = args.get('sort')
  const page = Number(args.get('page') ?? 1)
  return {
    sort: sort === 'size' || sort === 'modified' ? sort : 'name',
    descending: args.get('order') === 'descending',
    find: args.get('find') ?? '',
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
  }
}

function entryOf(name: string, { node, metadata }: DirectoryChild): Entry {
  return {
    name,
    node,
    size: node.kind === 'directory' ? undefined : node.size,
    modifiedMs: modifiedMs(metadata),
  }
}

/** When an entry was made or changed last; old ones note it under `mtime`. */
function modifiedMs(metadata: DirectoryChild['metadata']): number | undefined {
  const { tahoe, mtime } = metadata as { readonly tahoe?: unknown; readonly mtime?: unknown }
  const linked: unknown =
    typeof tahoe === 'object' && tahoe !== null && 'linkmotime' in tahoe ? tahoe.linkmotime : mtime
  return typeof linked === 'number' ? linked * 1000 : undefined
}

function matches(name: string, find: string): boolean {
  return name.toLowerCase().includes(find.trim().toLowerCase())
}

/** Folders before files; then by what was asked for, and by name where that is the same. */
function sortEntries(entries: readonly Entry[], { sort, descending }: View): Entry[] {
  const direction = descending ? -1 : 1
  const first = ({ node }: Entry): number => (node.kind === 'directory' ? 0 : 1)
  const value = (entry: Entry): number => (sort === 'size' ? entry.size : entry.modifiedMs) ?? -1
  const collator = new Intl.Collator('en', { numeric: true })
  return entries.toSorted(
    (a, b) =>
      first(a) - first(b) ||
      direction * ((sort === 'name' ? 0 : value(a) - value(b)) || collator.compare(a.name, b.name)),
  )
}

/** What can be done in a folder. */
function tools({ root, path, here }: Place): Html {
  const info = infoAddress(root, path)
  return html`<div class="toolbar">
      ${fold('Store a file', uploadForm(here), 'tool', 'tools')}
      ${fold('New folder', newFolderForm(here), 'tool', 'tools')}
      ${fold('Add by key', attachForm(here), 'tool', 'tools')}
      <a class="button" href="${info}#share">Share</a>
      <a class="button" href="${info}#health">Check</a>
    </div>
    ${path.length === 1 && html`<p class="hint">The address of this page is the key of this folder: keep it as a bookmark, since nobody can find the folder again without it.</p>`}
    <div id="uploads" role="region" aria-label="Files being stored"></div>`
}

function uploadForm(here: string): Html {
  return html`<form
    method="post"
    action="${here}?t=upload"
    enctype="multipart/form-data"
    data-upload
  >
    <input type="hidden" name="when_done" value="." />
    <div class="field">
      <label for="upload-file">File</label
      ><input id="upload-file" name="file" type="file" required />
    </div>
    ${formatChoice('upload', 'file')}
    ${checkbox('replace', 'Replace a file of the same name', 'false')}
    <button type="submit" class="primary">Store</button>
  </form>`
}

function newFolderForm(here: string): Html {
  return folderForm(
    `${here}${query({ t: 'mkdir', replace: 'false' })}`,
    html`${nameField('mkdir-name', 'name', 'Name')} ${formatChoice('mkdir', 'folder')}
      <button type="submit" class="primary">Make the folder</button>`,
  )
}

function attachForm(here: string): Html {
  return folderForm(
    `${here}${query({ t: 'uri' })}`,
    html`<p>
        Puts a file or folder that is in the grid already into this folder, too. Nothing is copied.
      </p>
      ${nameField('attach-name', 'name', 'Name here')} ${keyField('attach-cap', 'uri', 'Key')}
      ${checkbox('replace', 'Replace what has the same name', 'false')}
      <button type="submit" class="primary">Add</button>`,
  )
}

function finder({ here }: Place, { find }: View): Html {
  return html`<form class="finder" role="search" method="get" action="${here}">
    <label for="find">Find by name</label
    ><input id="find" name="find" type="search" value="${exact(find)}" /><button type="submit">
      Find</button
    >${find !== '' && html` <a href="${here}">Show all</a>`}
  </form>`
}

function summary(found: readonly Entry[], total: number): Html {
  const folders = found.filter(({ node }) => node.kind === 'directory').length
  const parts = [
    folders > 0 && count(folders, 'folder'),
    found.length > folders && count(found.length - folders, 'file'),
  ].filter((part) => part !== false)
  if (parts.length === 0) return html``
  return html`<p class="hint">
    ${parts.join(', ')}${found.length < total && ` of ${number(total)} entries`}
  </p>`
}

function empty(total: number, { writeable }: Place): Html {
  if (total > 0) return html`<p class="empty">Nothing here has such a name.</p>`
  if (!writeable) return html`<p class="empty">This folder is empty.</p>`
  return html`<p class="empty">
    This folder is empty.<span class="with-script"> Drop files here to store them.</span>
  </p>`
}

function columnsOf({ here }: Place, view: View): Column[] {
  const heading = (label: string, sort: Sort, numeric: boolean): Column => {
    const active = view.sort === sort
    const order = active && !view.descending ? 'descending' : undefined
    const address = `${here}${query({ sort, order, find: view.find === '' ? undefined : view.find })}`
    const arrow = active && html`<span aria-hidden="true">${view.descending ? ' ▾' : ' ▴'}</span>`
    return {
      label: html`<a class="sort" href="${address}">${label}${arrow}</a>`,
      short: label,
      numeric,
      ...(active && { sorted: view.descending ? 'descending' : 'ascending' }),
    }
  }
  return [
    heading('Name', 'name', false),
    heading('Size', 'size', true),
    heading('Changed', 'modified', false),
    { label: html`<span class="visually-hidden">Actions</span>` },
  ]
}

const GLYPHS = {
  directory: 'folder',
  'mutable-file': 'file',
  'immutable-file': 'file',
  unknown: 'unknown',
} as const

/** @param prohibited - why the operator of the node has it not served; undefined where it is. */
function rowOf(place: Place, entry: Entry, prohibited: string | undefined): readonly Html[] {
  const { name, node } = entry
  const address = prohibited === undefined ? contentOf(place, entry) : undefined
  const label = prohibited === undefined ? nameText(name) : html`<s>${nameText(name)}</s>`
  const glyph = html`<span class="glyph ${GLYPHS[node.kind]}" aria-hidden="true"></span>`
  const marks = [
    node.kind === 'directory' &&
      node.readonly &&
      badge('plain', node.mutable ? 'read-only' : 'never changes'),
    node.kind === 'mutable-file' &&
      badge('plain', node.readonly ? 'changeable, read-only' : 'changeable'),
    node.kind === 'unknown' && badge('warning', 'unknown kind'),
    prohibited !== undefined &&
      html`${badge('bad', 'not served here')} <span class="hint">${prohibited}</span>`,
  ]
  return [
    html`${glyph}<span class="visually-hidden">${kindOf(node)}: </span
      >${address === undefined ? label : html`<a class="name" href="${address}" ${node.kind !== 'directory' && html` rel="noreferrer"`}>${label}</a>`}
      ${marks}`,
    node.kind === 'directory' ? html`` : sizeText(entry.size),
    timeText(entry.modifiedMs),
    menu(place, entry, address),
  ]
}

/** Where a click on the name leads. */
function contentOf({ root, path }: Place, { name, node }: Entry): string | undefined {
  if (node.uri === undefined || node.kind === 'unknown') return undefined
  if (node.kind !== 'directory') return contentAddress(root, node.uri, name)
  return fitsIntoPath(name)
    ? directoryAddress(root, [...path, name])
    : directoryAddress(root, [node.uri])
}

function menu(place: Place, { name, node }: Entry, address: string | undefined): Html {
  const { root, path, here, writeable } = place
  const info = fitsIntoPath(name)
    ? infoAddress(root, [...path, name])
    : node.uri !== undefined && infoAddress(root, [node.uri])
  const isFile = node.kind === 'immutable-file' || node.kind === 'mutable-file'
  return html`<details class="menu">
    <summary>
      <span class="visually-hidden">Actions for ${nameText(name)}</span
      ><span aria-hidden="true">⋯</span>
    </summary>
    <div class="folded">
      ${info !== false && html`<a href="${info}">Details and sharing</a>`}
      ${isFile && address !== undefined && html`<a href="${address}?save=true" rel="noreferrer" download>Download</a>`}
      ${
        writeable &&
        html`<a href="${here}${query({ t: 'rename-form', name })}">Rename or move</a>
          <details class="confirm">
            <summary>Remove…</summary>
            <form method="post" action="${here}${query({ t: 'unlink', name })}">
              <input type="hidden" name="when_done" value="." />
              <p>Takes it out of this folder. Whoever has its key can still open it.</p>
              <button type="submit" class="danger">
                Remove<span class="visually-hidden"> ${nameText(name)}</span>
              </button>
            </form>
          </details>`
      }
    </div>
  </details>`
}

function pager({ here }: Place, view: View, pageCount: number): Html {
  const address = (page: number): string =>
    `${here}${query({
      sort: view.sort === 'name' ? undefined : view.sort,
      order: view.descending ? 'descending' : undefined,
      find: view.find === '' ? undefined : view.find,
      page,
    })}`
  return html`<nav class="pager" aria-label="Pages of this folder">
    ${view.page > 1 && html`<a class="button" rel="prev" href="${address(view.page - 1)}">Previous</a>`}
    <span>Page ${number(view.page)} of ${number(pageCount)}</span>
    ${view.page < pageCount && html`<a class="button" rel="next" href="${address(view.page + 1)}">Next</a>`}
  </nav>`
}
