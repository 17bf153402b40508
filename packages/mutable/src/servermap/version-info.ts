import { toBase32 } from '@lafs/crypto'
import type { MutableVersionInfo } from '@lafs/filesystem-interface'
import type { MutableShareHeader } from '@lafs/storage-protocol/layout'

/** One version of a mutable file, with what the shares of it say of themselves. */
export interface VersionInfo extends MutableVersionInfo {
  /** That of one of its shares; those of the others are the same. */
  readonly header: MutableShareHeader
}

/** Characters of the root hash that people are shown. */
const SUMMARY_LENGTH = 4

/**
 * The version that a share belongs to. What its signature covers makes up its identity, and so does
 * where its parts are: a share that puts them elsewhere is not like the others.
 *
 * @see allmydata.mutable.layout.MDMFSlotReadProxy.get_verinfo
 */
export function versionInfoOf(header: MutableShareHeader): VersionInfo {
  const { sequenceNumber, rootHash, requiredShares, totalShares, segmentSize } = header
  const places = Object.keys(header.sections)
    .toSorted()
    .map((name) => header.sections[name as keyof MutableShareHeader['sections']])
    .map(({ offset, end }) => `${offset}-${end}`)
  return {
    summary: `seq${sequenceNumber}-${toBase32(rootHash).slice(0, SUMMARY_LENGTH)}`,
    id: `${toBase32(header.prefix)} ${places.join(' ')}`,
    sequenceNumber,
    rootHash,
    requiredShares,
    totalShares,
    segmentSize,
    size: header.dataLength,
    header,
  }
}

/**
 * Orders versions, the worst one first: by sequence number, then by root hash. What is equal in both
 * still has an order, the same one everywhere.
 */
export function compareVersions(a: MutableVersionInfo, b: MutableVersionInfo): number {
  const difference = compareSigned(a, b)
  if (difference !== 0 || a.id === b.id) return difference
  return a.id < b.id ? -1 : 1
}

/** The same by what is signed alone. */
export function compareSigned(a: MutableVersionInfo, b: MutableVersionInfo): number {
  if (a.sequenceNumber !== b.sequenceNumber) return a.sequenceNumber - b.sequenceNumber
  for (const [index, byte] of a.rootHash.entries()) {
    const difference = byte - (b.rootHash[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
