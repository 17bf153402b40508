import { HASH_SIZE, StorageError } from '@lafs/storage-interface'

/**
 * The two layouts of an immutable share. They differ in the width of their numbers alone:
 *
 * ```text
 * v1   v2   field                       (big-endian; offsets count from the start of the share)
 * 0    0    version: 4 bytes, 1 or 2
 * 4    4    block size                  not used when reading
 * 8    12   data size                   not used when reading
 * 12   20   offset of the blocks
 * 16   28   offset of the plaintext hash tree (zeros, not used)
 * 20   36   offset of the crypttext hash tree
 * 24   44   offset of the block hash tree
 * 28   52   offset of the share hash chain: 2 bytes of node number and 32 bytes of hash each
 * 32   60   offset of the URI extension block: its length, then its bytes
 * 36   68   the sections, in this order
 * ```
 *
 * @see allmydata.immutable.layout
 */
export type ChkLayoutVersion = 1 | 2

/** Where each section of a share begins, in bytes from the start of the share. */
export interface ChkOffsets {
  readonly data: number
  readonly plaintextHashTree: number
  readonly crypttextHashTree: number
  readonly blockHashes: number
  readonly shareHashes: number
  readonly uriExtension: number
}

/** The header of an immutable share. */
export interface ChkLayout {
  readonly version: ChkLayoutVersion
  /** Bytes of each number of the header (after the version) and of the UEB's length: 4 or 8. */
  readonly fieldSize: 4 | 8
  /** Bytes of the header itself: 36 or 68. */
  readonly headerSize: number
  readonly blockSize: number
  readonly dataSize: number
  readonly offsets: ChkOffsets
}

/** What decides where the sections of a share stand. Sizes are bytes. */
export interface ChkShareShape {
  /** All blocks of the share together. */
  readonly dataSize: number
  /** Every block but the last one. */
  readonly blockSize: number
  readonly segmentCount: number
  /** Entries of the share hash chain. */
  readonly shareHashCount: number
  readonly uriExtensionSize: number
}

/** Bytes of one entry of the share hash chain: the number of a node and its hash. */
export const SHARE_HASH_ENTRY_SIZE: number = 2 + HASH_SIZE
/** The header of either version fits into this many bytes. */
export const CHK_HEADER_SIZE_MAX = 68
/** A URI extension block of this many bytes or more is taken for damage, as upstream does. */
export const CHK_URI_EXTENSION_SIZE_LIMIT = 2000

const V1_LIMIT = 2 ** 32
const FIELDS = [
  'data',
  'plaintextHashTree',
  'crypttextHashTree',
  'blockHashes',
  'shareHashes',
  'uriExtension',
] as const

/** The nodes of a complete binary tree over `leafCount` leaves, padded to a power of two. */
export function hashTreeNodeCount(leafCount: number): number {
  let leaves = 1
  while (leaves < leafCount) leaves *= 2
  return 2 * leaves - 1
}

/**
 * Places the sections of a share.
 *
 * @param version - 1 or 2; default: 1 unless a number needs more than 4 bytes.
 * @throws RangeError when a size is no safe integer, or too great for the version asked for.
 * @see allmydata.immutable.layout.make_write_bucket_proxy
 */
export function planChkLayout(shape: ChkShareShape, version?: ChkLayoutVersion): ChkLayout {
  if (version !== undefined) return placeSections(shape, version)
  const small = placeSections(shape, 1, true)
  return fitsV1(small) ? small : placeSections(shape, 2)
}

function placeSections(shape: ChkShareShape, version: ChkLayoutVersion, lax = false): ChkLayout {
  const treeSize = hashTreeNodeCount(shape.segmentCount) * HASH_SIZE
  const fieldSize = version === 1 ? 4 : 8
  const headerSize = 4 + 8 * fieldSize
  const plaintextHashTree = headerSize + shape.dataSize
  const crypttextHashTree = plaintextHashTree + treeSize
  const blockHashes = crypttextHashTree + treeSize
  const shareHashes = blockHashes + treeSize
  const uriExtension = shareHashes + shape.shareHashCount * SHARE_HASH_ENTRY_SIZE
  const { blockSize, dataSize } = shape
  const offsets = {
    data: headerSize,
    plaintextHashTree,
    crypttextHashTree,
    blockHashes,
    shareHashes,
    uriExtension,
  }
  const layout: ChkLayout = { version, fieldSize, headerSize, blockSize, dataSize, offsets }
  if (!Number.isSafeInteger(uriExtension) || !Number.isSafeInteger(blockSize)) {
    throw new RangeError('chk layout: sizes must be safe integers')
  }
  if (version === 1 && !lax && !fitsV1(layout)) {
    throw new RangeError('chk layout: the share is too large for 4-byte offsets')
  }
  return layout
}

function fitsV1(layout: ChkLayout): boolean {
  return layout.blockSize < V1_LIMIT && layout.offsets.uriExtension < V1_LIMIT
}

/** Bytes of the whole share: what to reserve on a server. */
export function chkAllocatedSize(layout: ChkLayout, uriExtensionSize: number): number {
  return layout.offsets.uriExtension + layout.fieldSize + uriExtensionSize
}

/** The bytes of the header. */
export function packChkHeader(layout: ChkLayout): Uint8Array {
  const bytes = new Uint8Array(layout.headerSize)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, layout.version)
  const numbers = [layout.blockSize, layout.dataSize, ...FIELDS.map((name) => layout.offsets[name])]
  for (const [index, value] of numbers.entries()) {
    writeField(view, 4 + index * layout.fieldSize, layout.fieldSize, value)
  }
  return bytes
}

