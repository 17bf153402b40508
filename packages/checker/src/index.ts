export { createCheckable, type Checkable } from './checkable.ts'
export type { CheckerContext } from './context.ts'
export {
  deepCheckEntries,
  type DeepCheckEntriesOptions,
  type DeepCheckEntry,
} from './deep/deep-check.ts'
export { createDeepCheckable } from './deep/deep-checkable.ts'
export {
  deepCheckLines,
  deepStatsJson,
  manifestLines,
  type DeepCheckLine,
  type DeepStatsJson,
  type FailureLine,
  type ManifestLine,
  type StatsLine,
} from './deep/lines.ts'
export {
  renewLeases,
  type RenewalFailure,
  type RenewalOptions,
  type RenewalStatus,
  type ServerRenewals,
} from './deep/renewal.ts'
export {
  planRebalance,
  rebalance,
  type MoveOutcome,
  type RebalancePlan,
} from './rebalance/rebalance.ts'
export type { ShareMove } from './rebalance/plan.ts'
export {
  checkAndRepairResultsJson,
  checkResultsData,
  checkResultsJson,
  locatorJson,
  type CheckAndRepairResultsJson,
  type CheckCountsJson,
  type CheckResultsData,
  type CheckResultsJson,
  type ShareLocatorJson,
} from './results/json.ts'
export type { CheckTarget } from './target.ts'
