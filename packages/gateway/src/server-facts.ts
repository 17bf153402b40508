import type { IServer } from '@lafs/storage-interface'
import { within } from '@lafs/storage-protocol/waiting'
import type { Exchange } from './context.ts'

/** How long a server may take to say how it is, in milliseconds. */
const PATIENCE_MS = 1000

/** How things stand with one storage server. Times are milliseconds since 1970. */
export interface ServerFacts {
  readonly serverId: string
  readonly nickname: string
  readonly connected: boolean
  /** One line for people. */
  readonly summary: string
  /** Bytes that it takes yet; undefined where it does not say. */
  readonly availableSpace?: number | undefined
  readonly version?: string | undefined
  readonly lastConnectedMs?: number | undefined
  readonly lastReceivedMs?: number | undefined
}

/**
 * How things stand with each server of the grid, in the order of their ids. Each is asked; one that
 * does not answer soon is told as it was.
 *
 * @throws the reason of the request's signal.
 */
export async function serverFacts(exchange: Exchange): Promise<readonly ServerFacts[]> {
  const servers = exchange.context.client.broker
    .knownServers()
    .toSorted((a, b) => (a.serverId < b.serverId ? -1 : 1))
  return Promise.all(servers.map((server) => factsOf(server, exchange)))
}

async function factsOf(server: IServer, { context, request }: Exchange): Promise<ServerFacts> {
  const timeout = new AbortController()
  const { signal } = timeout
  const asking = server
    .storageServer({ signal })
    .then((storageServer) => storageServer.getVersion({ signal }))
    // How it stands is told by its status.
    .catch(() => undefined)
  const version = await within(asking, {
    clock: context.clock,
    delayMs: PATIENCE_MS,
    timeout: () => new Error('the server has not answered in time'),
    signal: request.signal,
  }).catch(() => undefined)
  request.signal.throwIfAborted()
  timeout.abort(new Error('nobody waits for it any more'))
  const { connected, summary, lastConnectionTimeMs, lastReceivedTimeMs } = server.connectionStatus
  return {
    serverId: server.serverId,
    nickname: server.nickname,
    connected,
    summary,
    availableSpace: version?.availableSpace,
    version: version?.applicationVersion,
    lastConnectedMs: lastConnectionTimeMs,
    lastReceivedMs: version === undefined ? lastReceivedTimeMs : context.clock.nowMs(),
  }
}
