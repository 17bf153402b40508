import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'

/** A request as it goes over the wire. */
export interface WebRequest {
  readonly method: string
  /** Sent as it stands: `..` and doubled slashes stay. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | undefined
}

/** What came back; redirects are not followed. */
export interface WebResponse {
  /** 0 where the connection was closed without an answer that is HTTP. */
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/** The longest that any answer may take. */
const ANSWER_TIMEOUT_MS = 30_000

/**
 * Sends a request over a connection of its own.
 *
 * @param webUrl - the gateway, such as `http://127.0.0.1:3456/`.
 */
export async function sendRequest(
  webUrl: string,
  { method, target, headers = {}, body }: WebRequest,
): Promise<WebResponse> {
  const { hostname, port } = new URL(webUrl)
  const length = body === undefined ? {} : { 'content-length': String(body.length) }
  const sent = request({
    hostname,
    port,
    method,
    path: target,
    agent: false,
    headers: { ...length, ...headers },
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  })
  sent.end(body)
  let response: IncomingMessage
  try {
    ;[response] = (await once(sent, 'response')) as [IncomingMessage]
  } catch (error) {
    if (!isNoAnswer(error)) throw error
    return { status: 0, headers: new Map(), body: new Uint8Array() }
  }
  const received = new Uint8Array(await buffer(response))
  const names = Object.entries(response.headers)
  return {
    status: response.statusCode ?? 0,
    headers: new Map(names.map(([name, value]) => [name, String(value)])),
    body: received,
  }
}

function isNoAnswer(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === 'ECONNRESET' || String(error.code).startsWith('HPE_')
}
