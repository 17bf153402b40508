import { checkGroups } from './scenario/checks.ts'
import { directoryGroups } from './scenario/directories.ts'
import { fileGroups } from './scenario/files.ts'
import { hostileGroups } from './scenario/hostile.ts'
import { nodeGroups } from './scenario/node.ts'
import { recentGroups } from './scenario/recent.ts'
import { unlinkedGroups } from './scenario/unlinked.ts'
import type { WebGroup } from './scenario.ts'

/** The requests that a gateway is judged by from its start. */
export const firstScenario: readonly WebGroup[] = recentGroups

/** All others, for which there are files. */
export const webApiScenario: readonly WebGroup[] = [
  ...unlinkedGroups,
  ...fileGroups,
  ...directoryGroups,
  ...checkGroups,
  ...hostileGroups,
  ...nodeGroups,
]
export { compareObservations, judge } from './compare.ts'
export type { Difference, DifferenceRule, KnownDifference, Verdict } from './compare.ts'
export { knownDifferences } from './differences.ts'
export { makeNodeFiles, makeOwnFiles, makeSharedFiles } from './fixtures.ts'
export { differenceRules } from './rules.ts'
export { runScenario } from './run-scenario.ts'
