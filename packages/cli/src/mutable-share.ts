import { MUTABLE_DATA_OFFSET, ShareFileError } from './share-file.ts'
import type { MutableShareFile } from './share-file.ts'

/** What stands at the beginning of a mutable share. Sizes and offsets are bytes. */
export interface MutableShareHeader {
  readonly format: 'SDMF' | 'MDMF'
  readonly sequenceNumber: number
  readonly rootHash: Uint8Array
  /** SDMF only: the salt of the one segment. */
  readonly iv: Uint8Array | undefined
  readonly requiredShares: number
  readonly totalShares: number
  readonly segmentSize: number
  readonly dataLength: number
  /** Where each section begins in the share, by upstream's names, in the order of its table. */
  readonly offsets: ReadonlyMap<string, number>
  /** The bytes of some sections, by upstream's names. */
  readonly sizes: Readonly<Record<'pubkey' | 'signature' | 'encPrivkey' | 'blockHashes', number>>
  readonly pubkey: Uint8Array
  /** The numbers of the nodes in the share hash chain, in the order of the share. */
  readonly shareHashNodes: readonly number[]
}

/**
 * SDMF: version 0 (1 byte), sequence number (8), root hash (32), IV (16), k, N (1 each), segment
 * size, data length (8 each), six offsets (four of 4 bytes, two of 8), then the public key.
 */
const SDMF_HEADER_SIZE = 107
/** MDMF: the same with version 1 and no IV, and eight offsets of 8 bytes. */
const MDMF_HEADER_SIZE = 123
const SHARE_HASH_ENTRY_SIZE = 34
const HASH_SIZE = 32

/** Reads the header of a mutable share; undefined when its first byte names no format. */
export async function readMutableHeader(
  share: MutableShareFile,
): Promise<MutableShareHeader | undefined> {
  const header = await share.read(0, MDMF_HEADER_SIZE)
  const version = header[0]
  if (version === 0 && header.length >= SDMF_HEADER_SIZE) return readSdmf(share, header)
  if (version === 1 && header.length >= MDMF_HEADER_SIZE) return readMdmf(share, header)
  if (version === 0 || version === 1) {
    throw new ShareFileError(`expected the header of a mutable share, got ${header.length} bytes`)
  }
  return undefined
}

async function readSdmf(share: MutableShareFile, bytes: Uint8Array): Promise<MutableShareHeader> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const offsets = new Map([
    ['signature', view.getUint32(75)],
    ['share_hash_chain', view.getUint32(79)],
    ['block_hash_tree', view.getUint32(83)],
    ['share_data', view.getUint32(87)],
    ['enc_privkey', Number(view.getBigUint64(91))],
    ['EOF', Number(view.getBigUint64(99))],
  ])
  const size = sectionSizes(offsets)
  const pubkeySize = size('signature', undefined, SDMF_HEADER_SIZE)
  return {
    format: 'SDMF',
    sequenceNumber: Number(view.getBigUint64(1)),
    rootHash: bytes.subarray(9, 41),
    iv: bytes.subarray(41, 57),
    requiredShares: view.getUint8(57),
    totalShares: view.getUint8(58),
    segmentSize: Number(view.getBigUint64(59)),
    dataLength: Number(view.getBigUint64(67)),
    offsets,
    sizes: {
      pubkey: pubkeySize,
      signature: size('share_hash_chain', 'signature'),
      encPrivkey: size('EOF', 'enc_privkey'),
      blockHashes: size('share_data', 'block_hash_tree'),
    },
    pubkey: await share.read(SDMF_HEADER_SIZE, pubkeySize),
    shareHashNodes: await readNodes(share, offsets, size('block_hash_tree', 'share_hash_chain')),
  }
}

async function readMdmf(share: MutableShareFile, bytes: Uint8Array): Promise<MutableShareHeader> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const names = [
    'enc_privkey',
    'share_hash_chain',
    'signature',
    'verification_key',
    'verification_key_end',
    'share_data',
    'block_hash_tree',
    'EOF',
  ]
  const offsets = new Map(
    names.map((name, index) => [name, Number(view.getBigUint64(59 + 8 * index))]),
  )
  const size = sectionSizes(offsets)
  const pubkeySize = size('verification_key_end', 'verification_key')
  return {
    format: 'MDMF',
    sequenceNumber: Number(view.getBigUint64(1)),
    rootHash: bytes.subarray(9, 41),
    iv: undefined,
    requiredShares: view.getUint8(41),
    totalShares: view.getUint8(42),
    segmentSize: Number(view.getBigUint64(43)),
    dataLength: Number(view.getBigUint64(51)),
    offsets,
    sizes: {
      pubkey: pubkeySize,
      signature: size('verification_key', 'signature'),
      encPrivkey: size('share_hash_chain', 'enc_privkey'),
      blockHashes: size('EOF', 'block_hash_tree'),
    },
    pubkey: await share.read(offsets.get('verification_key') ?? 0, pubkeySize),
    shareHashNodes: await readNodes(share, offsets, size('signature', 'share_hash_chain')),
  }
}

/** The bytes between two sections, which must stand in this order within the share. */
function sectionSizes(
  offsets: ReadonlyMap<string, number>,
): (end: string, begin?: string, beginOffset?: number) => number {
  return (end, begin, beginOffset = 0) => {
    const from = begin === undefined ? beginOffset : (offsets.get(begin) ?? 0)
    const size = (offsets.get(end) ?? 0) - from
    if (Number.isSafeInteger(size) && size >= 0) return size
    throw new ShareFileError(`expected ${end} at ${from} or later, got ${from + size}`)
  }
}

async function readNodes(
  share: MutableShareFile,
  offsets: ReadonlyMap<string, number>,
  size: number,
): Promise<number[]> {
  const limit = Math.min(size, share.dataLength, SHARE_HASH_ENTRY_SIZE * 512)
  const bytes = await share.read(offsets.get('share_hash_chain') ?? 0, limit)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: Math.floor(bytes.length / SHARE_HASH_ENTRY_SIZE) }, (_, index) =>
    view.getUint16(index * SHARE_HASH_ENTRY_SIZE),
  )
}

/** How many hashes a section of this size holds. */
export function hashCount(size: number): number {
  return Math.floor(size / HASH_SIZE)
}

/** An offset within a share, counted from the start of its file. */
export function mutableFileOffset(offset: number): number {
  return MUTABLE_DATA_OFFSET + offset
}
