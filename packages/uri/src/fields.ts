import { fromBase32, isEncodingError, toBase32 } from '@lafs/crypto'
import { UriError } from './errors.ts'

/** The fields after a cap's prefix, between colons: as many as expected. */
export function splitFields(kind: string, body: string, count: number): string[] {
  const fields = body.split(':')
  if (fields.length !== count) {
    throw new UriError(
      'URI_BAD_FIELD_COUNT',
      `${kind} cap: expected ${count} fields, got ${fields.length}`,
    )
  }
  return fields
}

/**
 * A base32 field in its one canonical form.
 *
 * @param size - how many bytes it must have; any number where it is undefined.
 */
export function base32Field(what: string, text: string | undefined, size?: number): Uint8Array {
  const given = text ?? ''
  const length = size === undefined ? given.length : Math.ceil((size * 8) / 5)
  if (given.length !== length) {
    throw new UriError(
      'URI_BAD_BASE32',
      `${what}: expected ${length} base32 characters, got ${given.length}`,
    )
  }
  let bytes: Uint8Array
  try {
    bytes = fromBase32(given)
  } catch (error) {
    if (!isEncodingError(error)) throw error
    throw new UriError('URI_BAD_BASE32', `${what}: ${error.message}`, { cause: error })
  }
  if (toBase32(bytes) !== given) {
    throw new UriError(
      'URI_BAD_BASE32',
      `${what}: expected the spare bits of the last base32 character to be zero, got others`,
    )
  }
  return bytes
}

/** A decimal field: digits, perhaps with leading zeros, as upstream reads them. */
export function numberField(what: string, text: string | undefined): number {
  const given = text ?? ''
  if (!/^[0-9]+$/.test(given)) {
    throw new UriError('URI_BAD_NUMBER', `${what}: expected a decimal number, got something else`)
  }
  const number = Number(given)
  if (!Number.isSafeInteger(number)) {
    throw new UriError(
      'URI_BAD_NUMBER',
      `${what}: expected a number up to ${Number.MAX_SAFE_INTEGER}, got one of ${given.length} digits`,
    )
  }
  return number
}
