import { Buffer } from 'node:buffer'
import { loadCodec } from '@lafs/codec'
import { createImmutableNode } from '@lafs/immutable'
import type { UploadJournal, UploadOptions } from '@lafs/immutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import type {
  IStorageBroker,
  IStorageServer,
  RIBucketWriter,
  RIStorageServer,
} from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { breakingLine, brokerOf, serverOf, sharesOn } from '@lafs/testing'
import type { BreakingLine } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { parseCapStrict } from '@lafs/uri'

export const codec = await loadCodec()
export const encoding = {
  requiredShares: 2,
  happyShares: 3,
  totalShares: 3,
  maxSegmentSize: 256 * 1024,
}
export const secrets = {
  convergence: new Uint8Array(16).fill(9),
  leaseSecret: new Uint8Array(32).fill(7),
}

/** Bytes of shares that went to servers, by where they stood in a share of which number. */
export interface Sent {
  readonly share: number
  readonly offset: number
  readonly size: number
}

/** A few servers, and what is sent to them. */
export interface ResumeGrid {
  readonly backends: readonly RIStorageServer[]
  readonly sent: Sent[]
  /** Moves the servers' clocks on. */
  elapse(ms: number): void
  /** What an upload goes over: to all servers but those that are away, by a line that may break. */
  over(line?: BreakingLine, away?: ReadonlySet<number>): IStorageBroker
  /** Options of an upload over that. */
  options(
    journal: UploadJournal | undefined,
    line?: BreakingLine,
    away?: ReadonlySet<number>,
  ): UploadOptions
}

export async function createResumeGrid(count = 3): Promise<ResumeGrid> {
  const transport = memoryTransport()
  const sent: Sent[] = []
  let aheadMs = 0
  const entries = await Promise.all(
    Array.from({ length: count }, async () => {
      const backend = createStorageServer({
        store: createMemoryStore(),
        now: () => Date.now() + aheadMs,
      })
      const { announcement } = await transport.serve(backend)
      const { storageServer } = await transport.connect(announcement)
      return { backend, storage: counted(storageServer, sent) }
    }),
  )
  const over: ResumeGrid['over'] = (line = breakingLine(Infinity), away = new Set()) =>
    brokerOf(
      entries
        .map(({ storage }, index) => serverOf(line.over(storage), index))
        .filter((_, index) => !away.has(index)),
    )
  return {
    backends: entries.map(({ backend }) => backend),
    sent,
    elapse: (ms) => {
      aheadMs += ms
    },
    over,
    options: (journal, line, away) => ({
      broker: over(line, away),
      codec,
      secrets,
      encoding,
      journal,
    }),
  }
}

function counted(storage: IStorageServer, sent: Sent[]): IStorageServer {
  const writer = (share: number, bucket: RIBucketWriter): RIBucketWriter => ({
    write: (offset, pieces, options) => {
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
      sent.push({ share, offset, size })
      return bucket.write(offset, pieces, options)
    },
    close: (options) => bucket.close(options),
    abort: (options) => bucket.abort(options),
  })
  // What is stored whole cannot break off.
  delete storage.storeShares
  return {
    ...storage,
    allocateBuckets: async (...request) => {
      const { alreadyGot, writers } = await storage.allocateBuckets(...request)
      const entries = [...writers].map(([share, one]) => [share, writer(share, one)] as const)
      return { alreadyGot, writers: new Map(entries) }
    },
    resumeUpload: async (storageIndex, share, request, options) => {
      const resumed = await storage.resumeUpload?.(storageIndex, share, request, options)
      if (resumed === undefined) throw new Error('expected a server that takes uploads up again')
      return { ...resumed, writer: writer(share, resumed.writer) }
    },
  }
}

/** Whether the servers hold exactly these shares, whole, each once. */
export async function holds(
  grid: ResumeGrid,
  storageIndex: Uint8Array,
  shares: ReadonlyMap<number, Uint8Array>,
): Promise<boolean> {
  const found = await Promise.all(
    grid.backends.map((backend) => sharesOn({ backend }, storageIndex)),
  )
  const count = found.reduce((sum, { size }) => sum + size, 0)
  return count === shares.size && areGood(grid, storageIndex, shares)
}

/** Whether the servers hold all of these shares, whole, and no other. */
export async function areGood(
  grid: ResumeGrid,
  storageIndex: Uint8Array,
  shares: ReadonlyMap<number, Uint8Array>,
): Promise<boolean> {
  const seen = new Set<number>()
  for (const backend of grid.backends) {
    for (const [share, bytes] of await sharesOn({ backend }, storageIndex)) {
      const expected = shares.get(share)
      if (expected === undefined || Buffer.compare(bytes, expected) !== 0) return false
      seen.add(share)
    }
  }
  return seen.size === shares.size
}

/** What the grid gives for a cap. */
export async function read(grid: ResumeGrid, text: string): Promise<Uint8Array> {
  const cap = parseCapStrict(text)
  if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
  return createImmutableNode(cap, { broker: grid.over(), codec }).downloadBestVersion()
}
