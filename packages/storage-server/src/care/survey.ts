import { fromBase32 } from '@lafs/crypto'
import type {
  IShareStoreReader,
  ShareNumber,
  ShareRecord,
  StoredShareKind,
} from '@lafs/storage-interface'
import { BUCKET_COUNTER_STATE, type BucketCounterState } from './bucket-counter.ts'
import { PREFIXES } from './crawler.ts'
import { ageOf, checkPolicy, isExpired, standingOf, type ExpirationPolicy } from './expiration.ts'
import { parseObject } from './json.ts'
import {
  LEASE_CHECKER_HISTORY,
  LEASE_CHECKER_STATE,
  type CycleRecord,
  type LeaseCheckerState,
} from './lease-checker.ts'
import { CycleTally, type CycleCounts } from './tally.ts'

/** One lease as a policy sees it. */
export interface JudgedLease {
  readonly expiresAtSeconds: number
  /** Since it was granted or renewed last. */
  readonly ageSeconds: number
  readonly expired: boolean
}

/** What a policy would do to one share. */
export interface JudgedShare {
  /** In base32. */
  readonly storageIndex: string
  readonly shareNumber: ShareNumber
  readonly kind: StoredShareKind
  readonly containerBytes: number
  readonly diskBytes: number
  readonly leases: readonly JudgedLease[]
  /** A damaged share is never deleted. */
  readonly verdict: 'expires' | 'stays' | 'damaged'
  /** Why, for people. */
  readonly reason: string
}

