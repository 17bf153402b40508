import { constants, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Duplex } from 'node:stream'
import { recycleMemory } from '@lafs/crypto'
import type { RIStorageServer, StorageListener } from '@lafs/storage-interface'
import { formatFurl, formatNurl } from '@lafs/storage-protocol'
import {
  createStorageHandler,
  type StorageHandler,
  type StorageResponse,
} from '@lafs/storage-protocol/server'
import { type HttpsIdentity, spkiHashOf } from './identity.ts'
import { requestBody } from './request-body.ts'
import { CIPHERS, HIGH_WATER_MARK, MIN_VERSION } from './tls.ts'

/** How a server is served. */
export interface ServeOptions {
  readonly identity: HttpsIdentity
  /** Where to listen. */
  readonly host: string
  readonly port: number
  /** What to announce instead of where it listens. */
  readonly announceHost?: string | undefined
  readonly announcePort?: number | undefined
  readonly onFault?: ((error: unknown) => void) | undefined
}

/** Upstream's clients keep idle connections for 240 s: they must be the ones to close them. */
const KEEP_ALIVE_TIMEOUT_MS = 300_000
/** How long a peer may move nothing in the middle of a request. */
const STALL_TIMEOUT_MS = 120_000

/** From here on, bytes, a body takes longer to copy than its head to send apart. */
const APART_SIZE_MIN: number = 128 * 1024

/** Serves a storage server over HTTPS until the listener is closed. */
export async function serve(
  storageServer: RIStorageServer,
  options: ServeOptions,
): Promise<StorageListener> {
  const { identity, onFault } = options
  const handler = createStorageHandler(storageServer, {
    swissnum: identity.swissnum,
    ...(onFault === undefined ? {} : { onFault }),
  })
  const server = createServer({
    key: identity.privateKeyPem,
    cert: identity.certificatePem,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    minVersion: MIN_VERSION,
    // Nobody who checks a pin resumes a session.
    secureOptions: constants.SSL_OP_NO_TICKET,
    ALPNProtocols: ['http/1.1'],
    highWaterMark: HIGH_WATER_MARK,
    noDelay: true,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: 0,
  })
  server.timeout = STALL_TIMEOUT_MS
  server.on('request', (request, response) => {
    void respond(handler, request, response)
  })
  const connections = new Set<Duplex>()
  server.on('connection', (connection) => {
    connections.add(connection)
    connection.once('close', () => connections.delete(connection))
  })
  server.listen(options.port, options.host)
  await once(server, 'listening')
  return listenerOf(server, connections, options)
}

function listenerOf(
  server: Server,
  connections: ReadonlySet<Duplex>,
  options: ServeOptions,
): StorageListener {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('not listening on a port')
  const host = options.announceHost ?? bound.address
  const port = options.announcePort ?? bound.port
  const { swissnum, tubId, certificatePem } = options.identity
  const spkiHash = spkiHashOf(new X509Certificate(certificatePem))
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    // It knows of none that is amid its handshake.
    for (const connection of connections) connection.destroy()
    await closed
  }
  return {
    announcement: {
      // No Foolscap is spoken here, but clients take the TubID from it.
      'anonymous-storage-FURL': formatFurl({ tubId, hints: [`tcp:${host}:${port}`], swissnum }),
      'anonymous-storage-NURLs': [formatNurl({ scheme: 'pb', spkiHash, host, port, swissnum })],
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function respond(
  handler: StorageHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { headers, method = '', url = '' } = request
  const answer = await handler({
    method,
    url,
    headers: {
      get: (name) => {
        const value = headers[name]
        return value === undefined ? null : typeof value === 'string' ? value : value.join(', ')
      },
    },
    body: requestBody(request),
  })
  try {
    await send(answer, response)
  } catch {
    // The peer has gone, or share data cannot be read on: it must not take this for an end.
    response.destroy()
  }
}

async function send(answer: StorageResponse, response: ServerResponse): Promise<void> {
  const { status, headers, body } = answer
  response.writeHead(status, headers)
  // Node copies a body that goes out together with the head.
  if (body instanceof Uint8Array && body.length >= APART_SIZE_MIN) response.flushHeaders()
  if (body === null || body instanceof Uint8Array) {
    // 'finish' comes when the system has all of it.
    response.end(body ?? undefined, () => body && recycleMemory(body))
    return
  }
  for await (const piece of body) {
    if (response.destroyed) break
    if (response.write(piece, (error) => error ?? recycleMemory(piece))) continue
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    await once(response, 'drain', { signal: gone.signal })
  }
  response.end()
}
