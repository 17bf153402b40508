import { join } from 'node:path'
import { createClient } from '@lafs/client'
import type { Client, ServerDescription } from '@lafs/client'
import { startOwnServer } from './own-server.ts'
import type { OwnServer, OwnServerOptions } from './own-server.ts'
import type { ResourceStack } from './resource-stack.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { startUpstreamClient, startUpstreamServer } from './upstream-node.ts'
import type { UpstreamClient, UpstreamEncoding } from './upstream-node.ts'

/** Servers of both kinds, and a client of each kind that knows them all. */
export interface MixedGrid {
  readonly servers: readonly ServerDescription[]
  readonly ownServers: readonly OwnServer[]
  /** Where each server keeps its shares, in upstream's disk layout. */
  readonly storages: readonly string[]
  readonly own: Client
  readonly upstream: UpstreamClient
}

/**
 * Starts servers of both kinds and a client of each. The clients share their parameters and their
 * convergence secret, so that equal immutable files have equal caps.
 *
 * @param resources - takes over all that is started.
 */
export async function startMixedGrid(
  resources: ResourceStack,
  options: {
    readonly upstreamServerCount: number
    readonly ownServerCount: number
    readonly encoding: UpstreamEncoding
    readonly convergence: Uint8Array
    readonly ownServerOptions?: OwnServerOptions
  },
): Promise<MixedGrid> {
  const { encoding, convergence } = options
  const folder = resources.use(await temporaryFolder()).path
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number)
  const startOwn = (number: number): Promise<OwnServer> =>
    startOwnServer(join(folder, `own-${number}`), options.ownServerOptions)
  const [upstreamServers, ownServers] = await Promise.all([
    Promise.all(
      numbers(options.upstreamServerCount).map((number) =>
        startUpstreamServer(join(folder, `upstream-${number}`)),
      ),
    ),
    Promise.all(numbers(options.ownServerCount).map(startOwn)),
  ])
  for (const server of [...upstreamServers, ...ownServers]) resources.use(server)
  const servers = [...upstreamServers, ...ownServers].map((server) => server.description)
  const storages = [
    ...upstreamServers.map((server) => join(server.folder, 'storage')),
    ...ownServers.map((server) => server.storage),
  ]
  const own = resources.use(await createClient({ servers, encoding, convergence }))
  const upstream = resources.use(
    await startUpstreamClient(join(folder, 'client'), { servers, encoding, convergence }),
  )
  return { servers, ownServers, storages, own, upstream }
}
