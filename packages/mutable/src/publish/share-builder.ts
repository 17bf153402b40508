import { concatBytes } from '@lafs/crypto'
import type { RsaSigningKey } from '@lafs/crypto'
import { NotWriteableError } from '@lafs/filesystem-interface'
import type { IMutableUploadable } from '@lafs/filesystem-interface'
import { HashTree } from '@lafs/hashtree'
import {
  DEFAULT_MUTABLE_MAX_SEGMENT_SIZE,
  MDMF_VERSION,
  SALT_SIZE,
  SDMF_VERSION,
} from '@lafs/storage-interface'
import type { ShareNumber, WriteVector } from '@lafs/storage-interface'
import {
  numberOfSegments,
  packMutableHeader,
  packShareHashChain,
  parseMutableHeader,
  planMutableShareLayout,
  SHARE_HASH_ENTRY_SIZE,
} from '@lafs/storage-protocol/layout'
import type {
  MutableShareHeader,
  MutableShareLayout,
  MutableShareShape,
} from '@lafs/storage-protocol/layout'
import { encodeSegments } from './encode-segments.ts'
import type { MutableContext, MutableFile } from '../file.ts'
import type { PublishStatus } from './status.ts'
import { readSource } from './source-reader.ts'
import { versionInfoOf } from '../servermap/version-info.ts'
import type { VersionInfo } from '../servermap/version-info.ts'

/** Bytes of an RSA-2048 signature. */
const SIGNATURE_SIZE = 256

/**
 * How a new version is cut up: SDMF into one segment as large as the contents, MDMF into segments of
 * 128 KiB; both rounded up to a multiple of `requiredShares`.
 *
 * @throws TypeError while the version of the format is not known.
 * @see allmydata.mutable.publish.Publish.setup_encoding_parameters
 */
export function shapeOfNewVersion(
  version: number | undefined,
  dataLength: number,
  { requiredShares, totalShares }: NonNullable<MutableFile['encoding']>,
): MutableShareShape {
  if (version !== SDMF_VERSION && version !== MDMF_VERSION) {
    throw new TypeError(`expected a file that is SDMF (0) or MDMF (1), got ${version}`)
  }
  const size = version === MDMF_VERSION ? DEFAULT_MUTABLE_MAX_SEGMENT_SIZE : dataLength
  const segmentSize = Math.ceil(size / requiredShares) * requiredShares
  return { version, requiredShares, totalShares, segmentSize, dataLength }
}

/** What a writer of a file must have. */
export interface WriteAuthority {
  /** 16 bytes, a secret. */
  readonly readkey: Uint8Array
  readonly signingKey: RsaSigningKey
  readonly encryptedPrivateKey: Uint8Array
}

/**
 * What a file's writer needs of it.
 *
 * @throws {@link NotWriteableError} without write authority; TypeError while the keys are not known.
 */
export function writeAuthority(file: MutableFile): WriteAuthority {
  const { readkey, writekey, signingKey, encryptedPrivateKey } = file
  if (readkey === undefined || writekey === undefined) {
    throw new NotWriteableError('this file can be published with its write cap alone')
  }
  if (signingKey === undefined || encryptedPrivateKey === undefined) {
    throw new TypeError('expected the keys of the file: update its servermap for writing first')
  }
  return { readkey, signingKey, encryptedPrivateKey }
}

/** A new version, ready to be sent. */
export interface NewVersion {
  readonly version: VersionInfo
  /** By share number: what to write. */
  readonly writes: readonly (readonly WriteVector[])[]
  /** Bytes of a whole share; undefined where a part of it is written alone. */
  readonly shareSize: number | undefined
}

/** Options of the making of shares. */
export interface BuildOptions {
  readonly shape: MutableShareShape
  readonly sequenceNumber: number
  readonly status: PublishStatus
  readonly signal?: AbortSignal | undefined
}

/**
 * All shares of a new version, whole.
 *
 * Salts are drawn one for each segment, in order; an empty SDMF file has one too.
 *
 * @throws {@link UploadSourceChangedError} when the contents are not as long as they say.
 */
