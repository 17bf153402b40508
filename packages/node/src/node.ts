import { rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Client, ServerDescription } from '@lafs/client'
import type { Gateway } from '@lafs/gateway'
import { claimFolder, openNodeIdentity, openNodeKey, readNodeConfig } from '@lafs/node-directory'
import { openClient, openGateway } from './parts.ts'
import { startSftp } from './sftp-service.ts'
import { startStorage } from './storage-service.ts'
import { startWeb, writeApiAuthToken } from './web-service.ts'

/** The client of a node directory and its web API. */
export interface OpenNode extends AsyncDisposable {
  /** The node directory: an absolute path. */
  readonly folder: string
  readonly client: Client
  /** The web API, whether it is served or not. */
  readonly gateway: Gateway
  /** Ends all services; what is under way is given moments to end. */
  close(): Promise<void>
}

/** A node that runs. */
export interface RunningNode extends OpenNode {
  /** Where the web API is served, as in `node.url`; undefined where `web.port` is not set. */
  readonly url: string | undefined
  /**
   * The storage server, as clients have it in their `servers.yaml`; holds secrets. Undefined where the node
   * serves none.
   */
  readonly server: ServerDescription | undefined
  /** The port of the SFTP frontend; undefined where it is not enabled. */
  readonly sftpPort: number | undefined
}

/** What a node may do otherwise than its directory says. */
export interface NodeOptions {
  /** Hears one line of each thing worth telling; never a secret. */
  readonly log?: (line: string) => void
  /** Names that browsers may know the web API by, beside localhost and addresses in numbers. */
  readonly allowedHosts?: readonly string[]
  /** How many RSA keys to make ahead. Default: those of a client; for {@link openNode} none. */
  readonly keyPoolSize?: number
}

/**
 * Starts what a node directory asks for: a client, a storage server, the web API, SFTP. One process at a time
 * may run from a directory.
 *
 * @throws {@link NodeDirectoryError} when something of the directory is no good, a port is taken, or another
 *   process runs from it; {@link ClientError} for a broken `servers.yaml`. Nothing is left running then.
 * @see allmydata.client.create_client
 */
export async function startNode(folder: string, options: NodeOptions = {}): Promise<RunningNode> {
  const place = resolve(folder)
  const log = options.log ?? (() => undefined)
  const config = await readNodeConfig(place)
  const closers = [await claimFolder(place)]
  const close = closerOf(closers)
  try {
    const identity = await openNodeIdentity(place)
    // Until this process has an address, that of the one before it must not lead anybody astray.
    await rm(join(place, 'node.url'), { force: true })
    for (const note of config.notes) log(note)
    if (((await stat(join(place, 'private'))).mode & 0o077) !== 0) {
      log('private/ holds secrets and is open to others: chmod 700 it')
    }
    const storage = await startStorage(place, config, identity, log)
    closers.push(() => storage.close())
    const { client, history } = await openClient(place, config, options.keyPoolSize)
    closers.push(() => client.close())
    if (config.connects) tellUnusable(client, log)
    const gateway = await openGateway(place, config, {
      client,
      history,
      nodeId: identity.serverId,
      storage: storage.server,
      apiAuthToken: await writeApiAuthToken(place),
      allowedHosts: options.allowedHosts,
      log,
    })
    closers.push(() => gateway.close())
    const sftp = await startSftp(config.sftp, client, config.temporaryFolder)
    closers.push(() => sftp.close())
    const web = await startWeb(place, config.web, gateway)
    closers.push(() => web.close())
    if (web.url !== undefined) log(`web API at ${web.url}`)
    if (sftp.port !== undefined) log(`SFTP on port ${sftp.port}`)
    return {
      folder: place,
      client,
      gateway,
      url: web.url,
      server: storage.description,
      sftpPort: sftp.port,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    // It is that failure which its owner can do something about.
    await close().catch(() => undefined)
    throw error
  }
}

/**
 * The client and the web API of a node directory without a process that serves them, for programs that run
 * once: nothing listens, and the storage server stays shut.
 *
 * @throws {@link NodeDirectoryError}, {@link ClientError} as {@link startNode}.
 */
export async function openNode(folder: string, options: NodeOptions = {}): Promise<OpenNode> {
  const place = resolve(folder)
  const config = await readNodeConfig(place)
  const { serverId: nodeId } = await openNodeKey(place)
  const { client, history } = await openClient(place, config, options.keyPoolSize ?? 0)
  try {
    const gateway = await openGateway(place, config, {
      client,
      history,
      nodeId,
      allowedHosts: options.allowedHosts,
    })
    const close = closerOf([() => client.close(), () => gateway.close()])
    return { folder: place, client, gateway, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await client.close()
    throw error
  }
}

function tellUnusable({ broker }: Client, log: (line: string) => void): void {
  for (const { message } of broker.unusableServers.values()) {
    log(`private/servers.yaml: one server is of no use: ${message}`)
  }
}

/** Closes once, the last one first, and all of them whatever comes of one. */
function closerOf(closers: readonly (() => Promise<void>)[]): () => Promise<void> {
  let closing: Promise<void> | undefined
  const closeAll = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const close of closers.toReversed()) {
      await close().catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }
  return () => (closing ??= closeAll())
}
