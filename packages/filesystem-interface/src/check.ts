import type { ShareNumber } from '@lafs/storage-interface'
import type { DeepFailure, DeepStats } from './directory.ts'
import type { IMonitor } from './monitor.ts'
import type { ProgressOptions } from './progress.ts'

/** Options of a check. */
export interface CheckOptions extends ProgressOptions {
  /**
   * Download every share and verify every bit, at n/k times the traffic of a download. Without it,
   * servers are asked for shares and believed. Default: false.
   */
  readonly verify?: boolean | undefined
  /** Add or renew our lease on every share. Default: false. */
  readonly addLease?: boolean | undefined
}

/** An object whose health can be looked at and mended. @see allmydata.interfaces.ICheckable */
export interface ICheckable {
  /**
   * Looks at the health of the object. Being unhealthy is an outcome, not an error.
   *
   * @returns undefined where nothing is stored (LIT), which is always healthy.
   */
  check(options?: CheckOptions): Promise<ICheckResults | undefined>
  /** The same, and makes and uploads new shares where it is not healthy. */
  checkAndRepair(options?: CheckOptions): Promise<ICheckAndRepairResults | undefined>
}

/** Options of a deep check, whose monitor cancels it and tells how far it is. */
export type DeepCheckOptions = Omit<CheckOptions, keyof ProgressOptions>

/** A directory whose whole tree can be checked. @see allmydata.interfaces.IDeepCheckable */
export interface IDeepCheckable {
  /**
   * Checks this and everything that can be reached from it, each object once. What cannot be read or
   * checked is among the results and ends nothing. The status shows the results so far.
   */
  startDeepCheck(options?: DeepCheckOptions): IMonitor<IDeepCheckResults>
  /** The same, mending what is not healthy. */
  startDeepCheckAndRepair(options?: DeepCheckOptions): IMonitor<IDeepCheckAndRepairResults>
}

/** One share on one server. */
export interface ShareLocator {
  readonly serverId: string
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  readonly shareNumber: ShareNumber
}

/**
 * Names a share in a check: for immutable files its number, and for mutable ones
 * `seq<number>-<root hash>-sh<share number>`.
 */
export type ShareIdentifier = ShareNumber | string

/**
 * What a check found, for mutable files of the best version: the recoverable one with the greatest
 * sequence number, then the greatest root hash. Servers are named by their ids.
 *
 * @see allmydata.interfaces.ICheckResults
 */
export interface ICheckResults {
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  /** The first characters of it in base32, for people. */
  readonly storageIndexString: string
  /** The text of the cap that was checked. */
  readonly uri: string
  /** Whether nothing at all is wrong. */
  readonly healthy: boolean
  /** Whether there are good shares enough to read the content. */
  readonly recoverable: boolean
  /** Whether moving shares to other servers would make the file safer. @see ICheckResults.needs_rebalancing */
  readonly needsRebalancing: boolean
  /** Servers of happiness. */
  readonly happiness: number
  /** k. @see ICheckResults.get_encoding_needed */
  readonly requiredShares: number
  /** N. @see ICheckResults.get_encoding_expected */
  readonly totalShares: number
  /** Different good shares. @see ICheckResults.get_share_counter_good */
  readonly goodShareCount: number
  /** Shares of other versions than the best; 0 for immutable files. @see ICheckResults.get_share_counter_wrong */
  readonly wrongShareCount: number
  /** Shares whose hashes or signatures do not fit. */
  readonly corruptShares: readonly ShareLocator[]
  /** Shares of a format that the checker does not know. */
  readonly incompatibleShares: readonly ShareLocator[]
  /** Servers that answered the question for shares, whatever they did afterwards. */
  readonly serversResponding: ReadonlySet<string>
  /** Servers with good shares; fewer than good shares where some servers hold several. @see ICheckResults.get_host_counter_good_shares */
  readonly goodShareHostCount: number
  /** 1 for a healthy file. @see ICheckResults.get_version_counter_recoverable */
  readonly recoverableVersionCount: number
  /** 0 for a healthy file. @see ICheckResults.get_version_counter_unrecoverable */
  readonly unrecoverableVersionCount: number
  /** The servers that hold each share. */
  readonly sharemap: ReadonlyMap<ShareIdentifier, ReadonlySet<string>>
  /** One line for people. */
  readonly summary: string
  /** More lines for people. */
  readonly report: readonly string[]
}

