import { toBase32 } from '@lafs/crypto'
import type {
  ICheckAndRepairResults,
  ICheckResults,
  ShareLocator,
} from '@lafs/filesystem-interface'

/** A share in JSON: the id of its server, the storage index in base32, and the share number. */
export type ShareLocatorJson = readonly [serverId: string, storageIndex: string, share: number]

/** The counts of a check in JSON, by upstream's names. */
export interface CheckCountsJson {
  readonly 'count-happiness': number
  readonly 'count-shares-good': number
  readonly 'count-shares-needed': number
  readonly 'count-shares-expected': number
  readonly 'count-good-share-hosts': number
  readonly 'count-corrupt-shares': number
  readonly 'list-corrupt-shares': readonly ShareLocatorJson[]
  readonly 'servers-responding': readonly string[]
  /** By share number, or for mutable files by the name of a version's share. */
  readonly sharemap: Readonly<Record<string, readonly string[]>>
  readonly 'count-wrong-shares': number
  readonly 'count-recoverable-versions': number
  readonly 'count-unrecoverable-versions': number
}

/** The results of a check in JSON; of a LIT file only that it is healthy. */
export type CheckResultsJson =
  | { readonly 'storage-index': ''; readonly results: { readonly healthy: true } }
  | {
      readonly 'storage-index': string
      readonly summary: string
      readonly results: CheckCountsJson & {
        readonly healthy: boolean
        readonly recoverable: boolean
      }
    }

/** The results of a check and repair in JSON; of a LIT file only that nothing was repaired. */
export type CheckAndRepairResultsJson =
  | { readonly 'storage-index': ''; readonly 'repair-attempted': false }
  | {
      readonly 'storage-index': string
      readonly 'repair-attempted': boolean
      readonly 'repair-successful': boolean
      readonly 'pre-repair-results': CheckResultsJson
      readonly 'post-repair-results': CheckResultsJson
    }

/** What a check found as upstream's data dictionary has it. */
export interface CheckResultsData {
  readonly 'count-happiness': number
  readonly 'count-shares-needed': number
  readonly 'count-shares-expected': number
  readonly 'count-shares-good': number
  readonly 'count-good-share-hosts': number
  readonly 'count-recoverable-versions': number
  readonly 'count-unrecoverable-versions': number
  readonly 'servers-responding': readonly string[]
  /** By share number, or for mutable files by the name of a version's share; as they were found. */
  readonly sharemap: ReadonlyMap<number | string, readonly string[]>
  readonly 'count-wrong-shares': number
  readonly 'list-corrupt-shares': readonly ShareLocator[]
  readonly 'count-corrupt-shares': number
  readonly 'list-incompatible-shares': readonly ShareLocator[]
  readonly 'count-incompatible-shares': number
  /** Upstream has dropped it since 1.9. */
  readonly 'needs-rebalancing': boolean
}

/**
 * The data dictionary of a check: its results under upstream's names.
 *
 * @see allmydata.check_results.CheckResults.as_dict; allmydata.interfaces.ICheckResults.get_data
 */
export function checkResultsData(results: ICheckResults): CheckResultsData {
  return {
    'count-happiness': results.happiness,
    'count-shares-needed': results.requiredShares,
    'count-shares-expected': results.totalShares,
    'count-shares-good': results.goodShareCount,
    'count-good-share-hosts': results.goodShareHostCount,
    'count-recoverable-versions': results.recoverableVersionCount,
    'count-unrecoverable-versions': results.unrecoverableVersionCount,
    'servers-responding': [...results.serversResponding],
    sharemap: new Map(
      [...results.sharemap].map(([share, servers]) => [share, [...servers].toSorted()]),
    ),
    'count-wrong-shares': results.wrongShareCount,
    'list-corrupt-shares': results.corruptShares,
    'count-corrupt-shares': results.corruptShares.length,
    'list-incompatible-shares': results.incompatibleShares,
    'count-incompatible-shares': results.incompatibleShares.length,
    'needs-rebalancing': results.needsRebalancing,
  }
}

/**
 * The results of a check as a value for `JSON.stringify`, key for key as upstream's web API gives
 * them.
 *
 * @param results - undefined for a LIT file.
 * @see allmydata.web.check_results.json_check_results
 */
export function checkResultsJson(results: ICheckResults | undefined): CheckResultsJson {
  if (results === undefined) return { 'storage-index': '', results: { healthy: true } }
  return {
    'storage-index': toBase32(results.storageIndex),
    summary: results.summary,
    results: {
      'count-happiness': results.happiness,
      'count-shares-good': results.goodShareCount,
      'count-shares-needed': results.requiredShares,
      'count-shares-expected': results.totalShares,
      'count-good-share-hosts': results.goodShareHostCount,
      'count-corrupt-shares': results.corruptShares.length,
      'list-corrupt-shares': results.corruptShares.map(locatorJson),
      'servers-responding': [...results.serversResponding],
      sharemap: Object.fromEntries(
        [...results.sharemap].map(([share, servers]) => [share, [...servers].toSorted()]),
      ),
      'count-wrong-shares': results.wrongShareCount,
      'count-recoverable-versions': results.recoverableVersionCount,
      'count-unrecoverable-versions': results.unrecoverableVersionCount,
      healthy: results.healthy,
      recoverable: results.recoverable,
    },
  }
}

/**
 * The results of a check and repair as a value for `JSON.stringify`, key for key as upstream's web
 * API gives them.
 *
 * @param results - undefined for a LIT file.
 * @see allmydata.web.check_results.json_check_and_repair_results
 */
export function checkAndRepairResultsJson(
  results: ICheckAndRepairResults | undefined,
): CheckAndRepairResultsJson {
  if (results === undefined) return { 'storage-index': '', 'repair-attempted': false }
  return {
    'storage-index': toBase32(results.storageIndex),
    'repair-attempted': results.repairAttempted,
    'repair-successful': results.repairSuccessful,
    'pre-repair-results': checkResultsJson(results.preRepairResults),
    'post-repair-results': checkResultsJson(results.postRepairResults),
  }
}

/** A share as JSON names it. */
export function locatorJson({
  serverId,
  storageIndex,
  shareNumber,
}: ShareLocator): ShareLocatorJson {
  return [serverId, toBase32(storageIndex), shareNumber]
}
