import { BadShareError, UnknownVersionError } from '@lafs/filesystem-interface'
import { HASH_SIZE, MDMF_VERSION, SALT_SIZE, SDMF_VERSION } from '@lafs/storage-interface'
import { hashTreeNodeCount, SHARE_HASH_ENTRY_SIZE } from './chk-layout.ts'

/**
 * The version byte of a mutable share: 0 is SDMF (one segment), 1 is MDMF (any number).
 *
 * ```text
 * 0    1    field                       (big-endian; offsets count from the start of the share)
 * 0    0    version: 1 byte
 * 1    1    sequence number: 8
 * 9    9    root of the share hash tree: 32
 * 41   -    salt of the one segment: 16
 * 57   41   k: 1
 * 58   42   N: 1
 * 59   43   segment size: 8
 * 67   51   data length: 8              (the signature covers everything above)
 * 75   59   offsets: 4 of 4 bytes and 2 of 8, or 8 of 8
 * 107  123  the sections: see {@link MUTABLE_SECTION_ORDER}
 * ```
 *
 * @see allmydata.mutable.layout; docs/spec/mutable-shares.md
 */
export type MutableShareVersion = 0 | 1

/** The parts of a mutable share that follow its header. */
export type MutableSectionName =
  | 'verificationKey'
  | 'signature'
  | 'shareHashChain'
  | 'blockHashTree'
  | 'shareData'
  | 'encryptedPrivateKey'

/** A span of a share, in bytes from its start; `end` exclusive. */
export interface MutableSection {
  readonly offset: number
  readonly end: number
}

/** Where each section stands. */
export type MutableSections = Readonly<Record<MutableSectionName, MutableSection>>

/** How a file is cut into segments and blocks. Sizes are bytes. */
export interface MutableShareShape {
  readonly version: MutableShareVersion
  /** k, in `[1, N]`. */
  readonly requiredShares: number
  /** N, in `[1, 255]`: the field is one byte. */
  readonly totalShares: number
  /** Of every segment but the last one, a multiple of k; 0 only when the file is empty. */
  readonly segmentSize: number
  /** Of the whole file. */
  readonly dataLength: number
}

/** What a signature covers. */
export interface MutableSharePrefix extends MutableShareShape {
  readonly sequenceNumber: number
  /** The root of the share hash tree, 32 bytes. */
  readonly rootHash: Uint8Array
  /** SDMF: the 16 bytes of salt of the one segment. MDMF has one before each block. */
  readonly salt: Uint8Array | undefined
}

/** Where the sections of a share stand, and where it ends; a container may hold more bytes. */
export interface MutableShareLayout {
  readonly sections: MutableSections
  readonly shareEnd: number
}

/** The header of a mutable share, checked. Its byte strings are copies. */
export interface MutableShareHeader extends MutableSharePrefix, MutableShareLayout {
  /** The bytes that the signature covers: 75 or 59. */
  readonly prefix: Uint8Array
  /** What a writer tests for: the beginning of the prefix, up to the root hash or SDMF's salt. */
  readonly checkstring: Uint8Array
}

/** What a checkstring says. */
export interface MutableCheckstring {
  readonly version: MutableShareVersion
  readonly sequenceNumber: number
  readonly rootHash: Uint8Array
  readonly salt: Uint8Array | undefined
}

/** What decides where the sections of a share stand. Sizes are bytes. */
export interface MutableShareSizes extends MutableShareShape {
  readonly verificationKeySize: number
  readonly signatureSize: number
  readonly encryptedPrivateKeySize: number
  readonly shareHashChainSize: number
}

/** Where one block of a share stands. */
export interface MutableBlockSpan {
  /** From the start of the share: of the salt where there is one, else of the block. */
  readonly offset: number
  /** 16 for MDMF, 0 for SDMF. The block follows. */
  readonly saltLength: number
  /** Bytes of the block alone. */
  readonly length: number
}