/** What a check found and a repair did. @see allmydata.interfaces.ICheckAndRepairResults */
export interface ICheckAndRepairResults {
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  /** The first characters of it in base32, for people. */
  readonly storageIndexString: string
  /** False for healthy objects, and for those that nobody knows how to repair. */
  readonly repairAttempted: boolean
  /** Whether the object was mended to full health; false where no repair was tried. */
  readonly repairSuccessful: boolean
  /** How things stood before. */
  readonly preRepairResults: ICheckResults
  /** The same as before where no repair was tried. */
  readonly postRepairResults: ICheckResults
}

/** The counts of a deep check. In JSON, upstream writes `count-objects-checked` and so on. */
export interface DeepCheckCounters {
  readonly countObjectsChecked: number
  readonly countObjectsHealthy: number
  readonly countObjectsUnhealthy: number
  readonly countObjectsUnrecoverable: number
  readonly countCorruptShares: number
}

/** What a deep check found. @see allmydata.interfaces.IDeepCheckResults */
export interface IDeepCheckResults {
  /** The first characters of the storage index of the first object in base32. */
  readonly rootStorageIndexString: string
  readonly counters: DeepCheckCounters
  readonly corruptShares: readonly ShareLocator[]
  /** The results of each object that was checked, with its path from the first one. */
  allResults(): Iterable<readonly [path: readonly string[], results: ICheckResults]>
  /** The results of the object with this storage index; undefined where there are none. */
  resultsForStorageIndex(storageIndex: Uint8Array): ICheckResults | undefined
  readonly stats: DeepStats
  /** Directories that could not be read, and objects whose check failed. */
  readonly failures: readonly DeepFailure[]
}

/** The counts of a deep check with repair. In JSON, upstream writes `count-objects-checked` and so on. */
export interface DeepCheckAndRepairCounters {
  readonly countObjectsChecked: number
  readonly countObjectsHealthyPreRepair: number
  readonly countObjectsUnhealthyPreRepair: number
  readonly countObjectsUnrecoverablePreRepair: number
  readonly countObjectsHealthyPostRepair: number
  readonly countObjectsUnhealthyPostRepair: number
  readonly countObjectsUnrecoverablePostRepair: number
  readonly countRepairsAttempted: number
  readonly countRepairsSuccessful: number
  readonly countRepairsUnsuccessful: number
  readonly countCorruptSharesPreRepair: number
  readonly countCorruptSharesPostRepair: number
}

/** What a deep check found and its repairs did. @see allmydata.interfaces.IDeepCheckAndRepairResults */
export interface IDeepCheckAndRepairResults {
  /** The first characters of the storage index of the first object in base32. */
  readonly rootStorageIndexString: string
  readonly counters: DeepCheckAndRepairCounters
  readonly stats: DeepStats
  /** What was corrupt before. */
  readonly corruptShares: readonly ShareLocator[]
  /** What is corrupt still: shares that somebody must look at, and probably delete. */
  readonly remainingCorruptShares: readonly ShareLocator[]
  /** The results of each object that was checked, with its path from the first one. */
  allResults(): Iterable<readonly [path: readonly string[], results: ICheckAndRepairResults]>
  /** The results of the object with this storage index; undefined where there are none. */
  resultsForStorageIndex(storageIndex: Uint8Array): ICheckAndRepairResults | undefined
  /** Directories that could not be read, and objects whose check or repair failed. */
  readonly failures: readonly DeepFailure[]
}

/** Options of {@link IRepairable.repair}. */
export interface RepairOptions extends ProgressOptions {
  /** Repair even where that drops a newer version that cannot be recovered. Default: false. */
  readonly force?: boolean | undefined
}

/** An object that can be mended. @see allmydata.interfaces.IRepairable */
export interface IRepairable {
  /**
   * Makes new shares in place of those that are missing or bad.
   *
   * @param checkResults - of a check of this very object: which servers to avoid, and which shares
   *   there are.
   * @throws {@link FilesystemError} `REPAIR_REQUIRES_WRITECAP`, `REPAIR_MUST_FORCE`.
   */
  repair(checkResults: ICheckResults, options?: RepairOptions): Promise<IRepairResults>
}

/** What a repair did. @see allmydata.interfaces.IRepairResults */
export interface IRepairResults {
  /** Whether the object is healthy now. */
  readonly successful: boolean
}
