import type {
  DownloadEvents,
  DownloadTimings,
  IDownloadResults,
  IDownloadStatus,
  IUploadResults,
  IUploadStatus,
  Progress,
  UploadProgress,
} from '@lafs/filesystem-interface'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { FileState } from './download/file-state.ts'

// Uploads and downloads take their numbers when a history or a page first asks for them: files that are kept
// in their caps have none.
let uploads = 0
let downloads = 0

/** How an upload goes: what its caller watches, and the upload itself writes. */
export class UploadStatus implements IUploadStatus {
  readonly startedMs: number
  readonly usingHelper = false
  storageIndex: Uint8Array | undefined
  size: number | undefined
  status = 'Not started'
  active = true
  progress: UploadProgress = { chk: 0, ciphertext: 1, encodeAndPush: 0 }
  results: IUploadResults | undefined
  #counter: number | undefined

  constructor(startedMs: number) {
    this.startedMs = startedMs
  }

  get counter(): number {
    this.#counter ??= uploads++
    return this.#counter
  }
}

/** How the reads of one node go: what its caller watches, and the reads themselves write. */
export class DownloadStatus implements IDownloadStatus {
  readonly storageIndex: Uint8Array
  readonly size: number
  readonly usingHelper = false
  startedMs: number
  status = 'Not started'
  progress = 0
  results: IDownloadResults | undefined
  readonly events: DownloadEvents | undefined
  readonly #clock: Clock
  readonly #serversUsed = new Set<string>()
  #counter: number | undefined
  #reads = 0
  #locatedMs: number | undefined

  constructor(
    storageIndex: Uint8Array,
    size: number,
    clock: Clock,
    events: DownloadEvents | undefined,
  ) {
    this.storageIndex = storageIndex
    this.size = size
    this.events = events
    this.#clock = clock
    this.startedMs = clock.nowMs()
  }

  get counter(): number {
    this.#counter ??= downloads++
    return this.#counter
  }

  get active(): boolean {
    return this.#reads > 0
  }

  begin(): void {
    if (this.#reads === 0) this.startedMs = this.#clock.nowMs()
    this.#reads += 1
    this.results = undefined
  }

  follow({ phase, done, total }: Progress): void {
    this.status = phase === 'locating' ? 'Locating shares' : 'Downloading'
    if (phase !== 'downloading') return
    this.#locatedMs ??= this.#clock.nowMs()
    this.progress = total === undefined || total === 0 ? 1 : done / total
  }

  used(serverIds: ReadonlySet<string>): void {
    for (const id of serverIds) this.#serversUsed.add(id)
  }

  /** Ends one read; the last one to end makes the results. */
  end(status: string, file: FileState): void {
    this.#reads -= 1
    this.status = status
    if (this.#reads > 0) return
    const nowMs = this.#clock.nowMs()
    const servermap = new Map<string, Set<number>>()
    for (const { server, shareNumber } of file.shares) {
      const shares = servermap.get(server.serverId) ?? new Set()
      servermap.set(server.serverId, shares.add(shareNumber))
    }
    const timings: DownloadTimings = {
      totalMs: nowMs - this.startedMs,
      peerSelectionMs: (this.#locatedMs ?? nowMs) - this.startedMs,
      ...(this.#locatedMs !== undefined && { segmentsMs: nowMs - this.#locatedMs }),
      ...eventTimings(file.events, this.startedMs),
    }
    this.results = {
      fileSize: this.size,
      serversUsed: new Set(this.#serversUsed),
      serverProblems: new Map([...file.finder.problems, ...file.problems]),
      servermap,
      timings,
    }
    this.#locatedMs = undefined
  }
}

/** What the events since a moment add up to. */
function eventTimings(events: DownloadEvents, sinceMs: number): DownloadTimings {
  const serversPeerSelectionMs = new Map<string, number>()
  for (const { serverId, success, startMs, finishMs } of events.shareQueries) {
    if (startMs < sinceMs || success !== true || finishMs === undefined) continue
    serversPeerSelectionMs.set(serverId, finishMs - startMs)
  }
  const fetchPerServerMs = new Map<string, number[]>()
  let cumulativeFetchMs = 0
  for (const { serverId, success, startMs, finishMs } of events.blockRequests) {
    if (startMs < sinceMs || success !== true || finishMs === undefined) continue
    const fetches = fetchPerServerMs.get(serverId) ?? []
    fetches.push(finishMs - startMs)
    fetchPerServerMs.set(serverId, fetches)
    cumulativeFetchMs += finishMs - startMs
  }
  const recent = <Event extends { readonly startMs: number }>(all: readonly Event[]): Event[] =>
    all.filter(({ startMs }) => startMs >= sinceMs)
  const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0)
  return {
    serversPeerSelectionMs,
    fetchPerServerMs,
    cumulativeFetchMs,
    cumulativeDecodeMs: sum(recent(events.segments).map(({ decodeMs = 0 }) => decodeMs)),
    cumulativeDecryptMs: sum(recent(events.reads).map(({ decryptMs }) => decryptMs)),
  }
}
