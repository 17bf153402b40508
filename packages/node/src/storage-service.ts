import type { ServerDescription } from '@lafs/client'
import {
  locationHints,
  openPermutationSeed,
  readClientPort,
  readGridManagerCertificates,
  saveAnnouncement,
  saveClientPort,
  storageAnnouncement,
} from '@lafs/node-directory'
import type { ListenAddress, NodeConfig, NodeIdentity } from '@lafs/node-directory'
import { createDiskStore } from '@lafs/share-store-disk'
import type { IShareStore, StorageListener } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import type { StorageServer } from '@lafs/storage-server'
import { httpsTransport } from '@lafs/transport-https'
import { listening } from './listen.ts'
import { nodeVersion } from './parts.ts'

/** The storage server of a node; nothing of it where there is to be none. */
export interface StorageService {
  readonly server: StorageServer | undefined
  /** How clients reach it; undefined where it is not served. */
  readonly description: ServerDescription | undefined
  close(): Promise<void>
}

type StorageConfig = NonNullable<NodeConfig['storage']>

/** Where a server listens that nobody has told where to: anywhere, from then on. */
const ANY_PORT: ListenAddress = { host: '0.0.0.0', port: 0, place: 'client.port' }

/**
 * Starts the storage server of a node directory, with its crawlers, and serves it over HTTPS.
 *
 * @see allmydata.client._Client.init_storage
 */
export async function startStorage(
  folder: string,
  config: NodeConfig,
  identity: NodeIdentity,
  log: (line: string) => void,
): Promise<StorageService> {
  const settings = config.storage
  if (settings === undefined) {
    return { server: undefined, description: undefined, close: async () => undefined }
  }
  const permutationSeed = await openPermutationSeed(folder, settings.storageFolder, identity)
  const certificates = settings.gridManagement
    ? await readGridManagerCertificates(config.gridManagerCertificateFiles)
    : undefined
  const server = await openStorage(settings, identity, log)
  const listeners: StorageListener[] = []
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()))
    await server.close()
  }
  try {
    await server.startCrawlers()
    if (!settings.anonymous) {
      log('the storage server is not served: [storage] anonymous = false, and there are no plugins')
      return { server, description: undefined, close }
    }
    const port = await listen(folder, settings, identity, server, listeners, log)
    const announcement = storageAnnouncement({
      https: identity.https,
      nickname: config.nickname,
      permutationSeed,
      hints: locationHints(settings.tub.locations, port),
      certificates,
    })
    const description = { serverId: identity.serverId, announcement }
    await saveAnnouncement(folder, description)
    log(
      `storage server on port ${port}; private/announcement.yaml is for the servers.yaml of clients`,
    )
    return { server, description, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openStorage(
  settings: StorageConfig,
  { https }: NodeIdentity,
  log: (line: string) => void,
): Promise<StorageServer> {
  const store = await createDiskStore({ folder: settings.storageFolder, nodeId: https.tubId })
  if (settings.discard) log('[storage] debug_discard: what is stored here is lost')
  return createStorageServer({
    store: settings.discard ? discarding(store) : store,
    readonly: settings.readonly,
    reservedSpace: settings.reservedSpace,
    expiration: settings.expiration,
    applicationVersion: await nodeVersion(),
    log,
  })
}

/** The store, with immutable shares that are as long as they are to be, and empty. */
function discarding(store: IShareStore): IShareStore {
  const create = store.createImmutable.bind(store)
  return Object.assign(store, {
    createImmutable: async (...share: Parameters<typeof create>) =>
      Object.assign(await create(...share), { write: () => Promise.resolve() }),
    storeImmutable: async (
      ...[index, shares, lease]: Parameters<IShareStore['storeImmutable']>
    ) => {
      for (const [shareNumber, pieces] of shares) {
        const size = pieces.reduce((sum, { length }) => sum + length, 0)
        await (await create(index, shareNumber, size, lease)).commit()
      }
    },
  })
}

/** @returns the first port that it listens on. */
async function listen(
  folder: string,
  settings: StorageConfig,
  { https }: NodeIdentity,
  server: StorageServer,
  listeners: StorageListener[],
  log: (line: string) => void,
): Promise<number> {
  const addresses = settings.tub.listen ?? [(await readClientPort(folder)) ?? ANY_PORT]
  for (const address of addresses) {
    const { host, port } = address
    const onFault = (error: unknown): void => log(`storage server: ${String(error)}`)
    const transport = httpsTransport({ identity: https, host, port, onFault })
    listeners.push(await listening(address, () => transport.serve(server)))
  }
  const furl = listeners[0]?.announcement['anonymous-storage-FURL'] ?? ''
  const port = Number(/:(\d+)\//.exec(furl)?.[1])
  if (addresses[0] === ANY_PORT) await saveClientPort(folder, { ...ANY_PORT, port })
  return port
}
