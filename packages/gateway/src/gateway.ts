import { tmpdir } from 'node:os'
import type { Client, History } from '@lafs/client'
import type { StorageServer } from '@lafs/storage-server'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { createBlacklist } from './blacklist.ts'
import { badRequest, describeError, WebError } from './errors.ts'
import type { GatewayRequest, GatewayResponse } from './exchange.ts'
import { createOperationHandles } from './operations.ts'
import { errorPage } from './pages/index.ts'
import { decodeText, parseQuery, percentDecode, requestArguments } from './request/arguments.ts'
import { readForm } from './request/form.ts'
import { spool } from './request/upload.ts'
import { redirectResponse, textResponse } from './response.ts'
import { answerFile, answerNode } from './routes/resolve.ts'
import type { Exchange, GatewayContext, NodeFacts } from './context.ts'
import { dispatch, dispatchPath, UNLINKED } from './routes/table.ts'
import { censorTarget, refuseForeign, secured } from './security.ts'
import { NodeStatistics } from './statistics.ts'

/** What a gateway is made of. */
export interface GatewayOptions {
  /** Stays the caller's, who closes it after the gateway. */
  readonly client: Client
  /** The history that was given to the client. */
  readonly history: History
  readonly node: NodeFacts
  /** The storage server of the same node, for its pages. */
  readonly storage?: StorageServer | undefined
  /** Default: the system's folder for temporary files. */
  readonly temporaryFolder?: string | undefined
  /** A folder whose files are served below `/static`. Default: none. */
  readonly staticFolder?: string | undefined
  /** The file `access.blacklist`. Default: nothing is refused. */
  readonly blacklistFile?: string | undefined
  /** The content of `private/api_auth_token`, which opens `/private`. */
  readonly apiAuthToken?: string | undefined
  /** Names that browsers may know the gateway by, beside localhost and addresses in numbers. */
  readonly allowedHosts?: readonly string[] | undefined
  readonly clock?: Clock | undefined
  /** Hears one line of each request when it has been answered; no cap, key or name is in it. */
  readonly log?: ((line: string) => void) | undefined
}

/** The web API of a client, without a server around it. */
export interface Gateway {
  /** Answers one request. Never rejects: what fails has its own status. */
  handle(request: GatewayRequest): Promise<GatewayResponse>
  /** Ends the operations under way. */
  close(): Promise<void>
}

/** The web API, and its pages, over a client. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { client, history, node, storage, allowedHosts = [], log } = options
  const clock = options.clock ?? systemClock
  const operations = createOperationHandles(clock)
  const { startedMs } = node
  const statistics = new NodeStatistics({ clock, startedMs, history, storage })
  const context: GatewayContext = {
    client,
    history,
    operations,
    statistics,
    clock,
    node,
    storage,
    temporaryFolder: options.temporaryFolder ?? tmpdir(),
    blacklist: createBlacklist(options.blacklistFile),
    staticFolder: options.staticFolder,
    apiAuthToken: options.apiAuthToken,
  }
  return {
    handle: async (request) => {
      const response = await answerOrExplain(context, request, allowedHosts)
      log?.(`web: ${request.method} ${censorTarget(request.target)} ${response.status}`)
      return request.method === 'HEAD' ? withoutBody(response) : response
    },
    close: async () => {
      operations.close()
      statistics.close()
    },
  }
}

async function answerOrExplain(
  context: GatewayContext,
  request: GatewayRequest,
  allowedHosts: readonly string[],
): Promise<GatewayResponse> {
  try {
    refuseForeign(request, allowedHosts)
    return secured(await answer(context, request))
  } catch (error) {
    return secured(explain(request, describeError(error)))
  }
}

/** What a failure is answered with: text for programs, a page for people. */
function explain(request: GatewayRequest, { status, message, headers }: WebError): GatewayResponse {
  const accepted = request.headers.get('accept') ?? ''
  if (!accepted.includes('text/html')) return textResponse(message, status, headers)
  const page = errorPage(request, status, message)
  return { ...page, headers: [...page.headers, ...headers] }
}

async function answer(context: GatewayContext, request: GatewayRequest): Promise<GatewayResponse> {
  const { path, query } = splitTarget(request.target)
  const form = await readForm(request, (content) => spool(context, content, request.signal))
  try {
    const args = requestArguments(parseQuery(query), form?.fields)
    return await route({ context, request, path, args, form })
  } finally {
    await form?.file?.content.close()
  }
}

async function route(exchange: Exchange): Promise<GatewayResponse> {
  const [first, cap, ...names] = exchange.path
  if (first === 'uri' || first === 'cap') {
    if (cap === undefined) return dispatch(UNLINKED, exchange)
    if (cap !== '') return answerNode(exchange, cap, names)
    const { query } = splitTarget(exchange.request.target)
    return redirectResponse(`../${first}${query === '' ? '' : `?${query}`}`)
  }
  if (first === 'file' || first === 'named') {
    if (cap !== undefined && cap !== '') return answerFile(exchange, cap, names)
    throw new WebError(404, '/file must be followed by a file-cap and a name')
  }
  return dispatchPath(exchange)
}

/** The parts of a path, decoded, and the query as it was sent. */
function splitTarget(target: string): { readonly path: readonly string[]; readonly query: string } {
  // Proxies may be sent the whole address.
  const local = target.replace(/^https?:\/\/[^/?]*/i, '')
  const at = local.indexOf('?')
  const path = at < 0 ? local : local.slice(0, at)
  if (!path.startsWith('/')) throw badRequest('I expected a path that begins with a slash')
  return {
    path: path
      .slice(1)
      .split('/')
      .map((part) => decodeText(percentDecode(part), 'the path')),
    query: at < 0 ? '' : local.slice(at + 1),
  }
}

/** The answer to HEAD: that to GET, with its length. */
function withoutBody({ status, headers, body }: GatewayResponse): GatewayResponse {
  const told = headers.some(([name]) => name === 'content-length')
  const length =
    told || !(body instanceof Uint8Array)
      ? []
      : ([['content-length', String(body.length)]] as const)
  return { status, headers: [...headers, ...length], body: new Uint8Array(0) }
}
