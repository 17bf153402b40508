import { jsCodec } from '@lafs/codec'
import { type CryptoProvider, defaultCrypto } from '@lafs/crypto'
import type { IServermapUpdaterStatus } from '@lafs/filesystem-interface'
import {
  type IServer,
  type IStorageServer,
  type OperationOptions,
  type ReadVector,
  StorageError,
} from '@lafs/storage-interface'
import { type Clock, systemClock } from '@lafs/storage-protocol/waiting'
import { brokerOf, serverOf } from '@lafs/testing'
import { MdmfCap, parseCapStrict, SskCap } from '@lafs/uri'
import { loadBytes, loadVectors } from '@lafs/vectors'
import type { MutableFile } from '../src/file.ts'

type Version = '1' | '2' | '3a' | '3b' | '2-of-4' | '1-of-2' | 'mdmf'

/** A share as the recordings place it: server, share number, version and what is wrong with it. */
export type Placement = readonly [
  server: number,
  shareNumber: number,
  version: string,
  damage?: 'flip' | 'cut' | 'unknown',
  position?: number,
]

/** What upstream did in one update of a map. */
export interface RecordedUpdate {
  readonly mode: 'MODE_READ' | 'MODE_WRITE' | 'MODE_ANYTHING' | 'MODE_CHECK' | 'MODE_REPAIR'
  readonly initial: readonly number[]
  readonly steps: readonly (readonly [answers: number, ...asked: number[]])[]
  readonly asksTwice: boolean
  readonly recoverable: readonly string[]
  readonly unrecoverable: readonly string[]
  readonly newer: readonly string[]
  readonly best: readonly string[]
  readonly known: string
  readonly bad: string
  readonly unreachable: readonly number[]
  readonly advised: string
  readonly needsMerge: boolean
  readonly highestSequenceNumber: number
  readonly privateKey: boolean
}

/** A grid and the updates that upstream made over it. */
export interface RecordedCase {
  readonly name: string
  readonly servers: number
  readonly shares: readonly Placement[]
  readonly encoding: readonly [number, number] | null
  readonly writeable: boolean
  readonly failing: readonly number[]
  readonly answering: readonly number[] | null
  readonly updates: readonly RecordedUpdate[]
}

/** The recordings, with the shares of each version by number. */
export interface Recordings {
  readonly cap: string
  readonly versions: ReadonlyMap<string, readonly Uint8Array[]>
  readonly cases: readonly RecordedCase[]
}

/** Reads what was recorded. */
export async function loadRecordings(): Promise<Recordings> {
  const { cap, versions, cases } = await loadVectors<{
    cap: string
    versions: Record<Version, { offset: number; size: number; count: number }>
    cases: RecordedCase[]
  }>('mutable/servermap')
  const packed = await loadBytes('mutable/servermap.shares')
  const shares = Object.entries(versions).map(([name, { offset, size, count }]) => {
    const numbers = Array.from({ length: count }, (_, index) => offset + index * size)
    return [name, numbers.map((at) => packed.slice(at, at + size))] as const
  })
  return { cap, versions: new Map(shares), cases }
}

/** A share with the damage of its placement. */
export function placedShare({ versions }: Recordings, placement: Placement): Uint8Array {
  const [, shareNumber, version, damage, position = 0] = placement
  const share = versions.get(version)?.[shareNumber]
  if (share === undefined) throw new Error(`no share ${shareNumber} of version ${version}`)
  if (damage === 'cut') return share.slice(0, position)
  const bytes = share.slice()
  if (damage === 'flip') bytes[position] = (bytes[position] ?? 0) ^ 1
  if (damage === 'unknown') bytes[0] = 7
  return bytes
}

/** One read that has come to a server. */
interface ReadRequest {
  readonly server: number
  readonly shareNumbers: readonly number[]
  readonly offset: number
  readonly size: number
}

/** Servers that hold shares of one file, and everything that a test may ask of them. */
export interface TestGrid {
  readonly servers: readonly TestServer[]
  readonly reads: ReadRequest[]
  /** `server/share` of each advice. */
  readonly advised: string[]
  /** The numbers of the servers that were asked for leases. */
  readonly leased: number[]
}

