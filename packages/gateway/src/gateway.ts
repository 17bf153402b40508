import type { Client, History } from '@lafs/client'
import type { StorageServer } from '@lafs/storage-server'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { GatewayRequest, GatewayResponse } from './exchange.ts'
import type { NodeFacts } from './routes/route.ts'

/** What a gateway is made of. */
export interface GatewayOptions {
  /** Stays the caller's, who closes it after the gateway. */
  readonly client: Client
  /** The history that was given to the client. */
  readonly history: History
  readonly node: NodeFacts
  /** The storage server of the same node, for its pages. */
  readonly storage?: StorageServer | undefined
  /** Default: the system's folder for temporary files. */
  readonly temporaryFolder?: string | undefined
  /** A folder whose files are served below `/static`. Default: none. */
  readonly staticFolder?: string | undefined
  /** The file `access.blacklist`. Default: nothing is refused. */
  readonly blacklistFile?: string | undefined
  /** The content of `private/api_auth_token`, which opens `/private`. */
  readonly apiAuthToken?: string | undefined
  /** Names that browsers may know the gateway by, beside localhost and addresses in numbers. */
  readonly allowedHosts?: readonly string[] | undefined
  readonly clock?: Clock | undefined
}

/** The web API of a client, without a server around it. */
export interface Gateway {
  /** Answers one request. Never rejects: what fails has its own status. */
  handle(request: GatewayRequest): Promise<GatewayResponse>
  /** Ends the operations under way. */
  close(): Promise<void>
}

/** The web API, and its pages, over a client. */
export function createGateway(_options: GatewayOptions): Promise<Gateway> {
  return Promise.reject(new Error('not there yet'))
}
