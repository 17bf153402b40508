import { loadCodec } from '@lafs/codec'
import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto, sskReadkeyDataHash } from '@lafs/crypto'
import type { CryptoProvider, RsaSigningKey } from '@lafs/crypto'
import type { ProgressOptions } from '@lafs/filesystem-interface'
import { createMemoryStore } from '@lafs/share-store-memory'
import type {
  IServer,
  IStorageServer,
  ShareNumber,
  StorageIndex,
  TestWriteVectors,
} from '@lafs/storage-interface'
import {
  blockSpan,
  createMutableShareReader,
  numberOfSegments,
  parseMutableHeader,
} from '@lafs/storage-protocol/layout'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, serverOf } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { fromHex, loadVectors } from '@lafs/vectors'
import type { MutableFile } from '../src/file.ts'
import { slotSecrets } from '../src/keys.ts'
import { publishUpdate } from '../src/publish/update.ts'
import type { UpdateBasis } from '../src/publish/update.ts'
import { segmentsOf } from '../src/retrieve/decode-segments.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { mutableUploadableFromBytes } from '../src/uploadable.ts'
import { versionInfoOf } from '../src/servermap/version-info.ts'
import type { VersionInfo } from '../src/servermap/version-info.ts'

/** What is common to all cases of the recorded publications. */
export interface Recorded {
  readonly seed: string
  readonly patchSeed: string
  readonly signature: string
  readonly privateKey: string
  readonly publicKey: string
  readonly encryptedPrivateKey: string
  readonly writekey: string
  readonly readkey: string
  readonly fingerprint: string
  readonly storageIndex: string
  readonly cases: readonly RecordedCase[]
  readonly patches: readonly RecordedPatch[]
  readonly placements: readonly RecordedPlacement[]
}

/** Where upstream puts shares; pairs of server and share. */
interface RecordedPlacement {
  readonly servers: number
  readonly refusing: readonly number[]
  readonly bad: readonly number[]
  readonly totalShares: number
  readonly before: readonly (readonly [number, number])[]
  readonly after: readonly (readonly [number, number])[] | null
  readonly error: string | null
}

/** A first version. */
interface RecordedCase extends RecordedShares {
  readonly format: 'SDMF' | 'MDMF'
}

/** A change in place to an MDMF file of `size` bytes. */
interface RecordedPatch extends RecordedShares {
  readonly offset: number
  readonly length: number
}

interface RecordedShares {
  readonly size: number
  readonly requiredShares: number
  readonly totalShares: number
  readonly salts: readonly string[]
  readonly signed: string
  readonly shareSize: number
  readonly sharesHash: string
  readonly shares?: readonly string[]
  readonly shareHashes?: readonly string[]
}

export const recorded: Recorded = await loadVectors<Recorded>('mutable/publish')
const codec: CodecProvider = await loadCodec()

/** The recorded key; `sign` stands in for its own signatures. */
function signingKey(sign?: RsaSigningKey['sign']): Promise<RsaSigningKey> {
  const imported = defaultCrypto.importRsaSigningKey(fromHex(recorded.privateKey))
  return sign === undefined ? imported : imported.then((key) => ({ ...key, sign }))
}

/** A server in memory, whose mutable writes a test may get in the way of. */
export interface TestServer {
  readonly server: IServer
  readonly storage: IStorageServer
  /** The shares of each message that came, in order. */
  readonly writes: ReadonlyMap<ShareNumber, TestWriteVectors>[]
  /** Runs a write, changes what it says, fails, or never comes back. */
  onWrite: <T>(write: () => Promise<T>) => Promise<T>
  /** The same for a read of these shares; of all where there are none. */
  onRead: <T>(read: () => Promise<T>, shareNumbers: readonly ShareNumber[]) => Promise<T>
  permitted: boolean
}

