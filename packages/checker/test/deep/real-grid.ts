import { jsCodec } from '@lafs/codec'
import { toBase32 } from '@lafs/crypto'
import type { CheckerContext } from '@lafs/checker'
import { createDirectoryNode, createUnknownNode, packChildren } from '@lafs/dirnode'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type {
  IDirectoryNode,
  IFileNode,
  IFilesystemNode,
  INodeMaker,
} from '@lafs/filesystem-interface'
import { createImmutableNode, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { IShareStore, IStorageServer } from '@lafs/storage-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, seededRandom, serverOf, virtualClock } from '@lafs/testing'
import type { VirtualClock } from '@lafs/testing'
import { seededCrypto } from '@lafs/testing/simulation'
import { memoryTransport } from '@lafs/transport-memory'
import { DirectoryCap, MutableReadCap, MutableWriteCap, parseCap } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { hang } from './tree.ts'

/** The keys that upstream publishes: tests need not make their own. */
const published = await loadVectors<{
  readonly file: string
  readonly cases: readonly { readonly offset: number; readonly length: number }[]
}>('mutable/published')
const publishedKeys = await loadBytes(published.file)

const ENCODING = { requiredShares: 2, happyShares: 1, totalShares: 5, maxSegmentSize: 1000 }

/** Servers in memory and virtual time, with real files and directories on them. */
export interface RealGrid {
  readonly clock: VirtualClock
  readonly context: CheckerContext
  readonly stores: readonly IShareStore[]
  readonly nodeMaker: INodeMaker
  /** Storage indexes of which no server answers a question. In base32. */
  readonly hanging: Set<string>
  /** The messages that the servers have had. */
  readonly messages: { count: number }
  readonly upload: (bytes: Uint8Array) => Promise<string>
  /** Takes the shares of an object away from all servers but so many. */
  lose(node: IFilesystemNode, serversLeft: number): Promise<void>
  /** When our lease on each share of an object ends, by server and share. */
  leaseEnds(node: IFilesystemNode): Promise<Map<string, number>>
}

export async function createRealGrid(serverCount: number): Promise<RealGrid> {
  const clock = virtualClock()
  const crypto = seededCrypto(seededRandom(1))
  const stores = Array.from({ length: serverCount }, () => createMemoryStore())
  const hanging = new Set<string>()
  const messages = { count: 0 }
  const transport = memoryTransport()
  const servers = await Promise.all(
    stores.map(async (store, index) => {
      const now = (): number => clock.nowMs()
      const { announcement } = await transport.serve(createStorageServer({ store, now }))
      const { storageServer } = await transport.connect(announcement)
      return serverOf(watched(storageServer, hanging, messages), index)
    }),
  )
  const context: CheckerContext = {
    broker: brokerOf(servers),
    codec: jsCodec,
    crypto,
    clock,
    leaseSecret: new Uint8Array(32).fill(7),
    encoding: ENCODING,
    random: () => 0.5,
  }
  const upload = async (bytes: Uint8Array): Promise<string> => {
    const secrets = { leaseSecret: context.leaseSecret, convergence: new Uint8Array(32) }
    const how = {
      broker: context.broker,
      codec: jsCodec,
      crypto,
      clock,
      secrets,
      encoding: ENCODING,
    }
    return (await uploadImmutable(uploadableFromBytes(bytes), how)).uri
  }
  return {
    clock,
    context,
    stores,
    hanging,
    messages,
    upload,
    nodeMaker: nodeMakerOf(context, upload),
    lose: async ({ storageIndex = new Uint8Array() }, serversLeft) => {
      for (const store of stores.slice(serversLeft)) {
        for (const share of await store.shareNumbers(storageIndex)) {
          await store.removeLeases(storageIndex, share, () => true)
        }
      }
    },
    leaseEnds: async ({ storageIndex = new Uint8Array() }) => {
      const ends = new Map<string, number>()
      for (const [index, store] of stores.entries()) {
        for (const share of await store.shareNumbers(storageIndex)) {
          const [lease] = await store.leases(storageIndex, share)
          ends.set(`${index}/${share}`, lease?.expiresAtSeconds ?? 0)
        }
      }
      return ends
    },
  }
}

/** What clients talk to: it counts, and does not answer for some objects. */
function watched(
  storage: IStorageServer,
  hanging: ReadonlySet<string>,
  messages: { count: number },
): IStorageServer {
  const guard = (storageIndex: Uint8Array, signal: AbortSignal | undefined): Promise<void> => {
    messages.count++
    return hanging.has(toBase32(storageIndex)) ? hang(signal) : Promise.resolve()
  }
  return {
    getVersion: (options) => storage.getVersion(options),
    allocateBuckets: (...all) =>
      guard(all[0], all[2]?.signal).then(() => storage.allocateBuckets(...all)),
    addLease: (...all) => guard(all[0], all[2]?.signal).then(() => storage.addLease(...all)),
    cancelLease: (...all) => storage.cancelLease(...all),
    getBuckets: (...all) => guard(all[0], all[1]?.signal).then(() => storage.getBuckets(...all)),
    slotReadv: (...all) => guard(all[0], all[3]?.signal).then(() => storage.slotReadv(...all)),
    slotTestvAndReadvAndWritev: (...all) =>
      guard(all[0], all[4]?.signal).then(() => storage.slotTestvAndReadvAndWritev(...all)),
    adviseCorruptShare: (...all) => storage.adviseCorruptShare(...all),
  }
}

function nodeMakerOf(
  context: CheckerContext,
  upload: (bytes: Uint8Array) => Promise<string>,
): INodeMaker {
  let keysTaken = 0
  const keyPool = {
    take: () => {
      const { offset = 0, length = 0 } = published.cases[keysTaken++] ?? {}
      return context.crypto.importRsaSigningKey(publishedKeys.slice(offset, offset + length))
    },
  }
  const uploader = {
    upload: () => Promise.reject(new Error('files are uploaded elsewhere')),
  }
  const { broker, codec, crypto, clock } = context
  const directory = (file: IFileNode): IDirectoryNode =>
    createDirectoryNode(file, { nodeMaker, uploader })
  const known = (cap: Cap): IFilesystemNode | undefined => {
    if (cap.kind === 'lit' || cap.kind === 'chk') {
      return createImmutableNode(cap, { broker, codec, crypto, clock })
    }
    if (cap instanceof MutableWriteCap || cap instanceof MutableReadCap) {
      return createMutableNode(cap, context)
    }
    if (!(cap instanceof DirectoryCap)) return undefined
    const file = known(cap.filenodeCap())
    return file && directory(file as IFileNode)
  }
  const nodeMaker: INodeMaker = {
    createFromCap: (writeCap, readCap, options = {}) => {
      const strongest = writeCap ?? readCap ?? ''
      const text = typeof strongest === 'string' ? strongest : strongest.format()
      return known(parseCap(text)) ?? createUnknownNode(writeCap, readCap, options)
    },
    createMutableFile: (contents, options) =>
      createMutableFile(contents, { version: SDMF_VERSION, ...options, context, keyPool }),
    createNewMutableDirectory: async (children = new Map(), options = {}) =>
      directory(
        await nodeMaker.createMutableFile((file) => packChildren(children, file.writekey), {
          version: MDMF_VERSION,
          ...options,
        }),
      ),
    createImmutableDirectory: async (children) => {
      const packed = await packChildren(children, undefined, { deepImmutable: true })
      const file = nodeMaker.createFromCap(await upload(packed))
      return directory(file as IFileNode)
    },
  }
  return nodeMaker
}

/** A child that is a directory. */
export async function subdirectory(parent: IDirectoryNode, name: string): Promise<IDirectoryNode> {
  const node = await parent.get(name)
  if (isDirectoryNode(node)) return node
  throw new TypeError(`expected a directory, got a node of kind ${node.kind}`)
}
