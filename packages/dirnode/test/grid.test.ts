import { loadCodec } from '@lafs/codec'
import { defaultCrypto, sskWriteEnablerHash } from '@lafs/crypto'
import { isDirectoryNode, isFilesystemError } from '@lafs/filesystem-interface'
import type {
  IDirectoryNode,
  IFileNode,
  IFilesystemNode,
  INodeMaker,
  IUploadable,
} from '@lafs/filesystem-interface'
import { createImmutableNode, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import type { MutableContext } from '@lafs/mutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import type { IServer } from '@lafs/storage-interface'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, serverOf } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { parseCap, SskCap, MdmfCap } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { createDirectoryNode, createUnknownNode, packChildren } from '../src/index.ts'

const LIT = 'URI:LIT:onxw2zjaorsxq5a'
const SERVERS = 5

/** What a silent server is given. */
const TIMEOUT_MS = 10_000

const encoding = { requiredShares: 2, happyShares: 3, totalShares: 5, maxSegmentSize: 2 ** 17 }
const codec = await loadCodec()

interface Published {
  readonly file: string
  readonly cases: readonly { readonly offset: number; readonly length: number }[]
}

const published = await loadVectors<Published>('mutable/published')
const keyBytes = await loadBytes(published.file)
let keysTaken = 0

/** A key that upstream publishes: tests need not make their own. */
function takeKey(): ReturnType<typeof defaultCrypto.importRsaSigningKey> {
  const { offset, length } = published.cases[keysTaken++] ?? { offset: 0, length: 0 }
  return defaultCrypto.importRsaSigningKey(keyBytes.slice(offset, offset + length))
}

/** Storage servers in memory. */
async function createServers(): Promise<IServer[]> {
  const transport = memoryTransport()
  return Promise.all(
    Array.from({ length: SERVERS }, async (_, index) => {
      const backend = createStorageServer({ store: createMemoryStore() })
      const { announcement } = await transport.serve(backend)
      const { storageServer } = await transport.connect(announcement)
      return serverOf(storageServer, index)
    }),
  )
}

/** A client of these servers: nodes of the real files under directories. */
function createClient(
  servers: readonly IServer[],
  mutableVersion: number = SDMF_VERSION,
): INodeMaker {
  const broker = brokerOf(servers)
  const context: MutableContext = {
    broker,
    codec,
    crypto: defaultCrypto,
    // Waits between tries are short.
    clock: {
      nowMs: () => systemClock.nowMs(),
      after: (delayMs, callback) =>
        systemClock.after(delayMs === TIMEOUT_MS ? delayMs : delayMs / 200, callback),
    },
    leaseSecret: new Uint8Array(32).fill(7),
    encoding,
    random: Math.random,
  }
  const secrets = { leaseSecret: context.leaseSecret, convergence: new Uint8Array(32) }
  const uploader = {
    upload: (file: IUploadable) => uploadImmutable(file, { broker, codec, secrets, encoding }),
  }
  const directory = (file: IFileNode): IDirectoryNode =>
    createDirectoryNode(file, { nodeMaker, uploader })
  const known = (cap: Cap): IFilesystemNode | undefined => {
    if (cap.kind === 'lit' || cap.kind === 'chk') return createImmutableNode(cap, { broker, codec })
    if (
      cap.kind === 'ssk' ||
      cap.kind === 'ssk-ro' ||
      cap.kind === 'mdmf' ||
      cap.kind === 'mdmf-ro'
    ) {
      return createMutableNode(cap, context)
    }
    if (!cap.kind.startsWith('dir2') || !('fileCap' in cap)) return undefined
    const file = known(cap.fileCap)
    return file && directory(file as IFileNode)
  }
  const nodeMaker: INodeMaker = {
    createFromCap: (writeCap, readCap, options = {}) => {
      const strongest = writeCap ?? readCap ?? ''
      const { deepImmutable = false } = options
      const text = typeof strongest === 'string' ? strongest : strongest.format()
      return (
        known(parseCap(text, { deepImmutable })) ?? createUnknownNode(writeCap, readCap, options)
      )
    },
    createMutableFile: (contents, options) =>
      createMutableFile(contents, {
        version: mutableVersion,
        ...options,
        context,
        keyPool: { take: takeKey },
      }),
    createNewMutableDirectory: async (children = new Map(), options = {}) => {
      const { version = mutableVersion } = options
      const table = { ...options, version }
      return directory(
        await nodeMaker.createMutableFile((file) => packChildren(children, file.writekey), table),
      )
    },
    createImmutableDirectory: async (children) => {
      const packed = await packChildren(children, undefined, { deepImmutable: true })
      const { uri } = await uploader.upload(uploadableFromBytes(packed))
      return directory(nodeMaker.createFromCap(uri) as IFileNode)
    },
  }
  return nodeMaker
}

function open(client: INodeMaker, cap: string): IDirectoryNode {
  const node = client.createFromCap(cap)
  if (isDirectoryNode(node)) return node
  throw new TypeError(`expected a directory, got a node of kind ${node.kind}`)
}

describe.each([
  ['SDMF', SDMF_VERSION],
  ['MDMF', MDMF_VERSION],
])('directories on servers, %s', (_format, version) => {
  it('hold what was put into them, whoever reads', async () => {
    const servers = await createServers()
    const root = await createClient(servers, version).createNewMutableDirectory()
    const bytes = new TextEncoder().encode('a text that does not fit into its cap. '.repeat(9))
    await root.addFile('file', uploadableFromBytes(bytes), { metadata: { note: 'm\u00fctable' } })
    const below = await root.createSubdirectory('below', { mutableVersion: version })
    const initialChildren = new Map([['again', { node: await root.get('file') }]])
    await root.createSubdirectory('frozen', { mutable: false, initialChildren })
    await root.moveChildTo('file', below, { newChildName: 'moved' })

    const reader = open(createClient(servers), root.readonlyUri)
    expect([...(await reader.list()).keys()]).toEqual(['below', 'frozen'])
    expect(await (await reader.get('below')).currentSize()).toBe(await below.currentSize())
    const { node, metadata } = await reader.childAndMetadataAtPath('below/moved')
    expect(metadata).toMatchObject({ note: 'm\u00fctable' })
    expect(await (node as IFileNode).downloadBestVersion()).toEqual(bytes)
    const { manifest, stats } = await reader.buildManifest().whenDone()
    expect(manifest.map(([path]) => path.join('/'))).toEqual(['', 'below', 'below/moved', 'frozen'])
    expect(stats).toMatchObject({
      countDirectories: 3,
      countImmutableFiles: 1,
      largestDirectoryChildren: 2,
    })
    await expect(reader.delete('below')).rejects.toMatchObject({ code: 'NODE_NOT_WRITEABLE' })
  })

  it('lose nothing when several clients write at one time', async () => {
    const servers = await createServers()
    const first = await createClient(servers, version).createNewMutableDirectory()
    const writers = [first, open(createClient(servers), first.uri)]
    const edits = writers.flatMap((directory, writer) =>
      Array.from({ length: 3 }, async (_, number) => {
        const name = `${writer} ${number}`
        await directory.setUri(name, LIT, undefined, { overwrite: false })
        return name
      }),
    )
    const outcomes = await Promise.allSettled(edits)
    const names = new Set((await open(createClient(servers), first.uri).list()).keys())
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') expect(names).toContain(outcome.value)
      else expect(isFilesystemError(outcome.reason, 'MUTABLE_UNCOORDINATED_WRITE')).toBe(true)
    }
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
  })
})

