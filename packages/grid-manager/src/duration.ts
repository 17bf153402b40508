const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MONTH = 30 * DAY
const YEAR = 365 * DAY

/** Units of time, each with the seconds from which on the next one is used. */
const TIMES = [
  [2 * MINUTE, 1, 'second'],
  [3 * HOUR, MINUTE, 'minute'],
  [2 * DAY, HOUR, 'hour'],
  [2 * MONTH, DAY, 'day'],
  [4 * YEAR, MONTH, 'month'],
  [Number.POSITIVE_INFINITY, YEAR, 'year'],
] as const

/** A time in one unit, such as `17 minutes`. @see allmydata.util.abbreviate.abbreviate_time */
export function durationText(seconds: number): string {
  const [, unit, name] = TIMES.find(([end]) => seconds < end) ?? TIMES[5]
  const count = Math.floor(seconds / unit)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
