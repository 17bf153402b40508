import { assertSize } from './bytes.ts'

const BLOCK_SIZE = 16

/** Where a byte offset of an AES-CTR stream lies: the counter block there, and the bytes before it in that block. */
export interface CounterPosition {
  readonly counter: Uint8Array
  readonly skip: number
}

/**
 * The counter block of byte `offset` of the stream that starts at `iv`: the 128-bit big-endian
 * number `iv + floor(offset / 16)`, carrying over all 16 bytes.
 *
 * @throws RangeError unless `iv` is 16 bytes and `offset` is a safe integer >= 0.
 */
export function counterAt(iv: Uint8Array, offset: number): CounterPosition {
  assertSize('AES-CTR iv', iv, BLOCK_SIZE)
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`AES-CTR offset: expected a safe integer >= 0, got ${offset}`)
  }
  const counter = Uint8Array.from(iv)
  let carry = Math.floor(offset / BLOCK_SIZE)
  for (let index = BLOCK_SIZE - 1; index >= 0 && carry > 0; index--) {
    const sum = (counter[index] ?? 0) + carry
    counter[index] = sum % 256
    carry = Math.floor(sum / 256)
  }
  return { counter, skip: offset % BLOCK_SIZE }
}

/** The initial counter block of a stream for which none is given. */
export const zeroIv: Uint8Array = new Uint8Array(BLOCK_SIZE)
