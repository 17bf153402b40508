import { isDirectoryNode, isFilesystemError, isMutableFileNode } from '@lafs/filesystem-interface'
import type {
  ChildMetadata,
  IDirectoryNode,
  IFilesystemNode,
  IMutableFileNode,
  IUploadable,
  Overwrite,
} from '@lafs/filesystem-interface'
import { ExistingChildError, NotWriteableError } from '@lafs/filesystem-interface'
import { badRequest, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { fileJson } from '../node-json.ts'
import { infoPage } from '../pages/index.ts'
import {
  formatArgument,
  mutableVersion,
  privateKeyArgument,
  replaceArgument,
} from '../request/arguments.ts'
import { readText } from '../request/body.ts'
import { mutableContent, uploadImmutable } from '../request/upload.ts'
import { emptyResponse, jsonResponse, textResponse } from '../response.ts'
import { isFresh, nodeTag } from './entity-tag.ts'
import { sendContent } from './file-content.ts'
import { makeDirectory } from './make-directory.ts'
import type { Exchange, FileExchange, NodeExchange, PlaceholderExchange } from '../context.ts'
import type { Route } from './route.ts'
import { whenDone } from './when-done.ts'

/** The arguments of everything that makes a file. */
const NEW_FILE_ARGS = ['format', 'mutable', 'private-key', 'random-key'] as const

/** What can be done with a file. */
export const fileRoutes: readonly Route<FileExchange>[] = [
  {
    method: 'GET',
    t: '',
    args: ['filename', 'save'],
    summary: 'The content, or one range of it',
    handle: (exchange) => fixed(exchange, '', (headers) => sendContent(exchange, headers)),
  },
  {
    method: 'GET',
    t: 'json',
    args: [],
    summary: 'What is known of the file, as JSON',
    handle: (exchange) => onlyGet(exchange, 'json', async () => describeFile(exchange)),
  },
  {
    method: 'GET',
    t: 'info',
    args: [],
    summary: 'A page about the file',
    handle: (exchange) => infoPage(exchange),
  },
  {
    method: 'GET',
    t: 'uri',
    args: [],
    summary: 'The strongest cap of the file',
    handle: (exchange) =>
      onlyGet(exchange, 'uri', async (headers) => capResponse(exchange.node.uri, headers)),
  },
  {
    method: 'GET',
    t: 'readonly-uri',
    args: [],
    summary: 'The cap that reads the file',
    handle: (exchange) =>
      onlyGet(exchange, 'readonly-uri', async (headers) =>
        capResponse(exchange.node.readonlyUri, headers),
      ),
  },
  {
    method: 'PUT',
    t: '',
    args: ['replace', 'offset', ...NEW_FILE_ARGS],
    summary: 'Replaces the file, or the content of a mutable one, or writes into that at an offset',
    handle: putFile,
  },
  {
    method: 'PUT',
    t: 'uri',
    args: ['replace'],
    summary: 'Puts the cap in the body in the place of the file',
    handle: (exchange) => {
      refuseUnlessReplaced(replaceArgument(exchange.args))
      return putCap(exchange, parentOf(exchange))
    },
  },
  {
    method: 'POST',
    t: 'upload',
    args: ['file', 'replace', 'when_done', ...NEW_FILE_ARGS],
    summary: 'Replaces the file, or the content of a mutable one, by the file of a form',
    handle: async (exchange) => whenDone(exchange, await postFile(exchange)),
  },
  { method: 'DELETE', t: '*', args: [], summary: 'Unlinks the file', handle: unlinkNode },
]

/** What can be done with a name under which nothing stands. */
export const placeholderRoutes: readonly Route<PlaceholderExchange>[] = [
  {
    method: 'PUT',
    t: '',
    args: ['replace', ...NEW_FILE_ARGS],
    summary: 'Uploads a file and links it there',
    handle: async (exchange) => {
      refuseContentRange(exchange)
      return linkUpload(exchange, exchange.parent, 201)
    },
  },
  {
    method: 'PUT',
    t: 'uri',
    args: ['replace'],
    summary: 'Links the cap in the body there',
    handle: (exchange) => putCap(exchange, exchange.parent),
  },
  ...(['PUT', 'POST'] as const).map((method): Route<PlaceholderExchange> => ({
    method,
    t: 'mkdir',
    args: ['format'],
    summary: 'Makes a directory there',
    handle: makeDirectory,
  })),
  {
    method: 'POST',
    t: 'mkdir-with-children',
    args: ['format'],
    summary: 'Makes a directory there with the children that the body lists',
    handle: makeDirectory,
  },
  {
    method: 'POST',
    t: 'mkdir-immutable',
    args: [],
    summary: 'Makes an immutable directory there with the children that the body lists',
    handle: makeDirectory,
  },
]

/** Answers with what never changes for an immutable node, or with 304 where the reader has it. */
async function fixed(
  { node, request }: NodeExchange,
  t: string,
  answer: (headers: readonly (readonly [string, string])[]) => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
  const tag = nodeTag(node, t)
  if (tag === undefined) return answer([])
  const headers = [['etag', tag]] as const
  return isFresh(request, tag) ? emptyResponse(304, headers) : answer(headers)
}

async function onlyGet(
  exchange: FileExchange,
  t: string,
  answer: (headers: readonly (readonly [string, string])[]) => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
  if (exchange.request.method === 'HEAD') throw badRequest(`HEAD file: bad t=${t}`)
  return fixed(exchange, t, answer)
}

function capResponse(
  cap: string,
  headers: readonly (readonly [string, string])[],
): GatewayResponse {
  return textResponse(cap, 200, headers)
}

async function describeFile({ node, parent, request }: FileExchange): Promise<GatewayResponse> {
  const { signal } = request
  const size = isMutableFileNode(node) ? await mutableSize(node, signal) : node.size
  const metadata: ChildMetadata | undefined = await parent?.directory.metadataFor(parent.name, {
    signal,
  })
  const tag = nodeTag(node, 'json')
  return jsonResponse(
    fileJson(node, size, metadata),
    'text/plain',
    tag === undefined ? [] : [['etag', tag]],
  )
}

/** Asks the grid; undefined where no version can be had. */
async function mutableSize(
  node: IMutableFileNode,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    return await node.sizeOfBestVersion({ signal })
  } catch (error) {
    if (isFilesystemError(error, 'MUTABLE_UNRECOVERABLE')) return undefined
    throw error
  }
}

