import { SHARE_HASH_ENTRY_SIZE } from '@lafs/storage-protocol/layout'
import type { ChkShareShape } from '@lafs/storage-protocol/layout'
import { MAX_BUCKETS } from '@lafs/storage-interface'

/** The numbers that decide how a CHK file is cut up. Sizes are bytes. */
export interface FileGeometry {
  /** Bytes of the file. */
  readonly size: number
  readonly requiredShares: number
  readonly totalShares: number
  /** Every segment but the last one; a multiple of `requiredShares`. */
  readonly segmentSize: number
  readonly segmentCount: number
  /** The last segment, before it is padded to a multiple of `requiredShares`. */
  readonly tailSize: number
  /** One share's part of each segment but the last one. */
  readonly blockSize: number
  /** One share's part of the last segment. */
  readonly tailBlockSize: number
  /** All blocks of one share. */
  readonly shareDataSize: number
}

/**
 * Cuts up a file.
 *
 * @throws RangeError unless `1 <= k <= n <= 256`, and size and segment size are positive safe
 *   integers, the latter a multiple of k.
 * @see allmydata.immutable.encode.Encoder; allmydata.immutable.downloader.node.DownloadNode._calculate_sizes
 */
export function fileGeometry(
  file: Pick<FileGeometry, 'size' | 'requiredShares' | 'totalShares' | 'segmentSize'>,
): FileGeometry {
  const { size, requiredShares, totalShares, segmentSize } = file
  checkShareCounts(requiredShares, totalShares)
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new RangeError(`expected a file of at least one byte, got ${size}`)
  }
  const whole = Number.isSafeInteger(segmentSize) && segmentSize >= 1
  if (!whole || segmentSize % requiredShares !== 0) {
    throw new RangeError(
      `expected a segment size that is a multiple of ${requiredShares}, got ${segmentSize}`,
    )
  }
  const segmentCount = Math.ceil(size / segmentSize)
  const tailSize = size - (segmentCount - 1) * segmentSize
  const blockSize = segmentSize / requiredShares
  const tailBlockSize = Math.ceil(tailSize / requiredShares)
  const shareDataSize = (segmentCount - 1) * blockSize + tailBlockSize
  return {
    size,
    requiredShares,
    totalShares,
    segmentSize,
    segmentCount,
    tailSize,
    blockSize,
    tailBlockSize,
    shareDataSize,
  }
}

/** What is known of a file before its end is: all of its segments are whole, and there is always another. */
export function endlessGeometry(
  file: Pick<FileGeometry, 'requiredShares' | 'totalShares' | 'segmentSize'>,
): FileGeometry {
  const { segmentSize } = file
  const segmentCount = Math.floor(Number.MAX_SAFE_INTEGER / segmentSize)
  return fileGeometry({ ...file, size: segmentCount * segmentSize })
}

/** @throws RangeError unless `1 <= k <= n <= 256`. */
export function checkShareCounts(requiredShares: number, totalShares: number): void {
  const whole = Number.isInteger(requiredShares) && Number.isInteger(totalShares)
  if (!whole || requiredShares < 1 || totalShares < requiredShares || totalShares > MAX_BUCKETS) {
    throw new RangeError(
      `expected 1 <= required shares <= total shares <= ${MAX_BUCKETS}, got ${requiredShares} and ${totalShares}`,
    )
  }
}

/**
 * The segment size of a file: no larger than the file needs, and a multiple of k.
 *
 * @see allmydata.immutable.upload.BaseUploadable.get_all_encoding_parameters
 */
export function segmentSizeFor(
  size: number,
  maxSegmentSize: number,
  requiredShares: number,
): number {
  return Math.ceil(Math.min(size, maxSegmentSize) / requiredShares) * requiredShares
}

/** Entries of a share hash chain: a node of each level below the root, and the leaf. */
export function shareHashCount(totalShares: number): number {
  return Math.ceil(Math.log2(totalShares)) + 1
}

/** What the layout of a share of this file depends upon. */
export function shareShape(geometry: FileGeometry, uriExtensionSize: number): ChkShareShape {
  return {
    dataSize: geometry.shareDataSize,
    blockSize: geometry.blockSize,
    segmentCount: geometry.segmentCount,
    shareHashCount: shareHashCount(geometry.totalShares),
    uriExtensionSize,
  }
}

/** Bytes of a block, of a segment and of a segment's padded ciphertext, by the segment's number. */
export function segmentSizes(
  geometry: FileGeometry,
  segmentIndex: number,
): { readonly size: number; readonly blockSize: number } {
  const isTail = segmentIndex === geometry.segmentCount - 1
  return isTail
    ? { size: geometry.tailSize, blockSize: geometry.tailBlockSize }
    : { size: geometry.segmentSize, blockSize: geometry.blockSize }
}

/** Bytes of the share hash chain. */
export function shareHashesSize(totalShares: number): number {
  return shareHashCount(totalShares) * SHARE_HASH_ENTRY_SIZE
}
