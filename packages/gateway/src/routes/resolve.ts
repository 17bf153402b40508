import {
  EmptyPathnameComponentError,
  FileProhibitedError,
  isDirectoryNode,
  isFileNode,
  isFilesystemError,
} from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { badRequest, NO_SUCH_RESOURCE, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { quoteName } from '../quote.ts'
import { operationArgument } from '../request/arguments.ts'
import type { Exchange, NodeExchange } from '../context.ts'
import { makeMissingDirectory } from './make-directory.ts'
import { DIRECTORIES, dispatch, FILES, findRoute, PLACEHOLDERS, UNKNOWN } from './table.ts'

/** Operations on a path that make no directories on the way. */
const NO_INTERMEDIATE: ReadonlySet<string> = new Set(['delete', 'rename', 'rename-form', 'check'])

/**
 * Answers a request for what a cap and a path in it name. On the way, PUT and POST make the
 * directories that are missing.
 *
 * @param cap - text that should be a cap.
 * @param names - the path; a slash at the end is let pass for directories.
 */
export async function answerNode(
  exchange: Exchange,
  cap: string,
  names: readonly string[],
): Promise<GatewayResponse> {
  if (names.slice(0, -1).includes('')) throw new EmptyPathnameComponentError('a double slash')
  let node = exchange.context.client.createNodeFromUri(cap)
  let parent: NodeExchange['parent']
  for (const [index, name] of names.entries()) {
    const directory = await enter(exchange, node, parent?.name, name)
    if (name === '') break
    parent = { directory, name }
    const child = await childOrMissing(exchange, directory, name)
    if (child === undefined) {
      const last = index === names.length - 1
      const isNew = findRoute(PLACEHOLDERS.routes, exchange.request.method, asked(exchange))
      if (last && isNew !== undefined) return isNew.handle({ ...exchange, parent })
      if (last || !makesDirectories(exchange)) {
        throw new WebError(404, `No such child: ${quoteName(name)}`)
      }
    }
    node = child ?? (await makeMissingDirectory(directory, name))
  }
  return answerAbout({ ...exchange, node, parent, name: parent?.name })
}

/** Answers a request for `/file/CAP/…/NAME`: a file under any name. */
export async function answerFile(
  exchange: Exchange,
  cap: string,
  names: readonly string[],
): Promise<GatewayResponse> {
  const { method } = exchange.request
  if (method !== 'GET' && method !== 'HEAD') {
    throw badRequest('/file can only be used with GET or HEAD')
  }
  const node = exchange.context.client.createNodeFromUri(cap)
  // The cap is not told: whoever asked knows it, and logs should not.
  if (!isFileNode(node)) throw badRequest('what follows /file/ is not a file-cap')
  const name = names.at(-1)
  return answerAbout({ ...exchange, node, parent: undefined, name: name === '' ? undefined : name })
}

async function answerAbout(exchange: NodeExchange): Promise<GatewayResponse> {
  const { node } = exchange
  if (needsContent(exchange)) await refuseProhibited(exchange, node)
  if (isDirectoryNode(node)) return dispatch(DIRECTORIES, { ...exchange, node })
  if (isFileNode(node)) return dispatch(FILES, { ...exchange, node })
  return dispatch(UNKNOWN, exchange)
}

/** The node as a directory in which a name is to be looked up. */
async function enter(
  exchange: Exchange,
  node: IFilesystemNode,
  fileName: string | undefined,
  name: string,
): Promise<IDirectoryNode> {
  await refuseProhibited(exchange, node)
  if (isDirectoryNode(node)) return node
  if (!isFileNode(node)) throw new WebError(404, NO_SUCH_RESOURCE)
  if (!makesDirectories(exchange)) {
    throw badRequest(`Files have no children named '${quoteName(name)}'`)
  }
  throw new WebError(
    409,
    fileName === undefined
      ? `Cannot create directory '${quoteName(name)}', because its parent is a file, not a directory`
      : `Unable to create directory '${quoteName(fileName)}': a file was in the way`,
  )
}

/** What is asked of a file that its operator may have forbidden: its caps and its place are free. */
const WITHOUT_CONTENT: ReadonlySet<string> = new Set(['json', 'uri', 'readonly-uri', 'info'])

function needsContent(exchange: NodeExchange): boolean {
  const { node, request } = exchange
  const asks = `${request.method} ${asked(exchange)}`
  // Whoever has the directory may take a child out of it, or put another in its place.
  if (request.method === 'DELETE' || asks === 'PUT uri') return false
  if (isDirectoryNode(node)) return true
  if (asks === 'PUT ' || asks === 'POST upload') return node.mutable
  return request.method !== 'GET' || !WITHOUT_CONTENT.has(asked(exchange))
}

/** @throws {@link FilesystemError} `NODE_PROHIBITED` for what the operator has blacklisted. */
async function refuseProhibited({ context }: Exchange, node: IFilesystemNode): Promise<void> {
  const reason = await context.blacklist.reasonFor(node)
  if (reason !== undefined) throw new FileProhibitedError(reason)
}

async function childOrMissing(
  { request }: Exchange,
  directory: IDirectoryNode,
  name: string,
): Promise<IFilesystemNode | undefined> {
  try {
    return await directory.get(name, { signal: request.signal })
  } catch (error) {
    if (isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) return undefined
    throw error
  }
}

function asked({ args }: Exchange): string {
  return operationArgument(args)
}

function makesDirectories(exchange: Exchange): boolean {
  const { method } = exchange.request
  return (method === 'PUT' || method === 'POST') && !NO_INTERMEDIATE.has(asked(exchange))
}
