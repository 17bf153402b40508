import { uriExtensionHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { UnableToFetchCriticalDownloadDataError } from '@lafs/filesystem-interface'
import type { UriExtensionData } from '@lafs/filesystem-interface'
import { HASH_SIZE } from '@lafs/storage-interface'
import { unpackUriExtension } from '@lafs/uri'
import type { ChkParameters } from '@lafs/uri'
import { sameBytes } from '@lafs/crypto'
import { fileGeometry } from '../geometry.ts'
import type { FileGeometry } from '../geometry.ts'

/** As many leaves as a hash tree has at most. */
const SEGMENT_COUNT_MAX = 2 ** 30

/** What a download takes from a URI extension block. */
export interface ValidatedUriExtension {
  readonly geometry: FileGeometry
  /** The root of the tree over the hashes of all segments of ciphertext. */
  readonly crypttextRootHash: Uint8Array
  /** The root of the tree over the roots of all shares' block hash trees. */
  readonly shareRootHash: Uint8Array
  readonly data: UriExtensionData
}

/** Whether these bytes are the URI extension block that a cap speaks of. */
export function isUriExtensionOf(
  cap: ChkParameters,
  block: Uint8Array,
  crypto: CryptoProvider,
): boolean {
  return sameBytes(uriExtensionHash(block, crypto), cap.uriExtensionHash)
}

/**
 * Reads a URI extension block whose hash fits the cap. What it repeats of the cap, or of itself, must
 * agree; a block that does not was made so by whoever uploaded the file.
 *
 * @throws {@link FilesystemError} `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE`.
 * @see allmydata.immutable.checker.ValidatedExtendedURIProxy
 */
export function validateUriExtension(cap: ChkParameters, block: Uint8Array): ValidatedUriExtension {
  const { requiredShares, totalShares, size } = cap
  try {
    const data = unpackUriExtension(block)
    const crypttextRootHash = hashField(data, 'crypttext_root_hash')
    const shareRootHash = hashField(data, 'share_root_hash')
    if (data.crypttext_hash !== undefined) hashField(data, 'crypttext_hash')
    const segmentSize = data.segment_size
    const geometry = fileGeometry({ size, requiredShares, totalShares, segmentSize })
    if (geometry.segmentCount > SEGMENT_COUNT_MAX) {
      throw new RangeError(
        `expected at most ${SEGMENT_COUNT_MAX} segments, got ${geometry.segmentCount}`,
      )
    }
    const paddedTail = geometry.tailBlockSize * requiredShares
    expectField(data, 'codec_name', 'crs')
    expectField(data, 'codec_params', `${segmentSize}-${requiredShares}-${totalShares}`)
    expectField(data, 'tail_codec_params', `${paddedTail}-${requiredShares}-${totalShares}`)
    expectField(data, 'num_segments', geometry.segmentCount)
    expectField(data, 'size', size)
    expectField(data, 'needed_shares', requiredShares)
    expectField(data, 'total_shares', totalShares)
    return { geometry, crypttextRootHash, shareRootHash, data }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UnableToFetchCriticalDownloadDataError(
      `the file was uploaded with a bad URI extension block: ${why}`,
      { cause },
    )
  }
}

function hashField(data: UriExtensionData, name: keyof UriExtensionData): Uint8Array {
  const value = data[name]
  if (value instanceof Uint8Array && value.length === HASH_SIZE) return value
  throw new RangeError(`expected ${name} of ${HASH_SIZE} bytes`)
}

/** A field that may be missing must say what is known already. */
function expectField(
  data: UriExtensionData,
  name: keyof UriExtensionData,
  expected: string | number,
): void {
  const value = data[name]
  if (value === undefined || value === expected) return
  const got = typeof value === 'object' ? `${value.length} bytes` : value
  throw new RangeError(`expected ${name} to be ${expected}, got ${got}`)
}
