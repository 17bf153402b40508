import { loadCodec } from '@lafs/codec'
import { defaultCrypto, uriExtensionHash } from '@lafs/crypto'
import { encodeToShares, uploadableFromBytes } from '@lafs/immutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import type {
  IServer,
  IStorageBroker,
  IStorageServer,
  RIBucketWriter,
  RIStorageServer,
} from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { parseChkHeader } from '@lafs/storage-protocol/layout'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { noise, serverOf, storeShares, withFault } from '@lafs/testing'
import type { OperationName } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { ChkCap, packUriExtension, unpackUriExtension } from '@lafs/uri'
import type { CheckerContext } from '@lafs/checker'

export { noise, same, sharesOn, storeShares as store } from '@lafs/testing'

const codec = await loadCodec()

/** A storage server in memory, and what is done to its traffic. */
export interface TestServer {
  readonly id: string
  readonly backend: RIStorageServer
  /** The names of the operations that clients asked for. */
  readonly requests: OperationName[]
  /** Called before each operation; may wait or throw. */
  before:
    | ((name: OperationName, signal: AbortSignal | undefined) => Promise<void> | void)
    | undefined
  /** Called after each operation; may wait or throw, so that the answer is lost. */
  after: ((name: OperationName) => Promise<void> | void) | undefined
  /** For how many more shares there is room. */
  room: number
  /** Changes what becomes of a share that is sent. */
  onWriter: ((writer: RIBucketWriter) => RIBucketWriter) | undefined
  /** Changes what a read gives. */
  onRead: ((bytes: Uint8Array) => Uint8Array) | undefined
  connected: boolean
  uploadPermitted: boolean
}

export interface TestGrid {
  readonly servers: TestServer[]
  readonly context: CheckerContext
}

/** Some storage servers in memory, in the order of their numbers. */
export async function createGrid(
  count: number,
  options: { readonly readonly?: readonly number[]; readonly clock?: Clock } = {},
): Promise<TestGrid> {
  const transport = memoryTransport()
  const entries = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const backend = createStorageServer({
        store: createMemoryStore(),
        readonly: options.readonly?.includes(index) ?? false,
      })
      const { announcement } = await transport.serve(backend)
      const { storageServer } = await transport.connect(announcement)
      const server: TestServer = {
        id: `v0-${String(index).padStart(3, '0')}`,
        backend,
        requests: [],
        before: undefined,
        after: undefined,
        room: Infinity,
        onWriter: undefined,
        onRead: undefined,
        connected: true,
        uploadPermitted: true,
      }
      const known: IServer = {
        ...serverOf(observed(storageServer, server), index),
        uploadPermitted: () => server.uploadPermitted,
      }
      return { server, known }
    }),
  )
  const servers = entries.map(({ server }) => server)
  const connected = (): IServer[] =>
    entries.filter(({ server }) => server.connected).map(({ known }) => known)
  const broker: IStorageBroker = {
    knownServers: () => entries.map(({ known }) => known),
    // As before the first request of a client that connects when it needs to.
    connectedServers: () => [],
    serversForStorageIndex: (_, { forUpload = false } = {}) =>
      connected().filter((one) => !forUpload || one.uploadPermitted()),
    serverIds: () => new Set(servers.map(({ id }) => id)),
    nicknameFor: (id) => id,
  }
  return { servers, context: contextOf(broker, options.clock) }
}

function contextOf(broker: IStorageBroker, clock: Clock = systemClock): CheckerContext {
  return {
    broker,
    codec,
    crypto: defaultCrypto,
    clock,
    leaseSecret: new Uint8Array(32).fill(7),
    encoding: { requiredShares: 3, totalShares: 10 },
    random: () => 0.5,
  }
}

