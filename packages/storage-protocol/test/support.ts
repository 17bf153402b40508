import type { SendRequest } from '../src/client/index.ts'
import type { StorageHandler, StorageRequest, StorageResponse } from '../src/server/index.ts'

/** A request as node:http would give it: headers of one name joined, a body in pieces. */
export function request(
  method: string,
  url: string,
  headers: readonly (readonly [string, string])[] = [],
  body?: Uint8Array,
  pieceSize = 1000,
): StorageRequest {
  const all = [...headers]
  if (body !== undefined) all.push(['content-length', String(body.length)])
  return {
    method,
    url,
    headers: headerReader(all),
    body: body === undefined ? null : pieces(body, pieceSize),
  }
}

function headerReader(headers: readonly (readonly [string, string])[]): {
  get(name: string): string | null
} {
  return {
    get(name) {
      const values = headers.filter(([key]) => key === name).map(([, value]) => value)
      return values.length === 0 ? null : values.join(', ')
    },
  }
}

async function* pieces(body: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < body.length; offset += size) {
    yield body.slice(offset, offset + size)
  }
}

/** The body of a response, whole. */
export async function collect({ body }: Pick<StorageResponse, 'body'>): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0)
  if (body instanceof Uint8Array) return body
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** A client's way to a handler in the same process. */
export function sendTo(handler: StorageHandler): SendRequest {
  return async ({ method, path, headers, body, signal }) => {
    signal.throwIfAborted()
    const sent =
      body === undefined
        ? null
        : (async function* () {
            for (const piece of body) yield piece.slice()
          })()
    const response = await handler({
      method,
      url: path,
      headers: headerReader(headers),
      body: sent,
    })
    return {
      status: response.status,
      headers: headerReader(Object.entries(response.headers)),
      body: await collect(response),
    }
  }
}
