import type { Client } from '@lafs/client'
import type { Gateway } from '@lafs/gateway'

/** A node that runs. */
export interface RunningNode extends AsyncDisposable {
  /** The folder that it runs from: an absolute path. */
  readonly folder: string
  readonly client: Client | undefined
  /** Undefined where `web.port` is not set. */
  readonly gateway: Gateway | undefined
  /** Where the gateway listens, as in `node.url`. */
  readonly url: string | undefined
  /** Ends all services; what is under way is given moments to end. */
  close(): Promise<void>
}

/** What a node may do otherwise than its directory says. */
export interface NodeOptions {
  /** Hears one line of each thing worth telling; never a secret. */
  readonly log?: (line: string) => void
}

/**
 * Starts what a node directory asks for: a client, a storage server, the web gateway, SFTP.
 *
 * @see allmydata.client.create_client
 */
export function startNode(_folder: string, _options: NodeOptions = {}): Promise<RunningNode> {
  return Promise.reject(new Error('not there yet'))
}

/**
 * The client and the gateway of a node directory without a process that serves them, for programs
 * that run once.
 */
export function openNode(_folder: string, _options: NodeOptions = {}): Promise<RunningNode> {
  return Promise.reject(new Error('not there yet'))
}
