import type { GatewayResponse } from './exchange.ts'
import { pythonJson } from './python-json.ts'

type Header = readonly [name: string, value: string]

const encoder = new TextEncoder()

/** Text for programs: a cap, a note, an error. */
export function textResponse(
  text: string,
  status = 200,
  headers: readonly Header[] = [],
): GatewayResponse {
  return {
    status,
    headers: [['content-type', 'text/plain;charset=utf-8'], ...headers],
    body: encoder.encode(text),
  }
}

/** JSON as upstream writes it: in ASCII and indented by one column, with a line feed at the end. */
export function jsonResponse(
  value: unknown,
  contentType = 'text/plain',
  headers: readonly Header[] = [],
): GatewayResponse {
  return {
    status: 200,
    headers: [['content-type', contentType], ...headers],
    body: encoder.encode(`${pythonJson(value, 1)}\n`),
  }
}

/**
 * Sends the reader on.
 *
 * @param location - relative to the request's address, or absolute.
 * @param status - 302 unless it must be another.
 */
export function redirectResponse(location: string, status = 302): GatewayResponse {
  return {
    status,
    headers: [
      ['location', location],
      ['content-type', 'text/plain;charset=utf-8'],
    ],
    body: new Uint8Array(0),
  }
}

/** Only a status, such as 304. */
export function emptyResponse(status: number, headers: readonly Header[] = []): GatewayResponse {
  return { status, headers, body: new Uint8Array(0) }
}