/** The header of either version fits into this many bytes. */
export const MUTABLE_HEADER_MAX = 123
/** Bytes of an MDMF share before its blocks: the header, and room for the sections between. */
export const MDMF_DATA_OFFSET: number = MUTABLE_HEADER_MAX + 1220 + 260 + 292 + 272
/** A key or a signature of more bytes than this is taken for damage; those of RSA-2048 have 1220 at most. */
export const MUTABLE_KEY_SECTION_SIZE_MAX: number = 16 * 1024
/** The sections in the order in which a share of each version has them. */
export const MUTABLE_SECTION_ORDER: Readonly<
  Record<MutableShareVersion, readonly MutableSectionName[]>
> = {
  0: [
    'verificationKey',
    'signature',
    'shareHashChain',
    'blockHashTree',
    'shareData',
    'encryptedPrivateKey',
  ],
  1: [
    'encryptedPrivateKey',
    'shareHashChain',
    'signature',
    'verificationKey',
    'shareData',
    'blockHashTree',
  ],
}

/** Where the fields after the root hash begin in each version, and where the sections may. */
const FIELDS = {
  0: { checkstring: 57, offsets: 75, header: 107, name: 'SDMF' },
  1: { checkstring: 41, offsets: 59, header: 123, name: 'MDMF' },
} as const

/** Nodes of the largest share hash tree: a chain cannot have more. */
const SHARE_HASH_CHAIN_SIZE_MAX = 511 * SHARE_HASH_ENTRY_SIZE
const SHARES_MAX = 255

function bad(message: string): BadShareError {
  return new BadShareError(`mutable share: ${message}`)
}

/** How many segments the file has; an empty one has none. */
export function numberOfSegments(shape: MutableShareShape): number {
  return shape.dataLength === 0 ? 0 : Math.ceil(shape.dataLength / shape.segmentSize)
}

/**
 * Bytes of the block of a segment, without its salt.
 *
 * @throws RangeError when there is no such segment.
 */
export function blockLength(shape: MutableShareShape, segmentIndex: number): number {
  const segments = numberOfSegments(shape)
  if (!Number.isInteger(segmentIndex) || segmentIndex < 0 || segmentIndex >= segments) {
    throw new RangeError(`expected a segment in [0, ${segments}), got ${segmentIndex}`)
  }
  const left = shape.dataLength - segmentIndex * shape.segmentSize
  return Math.ceil(Math.min(left, shape.segmentSize) / shape.requiredShares)
}

/** Bytes of all blocks of a share with their salts. */
function shareDataSize(shape: MutableShareShape): number {
  const segments = numberOfSegments(shape)
  if (segments === 0) return 0
  const saltLength = shape.version === MDMF_VERSION ? SALT_SIZE : 0
  const whole = shape.segmentSize / shape.requiredShares + saltLength
  return (segments - 1) * whole + blockLength(shape, segments - 1) + saltLength
}

/**
 * Where the block of a segment stands in each share, and how large it is.
 *
 * @throws RangeError when there is no such segment.
 */
export function blockSpan(
  header: MutableShareShape & Pick<MutableShareLayout, 'sections'>,
  segmentIndex: number,
): MutableBlockSpan {
  const length = blockLength(header, segmentIndex)
  const saltLength = header.version === MDMF_VERSION ? SALT_SIZE : 0
  const stride = header.segmentSize / header.requiredShares + saltLength
  return {
    offset: header.sections.shareData.offset + segmentIndex * stride,
    saltLength,
    length,
  }
}

/** What is wrong with a shape; undefined when nothing is. */
function flawOf(shape: MutableShareShape): string | undefined {
  const { version, requiredShares: k, totalShares: n, segmentSize, dataLength } = shape
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
  if (!Number.isInteger(n) || n < 1 || n > SHARES_MAX) {
    return `expected N in [1, ${SHARES_MAX}], got ${n}`
  }
  if (!Number.isInteger(k) || k < 1 || k > n) return `expected k in [1, ${n}], got ${k}`
  if (!isCount(dataLength)) return `expected a data length below 2^53, got ${dataLength}`
  if (!isCount(segmentSize) || segmentSize % k !== 0) {
    return `expected a segment size that is a multiple of ${k}, below 2^53, got ${segmentSize}`
  }
  if (segmentSize === 0 && dataLength > 0) return `expected a segment size above 0, got 0`
  if (version === SDMF_VERSION && segmentSize < dataLength) {
    return `expected SDMF to have one segment of ${dataLength} bytes, got ${segmentSize}`
  }
  const size = shareDataSize(shape)
  return Number.isSafeInteger(size) ? undefined : `expected blocks below 2^53 bytes, got ${size}`
}

