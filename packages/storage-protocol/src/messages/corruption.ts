import { decodeCbor, encodeCbor } from '../cbor.ts'
import { expectFields, wrongShape } from './fields.ts'

/** The longest reason, in bytes of UTF-8. The limit of the body as a whole leaves room for fewer. */
export const REASON_SIZE_MAX = 32765

/** What `POST …/corrupt` says: why a share is thought to be bad. */
export function encodeCorruption(reason: string): Uint8Array {
  return encodeCbor({ reason })
}

/** @throws {@link MessageError}. */
export function decodeCorruption(bytes: Uint8Array): string {
  const reason = expectFields(decodeCbor(bytes), ['reason'], 'corrupt').get('reason')
  if (typeof reason !== 'string') throw wrongShape('reason', 'a text', `a ${typeof reason}`)
  const size = new TextEncoder().encode(reason).length
  if (size < 1 || size > REASON_SIZE_MAX) {
    throw wrongShape('reason', `1 to ${REASON_SIZE_MAX} bytes`, `${size}`)
  }
  return reason
}
