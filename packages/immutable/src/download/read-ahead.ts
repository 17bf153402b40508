import { DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE } from '@lafs/storage-interface'
import {
  CHK_URI_EXTENSION_SIZE_LIMIT,
  chkAllocatedSize,
  planChkLayout,
} from '@lafs/storage-protocol/layout'
import type { ChkVerifierCap } from '@lafs/uri'
import { fileGeometry, segmentSizeFor, shareShape } from '../geometry.ts'
import type { FileGeometry } from '../geometry.ts'

/** A share of up to this many bytes is read at once, and kept. */
export const WHOLE_SHARE_SIZE: number = 64 * 1024
/** The same for a share of one block, which every read needs; it is not kept if it is longer than the others. */
const ONE_BLOCK_SHARE_SIZE: number = DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE + 64 * 1024

/** What is known of a file before its shares are: a guess, as the cap does not tell the segment size. */
export function guessGeometry(cap: ChkVerifierCap): FileGeometry {
  const { requiredShares, totalShares } = cap
  // A cap that says 0 is wrong: what the shares say of the file will show it.
  const size = Math.max(cap.size, 1)
  const segmentSize = segmentSizeFor(size, DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE, requiredShares)
  return fileGeometry({ size, requiredShares, totalShares, segmentSize })
}

/** The bytes of a share that is to be read at once; undefined for one that is too large. */
export function wholeShareSize(geometry: FileGeometry): number | undefined {
  const layout = planChkLayout(shareShape(geometry, CHK_URI_EXTENSION_SIZE_LIMIT))
  const size = chkAllocatedSize(layout, CHK_URI_EXTENSION_SIZE_LIMIT)
  const sizeMax = geometry.segmentCount === 1 ? ONE_BLOCK_SHARE_SIZE : WHOLE_SHARE_SIZE
  return size <= sizeMax ? size : undefined
}
