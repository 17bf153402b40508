import type { ByteRange } from '@lafs/storage-interface'

/** Decimal digits alone; numbers past 2^53 - 1 are held at it. */
function parsePosition(text: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER - 1)
}

/** The `Range` header that asks for these bytes, such as `bytes=0-9` for `[0, 10)`. */
export function formatRange(range: ByteRange): string {
  return `bytes=${range.begin}-${range.end - 1}`
}

/**
 * Reads a `Range` header: one range of bytes, with an end.
 *
 * @returns the range, or undefined for anything else (several ranges, open ones, other units).
 */
export function parseRange(header: string): ByteRange | undefined {
  const match = /^\s*bytes\s*=\s*([0-9]+)\s*-\s*([0-9]+)\s*$/i.exec(header)
  return match === null ? undefined : rangeOf(match[1] ?? '', match[2] ?? '')
}

/** The `Content-Range` header for these bytes of something whose whole size is not told. */
export function formatContentRange(range: ByteRange): string {
  return `bytes ${range.begin}-${range.end - 1}/*`
}

/**
 * Reads a `Content-Range` header, `bytes 0-9/*` or `bytes 0-9/100`.
 *
 * @returns the range, or undefined for anything else.
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = /^\s*bytes\s+([0-9]+)-([0-9]+)\/(\*|[0-9]+)\s*$/.exec(header)
  if (match === null) return undefined
  const range = rangeOf(match[1] ?? '', match[2] ?? '')
  // As upstream's parser has it: the range must begin within the whole size, where one is told.
  const size = match[3] === '*' ? Infinity : (parsePosition(match[3] ?? '') ?? 0)
  return range !== undefined && range.begin < size ? range : undefined
}

function rangeOf(first: string, last: string): ByteRange | undefined {
  const begin = parsePosition(first)
  const final = parsePosition(last)
  if (begin === undefined || final === undefined || final < begin) return undefined
  return { begin, end: final + 1 }
}
