import { concatBytes, utf8 } from './bytes.ts'
import { EncodingError } from './errors.ts'

const COLON = 0x3a
const COMMA = 0x2c
const ZERO = 0x30

/** No length of a netstring has more digits: it stays a safe integer. */
const LENGTH_DIGITS_MAX = 15

/**
 * The netstring of some bytes: their count in decimal, a colon, the bytes, a comma.
 *
 * @see allmydata.util.netstring.netstring
 */
export function netstring(bytes: Uint8Array): Uint8Array {
  return concatBytes([utf8(`${bytes.length}:`), bytes, utf8(',')])
}

/** What {@link splitNetstring} may be told. */
export interface SplitNetstringOptions {
  /** Where the first netstring starts. Default: 0. */
  readonly position?: number
  /** What must follow the last netstring up to the end of the data; else anything may follow. */
  readonly requiredTrailer?: Uint8Array
  /** The most bytes that one element may have. Default: no limit but the data's end. */
  readonly lengthMax?: number
}

/** What {@link splitNetstring} found. */
export interface SplitNetstring {
  /** Views of the data, not copies. */
  readonly elements: Uint8Array[]
  /** The index of the first byte after the last netstring, and after the required trailer. */
  readonly position: number
}

/** The length that stands at `position` in decimal without a leading zero, and where its colon is. */
function readLength(data: Uint8Array, position: number): { length: number; colon: number } {
  let length = 0
  let colon = position
  for (; colon < data.length && data[colon] !== COLON; colon++) {
    const digit = (data[colon] ?? 0) - ZERO
    const leadingZero = colon > position && length === 0
    if (digit < 0 || digit > 9 || leadingZero || colon - position >= LENGTH_DIGITS_MAX) {
      throw new EncodingError(
        'ENCODING_BAD_NETSTRING',
        `netstring: expected a decimal length at byte ${position}, got something else at byte ${colon}`,
      )
    }
    length = length * 10 + digit
  }
  if (colon === data.length) {
    throw new EncodingError(
      'ENCODING_TRUNCATED',
      `netstring: expected a length and a colon at byte ${position}, got ${data.length - position} bytes`,
    )
  }
  if (colon === position) {
    throw new EncodingError(
      'ENCODING_BAD_NETSTRING',
      `netstring: expected a decimal length at byte ${position}, got a colon`,
    )
  }
  return { length, colon }
}

function readElement(data: Uint8Array, position: number, lengthMax: number): Uint8Array {
  const { length, colon } = readLength(data, position)
  if (length > lengthMax) {
    throw new EncodingError(
      'ENCODING_TOO_LONG',
      `netstring: expected at most ${lengthMax} bytes at byte ${position}, got ${length}`,
    )
  }
  const end = colon + 1 + length
  if (end >= data.length) {
    throw new EncodingError(
      'ENCODING_TRUNCATED',
      `netstring: expected ${length} bytes and a comma at byte ${colon + 1}, got ${data.length - colon - 1} bytes`,
    )
  }
  if (data[end] !== COMMA) {
    throw new EncodingError(
      'ENCODING_BAD_NETSTRING',
      `netstring: expected a comma at byte ${end}, got byte ${data[end]}`,
    )
  }
  return data.subarray(colon + 1, end)
}

/**
 * Takes netstrings that follow one another apart.
 *
 * Stricter than upstream about lengths, which it reads as Python reads numbers: here they are
 * decimal digits without sign, space or leading zero.
 *
 * @param count - how many there must be, at least one; more may follow.
 * @throws {@link EncodingError} `ENCODING_BAD_NETSTRING`, `ENCODING_TRUNCATED`, `ENCODING_TOO_LONG`,
 *   `ENCODING_LEFTOVER`.
 * @see allmydata.util.netstring.split_netstring
 */
export function splitNetstring(
  data: Uint8Array,
  count: number,
  options: SplitNetstringOptions = {},
): SplitNetstring {
  const { requiredTrailer, lengthMax = Number.MAX_SAFE_INTEGER } = options
  let { position = 0 } = options
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`netstring count: expected an integer >= 1, got ${count}`)
  }
  const elements: Uint8Array[] = []
  while (elements.length < count) {
    if (position >= data.length) {
      throw new EncodingError(
        'ENCODING_TRUNCATED',
        `netstrings: expected ${count}, got ${elements.length}`,
      )
    }
    const element = readElement(data, position, lengthMax)
    elements.push(element)
    position = element.byteOffset - data.byteOffset + element.length + 1
  }
  if (requiredTrailer !== undefined) {
    const rest = data.subarray(position)
    const same =
      rest.length === requiredTrailer.length &&
      rest.every((byte, index) => byte === requiredTrailer[index])
    if (!same) {
      throw new EncodingError(
        'ENCODING_LEFTOVER',
        `netstrings: expected a trailer of ${requiredTrailer.length} bytes at byte ${position}, got ${rest.length} other bytes`,
      )
    }
    position = data.length
  }
  return { elements, position }
}
