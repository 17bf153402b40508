/** Bytes in decimal and in binary units. @see allmydata.util.abbreviate.abbreviate_space_both */
export function inBothUnits(bytes: number): string {
  return `(${inUnits(bytes, 1000, 'B')}, ${inUnits(bytes, 1024, 'iB')})`
}

/** Bytes in decimal units, such as `403.45 kB`. @see allmydata.util.abbreviate.abbreviate_space */
export function inDecimalUnits(bytes: number): string {
  return inUnits(bytes, 1000, 'B')
}

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

function inUnits(bytes: number, base: number, suffix: string): string {
  if (bytes < 1024) return `${bytes} B`
  const prefixes = ['k', 'M', 'G', 'T', 'P', 'E']
  let value = bytes / base
  let step = 0
  while (value >= base && step < prefixes.length - 1) {
    value /= base
    step++
  }
  return `${hundredths(value)} ${prefixes[step]}${suffix}`
}

/** With two digits after the point; what is half way between two goes to the even one, as in C. */
function hundredths(value: number): string {
  // Only eighths that are no quarters are exactly half way.
  const halfWay = Number.isInteger(value * 8) && !Number.isInteger(value * 4)
  if (!halfWay) return value.toFixed(2)
  const below = Math.floor(value * 100)
  return ((below % 2 === 0 ? below : below + 1) / 100).toFixed(2)
}