function observed(storage: IStorageServer, server: TestServer): IStorageServer {
  const limited: IStorageServer = {
    ...withFault(storage, (_, operation) => operation()),
    allocateBuckets: async (storageIndex, request, options) => {
      const shareNumbers = new Set([...request.shareNumbers].slice(0, server.room))
      const result = await storage.allocateBuckets(
        storageIndex,
        { ...request, shareNumbers },
        options,
      )
      server.room -= result.writers.size
      const { onWriter = (writer) => writer } = server
      const writers = [...result.writers].map(
        ([share, writer]) => [share, onWriter(writer)] as const,
      )
      return { ...result, writers: new Map(writers) }
    },
  }
  return withFault(limited, async (name, operation, options) => {
    server.requests.push(name)
    await server.before?.(name, options?.signal)
    const result = await operation()
    await server.after?.(name)
    if (name === 'reader.read' && result instanceof Uint8Array && server.onRead !== undefined) {
      return server.onRead(result) as typeof result
    }
    return result
  })
}

/** A file and all of its shares. */
export interface EncodedFile {
  readonly cap: ChkCap
  readonly data: Uint8Array
  readonly shares: ReadonlyMap<number, Uint8Array>
}

/** A file of noise, encoded. */
export async function encodeFile(
  size: number,
  options: {
    readonly required?: number
    readonly total?: number
    readonly segmentSize?: number
    readonly version?: 1 | 2
    readonly seed?: number
  } = {},
): Promise<EncodedFile> {
  const { required = 3, total = 10, segmentSize = 1000, version = 1, seed = 1 } = options
  const data = noise(size, seed)
  const { cap, shares } = await encodeToShares(uploadableFromBytes(data), {
    codec,
    convergence: new Uint8Array(32),
    encoding: {
      requiredShares: required,
      totalShares: total,
      maxSegmentSize: segmentSize,
    },
    layoutVersion: version,
  })
  if (cap.kind !== 'chk') throw new Error('expected a file that is not LIT')
  return { cap, data, shares }
}

/** Stores share i on server i, around and around. */
export async function spread(
  { servers }: TestGrid,
  { cap, shares }: Pick<EncodedFile, 'cap' | 'shares'>,
): Promise<void> {
  for (const [share, bytes] of shares) {
    const server = servers[share % servers.length]
    if (server !== undefined) await storeShares(server, cap.storageIndex, new Map([[share, bytes]]))
  }
}

/** Lets some servers say what they hold once `ready` says so, so that the shares of the others are read. */
export function answerOnce(servers: readonly TestServer[], ready: () => boolean): void {
  for (const server of servers) {
    server.before = async (name, signal) => {
      if (name !== 'getBuckets') return
      while (!ready()) {
        signal?.throwIfAborted()
        await new Promise((resolve) => setTimeout(resolve, 0))
      }
    }
  }
}

/** How many operations of this name a server was asked for. */
export function asked({ requests }: TestServer, name: OperationName): number {
  return requests.filter((one) => one === name).length
}

/** The same file with another URI extension block, as if it had been uploaded so. */
export function forge(
  file: EncodedFile,
  change: (fields: Record<string, number | string | Uint8Array | undefined>) => void,
): EncodedFile {
  let hash = file.cap.uriExtensionHash
  const shares = new Map(
    [...file.shares].map(([share, bytes]) => {
      const { offsets, fieldSize } = parseChkHeader(bytes)
      const begin = offsets.uriExtension + fieldSize
      const fields = { ...unpackUriExtension(bytes.subarray(begin)) }
      change(fields)
      const block = packUriExtension(fields)
      hash = uriExtensionHash(block)
      const forged = new Uint8Array(begin + block.length)
      forged.set(bytes.subarray(0, begin))
      new DataView(forged.buffer).setUint32(begin - 4, block.length)
      forged.set(block, begin)
      return [share, forged]
    }),
  )
  const { key, requiredShares, totalShares, size } = file.cap
  const cap = new ChkCap({ key, uriExtensionHash: hash, requiredShares, totalShares, size })
  return { ...file, cap, shares }
}

/** A promise that is kept by nothing but its signal. */
export function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