/**
 * Places the sections of a share. SDMF packs them; MDMF gives those before the blocks a fixed room, so
 * that the blocks stay where they are when a hash chain or a signature grows.
 *
 * @throws RangeError when the sizes make no sense or a section does not fit.
 */
export function planMutableShareLayout(sizes: MutableShareSizes): MutableShareLayout {
  const flaw = flawOf(sizes)
  if (flaw !== undefined) throw new RangeError(`mutable share: ${flaw}`)
  const { version } = sizes
  const sectionSizes: Record<MutableSectionName, number> = {
    verificationKey: sizes.verificationKeySize,
    signature: sizes.signatureSize,
    shareHashChain: sizes.shareHashChainSize,
    blockHashTree: hashTreeNodeCount(numberOfSegments(sizes)) * HASH_SIZE,
    shareData: shareDataSize(sizes),
    encryptedPrivateKey: sizes.encryptedPrivateKeySize,
  }
  const sections: Partial<Record<MutableSectionName, MutableSection>> = {}
  let shareEnd: number = FIELDS[version].header
  for (const name of MUTABLE_SECTION_ORDER[version]) {
    if (version === MDMF_VERSION && name === 'shareData') {
      if (shareEnd > MDMF_DATA_OFFSET) {
        const room = MDMF_DATA_OFFSET - MUTABLE_HEADER_MAX
        const need = shareEnd - MUTABLE_HEADER_MAX
        throw new RangeError(
          `mutable share: keys, signature and chain of ${need} bytes, room for ${room}`,
        )
      }
      shareEnd = MDMF_DATA_OFFSET
    }
    const offset = shareEnd
    shareEnd += sectionSizes[name]
    sections[name] = { offset, end: shareEnd }
  }
  if (!Number.isSafeInteger(shareEnd)) throw new RangeError('mutable share: sizes above 2^53')
  return { sections: sections as MutableSections, shareEnd }
}

/**
 * Where the sections of an MDMF share are once it is changed in place: only what follows the blocks
 * moves.
 *
 * @param base - the share as it stands.
 * @param shape - what it will be: as long or longer, everything else alike.
 * @throws RangeError when the change cannot be made in place.
 */
export function growMutableShareLayout(
  base: MutableShareShape & MutableShareLayout,
  shape: MutableShareShape,
): MutableShareLayout {
  const flaw = flawOf(shape)
  if (flaw !== undefined) throw new RangeError(`mutable share: ${flaw}`)
  const alike = (['version', 'requiredShares', 'totalShares', 'segmentSize'] as const).every(
    (name) => base[name] === shape[name],
  )
  if (!alike || base.version !== MDMF_VERSION || shape.dataLength < base.dataLength) {
    throw new RangeError('mutable share: expected MDMF that grows and keeps k, N and segment size')
  }
  const { offset } = base.sections.shareData
  const dataEnd = offset + shareDataSize(shape)
  const shareEnd = dataEnd + hashTreeNodeCount(numberOfSegments(shape)) * HASH_SIZE
  if (!Number.isSafeInteger(shareEnd)) throw new RangeError('mutable share: sizes above 2^53')
  const shareData = { offset, end: dataEnd }
  const blockHashTree = { offset: dataEnd, end: shareEnd }
  return { sections: { ...base.sections, shareData, blockHashTree }, shareEnd }
}

/**
 * The bytes that a signature covers.
 *
 * @throws RangeError when a field is out of range or a hash or salt has another size.
 */
