import type { ICodecDecoder } from '@lafs/codec-interface'
import { sskReadkeyDataHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type { SaltedBlock } from './share-verifier.ts'

/** The segments that hold a span of a file; both inclusive. */
export interface SegmentSpan {
  readonly first: number
  readonly last: number
}

/** The segments that hold `size` bytes (at least 1) from `offset` on. */
export function segmentsOf(segmentSize: number, offset: number, size: number): SegmentSpan {
  return {
    first: Math.floor(offset / segmentSize),
    last: Math.floor((offset + size - 1) / segmentSize),
  }
}

/**
 * The padded ciphertext of a segment, out of blocks of different shares, and its salt.
 *
 * @param blocks - at least k of one length and one salt, by share number; not modified.
 * @returns fresh memory.
 */
export async function decodeSegment(
  decoder: ICodecDecoder,
  blocks: ReadonlyMap<number, SaltedBlock>,
): Promise<{ crypttext: Uint8Array; salt: Uint8Array }> {
  const { requiredShares } = decoder
  // Those with low numbers are the segment itself, and need no arithmetic.
  const chosen = new Map([...blocks].toSorted(([a], [b]) => a - b).slice(0, requiredShares))
  const [some] = chosen.values()
  if (some === undefined) throw new RangeError('expected k blocks of a segment, got none')
  const blockSize = some.block.length
  const crypttext = new Uint8Array(requiredShares * blockSize)
  const missing: Uint8Array[] = []
  for (let index = 0; index < requiredShares; index++) {
    const place = crypttext.subarray(index * blockSize, (index + 1) * blockSize)
    const given = chosen.get(index)
    if (given === undefined) missing.push(place)
    else place.set(given.block)
  }
  if (missing.length > 0) {
    const inputs = [...chosen.values()].map(({ block }) => block)
    await decoder.decode(inputs, [...chosen.keys()], { into: missing })
  }
  return { crypttext, salt: some.salt }
}

/**
 * Decrypts a part of a segment where it stands.
 *
 * @param part.offset - where it begins within its segment.
 */
export async function decryptInPlace(
  crypto: CryptoProvider,
  { readkey, salt }: { readonly readkey: Uint8Array; readonly salt: Uint8Array },
  part: { readonly bytes: Uint8Array; readonly offset: number },
): Promise<void> {
  const key = sskReadkeyDataHash(salt, readkey, crypto)
  await crypto.aesCtrInPlace(key, part.bytes, { offset: part.offset })
}