/** Servers in memory, in the order of their numbers. */
export async function createServers(count: number): Promise<TestServer[]> {
  const transport = memoryTransport()
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const backend = createStorageServer({ store: createMemoryStore() })
      const { announcement } = await transport.serve(backend)
      const { storageServer: storage } = await transport.connect(announcement)
      const hooked: IStorageServer = {
        ...storage,
        slotTestvAndReadvAndWritev: (...args) => {
          it.writes.push(args[2])
          return it.onWrite(() => storage.slotTestvAndReadvAndWritev(...args))
        },
        slotReadv: (...args) => it.onRead(() => storage.slotReadv(...args), args[1]),
      }
      const it: TestServer = {
        storage,
        writes: [],
        onWrite: (write) => write(),
        onRead: (read) => read(),
        permitted: true,
        server: { ...serverOf(hooked, index), uploadPermitted: () => it.permitted },
      }
      return it
    }),
  )
}

/** How a test's file differs from one of SDMF, 3 of 10. */
export interface FileOptions {
  readonly version?: 0 | 1
  readonly requiredShares?: number
  readonly totalShares?: number
  readonly crypto?: CryptoProvider
  readonly clock?: Clock
  readonly sign?: RsaSigningKey['sign']
}

/** The file of the recorded key on some servers. */
export async function fileOn(
  servers: readonly TestServer[],
  options: FileOptions = {},
): Promise<MutableFile> {
  const { version = 0, requiredShares = 3, totalShares = 10, crypto = defaultCrypto } = options
  const known = servers.map(({ server }) => server)
  const key = await signingKey(options.sign)
  return {
    context: {
      broker: brokerOf(known),
      codec,
      crypto,
      clock: options.clock ?? systemClock,
      leaseSecret: new Uint8Array(32).fill(7),
      encoding: { requiredShares, totalShares },
      random: () => 0.5,
    },
    storageIndex: fromHex(recorded.storageIndex),
    fingerprint: fromHex(recorded.fingerprint),
    readkey: fromHex(recorded.readkey),
    writekey: fromHex(recorded.writekey),
    version,
    encoding: { requiredShares, totalShares },
    size: undefined,
    verifyingKey: key.verifyingKey,
    signingKey: key,
    encryptedPrivateKey: fromHex(recorded.encryptedPrivateKey),
  }
}

/** All shares on a server, whole. */
export async function sharesOn(
  { storage }: TestServer,
  storageIndex: StorageIndex,
): Promise<Map<ShareNumber, Uint8Array>> {
  const found = await storage.slotReadv(storageIndex, [], [{ offset: 0, size: 2 ** 30 }])
  return new Map([...found].map(([share, [bytes]]) => [share, bytes ?? new Uint8Array()]))
}

/** The shares of all servers, by number; of copies the last one. */
export async function allShares(
  servers: readonly TestServer[],
  { storageIndex }: MutableFile,
): Promise<Map<ShareNumber, Uint8Array>> {
  const maps = await Promise.all(servers.map((server) => sharesOn(server, storageIndex)))
  return new Map(maps.flatMap((map) => [...map]).toSorted(([a], [b]) => a - b))
}

/** What a writer finds on servers: every share that makes sense is taken to be good. */
export async function mapOf(
  servers: readonly TestServer[],
  { storageIndex }: MutableFile,
): Promise<ServerMap> {
  const map = new ServerMap()
  map.setLastUpdate('MODE_WRITE', 1)
  for (const one of servers) {
    map.markReachable(one.server)
    for (const [share, bytes] of await sharesOn(one, storageIndex)) {
      map.addShare(one.server, share, versionInfoOf(parseMutableHeader(bytes)), 1)
    }
  }
  return map
}

/** Puts bytes into a share of a slot, whatever stands there. */
export async function overwriteShare(
  file: MutableFile,
  { storage, server }: TestServer,
  shareNumber: ShareNumber,
  data: Uint8Array,
  offset = 0,
): Promise<void> {
  const write = [{ offset, data }]
  await storage.slotTestvAndReadvAndWritev(
    file.storageIndex,
    slotSecrets(file, server),
    new Map([[shareNumber, { test: [], write }]]),
    [],
  )
}

/** The contents that can be recovered from shares, by sequence number. */
export async function recoverable(
  file: MutableFile,
  servers: readonly TestServer[],
): Promise<Map<number, Uint8Array>> {
  const versions = new Map<string, Map<ShareNumber, Uint8Array>>()
  for (const one of servers) {
    for (const [share, bytes] of await sharesOn(one, file.storageIndex)) {
      const { id } = versionInfoOf(parseMutableHeader(bytes))
      versions.set(id, (versions.get(id) ?? new Map()).set(share, bytes))
    }
  }
  const contents = new Map<number, Uint8Array>()
  for (const shares of versions.values()) {
    const [first] = shares.values()
    if (first === undefined) continue
    const { requiredShares, sequenceNumber } = parseMutableHeader(first)
    if (shares.size >= requiredShares) contents.set(sequenceNumber, await decode(file, shares))
  }
  return contents
}

