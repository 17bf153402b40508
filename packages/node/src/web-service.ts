import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { serveGateway } from '@lafs/gateway'
import type { Gateway } from '@lafs/gateway'
import { writeWhole } from '@lafs/node-directory'
import type { ListenAddress } from '@lafs/node-directory'
import { listening } from './listen.ts'

/** The web API of a node as it is served. */
export interface WebService {
  /** As in `node.url`, without the line break; undefined where it is not served. */
  readonly url: string | undefined
  close(): Promise<void>
}

/** Serves the web API where there is an address for it, and writes `node.url`. */
export async function startWeb(
  folder: string,
  address: ListenAddress | undefined,
  gateway: Gateway,
): Promise<WebService> {
  if (address === undefined) return { url: undefined, close: async () => undefined }
  const { host, port } = address
  const listener = await listening(address, () => serveGateway(gateway, { host, port }))
  const url = localUrl(host, new URL(listener.url).port)
  try {
    await writeWhole(join(folder, 'node.url'), `${url}\n`, 0o644)
  } catch (error) {
    await listener.close()
    throw error
  }
  return { url, close: () => listener.close() }
}

/** Where programs on this machine reach it: that is whom `node.url` is for. */
function localUrl(host: string, port: string): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port || '80'}/`
}

/**
 * Makes the token that opens `/private` of the web API, anew at each start, in `private/api_auth_token`.
 *
 * @see allmydata.client._Client._create_auth_token
 */
export async function writeApiAuthToken(folder: string): Promise<string> {
  // Python's base64 has padding.
  const token = randomBytes(32).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  await writeWhole(join(folder, 'private', 'api_auth_token'), `${token}\n`)
  return token
}
