import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultCrypto, createSigningKeypair, serverIdFromVerifyingKey } from '@lafs/crypto'
import type { EncodingDefaults } from '@lafs/filesystem-interface'
import { createDiskStore } from '@lafs/share-store-disk'
import { createMemoryStore } from '@lafs/share-store-memory'
import type {
  IShareStore,
  RIStorageServer,
  StorageListener,
  StorageTransport,
} from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import type { ExpirationPolicy } from '@lafs/storage-server'
import { httpsTransport } from '@lafs/transport-https'
import { memoryTransport } from '@lafs/transport-memory'
import type { ServerDescription } from '@lafs/client'
import { createClient, DEFAULT_ENCODING } from '@lafs/client'
import type { Client, ClientOptions } from '@lafs/client'
import { hasSystemCode, writeWhole } from './files.ts'
import { readTahoeCfg } from './known-options.ts'
import { openNodeIdentity } from './node-identity.ts'
import { readClientDirectory } from './node-directory.ts'
import { formatServersYaml } from '@lafs/client'
import { claimFolder } from './running-process.ts'
import { readClientPort, saveAnnouncement, saveClientPort } from './server-files.ts'
import { storageSettings } from './storage-settings.ts'

/** What a local grid is to be like. */
export interface LocalGridOptions {
  /** How many storage servers. Default: 5. */
  readonly servers?: number
  /**
   * Where everything is kept, so that a later grid in the same folder has the same servers, secrets
   * and files: `servers/1` …, and `client`, a node directory for clients. Default: a temporary
   * folder, which goes when the grid is closed. One process at a time may use a folder.
   */
  readonly folder?: string
  /** `https` on the loopback interface, or `memory`, which keeps everything in it. Default: https. */
  readonly transport?: 'https' | 'memory'
  /** How the grid's clients encode. Default: upstream's 3 of 10, happy with as many servers as there are. */
  readonly encoding?: Partial<EncodingDefaults>
  /**
   * Which leases end when; the servers count their shares then and delete those whose leases have
   * ended, all in the background. Default: what `[storage]` says in the `tahoe.cfg` of a server's folder,
   * and without one nothing is counted and nothing deleted.
   */
  readonly expiration?: ExpirationPolicy
}

/** One server of a local grid. */
export interface LocalGridServer extends ServerDescription {
  readonly nickname: string
  /** Its node directory, with the shares in `storage/shares`; undefined in memory. */
  readonly folder: string | undefined
  /** Ends this server alone, as a crash would for its clients. */
  stop(): Promise<void>
}

/** Storage servers in this process, and what a client needs to use them. */
export interface LocalGrid extends AsyncDisposable {
  readonly servers: readonly LocalGridServer[]
  /** The content of a `private/servers.yaml` for other clients. */
  readonly serversYaml: string
  /** A node directory for clients in other processes; undefined in memory. */
  readonly clientFolder: string | undefined
  /** A client of this grid; close it before the grid. */
  createClient(overrides?: Partial<ClientOptions>): Promise<Client>
  /** Ends every server. */
  close(): Promise<void>
}

/**
 * A grid of real storage servers in this process, for trying things out, examples and tests.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_IN_USE` when another process runs a grid in the folder.
 */
export async function createLocalGrid(options: LocalGridOptions = {}): Promise<LocalGrid> {
  const count = options.servers ?? 5
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`expected at least one server, got ${count}`)
  }
  if (options.transport !== 'memory') return createHttpsGrid(count, options)
  if (options.folder !== undefined) {
    throw new TypeError('a grid with the transport "memory" keeps nothing in a folder')
  }
  return createMemoryGrid(count, options)
}

function gridEncoding(count: number, { encoding }: LocalGridOptions): EncodingDefaults {
  const happyShares = Math.min(DEFAULT_ENCODING.happyShares, count)
  return { ...DEFAULT_ENCODING, happyShares, ...encoding }
}

async function createMemoryGrid(count: number, options: LocalGridOptions): Promise<LocalGrid> {
  const transport = memoryTransport()
  const servers: LocalGridServer[] = []
  for (let number = 1; number <= count; number++) {
    const storage = await storageOver(createMemoryStore(), options.expiration)
    const listener = await transport.serve(storage)
    const nickname = `server ${number}`
    servers.push({
      serverId: serverIdFromVerifyingKey(createSigningKeypair().publicKey),
      announcement: { nickname, ...listener.announcement },
      nickname,
      folder: undefined,
      stop: stopper([listener], storage),
    })
  }
  const encoding = gridEncoding(count, options)
  const secrets = {
    convergence: defaultCrypto.randomBytes(32),
    leaseSecret: defaultCrypto.randomBytes(32),
  }
  const client = { servers, transports: [transport], encoding, ...secrets }
  return gridOf(servers, client, undefined, async () => undefined)
}

