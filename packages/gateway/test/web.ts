import { createHistory } from '@lafs/client'
import type { Client, History } from '@lafs/client'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import { usePublishedKeys } from '@lafs/testing/published-keys'
import { afterAll, beforeAll } from 'vitest'
import { createGateway } from '../src/index.ts'
import type { Gateway, GatewayOptions } from '../src/index.ts'

/** What a test sends. */
interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal
}

/** What came back. */
export interface Answered {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly bytes: Uint8Array
  readonly text: string
  json(): unknown
}

/** A gateway over a grid in memory, for the tests of one file. */
export interface Web {
  readonly grid: LocalGrid
  readonly client: Client
  /** What the client has done. */
  readonly history: History
  readonly gateway: Gateway
  /** One request, and the whole of its answer. */
  ask(method: string, target: string, sent?: Sent): Promise<Answered>
  get(target: string, headers?: Readonly<Record<string, string>>): Promise<Answered>
  put(target: string, body?: Sent['body']): Promise<Answered>
  post(target: string, body?: Sent['body']): Promise<Answered>
}

/**
 * Makes a gateway before the tests of the file that calls this, and ends it after them.
 *
 * @param requiredShares - of the three that each file has, on as many servers.
 */
export function useWeb(options: Partial<GatewayOptions> = {}, requiredShares = 3): Web {
  let grid: LocalGrid
  let client: Client
  const history = createHistory()
  let gateway: Gateway
  beforeAll(async () => {
    await usePublishedKeys()
    const encoding = { requiredShares, happyShares: requiredShares, totalShares: 3 }
    grid = await createLocalGrid({ transport: 'memory', servers: 3, encoding })
    client = await grid.createClient({
      convergence: new Uint8Array(32).fill(7),
      history,
      keyPoolSize: 0,
    })
    const node = { nickname: 'test', nodeId: 'v0-test', version: 'lafs/0', startedMs: 0 }
    gateway = await createGateway({ client, history, node, ...options })
  })
  afterAll(async () => {
    await gateway.close()
    await client.close()
    await grid.close()
  })
  const ask: Web['ask'] = async (method, target, { headers = {}, body = '', signal } = {}) => {
    const response = await gateway.handle({
      method,
      target,
      headers: new Map(Object.entries(headers)),
      body: pieces(body),
      signal: signal ?? new AbortController().signal,
    })
    return answered(response.status, response.headers, await whole(response.body))
  }
  return {
    get grid() {
      return grid
    },
    get client() {
      return client
    },
    history,
    get gateway() {
      return gateway
    },
    ask,
    get: (target, headers = {}) => ask('GET', target, { headers }),
    put: (target, body = '') => ask('PUT', target, { body }),
    post: (target, body = '') => ask('POST', target, { body }),
  }
}

function answered(
  status: number,
  headers: readonly (readonly [string, string])[],
  bytes: Uint8Array,
): Answered {
  const text = new TextDecoder().decode(bytes)
  return { status, headers: new Map(headers), bytes, text, json: () => JSON.parse(text) as unknown }
}

/** The pieces of a body: one, or those that are given. */
async function* pieces(body: NonNullable<Sent['body']>): AsyncGenerator<Uint8Array> {
  if (typeof body === 'string') yield new TextEncoder().encode(body)
  else if (body instanceof Uint8Array) yield body
  else yield* body
}

/** All of a body. */
export async function whole(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

/** A form as browsers send it. A value that is an array is a file: its name and its content. */
export function form(
  fields: Readonly<Record<string, string | readonly [name: string, content: string | Uint8Array]>>,
): { readonly headers: Record<string, string>; readonly body: Uint8Array } {
  const boundary = '----boundary-7a'
  const parts = Object.entries(fields).flatMap(([name, value]) => {
    const [fileName, content] = typeof value === 'string' ? [undefined, value] : value
    const file =
      fileName === undefined ? '' : `; filename="${fileName}"\r\nContent-Type: text/plain`
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`
    return [Buffer.from(head), Buffer.from(content), Buffer.from('\r\n')]
  })
  const body = new Uint8Array(Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]))
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body }
}