interface Stored {
  readonly cases: readonly {
    name: string
    format: string
    cap: string
    children: readonly { name: string }[]
    kept?: { file: string; shareNumbers: readonly number[]; sizes: readonly number[] }
  }[]
}

const stored = (await loadVectors<Stored>('dirnode/stored')).cases

describe('directories that upstream stored', () => {
  it.each(
    stored
      .filter(({ format }) => format === 'sdmf' || format === 'mdmf')
      .map((directory) => [directory.name, directory.format, directory] as const),
  )('are read and changed: %s, %s', async (_name, _format, { cap, children, kept }) => {
    const servers = await createServers()
    const fileCap = parseCap(
      cap.replace('URI:DIR2:', 'URI:SSK:').replace('URI:DIR2-MDMF:', 'URI:MDMF:'),
    )
    if (!(fileCap instanceof SskCap || fileCap instanceof MdmfCap))
      throw new TypeError('expected a write cap')
    const bytes = await loadBytes(kept?.file ?? '')
    let at = 0
    for (const [index, size] of (kept?.sizes ?? []).entries()) {
      const server = servers[index]
      const shareNumber = kept?.shareNumbers[index] ?? 0
      if (server === undefined) throw new RangeError('expected more servers')
      const secrets = {
        writeEnabler: sskWriteEnablerHash(fileCap.writekey, server.leaseSeed),
        renewSecret: new Uint8Array(32).fill(2),
        cancelSecret: new Uint8Array(32).fill(3),
      }
      const write = [{ offset: 0, data: bytes.subarray(at, at + size) }]
      at += size
      const storage = await server.storageServer()
      const vectors = new Map([[shareNumber, { test: [], write }]])
      await storage.slotTestvAndReadvAndWritev(fileCap.storageIndex, secrets, vectors, [])
    }
    const names = children.map(({ name }) => name).toSorted()
    const directory = open(createClient(servers), cap)
    expect([...(await directory.list()).keys()].toSorted()).toEqual(names)
    const [first] = names
    await directory.setUri('added here', LIT)
    if (first !== undefined) await directory.delete(first)
    const after = open(createClient(servers), directory.readonlyUri)
    const expected = [...names.filter((name) => name !== first), 'added here'].toSorted()
    expect([...(await after.list()).keys()].toSorted()).toEqual(expected)
  })
})