export function packMutablePrefix(fields: MutableSharePrefix): Uint8Array {
  const flaw = flawOf(fields)
  if (flaw !== undefined) throw new RangeError(`mutable share: ${flaw}`)
  const { offsets, checkstring } = FIELDS[fields.version]
  const bytes = new Uint8Array(offsets)
  bytes.set(packCheckstring(fields))
  const view = new DataView(bytes.buffer)
  view.setUint8(checkstring, fields.requiredShares)
  view.setUint8(checkstring + 1, fields.totalShares)
  view.setBigUint64(checkstring + 2, BigInt(fields.segmentSize))
  view.setBigUint64(checkstring + 10, BigInt(fields.dataLength))
  return bytes
}

/**
 * The bytes that a writer tests for.
 *
 * @throws RangeError when the sequence number is out of range or a hash or salt has another size.
 */
export function packCheckstring(fields: MutableCheckstring): Uint8Array {
  const { version, sequenceNumber, rootHash, salt } = fields
  if (!Number.isSafeInteger(sequenceNumber) || sequenceNumber < 0) {
    throw new RangeError(`mutable share: expected a sequence number, got ${sequenceNumber}`)
  }
  if (rootHash.length !== HASH_SIZE) {
    throw new RangeError(`mutable share: expected a root hash of 32 bytes, got ${rootHash.length}`)
  }
  const saltSize = version === SDMF_VERSION ? SALT_SIZE : 0
  if ((salt?.length ?? 0) !== saltSize) {
    throw new RangeError(
      `mutable share: expected a salt of ${saltSize} bytes, got ${salt?.length ?? 0}`,
    )
  }
  const bytes = new Uint8Array(FIELDS[version].checkstring)
  bytes[0] = version
  new DataView(bytes.buffer).setBigUint64(1, BigInt(sequenceNumber))
  bytes.set(rootHash, 9)
  if (salt !== undefined) bytes.set(salt, 41)
  return bytes
}

/**
 * The bytes of the header: the prefix and the offsets. The inverse of {@link parseMutableHeader}.
 *
 * @throws RangeError when a field is out of range or a hash or salt has another size.
 */
export function packMutableHeader(header: MutableSharePrefix & MutableShareLayout): Uint8Array {
  const { version, sections, shareEnd } = header
  const { offsets, header: headerSize } = FIELDS[version]
  const bytes = new Uint8Array(headerSize)
  bytes.set(packMutablePrefix(header))
  const view = new DataView(bytes.buffer)
  if (version === SDMF_VERSION) {
    view.setUint32(offsets, sections.signature.offset)
    view.setUint32(offsets + 4, sections.shareHashChain.offset)
    view.setUint32(offsets + 8, sections.blockHashTree.offset)
    view.setUint32(offsets + 12, sections.shareData.offset)
    view.setBigUint64(offsets + 16, BigInt(sections.encryptedPrivateKey.offset))
    view.setBigUint64(offsets + 24, BigInt(shareEnd))
    return bytes
  }
  const numbers = [
    sections.encryptedPrivateKey.offset,
    sections.shareHashChain.offset,
    sections.signature.offset,
    sections.verificationKey.offset,
    sections.verificationKey.end,
    sections.shareData.offset,
    sections.blockHashTree.offset,
    shareEnd,
  ]
  for (const [index, value] of numbers.entries()) {
    view.setBigUint64(offsets + 8 * index, BigInt(value))
  }
  return bytes
}

function readVersion(bytes: Uint8Array): MutableShareVersion {
  const version = bytes[0]
  if (version === undefined) throw bad('expected a version byte, got nothing')
  if (version !== SDMF_VERSION && version !== MDMF_VERSION) {
    throw new UnknownVersionError(`mutable share: expected version 0 or 1, got ${version}`)
  }
  return version
}

function readCount(view: DataView, at: number, name: string): number {
  const value = view.getBigUint64(at)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw bad(`expected ${name} below 2^53, got ${value}`)
  }
  return Number(value)
}

/**
 * Reads what a checkstring says. Bytes that follow it are ignored. The hash and the salt are views.
 *
 * @throws {@link BadShareError} `SHARE_BAD` when it is cut short or its sequence number is 2^53 or more,
 *   `SHARE_UNKNOWN_VERSION` for another version byte.
 */
