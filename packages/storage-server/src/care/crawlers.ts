import { openBucketCounter, type BucketCounter } from './bucket-counter.ts'
import type { CrawlContext } from './crawler.ts'
import type { ExpirationPolicy } from './expiration.ts'
import { openLeaseChecker, type LeaseChecker } from './lease-checker.ts'

/** The crawlers of a storage server. */
export interface StorageCrawlers {
  readonly bucketCounter: BucketCounter
  readonly leaseChecker: LeaseChecker
}

/** Takes up the states that the crawlers of a store have left; they stand still until they are started. */
export async function openCrawlers(
  context: CrawlContext,
  policy: ExpirationPolicy,
  onDeleted: (bytes: number) => void,
): Promise<StorageCrawlers> {
  return {
    bucketCounter: await openBucketCounter(context),
    leaseChecker: await openLeaseChecker(context, policy, onDeleted),
  }
}
