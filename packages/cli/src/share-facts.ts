import { basename, dirname } from 'node:path'
import { couldBeBase32Encoded, fromBase32, sskPubkeyFingerprintHash, toBase32 } from '@lafs/crypto'
import { hashTreeNodeCount, numberOfSegments } from '@lafs/storage-protocol/layout'
import type { ChkLayout } from '@lafs/storage-protocol/layout'
import { ChkVerifierCap, MdmfVerifierCap, SskVerifierCap } from '@lafs/uri'
import { readChkShare } from './chk-share.ts'
import type { ChkShareContents } from './chk-share.ts'
import { mutableOffsets, readMutableShare } from './mutable-share.ts'
import type { MutableShareContents } from './mutable-share.ts'
import {
  IMMUTABLE_DATA_OFFSET,
  MUTABLE_DATA_OFFSET,
  MUTABLE_HEADER_SIZE,
  withShareFile,
} from './share-file.ts'
import type { ImmutableShareFile, LeaseRecord, MutableShareFile } from './share-file.ts'

/** Names with where in the file they begin, in bytes. */
export type Offsets = ReadonlyMap<string, number>

/** A lease; its secrets and its server stand in mutable shares alone, in base32. */
export interface LeaseFacts {
  readonly slot: number
  readonly ownerNumber: number
  /** Below zero where it has ended. */
  readonly expiresInSeconds: number
  /** After `hash:` where the file has only its hash; the other one, too. */
  readonly renewSecret?: string
  readonly cancelSecret?: string
  /** The server that took the lease. */
  readonly nodeId?: string
}

/** What is in the file of an immutable share beside its blocks. */
export interface ImmutableShareFacts {
  readonly kind: 'immutable'
  readonly file: string
  /** Undefined where only the leases are asked for. */
  readonly contents?: {
    readonly version: number
    /** By the names of the format; hashes in base32. With the block's own hash as `UEB_hash`. */
    readonly uriExtension: ReadonlyMap<string, string | number>
    /** Undefined where the folder is not named after a storage index. */
    readonly verifyCap: string | undefined
    /** In bytes. */
    readonly sizes: {
      readonly data: number
      readonly uriExtension: number
      readonly validation: number
    }
    readonly offsets: Offsets | undefined
  }
  readonly leases: readonly LeaseFacts[]
}

/** What is in the file of a mutable share beside its blocks; bytes in base32. */
export interface MutableShareFacts {
  readonly kind: 'mutable'
  readonly file: string
  readonly format: 'SDMF' | 'MDMF' | 'unknown'
  readonly writeEnabler: string
  /** The server that the write enabler is for. */
  readonly nodeId: string
  readonly extraLeaseCount: number
  readonly containerSize: number
  readonly dataLength: number
  readonly leases: readonly LeaseFacts[]
  /** Undefined where the format is unknown. */
  readonly contents?: {
    readonly sequenceNumber: number
    readonly rootHash: string
    readonly iv: string | undefined
    readonly requiredShares: number
    readonly totalShares: number
    readonly segmentSize: number
    readonly dataLength: number
    /** In bytes, as the next two. */
    readonly encryptedPrivateKeySize: number
    readonly publicKeySize: number
    readonly signatureSize: number
    /** Numbers of nodes. */
    readonly shareHashChain: readonly number[]
    readonly blockHashTreeNodes: number
    readonly verifyCap: string | undefined
    readonly offsets: Offsets | undefined
  }
}

/** What of a share is wanted. */
export interface ShareFactsOptions {
  readonly offsets?: boolean
  /** Nothing else, of immutable shares. */
  readonly leasesOnly?: boolean
  /** Seconds since 1970. */
  readonly nowSeconds: number
}

/**
 * What is in the file of a share.
 *
 * @throws {@link CommandError} `CLI_BAD_SHARE`, and what the readers of layouts throw.
 */
export function readShareFacts(
  file: string,
  options: ShareFactsOptions,
): Promise<ImmutableShareFacts | MutableShareFacts> {
  return withShareFile(file, async (share) =>
    share.kind === 'immutable'
      ? immutableFacts(file, share, options)
      : mutableFacts(file, share, options),
  )
}

/** The share itself does not hold its storage index: its folder is named after it. */
function storageIndexOf(file: string): Uint8Array | undefined {
  const name = basename(dirname(file))
  return couldBeBase32Encoded(name) ? fromBase32(name) : undefined
}

async function immutableFacts(
  file: string,
  share: ImmutableShareFile,
  options: ShareFactsOptions,
): Promise<ImmutableShareFacts> {
  const leases = share.leases.map((lease) => leaseFacts(lease, options))
  if (options.leasesOnly === true) return { kind: 'immutable', file, leases }
  const chk = await readChkShare(share)
  const { layout, uriExtension, uriExtensionSize, uriExtensionHash } = chk
  const { version, offsets } = layout
  const fields = Object.entries({ ...uriExtension, UEB_hash: uriExtensionHash })
  const contents = {
    version,
    uriExtension: new Map(
      fields.flatMap(([name, value]) =>
        value === undefined ? [] : [[name, plainValue(name, value)] as const],
      ),
    ),
    verifyCap: chkVerifyCap(chk, storageIndexOf(file)),
    sizes: {
      data: offsets.plaintextHashTree - offsets.data,
      uriExtension: uriExtensionSize,
      validation: offsets.uriExtension - offsets.plaintextHashTree,
    },
    offsets: options.offsets === true ? chkOffsets(layout, share) : undefined,
  }
  return { kind: 'immutable', file, contents, leases }
}