/** The contents of a version from any k of its shares. Nothing but the salts is trusted to be right. */
export async function decode(
  { readkey, context }: MutableFile,
  shares: ReadonlyMap<ShareNumber, Uint8Array>,
): Promise<Uint8Array> {
  const [first] = shares.values()
  if (first === undefined || readkey === undefined) throw new Error('nothing to decode')
  const header = parseMutableHeader(first)
  const { requiredShares, totalShares, segmentSize, dataLength } = header
  const chosen = [...shares].slice(-requiredShares)
  const decoder = context.codec.createDecoder({ requiredShares, maxShares: totalShares })
  const contents = new Uint8Array(dataLength)
  for (let segment = 0; segment < numberOfSegments(header); segment++) {
    const { offset, saltLength, length } = blockSpan(header, segment)
    const from = offset + saltLength
    const blocks = chosen.map(([, share]) => share.slice(from, from + length))
    const decoded = await decoder.decode(
      blocks,
      chosen.map(([share]) => share),
    )
    const salt = header.salt ?? first.slice(offset, from)
    const size = Math.min(segmentSize, dataLength - segment * segmentSize)
    const joined = new Uint8Array(requiredShares * length)
    for (const [index, block] of decoded.entries()) joined.set(block, index * length)
    const plaintext = joined.subarray(0, size)
    await defaultCrypto.aesCtrInPlace(sskReadkeyDataHash(salt, readkey), plaintext)
    contents.set(plaintext, segment * segmentSize)
  }
  return contents
}

/** The block hash tree's leaves of shares: what a change in place starts from. */
async function leavesOf(
  shares: ReadonlyMap<ShareNumber, Uint8Array>,
  { storageIndex }: MutableFile,
  server: IStorageServer,
): Promise<Map<ShareNumber, Uint8Array[]>> {
  const leaves = new Map<ShareNumber, Uint8Array[]>()
  for (const [shareNumber, prefetched] of shares) {
    const options = { server, storageIndex, shareNumber, prefetched, complete: true }
    const reader = createMutableShareReader(options)
    const tree = await reader.blockHashTree()
    const count = numberOfSegments(await reader.header())
    const start = (tree.length - 1) / 2
    leaves.set(shareNumber, tree.slice(start, start + count))
  }
  return leaves
}

/** What a change in place of `size` bytes at `offset` must know, from what is on the servers. */
export async function basisOf(
  servers: readonly TestServer[],
  file: MutableFile,
  version: VersionInfo,
  offset: number,
  size: number,
): Promise<UpdateBasis> {
  const [any] = servers
  if (any === undefined) throw new Error('no servers')
  const shares = await allShares(servers, file)
  const before = await decode(file, shares)
  const { first, last } = segmentsOf(version.segmentSize, offset, size)
  const segment = (index: number): [number, Uint8Array] => [
    index,
    before.subarray(index * version.segmentSize, (index + 1) * version.segmentSize),
  ]
  return {
    blockHashes: await leavesOf(shares, file, any.storage),
    segments: new Map([segment(first), segment(last)]),
  }
}

/** The best version of a map. */
export function bestOf(map: ServerMap): VersionInfo {
  const version = map.bestRecoverableVersion()
  if (version === undefined) throw new Error('nothing can be recovered')
  return version
}

/** Changes an MDMF file in place, from what is on the servers. */
export async function updateOn(
  servers: readonly TestServer[],
  file: MutableFile,
  offset: number,
  data: Uint8Array,
  options: ProgressOptions = {},
): Promise<ServerMap> {
  const map = await mapOf(servers, file)
  const version = bestOf(map)
  const basis = await basisOf(servers, file, version, offset, data.length)
  const change = { offset, data: mutableUploadableFromBytes(data), basis }
  await publishUpdate(file, map, version, change, options)
  return map
}