/** Options of a look at all shares of a store. */
export interface SurveyOptions {
  /** Seconds since 1970. Default: now. */
  readonly nowSeconds?: number | undefined
  /** Told after each of the 1,024 prefixes. */
  readonly onProgress?: ((progress: SurveyProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** How far a look at all shares is. */
export interface SurveyProgress {
  /** 0 to 1. */
  readonly part: number
  readonly buckets: number
  readonly shares: number
}

/**
 * Tells of every share what a policy would do to it were it enabled, in the order of the walk. Changes
 * nothing, and works beside a server that uses the store.
 *
 * @throws RangeError for a policy that makes no sense.
 */
export async function* judgeShares(
  store: IShareStoreReader,
  policy: ExpirationPolicy,
  options: SurveyOptions = {},
): AsyncGenerator<JudgedShare> {
  checkPolicy(policy)
  const nowSeconds = options.nowSeconds ?? Date.now() / 1000
  for await (const { name, record } of buckets(store, options))
    for (const share of record.shares) yield judge(name, share, policy, nowSeconds)
}

/** Those of {@link judgeShares} that would go, and those that nothing can be told of. */
export async function* expiringShares(
  store: IShareStoreReader,
  policy: ExpirationPolicy,
  options: SurveyOptions = {},
): AsyncGenerator<JudgedShare> {
  for await (const share of judgeShares(store, policy, options))
    if (share.verdict !== 'stays') yield share
}

/**
 * Counts what stands in a store at once, as a cycle of the lease checker would. Nothing is deleted, so
 * that every `actual` count is 0, but for buckets that are empty.
 *
 * @throws RangeError for a policy that makes no sense.
 */
export async function surveyShares(
  store: IShareStoreReader,
  policy: ExpirationPolicy,
  options: SurveyOptions = {},
): Promise<CycleCounts> {
  checkPolicy(policy)
  const nowSeconds = options.nowSeconds ?? Date.now() / 1000
  const tally = new CycleTally()
  const nothing: ReadonlySet<ShareNumber> = new Set()
  for await (const { name, record } of buckets(store, options)) {
    for (const share of record.shares)
      if (share.damage === undefined) tally.addShare(share, policy, nowSeconds, false)
      else tally.addCorrupt(name, share.shareNumber)
    tally.addBucket(record, policy, nowSeconds, nothing)
  }
  return tally.counts()
}

/** What the crawlers of a server have written down last; undefined for what has never been. */
export interface CrawlerStates {
  readonly bucketCounter: Partial<BucketCounterState> | undefined
  readonly leaseChecker: Partial<LeaseCheckerState> | undefined
  readonly leaseHistory: Readonly<Record<string, CycleRecord>> | undefined
}

/** Reads the states of the crawlers of a server, which may run on meanwhile. */
export async function crawlerStates(store: IShareStoreReader): Promise<CrawlerStates> {
  const read = async (name: string): Promise<object | undefined> =>
    parseObject(await store.readState(name))
  return {
    bucketCounter: await read(BUCKET_COUNTER_STATE),
    leaseChecker: await read(LEASE_CHECKER_STATE),
    leaseHistory: (await read(LEASE_CHECKER_HISTORY)) as CrawlerStates['leaseHistory'],
  }
}

interface NamedBucket {
  readonly name: string
  readonly record: Awaited<ReturnType<IShareStoreReader['inspect']>>
}

async function* buckets(
  store: IShareStoreReader,
  { signal, onProgress }: SurveyOptions,
): AsyncGenerator<NamedBucket> {
  let bucketCount = 0
  let shareCount = 0
  let turnedMs = performance.now()
  for (const [index, prefix] of PREFIXES.entries()) {
    for (const name of await store.bucketNames(prefix)) {
      signal?.throwIfAborted()
      const record = await store.inspect(fromBase32(name))
      turnedMs = await turn(turnedMs)
      bucketCount += 1
      shareCount += record.shares.length
      yield { name, record }
    }
    signal?.throwIfAborted()
    const part = (index + 1) / PREFIXES.length
    onProgress?.({ part, buckets: bucketCount, shares: shareCount })
    turnedMs = await turn(turnedMs)
  }
}

/** Work goes on for so many milliseconds before others have their turn. */
const WORK_MS = 10

/** Lets others have their turn when it is time. @returns when they last had it. */
async function turn(lastMs: number): Promise<number> {
  if (performance.now() - lastMs < WORK_MS) return lastMs
  await new Promise((resolve) => {
    setTimeout(resolve, 0)
  })
  return performance.now()
}

function judge(
  storageIndex: string,
  share: ShareRecord,
  policy: ExpirationPolicy,
  nowSeconds: number,
): JudgedShare {
  const { shareNumber, kind, containerBytes, diskBytes, damage } = share
  const about = { storageIndex, shareNumber, kind, containerBytes, diskBytes }
  const leases = share.leases.map((lease) => ({
    expiresAtSeconds: lease.expiresAtSeconds,
    ageSeconds: ageOf(lease, nowSeconds),
    expired: isExpired(lease, kind, policy, nowSeconds),
  }))
  if (damage !== undefined)
    return { ...about, leases, verdict: 'damaged', reason: `left alone: ${damage.message}` }
  const { keptCount, expiredCount } = standingOf(share, policy, nowSeconds)
  if (expiredCount > 0 && keptCount === 0)
    return { ...about, leases, verdict: 'expires', reason: whyExpired(leases, policy) }
  return { ...about, leases, verdict: 'stays', reason: whyKept(share, keptCount, policy) }
}

/** Why a share goes: by the lease that was renewed last. */
function whyExpired(leases: readonly JudgedLease[], { mode }: ExpirationPolicy): string {
  const last = leases.reduce((a, b) => (a.ageSeconds < b.ageSeconds ? a : b))
  const count = leases.length === 1 ? 'its only lease' : `the last of its ${leases.length} leases`
  const renewed = `${count} was renewed ${daysOf(last.ageSeconds)} ago`
  if (mode.kind === 'cutoff-date') return `${renewed}, before ${dateOf(mode.cutoffSeconds)}`
  const duration = mode.overrideLeaseDurationSeconds
  return duration === undefined
    ? `${renewed} and ended ${dateOf(last.expiresAtSeconds)}`
    : `${renewed}, which is more than ${daysOf(duration)}`
}

function whyKept(share: ShareRecord, keptCount: number, policy: ExpirationPolicy): string {
  if (share.leases.length === 0) return 'it never had a lease that could end'
  if (share.kind !== 'unknown' && !policy[share.kind]) return `${share.kind} shares do not expire`
  return `${keptCount} of ${share.leases.length} leases hold it`
}

function daysOf(seconds: number): string {
  const days = seconds / 86_400
  return `${days.toFixed(days < 10 ? 1 : 0)} days`
}

function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10)
}
