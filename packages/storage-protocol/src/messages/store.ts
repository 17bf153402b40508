import { MAX_BUCKETS, type ShareNumber, StorageError } from '@lafs/storage-interface'
import { decodeCbor, encodeCbor, encodeHead, malformed, readHead } from '../cbor.ts'
import {
  expectFields,
  expectShareNumber,
  expectShareNumberSet,
  SHARE_COUNT_MAX,
  wrongShape,
} from './fields.ts'

/** Shares by number, the bytes of each in pieces that follow one another. */
export type WholeShares = ReadonlyMap<ShareNumber, readonly Uint8Array[]>

/** The major types of the items that a request is made of. */
const UINT = 0
const BYTES = 2
const MAP = 5
/** The most bytes that a request has around its shares: the map, and a number and a length a share. */
export const STORE_OVERHEAD_MAX: number = 16 + 16 * SHARE_COUNT_MAX

/** What `POST /lafs/v1/immutable/:storageIndex/shares` answers. */
export interface StoredMessage {
  /** The shares of the file that were there. Where there are any, nothing was stored. */
  readonly alreadyHave: ReadonlySet<ShareNumber>
  readonly stored: ReadonlySet<ShareNumber>
}

/** How many bytes shares have together. */
export function sizeOfShares(shares: WholeShares): number {
  let size = 0
  for (const pieces of shares.values()) for (const { length } of pieces) size += length
  return size
}

/**
 * The body of the request, in pieces: those of the shares as they are, with heads between them.
 *
 * @throws {@link StorageError} `STORAGE_BAD_SHARE_NUMBER`.
 */
export function encodeStore(shares: WholeShares): Uint8Array[] {
  const body: Uint8Array[] = []
  let head = encodeHead(MAP, shares.size)
  for (const [shareNumber, pieces] of shares) {
    if (!(Number.isInteger(shareNumber) && shareNumber >= 0 && shareNumber < MAX_BUCKETS)) {
      throw new StorageError('STORAGE_BAD_SHARE_NUMBER', `expected a number below ${MAX_BUCKETS}`)
    }
    const size = pieces.reduce((sum, { length }) => sum + length, 0)
    head.push(...encodeHead(UINT, shareNumber), ...encodeHead(BYTES, size))
    body.push(Uint8Array.from(head), ...pieces)
    head = []
  }
  return shares.size === 0 ? [Uint8Array.from(head)] : body
}

/**
 * Reads the body of the request. (Not by way of {@link decodeCbor}, which would copy the shares.)
 *
 * @returns each share in one piece: a view of `bytes`.
 * @throws {@link MessageError}.
 */
export function decodeStore(bytes: Uint8Array): Map<ShareNumber, readonly Uint8Array[]> {
  const shares = new Map<ShareNumber, readonly Uint8Array[]>()
  const { major, argument: count, next } = readHead(bytes, 0)
  if (major !== MAP) throw wrongShape('store', 'a map', 'something else')
  if (count > SHARE_COUNT_MAX) {
    throw wrongShape('store', `at most ${SHARE_COUNT_MAX} shares`, `${count}`)
  }
  let offset = next
  for (let i = 0; i < count; i += 1) {
    const key = readHead(bytes, offset)
    if (key.major !== UINT) throw wrongShape('store', 'a share number', 'something else')
    const shareNumber = expectShareNumber(key.argument, 'store')
    if (shares.has(shareNumber)) throw malformed('a repeated key')
    const value = readHead(bytes, key.next)
    if (value.major !== BYTES) throw wrongShape(`store[${shareNumber}]`, 'bytes', 'something else')
    if (value.argument > bytes.length - value.next) {
      throw malformed('a string is longer than what is left')
    }
    offset = value.next + value.argument
    shares.set(shareNumber, [bytes.subarray(value.next, offset)])
  }
  if (offset !== bytes.length) {
    throw malformed(`expected one item of ${offset} bytes, got ${bytes.length - offset} more`)
  }
  return shares
}

/** The body of the answer. */
export function encodeStored({ alreadyHave, stored }: StoredMessage): Uint8Array {
  return encodeCbor({ 'already-have': new Set(alreadyHave), stored: new Set(stored) })
}

/**
 * Reads the body of the answer.
 *
 * @param sent - the shares of the request.
 * @throws {@link MessageError}, for shares that were not sent too, and for some where others were there.
 */
export function decodeStored(bytes: Uint8Array, sent: WholeShares): StoredMessage {
  const fields = expectFields(decodeCbor(bytes), ['already-have', 'stored'], 'stored')
  const alreadyHave = expectShareNumberSet(fields.get('already-have'), 'already-have')
  const stored = expectShareNumberSet(fields.get('stored'), 'stored')
  for (const shareNumber of stored) {
    if (!sent.has(shareNumber)) throw wrongShape('stored', 'shares that were sent', 'another')
  }
  if (stored.size > 0 && alreadyHave.size > 0) {
    throw wrongShape('stored', 'none where shares were there', `${stored.size}`)
  }
  return { alreadyHave, stored }
}
