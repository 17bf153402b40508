import { Agent, request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { Gateway, GatewayResponse } from '@lafs/gateway'
import { isCapText } from './cap-text.ts'
import { CommandError, UsageError } from './failure.ts'
import { runningNodeUrl } from './running-node.ts'
import { webApiError } from './web-error.ts'

/** A request to a gateway. */
export interface WebRequest {
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** A stream goes with a header `content-length`, or else in chunks. Default: nothing. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined
  readonly signal: AbortSignal
}

/** What a gateway answers. */
export interface WebResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** To be read to its end, or returned from: it holds a connection. */
  readonly body: AsyncIterable<Uint8Array>
}

/** The web API of a gateway, wherever that is. */
export interface WebApi extends AsyncDisposable {
  /**
   * Asks for something. The answer may be any status.
   *
   * @param method - in capitals.
   * @param target - path and query, escaped, such as {@link capTarget} makes.
   * @throws {@link CommandError} `CLI_NO_GATEWAY`, `CLI_CUT_SHORT`.
   */
  request(method: string, target: string, request: WebRequest): Promise<WebResponse>
}

/** What it takes to ask a gateway. */
export interface ApiContext {
  readonly api: WebApi
  readonly signal: AbortSignal
}

/** What every request says that it would like to read: text, and no page. */
const ACCEPT = 'text/plain, application/octet-stream'

/**
 * The web API that a command works with: that of `nodeUrl`; or that of the process that runs from the
 * node directory; or, where none does, a gateway in this process that ends with it.
 *
 * @param keyPoolSize - RSA keys that a gateway of this process makes ahead.
 * @throws {@link UsageError} for an address that is none.
 */
export async function openWebApi(
  nodeDirectory: string,
  nodeUrl: string | undefined,
  keyPoolSize: number,
): Promise<WebApi> {
  const url = nodeUrl ?? (await runningNodeUrl(nodeDirectory))
  if (url !== undefined) return httpWebApi(url)
  const { openNode } = await import('@lafs/node')
  const node = await openNode(nodeDirectory, { keyPoolSize })
  return gatewayWebApi(node.gateway, () => node.close())
}

/** A gateway at an address, by connections that are kept for the next request. */
export function httpWebApi(nodeUrl: string): WebApi {
  const base = URL.canParse(nodeUrl) ? new URL(nodeUrl) : undefined
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    throw new UsageError('expected the address of a gateway, such as http://127.0.0.1:3456/')
  }
  const isTls = base.protocol === 'https:'
  const agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true })
  const begin = isTls ? httpsRequest : httpRequest
  const prefix = base.pathname.replace(/\/$/, '')
  const connect = (method: string, target: string, request: WebRequest): ClientRequest =>
    // A path of its own: one in an address would lose names such as `..`.
    begin({
      hostname: base.hostname.replaceAll(/^\[|\]$/g, ''),
      port: base.port,
      agent,
      method,
      path: prefix + target,
      headers: headersOf(request),
      signal: request.signal,
    })
  const place = base.origin
  return {
    request: async (method, target, request) => {
      for (;;) {
        const sent = connect(method, target, request)
        const failures: unknown[] = []
        try {
          return await exchange(sent, request, (error) => failures.push(error))
        } catch (error) {
          request.signal.throwIfAborted()
          // Of what was to be sent, such as a file that cannot be read.
          if (failures.length > 0) throw failures[0]
          // The other side may end a connection that was kept, just when it is used again.
          if (sent.reusedSocket && isEnd(error) && !isStream(request.body)) continue
          throw noGateway(place, error)
        }
      }
    },
    [Symbol.asyncDispose]: () => {
      agent.destroy()
      return Promise.resolve()
    },
  }
}

/** A gateway of this process. @param close - ends it. */
export function gatewayWebApi(
  gateway: Pick<Gateway, 'handle'>,
  close: () => Promise<void>,
): WebApi {
  return {
    request: async (method, target, request) => {
      const { signal } = request
      signal.throwIfAborted()
      const headers = new Map(Object.entries({ host: 'localhost', ...headersOf(request) }))
      const failures: unknown[] = []
      const pieces = inPieces(request.body ?? new Uint8Array())
      const body = telling(pieces, (error) => failures.push(error))
      // What has begun to write goes on behind whoever has left.
      const answered = gateway.handle({ method, target, headers, body, signal })
      const response = await unlessAborted(answered, signal)
      signal.throwIfAborted()
      // What the gateway says of it comes second.
      if (failures.length > 0) throw failures[0]
      return {
        status: response.status,
        headers: new Map(response.headers.map(([name, value]) => [name.toLowerCase(), value])),
        // What goes wrong behind it comes through as it is: there is no log to look at.
        body: inPieces(response.body),
      }
    },
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Asks for something that comes with a status of 2xx.
 *
 * @throws {@link WebApiError} for any other status.
 */
export async function ask(
  api: WebApi,
  method: string,
  target: string,
  request: WebRequest,
): Promise<WebResponse> {
  const response = await api.request(method, target, request)
  if (response.status >= 200 && response.status < 300) return response
  throw webApiError(response.status, await textOf(response))
}

/** The same, for an answer that is text. */
export async function askText(
  api: WebApi,
  method: string,
  target: string,
  request: WebRequest,
): Promise<string> {
  return textOf(await ask(api, method, target, request))
}

/**
 * The same, for an answer that is a cap.
 *
 * @throws {@link CommandError} `CLI_BAD_ANSWER` for anything else, which must not be kept as one.
 */
export async function askCap(
  api: WebApi,
  method: string,
  target: string,
  request: WebRequest,
): Promise<string> {
  return capOf(await ask(api, method, target, request))
}

/** The cap that an answer consists of. @throws {@link CommandError} `CLI_BAD_ANSWER`. */
export async function capOf(response: WebResponse): Promise<string> {
  const text = (await textOf(response)).trim()
  if (isCapText(text)) return text
  throw new CommandError('CLI_BAD_ANSWER', 'expected a cap from the gateway, got something else')
}

/**
 * The whole body as text.
 *
 * @throws {@link CommandError} `CLI_CUT_SHORT`.
 */
export async function textOf({ body }: WebResponse): Promise<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let text = ''
  for await (const piece of body) text += decoder.decode(piece, { stream: true })
  return text + decoder.decode()
}

/** A value of JSON that a gateway answered. @throws {@link CommandError} `CLI_BAD_ANSWER`. */
export function parseAnswer(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    // What the parser says would show what is there, such as caps.
    throw new CommandError('CLI_BAD_ANSWER', 'expected JSON from the gateway, got something else')
  }
}

