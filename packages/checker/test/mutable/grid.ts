import { loadCodec } from '@lafs/codec'
import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto, sskWriteEnablerHash } from '@lafs/crypto'
import type { CheckerContext } from '@lafs/checker'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { IServer, IStorageServer, ShareNumber } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, serverOf, withFault } from '@lafs/testing'
import { keptShares } from '@lafs/testing/recordings'
import type { KeptShares } from '@lafs/testing/recordings'
import { memoryTransport } from '@lafs/transport-memory'
import { MdmfCap, parseCapStrict, SskCap } from '@lafs/uri'
import { loadVectors } from '@lafs/vectors'

export { recordedFile, recordedFiles } from '@lafs/testing/recordings'
export type { RecordedFile } from '@lafs/testing/recordings'

const codec: CodecProvider = await loadCodec()
const EVERYTHING = { offset: 0, size: 2 ** 30 }

interface RecordedHistory {
  readonly name: string
  readonly cap: string
  readonly versions: readonly { readonly kept?: KeptShares }[]
}

/** Shares that upstream wrote, by number. */
export type Shares = ReadonlyMap<ShareNumber, Uint8Array>

/** The versions of every file that upstream changed, each with the shares that were recorded. */
export async function recordedHistories(): Promise<
  { name: string; cap: string; versions: Shares[] }[]
> {
  const { cases } = await loadVectors<{ cases: RecordedHistory[] }>('mutable/versions')
  const histories = await Promise.all(
    cases.map(async ({ name, cap, versions }) => {
      const kept = versions.flatMap((version) => (version.kept === undefined ? [] : [version.kept]))
      return { name, cap, versions: await Promise.all(kept.map(keptShares)) }
    }),
  )
  return histories.filter(({ versions }) => versions.length > 0)
}

/** A server of a {@link MutableGrid}. */
export interface GridServer {
  readonly server: IServer
  /** Behind everything that a test puts in between. */
  readonly storage: IStorageServer
  /** The operations that came, by name; those that write shares are `write`. */
  readonly messages: string[]
  /** What it was told of corrupt shares, and has heard: `share: reason`. */
  readonly advisories: string[]
  /** Runs an operation, or something else. */
  onMessage: <T>(name: string, run: () => Promise<T>) => Promise<T>
  permitted: boolean
}

/** Servers in memory with a mutable file on them. */
export interface MutableGrid {
  readonly context: CheckerContext
  readonly servers: readonly GridServer[]
  readonly cap: SskCap | MdmfCap
  /** Puts a share on a server, in the place of what is there; undefined takes it away. */
  put(server: number, share: ShareNumber, bytes: Uint8Array | undefined): Promise<void>
  /** What the servers hold: `server/share` and the bytes. */
  stored(): Promise<Map<string, Uint8Array>>
  /** How many messages with something to write have come. */
  writes(): number
}

/** What can be changed of a {@link MutableGrid}. */
export interface GridOptions {
  readonly serverCount?: number
  readonly context?: Partial<CheckerContext>
  /** The server that a share is on. Default: that of its number. */
  readonly serverFor?: (share: ShareNumber) => number
}

/** Puts shares on servers in memory. */
export async function createMutableGrid(
  file: { readonly cap: string; readonly shares: Shares },
  options: GridOptions = {},
): Promise<MutableGrid> {
  const { serverCount = 10, serverFor = (share) => share } = options
  const cap = parseCapStrict(file.cap)
  if (!(cap instanceof SskCap || cap instanceof MdmfCap))
    throw new TypeError('expected a write cap')
  const servers = await createServers(serverCount)
  const context: CheckerContext = {
    broker: brokerOf(servers.map(({ server }) => server)),
    codec,
    crypto: defaultCrypto,
    clock: systemClock,
    leaseSecret: new Uint8Array(32).fill(7),
    encoding: { requiredShares: 3, totalShares: 10 },
    random: () => 0.5,
    ...options.context,
  }
  const { storageIndex } = cap
  const put: MutableGrid['put'] = async (number, share, data) => {
    const { server, storage } = serverAt(servers, number)
    const secrets = {
      writeEnabler: sskWriteEnablerHash(cap.writekey, server.leaseSeed),
      ...leaseSecretsOf(storageIndex, context)(server),
    }
    const write = data === undefined ? [] : [{ offset: 0, data }]
    const vectors = { test: [], write, newLength: data?.length ?? 0 }
    await storage.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map([[share, vectors]]), [])
  }
  for (const [share, data] of file.shares) await put(serverFor(share), share, data)
  return {
    context,
    servers,
    cap,
    put,
    stored: async () => {
      const all = new Map<string, Uint8Array>()
      for (const [index, { storage }] of servers.entries()) {
        const found = await storage.slotReadv(storageIndex, [], [EVERYTHING])
        for (const [share, [bytes]] of [...found].toSorted(([a], [b]) => a - b)) {
          all.set(`${index}/${share}`, bytes ?? new Uint8Array())
        }
      }
      return all
    },
    writes: () =>
      servers.flatMap(({ messages }) => messages).filter((name) => name === 'write').length,
  }
}

/** Another client of the same servers, which tests do not get in the way of. */
export function clientOf(
  grid: MutableGrid,
  over: (storage: IStorageServer) => IStorageServer = (storage) => storage,
): CheckerContext {
  const servers = grid.servers.map(({ storage }, index) => serverOf(over(storage), index))
  return { ...grid.context, broker: brokerOf(servers) }
}

/** The server of this number. */
export function serverAt(servers: readonly GridServer[], number: number): GridServer {
  const server = servers[number]
  if (server === undefined) throw new RangeError(`no server ${number}`)
  return server
}

async function createServers(count: number): Promise<GridServer[]> {
  const transport = memoryTransport()
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const backend = createStorageServer({ store: createMemoryStore() })
      const { announcement } = await transport.serve(backend)
      const { storageServer: storage } = await transport.connect(announcement)
      const watched = watch(storage, (name, run) => {
        one.messages.push(name)
        return one.onMessage(name, run)
      })
      const one: GridServer = {
        storage,
        messages: [],
        advisories: [],
        onMessage: (_name, run) => run(),
        permitted: true,
        server: {
          ...serverOf(
            {
              ...watched,
              adviseCorruptShare: async (...args) => {
                await watched.adviseCorruptShare(...args)
                one.advisories.push(`${args[2]}: ${args[3]}`)
              },
            },
            index,
          ),
          uploadPermitted: () => one.permitted,
        },
      }
      return one
    }),
  )
}

function watch(storage: IStorageServer, act: GridServer['onMessage']): IStorageServer {
  return {
    ...withFault(storage, (name, run) => act(name, run)),
    slotTestvAndReadvAndWritev: (...args) =>
      act(args[2].size > 0 ? 'write' : 'read as writer', () =>
        storage.slotTestvAndReadvAndWritev(...args),
      ),
  }
}
