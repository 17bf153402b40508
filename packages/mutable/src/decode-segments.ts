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
 * The padded ciphertext of a segment, out of blocks of different shares.
 *
 * @param blocks - at least k of one length, by share number; not modified.
 * @returns fresh memory.
 */
export async function decodeSegment(
  decoder: ICodecDecoder,
  blocks: ReadonlyMap<number, SaltedBlock>,
): Promise<Uint8Array> {
  const { requiredShares } = decoder
  // Those with low numbers are the segment itself, and need no arithmetic.
  const chosen = [...blocks].toSorted(([a], [b]) => a - b).slice(0, requiredShares)
  const blockSize = chosen[0]?.[1].block.length ?? 0
  const segment = new Uint8Array(requiredShares * blockSize)
  const missing: Uint8Array[] = []
  for (let index = 0; index < requiredShares; index++) {
    const place = segment.subarray(index * blockSize, (index + 1) * blockSize)
    const given = chosen.find(([shareNumber]) => shareNumber === index)
    if (given === undefined) missing.push(place)
    else place.set(given[1].block)
  }
  if (missing.length > 0) {
    const numbers = chosen.map(([shareNumber]) => shareNumber)
    await decoder.decode(
      chosen.map(([, { block }]) => block),
      numbers,
      { into: missing },
    )
  }
  return segment
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
