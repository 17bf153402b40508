import type { BucketRecord, ShareNumber, ShareRecord } from '@lafs/storage-interface'
import { ageOf, standingOf, type ExpirationPolicy } from './expiration.ts'
import { isObject, numberOr, numbersOf, type JsonObject } from './json.ts'

/** A damaged share by its storage index in base32 and its number. */
export type CorruptShare = readonly [storageIndex: string, shareNumber: ShareNumber]

/** So many leases of an age from `from` to `to`, in seconds; ages are counted by the day. */
export type LeaseAgeCount = readonly [from: number, to: number, count: number]

/**
 * What a cycle of the lease checker has counted, in the words of upstream's files.
 *
 * `space-recovered` counts buckets, shares, bytes of shares and bytes of disk (`examined-buckets`,
 * `actual-diskbytes-mutable` …): those examined, those deleted (`actual`), those that would have been
 * by the leases' own word (`original`) and by the policy (`configured`), each once more by kind.
 *
 * @see allmydata.storage.expirer.LeaseCheckingCrawler.get_state
 */
export interface CycleCounts {
  readonly 'corrupt-shares': readonly CorruptShare[]
  readonly 'space-recovered': Readonly<Record<string, number>>
  readonly 'lease-age-histogram': readonly LeaseAgeCount[]
  /** How many shares have so many leases. */
  readonly 'leases-per-share-histogram': Readonly<Record<string, number>>
}

const DAY_SECONDS = 24 * 60 * 60
const WHICH = ['actual', 'original', 'configured', 'examined'] as const
const WHAT = ['buckets', 'shares', 'sharebytes', 'diskbytes'] as const
const KINDS = ['', '-mutable', '-immutable'] as const

/** Every count of `space-recovered`, in upstream's order. */
export const SPACE_KEYS: readonly string[] = WHICH.flatMap((which) =>
  WHAT.flatMap((what) => KINDS.map((kind) => `${which}-${what}${kind}`)),
)

/**
 * Beside `lease-age-histogram`, which a state file must leave empty: upstream cannot go on from one
 * with entries, since it writes a list and expects a dictionary.
 */
const OWN_AGES_KEY = 'lafs-lease-age-histogram'

/** Counts what a walk over all shares finds. */
export class CycleTally {
  readonly #corrupt: CorruptShare[] = []
  readonly #space: Record<string, number> = Object.fromEntries(SPACE_KEYS.map((key) => [key, 0]))
  /** By the first second of the age. */
  readonly #ages = new Map<number, number>()
  readonly #leasesPerShare: Record<string, number> = {}

