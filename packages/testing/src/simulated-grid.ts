import type { IServer, IStorageBroker, IStorageServer } from '@lafs/storage-interface'
import { type SeededRandom, seededRandom } from './random.ts'
import { SimulatedServer } from './simulated-server.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Some simulated servers and the broker that knows them. */
export interface SimulatedGrid {
  readonly servers: readonly SimulatedServer[]
  /** Gives the servers in an order that the seed decides, the same one for every file. */
  readonly broker: IStorageBroker
  /** What has happened, a line each, in order. */
  readonly trace: readonly string[]
}

/**
 * A grid in virtual time.
 *
 * @param storages - the honest servers, one for each simulated one.
 * @param options.random - decides everything that is left to chance.
 */
export function createSimulatedGrid(
  storages: readonly IStorageServer[],
  options: { readonly clock: VirtualClock; readonly random: SeededRandom },
): SimulatedGrid {
  const { clock, random } = options
  const trace: string[] = []
  const servers = storages.map(
    (server, index) =>
      new SimulatedServer({
        id: idOf(index),
        server,
        clock,
        random: seededRandom(random.integer(2 ** 32)),
        trace: (line) => trace.push(line),
      }),
  )
  const known = random.shuffled(servers.map(({ storage }, index) => serverOf(storage, index)))
  return { servers, broker: brokerOf(known), trace }
}

/** Knows these servers, all of them connected, and gives them in this order for every file. */
export function brokerOf(servers: readonly IServer[]): IStorageBroker {
  return {
    knownServers: () => servers,
    connectedServers: () => servers,
    serversForStorageIndex: (_, options) =>
      options?.forUpload === true ? servers.filter((one) => one.uploadPermitted()) : servers,
    serverIds: () => new Set(servers.map(({ serverId }) => serverId)),
    nicknameFor: (id) => id,
  }
}

/** A server under a name and with seeds that its number makes: `v0-007` is number 7. */
export function serverOf(storage: IStorageServer, index: number): IServer {
  const id = idOf(index)
  return {
    serverId: id,
    nickname: id,
    name: id,
    longName: id,
    permutationSeed: new Uint8Array(20).fill(index),
    leaseSeed: new Uint8Array(20).fill(index),
    connectionStatus: { connected: true, summary: 'connected' },
    uploadPermitted: () => true,
    storageServer: async () => storage,
  }
}

function idOf(index: number): string {
  return `v0-${String(index).padStart(3, '0')}`
}
