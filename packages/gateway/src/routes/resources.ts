import { open, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { timingSafeCompare } from '@lafs/crypto'
import { NO_SUCH_RESOURCE, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { asset } from '../pages/assets.ts'
import { redirectResponse } from '../response.ts'
import { contentTypeOf } from './content-type.ts'
import type { Exchange } from '../context.ts'
import type { PathRoute } from './route.ts'

const PIECE_SIZE = 256 * 1024

/** Files that come with the node or its operator, and what programs of the operator may read. */
export const resourceRoutes: readonly PathRoute[] = [
  {
    path: '/assets/:name',
    method: 'GET',
    t: '*',
    args: [],
    summary: 'What the pages are made with',
    handle: async ({ request, path }) => found(asset(request, path[1] ?? '')),
  },
  ...['/icon.png', '/favicon.ico'].map((path): PathRoute => ({
    path,
    method: 'GET',
    t: '*',
    args: [],
    summary: 'The icon',
    handle: async ({ request }) => found(asset(request, 'icon.svg')),
  })),
  {
    path: '/static/*',
    method: 'GET',
    t: '*',
    args: [],
    summary: 'The files of the folder that `web.static` names',
    handle: sendStatic,
  },
  ...(['GET', 'POST', 'PUT', 'DELETE'] as const).map((method): PathRoute => ({
    path: '/private/*',
    method,
    t: '*',
    args: [],
    summary: 'The stream of logs: 401 without the token, else 501',
    handle: refusePrivate,
  })),
]

function found(response: GatewayResponse | undefined): GatewayResponse {
  if (response === undefined) throw new WebError(404, NO_SUCH_RESOURCE)
  return response
}

/** There is nothing below `/private` yet but the door. */
async function refusePrivate({ context, request }: Exchange): Promise<GatewayResponse> {
  const encoder = new TextEncoder()
  const given = /^tahoe-lafs (.*)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  const token = context.apiAuthToken
  if (
    token === undefined ||
    given === undefined ||
    !timingSafeCompare(encoder.encode(given.trim()), encoder.encode(token.trim()))
  ) {
    throw new WebError(401, 'Unauthorized', [['www-authenticate', 'tahoe-lafs realm="tahoe-lafs"']])
  }
  throw new WebError(501, 'This node has no stream of logs.')
}

async function sendStatic({ context, path, request }: Exchange): Promise<GatewayResponse> {
  const { staticFolder } = context
  const parts = path.slice(1)
  const hostile = parts.some((part) => /^\.{1,2}$|[/\\\0]/.test(part))
  const empty = parts.slice(0, -1).includes('')
  if (staticFolder === undefined || hostile || empty) return found(undefined)
  const folder = await realpath(staticFolder).catch(() => undefined)
  if (folder === undefined) return found(undefined)
  const wanted = join(folder, ...parts, ...(parts.at(-1) === '' ? ['index.html'] : []))
  const target = await realpath(wanted).catch(() => undefined)
  if (target === undefined || !`${target}${sep}`.startsWith(`${folder}${sep}`)) {
    return found(undefined)
  }
  // A pipe would keep whoever opens it waiting, for ever.
  const stats = await stat(target)
  if (stats.isDirectory()) return redirectResponse(`${encodeURIComponent(path.at(-1) ?? '')}/`)
  if (!stats.isFile()) return found(undefined)
  const handle = await open(target)
  try {
    const { size } = await handle.stat()
    const headers = [
      ['content-type', contentTypeOf(target).type],
      ['content-length', String(size)],
    ] as const
    if (request.method === 'HEAD') {
      await handle.close()
      return { status: 200, headers, body: new Uint8Array(0) }
    }
    return { status: 200, headers, body: readFile(handle, size) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** As many bytes as were announced: somebody may be writing to the file. */
async function* readFile(
  handle: Awaited<ReturnType<typeof open>>,
  size: number,
): AsyncGenerator<Uint8Array> {
  try {
    for (let left = size; left > 0;) {
      const piece = new Uint8Array(Math.min(left, PIECE_SIZE))
      const { bytesRead } = await handle.read(piece, 0, piece.length)
      if (bytesRead === 0) throw new Error('the file has become shorter while it was read')
      left -= bytesRead
      yield piece.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}