  /** Goes on from what {@link CycleTally.saved}, or upstream, has saved; anew from anything else. */
  static from(saved: unknown): CycleTally {
    const tally = new CycleTally()
    if (!isObject(saved)) return tally
    const corrupt: unknown = saved['corrupt-shares']
    if (Array.isArray(corrupt)) tally.#corrupt.push(...corrupt.filter(isCorruptShare))
    Object.assign(tally.#space, numbersOf(saved['space-recovered']))
    Object.assign(tally.#leasesPerShare, numbersOf(saved['leases-per-share-histogram']))
    tally.#addAges(saved['lease-age-histogram'])
    tally.#addAges(saved[OWN_AGES_KEY])
    return tally
  }

  /** Counts a share that was looked at. */
  addShare(share: ShareRecord, policy: ExpirationPolicy, nowSeconds: number, gone: boolean): void {
    for (const lease of share.leases) {
      const day = Math.trunc(ageOf(lease, nowSeconds) / DAY_SECONDS)
      this.#addAge(day * DAY_SECONDS, 1)
    }
    const { unendedCount, keptCount } = standingOf(share, policy, nowSeconds)
    increment(this.#leasesPerShare, String(share.leases.length), 1)
    this.#addShareSpace('examined', share)
    if (unendedCount === 0) this.#addShareSpace('original', share)
    if (keptCount === 0) this.#addShareSpace('configured', share)
    if (gone) this.#addShareSpace('actual', share)
  }

  /** Notes a share of which nothing can be told. */
  addCorrupt(storageIndex: string, shareNumber: ShareNumber): void {
    this.#corrupt.push([storageIndex, shareNumber])
  }

  /**
   * Counts a bucket, whose shares have been. It goes when the last of its shares does.
   *
   * @param gone - the numbers of the shares that were deleted.
   */
  addBucket(
    bucket: BucketRecord,
    policy: ExpirationPolicy,
    nowSeconds: number,
    gone: ReadonlySet<ShareNumber>,
  ): void {
    const { shares } = bucket
    const kind = shares.at(-1)?.kind
    increment(this.#space, 'examined-buckets', 1)
    if (kind !== undefined) increment(this.#space, `examined-buckets-${kind}`, 1)
    const standings = shares.map((share) => ({
      ...standingOf(share, policy, nowSeconds),
      damaged: share.damage !== undefined,
    }))
    if (standings.every(({ unendedCount, damaged }) => unendedCount === 0 && !damaged))
      this.#addBucketSpace('original', bucket.diskBytes, kind)
    if (standings.every(({ keptCount, damaged }) => keptCount === 0 && !damaged))
      this.#addBucketSpace('configured', bucket.diskBytes, kind)
    if (shares.every(({ shareNumber }) => gone.has(shareNumber)))
      this.#addBucketSpace('actual', bucket.diskBytes, kind)
  }

  /** What was counted so far. */
  counts(): CycleCounts {
    return {
      'corrupt-shares': [...this.#corrupt],
      'space-recovered': { ...this.#space },
      'lease-age-histogram': this.#ageCounts(),
      'leases-per-share-histogram': { ...this.#leasesPerShare },
    }
  }

  /** {@link CycleTally.counts} in a form from which upstream can go on too. */
  saved(): JsonObject {
    const counts = this.counts()
    return { ...counts, 'lease-age-histogram': {}, [OWN_AGES_KEY]: counts['lease-age-histogram'] }
  }

  #ageCounts(): LeaseAgeCount[] {
    const sorted = [...this.#ages].toSorted(([a], [b]) => a - b)
    return sorted.map(([from, count]) => [from, from + DAY_SECONDS, count])
  }

  #addAge(from: number, count: number): void {
    this.#ages.set(from, (this.#ages.get(from) ?? 0) + count)
  }

  /** Takes a list of `[from, to, count]`, or a dictionary of counts by `from,to`. */
  #addAges(saved: unknown): void {
    const entries: unknown[] = Array.isArray(saved)
      ? saved
      : Object.entries(numbersOf(saved)).map(([ages, count]) => [
          ...ages.split(',').map(Number),
          count,
        ])
    for (const entry of entries) {
      if (!Array.isArray(entry)) continue
      const [from, count] = [numberOr(entry[0], undefined), numberOr(entry[2], undefined)]
      if (from !== undefined && count !== undefined) this.#addAge(from, count)
    }
  }

  #addShareSpace(which: (typeof WHICH)[number], share: ShareRecord): void {
    for (const kind of ['', `-${share.kind}`]) {
      increment(this.#space, `${which}-shares${kind}`, 1)
      increment(this.#space, `${which}-sharebytes${kind}`, share.containerBytes)
      increment(this.#space, `${which}-diskbytes${kind}`, share.diskBytes)
    }
  }

  #addBucketSpace(
    which: (typeof WHICH)[number],
    diskBytes: number,
    kind: ShareRecord['kind'] | undefined,
  ): void {
    for (const suffix of kind === undefined ? [''] : ['', `-${kind}`]) {
      increment(this.#space, `${which}-diskbytes${suffix}`, diskBytes)
      increment(this.#space, `${which}-buckets${suffix}`, 1)
    }
  }
}

function increment(counts: Record<string, number>, key: string, by: number): void {
  counts[key] = (counts[key] ?? 0) + by
}

function isCorruptShare(value: unknown): value is CorruptShare {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'string' &&
    typeof value[1] === 'number'
  )
}