/** A storage server that has nothing but the slot of one file. */
export class TestServer {
  readonly index: number
  readonly shares = new Map<number, Uint8Array>()
  /** Stands before every request; waits, throws, or lets it pass. */
  gate: (shareNumbers: readonly number[], options?: OperationOptions) => Promise<void> | void =
    () => {}
  /** Stands before every lease. */
  leaseGate: (options?: OperationOptions) => Promise<void> | void = () => {}
  /** What clients get. */
  readonly server: IServer
  readonly #grid: TestGrid

  constructor(grid: TestGrid, index: number, wrap: (server: IStorageServer) => IStorageServer) {
    this.#grid = grid
    this.index = index
    this.server = serverOf(wrap(this.#storage()), index)
  }

  #storage(): IStorageServer {
    const { reads, advised, leased } = this.#grid
    const { index } = this
    const absent = async (): Promise<never> => {
      throw new StorageError('STORAGE_UNREACHABLE', 'this server does nothing but read')
    }
    const read = async (
      shareNumbers: readonly number[],
      vectors: readonly ReadVector[],
      options?: OperationOptions,
    ): Promise<Map<number, Uint8Array[]>> => {
      for (const span of vectors) reads.push({ server: index, shareNumbers, ...span })
      await this.gate(shareNumbers, options)
      const wanted = [...this.shares].filter(
        ([number]) => shareNumbers.length === 0 || shareNumbers.includes(number),
      )
      return new Map(
        wanted.map(([number, bytes]) => [
          number,
          vectors.map(({ offset, size }) => bytes.slice(offset, offset + size)),
        ]),
      )
    }
    return {
      getVersion: absent,
      allocateBuckets: absent,
      getBuckets: absent,
      slotTestvAndReadvAndWritev: async (_storageIndex, _secrets, changes, vectors, options) => {
        if (changes.size > 0) return absent()
        return { success: true, data: await read([], vectors, options) }
      },
      addLease: async (_storageIndex, _secrets, options) => {
        leased.push(index)
        await this.leaseGate(options)
      },
      cancelLease: absent,
      adviseCorruptShare: async (_kind, _storageIndex, shareNumber) => {
        advised.push(`${index}/${shareNumber}`)
      },
      slotReadv: (_storageIndex, ...args) => read(...args),
    }
  }
}

/** A grid of so many servers, in the order of their numbers. */
export function createTestGrid(
  count: number,
  wrap: (server: IStorageServer, index: number) => IStorageServer = (server) => server,
): TestGrid {
  const servers: TestServer[] = []
  const grid: TestGrid = { servers, reads: [], advised: [], leased: [] }
  for (let index = 0; index < count; index++) {
    servers.push(new TestServer(grid, index, (server) => wrap(server, index)))
  }
  return grid
}

/** What of a file is to be different from a new one with a write cap. */
export interface FileOptions {
  readonly authority?: 'write' | 'read' | 'verify'
  readonly crypto?: CryptoProvider
  readonly clock?: Clock
  readonly statuses?: IServermapUpdaterStatus[]
}

/** The file of a cap, of which nothing is known yet. */
export function testFile(cap: string, grid: TestGrid, options: FileOptions = {}): MutableFile {
  const {
    authority = 'write',
    crypto = defaultCrypto,
    clock = systemClock,
    statuses = [],
  } = options
  const parsed = parseCapStrict(cap)
  if (!(parsed instanceof SskCap) && !(parsed instanceof MdmfCap)) throw new Error('no write cap')
  const servers = grid.servers.map(({ server }) => server)
  return {
    context: {
      broker: brokerOf(servers),
      codec: jsCodec,
      crypto,
      clock,
      leaseSecret: new Uint8Array(32),
      encoding: { requiredShares: 3, totalShares: 10 },
      random: () => 0.5,
      history: {
        addServermapUpdate: (status) => statuses.push(status),
        addPublish: () => {},
        addRetrieve: () => {},
      },
    },
    storageIndex: parsed.storageIndex,
    fingerprint: parsed.fingerprint,
    readkey: authority === 'verify' ? undefined : parsed.readkey,
    writekey: authority === 'write' ? parsed.writekey : undefined,
    version: undefined,
    encoding: undefined,
    size: undefined,
    verifyingKey: undefined,
    signingKey: undefined,
    encryptedPrivateKey: undefined,
  }
}
