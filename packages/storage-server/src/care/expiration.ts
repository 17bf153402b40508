import { LEASE_DURATION_SECONDS } from '@lafs/storage-interface'
import type { ShareKind, ShareRecord, StoredLease, StoredShareKind } from '@lafs/storage-interface'

/** When leases end, and whether shares whose last lease has ended are deleted. */
export interface ExpirationPolicy {
  /** Whether anything is deleted at all. Without it the leases are counted all the same. */
  readonly enabled: boolean
  /**
   * `age`: a lease has ended when it says so, or so many seconds after it was granted or renewed last;
   * `cutoff-date`: when that was before a day, in seconds since 1970.
   */
  readonly mode:
    | { readonly kind: 'age'; readonly overrideLeaseDurationSeconds?: number | undefined }
    | { readonly kind: 'cutoff-date'; readonly cutoffSeconds: number }
  /** Whether immutable shares are among those that go. */
  readonly immutable: boolean
  /** Whether mutable shares are. */
  readonly mutable: boolean
}

/** The policy of a server that was told none: nothing goes. */
export const KEEP_EVERYTHING: ExpirationPolicy = {
  enabled: false,
  mode: { kind: 'age' },
  immutable: true,
  mutable: true,
}

/** @throws RangeError for a policy that makes no sense: a mistake here could delete shares. */
export function checkPolicy({ mode }: ExpirationPolicy): void {
  const seconds = mode.kind === 'age' ? mode.overrideLeaseDurationSeconds : mode.cutoffSeconds
  if (seconds === undefined && mode.kind === 'age') return
  if (Number.isFinite(seconds) && Number(seconds) >= 0) return
  throw new RangeError(`expiration by ${mode.kind}: expected seconds >= 0, got ${seconds}`)
}

/** How long ago a lease was granted or renewed last: every lease runs 31 days from then. */
export function ageOf({ expiresAtSeconds }: StoredLease, nowSeconds: number): number {
  return nowSeconds - (expiresAtSeconds - LEASE_DURATION_SECONDS)
}

/** Whether a lease has ended by its own word. */
function hasEnded({ expiresAtSeconds }: StoredLease, nowSeconds: number): boolean {
  return expiresAtSeconds <= nowSeconds
}

/** Whether a lease on a share of this kind has ended by a policy, whether or not that is enabled. */
export function isExpired(
  lease: StoredLease,
  kind: StoredShareKind,
  policy: ExpirationPolicy,
  nowSeconds: number,
): boolean {
  if (kind === 'unknown' || !policy[kind]) return false
  const { mode } = policy
  if (mode.kind === 'cutoff-date')
    return lease.expiresAtSeconds - LEASE_DURATION_SECONDS < mode.cutoffSeconds
  const duration = mode.overrideLeaseDurationSeconds
  return duration === undefined ? hasEnded(lease, nowSeconds) : ageOf(lease, nowSeconds) > duration
}

/** How a share stands by its leases. */
export interface ShareStanding {
  /** Leases that have not ended by their own word. */
  readonly unendedCount: number
  /** Leases that have not ended by the policy. */
  readonly keptCount: number
  readonly expiredCount: number
}

/** Counts the leases of a share that hold it, by their own word and by a policy. */
export function standingOf(
  { kind, leases }: ShareRecord,
  policy: ExpirationPolicy,
  nowSeconds: number,
): ShareStanding {
  const unended = leases.filter((lease) => !hasEnded(lease, nowSeconds))
  const expired = leases.filter((lease) => isExpired(lease, kind, policy, nowSeconds))
  return {
    unendedCount: unended.length,
    keptCount: leases.length - expired.length,
    expiredCount: expired.length,
  }
}

/** A policy as upstream's state and history files have it: mode, duration, day, kinds of shares. */
export type ConfiguredMode = readonly [
  mode: ExpirationPolicy['mode']['kind'],
  overrideLeaseDurationSeconds: number | null,
  cutoffSeconds: number | null,
  kinds: readonly ShareKind[],
]

/** @see allmydata.storage.expirer.LeaseCheckingCrawler.finished_cycle */
export function configuredMode({ mode, immutable, mutable }: ExpirationPolicy): ConfiguredMode {
  const kinds: ShareKind[] = []
  if (immutable) kinds.push('immutable')
  if (mutable) kinds.push('mutable')
  return mode.kind === 'age'
    ? ['age', mode.overrideLeaseDurationSeconds ?? null, null, kinds]
    : ['cutoff-date', null, mode.cutoffSeconds, kinds]
}