function plainValue(name: string, value: number | string | Uint8Array): string | number {
  if (typeof value === 'number' || typeof value === 'string') return value
  return name.includes('hash') ? toBase32(value) : new TextDecoder().decode(value)
}

function chkVerifyCap(
  { uriExtension, uriExtensionHash }: ChkShareContents,
  storageIndex: Uint8Array | undefined,
): string | undefined {
  if (storageIndex === undefined) return undefined
  return new ChkVerifierCap({
    storageIndex,
    uriExtensionHash,
    requiredShares: uriExtension.needed_shares,
    totalShares: uriExtension.total_shares,
    size: uriExtension.size,
  }).format()
}

function chkOffsets({ offsets }: ChkLayout, share: ImmutableShareFile): Offsets {
  return new Map([
    ['share data', IMMUTABLE_DATA_OFFSET],
    ['block data', IMMUTABLE_DATA_OFFSET + offsets.data],
    ['plaintext_hash_tree', IMMUTABLE_DATA_OFFSET + offsets.plaintextHashTree],
    ['crypttext_hash_tree', IMMUTABLE_DATA_OFFSET + offsets.crypttextHashTree],
    ['block_hashes', IMMUTABLE_DATA_OFFSET + offsets.blockHashes],
    ['share_hashes', IMMUTABLE_DATA_OFFSET + offsets.shareHashes],
    ['uri_extension', IMMUTABLE_DATA_OFFSET + offsets.uriExtension],
    ['leases', share.leaseOffset],
  ])
}

function leaseFacts(
  { slot, ownerNumber, expiresAtSeconds }: LeaseRecord,
  { nowSeconds }: ShareFactsOptions,
): LeaseFacts {
  // To the millisecond, as the time now is known.
  const leftMs = Math.round((expiresAtSeconds - nowSeconds) * 1000)
  return { slot, ownerNumber, expiresInSeconds: leftMs / 1000 }
}

async function mutableFacts(
  file: string,
  share: MutableShareFile,
  options: ShareFactsOptions,
): Promise<MutableShareFacts> {
  const contents = await readMutableShare(share)
  const secretText = (secret: Uint8Array): string =>
    `${share.hashedSecrets ? 'hash:' : ''}${toBase32(secret)}`
  return {
    kind: 'mutable',
    file,
    format: contents?.format ?? 'unknown',
    writeEnabler: toBase32(share.writeEnabler),
    nodeId: toBase32(share.nodeId),
    extraLeaseCount: share.extraLeaseCount,
    containerSize: share.extraLeaseOffset - MUTABLE_DATA_OFFSET,
    dataLength: share.dataLength,
    leases: share.leases.map((lease) => ({
      ...leaseFacts(lease, options),
      renewSecret: secretText(lease.renewSecret),
      cancelSecret: secretText(lease.cancelSecret),
      nodeId: toBase32(lease.nodeId ?? new Uint8Array()),
    })),
    ...(contents && {
      contents: {
        ...contentsFacts(contents, storageIndexOf(file)),
        offsets: options.offsets === true ? offsetsOf(contents, share) : undefined,
      },
    }),
  }
}

function contentsFacts(
  { format, header, verificationKey, shareHashNodes }: MutableShareContents,
  storageIndex: Uint8Array | undefined,
): Omit<NonNullable<MutableShareFacts['contents']>, 'offsets'> {
  const { sections, salt } = header
  const sizeOf = (name: keyof typeof sections): number => sections[name].end - sections[name].offset
  const VerifierCap = format === 'SDMF' ? SskVerifierCap : MdmfVerifierCap
  const fingerprint = sskPubkeyFingerprintHash(verificationKey)
  return {
    sequenceNumber: header.sequenceNumber,
    rootHash: toBase32(header.rootHash),
    iv: salt && toBase32(salt),
    requiredShares: header.requiredShares,
    totalShares: header.totalShares,
    segmentSize: header.segmentSize,
    dataLength: header.dataLength,
    encryptedPrivateKeySize: sizeOf('encryptedPrivateKey'),
    publicKeySize: verificationKey.length,
    signatureSize: sizeOf('signature'),
    shareHashChain: shareHashNodes.toSorted((a, b) => a - b),
    blockHashTreeNodes: hashTreeNodeCount(numberOfSegments(header)),
    verifyCap: storageIndex && new VerifierCap({ storageIndex, fingerprint }).format(),
  }
}

function offsetsOf({ header }: MutableShareContents, share: MutableShareFile): Offsets {
  return new Map([
    ['first lease', MUTABLE_HEADER_SIZE],
    ['share data', MUTABLE_DATA_OFFSET],
    ['seqnum', MUTABLE_DATA_OFFSET + 1],
    ['root_hash', MUTABLE_DATA_OFFSET + 9],
    ...mutableOffsets(header).map(
      ([name, offset]) => [name, MUTABLE_DATA_OFFSET + offset] as const,
    ),
    ['extra leases', share.extraLeaseOffset + 4],
  ])
}
