import { EncodingError } from './errors.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

const values: ReadonlyMap<string, number> = new Map(
  Array.from(ALPHABET, (character, value) => [character, value]),
)

/**
 * For each length modulo 8: how many low bits of the last character must be zero, or undefined
 * where no byte string has an encoding of that length.
 *
 * Strictly it would be 0, 2, 4, 1 and 3 bits for 0, 2, 4, 5 and 7 characters. Upstream looks at one
 * bit less, so text that it takes is taken here.
 */
const zeroBits: readonly (number | undefined)[] = [0, undefined, 1, undefined, 3, 0, undefined, 2]

/**
 * The base32 of some bytes: RFC 4648's alphabet in lower case, without padding.
 *
 * @see allmydata.util.base32.b2a
 */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let count = 0
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff
    count += 8
    while (count >= 5) {
      count -= 5
      text += ALPHABET[(bits >> count) & 31]
    }
  }
  if (count > 0) text += ALPHABET[(bits << (5 - count)) & 31]
  return text
}

/** The refusal of a text that is no base32, or undefined. */
function base32Fault(text: string): EncodingError | undefined {
  for (let index = 0; index < text.length; index++) {
    if (!values.has(text.charAt(index))) {
      return new EncodingError(
        'ENCODING_BAD_CHARACTER',
        `base32: expected a-z or 2-7, got something else at character ${index} of ${text.length}`,
      )
    }
  }
  const zeros = zeroBits[text.length % 8]
  if (zeros === undefined) {
    return new EncodingError(
      'ENCODING_BAD_LENGTH',
      `base32: no bytes have an encoding of ${text.length} characters`,
    )
  }
  const last = values.get(text.charAt(text.length - 1)) ?? 0
  if ((last & ((1 << zeros) - 1)) !== 0) {
    return new EncodingError(
      'ENCODING_TRAILING_BITS',
      `base32: expected the last ${zeros} bits of ${text.length} characters to be zero, got others`,
    )
  }
  return undefined
}

/**
 * Whether {@link fromBase32} takes a text.
 *
 * @see allmydata.util.base32.could_be_base32_encoded
 */
export function couldBeBase32Encoded(text: string): boolean {
  return base32Fault(text) === undefined
}

/**
 * The bytes of a base32 text.
 *
 * It takes what upstream takes, so one bit that no encoder sets is let through and dropped: print
 * the bytes again to get the one canonical text.
 *
 * @throws {@link EncodingError} `ENCODING_BAD_CHARACTER` (upper case and padding too),
 *   `ENCODING_BAD_LENGTH`, `ENCODING_TRAILING_BITS`.
 * @see allmydata.util.base32.a2b
 */
export function fromBase32(text: string): Uint8Array {
  const fault = base32Fault(text)
  if (fault !== undefined) throw fault
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let count = 0
  let position = 0
  for (const character of text) {
    bits = ((bits << 5) | (values.get(character) ?? 0)) & 0xfff
    count += 5
    if (count >= 8) {
      count -= 8
      bytes[position++] = bits >> count
    }
  }
  return bytes
}
