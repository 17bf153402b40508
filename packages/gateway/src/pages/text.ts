import { html, nameOfUnseen, visible } from './html.ts'
import type { Html } from './html.ts'

/** Longer names are cut in the middle on pages. */
const NAME_LENGTH_MAX = 200

/**
 * A name that somebody else may have chosen, kept apart from the direction of the text around it, with
 * control characters shown, and cut where it is very long.
 */
export function nameText(name: string): Html {
  return html`<bdi>${plainName(name)}</bdi>`
}

/** The same for places that take no markup, such as titles and labels. */
export function plainName(name: string): string {
  const oneLine = visible(name).replaceAll(/[\t\n]/g, nameOfUnseen)
  const characters = Array.from(oneLine)
  if (characters.length <= NAME_LENGTH_MAX) return oneLine
  const half = NAME_LENGTH_MAX / 2
  const head = characters.slice(0, half).join('')
  const tail = characters.slice(-half).join('')
  return `${head} … ${tail} (${count(characters.length, 'character')})`
}

/** A text of at most so many characters, with an ellipsis where there are more. */
export function shorten(text: string, lengthMax: number): string {
  const characters = Array.from(text)
  return characters.length <= lengthMax ? text : `${characters.slice(0, lengthMax - 1).join('')}…`
}

// Made with the first page: the tables behind it are megabytes, which a node without visitors is spared.
let numberFormat: Intl.NumberFormat | undefined

/** `1,234`. */
export function number(value: number): string {
  numberFormat ??= new Intl.NumberFormat('en')
  return numberFormat.format(value)
}

/** `1 server`, `1,234 servers`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`
}

const SIZE_UNITS = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB']

/** `12.3 MB`: decimal units, as upstream and disks have them. */
export function size(bytes: number): string {
  if (Math.abs(bytes) < 1000) return count(bytes, 'byte')
  let value = bytes
  let unit = 'byte'
  for (const next of SIZE_UNITS) {
    // What would be rounded to 1000 is 1.00 of the next unit.
    if (Math.abs(value) < 999.5) break
    value /= 1000
    unit = next
  }
  return `${value.toPrecision(3)} ${unit}`
}

/** `12.3 MB` with the bytes in full as its title; a dash where it is not known. */
export function sizeText(bytes: number | null | undefined): Html {
  if (bytes === undefined || bytes === null) return html`<span class="faint">–</span>`
  return html`<span title="${count(bytes, 'byte')}">${size(bytes)}</span>`
}

/** `3.2 ms`, `4.1 s`, `5 min`, `2 days`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds <= 0) return '0 ms'
  if (seconds < 0.001) return `${Math.round(milliseconds * 1000)} µs`
  if (seconds < 1) return `${Number(milliseconds.toPrecision(3))} ms`
  if (seconds < 120) return `${Number(seconds.toPrecision(3))} s`
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} hours`
  return `${Math.round(seconds / 86_400)} days`
}

/** A moment in UTC, which the script of the page turns into local time. */
export function timeText(milliseconds: number | undefined): Html {
  const date = new Date(milliseconds ?? Number.NaN)
  if (Number.isNaN(date.getTime())) return html`<span class="faint">–</span>`
  const iso = date.toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC</time>`
}

/** `3 min ago`. */
export function ago(milliseconds: number, nowMs: number): string {
  const past = nowMs - milliseconds
  if (past < 5000) return 'just now'
  return `${duration(past < 60_000 ? Math.round(past / 1000) * 1000 : past)} ago`
}

/** `43%`. */
export function percent(part: number): string {
  return `${Math.floor(Math.min(Math.max(part, 0), 1) * 100)}%`
}
