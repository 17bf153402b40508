import type {
  OperationOptions,
  RIStorageServer,
  ServerAnnouncement,
  StorageListener,
  StorageTransport,
} from '@lafs/storage-interface'
import { connect, type HttpsConnection, usableNurls } from './connect.ts'
import { createHttpsIdentity, type HttpsIdentity } from './identity.ts'
import { serve } from './serve.ts'

/** Options of {@link httpsTransport}. The first group is for `serve`, the second for `connect`. */
export interface HttpsTransportOptions {
  /** Who the server is. Default: a new identity at each `serve`, which no client will know again. */
  readonly identity?: HttpsIdentity
  /** The address to listen on. Default: 127.0.0.1. */
  readonly host?: string
  /** The port to listen on. Default: one that is free. */
  readonly port?: number
  /** The name and port that clients reach the server by, where they are not those it listens on. */
  readonly announceHost?: string
  readonly announcePort?: number
  /** Told of every failure of the server that its client only sees as a 500. */
  readonly onFault?: (error: unknown) => void

  /** How long a server may say nothing before an operation fails, in milliseconds. Default: a minute. */
  readonly timeoutMs?: number
  /** How many connections to one server there may be. Default: 8. */
  readonly connectionsMax?: number
}

/** The transport that {@link httpsTransport} gives: its connections tell how things stand. */
export interface HttpsTransport extends StorageTransport {
  connect(announcement: ServerAnnouncement, options?: OperationOptions): Promise<HttpsConnection>
}

/**
 * The Great Black Swamp over HTTPS: for servers that announce a NURL.
 *
 * @see docs/spec/gbs.md
 */
export function httpsTransport(options: HttpsTransportOptions = {}): HttpsTransport {
  const settings = {
    timeoutMs: options.timeoutMs ?? 60_000,
    connectionsMax: options.connectionsMax ?? 8,
  }
  return {
    name: 'https',
    accepts: (announcement) => usableNurls(announcement).length > 0,
    connect: (announcement, operation) => connect(announcement, settings, operation),
    serve: (server: RIStorageServer): Promise<StorageListener> =>
      serve(server, {
        identity: options.identity ?? createHttpsIdentity(),
        host: options.host ?? '127.0.0.1',
        port: options.port ?? 0,
        announceHost: options.announceHost,
        announcePort: options.announcePort,
        onFault: options.onFault,
      }),
  }
}