export function parseCheckstring(bytes: Uint8Array): MutableCheckstring {
  const version = readVersion(bytes)
  const { checkstring: size, name } = FIELDS[version]
  if (bytes.length < size) {
    throw bad(`expected a checkstring of ${name} of ${size} bytes, got ${bytes.length}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    version,
    sequenceNumber: readCount(view, 1, 'a sequence number'),
    rootHash: bytes.subarray(9, 41),
    salt: version === SDMF_VERSION ? bytes.subarray(41, 57) : undefined,
  }
}

/**
 * Reads the header of a mutable share and checks it: numbers within their ranges, sections that follow
 * one another behind the header in the order of their version, with room for what they must hold.
 *
 * @param bytes - the beginning of the share: {@link MUTABLE_HEADER_MAX} bytes or more, fewer for SDMF.
 * @throws {@link BadShareError} `SHARE_BAD`, saying which field is wrong and how;
 *   `SHARE_UNKNOWN_VERSION` for another version byte.
 */
export function parseMutableHeader(bytes: Uint8Array): MutableShareHeader {
  const version = readVersion(bytes)
  const fields = FIELDS[version]
  if (bytes.length < fields.header) {
    throw bad(`expected a header of ${fields.name} of ${fields.header} bytes, got ${bytes.length}`)
  }
  const prefix = bytes.slice(0, fields.offsets)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = fields.checkstring
  const header: MutableSharePrefix = {
    ...parseCheckstring(prefix),
    requiredShares: view.getUint8(at),
    totalShares: view.getUint8(at + 1),
    segmentSize: readCount(view, at + 2, 'a segment size'),
    dataLength: readCount(view, at + 10, 'a data length'),
  }
  const flaw = flawOf(header)
  if (flaw !== undefined) throw bad(flaw)
  const layout = version === SDMF_VERSION ? readSdmfLayout(view) : readMdmfLayout(view)
  checkSections(header, layout)
  return { ...header, ...layout, prefix, checkstring: prefix.subarray(0, at) }
}

function readSdmfLayout(view: DataView): MutableShareLayout {
  const at = FIELDS[SDMF_VERSION].offsets
  const signature = view.getUint32(at)
  const shareHashChain = view.getUint32(at + 4)
  const blockHashTree = view.getUint32(at + 8)
  const shareData = view.getUint32(at + 12)
  const encryptedPrivateKey = readCount(view, at + 16, 'the offset of encryptedPrivateKey')
  const shareEnd = readCount(view, at + 24, 'the end of the share')
  const sections = {
    verificationKey: { offset: FIELDS[SDMF_VERSION].header, end: signature },
    signature: { offset: signature, end: shareHashChain },
    shareHashChain: { offset: shareHashChain, end: blockHashTree },
    blockHashTree: { offset: blockHashTree, end: shareData },
    shareData: { offset: shareData, end: encryptedPrivateKey },
    encryptedPrivateKey: { offset: encryptedPrivateKey, end: shareEnd },
  }
  return { sections, shareEnd }
}

function readMdmfLayout(view: DataView): MutableShareLayout {
  const read = (index: number, name: string): number =>
    readCount(view, FIELDS[MDMF_VERSION].offsets + 8 * index, name)
  const encryptedPrivateKey = read(0, 'the offset of encryptedPrivateKey')
  const shareHashChain = read(1, 'the offset of shareHashChain')
  const signature = read(2, 'the offset of signature')
  const verificationKey = read(3, 'the offset of verificationKey')
  const verificationKeyEnd = read(4, 'the end of verificationKey')
  const shareData = read(5, 'the offset of shareData')
  const blockHashTree = read(6, 'the offset of blockHashTree')
  const shareEnd = read(7, 'the end of the share')
  const sections = {
    encryptedPrivateKey: { offset: encryptedPrivateKey, end: shareHashChain },
    shareHashChain: { offset: shareHashChain, end: signature },
    signature: { offset: signature, end: verificationKey },
    verificationKey: { offset: verificationKey, end: verificationKeyEnd },
    shareData: { offset: shareData, end: blockHashTree },
    blockHashTree: { offset: blockHashTree, end: shareEnd },
  }
  return { sections, shareEnd }
}

function checkSections(shape: MutableShareShape, { sections }: MutableShareLayout): void {
  let least: number = FIELDS[shape.version].header
  for (const name of MUTABLE_SECTION_ORDER[shape.version]) {
    const { offset, end } = sections[name]
    if (offset < least) throw bad(`expected ${name} at ${least} or later, got ${offset}`)
    if (end < offset) throw bad(`expected ${name} to end at ${offset} or later, got ${end}`)
    least = end
  }
  const sizeOf = (name: MutableSectionName): number => sections[name].end - sections[name].offset
  for (const name of ['verificationKey', 'signature', 'encryptedPrivateKey'] as const) {
    const size = sizeOf(name)
    if (size < 1 || size > MUTABLE_KEY_SECTION_SIZE_MAX) {
      throw bad(`expected ${name} of 1 to ${MUTABLE_KEY_SECTION_SIZE_MAX} bytes, got ${size}`)
    }
  }
  const chain = sizeOf('shareHashChain')
  if (chain % SHARE_HASH_ENTRY_SIZE !== 0 || chain > SHARE_HASH_CHAIN_SIZE_MAX) {
    throw bad(
      `expected a shareHashChain of up to 511 entries of ${SHARE_HASH_ENTRY_SIZE} bytes, got ${chain} bytes`,
    )
  }
  const tree = hashTreeNodeCount(numberOfSegments(shape)) * HASH_SIZE
  if (sizeOf('blockHashTree') !== tree) {
    throw bad(`expected a blockHashTree of ${tree} bytes, got ${sizeOf('blockHashTree')}`)
  }
  const data = shareDataSize(shape)
  if (sizeOf('shareData') < data) {
    throw bad(`expected shareData of ${data} bytes, got ${sizeOf('shareData')}`)
  }
  // No writer leaves more room, and nobody signs the offsets: whoever makes shares like this one
  // would make huge ones.
  const used = MUTABLE_SECTION_ORDER[shape.version]
    .map((name) => (name === 'shareData' ? data : sizeOf(name)))
    .reduce((sum, size) => sum + size, 0)
  if (least - used > MDMF_DATA_OFFSET) {
    throw bad(
      `expected at most ${MDMF_DATA_OFFSET} bytes around ${used} of sections, got ${least - used}`,
    )
  }
}

/**
 * The bytes of a share hash chain: by ascending number of node.
 *
 * @param hashes - the hashes that this share needs, 32 bytes each, by their number in the share hash
 *   tree; not the share's own leaf.
 * @throws RangeError for a hash of another size or a node that does not fit into 2 bytes.
 */
export function packShareHashChain(hashes: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const bytes = new Uint8Array(hashes.size * SHARE_HASH_ENTRY_SIZE)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [node, hash] of [...hashes].toSorted(([a], [b]) => a - b)) {
    if (!Number.isInteger(node) || node < 0 || node > 0xffff || hash.length !== HASH_SIZE) {
      throw new RangeError(
        `mutable share: expected hashes of 32 bytes by node, got ${hash.length} bytes for ${node}`,
      )
    }
    view.setUint16(at, node)
    bytes.set(hash, at + 2)
    at += SHARE_HASH_ENTRY_SIZE
  }
  return bytes
}

/**
 * Reads a share hash chain, in whatever order it is.
 *
 * @returns the hashes by the number of their node in the share hash tree, as views into `bytes`.
 * @throws {@link BadShareError} `SHARE_BAD` unless `bytes` are whole entries, each of another node.
 */
export function parseShareHashChain(bytes: Uint8Array): Map<number, Uint8Array> {
  if (bytes.length % SHARE_HASH_ENTRY_SIZE !== 0) {
    throw bad(
      `expected entries of ${SHARE_HASH_ENTRY_SIZE} bytes in the shareHashChain, got ${bytes.length} bytes`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const hashes = new Map<number, Uint8Array>()
  for (let at = 0; at < bytes.length; at += SHARE_HASH_ENTRY_SIZE) {
    const node = view.getUint16(at)
    if (hashes.has(node)) throw bad(`expected each share hash once, got node ${node} twice`)
    hashes.set(node, bytes.subarray(at + 2, at + SHARE_HASH_ENTRY_SIZE))
  }
  return hashes
}
