import { toBase32 } from '@lafs/crypto'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode, NewChildCaps } from '@lafs/filesystem-interface'
import { badRequest, describeError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { directoryJson, unknownJson } from '../node-json.ts'
import { directoryPage, infoPage, renameFormPage } from '../pages/index.ts'
import {
  booleanArgument,
  formatArgument,
  mutableVersion,
  replaceArgument,
  textArgument,
} from '../request/arguments.ts'
import { readText } from '../request/body.ts'
import { childNodes, parseChildren } from '../request/children.ts'
import { emptyResponse, jsonResponse, textResponse } from '../response.ts'
import { isFresh, nodeTag } from './entity-tag.ts'
import { childIfAny, putCap, putFormFile, parentOf, unlinkNode } from './files.ts'
import type { DirectoryExchange, UnknownExchange } from '../context.ts'
import type { Route } from './route.ts'
import { whenDone } from './when-done.ts'

type Header = readonly [name: string, value: string]

/** What can be done with a directory. */
export const directoryRoutes: readonly Route<DirectoryExchange>[] = [
  {
    method: 'GET',
    t: '',
    args: ['sort', 'order', 'page', 'find'],
    summary: 'A page that lists the directory',
    handle: (exchange) => directoryPage(exchange),
  },
  {
    method: 'GET',
    t: 'json',
    args: [],
    summary: 'The directory and its children, as JSON',
    handle: (exchange) => unlessFresh(exchange, 'json', (headers) => listJson(exchange, headers)),
  },
  {
    method: 'GET',
    t: 'info',
    args: [],
    summary: 'A page about the directory',
    handle: (exchange) => infoPage(exchange),
  },
  {
    method: 'GET',
    t: 'uri',
    args: [],
    summary: 'The strongest cap of the directory',
    handle: (exchange) =>
      unlessFresh(exchange, 'uri', async (headers) =>
        textResponse(exchange.node.uri, 200, headers),
      ),
  },
  {
    method: 'GET',
    t: 'readonly-uri',
    args: [],
    summary: 'The cap that reads the directory',
    handle: (exchange) =>
      unlessFresh(exchange, 'readonly-uri', async (headers) =>
        textResponse(exchange.node.readonlyUri, 200, headers),
      ),
  },
  {
    method: 'GET',
    t: 'rename-form',
    args: ['name'],
    summary: 'A page that asks for the new name of a child',
    handle: (exchange) => renameFormPage(exchange),
  },
  {
    method: 'PUT',
    t: 'mkdir',
    args: ['format'],
    summary: 'Nothing: the directory is there; its cap',
    handle: async ({ node }) => textResponse(node.uri),
  },
  {
    method: 'PUT',
    t: 'uri',
    args: ['replace'],
    summary: 'Puts the cap in the body in the place of the directory',
    handle: (exchange) => putCap(exchange, parentOf(exchange)),
  },
  { method: 'DELETE', t: '*', args: [], summary: 'Unlinks the directory', handle: unlinkNode },
  ...changes([
    ['mkdir', ['name', 'format', 'replace'], 'Makes a directory in it', makeSubdirectory],
    [
      'mkdir-with-children',
      ['name', 'format'],
      'Makes a directory in it, with the children that the body lists',
      makeSubdirectory,
    ],
    [
      'mkdir-immutable',
      ['name'],
      'Makes an immutable directory in it, of the children that the body lists',
      makeSubdirectory,
    ],
    [
      'upload',
      ['file', 'name', '_charset', 'replace', 'format', 'mutable', 'private-key', 'random-key'],
      'Uploads the file of a form into it',
      uploadInto,
    ],
    ['uri', ['name', 'uri', '_charset', 'replace'], 'Links a cap under a name in it', linkCap],
    ['delete', ['name', '_charset'], 'Unlinks a child', unlinkChild],
    ['unlink', ['name', '_charset'], 'Unlinks a child', unlinkChild],
    [
      'rename',
      ['from_name', 'to_name', '_charset', 'replace'],
      'Gives a child another name',
      renameChild,
    ],
    [
      'relink',
      ['from_name', 'to_name', 'to_dir', '_charset', 'replace'],
      'Moves a child to another directory, or to another name',
      relinkChild,
    ],
    ['set_children', ['replace'], 'Links all that the body lists, in one write', setChildren],
    ['set-children', ['replace'], 'Links all that the body lists, in one write', setChildren],
  ]),
]

/** Rows of POST that change a directory, after which the reader of a form can be sent on. */
function changes(
  rows: readonly (readonly [
    t: string,
    args: readonly string[],
    summary: string,
    handle: (exchange: DirectoryExchange) => Promise<GatewayResponse>,
  ])[],
): Route<DirectoryExchange>[] {
  return rows.map(([t, args, summary, handle]) => ({
    method: 'POST',
    t,
    args: [...args, 'when_done'],
    summary,
    handle: async (exchange) => whenDone(exchange, await handle(exchange)),
  }))
}

/** What can be done with something that this version does not know. */
export const unknownRoutes: readonly Route<UnknownExchange>[] = [
  {
    method: 'GET',
    t: 'json',
    args: [],
    summary: 'What is known of it, as JSON',
    handle: describeUnknown,
  },
  {
    method: 'GET',
    t: 'info',
    args: [],
    summary: 'A page about it',
    handle: (exchange) => infoPage(exchange),
  },
  { method: 'DELETE', t: '*', args: [], summary: 'Unlinks it', handle: unlinkNode },
]

/** Answers with what never changes for an immutable directory, or with 304 where the reader has it. */
async function unlessFresh(
  { node, request }: DirectoryExchange,
  t: string,
  answer: (headers: readonly Header[]) => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
  const tag = nodeTag(node, t)
  if (tag === undefined) return answer([])
  const headers = [['etag', tag]] as const
  return isFresh(request, tag) ? emptyResponse(304, headers) : answer(headers)
}

/** What goes wrong is JSON, too. @see allmydata.web.directory._directory_json_metadata */
async function listJson(
  { node, request }: DirectoryExchange,
  headers: readonly Header[],
): Promise<GatewayResponse> {
  try {
    const children = await node.list({ signal: request.signal })
    return jsonResponse(directoryJson(node, children), 'text/plain', headers)
  } catch (error) {
    const { status, message } = describeError(error)
    return { ...jsonResponse({ error: message }), status }
  }
}

async function describeUnknown({
  node,
  parent,
  request,
}: UnknownExchange): Promise<GatewayResponse> {
  const { signal } = request
  const metadata = await parent?.directory.metadataFor(parent.name, { signal })
  const inImmutable = parent !== undefined && !parent.directory.mutable
  return jsonResponse(unknownJson(node, inImmutable, metadata))
}

/** Without a name it answers for the directory itself, which stands at the end of the path. */
async function makeSubdirectory(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { args, context, node } = exchange
  const t = (args.get('t') ?? '').trim()
  const name = textArgument(args, 'name')
  if (name === undefined || name === '') return textResponse(node.uri)
  const mutable = t !== 'mkdir-immutable'
  const format = formatArgument(args)
  const overwrite = t === 'mkdir' && booleanArgument(args, 'replace', true)
  const initialChildren =
    t === 'mkdir' ? undefined : childNodes(context.client, await readText(exchange))
  const child = await node.createSubdirectory(name, {
    overwrite,
    mutable,
    initialChildren,
    ...(mutable && { mutableVersion: mutableVersion(format) }),
  })
  return textResponse(child.uri)
}

async function uploadInto(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { args, form, node } = exchange
  const name = (textArgument(args, 'name') || (form?.file?.name ?? '')).trim()
  if (name === '') throw badRequest('upload requires a name')
  refuseSlash('name', name)
  return putFormFile(exchange, node, name)
}

async function linkCap({ args, node }: DirectoryExchange): Promise<GatewayResponse> {
  const cap = args.get('uri')?.trim()
  if (cap === undefined || cap === '') throw badRequest('set-uri requires a uri')
  const name = textArgument(args, 'name')
  if (name === undefined || name === '') throw badRequest('set-uri requires a name')
  await node.setUri(name, cap, undefined, { overwrite: replaceArgument(args) })
  return textResponse(cap)
}

/** Forms leave out a field that is empty: no name is the empty one. */
async function unlinkChild({ args, node }: DirectoryExchange): Promise<GatewayResponse> {
  await node.delete(textArgument(args, 'name') ?? '')
  return textResponse('thing unlinked')
}

async function renameChild(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { args } = exchange
  if (args.get('to_dir') !== undefined) throw badRequest('to_dir= is not valid for rename')
  if (args.get('to_name') === undefined) throw badRequest('to_name= is required for rename')
  return relinkChild(exchange)
}

async function relinkChild(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { args, node } = exchange
  const overwrite = replaceArgument(args)
  const given = textArgument(args, 'from_name')
  if (given === undefined) throw badRequest('from_name= is required')
  // Spaces around a name are passed over, unless they belong to it: another child may be called so.
  const bare = given.trim()
  const fromName = given !== bare && (await node.hasChild(given)) ? given : bare
  const toName = textArgument(args, 'to_name')?.trim() ?? fromName
  refuseSlash('from_name', fromName)
  refuseSlash('to_name', toName)
  if (toName === '') throw badRequest('to_name= may not be empty')
  const newParent = await directoryArgument(exchange)
  if (newParent !== node) await refuseIntoItself(exchange, fromName)
  await node.moveChildTo(fromName, newParent, { newChildName: toName, overwrite })
  return textResponse('thing moved')
}

/** `to_dir`: a cap, and names below it with slashes between. Default: the same directory. */
async function directoryArgument(exchange: DirectoryExchange): Promise<IDirectoryNode> {
  const { root, path } = destination(exchange)
  const { signal } = exchange.request
  const target =
    isDirectoryNode(root) && path.length > 0 ? await root.childAtPath(path, { signal }) : root
  if (!isDirectoryNode(target)) throw badRequest('to_dir is not a directory')
  return target
}

function destination({ args, context, node }: DirectoryExchange): {
  readonly root: IFilesystemNode
  readonly path: readonly string[]
} {
  const text = textArgument(args, 'to_dir')?.trim()
  if (text === undefined) return { root: node, path: [] }
  const [cap = '', ...path] = text.split('/')
  return { root: context.client.createNodeFromUri(cap), path }
}

/** Refuses to move a directory to where the way leads through itself: nothing would lead to it any more. */
async function refuseIntoItself(exchange: DirectoryExchange, name: string): Promise<void> {
  const { node } = exchange
  const { signal } = exchange.request
  const child = await childIfAny(node, name, signal)
  const { root, path } = destination(exchange)
  if (child === undefined || !isDirectoryNode(child) || !isDirectoryNode(root)) return
  for (let count = 0; count <= path.length; count++) {
    const step = count === 0 ? root : await root.childAtPath(path.slice(0, count), { signal })
    if (isSameDirectory(step, child)) throw badRequest('a directory cannot be moved into itself')
  }
}

/** Whether two nodes are one directory, whatever each of them may do with it. */
function isSameDirectory(one: IFilesystemNode, other: IDirectoryNode): boolean {
  const [first, second] = [one, other].map(({ storageIndex: si }) => si && toBase32(si))
  return first !== undefined && first === second
}

function refuseSlash(argument: string, name: string): void {
  if (name.includes('/')) throw badRequest(`${argument}= may not contain a slash`)
}

async function setChildren(exchange: DirectoryExchange): Promise<GatewayResponse> {
  const { args, node } = exchange
  const overwrite = replaceArgument(args)
  const entries = new Map<string, NewChildCaps>()
  const text = await readText(exchange)
  if (text === '') throw badRequest('children: I expected JSON, and got no body')
  for (const [name, { rwUri, roUri, metadata }] of parseChildren(text)) {
    entries.set(name, { writeUri: rwUri, readonlyUri: roUri, metadata })
  }
  await node.setChildren(entries, { overwrite })
  return textResponse('Okay so I did it.')
}
