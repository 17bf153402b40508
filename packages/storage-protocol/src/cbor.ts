import { decode, encode } from 'cborg'
import { setDecoder, setEncoder, TAG_SET } from 'cborg/taglib'
import { MessageError } from './errors.ts'

/** How deep arrays, maps and tags of one message may nest; the deepest message needs five. */
const DEPTH_MAX = 16
/**
 * How many entries the arrays and maps of one message may have together. An empty map takes a byte of a
 * message and hundreds of memory; a write of 10 GB to an MDMF file by upstream has 400,000 entries.
 */
const ENTRIES_MAX: number = 2 ** 20 - 1

const ENCODE_OPTIONS = {
  // Keys stay in the order in which they are given: the order of upstream's messages.
  mapSorter: () => 0,
  typeEncoders: { Set: setEncoder },
}
const DECODE_OPTIONS = {
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  tags: { [TAG_SET]: setDecoder },
}

/** The CBOR form of a message: maps from `Map`, sets (tag 258) from `Set`, byte strings from bytes. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, ENCODE_OPTIONS)
}

/**
 * Reads the one CBOR item that `bytes` hold: maps as `Map`, sets as `Set`, integers past 2^53 as
 * bigint. Every byte string is in fresh memory.
 *
 * Nothing is allocated before the whole item has been walked over: its lengths fit into what is
 * there, and its nesting and the number of its entries have limits.
 *
 * @throws {@link MessageError} `MESSAGE_MALFORMED` for bytes that are left over, lengths past the
 *   end, items of indefinite length, floats, tags other than 258, deep nesting, too many entries, bad
 *   UTF-8 and repeated map keys.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const end = skipItem(bytes, 0, 0, { left: ENTRIES_MAX })
  if (end !== bytes.length) {
    throw malformed(`expected one item of ${end} bytes, got ${bytes.length - end} more`)
  }
  try {
    return decode(bytes, DECODE_OPTIONS)
  } catch (cause) {
    throw new MessageError('MESSAGE_MALFORMED', 'CBOR: the item cannot be read', { cause })
  }
}

/** Walks over the item at `offset` without building it; gives the offset of what follows. */
function skipItem(
  bytes: Uint8Array,
  offset: number,
  depth: number,
  entries: { left: number },
): number {
  if (depth > DEPTH_MAX) throw malformed(`nested deeper than ${DEPTH_MAX}`)
  const { major, argument, next } = readHead(bytes, offset)
  if (major === 2 || major === 3) {
    if (argument > bytes.length - next) throw malformed('a string is longer than what is left')
    if (major === 3) checkUtf8(bytes.subarray(next, next + argument))
    return next + argument
  }
  if (major === 4 || major === 5) {
    const items = major === 4 ? argument : 2 * argument
    if (items > bytes.length - next) throw malformed('more entries than bytes that are left')
    entries.left -= items
    if (entries.left < 0) throw malformed(`more than ${ENTRIES_MAX} entries`)
    let end = next
    for (let i = 0; i < items; i++) end = skipItem(bytes, end, depth + 1, entries)
    return end
  }
  if (major === 6) {
    if (argument !== TAG_SET)
      throw malformed(`tag ${argument}, of which this protocol knows nothing`)
    if ((bytes[next] ?? 0) >> 5 !== 4) throw malformed('a set that is not made of an array')
    return skipItem(bytes, next, depth + 1, entries)
  }
  if (major === 7 && next > offset + 1) throw malformed('a float or an unknown simple value')
  return next
}

/** How an item of CBOR begins. */
export interface ItemHead {
  readonly major: number
  /** Its value, its length or its tag; not exact past 2^53. */
  readonly argument: number
  /** The offset of what follows the head. */
  readonly next: number
}

/** Reads the head of the item at `offset`. @throws {@link MessageError} `MESSAGE_MALFORMED`. */
export function readHead(bytes: Uint8Array, offset: number): ItemHead {
  const first = bytes[offset]
  if (first === undefined) throw malformed('ends in the middle of an item')
  return { major: first >> 5, ...readArgument(bytes, offset, first & 31) }
}

/** The head of an item, as short as can be. @param argument - below 2^32. */
export function encodeHead(major: number, argument: number): number[] {
  const first = major << 5
  if (argument < 24) return [first | argument]
  if (argument < 2 ** 8) return [first | 24, argument]
  if (argument < 2 ** 16) return [first | 25, argument >> 8, argument & 255]
  return [
    first | 26,
    argument >>> 24,
    (argument >> 16) & 255,
    (argument >> 8) & 255,
    argument & 255,
  ]
}

/** The number that follows the first byte of an item. */
function readArgument(
  bytes: Uint8Array,
  offset: number,
  minor: number,
): { argument: number; next: number } {
  if (minor < 24) return { argument: minor, next: offset + 1 }
  if (minor > 27) throw malformed('an indefinite or reserved length')
  const size = 1 << (minor - 24)
  const next = offset + 1 + size
  if (next > bytes.length) throw malformed('ends in the middle of an item')
  let argument = 0
  for (let i = offset + 1; i < next; i++) argument = argument * 256 + (bytes[i] ?? 0)
  return { argument, next }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function checkUtf8(bytes: Uint8Array): void {
  try {
    utf8.decode(bytes)
  } catch (cause) {
    throw new MessageError('MESSAGE_MALFORMED', 'CBOR: a text that is not UTF-8', { cause })
  }
}

/** The error for bytes that are no item of this protocol. */
export function malformed(what: string): MessageError {
  return new MessageError('MESSAGE_MALFORMED', `CBOR: ${what}`)
}
