import type { ICheckResults, ShareLocator } from '@lafs/filesystem-interface'
import { serversOfHappiness, sharesByServer } from '@lafs/immutable'
import type { ShareMap } from '@lafs/immutable'
import type { ChkVerifierCap } from '@lafs/uri'
import { rebalancingMoves } from '../rebalance/plan.ts'
import { createCheckResults } from '../results/check-results.ts'

/** What is known of the shares of an immutable file. Servers are named by their ids. */
export interface ImmutableFindings {
  /** The servers of each good share. */
  readonly sharemap: ShareMap
  readonly corruptShares: readonly ShareLocator[]
  readonly incompatibleShares: readonly ShareLocator[]
  readonly serversResponding: ReadonlySet<string>
  /** Servers that shares could move to, those to be filled first, first. */
  readonly candidateServers: Iterable<string>
  /** One line for people, given whether the file is healthy. */
  readonly summary: (healthy: boolean) => string
  /** More lines for people. */
  readonly report: readonly string[]
}

/**
 * The results that some findings amount to.
 *
 * @see allmydata.immutable.checker.Checker._format_results
 */
export function immutableResults(cap: ChkVerifierCap, findings: ImmutableFindings): ICheckResults {
  const { sharemap, candidateServers, summary, ...others } = findings
  const good = sharemap.size
  const healthy = good >= cap.totalShares
  const recoverable = good >= cap.requiredShares
  return createCheckResults({
    ...others,
    storageIndex: cap.storageIndex,
    uri: cap.format(),
    healthy,
    recoverable,
    needsRebalancing: rebalancingMoves({ sharemap, candidateServers }).length > 0,
    happiness: serversOfHappiness(sharemap),
    requiredShares: cap.requiredShares,
    totalShares: cap.totalShares,
    goodShareCount: good,
    wrongShareCount: 0,
    goodShareHostCount: sharesByServer(sharemap).size,
    recoverableVersionCount: recoverable ? 1 : 0,
    unrecoverableVersionCount: recoverable ? 0 : 1,
    sharemap,
    summary: summary(healthy),
  })
}

/** Notes a server of a share. */
export function addHolder(sharemap: ShareMap, shareNumber: number, serverId: string): void {
  sharemap.set(shareNumber, (sharemap.get(shareNumber) ?? new Set()).add(serverId))
}
