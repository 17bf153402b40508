import { defaultCrypto, permuteServerHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type {
  IServer,
  IStorageBroker,
  OperationOptions,
  StorageTransport,
} from '@lafs/storage-interface'
import { isStorageError, StorageError } from '@lafs/storage-interface'
import { identifyServer } from './announcement.ts'
import type { ServerDescription } from './announcement.ts'
import { uploadGate } from './grid-manager.ts'
import { GridServer, UnusableServer } from './server.ts'

/** A server's place in the order of a file. */
export interface PermutableServer {
  readonly serverId: string
  readonly permutationSeed: Uint8Array
}

/**
 * Servers in the order in which a file tries them: preferred ones first, then by
 * SHA-1(storage index || permutation seed).
 *
 * @see allmydata.storage_client.StorageFarmBroker.get_servers_for_psi
 */
export function permuteServers<Server extends PermutableServer>(
  servers: Iterable<Server>,
  storageIndex: Uint8Array,
  preferredServerIds: ReadonlySet<string> = new Set(),
  crypto: CryptoProvider = defaultCrypto,
): Server[] {
  return [...servers]
    .map((server) => ({
      server,
      unpreferred: preferredServerIds.has(server.serverId) ? 0 : 1,
      hash: permuteServerHash(storageIndex, server.permutationSeed, crypto),
    }))
    .toSorted((a, b) => a.unpreferred - b.unpreferred || compareBytes(a.hash, b.hash))
    .map(({ server }) => server)
}

/** What a broker needs. */
export interface StorageBrokerOptions {
  readonly servers: Iterable<ServerDescription>
  /** Tried in order: the first that accepts a server's announcement is used for it. */
  readonly transports: readonly StorageTransport[]
  /** Ids of the servers that come first in every file's order. Default: none. */
  readonly preferredServerIds?: Iterable<string>
  /**
   * The Ed25519 keys of grid managers: new shares go only to servers that one of them vouches for.
   * Default: none, and shares go to every server.
   */
  readonly gridManagerKeys?: readonly Uint8Array[]
  readonly crypto?: CryptoProvider
  /** Milliseconds since 1970; paces the attempts to reach a failed server. */
  readonly now?: () => number
}

/** A broker over a fixed list of servers, which owns its connections. */
export interface StorageBroker extends IStorageBroker, AsyncDisposable {
  /** Why a server cannot be used at all, by the ids of those that cannot; it stays so. */
  readonly unusableServers: ReadonlyMap<string, StorageError>
  /** Tries to reach every server now, and settles when each has answered or failed. */
  connect(options?: OperationOptions): Promise<void>
  /** Ends every connection; operations under way fail. */
  close(): Promise<void>
}

/**
 * A broker over these servers. Nothing is connected to before it is needed. A server that cannot be
 * used at all is known and says why in its `connectionStatus`.
 *
 * @see allmydata.storage_client.StorageFarmBroker
 */
export function createStorageBroker(options: StorageBrokerOptions): StorageBroker {
  const crypto = options.crypto ?? defaultCrypto
  const now = options.now ?? Date.now
  const preferred = new Set(options.preferredServerIds)
  const servers = new Map<string, GridServer | UnusableServer>()
  for (const description of options.servers) {
    const gate = uploadGate(description, options.gridManagerKeys ?? [], now, crypto)
    const server = makeServer(description, options.transports, { crypto, now, gate })
    servers.set(description.serverId, server)
  }
  const usable = (): GridServer[] =>
    [...servers.values()].filter((server) => server instanceof GridServer)
  const unusable = [...servers.values()].filter((server) => server instanceof UnusableServer)
  const close = async (): Promise<void> => {
    await Promise.all(usable().map((server) => server.close()))
  }
  return {
    knownServers: (): IServer[] => [...servers.values()],
    connectedServers: (): IServer[] => usable().filter((one) => one.connectionStatus.connected),
    serversForStorageIndex: (storageIndex, { forUpload = false } = {}): IServer[] => {
      const candidates = usable().filter(
        (server) => !server.outOfReach && (!forUpload || server.uploadPermitted()),
      )
      return permuteServers(candidates, storageIndex, preferred, crypto)
    },
    serverIds: () => new Set(servers.keys()),
    unusableServers: new Map(unusable.map(({ serverId, error }) => [serverId, error])),
    nicknameFor: (serverId) => servers.get(serverId)?.nickname,
    connect: async (operation = {}) => {
      await Promise.allSettled(usable().map((server) => server.storageServer(operation)))
      operation.signal?.throwIfAborted()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function makeServer(
  description: ServerDescription,
  transports: readonly StorageTransport[],
  { crypto, now, gate }: { crypto: CryptoProvider; now: () => number; gate: () => boolean },
): GridServer | UnusableServer {
  const { serverId, announcement } = description
  try {
    const identity = identifyServer(description, crypto)
    const transport = transports.find((one) => one.accepts(announcement))
    if (transport !== undefined) return new GridServer(identity, announcement, transport, now, gate)
    const names = transports.map(({ name }) => name).join(', ') || 'none'
    throw new StorageError(
      'STORAGE_BAD_ANNOUNCEMENT',
      `no transport of this client (${names}) can reach server ${identity.name}`,
      { serverId },
    )
  } catch (error) {
    if (!isStorageError(error, 'STORAGE_BAD_ANNOUNCEMENT')) throw error
    return new UnusableServer(serverId, announcement.nickname ?? '', error)
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
