import { HASH_SIZE, isEncodingError, netstring, splitNetstring } from '@lafs/crypto'
import type { UriExtensionData } from '@lafs/filesystem-interface'
import { UriError } from './errors.ts'

/** A value of a field before it is packed: a number in decimal, a text in UTF-8, or bytes. */
export type UriExtensionValue = number | string | Uint8Array

const NAME = /^[a-zA-Z_-]+$/
const COLON = 0x3a

const optionalHashFields: ReadonlySet<string> = new Set([
  'crypttext_hash',
  'plaintext_hash',
  'plaintext_root_hash',
])
const textFields: ReadonlySet<string> = new Set(['codec_name', 'codec_params', 'tail_codec_params'])

function valueBytes(name: string, value: UriExtensionValue): Uint8Array {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) {
      throw new RangeError(`URI extension field ${name}: expected a safe integer, got ${value}`)
    }
    return new TextEncoder().encode(String(value))
  }
  return typeof value === 'string' ? new TextEncoder().encode(value) : value
}

/**
 * Packs the fields of a URI extension block: for each, in the order of the names, the name, a colon
 * and the netstring of the value.
 *
 * @param fields - by name; a field that is undefined is left out.
 * @throws RangeError for a name that is not made of letters, `_` and `-`, or a number that is no
 *   safe integer.
 * @see allmydata.uri.pack_extension
 */
export function packUriExtension(
  fields: Readonly<Record<string, UriExtensionValue | undefined>>,
): Uint8Array {
  const pieces: Uint8Array[] = []
  for (const name of Object.keys(fields).toSorted()) {
    const value = fields[name]
    if (value === undefined) continue
    if (!NAME.test(name)) {
      throw new RangeError('URI extension: expected a name of letters, _ and -, got another')
    }
    pieces.push(new TextEncoder().encode(`${name}:`), netstring(valueBytes(name, value)))
  }
  const packed = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0))
  let position = 0
  for (const piece of pieces) {
    packed.set(piece, position)
    position += piece.length
  }
  return packed
}

/** The named values of a block, as they stand there. */
function readFields(bytes: Uint8Array): Map<string, Uint8Array> {
  const fields = new Map<string, Uint8Array>()
  let position = 0
  while (position < bytes.length) {
    const colon = bytes.indexOf(COLON, position)
    const name =
      colon < 0
        ? ''
        : String.fromCharCode(...bytes.subarray(position, Math.min(colon, position + 256)))
    if (!NAME.test(name) || fields.has(name)) {
      throw new UriError(
        'URI_BAD_EXTENSION',
        `URI extension: expected a new name and a colon at byte ${position}, got something else`,
      )
    }
    try {
      const split = splitNetstring(bytes, 1, { position: colon + 1 })
      for (const value of split.elements) fields.set(name, value)
      position = split.position
    } catch (error) {
      if (!isEncodingError(error)) throw error
      throw new UriError('URI_BAD_EXTENSION', `URI extension field ${name}: ${error.message}`, {
        cause: error,
      })
    }
  }
  return fields
}

function required(fields: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const value = fields.get(name)
  if (value === undefined) {
    throw new UriError(
      'URI_MISSING_EXTENSION_FIELD',
      `URI extension: expected a field ${name}, got none`,
    )
  }
  return value
}

function numberOf(name: string, value: Uint8Array): number {
  const text = new TextDecoder().decode(value)
  const number = Number(text)
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new UriError(
      'URI_BAD_EXTENSION_FIELD',
      `URI extension field ${name}: expected a number up to ${Number.MAX_SAFE_INTEGER}, got something else`,
    )
  }
  return number
}

function hashOf(name: string, value: Uint8Array): Uint8Array {
  if (value.length !== HASH_SIZE) {
    throw new UriError(
      'URI_BAD_EXTENSION_FIELD',
      `URI extension field ${name}: expected ${HASH_SIZE} bytes, got ${value.length}`,
    )
  }
  return value.slice()
}

/**
 * The fields of a URI extension block. Look at its hash first: `uriExtensionHash`.
 *
 * Stricter than upstream, which leaves missing, repeated and misshapen fields to those who use them.
 * Whether the numbers fit together is for the caller to check.
 *
 * @returns numbers, texts and hashes under their names; other fields as bytes, copied.
 * @throws {@link UriError} `URI_BAD_EXTENSION`, `URI_MISSING_EXTENSION_FIELD`,
 *   `URI_BAD_EXTENSION_FIELD`.
 * @see allmydata.uri.unpack_extension
 */
export function unpackUriExtension(bytes: Uint8Array): UriExtensionData {
  const fields = readFields(bytes)
  const number = (name: string): number => numberOf(name, required(fields, name))
  const hash = (name: string): Uint8Array => hashOf(name, required(fields, name))
  const known = {
    size: number('size'),
    segment_size: number('segment_size'),
    num_segments: number('num_segments'),
    needed_shares: number('needed_shares'),
    total_shares: number('total_shares'),
    crypttext_root_hash: hash('crypttext_root_hash'),
    share_root_hash: hash('share_root_hash'),
  }
  const others: [string, string | Uint8Array][] = []
  for (const [name, value] of fields) {
    if (textFields.has(name)) others.push([name, new TextDecoder().decode(value)])
    else if (optionalHashFields.has(name)) others.push([name, hashOf(name, value)])
    else if (!(name in known)) others.push([name, value.slice()])
  }
  return { ...Object.fromEntries(others), ...known }
}
