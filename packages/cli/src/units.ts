/** Bytes in decimal and in binary units. @see allmydata.util.abbreviate.abbreviate_space_both */
export function inBothUnits(bytes: number): string {
  return `(${inUnits(bytes, 1000, 'B')}, ${inUnits(bytes, 1024, 'iB')})`
}

/** Bytes in decimal units, such as `403.45 kB`. @see allmydata.util.abbreviate.abbreviate_space */
export function inDecimalUnits(bytes: number): string {
  return inUnits(bytes, 1000, 'B')
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
