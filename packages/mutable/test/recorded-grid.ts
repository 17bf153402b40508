import { jsCodec, loadCodec } from '@lafs/codec'
import { defaultCrypto } from '@lafs/crypto'
import { portableCrypto } from '@lafs/crypto/portable'
import type { IRetrieveStatus } from '@lafs/filesystem-interface'
import { createMemoryStore } from '@lafs/share-store-memory'
import { MDMF_VERSION } from '@lafs/storage-interface'
import type { IServer, IStorageServer } from '@lafs/storage-interface'
import { createMutableShareReader, parseMutableHeader } from '@lafs/storage-protocol/layout'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, serverOf } from '@lafs/testing'
import type { RecordedFile } from '@lafs/testing/recordings'
import { memoryTransport } from '@lafs/transport-memory'
import { MdmfCap, parseCapStrict, SskCap } from '@lafs/uri'
import { fromHex, loadVectors } from '@lafs/vectors'
import { createMutableFile } from '../src/create-file.ts'
import type { MutableFile } from '../src/file.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { versionInfoOf } from '../src/servermap/version-info.ts'
import type { VersionInfo } from '../src/servermap/version-info.ts'

export { keptShares, recordedFile, recordedFiles } from '@lafs/testing/recordings'

/** A file that this project's writer makes, with one server a share. */
export async function writtenFile(
  plaintext: Uint8Array,
  encoding: { readonly requiredShares: number; readonly totalShares: number },
  version: 0 | 1 = MDMF_VERSION,
): Promise<RecordedFile> {
  const { keys } = await loadVectors<{ keys: { signingKey: string }[] }>('mutable/keys')
  const storages = await createStorages(encoding.totalShares)
  const servers = storages.map(serverOf)
  const node = await createMutableFile(plaintext, {
    version,
    privateKey: fromHex(keys[0]?.signingKey ?? ''),
    keyPool: { take: () => Promise.reject(new Error('expected no key to be taken')) },
    context: {
      broker: brokerOf(servers),
      codec: await loadCodec(),
      crypto: defaultCrypto,
      clock: systemClock,
      leaseSecret: new Uint8Array(32),
      encoding,
      random: () => 0.5,
    },
  })
  const shares = new Map<number, Uint8Array>()
  const { storageIndex } = node
  if (storageIndex === undefined) throw new Error('expected a storage index')
  for (const storage of storages) {
    const found = await storage.slotReadv(storageIndex, [], [{ offset: 0, size: 1e9 }])
    for (const [shareNumber, [bytes]] of found) if (bytes) shares.set(shareNumber, bytes)
  }
  const sorted = new Map([...shares].toSorted(([a], [b]) => a - b))
  return { name: 'written', cap: node.uri, shares: sorted, plaintext }
}

async function createStorages(count: number): Promise<IStorageServer[]> {
  const transport = memoryTransport()
  return Promise.all(
    Array.from({ length: count }, async () => {
      const backend = createStorageServer({ store: createMemoryStore() })
      const { announcement } = await transport.serve(backend)
      return (await transport.connect(announcement)).storageServer
    }),
  )
}

/** One request to a server. */
interface Request {
  readonly server: number
  readonly shareNumbers: readonly number[]
  readonly size: number
}

/** A file's shares on servers in memory, and a servermap that knows them. */
export interface RecordedGrid {
  readonly file: MutableFile
  readonly map: ServerMap
  readonly version: VersionInfo
  readonly servers: readonly IServer[]
  /** Reads that have come to the servers since the map was made. */
  readonly requests: Request[]
  /** What servers were told: `server share: reason`. */
  readonly advisories: string[]
  readonly statuses: IRetrieveStatus[]
}

/** How the shares lie and what the servers do. */
export interface GridOptions {
  readonly clock?: Clock
  /** Bytes of each share that come with the servermap. Default: none. */
  readonly prefetch?: number
  /** The numbers of the servers that hold each share. Default: its own number. */
  readonly placed?: (shareNumber: number) => readonly number[]
  /** Puts something around a server. */
  readonly wrap?: (server: IStorageServer, index: number) => IStorageServer
  /** Changes what a server holds of a share. */
  readonly damage?: (bytes: Uint8Array, shareNumber: number, server: number) => Uint8Array
  /** What the cap gives. Default: all. */
  readonly authority?: 'write' | 'read' | 'verify'
}