async function putFile(exchange: FileExchange): Promise<GatewayResponse> {
  const { node, args } = exchange
  refuseContentRange(exchange)
  const offset = offsetArgument(exchange)
  refuseUnlessReplaced(replaceArgument(args))
  if (!isMutableFileNode(node)) {
    if (offset !== undefined) {
      throw badRequest('PUT to a file: append operation invoked on an immutable cap')
    }
    return linkUpload(exchange, parentOf(exchange), 200)
  }
  if (node.readonly) {
    throw badRequest('PUT to a mutable file: replace or update requested with read-only cap')
  }
  if (offset !== undefined && offset < 0) {
    throw badRequest('PUT to a mutable file: Invalid offset')
  }
  return writeMutable(exchange, node, offset)
}

async function postFile(exchange: FileExchange): Promise<GatewayResponse> {
  const { node, args } = exchange
  const replace = replaceArgument(args)
  if (isMutableFileNode(node)) return writeMutable(exchange, node, undefined)
  refuseUnlessReplaced(replace)
  return linkUpload(exchange, parentOf(exchange), 200)
}

/**
 * Uploads the file of a form into a directory.
 *
 * @returns the cap of the file.
 */
export async function putFormFile(
  exchange: Exchange,
  directory: IDirectoryNode,
  name: string,
): Promise<GatewayResponse> {
  const parent = { directory, name }
  const node = await childIfAny(directory, name, exchange.request.signal)
  if (node === undefined) return linkUpload(exchange, parent, 200)
  if (isDirectoryNode(node)) {
    throw new WebError(
      409,
      'There was already a directory by that name: I put no file in its place.',
    )
  }
  if (isMutableFileNode(node)) return writeMutable(exchange, node, undefined)
  refuseUnlessReplaced(replaceArgument(exchange.args))
  return linkUpload(exchange, parent, 200)
}

/** The child of a name; undefined where there is none. */
export async function childIfAny(
  directory: IDirectoryNode,
  name: string,
  signal: AbortSignal,
): Promise<IFilesystemNode | undefined> {
  try {
    return await directory.get(name, { signal })
  } catch (error) {
    if (isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) return undefined
    throw error
  }
}

