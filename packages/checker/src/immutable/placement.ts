import type { ProgressListener } from '@lafs/filesystem-interface'
import { placeMissingShares } from '@lafs/immutable'
import type { ShareMap } from '@lafs/immutable'
import type {
  AllocateResult,
  IServer,
  IStorageServer,
  RIBucketWriter,
} from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { within } from '@lafs/storage-protocol/waiting'
import type { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { countGoodShares } from './count-shares.ts'
import { addHolder } from './findings.ts'
import { spoiltKey } from './standing.ts'
import type { Standing } from './standing.ts'
import { inTime, noAnswer, QUERY_TIMEOUT_MS } from './timeouts.ts'

/** A server that has reserved room for a share. */
export interface Reservation {
  readonly server: IServer
  readonly storage: IStorageServer
  readonly bucket: RIBucketWriter
}

/** What room is reserved for, and with what. */
export interface ReservationRequest {
  readonly cap: ChkVerifierCap
  readonly context: CheckerContext
  /** Bytes of each share, the whole share with its layout. */
  readonly allocatedSize: number
  readonly standing: Standing
  readonly requests: Cancellation
  readonly onProgress: ProgressListener | undefined
}

/**
 * Finds servers for the shares that are missing: places them, reserves room, and places those that
 * found none anew, until each has a server or none is left. Servers that were silent before are asked
 * last. A share that turns out to be there already counts once it has been verified.
 *
 * @throws the reason of the signal; whatever was reserved until then is given back.
 */
export async function reserveMissing(
  request: ReservationRequest,
): Promise<Map<number, Reservation>> {
  const { cap, context, standing } = request
  const servers = context.broker.serversForStorageIndex(cap.storageIndex, { forUpload: true })
  const reserved = new Map<number, Reservation>()
  try {
    const responding = servers.filter(({ serverId }) => standing.serversResponding.has(serverId))
    await reserveOn(responding, request, reserved)
    await reserveOn(servers, request, reserved)
    return reserved
  } catch (error) {
    abortAll([...reserved.values()].map(({ bucket }) => bucket))
    throw error
  }
}

/** The shares that no server has. */
export function missingShares(
  { totalShares }: ChkVerifierCap,
  ...known: readonly Pick<ReadonlyMap<number, unknown>, 'has'>[]
): number[] {
  const all = Array.from({ length: totalShares }, (_, share) => share)
  return all.filter((share) => !known.some((shares) => shares.has(share)))
}

async function reserveOn(
  servers: readonly IServer[],
  request: ReservationRequest,
  reserved: Map<number, Reservation>,
): Promise<void> {
  const { cap, standing, onProgress } = request
  const { sharemap, closed, spoilt } = standing
  // A server that has spoilt shares before may do so again.
  const spoils = (serverId: string): number =>
    [...spoilt].filter((key) => key.endsWith(` ${serverId}`)).length
  const order = servers.map(({ serverId }) => serverId).toSorted((a, b) => spoils(a) - spoils(b))
  for (;;) {
    const shareMap: ShareMap = new Map([...sharemap].map(([share, ids]) => [share, new Set(ids)]))
    for (const [share, { server }] of reserved) addHolder(shareMap, share, server.serverId)
    const placement = placeMissingShares({
      peers: order.filter((serverId) => !closed.has(serverId)),
      missingShares: missingShares(cap, shareMap),
      shareMap,
      allowed: (serverId, share) => !spoilt.has(spoiltKey(serverId, share)),
    })
    if (placement.size === 0) return
    await Promise.all(
      servers.map((server) => {
        const wanted = [...placement].filter(([, serverId]) => serverId === server.serverId)
        return allocate(server, new Set(wanted.map(([share]) => share)), request, reserved)
      }),
    )
    const done = cap.totalShares - missingShares(cap, sharemap, reserved).length
    onProgress?.({ phase: 'placing', done, total: cap.totalShares })
  }
}

/** Reserves room for shares on a server, and notes what came of it. */
async function allocate(
  server: IServer,
  shareNumbers: ReadonlySet<number>,
  request: ReservationRequest,
  reserved: Map<number, Reservation>,
): Promise<void> {
  if (shareNumbers.size === 0) return
  const { standing, requests } = request
  const { serverId } = server
  try {
    const { storage, result } = await ask(server, shareNumbers, request)
    standing.serversResponding.add(serverId)
    for (const [share, bucket] of result.writers) {
      if (shareNumbers.has(share)) reserved.set(share, { server, storage, bucket })
      else abortAll([bucket])
    }
    const there = [...shareNumbers].filter((share) => result.alreadyGot.has(share))
    const refused = [...shareNumbers].some(
      (share) => !result.alreadyGot.has(share) && !result.writers.has(share),
    )
    if (refused) standing.closed.add(serverId)
    // What the check did not see.
    if (there.length > 0) {
      await countGoodShares([{ server, storage, shareNumbers: there }], request, 'all')
    }
  } catch {
    requests.signal.throwIfAborted()
    standing.closed.add(serverId)
  }
}

async function ask(
  server: IServer,
  shareNumbers: ReadonlySet<number>,
  { cap, context, allocatedSize, requests }: ReservationRequest,
): Promise<{ readonly storage: IStorageServer; readonly result: AllocateResult }> {
  const { clock } = context
  const delayMs = QUERY_TIMEOUT_MS
  const limit = { requests, clock, delayMs }
  const storage = await inTime((signal) => server.storageServer({ signal }), limit)
  // Not to be aborted: the answer must come, so that what it reserves can be given back.
  const allocation = storage.allocateBuckets(cap.storageIndex, {
    ...leaseSecretsOf(cap.storageIndex, context)(server),
    shareNumbers,
    allocatedSize,
  })
  const result = await requests.run((signal) =>
    within(allocation, {
      clock,
      delayMs,
      timeout: () => noAnswer(delayMs),
      signal,
      late: ({ writers }) => abortAll(writers.values()),
    }),
  )
  return { storage, result }
}

/** Gives back what a server has reserved; that it may not hear of it is its own loss. */
function abortAll(buckets: Iterable<RIBucketWriter>): void {
  for (const bucket of buckets) void bucket.abort().catch(() => {})
}
