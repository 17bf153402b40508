import { loadCodec } from '@lafs/codec'
import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto } from '@lafs/crypto'
import type { RsaSigningKey } from '@lafs/crypto'
import type { IMutableFileNode } from '@lafs/filesystem-interface'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import type { CreateMutableFileOptions, MutableContext, MutableFileCap } from '@lafs/mutable'
import type { ShareNumber, TestWriteVectors } from '@lafs/storage-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import { brokerOf } from '@lafs/testing'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { parseCapStrict } from '@lafs/uri'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { createServers, sharesOn } from './publish-grid.ts'
import type { TestServer } from './publish-grid.ts'

interface Published {
  readonly file: string
  readonly cases: readonly { readonly offset: number; readonly length: number }[]
}

const codec: CodecProvider = await loadCodec()
const published = await loadVectors<Published>('mutable/published')
const publishedKeys = await loadBytes(published.file)

/** DER of one of the keys that upstream publishes: a test need not make its own. */
export function privateKeyDer(number: number): Uint8Array {
  const place = published.cases[number]
  if (place === undefined) throw new RangeError(`no key ${number}`)
  return publishedKeys.slice(place.offset, place.offset + place.length)
}

/** Gives upstream's keys, one after the other. */
export function recordedKeys(): { take(): Promise<RsaSigningKey>; readonly taken: number } {
  let taken = 0
  return {
    take: () => defaultCrypto.importRsaSigningKey(privateKeyDer(taken++)),
    get taken() {
      return taken
    },
  }
}

/**
 * The waits between the tries of an edit, in milliseconds, where random numbers are all 0.5: the
 * normal distribution then gives a mean less `sqrt(2 ln 2)` times its deviation each time.
 *
 * @see allmydata.mutable.filenode.BackoffAgent
 */
const WAITS = [1, 2, 3].map(
  (tries) => 1000 * (Math.E * (1 - 0.119_626_564_92 * Math.sqrt(2 * Math.LN2))) ** tries,
)

/** Which of the waits between tries this is, from 1 on; 0 where it is something else. */
export function waitNumber(delayMs: number): number {
  return WAITS.findIndex((one) => Math.abs(one - delayMs) < 0.001) + 1
}

/** The platform's clock, but for the waits between tries: those are noted by their number, and over at once. */
function hurriedClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = []
  return {
    waits,
    nowMs: () => systemClock.nowMs(),
    after: (delayMs, callback) => {
      const wait = waitNumber(delayMs)
      if (wait === 0) return systemClock.after(delayMs, callback)
      waits.push(wait)
      return systemClock.after(0, callback)
    },
  }
}

/** Servers in memory, and what nodes of clients on them are made of. */
export interface NodeGrid {
  readonly servers: readonly TestServer[]
  readonly context: MutableContext
  /** The waits between tries that there were, by {@link waitNumber}. */
  readonly waits: readonly number[]
  /** A new file with one of upstream's keys. */
  create(
    contents: Parameters<typeof createMutableFile>[0],
    options?: Partial<CreateMutableFileOptions>,
  ): Promise<IMutableFileNode>
  /** A node that knows nothing but a cap: that of another client. */
  open(cap: string | undefined): IMutableFileNode
  /** How many messages with something to write have come to servers. */
  writes(): number
  /** The sequence numbers of the shares, by share number. */
  sequenceNumbers(node: IMutableFileNode): Promise<Map<ShareNumber, number>>
}

/** Whether a message writes; one that does not may still read, and renew leases. */
function writesShares(vectors: ReadonlyMap<ShareNumber, TestWriteVectors>): boolean {
  return vectors.size > 0
}

/** Does something to the messages of a server that write, and lets the others pass. */
export function onShareWrite(server: TestServer, act: TestServer['onWrite']): void {
  server.onWrite = (write) => {
    const vectors = server.writes.at(-1)
    return vectors !== undefined && writesShares(vectors) ? act(write) : write()
  }
}

/** A grid of one share a server. */
export async function createNodeGrid(
  options: { readonly count?: number; readonly context?: Partial<MutableContext> } = {},
): Promise<NodeGrid> {
  const { count = 10 } = options
  const servers = await createServers(count)
  const known = servers.map(({ server }) => server)
  const clock = hurriedClock()
  const keyPool = recordedKeys()
  const context: MutableContext = {
    broker: brokerOf(known),
    codec,
    crypto: defaultCrypto,
    clock,
    leaseSecret: new Uint8Array(32).fill(7),
    encoding: { requiredShares: 3, totalShares: 10 },
    random: () => 0.5,
    ...options.context,
  }
  return {
    servers,
    context,
    waits: clock.waits,
    create: (contents, more) => createMutableFile(contents, { context, keyPool, ...more }),
    open: (text) => createMutableNode(parseCapStrict(text ?? '') as MutableFileCap, context),
    writes: () => servers.flatMap((server) => server.writes.filter(writesShares)).length,
    sequenceNumbers: async ({ storageIndex = new Uint8Array() }) => {
      const shares = await Promise.all(servers.map((server) => sharesOn(server, storageIndex)))
      return new Map(
        shares
          .flatMap((ofServer) => [...ofServer])
          .map(([share, bytes]) => [share, parseMutableHeader(bytes).sequenceNumber] as const)
          .toSorted(([a], [b]) => a - b),
      )
    },
  }
}