export async function buildShares(
  file: MutableFile,
  contents: IMutableUploadable,
  { shape, sequenceNumber, status, signal }: BuildOptions,
): Promise<NewVersion> {
  const { context } = file
  const authority = writeAuthority(file)
  const verificationKey = authority.signingKey.verifyingKey.der
  const layout = planMutableShareLayout({
    ...shape,
    verificationKeySize: verificationKey.length,
    signatureSize: SIGNATURE_SIZE,
    encryptedPrivateKeySize: authority.encryptedPrivateKey.length,
    shareHashChainSize: Math.ceil(Math.log2(shape.totalShares)) * SHARE_HASH_ENTRY_SIZE,
  })
  const { sections, shareEnd }: MutableShareLayout = layout
  const shares = Array.from({ length: shape.totalShares }, () => new Uint8Array(shareEnd))
  const regionOf = (share: Uint8Array): Uint8Array =>
    share.subarray(sections.shareData.offset, sections.shareData.end)
  const source = readSource(contents, { ...(signal && { signal }) })
  try {
    const { blockHashes, lastSalt } = await encodeSegments(
      {
        shape: { ...shape, sections },
        first: 0,
        last: numberOfSegments(shape) - 1,
        readkey: authority.readkey,
        fill: (memory) => source.readInto(memory),
        regions: shares.map(regionOf),
        signal,
      },
      context,
      status,
    )
    await source.end()
    const packMs = context.clock.nowMs()
    const salt =
      shape.version === SDMF_VERSION
        ? (lastSalt ?? context.crypto.randomBytes(SALT_SIZE))
        : undefined
    const fields = { ...shape, ...layout, sequenceNumber, salt }
    const sealed = await seal(fields, blockHashes, authority.signingKey, context, status)
    for (const [number, share] of shares.entries()) {
      share.set(sealed.headerBytes)
      share.set(verificationKey, sections.verificationKey.offset)
      share.set(sealed.signature, sections.signature.offset)
      share.set(sealed.chains[number] ?? [], sections.shareHashChain.offset)
      share.set(sealed.blockHashTrees[number] ?? [], sections.blockHashTree.offset)
      share.set(authority.encryptedPrivateKey, sections.encryptedPrivateKey.offset)
    }
    status.timings.packMs = context.clock.nowMs() - packMs
    return {
      version: versionInfoOf(sealed.header),
      writes: shares.map((data) => [{ offset: 0, data }]),
      shareSize: shareEnd,
    }
  } finally {
    await source.close()
  }
}

/** What stands above the blocks of a version. */
export interface SealedVersion {
  readonly header: MutableShareHeader
  /** The prefix and the offsets: the same for all shares. */
  readonly headerBytes: Uint8Array
  readonly signature: Uint8Array
  /** By share number. */
  readonly chains: readonly Uint8Array[]
  readonly blockHashTrees: readonly Uint8Array[]
}

/** Makes the hash trees over all blocks of all shares, and signs their root. */
export async function seal(
  fields: Omit<MutableShareHeader, 'rootHash' | 'prefix' | 'checkstring'>,
  blockHashes: readonly (readonly Uint8Array[])[],
  signingKey: RsaSigningKey,
  { crypto, clock }: Pick<MutableContext, 'crypto' | 'clock'>,
  status: PublishStatus,
): Promise<SealedVersion> {
  const blockTrees = blockHashes.map((hashes) => new HashTree(hashes, crypto))
  const shareTree = new HashTree(
    blockTrees.map(({ root }) => root),
    crypto,
  )
  const headerBytes = packMutableHeader({ ...fields, rootHash: shareTree.root })
  const header = parseMutableHeader(headerBytes)
  const startMs = clock.nowMs()
  const signature = await signingKey.sign(header.prefix)
  status.timings.signMs = clock.nowMs() - startMs
  return {
    header,
    headerBytes,
    signature,
    chains: blockTrees.map((_, share) => shareHashChainOf(shareTree, share)),
    blockHashTrees: blockTrees.map(({ nodes }) => concatBytes(nodes)),
  }
}

/** What a share holds of the tree over the roots of all shares. */
export function shareHashChainOf(shareTree: HashTree, share: ShareNumber): Uint8Array {
  const needed = [...shareTree.neededHashes(share)]
  return packShareHashChain(
    new Map(needed.map((node) => [node, shareTree.nodes[node] ?? new Uint8Array()])),
  )
}