/** Puts what the request carries into a mutable file: all of its content, or from an offset on. */
async function writeMutable(
  exchange: Exchange,
  node: IMutableFileNode,
  offset: number | undefined,
): Promise<GatewayResponse> {
  const source = await mutableContent(exchange)
  try {
    // Once it has begun, a write goes on even where whoever asked for it leaves: half of one would
    // be worse.
    await inTurn(node, () =>
      offset === undefined ? node.overwrite(source) : updateFrom(node, source, offset),
    )
  } finally {
    await source.close()
  }
  return textResponse(node.uri)
}

/** The last of the writes to each file that are under way. */
const lastWrites = new WeakMap<IMutableFileNode, Promise<unknown>>()

/** Writes to a file after the writes before it: what is written into a part begins with what they have left. */
function inTurn(node: IMutableFileNode, write: () => Promise<unknown>): Promise<unknown> {
  const before = lastWrites.get(node) ?? Promise.resolve()
  const mine = before.then(write, write)
  lastWrites.set(node, mine)
  return mine
}

async function updateFrom(
  node: IMutableFileNode,
  source: IUploadable,
  offset: number,
): Promise<void> {
  const version = await node.bestMutableVersion()
  if (offset > version.size) {
    throw badRequest(`PUT to a mutable file: offset= is past the end, at ${version.size}`)
  }
  await version.update(source, offset)
}

/** Uploads what the request carries and links it. */
async function linkUpload(
  exchange: Exchange,
  { directory, name }: PlaceholderExchange['parent'],
  status: number,
): Promise<GatewayResponse> {
  const { args } = exchange
  const overwrite = replaceArgument(args)
  if (directory.readonly) throw new NotWriteableError('the directory is read-only')
  const node = await uploadedNode(exchange)
  await directory.setNode(name, node, { overwrite })
  return textResponse(node.uri ?? '', status)
}

/** Uploads what the request carries, as a file of the format that it asks for. */
export async function uploadedNode(exchange: Exchange): Promise<IFilesystemNode> {
  const { args, context } = exchange
  const { client } = context
  const version = mutableVersion(formatArgument(args))
  if (version === undefined) {
    return client.createNodeFromUri((await uploadImmutable(exchange)).uri)
  }
  const privateKey = privateKeyArgument(args)
  const source = await mutableContent(exchange)
  try {
    return await client.createMutableFile(source, { version, privateKey })
  } finally {
    await source.close()
  }
}

/** Links the cap in the body of a request. */
export async function putCap(
  exchange: Exchange,
  { directory, name }: PlaceholderExchange['parent'],
): Promise<GatewayResponse> {
  const overwrite = replaceArgument(exchange.args)
  const cap = (await readText(exchange)).trim()
  if (cap === '') throw badRequest('I expected a cap in the body')
  const node = await directory.setUri(name, cap, undefined, { overwrite })
  return textResponse(node.uri ?? cap)
}

/** Takes a child out of its directory, whatever it is. @returns its cap. */
export async function unlinkNode(exchange: NodeExchange): Promise<GatewayResponse> {
  const { directory, name } = parentOf(exchange)
  await directory.delete(name)
  return textResponse(exchange.node.uri ?? '')
}

/** @throws {@link WebError} 400 for a bare cap. */
export function parentOf({ parent }: NodeExchange): PlaceholderExchange['parent'] {
  if (parent !== undefined) return parent
  throw badRequest('I expected the cap of a directory and a path in it, and got a cap alone')
}

function refuseUnlessReplaced(replace: Overwrite): void {
  if (replace === false) throw new ExistingChildError('there is such a child')
}

function refuseContentRange({ request }: Exchange): void {
  if (request.headers.has('content-range')) {
    throw new WebError(501, 'Content-Range in PUT not yet supported')
  }
}

function offsetArgument({ args }: Exchange): number | undefined {
  const text = args.get('offset')
  if (text === undefined) return undefined
  const offset = Number(text)
  if (!/^\s*[+-]?\d+\s*$/.test(text) || !Number.isSafeInteger(offset)) {
    throw badRequest('PUT to a file: offset= must be a whole number')
  }
  return offset
}
