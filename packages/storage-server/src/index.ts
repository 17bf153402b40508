export { listAdvisories, type Advisory } from './advisory.ts'
export type { BucketCounter, BucketCounterState } from './care/bucket-counter.ts'
export type { CrawlerProgress, CrawlPosition } from './care/crawler.ts'
export type { StorageCrawlers } from './care/crawlers.ts'
export { KEEP_EVERYTHING, type ConfiguredMode, type ExpirationPolicy } from './care/expiration.ts'
export type {
  CycleRecord,
  EstimatedSpace,
  LeaseChecker,
  LeaseCheckerState,
} from './care/lease-checker.ts'
export {
  crawlerStates,
  expiringShares,
  judgeShares,
  surveyShares,
  type CrawlerStates,
  type JudgedLease,
  type JudgedShare,
  type SurveyOptions,
  type SurveyProgress,
} from './care/survey.ts'
export type { CorruptShare, CycleCounts, LeaseAgeCount } from './care/tally.ts'
export { createStorageServer, type StorageServer, type StorageServerOptions } from './server.ts'
