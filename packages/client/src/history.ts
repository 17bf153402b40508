import type {
  IClientStatus,
  IPublishStatus,
  IRetrieveStatus,
  IServermapUpdaterStatus,
  OperationHistory,
} from '@lafs/filesystem-interface'

/** Remembers the operations of a client: give it to {@link createClient} and ask it later. */
export interface History extends OperationHistory, IClientStatus {
  /** The last ones to begin, under way or over. */
  listRecentServermapUpdates(): readonly IServermapUpdaterStatus[]
  /** The last ones to begin, under way or over. */
  listRecentPublishes(): readonly IPublishStatus[]
  /** The last ones to begin, under way or over. */
  listRecentRetrieves(): readonly IRetrieveStatus[]
}

/** A history of the last operations of each kind. @see allmydata.history.History */
export function createHistory(): History {
  throw new Error('not there yet')
}
