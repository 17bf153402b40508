import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, createHistory } from '@lafs/client'
import type { Client, History } from '@lafs/client'
import { createGateway } from '@lafs/gateway'
import type { Gateway } from '@lafs/gateway'
import { createUploadJournal } from '@lafs/immutable/node'
import { readClientDirectory } from '@lafs/node-directory'
import type { NodeConfig } from '@lafs/node-directory'
import type { StorageServer } from '@lafs/storage-server'

/** What the web API of a node has beside its client. */
interface GatewayParts {
  readonly client: Client
  readonly history: History
  /** The id that the node is known by. */
  readonly nodeId: string
  readonly storage?: StorageServer | undefined
  readonly apiAuthToken?: string | undefined
  readonly allowedHosts?: readonly string[] | undefined
  readonly log?: ((line: string) => void) | undefined
}

/** The client of a node directory, and what it remembers. */
export async function openClient(
  folder: string,
  config: NodeConfig,
  keyPoolSize: number | undefined,
): Promise<{ readonly client: Client; readonly history: History }> {
  const history = createHistory()
  const client = await createClient({
    ...(await readClientDirectory(folder)),
    history,
    uploadJournal: createUploadJournal(join(folder, 'private', 'uploads')),
    temporaryFolder: config.temporaryFolder,
    ...(config.connects ? {} : { transports: [] }),
    ...(keyPoolSize === undefined ? {} : { keyPoolSize }),
  })
  return { client, history }
}

/** The web API over the client of a node directory. */
export async function openGateway(
  folder: string,
  config: NodeConfig,
  { nodeId, ...parts }: GatewayParts,
): Promise<Gateway> {
  await mkdir(config.temporaryFolder, { recursive: true, mode: 0o700 })
  return createGateway({
    ...parts,
    node: {
      nickname: config.nickname,
      nodeId,
      version: await nodeVersion(),
      startedMs: Date.now(),
      notes: config.notes,
    },
    temporaryFolder: config.temporaryFolder,
    staticFolder: config.staticFolder,
    blacklistFile: join(folder, 'access.blacklist'),
  })
}

/** What this node says that it is, such as `lafs/0.1.0`. */
export async function nodeVersion(): Promise<string> {
  const manifest = JSON.parse(
    await readFile(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  return `lafs/${manifest.version}`
}
