import { segmentSizes } from './geometry.ts'
import type { FileGeometry } from './geometry.ts'

/** One segment on its way through the encoder, in memory that is used again for later ones. */
export interface SegmentMemory {
  /** Which segment of the file. */
  readonly segment: number
  /** Bytes of the segment's ciphertext; what follows in `crypttext` is padding. */
  readonly size: number
  /** The padded ciphertext: the k input blocks, one after the other. */
  readonly crypttext: Uint8Array
  /** The n - k blocks that the codec makes. */
  readonly parity: readonly Uint8Array[]
  /** Gives the memory back. */
  readonly release: () => void
}

/** The part of a segment's memory that its end takes: the segment is shorter than was thought. */
export function shortened(
  memory: SegmentMemory,
  size: number,
  requiredShares: number,
): SegmentMemory {
  const blockSize = Math.ceil(size / requiredShares)
  const crypttext = memory.crypttext.subarray(0, requiredShares * blockSize)
  crypttext.fill(0, size)
  const parity = memory.parity.map((block) => block.subarray(0, blockSize))
  return { ...memory, size, crypttext, parity }
}

interface Slab {
  readonly crypttext: Uint8Array
  readonly parity: readonly Uint8Array[]
}

/**
 * Memory for the segments of one file. Fresh megabytes for every segment cost more time than the
 * arithmetic on them, in page faults and garbage collection.
 */
export class SegmentPool {
  readonly #geometry: FileGeometry
  readonly #free: Slab[] = []

  constructor(geometry: FileGeometry) {
    this.#geometry = geometry
  }

  /** Memory for a segment: its padding is zero, and the rest is whatever stood there before. */
  take(segment: number): SegmentMemory {
    const { requiredShares } = this.#geometry
    const { size, blockSize } = segmentSizes(this.#geometry, segment)
    const slab = this.#free.pop() ?? this.#makeSlab()
    const crypttext = slab.crypttext.subarray(0, requiredShares * blockSize)
    crypttext.fill(0, size)
    return {
      segment,
      size,
      crypttext,
      parity: slab.parity.map((block) => block.subarray(0, blockSize)),
      release: () => this.#free.push(slab),
    }
  }

  #makeSlab(): Slab {
    const { requiredShares, totalShares, segmentSize, blockSize } = this.#geometry
    return {
      crypttext: new Uint8Array(segmentSize),
      parity: Array.from({ length: totalShares - requiredShares }, () => new Uint8Array(blockSize)),
    }
  }
}