const LEASE = {
  writeEnabler: new Uint8Array(32).fill(1),
  renewSecret: new Uint8Array(32).fill(2),
  cancelSecret: new Uint8Array(32).fill(3),
}

/** Puts recorded shares on servers in memory. */
export async function createRecordedGrid(
  { cap, shares }: Pick<RecordedFile, 'cap' | 'shares'>,
  options: GridOptions = {},
): Promise<RecordedGrid> {
  const { placed = (shareNumber) => [shareNumber], damage = (bytes) => bytes } = options
  const { clock = systemClock, prefetch = 0, wrap = (server) => server } = options
  const requests: Request[] = []
  const advisories: string[] = []
  const statuses: IRetrieveStatus[] = []
  const file = fileOf(cap, clock, statuses, options.authority ?? 'write')
  const map = new ServerMap()
  const serverCount = 1 + Math.max(...[...shares.keys()].flatMap((number) => placed(number)))
  const storages = await createStorages(serverCount)
  const servers = storages.map((storage, index) =>
    serverOf(wrap(watch(storage, index, requests, advisories), index), index),
  )
  let version: VersionInfo | undefined
  for (const [shareNumber, bytes] of shares) {
    version ??= versionInfoOf(parseMutableHeader(bytes))
    for (const index of placed(shareNumber)) {
      const server = servers[index]
      const storage = storages[index]
      if (server === undefined || storage === undefined) continue
      const data = damage(bytes, shareNumber, index)
      const writes = new Map([[shareNumber, { test: [], write: [{ offset: 0, data }] }]])
      await storage.slotTestvAndReadvAndWritev(file.storageIndex, LEASE, writes, [])
      map.addShare(server, shareNumber, version, index)
      if (prefetch === 0) continue
      const reader = createMutableShareReader({
        server: await server.storageServer(),
        storageIndex: file.storageIndex,
        shareNumber,
        prefetched: data.slice(0, prefetch),
        complete: prefetch > data.length,
        header: version.header,
      })
      map.setReader(server, shareNumber, reader)
    }
  }
  if (version === undefined) throw new Error('expected a share')
  return { file, map, version, servers, requests, advisories, statuses }
}

function watch(
  storage: IStorageServer,
  server: number,
  requests: Request[],
  advisories: string[],
): IStorageServer {
  return {
    ...storage,
    slotReadv: (storageIndex, shareNumbers, vectors, options) => {
      const size = vectors.reduce((sum, vector) => sum + vector.size, 0)
      requests.push({ server, shareNumbers, size })
      return storage.slotReadv(storageIndex, shareNumbers, vectors, options)
    },
    adviseCorruptShare: (kind, storageIndex, shareNumber, reason, options) => {
      advisories.push(`${server} ${shareNumber}: ${reason}`)
      return storage.adviseCorruptShare(kind, storageIndex, shareNumber, reason, options)
    },
  }
}

function fileOf(
  text: string,
  clock: Clock,
  statuses: IRetrieveStatus[],
  authority: 'write' | 'read' | 'verify',
): MutableFile {
  const cap = parseCapStrict(text)
  if (!(cap instanceof SskCap) && !(cap instanceof MdmfCap)) throw new Error('expected a write cap')
  return {
    context: {
      broker: brokerOf([]),
      codec: jsCodec,
      // Virtual time waits for no thread.
      crypto: clock === systemClock ? defaultCrypto : portableCrypto,
      clock,
      leaseSecret: new Uint8Array(32),
      encoding: { requiredShares: 3, totalShares: 10 },
      random: () => 0.5,
      history: {
        addServermapUpdate: () => {},
        addPublish: () => {},
        addRetrieve: (status) => statuses.push(status),
      },
    },
    storageIndex: cap.storageIndex,
    fingerprint: cap.fingerprint,
    readkey: authority === 'verify' ? undefined : cap.readkey,
    writekey: authority === 'write' ? cap.writekey : undefined,
    version: undefined,
    encoding: undefined,
    size: undefined,
    verifyingKey: undefined,
    signingKey: undefined,
    encryptedPrivateKey: undefined,
  }
}
