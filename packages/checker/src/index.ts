export { createCheckable, type Checkable } from './checkable.ts'
export type { CheckerContext } from './context.ts'
export {
  createDeepCheckable,
  deepCheckEntries,
  type DeepCheckEntriesOptions,
  type DeepCheckEntry,
} from './deep/deep-check.ts'
export { renewLeases, type RenewalOptions, type RenewalStatus } from './deep/renewal.ts'
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