/** A storage server over a store, with its crawlers where it has something to go by. */
async function storageOver(
  store: IShareStore,
  expiration: ExpirationPolicy | undefined,
): Promise<RIStorageServer> {
  if (expiration === undefined) return createStorageServer({ store })
  const storage = createStorageServer({ store, expiration })
  await storage.startCrawlers()
  return storage
}

async function createHttpsGrid(count: number, options: LocalGridOptions): Promise<LocalGrid> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'lafs-grid-')))
  await mkdir(folder, { recursive: true })
  const unlock = await claimFolder(folder)
  const servers: LocalGridServer[] = []
  const end = async (): Promise<void> => {
    await unlock()
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
  }
  try {
    for (let number = 1; number <= count; number++) {
      const serverFolder = join(folder, 'servers', String(number))
      servers.push(await startServer(serverFolder, `server ${number}`, options))
    }
    const clientFolder = join(folder, 'client')
    await writeClientDirectory(clientFolder, servers, gridEncoding(count, options))
    const { convergence, leaseSecret } = await readClientDirectory(clientFolder)
    const encoding = gridEncoding(count, options)
    const client = { servers, transports: [httpsTransport()], encoding, convergence, leaseSecret }
    return gridOf(servers, client, clientFolder, end)
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()))
    await end()
    throw error
  }
}

function gridOf(
  servers: readonly LocalGridServer[],
  clientOptions: ClientOptions,
  clientFolder: string | undefined,
  end: () => Promise<void>,
): LocalGrid {
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= Promise.all(servers.map((server) => server.stop())).then(end)
    return closing
  }
  return {
    servers,
    serversYaml: formatServersYaml(servers),
    clientFolder,
    createClient: (overrides = {}) => createClient({ ...clientOptions, ...overrides }),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function startServer(
  folder: string,
  nickname: string,
  options: LocalGridOptions,
): Promise<LocalGridServer> {
  const { serverId, https: identity } = await openNodeIdentity(folder)
  const kept = await readClientPort(folder)
  const cfg = await readTahoeCfg(folder)
  const configured = cfg === undefined ? undefined : storageSettings(cfg, folder)
  const storageFolder = configured?.storageFolder ?? join(folder, 'storage')
  const store = await createDiskStore({ folder: storageFolder, nodeId: identity.tubId })
  const storage = await storageOver(store, options.expiration ?? configured?.expiration)
  const listeners: StorageListener[] = []
  const stop = stopper(listeners, storage)
  try {
    const listener = await serveOnSamePort(
      storage,
      (onPort) => httpsTransport({ identity, ...(onPort === undefined ? {} : { port: onPort }) }),
      kept?.port,
    )
    listeners.push(listener)
    const announcement = { nickname, ...listener.announcement }
    await saveAnnouncement(folder, { serverId, announcement })
    const port = portOf(listener.announcement['anonymous-storage-FURL'] ?? '')
    await saveClientPort(folder, { host: '127.0.0.1', port, place: 'client.port' })
    return { serverId, announcement, nickname, folder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Serves on the port of the last time, or on a free one where that is taken. */
async function serveOnSamePort(
  storage: Parameters<StorageTransport['serve']>[0],
  transport: (port: number | undefined) => StorageTransport,
  port: number | undefined,
): Promise<StorageListener> {
  try {
    return await transport(port).serve(storage)
  } catch (error) {
    if (port === undefined || !hasSystemCode(error, 'EADDRINUSE', 'EACCES')) throw error
    return transport(undefined).serve(storage)
  }
}

function portOf(furl: string): number {
  return Number(/:(\d+)\//.exec(furl)?.[1])
}

function stopper(
  listeners: readonly StorageListener[],
  storage: { close(): Promise<void> },
): () => Promise<void> {
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()))
    await storage.close()
  }
  return () => (stopping ??= stop())
}

async function writeClientDirectory(
  folder: string,
  servers: readonly ServerDescription[],
  encoding: EncodingDefaults,
): Promise<void> {
  await mkdir(join(folder, 'private'), { recursive: true, mode: 0o700 })
  await writeWhole(join(folder, 'private', 'servers.yaml'), formatServersYaml(servers))
  await writeWhole(
    join(folder, 'tahoe.cfg'),
    [
      '# A client of the local grid in the folder above. Its servers are in private/servers.yaml.',
      '[node]',
      'nickname = client',
      'tub.port = disabled',
      'tub.location = disabled',
      '',
      '[client]',
      `shares.needed = ${encoding.requiredShares}`,
      `shares.happy = ${encoding.happyShares}`,
      `shares.total = ${encoding.totalShares}`,
      ...(encoding.maxSegmentSize === DEFAULT_ENCODING.maxSegmentSize
        ? []
        : [`shares._max_immutable_segment_size_for_testing = ${encoding.maxSegmentSize}`]),
      '',
      '[storage]',
      'enabled = false',
      '',
    ].join('\n'),
  )
}
