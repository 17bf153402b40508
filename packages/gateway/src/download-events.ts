import { defaultCrypto } from '@lafs/crypto'
import type { BlockRequestEvent, IDownloadStatus } from '@lafs/filesystem-interface'
import type { IStorageBroker } from '@lafs/storage-interface'

/** Times in seconds since 1970; null for what is not over. */
interface Span {
  readonly start_time: number
  readonly finish_time: number | null
}

/**
 * All that happened in a download, as upstream's page of a download takes it to draw its timeline.
 * Rows are such that nothing in one overlaps.
 *
 * @see allmydata.web.status._EventJson
 */
export function downloadEventsJson(
  status: IDownloadStatus,
  broker: Pick<IStorageBroker, 'knownServers'>,
): object {
  const { reads = [], segments = [], shareQueries = [], blockRequests = [] } = status.events ?? {}
  const servers = new Map(broker.knownServers().map((server) => [server.serverId, server]))
  const longName = (id: string): string => servers.get(id)?.longName ?? id
  const shortName = (id: string): string => servers.get(id)?.name ?? id
  const read = reads.map((event) => ({
    start: event.offset,
    length: event.size,
    ...span(event),
    bytes_returned: event.bytesReturned,
    decrypt_time: event.decryptMs / 1000,
    paused_time: event.pausedMs / 1000,
  }))
  const segment = segments.map((event) => ({
    segment_number: event.segmentIndex,
    ...span(event),
    active_time: seconds(event.activeMs),
    success: event.success ?? null,
    decode_time: seconds(event.decodeMs),
    segment_start: event.segmentOffset ?? null,
    segment_length: event.segmentSize ?? null,
  }))
  const dyhb = shareQueries.map((event) => ({
    ...span(event),
    success: event.success ?? null,
    response_shnums: event.shareNumbers ?? null,
    serverid: longName(event.serverId),
  }))
  const { block, rowCounts } = blockRows(blockRequests, longName)
  const asked = [...new Set(shareQueries.map(({ serverId }) => serverId))]
  return {
    misc: [],
    read: inRows(read),
    segment: inRows(segment),
    dyhb: inRows(dyhb),
    block,
    block_rownums: rowCounts,
    server_info: Object.fromEntries(
      asked.map((id, num) => [longName(id), { num, color: colorOf(id), short: shortName(id) }]),
    ),
    num_serverids: asked.length,
    serverids: Object.fromEntries(asked.map((id, num) => [String(num), shortName(id)])),
    bounds: boundsOf([...read, ...segment], [...read, ...segment, ...dyhb, ...block]),
  }
}

function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : ms / 1000
}

function span({
  startMs,
  finishMs,
}: {
  readonly startMs: number
  readonly finishMs: number | undefined
}): Span {
  return { start_time: startMs / 1000, finish_time: seconds(finishMs) }
}

/** Gives each event the first row that is free. */
class Rows {
  /** When the last event of each row was over. */
  readonly #ends: (number | null)[] = []

  get count(): number {
    return this.#ends.length
  }

  take({ start_time, finish_time }: Span): number {
    const free = this.#ends.findIndex((end) => end !== null && start_time > end)
    const row = free < 0 ? this.#ends.length : free
    this.#ends[row] = finish_time
    return row
  }
}

function inRows<Event extends Span>(
  events: readonly Event[],
): (Event & { readonly row: number })[] {
  const rows = new Rows()
  return events.map((event) => ({ ...event, row: rows.take(event) }))
}

/** Requests for blocks stand in rows of their server. */
function blockRows(
  requests: readonly BlockRequestEvent[],
  longName: (id: string) => string,
): { block: readonly Span[]; rowCounts: readonly number[] } {
  const groups = new Map<string, { readonly index: number; readonly rows: Rows }>()
  const block = requests.map((request) => {
    const group = groups.get(request.serverId) ?? { index: groups.size, rows: new Rows() }
    groups.set(request.serverId, group)
    const event = {
      shnum: request.shareNumber,
      start: request.offset,
      length: request.size,
      ...span(request),
      success: request.success ?? null,
      response_length: request.responseSize ?? null,
      serverid: longName(request.serverId),
    }
    return { ...event, row: [group.index, group.rows.take(event)] as const }
  })
  return { block, rowCounts: [...groups.values()].map(({ rows }) => rows.count) }
}

/** A light color that is the same for a server everywhere. */
function colorOf(serverId: string): string {
  const hash = defaultCrypto.sha256(new TextEncoder().encode(serverId))
  const parts = [...hash.subarray(0, 3)].map((byte) =>
    Math.min((byte >> 1) + 0x80, 0xff)
      .toString(16)
      .padStart(2, '0'),
  )
  return `#${parts.join('')}`
}

function boundsOf(
  beginnings: readonly Span[],
  ends: readonly Span[],
): { readonly min: number | null; readonly max: number | null } {
  let min: number | null = null
  let max: number | null = null
  for (const { start_time } of beginnings) {
    if (min === null || start_time < min) min = start_time
  }
  for (const { finish_time } of ends) {
    if (finish_time !== null && (max === null || finish_time > max)) max = finish_time
  }
  return { min, max }
}
