import { html } from './html.ts'
import type { Html } from './html.ts'
import { count, number } from './text.ts'

/** One bar. */
export interface Bar {
  readonly label: string
  readonly value: number
}

const BAR_WIDTH = 400
const BAR_HEIGHT = 20

/** Bars beside their labels: a table whose last column is a picture of the numbers. */
export function histogram(caption: string, one: string, bars: readonly Bar[]): Html {
  const largest = Math.max(1, ...bars.map(({ value }) => value))
  const rows = bars.map(({ label, value }) => {
    const width = Math.max(value > 0 ? 2 : 0, Math.round((value / largest) * BAR_WIDTH))
    return html`<tr>
      <th scope="row">${label}</th>
      <td class="number">
        <span class="visually-hidden">${count(value, one)}</span
        ><span aria-hidden="true">${number(value)}</span>
      </td>
      <td class="bar">
        <svg aria-hidden="true" viewBox="0 0 ${BAR_WIDTH} ${BAR_HEIGHT}" preserveAspectRatio="none">
          <rect class="fill" width="${width}" height="${BAR_HEIGHT}" />
        </svg>
      </td>
    </tr>`
  })
  return html`<table class="bars">
    <caption>
      ${caption}
    </caption>
    <tbody>
      ${rows}
    </tbody>
  </table>`
}

/** A part of a whole, such as how full a disk is. */
export interface Slice {
  readonly label: string
  readonly value: number
  /** The class that gives its colour. */
  readonly kind: 'used' | 'reserved' | 'free'
}

/** One bar cut into parts, and what they are below it. */
export function stackedBar(
  label: string,
  slices: readonly Slice[],
  text: (value: number) => string,
): Html {
  const total = slices.reduce((sum, { value }) => sum + value, 0)
  if (total <= 0) return html``
  let x = 0
  const rects = slices.map(({ kind, value }) => {
    const width = (value / total) * 1000
    const rect = html`<rect
      class="${kind}"
      x="${x.toFixed(1)}"
      width="${width.toFixed(1)}"
      height="40"
    />`
    x += width
    return rect
  })
  const said = slices.map((slice) => `${slice.label}: ${text(slice.value)}`).join(', ')
  return html`<figure class="stacked">
    <svg role="img" aria-label="${label}. ${said}" viewBox="0 0 1000 40" preserveAspectRatio="none">
      ${rects}
    </svg>
    <figcaption class="legend">
      ${slices.map(({ kind, label: name, value }) => html`<span class="key ${kind}">${name}: ${text(value)}</span> `)}
    </figcaption>
  </figure>`
}

/** How long the runs of one operation took, in milliseconds; undefined where too few are known. */
export interface Spread {
  readonly label: string
  readonly low: number | undefined
  readonly median: number | undefined
  readonly high: number | undefined
  readonly mean: number | undefined
}

const SPREAD_LABELS = 110
const SPREAD_WIDTH = 560
const SPREAD_ROW = 28

/** Spreads of durations on one logarithmic axis: a line from the 10th to the 90th percentile, a dot at the median. */
export function spreads(
  label: string,
  all: readonly Spread[],
  text: (milliseconds: number) => string,
): Html {
  const values = all
    .flatMap(({ low, median, high, mean }) => [low, median, high, mean])
    .filter((value) => value !== undefined)
  if (values.length === 0) return html``
  const least = Math.floor(Math.log10(Math.max(0.001, Math.min(...values))))
  const most = Math.max(least + 1, Math.ceil(Math.log10(Math.max(0.001, ...values))))
  const x = (value: number): string =>
    (
      SPREAD_LABELS +
      ((Math.log10(Math.max(0.001, value)) - least) / (most - least)) *
        (SPREAD_WIDTH - SPREAD_LABELS - 40)
    ).toFixed(1)
  const bottom = all.length * SPREAD_ROW
  const axis = Array.from({ length: most - least + 1 }, (_, index) => {
    const value = 10 ** (least + index)
    return html`<line class="grid" x1="${x(value)}" x2="${x(value)}" y1="0" y2="${bottom}" /><text
        class="axis"
        x="${x(value)}"
        y="${bottom + 18}"
        text-anchor="middle"
        >${text(value)}</text
      >`
  })
  const rows = all.map(({ label: name, low, median, high, mean }, index) => {
    const y = index * SPREAD_ROW + SPREAD_ROW / 2
    return html`<text x="0" y="${y + 4}">${name}</text
      >${low !== undefined && high !== undefined && html`<line class="range" x1="${x(low)}" x2="${x(high)}" y1="${y}" y2="${y}" />`}${mean !== undefined && html`<path class="mean" d="M${x(mean)} ${y - 7}v14" />`}${median !== undefined && html`<circle class="median" cx="${x(median)}" cy="${y}" r="5" />`}`
  })
  return html`<figure class="picture" tabindex="0">
    <svg
      role="img"
      aria-label="${label}; the table below has the numbers"
      viewBox="0 0 ${SPREAD_WIDTH} ${bottom + 26}"
      width="${SPREAD_WIDTH}"
      height="${bottom + 26}"
    >
      ${axis}${rows}
    </svg>
    <figcaption class="legend">
      Line: from the 10th to the 90th percentile. Dot: median. Stroke: mean. Each mark of the axis
      is ten times the one before.
    </figcaption>
  </figure>`
}
