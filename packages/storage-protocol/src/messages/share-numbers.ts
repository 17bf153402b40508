import type { ShareNumber } from '@lafs/storage-interface'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { expectShareNumberSet } from './fields.ts'

/** The answer to a listing: the shares that the server holds. */
export function encodeShareNumbers(shareNumbers: ReadonlySet<ShareNumber>): Uint8Array {
  return encodeCbor(new Set(shareNumbers))
}

/** @throws {@link MessageError}. */
export function decodeShareNumbers(bytes: Uint8Array): Set<ShareNumber> {
  return expectShareNumberSet(decodeCbor(bytes), 'share numbers')
}
