import { EncodingError } from './errors.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BASE = 62n

/** How many characters hold every number of so many bytes: the digits of 256^size in base 62. */
function lengthOf(size: number): number {
  let length = 0
  for (let rest = 1n << BigInt(8 * size); rest > 0n; rest /= BASE) length++
  return length
}

/**
 * The base62 of some bytes, read as one big-endian number; its length depends on theirs alone.
 *
 * @see allmydata.util.base62.b2a
 */
export function toBase62(bytes: Uint8Array): string {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  let text = ''
  for (let left = lengthOf(bytes.length); left > 0; left--) {
    text = ALPHABET.charAt(Number(value % BASE)) + text
    value /= BASE
  }
  return text
}

/**
 * The bytes of a base62 text: as many as fit into every text of its length.
 *
 * @throws {@link EncodingError} `ENCODING_BAD_CHARACTER`; `ENCODING_TRAILING_BITS` if the number is
 *   too big for so many bytes (upstream drops what is too much).
 * @see allmydata.util.base62.a2b
 */
export function fromBase62(text: string): Uint8Array {
  let value = 0n
  for (let index = 0; index < text.length; index++) {
    const digit = ALPHABET.indexOf(text.charAt(index))
    if (digit < 0) {
      throw new EncodingError(
        'ENCODING_BAD_CHARACTER',
        `base62: expected 0-9, A-Z or a-z, got something else at character ${index} of ${text.length}`,
      )
    }
    value = value * BASE + BigInt(digit)
  }
  let size = 0
  const numbers = BASE ** BigInt(text.length)
  while (1n << BigInt(8 * (size + 1)) <= numbers) size++
  const bytes = new Uint8Array(size)
  for (let index = size - 1; index >= 0; index--) {
    bytes[index] = Number(value & 0xffn)
    value >>= 8n
  }
  if (value > 0n) {
    throw new EncodingError(
      'ENCODING_TRAILING_BITS',
      `base62: expected a number of ${size} bytes in ${text.length} characters, got a bigger one`,
    )
  }
  return bytes
}
