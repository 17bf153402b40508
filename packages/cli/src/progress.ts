import type { Progress, ProgressListener, ProgressPhase } from '@lafs/filesystem-interface'
import type { SurveyProgress } from '@lafs/storage-server'
import type { OutputStream } from './terminal.ts'

const BAR_WIDTH = 24
const REDRAW_EVERY_MS = 100
const ERASE_LINE = '\r\u001B[2K'
/** The phases that count bytes; the others count things. */
const BYTE_PHASES: ReadonlySet<ProgressPhase> = new Set([
  'hashing',
  'sending-ciphertext',
  'pushing',
  'downloading',
  'repairing',
])
/** The phases that count things and may go on for long. */
const LONG_PHASES: ReadonlySet<ProgressPhase> = new Set(['verifying', 'traversing'])

/** A bar on one line of a terminal. */
export interface ProgressBar {
  readonly update: ProgressListener
  /** Wipes the line, so that what is written next stands alone. */
  end(): void
}

/** What a bar is drawn on. */
interface BarOptions {
  readonly now: () => number
  readonly quiet?: boolean
}

/**
 * A bar with rate and remaining time on a terminal, and nothing at all on any other stream.
 *
 * (The libraries for this are either no longer kept or bring a whole user interface along.)
 */
export function progressBar(stream: OutputStream, options: BarOptions): ProgressBar {
  const line = statusLine(stream, options)
  return {
    update: (progress) => {
      const { phase, done, total } = progress
      line.draw(phase, done === total, (elapsedMs) => progressLine(progress, elapsedMs))
    },
    end: () => line.end(),
  }
}

/** The same for a look at all shares of a store. */
export function surveyBar(
  stream: OutputStream,
  options: BarOptions,
): { readonly update: (progress: SurveyProgress) => void; end(): void } {
  const line = statusLine(stream, options)
  return {
    update: (progress) => {
      line.draw('surveying', progress.part === 1, (elapsedMs) => surveyLine(progress, elapsedMs))
    },
    end: () => line.end(),
  }
}

/** How far a backup is. */
export interface BackupProgress {
  /** Files and directories. */
  readonly done: number
  readonly total: number
  /** Bytes that were sent to the gateway. */
  readonly bytes: number
}

/** The same for a backup. */
export function backupBar(
  stream: OutputStream,
  options: BarOptions,
): { readonly update: (progress: BackupProgress) => void; end(): void } {
  const line = statusLine(stream, options)
  return {
    update: (progress) => {
      line.draw('backing up', false, (elapsedMs) => backupLine(progress, elapsedMs))
    },
    end: () => line.end(),
  }
}

/** A line that is drawn over and over. */
interface StatusLine {
  /** @param what - what goes on; times count from where that changes. */
  draw(what: string, isLast: boolean, textAfter: (elapsedMs: number) => string): void
  end(): void
}

function statusLine(stream: OutputStream, { now, quiet = false }: BarOptions): StatusLine {
  if (quiet || stream.isTTY !== true) return { draw: () => undefined, end: () => undefined }
  let current: string | undefined
  let startedMs = 0
  let drawnMs = 0
  return {
    draw: (what, isLast, textAfter) => {
      const atMs = now()
      if (what !== current) {
        current = what
        startedMs = atMs
      } else if (Math.abs(atMs - drawnMs) < REDRAW_EVERY_MS && !isLast) {
        return
      }
      drawnMs = atMs
      const text = textAfter(atMs - startedMs)
      stream.write(ERASE_LINE + text.slice(0, (stream.columns || 80) - 1))
    },
    end: () => {
      if (current !== undefined) stream.write(ERASE_LINE)
    },
  }
}

/** The text of a bar, such as `pushing     ━━━━━━────  62%   38.4 MB of 62.0 MB   87 MB/s   0:03 left`. */
export function progressLine({ phase, done, total }: Progress, elapsedMs: number): string {
  const label = phase.padEnd(11)
  if (LONG_PHASES.has(phase)) return `${label} ${paceText({ done, total }, elapsedMs)}`
  if (!BYTE_PHASES.has(phase)) return `${label} ${amountText({ done, total })}`
  if (total === undefined) return `${label} ${formatBytes(done)}`
  const fraction = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(fraction * BAR_WIDTH)
  const bar = '━'.repeat(filled) + '─'.repeat(BAR_WIDTH - filled)
  const percent = `${Math.floor(fraction * 100)}%`.padStart(4)
  const amount = `${formatBytes(done)} of ${formatBytes(total)}`
  if (elapsedMs <= 0 || done === 0) return `${label} ${bar} ${percent}   ${amount}`
  const bytesPerMs = done / elapsedMs
  const left = formatSeconds(Math.ceil((total - done) / bytesPerMs / 1000))
  return `${label} ${bar} ${percent}   ${amount}   ${formatBytes(bytesPerMs * 1000)}/s   ${left} left`
}

/** How far something is that counts things, such as `120 of 1024   15/s   1:01 left`. */
function paceText(progress: Pick<Progress, 'done' | 'total'>, elapsedMs: number): string {
  const { done, total } = progress
  const amount = amountText(progress)
  if (elapsedMs <= 0 || done === 0) return amount
  const perSecond = (done / elapsedMs) * 1000
  const rate = `${perSecond < 9.95 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`
  if (total === undefined) return `${amount}   ${rate}`
  const left = formatSeconds(Math.ceil(Math.max(0, total - done) / perSecond))
  return `${amount}   ${rate}   ${left} left`
}

/** The text of a bar, such as `surveying    40%   12345 shares   1200/s   0:12 left`. */
export function surveyLine({ part, shares }: SurveyProgress, elapsedMs: number): string {
  const label = `${'surveying'.padEnd(11)} ${`${Math.floor(part * 100)}%`.padStart(4)}`
  const amount = `${label}   ${shares} shares`
  if (elapsedMs <= 0 || part === 0) return amount
  const left = formatSeconds(Math.ceil((elapsedMs * (1 - part)) / part / 1000))
  return `${amount}   ${Math.round((shares / elapsedMs) * 1000)}/s   ${left} left`
}

/** The text of a bar, such as `backing up  120 of 1024   15/s   1:01 left   38.4 MB sent`. */
export function backupLine({ done, total, bytes }: BackupProgress, elapsedMs: number): string {
  const label = 'backing up'.padEnd(11)
  return `${label} ${paceText({ done, total }, elapsedMs)}   ${formatBytes(bytes)} sent`
}

function amountText({ done, total }: Pick<Progress, 'done' | 'total'>): string {
  return total === undefined ? `${done}` : `${done} of ${total}`
}

/** An amount of bytes in decimal units with three digits, such as `38.4 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

function formatSeconds(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes}:${twoDigits(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}:${twoDigits(seconds % 60)}`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
