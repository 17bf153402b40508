import type { ICheckResults, ShareLocator } from '@lafs/filesystem-interface'
import type { ShareMap } from '@lafs/immutable'

/** How things stand with the shares of a file that is being repaired. Servers are named by their ids. */
export interface Standing {
  /** The servers of each share that counts as good. */
  readonly sharemap: ShareMap
  readonly serversResponding: Set<string>
  /** Shares that stand where they are and are no good: none of their number can go there. */
  readonly spoilt: Set<string>
  /** Servers that have no room, or failed. */
  readonly closed: Set<string>
  /** Those of the check, and those that the repair has met. */
  readonly corruptShares: ShareLocator[]
  readonly incompatibleShares: ShareLocator[]
  /** What the repair has met with, for people. */
  readonly report: string[]
}

/** Names a share on a server in {@link Standing.spoilt}. */
export function spoiltKey(serverId: string, shareNumber: number): string {
  return `${shareNumber} ${serverId}`
}

/** How a check has found things to stand. */
export function standingOf(results: ICheckResults): Standing {
  const sharemap: ShareMap = new Map()
  for (const [share, servers] of results.sharemap) {
    if (typeof share === 'number') sharemap.set(share, new Set(servers))
  }
  const bad = [...results.corruptShares, ...results.incompatibleShares]
  return {
    sharemap,
    serversResponding: new Set(results.serversResponding),
    spoilt: new Set(bad.map(({ serverId, shareNumber }) => spoiltKey(serverId, shareNumber))),
    closed: new Set(),
    corruptShares: [...results.corruptShares],
    incompatibleShares: [...results.incompatibleShares],
    report: [],
  }
}
