import type { CheckOptions, ICheckResults } from '@lafs/filesystem-interface'
import type { ShareMap } from '@lafs/immutable'
import type { IServer, RIBucketReader } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { addHolder, immutableResults } from './findings.ts'
import { verifyFoundShares } from './verify-shares.ts'
import type { FoundShare, JudgedShares } from './verify-shares.ts'
import { inTime, messageOf, QUERY_TIMEOUT_MS } from './timeouts.ts'

/** What the servers said of a file. */
interface Listing {
  readonly shares: FoundShare[]
  readonly serversResponding: Set<string>
  readonly report: string[]
}

/** One listing of the shares of a file. */
interface ListingRequest {
  readonly cap: ChkVerifierCap
  readonly context: CheckerContext
  /** Gives the secrets of our lease on each server; undefined where no lease is to be added. */
  readonly secretsOn: ReturnType<typeof leaseSecretsOf> | undefined
  readonly requests: Cancellation
}

/**
 * Looks at the health of an immutable file: asks every server in reach for shares, and believes it
 * or (with `verify`) reads every share and checks all that is in it. Servers that do not answer in
 * time are not waited for.
 *
 * @throws the reason of the signal.
 * @see allmydata.immutable.checker.Checker
 */
export async function checkImmutable(
  cap: ChkVerifierCap,
  context: CheckerContext,
  options: CheckOptions = {},
): Promise<ICheckResults> {
  const { verify = false, addLease = false, onProgress, signal } = options
  signal?.throwIfAborted()
  const requests = new Cancellation(signal)
  try {
    onProgress?.({ phase: 'locating', done: 0, total: undefined })
    const secretsOn = addLease ? leaseSecretsOf(cap.storageIndex, context) : undefined
    const listing = await listShares({ cap, context, secretsOn, requests })
    const { shares, serversResponding, report } = listing
    onProgress?.({ phase: 'locating', done: shares.length, total: shares.length })
    const judged = verify
      ? await verifyFoundShares(cap, shares, context, { requests, onProgress })
      : believed(shares)
    return immutableResults(cap, {
      ...judged,
      serversResponding,
      candidateServers: candidates(cap, context, serversResponding),
      summary: (healthy) => (healthy ? 'Healthy' : notHealthy(cap, judged.sharemap.size)),
      report: [...report, ...judged.report],
    })
  } finally {
    requests.abort(new Error('the check has ended'))
    requests.dispose()
  }
}

function believed(shares: readonly FoundShare[]): JudgedShares {
  const sharemap: ShareMap = new Map()
  for (const { server, shareNumber } of shares) addHolder(sharemap, shareNumber, server.serverId)
  return { sharemap, corruptShares: [], incompatibleShares: [], report: [] }
}

function notHealthy({ requiredShares, totalShares }: ChkVerifierCap, good: number): string {
  return `Not Healthy: ${good} shares (enc ${requiredShares}-of-${totalShares})`
}

/** The servers that could take a share more, in the order of the file. */
function candidates(
  { storageIndex }: ChkVerifierCap,
  { broker }: CheckerContext,
  responding: ReadonlySet<string>,
): string[] {
  return broker
    .serversForStorageIndex(storageIndex, { forUpload: true })
    .map(({ serverId }) => serverId)
    .filter((id) => responding.has(id))
}

/** Asks every server in reach for the shares of a file, all at once; the shares in order. */
async function listShares(request: ListingRequest): Promise<Listing> {
  const servers = request.context.broker.serversForStorageIndex(request.cap.storageIndex)
  const answers = await Promise.all(servers.map((server) => listSharesOn(server, request)))
  const listing: Listing = { shares: [], serversResponding: new Set(), report: [] }
  for (const [index, server] of servers.entries()) {
    const { buckets, problems = [] } = answers[index] ?? {}
    listing.report.push(...problems.map((problem) => `${server.name}: ${problem}`))
    if (buckets === undefined) continue
    listing.serversResponding.add(server.serverId)
    for (const [shareNumber, bucket] of buckets) {
      if (shareNumber < request.cap.totalShares) {
        listing.shares.push({ server, shareNumber, bucket })
      } else {
        listing.report.push(
          `${server.name}: share ${shareNumber} of a file of ${request.cap.totalShares}`,
        )
      }
    }
  }
  listing.shares.sort((a, b) => a.shareNumber - b.shareNumber)
  return listing
}

/** What a server has of a file; renews our lease there, where asked to and where it has something. */
async function listSharesOn(
  server: IServer,
  { cap, context, secretsOn, requests }: ListingRequest,
): Promise<{
  readonly buckets?: ReadonlyMap<number, RIBucketReader>
  readonly problems?: readonly string[]
}> {
  const limit = { requests, clock: context.clock, delayMs: QUERY_TIMEOUT_MS }
  try {
    const { storage, buckets } = await inTime(async (signal) => {
      const operations = await server.storageServer({ signal })
      const found = await operations.getBuckets(cap.storageIndex, { signal })
      return { storage: operations, buckets: found }
    }, limit)
    if (secretsOn === undefined || buckets.size === 0) return { buckets }
    const lease = inTime(
      (signal) => storage.addLease(cap.storageIndex, secretsOn(server), { signal }),
      limit,
    )
    const problem = await lease.then(
      () => undefined,
      (error: unknown) => `no lease could be added: ${messageOf(error)}`,
    )
    requests.signal.throwIfAborted()
    return { buckets, problems: problem === undefined ? [] : [problem] }
  } catch (error) {
    requests.signal.throwIfAborted()
    return { problems: [messageOf(error)] }
  }
}
