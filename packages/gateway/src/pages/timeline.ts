import type { DownloadEvent, DownloadEvents } from '@lafs/filesystem-interface'
import type { GatewayContext } from '../context.ts'
import { fold, table } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { count, duration, number, plainName, shorten, size } from './text.ts'
import { shortServerId } from './words.ts'

/** So many events of one kind are drawn and listed. */
const EVENTS_MAX = 1000
const LABELS_WIDTH = 150
const WIDTH = 900
const LANE_HEIGHT = 12
const MARKS = 5

/** One event as it is drawn. */
interface Span {
  readonly startMs: number
  /** Undefined while it goes on. */
  readonly finishMs: number | undefined
  readonly kind: 'read' | 'segment' | 'query' | 'block'
  readonly failed: boolean
  readonly text: string
}

/** Spans under one heading, those that overlap on lanes of their own. */
interface Track {
  readonly label: string
  readonly lanes: readonly (readonly Span[])[]
}

/** What happened in a download, when, and with which server. */
export function timeline(context: Pick<GatewayContext, 'client'>, events: DownloadEvents): Html {
  const groups = groupsOf(context, events)
  const spans = [...groups.values()].flat()
  if (spans.length === 0)
    return html`<h2>What happened when</h2>
      <p class="empty">Nothing yet.</p>`
  const begin = Math.min(...spans.map(({ startMs }) => startMs))
  const end = Math.max(...spans.map(({ startMs, finishMs }) => finishMs ?? startMs), begin + 1)
  const tracks = [...groups].map(([label, all]) => ({ label, lanes: lanesOf(all) }))
  return html`<h2>What happened when</h2>
    ${drawing(tracks, begin, end)}
    <p class="legend">
      <span class="key read">handed out</span> <span class="key segment">segment</span>
      <span class="key query">question for pieces</span>
      <span class="key block">block fetched</span> <span class="key failed">failed</span>
    </p>
    ${fold('The same as a table', spanTable(groups, begin))}`
}

function groupsOf(
  { client }: Pick<GatewayContext, 'client'>,
  events: DownloadEvents,
): Map<string, Span[]> {
  const groups = new Map<string, Span[]>()
  const add = (
    label: string,
    event: DownloadEvent,
    kind: Span['kind'],
    failed: boolean,
    text: string,
  ): void => {
    const { startMs, finishMs } = event
    const group = groups.get(label) ?? []
    group.push({ startMs, finishMs, kind, failed, text })
    groups.set(label, group)
  }
  for (const read of events.reads.slice(0, EVENTS_MAX))
    add(
      'Reads',
      read,
      'read',
      false,
      `${size(read.bytesReturned)} from byte ${number(read.offset)} on`,
    )
  for (const part of events.segments.slice(0, EVENTS_MAX))
    add(
      'Segments',
      part,
      'segment',
      part.success === false,
      `segment ${part.segmentIndex}${part.decodeMs === undefined ? '' : `, decoded in ${duration(part.decodeMs)}`}`,
    )
  const server = (serverId: string): string => {
    const nickname = client.broker.nicknameFor(serverId) ?? ''
    return `${nickname === '' ? '' : `${plainName(nickname)} `}${shortServerId(serverId)}`
  }
  for (const asked of events.shareQueries.slice(0, EVENTS_MAX))
    add(
      server(asked.serverId),
      asked,
      'query',
      asked.success === false,
      asked.shareNumbers === undefined
        ? 'which pieces?'
        : `has ${asked.shareNumbers.length === 0 ? 'no pieces' : `pieces ${asked.shareNumbers.join(', ')}`}`,
    )
  for (const block of events.blockRequests.slice(0, EVENTS_MAX))
    add(
      server(block.serverId),
      block,
      'block',
      block.success === false,
      `piece ${block.shareNumber}: ${size(block.size)} from byte ${number(block.offset)} on`,
    )
  return groups
}

/** Puts spans on as few lanes as let none overlap. */
function lanesOf(spans: readonly Span[]): Span[][] {
  const lanes: { spans: Span[]; endMs: number }[] = []
  for (const span of spans.toSorted((a, b) => a.startMs - b.startMs)) {
    const endMs = span.finishMs ?? Number.POSITIVE_INFINITY
    const free = lanes.find((lane) => lane.endMs <= span.startMs)
    if (free === undefined) lanes.push({ spans: [span], endMs })
    else {
      free.spans.push(span)
      free.endMs = endMs
    }
  }
  return lanes.map((lane) => lane.spans)
}

function drawing(tracks: readonly Track[], begin: number, end: number): Html {
  const scale = (WIDTH - LABELS_WIDTH - 10) / (end - begin)
  const x = (milliseconds: number): number => LABELS_WIDTH + (milliseconds - begin) * scale
  let y = 6
  const drawn = tracks.map(({ label, lanes }) => {
    const height = Math.max(lanes.length * LANE_HEIGHT, 18)
    const short = shorten(label, 22)
    const rects = lanes.map((lane, index) =>
      lane.map(({ startMs, finishMs, kind, failed, text }) => {
        const left = x(startMs)
        const width = Math.max(2, x(finishMs ?? end) - left)
        return html`<rect
          class="${failed ? 'failed' : kind}"
          x="${left.toFixed(1)}"
          y="${y + index * LANE_HEIGHT}"
          width="${width.toFixed(1)}"
          height="${LANE_HEIGHT - 2}"
          ><title>${text}</title></rect
        >`
      }),
    )
    const track = html`<text x="0" y="${y + 12}">${short}</text>${rects}<line
        class="grid"
        x1="0"
        x2="${WIDTH}"
        y1="${y + height + 2}"
        y2="${y + height + 2}"
      />`
    y += height + 6
    return track
  })
  const marks = Array.from({ length: MARKS + 1 }, (_, index) => {
    const at = begin + ((end - begin) * index) / MARKS
    return html`<line
        class="grid"
        x1="${x(at).toFixed(1)}"
        x2="${x(at).toFixed(1)}"
        y1="0"
        y2="${y}"
      /><text
        class="axis"
        x="${x(at).toFixed(1)}"
        y="${y + 16}"
        text-anchor="${index === MARKS ? 'end' : 'middle'}"
        >${duration(at - begin)}</text
      >`
  })
  const height = y + 24
  const what = `${count(tracks.length, 'row')} over ${duration(end - begin)}; the table below has the same`
  return html`<div class="picture" tabindex="0" role="group" aria-label="Timeline">
    <svg
      class="timeline"
      role="img"
      aria-label="Timeline: ${what}"
      viewBox="0 0 ${WIDTH} ${height}"
      width="${WIDTH}"
      height="${height}"
    >
      ${marks}${drawn}
    </svg>
  </div>`
}

function spanTable(groups: ReadonlyMap<string, readonly Span[]>, begin: number): Html {
  const rows = [...groups].flatMap(([label, spans]) =>
    spans.map(({ startMs, finishMs, failed, text }) => [
      label,
      text,
      duration(startMs - begin),
      finishMs === undefined ? 'goes on' : duration(finishMs - startMs),
      failed ? 'failed' : '',
    ]),
  )
  const columns = [
    { label: 'Where' },
    { label: 'What' },
    { label: 'After', numeric: true },
    { label: 'Took', numeric: true },
    { label: 'Outcome' },
  ]
  return table('Events', columns, rows)
}
