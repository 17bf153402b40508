import { isFileNode, isMutableFileNode } from '@lafs/filesystem-interface'
import type { IFilesystemNode } from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import type { GatewayContext } from '../context.ts'
import { html, type Html } from './html.ts'
import { nameText } from './text.ts'

/** What an object is, for people. */
export function kindOf(node: IFilesystemNode): string {
  if (node.kind === 'directory') {
    if (!node.mutable) return 'Folder that never changes'
    return node.readonly ? 'Folder, read-only' : 'Folder'
  }
  if (node.kind === 'mutable-file')
    return node.readonly ? 'Changeable file, read-only' : 'Changeable file'
  if (node.kind === 'immutable-file') return 'File'
  return 'Unknown kind'
}

/** What an object is in the words of the field. */
export function formatOf(node: IFilesystemNode): string {
  if (node.kind === 'directory') {
    const table = 'fileNode' in node ? (node.fileNode as IFilesystemNode) : undefined
    return table === undefined ? 'directory' : `directory in a file of format ${formatOf(table)}`
  }
  if (isMutableFileNode(node)) {
    if (node.version === MDMF_VERSION) return 'MDMF'
    return node.version === SDMF_VERSION ? 'SDMF' : 'mutable'
  }
  if (isFileNode(node)) return node.storageIndex === undefined ? 'LIT' : 'CHK'
  return 'unknown'
}

/** The name of a server: its nickname where it has one, and the start of its id. */
export function serverText({ client }: Pick<GatewayContext, 'client'>, serverId: string): Html {
  const nickname = client.broker.nicknameFor(serverId)
  const id = shortServerId(serverId)
  return nickname === undefined || nickname === ''
    ? html`<code>${id}</code>`
    : html`${nameText(nickname)} <code class="faint">${id}</code>`
}

/** The first characters of a server's id. */
export function shortServerId(serverId: string): string {
  return serverId.replace(/^v0-/, '').slice(0, 8)
}

/** What went wrong, in one line that holds no cap. */
export function errorText(error: unknown): string {
  if (error instanceof Error) return error.message === '' ? error.name : error.message
  return String(error)
}
