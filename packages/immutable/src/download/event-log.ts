import type {
  BlockRequestEvent,
  DownloadEvent,
  DownloadEvents,
  ReadEvent,
  SegmentEvent,
  ShareQueryEvent,
} from '@lafs/filesystem-interface'

/** Events of each kind that are kept: the last ones. */
const KEPT_COUNT = 1000

/** The same, to be written by whoever makes it happen. */
type Written<Event> = { -readonly [Field in keyof Event]: Event[Field] }

/** What happens while a file is read, as it happens. */
export class EventLog implements DownloadEvents {
  readonly reads: ReadEvent[] = []
  readonly segments: SegmentEvent[] = []
  readonly shareQueries: ShareQueryEvent[] = []
  readonly blockRequests: BlockRequestEvent[] = []
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get nowMs(): number {
    return this.#nowMs()
  }

  read(offset: number, size: number): Written<ReadEvent> {
    const counts = { bytesReturned: 0, decryptMs: 0, pausedMs: 0 }
    return add(this.reads, { ...this.#begun(), offset, size, ...counts })
  }

  segment(segmentIndex: number): Written<SegmentEvent> {
    return add(this.segments, {
      ...this.#begun(),
      segmentIndex,
      activeMs: undefined,
      success: undefined,
      decodeMs: undefined,
      segmentOffset: undefined,
      segmentSize: undefined,
    })
  }

  shareQuery(serverId: string): Written<ShareQueryEvent> {
    const answer = { success: undefined, shareNumbers: undefined }
    return add(this.shareQueries, { ...this.#begun(), serverId, ...answer })
  }

  blockRequest(
    serverId: string,
    shareNumber: number,
    offset: number,
    size: number,
  ): Written<BlockRequestEvent> {
    const answer = { success: undefined, responseSize: undefined }
    const request = { serverId, shareNumber, offset, size }
    return add(this.blockRequests, { ...this.#begun(), ...request, ...answer })
  }

  #begun(): DownloadEvent {
    return { startMs: this.#nowMs(), finishMs: undefined }
  }
}

function add<Event>(events: Event[], event: Written<Event>): Written<Event> {
  events.push(event)
  if (events.length > KEPT_COUNT) events.shift()
  return event
}
