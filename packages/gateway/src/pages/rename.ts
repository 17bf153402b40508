import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode } from '@lafs/filesystem-interface'
import type { GatewayResponse } from '../exchange.ts'
import type { DirectoryExchange } from '../context.ts'
import { checkbox, section } from './components.ts'
import { breadcrumbs } from './directory.ts'
import { folderForm, keyField, nameField } from './forms.ts'
import { exact, html } from './html.ts'
import type { Html } from './html.ts'
import { pageResponse } from './layout.ts'
import { directoryAddress, fitsIntoPath, pathBelowUri, query, rootOf } from './links.ts'
import { nameText, plainName } from './text.ts'

/** So many folders to move to are offered. */
const CHOICES_MAX = 200

/** A folder that something can be moved to. */
interface Choice {
  readonly label: string
  /** Its write cap. */
  readonly cap: string
}

/** GET DIR?t=rename-form&name=NAME */
export async function renameFormPage(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { args, node, request } = exchange
  const root = rootOf(request)
  const name = args.get('name') ?? ''
  const below = pathBelowUri(exchange)
  const path = below.slice(1).every(fitsIntoPath) ? below : [node.uri]
  const here = directoryAddress(root, path)
  const choices = await choicesOf(exchange, path, name)
  const body = html`${breadcrumbs(root, path)}
    <h1>Rename or move ${nameText(name)}</h1>
    ${section('rename', 'Another name', renameForm(here, name))}
    ${section('move', 'Another folder', html`${choices.length > 0 && nearForm(here, name, choices)}${farForm(here, name)}`)}
    <p><a href="${here}">Back to the folder</a></p>`
  return pageResponse(exchange, { title: `Rename ${plainName(name)}`, body })
}

function renameForm(here: string, name: string): Html {
  return folderForm(
    `${here}${query({ t: 'rename', from_name: name })}`,
    html`${nameField('to-name', 'to_name', 'New name', name)}
      ${checkbox('replace', 'Replace what has that name', 'false')}
      <button type="submit" class="primary">Rename</button>`,
  )
}

function nearForm(here: string, name: string, choices: readonly Choice[]): Html {
  return folderForm(
    moveAddress(here, name),
    html`<div class="field">
        <label for="to-dir">Folder nearby</label
        ><select id="to-dir" name="to_dir">
          ${choices.map(({ label, cap }) => html`<option value="${exact(cap)}">${label}</option>`)}
        </select>
      </div>
      ${replaceFile()}
      <button type="submit" class="primary">Move</button>`,
  )
}

function farForm(here: string, name: string): Html {
  return folderForm(
    moveAddress(here, name),
    html`${keyField('to-dir-cap', 'to_dir', 'Full key of another folder')} ${replaceFile()}
      <button type="submit">Move there</button>`,
  )
}

function moveAddress(here: string, name: string): string {
  return `${here}${query({ t: 'relink', from_name: name })}`
}

function replaceFile(): Html {
  return checkbox('replace', 'Replace a file of the same name there', 'false', 'only-files')
}

/** The folders above and those beside it that can be changed. */
async function choicesOf(
  { context, node, request }: DirectoryExchange,
  path: readonly string[],
  name: string,
): Promise<Choice[]> {
  const { signal } = request
  const above: Choice[] = []
  let folder = context.client.createNodeFromUri(path[0])
  for (const [index, next] of path.slice(1).entries()) {
    if (!isDirectoryNode(folder)) break
    if (folder.writeUri !== undefined)
      above.unshift({
        label: index === 0 ? 'Top folder' : plainName(path[index] ?? ''),
        cap: folder.writeUri,
      })
    folder = await folder.get(next, { signal })
  }
  const beside = await subfolders(node, name, signal)
  return [...above, ...beside].slice(0, CHOICES_MAX)
}

async function subfolders(
  node: IDirectoryNode,
  but: string,
  signal: AbortSignal,
): Promise<Choice[]> {
  const choices: Choice[] = []
  for (const [name, child] of await node.list({ signal })) {
    const cap = child.node.writeUri
    if (name !== but && isDirectoryNode(child.node) && cap !== undefined)
      choices.push({ label: plainName(name), cap })
  }
  return choices.toSorted((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }))
}