/** Writes one number of a layout, big-endian. */
export function writeField(view: DataView, at: number, fieldSize: 4 | 8, value: number): void {
  if (fieldSize === 4) view.setUint32(at, value)
  else view.setBigUint64(at, BigInt(value))
}

/** Reads one number of a layout; one past 2^53 comes out inexact, so check it is a safe integer. */
export function readField(view: DataView, at: number, fieldSize: 4 | 8): number {
  return fieldSize === 4 ? view.getUint32(at) : Number(view.getBigUint64(at))
}

function bad(message: string): StorageError {
  return new StorageError('STORAGE_BAD_SHARE', `chk share: ${message}`)
}

/**
 * Reads the header of an immutable share and checks that its offsets make sense: they rise, stay
 * behind the header, and leave room for whole hashes. That of the plaintext hash tree is not looked
 * at.
 *
 * @param bytes - the beginning of the share: {@link CHK_HEADER_SIZE_MAX} bytes, fewer for a v1 share.
 * @param options.shareSize - bytes of the whole share, where known: no offset may lie past them.
 * @throws {@link StorageError} `STORAGE_BAD_SHARE`, saying which field is wrong and how.
 */
export function parseChkHeader(
  bytes: Uint8Array,
  options: { readonly shareSize?: number } = {},
): ChkLayout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4) throw bad(`expected a version of 4 bytes, got ${bytes.length}`)
  const version = view.getUint32(0)
  if (version !== 1 && version !== 2) throw bad(`expected version 1 or 2, got ${version}`)
  const fieldSize = version === 1 ? 4 : 8
  const headerSize = 4 + 8 * fieldSize
  if (bytes.length < headerSize) {
    throw bad(`expected a header of ${headerSize} bytes, got ${bytes.length}`)
  }
  const number = (index: number): number => readField(view, 4 + index * fieldSize, fieldSize)
  const offsets = {
    data: number(2),
    plaintextHashTree: number(3),
    crypttextHashTree: number(4),
    blockHashes: number(5),
    shareHashes: number(6),
    uriExtension: number(7),
  }
  checkOffsets(offsets, headerSize, options.shareSize)
  return { version, fieldSize, headerSize, blockSize: number(0), dataSize: number(1), offsets }
}

function checkOffsets(offsets: ChkOffsets, headerSize: number, shareSize?: number): void {
  let least = headerSize
  for (const name of FIELDS) {
    const offset = offsets[name]
    // Nobody reads from there, so a wrong offset does no harm.
    if (name === 'plaintextHashTree') continue
    if (!Number.isSafeInteger(offset) || offset < least) {
      throw bad(`expected ${name} at ${least} or later, got ${offset}`)
    }
    if (shareSize !== undefined && offset > shareSize) {
      throw bad(`expected ${name} within ${shareSize} bytes, got ${offset}`)
    }
    least = offset
  }
  const blockHashesSize = offsets.shareHashes - offsets.blockHashes
  if (blockHashesSize % HASH_SIZE !== 0) {
    throw bad(`expected block hashes of a multiple of ${HASH_SIZE} bytes, got ${blockHashesSize}`)
  }
  const shareHashesSize = offsets.uriExtension - offsets.shareHashes
  if (shareHashesSize % SHARE_HASH_ENTRY_SIZE !== 0) {
    throw bad(
      `expected share hashes of a multiple of ${SHARE_HASH_ENTRY_SIZE} bytes, got ${shareHashesSize}`,
    )
  }
}

/**
 * Splits a section of hashes.
 *
 * @returns one view a hash, into `bytes`.
 * @throws {@link StorageError} `STORAGE_BAD_SHARE` unless `bytes` are whole hashes.
 */
export function parseHashes(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length % HASH_SIZE !== 0) {
    throw bad(`expected hashes of ${HASH_SIZE} bytes each, got ${bytes.length} bytes`)
  }
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, index) =>
    bytes.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE),
  )
}

/**
 * Reads a share hash chain.
 *
 * @returns the hashes by the number of their node in the share hash tree, as views into `bytes`.
 * @throws {@link StorageError} `STORAGE_BAD_SHARE` unless `bytes` are whole entries, each of another node.
 */
export function parseShareHashes(bytes: Uint8Array): Map<number, Uint8Array> {
  if (bytes.length % SHARE_HASH_ENTRY_SIZE !== 0) {
    throw bad(`expected entries of ${SHARE_HASH_ENTRY_SIZE} bytes each, got ${bytes.length} bytes`)
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

/**
 * Reads the length in front of a URI extension block.
 *
 * @param bytes - at least `fieldSize` bytes, from the offset of the block on.
 * @throws {@link StorageError} `STORAGE_BAD_SHARE` when it is cut short or absurd.
 */
export function parseUriExtensionSize(bytes: Uint8Array, fieldSize: 4 | 8): number {
  if (bytes.length < fieldSize) {
    throw bad(`expected ${fieldSize} bytes of URI extension length, got ${bytes.length}`)
  }
  const size = readField(new DataView(bytes.buffer, bytes.byteOffset), 0, fieldSize)
  if (size >= CHK_URI_EXTENSION_SIZE_LIMIT) {
    throw bad(`expected a URI extension below ${CHK_URI_EXTENSION_SIZE_LIMIT} bytes, got ${size}`)
  }
  return size
}
