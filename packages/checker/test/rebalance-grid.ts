import { loadCodec } from '@lafs/codec'
import { defaultCrypto, sskWriteEnablerHash, toBase32 } from '@lafs/crypto'
import type { CheckerContext } from '@lafs/checker'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { IStorageServer, ShareNumber } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, serverOf } from '@lafs/testing'
import type { VirtualClock } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { MutableWriteCap, parseCapStrict } from '@lafs/uri'
import { encodeFile } from './immutable/grid.ts'
import { recordedFiles } from './mutable/grid.ts'

const codec = await loadCodec()
const EVERYTHING = { offset: 0, size: 2 ** 30 }

/** A file of 2 of 3, and its shares. */
export interface SmallFile {
  readonly name: string
  /** Where a share has a byte of a block. */
  readonly blockAt: number
  readonly cap: string
  readonly shares: ReadonlyMap<ShareNumber, Uint8Array>
}

const recorded = await recordedFiles()

function recordedFile(name: string): Pick<SmallFile, 'cap' | 'shares'> {
  const file = recorded.find((one) => one.name === name)
  if (file === undefined) throw new Error(`no recording ${name}`)
  return file
}

const encoded = await encodeFile(3000, { required: 2, total: 3 })

/** One of each kind, none of a single segment but SDMF's. */
export const FILES: readonly SmallFile[] = [
  { name: 'CHK', blockAt: 1500, cap: encoded.cap.format(), shares: encoded.shares },
  { ...recordedFile('sdmf-2-3-131072-5000'), name: 'SDMF', blockAt: 1500 },
  { ...recordedFile('mdmf-2-3-1000-9999'), name: 'MDMF', blockAt: 3000 },
]

/** A server, and what stands between it and its client. */
interface GridServer {
  readonly id: string
  /** Behind everything that a test puts in between. */
  readonly storage: IStorageServer
  over: (storage: IStorageServer) => IStorageServer
  permitted: boolean
}

/** Servers in memory with shares of one file on them. */
export interface RebalanceGrid {
  readonly file: SmallFile
  readonly context: CheckerContext
  readonly servers: readonly GridServer[]
  /** Puts a share on a server where there is none, or these bytes in its place. */
  put(server: number, share: ShareNumber, bytes?: Uint8Array): Promise<void>
  /** What stands where: `server/share`, with a `?` behind it where it is not as it should be. */
  standing(): Promise<string[]>
}

/** @param places - the servers of each share, by its number. */
export async function createRebalanceGrid(
  file: SmallFile,
  places: readonly (readonly number[])[],
  options: {
    readonly serverCount?: number
    readonly readonly?: readonly number[]
    readonly clock?: VirtualClock
  } = {},
): Promise<RebalanceGrid> {
  const { serverCount = 4, clock } = options
  const cap = parseCapStrict(file.cap)
  const storageIndex = ('storageIndex' in cap ? cap.storageIndex : undefined) ?? new Uint8Array()
  const transport = memoryTransport()
  const entries = await Promise.all(
    Array.from({ length: serverCount }, async (_, index) => {
      const readonly = options.readonly?.includes(index) === true
      const backend = createStorageServer({
        store: createMemoryStore(),
        readonly,
        ...(clock && {
          now: () => clock.nowMs(),
          schedule: (callback: () => void, delayMs: number) => clock.after(delayMs, callback),
        }),
      })
      const { announcement } = await transport.serve(backend)
      const { storageServer: storage } = await transport.connect(announcement)
      const known = serverOf(storage, index)
      const one: GridServer = { id: known.serverId, storage, over: (it) => it, permitted: true }
      const server = {
        ...known,
        uploadPermitted: () => one.permitted,
        storageServer: async () => one.over(storage),
      }
      return { one, server, backend }
    }),
  )
  const context: CheckerContext = {
    broker: brokerOf(entries.map(({ server }) => server)),
    codec,
    crypto: defaultCrypto,
    clock: clock ?? systemClock,
    leaseSecret: new Uint8Array(32).fill(7),
    encoding: { requiredShares: 2, totalShares: 3 },
    random: () => 0.5,
  }
  const put: RebalanceGrid['put'] = async (number, share, given) => {
    const { one, server } = entries[number] ?? {}
    const data = given ?? file.shares.get(share)
    if (one === undefined || server === undefined || data === undefined) throw new RangeError()
    const secrets = leaseSecretsOf(storageIndex, context)(server)
    if (cap instanceof MutableWriteCap) {
      const writeEnabler = sskWriteEnablerHash(cap.writekey, server.leaseSeed)
      const vectors = { test: [], write: [{ offset: 0, data }], newLength: data.length }
      const writes = new Map([[share, vectors]])
      const slot = { ...secrets, writeEnabler }
      await one.storage.slotTestvAndReadvAndWritev(storageIndex, slot, writes, [])
      return
    }
    const request = { ...secrets, shareNumbers: new Set([share]), allocatedSize: data.length }
    const { writers } = await one.storage.allocateBuckets(storageIndex, request)
    await writers.get(share)?.write(0, [data])
    await writers.get(share)?.close()
  }
  const sharesOn = async (storage: IStorageServer): Promise<[ShareNumber, Uint8Array][]> => {
    const buckets = await storage.getBuckets(storageIndex)
    const immutable = [...buckets].map(
      async ([share, bucket]): Promise<[ShareNumber, Uint8Array]> => [
        share,
        await bucket.read(0, 2 ** 30),
      ],
    )
    const mutable = await storage.slotReadv(storageIndex, [], [EVERYTHING])
    return [
      ...(await Promise.all(immutable)),
      ...[...mutable].map(([share, [bytes = new Uint8Array()]]): [ShareNumber, Uint8Array] => [
        share,
        bytes,
      ]),
    ].toSorted(([a], [b]) => a - b)
  }
  for (const [share, servers] of places.entries()) {
    for (const server of servers) await put(server, share)
  }
  return {
    file,
    context,
    servers: entries.map(({ one }) => one),
    put,
    standing: async () => {
      const lines = await Promise.all(
        entries.map(async ({ one }, index) =>
          (await sharesOn(one.storage)).map(([share, bytes]) => {
            const good = toBase32(bytes) === toBase32(file.shares.get(share) ?? new Uint8Array())
            return `${index}/${share}${good ? '' : '?'}`
          }),
        ),
      )
      return lines.flat()
    },
  }
}
