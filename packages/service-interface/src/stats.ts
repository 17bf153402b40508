import type { OperationOptions } from '@lafs/storage-interface'

/**
 * What a node counts (which only grows while it runs) and measures (which rises and falls), by name,
 * such as `uploader.files_uploaded`. A measure that cannot be had is undefined.
 *
 * @see allmydata.interfaces.RIStatsProvider.get_stats
 */
export interface NodeStats {
  readonly counters: ReadonlyMap<string, number>
  readonly stats: ReadonlyMap<string, number | undefined>
}

/**
 * Gives the statistics of a node to a gatherer. Upstream has retired the remote form; the web API
 * shows the same under `/statistics`.
 *
 * @see allmydata.interfaces.RIStatsProvider
 */
export interface RIStatsProvider {
  getStats(options?: OperationOptions): Promise<NodeStats>
}

/**
 * Collects the statistics of many nodes. Upstream has retired it.
 *
 * @see allmydata.interfaces.RIStatsGatherer
 */
export interface RIStatsGatherer {
  /** Asks this provider from now on, under this name. */
  provide(provider: RIStatsProvider, nickname: string, options?: OperationOptions): Promise<void>
}

/** A part of a node that has something to measure. @see allmydata.interfaces.IStatsProducer */
export interface IStatsProducer {
  /** Its measures by name, now. A measure that cannot be had is undefined. */
  getStats(): Promise<ReadonlyMap<string, number | undefined>>
}
