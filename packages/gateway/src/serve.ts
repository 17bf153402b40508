import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { recycleMemory } from '@lafs/crypto'
import { queuePieces } from '@lafs/storage-protocol/pieces'
import { WebError } from './errors.ts'
import type { GatewayResponse } from './exchange.ts'
import type { Gateway } from './gateway.ts'
import { passUnwanted } from './unwanted-body.ts'

/** Where a gateway listens. */
export interface GatewayAddress {
  /** 0: any that is free. */
  readonly port: number
  /** Such as `127.0.0.1`, which is the default. */
  readonly host?: string
}

/** A gateway that listens. */
export interface GatewayListener extends AsyncDisposable {
  /** Where it can be reached, with a slash at the end. */
  readonly url: string
  /** Ends what is under way within moments. */
  close(): Promise<void>
}

const KEEP_ALIVE_TIMEOUT_MS = 600_000
/** How long a client may take for the head of a request. */
const HEAD_TIMEOUT_MS = 30_000
/** How long a client may send nothing in the middle of a body that is waited for. */
const BODY_TIMEOUT_MS = 60_000
/** How long a client may take nothing of its answer. People pause films. */
const ANSWER_TIMEOUT_MS = 15 * 60_000
/** Of the first line and the headers together; caps and names are long. */
const HEAD_SIZE_MAX = 128 * 1024
/** How much goes ahead of the other side, in bytes. */
const HIGH_WATER_MARK = 1024 * 1024
/** From here on, bytes, a body takes longer to copy than its head to send apart. */
const APART_SIZE_MIN = 128 * 1024

/** Serves a gateway over HTTP. @throws what `listen` does, such as `EADDRINUSE`. */
export async function serveGateway(
  gateway: Gateway,
  address: GatewayAddress,
): Promise<GatewayListener> {
  const server = createServer({
    highWaterMark: HIGH_WATER_MARK,
    maxHeaderSize: HEAD_SIZE_MAX,
    noDelay: true,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: 0,
  })
  server.on('request', (request, response) => void respond(gateway, request, response, false))
  server.on('checkContinue', (request, response) => void respond(gateway, request, response, true))
  server.listen(address.port, address.host ?? '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return { url: urlOf(server), close, [Symbol.asyncDispose]: close }
}

/** Where this machine reaches a server: where it listens everywhere, on the loopback interface. */
function urlOf(server: Server): string {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('not listening on a port')
  const host = ['0.0.0.0', '::'].includes(bound.address) ? '127.0.0.1' : bound.address
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}/`
}

async function respond(
  gateway: Gateway,
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) gone.abort(new WebError(400, 'whoever asked has gone'))
  })
  response.on('error', () => undefined)
  let holdsBack = awaitsContinue
  const answer = await gateway.handle({
    method: request.method ?? '',
    target: request.url ?? '',
    headers: headersOf(request),
    body: requestBody(request, () => {
      if (holdsBack) response.writeContinue()
      holdsBack = false
    }),
    signal: gone.signal,
  })
  try {
    const rest = request.complete ? undefined : restOf(request, response, holdsBack)
    await send(answer, response, rest)
  } catch {
    // Whoever asked has gone, or the content cannot be read on: it must not be taken for its end.
    response.destroy()
  }
}

function headersOf(request: IncomingMessage): Map<string, string> {
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '))
  }
  return headers
}

/** The pieces of a body as they come; nothing is read before the first is asked for. */
function requestBody(request: IncomingMessage, begin: () => void): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      begin()
      const queue = queuePieces({
        pause: () => request.pause(),
        resume: () => request.resume(),
        leave() {
          request.removeAllListeners('data')
          request.resume()
        },
      })
      const incomplete = (): void =>
        queue.fail(new WebError(400, 'the body ended before it was complete'))
      if (request.destroyed && !request.complete) incomplete()
      request.on('data', queue.push)
      request.on('end', queue.end)
      request.on('error', incomplete)
      request.on('close', incomplete)
      const next = async (): Promise<IteratorResult<Uint8Array>> => {
        const stalled = setTimeout(() => {
          queue.fail(new WebError(408, 'the body did not come on'))
        }, BODY_TIMEOUT_MS)
        try {
          return await queue.pieces.next()
        } finally {
          clearTimeout(stalled)
        }
      }
      return { next, return: () => queue.pieces.return() }
    },
  }
}

/**
 * Has the connection end behind the answer, and lets pass before that what still comes of the body.
 *
 * @param holdsBack - whether the client sends nothing before it is told to.
 */
async function restOf(
  request: IncomingMessage,
  response: ServerResponse,
  holdsBack: boolean,
): Promise<void> {
  response.setHeader('connection', 'close')
  request.setTimeout(BODY_TIMEOUT_MS, () => request.destroy())
  if (!holdsBack) await passUnwanted(request)
}

/** @param rest - what the connection has to wait for before it is closed behind the answer. */
async function send(
  { status, headers, body }: GatewayResponse,
  response: ServerResponse,
  rest: Promise<void> | undefined,
): Promise<void> {
  const whole = body instanceof Uint8Array
  const counted = !whole || headers.some(([name]) => name === 'content-length')
  const length = counted || status === 304 ? [] : ['content-length', String(body.length)]
  // What is shorter or longer than announced breaks, and nobody waits for the rest.
  response.strictContentLength = true
  response.writeHead(status, [...headers.flat(), ...length])
  // Node copies a body that goes out together with the head.
  if (whole && body.length < APART_SIZE_MIN && rest === undefined) {
    // 'finish' comes when the system has all of it.
    response.end(body, () => recycleMemory(body))
    return
  }
  response.flushHeaders()
  for await (const piece of whole ? [body] : body) {
    if (response.destroyed) return
    const goesOn = response.write(piece, (error) => error ?? recycleMemory(piece))
    if (!goesOn) await drained(response)
  }
  await rest
  response.end()
}

/** Waits until the other side has taken what it was sent. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(stalled)
      response.off('drain', go)
      response.off('close', leave)
    }
    const go = (): void => {
      stop()
      resolve()
    }
    const leave = (): void => {
      stop()
      reject(new Error('the connection has been closed'))
    }
    const stalled = setTimeout(leave, ANSWER_TIMEOUT_MS)
    response.on('drain', go)
    response.on('close', leave)
  })
}