/** Whether a value of JSON is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The lines of the body as they come, without their ends. */
export async function* linesOf({ body }: WebResponse): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let rest = ''
  for await (const piece of body) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

/**
 * The target of a request about a cap, or about what a path leads to from there.
 *
 * @param path - names with slashes between them; empty for the cap itself.
 * @param query - the names and values of arguments; those that are undefined are left out.
 */
export function capTarget(
  { root, path }: { readonly root: string; readonly path: string },
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const names = path === '' ? '' : `/${path.split('/').map(encodeURIComponent).join('/')}`
  return `/uri/${encodeURIComponent(root)}${names}${queryText(query)}`
}

/** `?` and the arguments that are not undefined; empty without any. */
export function queryText(query: Readonly<Record<string, string | undefined>>): string {
  const words = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  )
  return words.length === 0 ? '' : `?${words.join('&')}`
}

function headersOf({ headers, body }: WebRequest): Record<string, string> {
  const length = isStream(body) ? {} : { 'content-length': String(body?.length ?? 0) }
  return { accept: ACCEPT, ...length, ...headers }
}

function isStream(
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
): body is AsyncIterable<Uint8Array> {
  return body !== undefined && !(body instanceof Uint8Array)
}

/** What a promise comes to. @throws the reason of the signal, as soon as that aborts. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
  })
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function* inPieces(body: GatewayResponse['body']): AsyncGenerator<Uint8Array> {
  if (isStream(body)) yield* body
  else if (body.length > 0) yield body
}

/** Sends the body and waits for the answer, which may come before the body has gone. */
async function exchange(
  sent: ClientRequest,
  { body, signal }: WebRequest,
  onBodyError: (error: unknown) => void,
): Promise<WebResponse> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve)
    sent.once('error', reject)
    if (!isStream(body)) sent.end(body)
    // After an early answer nobody takes the rest.
    else {
      const told = telling(body, (error) => {
        onBodyError(error)
        reject(error)
      })
      pipeline(told, sent).catch(() => undefined)
    }
  })
  const message = await answered
  return {
    status: message.statusCode ?? 0,
    headers: new Map(
      Object.entries(message.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
    ),
    body: untilCut(untilAnswered(message, sent), signal),
  }
}

/** The pieces as they come; after the last one nobody sends any more of the request. */
async function* untilAnswered(
  pieces: AsyncIterable<Uint8Array>,
  sent: ClientRequest,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } finally {
    if (!sent.writableFinished) sent.destroy()
  }
}

/** The pieces as they come; of a failure somebody hears before it closes what they go into. */
async function* telling(
  pieces: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } catch (error) {
    onError(error)
    throw error
  }
}

/** The pieces as they come; where they end too early it says so. */
async function* untilCut(
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } catch (error) {
    signal.throwIfAborted()
    const message = 'the gateway broke off in the middle of its answer'
    throw new CommandError('CLI_CUT_SHORT', message, { cause: error })
  }
}

function noGateway(place: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code.startsWith('HPE_')) {
    const message = `expected HTTP from the gateway at ${place}, got something else`
    return new CommandError('CLI_BAD_ANSWER', message, { cause })
  }
  // A name may have several addresses, of which each has its failure.
  const failures: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause]
  const messages = failures.map((failure) =>
    isOfConnection(failure) ? failure.message : undefined,
  )
  if (messages.includes(undefined)) return cause
  const message = `no answer from the gateway at ${place}: ${messages.join('; ')}`
  return new CommandError('CLI_NO_GATEWAY', message, { cause })
}

function isOfConnection(error: unknown): error is Error {
  return error instanceof Error && ('syscall' in error || isEnd(error))
}

/** Whether the other side has ended the connection. */
function isEnd(error: unknown): boolean {
  // Which of them it is depends on how much of the request had gone.
  return (
    error instanceof Error &&
    'code' in error &&
    ['ECONNRESET', 'EPIPE'].includes(String(error.code))
  )
}
