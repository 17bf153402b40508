import { timingSafeCompare } from '@lafs/crypto'
import type { RIStorageServer } from '@lafs/storage-interface'
import { formatAuthorization, parseSecrets, type SecretKind, SECRETS_HEADER } from '../auth.ts'
import { matchRoute, routes } from '../routes.ts'
import type { Call } from './call.ts'
import { endpoints } from './endpoints.ts'
import { failureResponse, plainResponse } from './responses.ts'
import type { StorageHandler, StorageRequest, StorageResponse } from './types.ts'
import { createUploads } from './uploads.ts'

/** Options of {@link createStorageHandler}. */
export interface StorageHandlerOptions {
  /** The secret that lets clients in. */
  readonly swissnum: string
  /** Told of every failure that is answered with a 500. */
  readonly onFault?: (error: unknown) => void
}

/**
 * Serves a storage server over HTTP: every operation of the protocol, and no socket.
 *
 * @param server - what to serve; the caller keeps owning it.
 * @returns a function that answers one request and never rejects. Requests may run in parallel.
 * @see allmydata.storage.http_server.HTTPServer
 */
export function createStorageHandler(
  server: RIStorageServer,
  options: StorageHandlerOptions,
): StorageHandler {
  const utf8 = new TextEncoder()
  const authorization = utf8.encode(formatAuthorization(options.swissnum))
  const context = { server, uploads: createUploads(), onFault: options.onFault }
  return async (request) => {
    try {
      const got = utf8.encode(request.headers.get('authorization') ?? '')
      const authorized = (): boolean => timingSafeCompare(got, authorization)
      const response = await answer(context, request, authorized)
      return request.method === 'HEAD' ? withoutBody(response) : response
    } catch (error) {
      const response = failureResponse(error)
      if (response.status === 500) options.onFault?.(error)
      return response
    }
  }
}

async function answer(
  context: Pick<Call, 'server' | 'uploads' | 'onFault'>,
  request: StorageRequest,
  authorized: () => boolean,
): Promise<StorageResponse> {
  const match = matchRoute(request.method, pathOf(request.url))
  if ('status' in match) {
    const headers: Record<string, string> = {}
    if (match.status === 405) headers['allow'] = match.allow.join(', ')
    return plainResponse(match.status, '', headers)
  }
  if (!authorized()) return plainResponse(401, 'Wrong Authorization header')
  const route = routes[match.name]
  const { secrets, problem } = parseSecrets(request.headers.get(SECRETS_HEADER), route.secrets)
  if (problem !== undefined) return plainResponse(400, problem)
  return endpoints[match.name]({
    ...context,
    request,
    match,
    secret: (kind) => secretOf(secrets, kind),
  })
}

function secretOf(secrets: ReadonlyMap<SecretKind, Uint8Array>, kind: SecretKind): Uint8Array {
  const secret = secrets.get(kind)
  if (secret === undefined) throw new Error(`the route does not ask for a ${kind}`)
  return secret
}

/** The path of a URL that may be whole or begin with its path. */
function pathOf(url: string): string {
  const whole = url.startsWith('/') || !URL.canParse(url) ? undefined : new URL(url)
  const path = whole?.pathname ?? url
  const query = path.indexOf('?')
  return query < 0 ? path : path.slice(0, query)
}

function withoutBody(response: StorageResponse): StorageResponse {
  return { ...response, body: null }
}
