import type {
  IMutableUploadable,
  IPublishStatus,
  ProgressOptions,
} from '@lafs/filesystem-interface'
import { MDMF_VERSION } from '@lafs/storage-interface'
import { blockSpan, growMutableShareLayout, numberOfSegments } from '@lafs/storage-protocol/layout'
import { encodeSegments } from './encode-segments.ts'
import type { MutableFile } from '../file.ts'
import { segmentsOf } from '../retrieve/decode-segments.ts'
import { runPublication } from './publish.ts'
import type { ServerMap } from '../servermap/server-map.ts'
import { seal, writeAuthority } from './share-builder.ts'
import type { BuildOptions, NewVersion } from './share-builder.ts'
import { readSource } from './source-reader.ts'
import { versionInfoOf } from '../servermap/version-info.ts'
import type { VersionInfo } from '../servermap/version-info.ts'

/** What a change in place must know of the version that it changes. */
export interface UpdateBasis {
  /** For every share number, the leaves of its block hash tree, checked against the share's root. */
  readonly blockHashes: ReadonlyMap<number, readonly Uint8Array[]>
  /**
   * The contents of the segments that the change covers in part, by their index: the first one, and
   * the last one.
   */
  readonly segments: ReadonlyMap<number, Uint8Array>
}

/** A change: `data` over what stands from `offset` on, and past the end. */
export interface InPlaceUpdate {
  readonly offset: number
  readonly data: IMutableUploadable
  readonly basis: UpdateBasis
}

/**
 * Whether {@link publishUpdate} can make this change: to an MDMF file that is not empty, of which all
 * shares are there, all of them good and of this one version. Otherwise a whole new version must be
 * published, which brings the shares back in order as well.
 */
export function canUpdateInPlace(
  map: ServerMap,
  version: VersionInfo,
  offset: number,
  size: number,
): boolean {
  const shares = [...map.shares()]
  const numbers = new Set(shares.map(({ shareNumber }) => shareNumber))
  return (
    version.header.version === MDMF_VERSION &&
    size > 0 &&
    version.size > 0 &&
    offset <= version.size &&
    numbers.size === version.totalShares &&
    shares.every((share) => share.version.id === version.id) &&
    map.badShares.size === 0
  )
}

/**
 * Changes an MDMF file in place: writes the blocks of the segments that change, and the hashes and
 * the signature over them. Shares stay where they are; a server that fails is not replaced.
 *
 * @param version - the newest one, see {@link canUpdateInPlace}.
 * @throws RangeError when that does not hold; as `publish` otherwise.
 * @see allmydata.mutable.publish.Publish.update
 */
export async function publishUpdate(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  update: InPlaceUpdate,
  options: ProgressOptions = {},
): Promise<IPublishStatus> {
  const { offset, data } = update
  if (!canUpdateInPlace(map, version, offset, data.size)) {
    throw new RangeError(
      `expected a change to a whole MDMF file, got one of ${data.size} bytes at ${offset} of ${version.size}`,
    )
  }
  const dataLength = Math.max(version.size, offset + data.size)
  const shape = { ...version.header, dataLength }
  return runPublication(file, map, shape, options, (build) => ({
    newVersion: buildUpdate(file, version, update, build),
    goal: [...map.shares()],
    spareServers: [],
  }))
}

/** What to write into each share. */
async function buildUpdate(
  file: MutableFile,
  { header }: VersionInfo,
  update: InPlaceUpdate,
  { shape, sequenceNumber, status, signal }: BuildOptions,
): Promise<NewVersion> {
  const { context } = file
  const { readkey, signingKey } = writeAuthority(file)
  const { offset, data, basis } = update
  const { first, last } = segmentsOf(header.segmentSize, offset, data.size)
  const layout = growMutableShareLayout(header, shape)
  const place = { ...shape, ...layout }
  const tail = blockSpan(place, last)
  const dataOffset = blockSpan(place, first).offset
  const regionSize = tail.offset + tail.saltLength + tail.length - dataOffset
  const regions = Array.from({ length: shape.totalShares }, () => new Uint8Array(regionSize))
  const source = readSource(data, { ...(signal && { signal }) })
  try {
    const fill = (memory: Uint8Array, segment: number): Promise<void> =>
      source.readInto(changedPart(memory, segment * shape.segmentSize, segment, update))
    const work = { shape: place, first, last, readkey, fill, regions, signal }
    const encoded = await encodeSegments(work, context, status)
    await source.end()
    const packMs = context.clock.nowMs()
    const blockHashes = encoded.blockHashes.map((changed, share) => {
      const old = basis.blockHashes.get(share) ?? []
      return [...old.slice(0, first), ...changed, ...old.slice(last + 1)]
    })
    const wrong = blockHashes.findIndex((hashes) => hashes.length !== numberOfSegments(shape))
    if (wrong !== -1) throw new RangeError(`expected all block hashes of share ${wrong}`)
    const fields = { ...place, sequenceNumber, salt: undefined }
    const sealed = await seal(fields, blockHashes, signingKey, context, status)
    const writes = regions.map((region, share) => [
      { offset: 0, data: sealed.headerBytes },
      {
        offset: layout.sections.shareHashChain.offset,
        data: sealed.chains[share] ?? new Uint8Array(),
      },
      { offset: layout.sections.signature.offset, data: sealed.signature },
      { offset: dataOffset, data: region },
      {
        offset: layout.sections.blockHashTree.offset,
        data: sealed.blockHashTrees[share] ?? new Uint8Array(),
      },
    ])
    status.timings.packMs = context.clock.nowMs() - packMs
    return { version: versionInfoOf(sealed.header), writes, shareSize: undefined }
  } finally {
    await source.close()
  }
}

/** The part of a segment's memory that gets new contents; the rest gets the old ones. */
function changedPart(
  memory: Uint8Array,
  segmentOffset: number,
  segment: number,
  { offset, data, basis }: InPlaceUpdate,
): Uint8Array {
  const from = Math.max(0, offset - segmentOffset)
  const to = Math.min(memory.length, offset + data.size - segmentOffset)
  if (from > 0 || to < memory.length) {
    memory.set(oldContents(basis, segment, to < memory.length ? memory.length : from))
  }
  return memory.subarray(from, to)
}

/** The first `size` bytes of what a segment held. */
function oldContents({ segments }: UpdateBasis, segment: number, size: number): Uint8Array {
  const old = segments.get(segment)
  if (old === undefined || old.length < size) {
    throw new RangeError(`expected ${size} bytes of old contents of segment ${segment}`)
  }
  return old.subarray(0, size)
}
