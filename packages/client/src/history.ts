import type {
  IClientStatus,
  IDownloadStatus,
  IPublishStatus,
  IRetrieveStatus,
  IServermapUpdaterStatus,
  IUploadStatus,
  OperationHistory,
  OperationStatus,
} from '@lafs/filesystem-interface'
import { LIT_SIZE_MAX } from '@lafs/immutable'

/** So many of the last operations of each kind are remembered, beside those under way. */
const UPLOADS_MAX = 10
const DOWNLOADS_MAX = 10
const SERVERMAP_UPDATES_MAX = 20
const PUBLISHES_MAX = 20
const RETRIEVES_MAX = 40

/** What a history counts, by upstream's names. */
export type HistoryCounter =
  | 'uploader.files_uploaded'
  | 'uploader.bytes_uploaded'
  | 'downloader.files_downloaded'
  | 'downloader.bytes_downloaded'
  | 'mutable.files_published'
  | 'mutable.bytes_published'
  | 'mutable.files_retrieved'
  | 'mutable.bytes_retrieved'

/** Remembers the operations of a client: give it to {@link createClient} and ask it later. */
export interface History extends OperationHistory, IClientStatus {
  /** Every one that is still remembered; for debugging. */
  listAllServermapUpdates(): readonly IServermapUpdaterStatus[]
  /** The last ones to begin, under way or over. */
  listRecentServermapUpdates(): readonly IServermapUpdaterStatus[]
  /** Every one that is still remembered; for debugging. */
  listAllPublishes(): readonly IPublishStatus[]
  /** The last ones to begin, under way or over. */
  listRecentPublishes(): readonly IPublishStatus[]
  /** Every one that is still remembered; for debugging. */
  listAllRetrieves(): readonly IRetrieveStatus[]
  /** The last ones to begin, under way or over. */
  listRecentRetrieves(): readonly IRetrieveStatus[]
  /**
   * What has begun since the history was made: operations, and bytes as far as their number is known.
   * What never happened is left out. Downloads count their reads.
   */
  counters(): ReadonlyMap<HistoryCounter, number>
}

/** A history of the last operations of each kind. @see allmydata.history.History */
export function createHistory(): History {
  const counters = new Counters()
  const uploads = new OperationLog<IUploadStatus>(UPLOADS_MAX)
  const downloads = new OperationLog<IDownloadStatus>(DOWNLOADS_MAX)
  const servermapUpdates = new OperationLog<IServermapUpdaterStatus>(SERVERMAP_UPDATES_MAX)
  const publishes = new OperationLog<IPublishStatus>(PUBLISHES_MAX)
  const retrieves = new OperationLog<IRetrieveStatus>(RETRIEVES_MAX)
  return {
    addUpload: (status) => {
      // What is kept in its cap is sent to nobody.
      if (status.size === undefined || status.size > LIT_SIZE_MAX) uploads.add(status)
      counters.count('uploader.files_uploaded', 'uploader.bytes_uploaded', status)
    },
    addDownload: (status) => downloads.add(status),
    addRead: (size) =>
      counters.count('downloader.files_downloaded', 'downloader.bytes_downloaded', {
        size,
        active: true,
      }),
    addServermapUpdate: (status) => servermapUpdates.add(status),
    addPublish: (status) => {
      publishes.add(status)
      counters.count('mutable.files_published', 'mutable.bytes_published', status)
    },
    addRetrieve: (status) => {
      retrieves.add(status)
      counters.count('mutable.files_retrieved', 'mutable.bytes_retrieved', status)
    },
    listAllUploads: () => uploads.all(),
    listActiveUploads: () => uploads.active(),
    listRecentUploads: () => uploads.recent(),
    listAllDownloads: () => downloads.all(),
    listActiveDownloads: () => downloads.active(),
    listRecentDownloads: () => downloads.recent(),
    listAllServermapUpdates: () => servermapUpdates.all(),
    listRecentServermapUpdates: () => servermapUpdates.recent(),
    listAllPublishes: () => publishes.all(),
    listRecentPublishes: () => publishes.recent(),
    listAllRetrieves: () => retrieves.all(),
    listRecentRetrieves: () => retrieves.recent(),
    counters: () => counters.all(),
  }
}

/** The last operations of one kind, and the older ones that are still under way. */
class OperationLog<Status extends OperationStatus> {
  readonly #max: number
  /** Oldest first. */
  #remembered: Status[] = []

  constructor(max: number) {
    this.#max = max
  }

  add(status: Status): void {
    // Numbers are taken in the order of beginning.
    void status.counter
    this.#remembered.push(status)
    const recentFrom = this.#remembered.length - this.#max
    this.#remembered = this.#remembered.filter((one, at) => at >= recentFrom || one.active)
  }

  all(): readonly Status[] {
    return [...this.#remembered]
  }

  active(): readonly Status[] {
    return this.#remembered.filter(({ active }) => active)
  }

  recent(): readonly Status[] {
    return this.#remembered.slice(-this.#max)
  }
}

/** What an operation tells of its size. */
type Sized = Pick<OperationStatus, 'size' | 'active'>

/** Counts operations, and their bytes once their number is known. */
class Counters {
  readonly #counts = new Map<HistoryCounter, number>()
  /** Operations that began without a size, and where their bytes are counted. */
  readonly #unsized = new Map<Sized, HistoryCounter>()

  count(files: HistoryCounter, bytes: HistoryCounter, operation: Sized): void {
    this.#settle()
    this.#add(files, 1)
    this.#add(bytes, operation.size ?? 0)
    if (operation.size === undefined) this.#unsized.set(operation, bytes)
  }

  all(): ReadonlyMap<HistoryCounter, number> {
    this.#settle()
    return new Map(this.#counts)
  }

  /** Counts the bytes of operations that have come to know their size, and forgets those that never will. */
  #settle(): void {
    for (const [operation, bytes] of this.#unsized) {
      if (operation.size !== undefined) this.#add(bytes, operation.size)
      if (operation.size !== undefined || !operation.active) this.#unsized.delete(operation)
    }
  }

  #add(counter: HistoryCounter, by: number): void {
    this.#counts.set(counter, (this.#counts.get(counter) ?? 0) + by)
  }
}
