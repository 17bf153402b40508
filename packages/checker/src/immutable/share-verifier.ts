import {
  blockHasher,
  blockHashPrefix,
  HASH_SIZE,
  pairHash,
  recycleMemory,
  sameBytes,
} from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import { IncompleteHashTree, isHashTreeError } from '@lafs/hashtree'
import {
  fileGeometry,
  isUriExtensionOf,
  segmentSizeFor,
  segmentSizes,
  shareShape,
  validateUriExtension,
} from '@lafs/immutable'
import type { FileGeometry, ValidatedUriExtension } from '@lafs/immutable'
import { DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE, isStorageError } from '@lafs/storage-interface'
import type { OperationOptions, RIBucketReader } from '@lafs/storage-interface'
import {
  CHK_HEADER_SIZE_MAX,
  CHK_URI_EXTENSION_SIZE_LIMIT,
  chkAllocatedSize,
  hashTreeNodeCount,
  parseChkHeader,
  parseShareHashes,
  parseUriExtensionSize,
  planChkLayout,
  SHARE_HASH_ENTRY_SIZE,
} from '@lafs/storage-protocol/layout'
import type { ChkLayout } from '@lafs/storage-protocol/layout'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { MemoryTurns } from './memory-turns.ts'
import { inTime, messageOf, READ_TIMEOUT_MS } from './timeouts.ts'

/**
 * Bytes of headers and hashes that are asked for at a time, more or less; a share of up to so many comes
 * at once.
 */
const READ_SIZE = 256 * 1024
/** Bytes of blocks that are asked for at a time, more or less, unless a block is larger. */
const BLOCKS_SIZE: number = 1024 * 1024
/**
 * Bytes of a hash tree at most: those of 4 TB in the segments that upstream makes, and of 512 GB in
 * those that it made before. Whoever uploads a file chooses its segments, and their hashes have to be
 * in memory.
 */
const TREE_SIZE_MAX: number = 2 ** 28
/** Bytes of the hash trees of several shares of a file that are in memory at one time. */
const TREES_SIZE_MAX: number = 64 * 1024 * 1024
/** Blocks that are hashed at a time. */
const BLOCKS_PER_READ = 4096
/** A larger block is not read whole, but in pieces of this size. */
const BLOCK_PIECE_SIZE: number = 4 * 1024 * 1024

/** What a look at every byte of a share says of it. */
export type ShareVerdict =
  /** So many of its bytes, from the first one on, are the share; what follows them is not looked at. */
  | { readonly kind: 'good'; readonly size: number }
  /** Something in it is wrong. The reason is fit for its server to read. */
  | { readonly kind: 'corrupt'; readonly reason: string }
  /** It is of a layout, or of an encoding, that is not known. */
  | { readonly kind: 'incompatible'; readonly reason: string }
  /** Its server did not give all of it. */
  | { readonly kind: 'unreachable'; readonly reason: string }

/**
 * Which blocks of a share are read: all, or as many at its end as come with one request, which tells
 * whether a server has kept what it was sent.
 */
export type VerifiedBlocks = 'all' | 'last'

/**
 * Reads one share from its first byte to its last.
 *
 * @param options.blocks - which of its blocks. Default: all.
 * @throws the reason of the signal; nothing else.
 */
export type ShareVerifier = (
  bucket: RIBucketReader,
  shareNumber: number,
  options?: OperationOptions & { readonly blocks?: VerifiedBlocks | undefined },
) => Promise<ShareVerdict>

/** A share that is not good: how it is judged, and why. */
class Rejection extends Error {
  override name = 'Rejection'
  readonly kind: 'corrupt' | 'incompatible' | 'unreachable'

  constructor(kind: Rejection['kind'], reason: string) {
    super(reason)
    this.kind = kind
  }
}

/** What the shares of one file have in common, as far as it is known. */
interface CommonParts {
  readonly turns: MemoryTurns
  uriExtension: ValidatedUriExtension | undefined
  /** Every node, root first. */
  crypttextHashes: Uint8Array | undefined
}

/** One share that is being read. */
interface Share {
  readonly cap: ChkVerifierCap
  readonly shareNumber: number
  readonly crypto: CryptoProvider
  readonly common: CommonParts
  readonly blocks: VerifiedBlocks
  /** Up to `size` bytes: fewer where the share ends. */
  readonly peek: (offset: number, size: number) => Promise<Uint8Array>
  /** Reads bytes ahead for those who want them later, unless they are there; lets go of others. */
  readonly keep: (offset: number, size: number) => Promise<void>
  /** Exactly `size` bytes, or the share is cut short. */
  readonly get: (offset: number, size: number, name: string) => Promise<Uint8Array>
  /** Gives back what {@link get} gave, once nobody looks at it any more. */
  readonly letGo: (bytes: Uint8Array) => void
}

/**
 * A verifier for the shares of one file: the version, the URI extension block against the cap, the
 * share hash chain, both hash trees whole, and every block. What one share has proven of the file the
 * next ones need not prove again.
 *
 * Unused fields (block size, data size, the plaintext hash tree) and what follows the URI extension
 * block are not looked at. A large share is read in pieces of about 256 KiB, or of a block of up to
 * 4 MiB: first its header and, at the same time, its hashes.
 *
 * Stricter than upstream, which takes a share for good that holds blocks of another share number, or
 * of no share at all, as long as they agree with the block hashes beside them.
 *
 * @see allmydata.immutable.checker.Checker._download_and_verify
 */
export function createShareVerifier(
  cap: ChkVerifierCap,
  context: Pick<CheckerContext, 'crypto' | 'clock'>,
): ShareVerifier {
  const common: CommonParts = {
    turns: new MemoryTurns(TREES_SIZE_MAX),
    uriExtension: undefined,
    crypttextHashes: undefined,
  }
  return async (bucket, shareNumber, { signal, blocks = 'all' } = {}) => {
    const requests = new Cancellation(signal)
    const reading = readerOf(bucket, context, requests)
    try {
      const share = { cap, shareNumber, crypto: context.crypto, common, blocks, ...reading }
      return { kind: 'good', size: await verify(share) }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof Rejection) return { kind: error.kind, reason: error.message }
      throw error
    } finally {
      requests.abort(new Error('the share has been judged'))
      requests.dispose()
    }
  }
}

/**
 * Bytes that a share needs while it is verified, before its URI extension block has told how it is
 * encoded: with segments of the usual size, that is.
 */
export function memoryForVerifying(cap: ChkVerifierCap): number {
  const geometry = usualGeometry(cap)
  return 2 * treeSize(geometry) + 2 * (BLOCKS_SIZE + geometry.blockSize)
}

function usualGeometry(cap: ChkVerifierCap): FileGeometry {
  const { requiredShares, totalShares } = cap
  // A cap that says 0 is wrong: what the shares say of the file will show it.
  const size = Math.max(cap.size, 1)
  const segmentSize = segmentSizeFor(size, DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE, requiredShares)
  return fileGeometry({ size, requiredShares, totalShares, segmentSize })
}

/** @returns its size. */
async function verify(share: Share): Promise<number> {
  const layout = await readHeader(share)
  const { extension, end } = await readUriExtension(share, layout)
  const { geometry, shareRootHash, crypttextRootHash } = extension
  const root = await readShareHashes(share, layout, shareRootHash)
  await share.common.turns.run(treeSize(geometry), async () => {
    await checkCrypttextHashes(share, layout, geometry, crypttextRootHash)
    const leaves = await readBlockHashes(share, layout, geometry, root)
    const isLarge = geometry.blockSize > BLOCK_PIECE_SIZE
    await (isLarge ? checkLargeBlocks : checkBlocks)(share, layout, geometry, leaves)
  })
  return end
}

/** Bytes of a whole hash tree over the segments. */
function treeSize({ segmentCount }: FileGeometry): number {
  return hashTreeNodeCount(segmentCount) * HASH_SIZE
}

async function readHeader(share: Share): Promise<ChkLayout> {
  const { cap, common } = share
  if (cap.size < 1) throw new Rejection('incompatible', 'a file of no bytes has no shares')
  const geometry = common.uriExtension?.geometry ?? usualGeometry(cap)
  const guess = guessLayout(geometry)
  const end = chkAllocatedSize(guess, CHK_URI_EXTENSION_SIZE_LIMIT)
  // All of a small share; of a large one its end with the hashes, most likely, and the header.
  const first = end <= READ_SIZE ? 0 : beginningOfHashes(guess)
  const ahead = share.keep(first, end - first)
  if (first === 0) await ahead
  const [bytes] = await Promise.all([share.peek(0, CHK_HEADER_SIZE_MAX), ahead])
  const version =
    bytes.length < 4 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (version !== undefined && version !== 1 && version !== 2) {
    throw new Rejection('incompatible', `a layout of version ${version}`)
  }
  try {
    return parseChkHeader(bytes)
  } catch (error) {
    throw damage(0, CHK_HEADER_SIZE_MAX, error)
  }
}

/** Where the sections of a share of this file stand, unless its URI extension block is another one's. */
function guessLayout(geometry: FileGeometry): ChkLayout {
  try {
    return planChkLayout(shareShape(geometry, CHK_URI_EXTENSION_SIZE_LIMIT))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new Rejection('incompatible', `a file of ${geometry.size} bytes is too large for shares`)
  }
}

/** Where the end of a share begins that is worth reading in one piece. */
function beginningOfHashes({ offsets }: ChkLayout): number {
  const { crypttextHashTree, shareHashes, uriExtension } = offsets
  const [begin] = [crypttextHashTree, shareHashes].filter((at) => uriExtension - at <= READ_SIZE)
  return begin ?? uriExtension
}

/** @returns the block, and where it ends: with it the share does. */
async function readUriExtension(
  share: Share,
  layout: ChkLayout,
): Promise<{ readonly extension: ValidatedUriExtension; readonly end: number }> {
  const { cap, crypto, common } = share
  const { fieldSize, offsets } = layout
  const begin = offsets.uriExtension + fieldSize
  const first = beginningOfHashes(layout)
  // There already, unless the guess was wrong.
  await share.keep(first, begin + CHK_URI_EXTENSION_SIZE_LIMIT - first)
  const tail = await share.peek(offsets.uriExtension, fieldSize + CHK_URI_EXTENSION_SIZE_LIMIT)
  let size: number
  try {
    size = parseUriExtensionSize(tail, fieldSize)
  } catch (error) {
    throw damage(offsets.uriExtension, begin, error)
  }
  const block = tail.subarray(fieldSize, fieldSize + size)
  if (block.length < size) throw damage(begin, begin + size, 'URI extension block cut short')
  if (!isUriExtensionOf(cap, block, crypto)) {
    throw damage(begin, begin + size, 'bad hash of the URI extension block')
  }
  try {
    common.uriExtension ??= validateUriExtension(cap, block)
    return { extension: common.uriExtension, end: begin + size }
  } catch (error) {
    if (!isFilesystemError(error, 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE')) throw error
    throw new Rejection('incompatible', error.message)
  }
}

/** @returns the root of the share's block hash tree. */
async function readShareHashes(
  share: Share,
  { offsets }: ChkLayout,
  shareRootHash: Uint8Array,
): Promise<Uint8Array> {
  const { cap, shareNumber, crypto } = share
  const { shareHashes: begin, uriExtension: end } = offsets
  if (end - begin > hashTreeNodeCount(cap.totalShares) * SHARE_HASH_ENTRY_SIZE) {
    throw damage(begin, end, 'share hash chain too long')
  }
  const bytes = await share.get(begin, end - begin, 'share hash chain')
  const tree = new IncompleteHashTree(cap.totalShares, crypto)
  try {
    tree.setHashes({ hashes: new Map([[0, shareRootHash]]) })
    tree.setHashes({ hashes: parseShareHashes(bytes) })
    const root = tree.leaf(shareNumber)
    if (root !== undefined) return root
  } catch (error) {
    throw damage(begin, end, error)
  }
  throw damage(begin, end, `share hash chain without the hash of share ${shareNumber}`)
}

async function checkCrypttextHashes(
  share: Share,
  { offsets }: ChkLayout,
  geometry: FileGeometry,
  root: Uint8Array,
): Promise<void> {
  const { common, crypto } = share
  const begin = offsets.crypttextHashTree
  const bytes = await readTree(share, begin, offsets.blockHashes, geometry, 'crypttext hashes')
  if (common.crypttextHashes === undefined) {
    checkTree(bytes, root, begin, 'crypttext hashes', crypto)
    common.crypttextHashes = bytes.slice()
  } else if (!sameBytes(bytes, common.crypttextHashes)) {
    throw damage(begin, offsets.blockHashes, 'bad crypttext hashes')
  }
}

/** @returns the hashes of all blocks, one after the other. */
async function readBlockHashes(
  share: Share,
  { offsets }: ChkLayout,
  geometry: FileGeometry,
  root: Uint8Array,
): Promise<Uint8Array> {
  const begin = offsets.blockHashes
  const bytes = await readTree(share, begin, offsets.shareHashes, geometry, 'block hashes')
  checkTree(bytes, root, begin, 'block hashes', share.crypto)
  const firstLeaf = (hashTreeNodeCount(geometry.segmentCount) - 1) / 2
  return bytes.subarray(firstLeaf * HASH_SIZE)
}

/** The bytes of a whole hash tree over the segments. */
async function readTree(
  share: Share,
  begin: number,
  end: number,
  geometry: FileGeometry,
  name: string,
): Promise<Uint8Array> {
  const size = treeSize(geometry)
  if (end - begin !== size) throw damage(begin, end, `${name} of ${end - begin} bytes, not ${size}`)
  if (size > TREE_SIZE_MAX) throw new Rejection('incompatible', `${name} of ${size} bytes`)
  if (size <= READ_SIZE) return share.get(begin, size, name)
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += READ_SIZE) {
    bytes.set(await share.get(begin + at, Math.min(READ_SIZE, size - at), name), at)
  }
  return bytes
}

/** Checks every node of a tree against the two below it, and the first one against the root. */
function checkTree(
  bytes: Uint8Array,
  root: Uint8Array,
  begin: number,
  name: string,
  crypto: CryptoProvider,
): void {
  const node = (index: number): Uint8Array =>
    bytes.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE)
  const end = begin + bytes.length
  if (!sameBytes(node(0), root)) throw damage(begin, end, `${name}: bad root`)
  for (let index = 0; 2 * index + 2 < bytes.length / HASH_SIZE; index++) {
    const expected = pairHash(node(2 * index + 1), node(2 * index + 2), crypto)
    if (sameBytes(node(index), expected)) continue
    throw damage(
      begin,
      end,
      `${name}: nodes ${2 * index + 1} and ${2 * index + 2} do not hash to node ${index}`,
    )
  }
}

async function checkBlocks(
  share: Share,
  { offsets }: ChkLayout,
  geometry: FileGeometry,
  leaves: Uint8Array,
): Promise<void> {
  const { blockSize, segmentCount, shareDataSize } = geometry
  const perRead = Math.max(1, Math.min(BLOCKS_PER_READ, Math.round(BLOCKS_SIZE / blockSize)))
  const read = (first: number): Promise<Uint8Array> => {
    const at = first * blockSize
    const size = Math.min(perRead * blockSize, shareDataSize - at)
    return share.get(offsets.data + at, size, 'blocks')
  }
  const start = share.blocks === 'all' ? 0 : Math.floor((segmentCount - 1) / perRead) * perRead
  let next = read(start)
  for (let first = start; first < segmentCount; first += perRead) {
    const bytes = await next
    if (first + perRead < segmentCount) {
      next = read(first + perRead)
      // What fails meanwhile is seen when its turn to be awaited comes.
      next.catch(() => {})
    }
    const count = Math.min(perRead, segmentCount - first)
    const blocks = Array.from({ length: count }, (_, index) => {
      const { blockSize: size } = segmentSizes(geometry, first + index)
      return bytes.subarray(index * blockSize, index * blockSize + size)
    })
    const hashes = await share.crypto.sha256dMany(blockHashPrefix, blocks)
    for (const [index, hash] of hashes.entries()) {
      const begin = offsets.data + (first + index) * blockSize
      const end = begin + (blocks[index]?.length ?? 0)
      assertLeaf(leaves, first + index, hash, { begin, end })
    }
    share.letGo(bytes)
  }
}

async function checkLargeBlocks(
  share: Share,
  { offsets }: ChkLayout,
  geometry: FileGeometry,
  leaves: Uint8Array,
): Promise<void> {
  const { blockSize, segmentCount } = geometry
  for (let block = share.blocks === 'all' ? 0 : segmentCount - 1; block < segmentCount; block++) {
    const begin = offsets.data + block * blockSize
    const end = begin + segmentSizes(geometry, block).blockSize
    const hasher = blockHasher(share.crypto)
    for (let at = begin; at < end; at += BLOCK_PIECE_SIZE) {
      const bytes = await share.get(at, Math.min(BLOCK_PIECE_SIZE, end - at), 'blocks')
      hasher.update(bytes)
      share.letGo(bytes)
    }
    assertLeaf(leaves, block, hasher.digest(), { begin, end })
  }
}

/** Checks the hash of a block against its leaf. */
function assertLeaf(
  leaves: Uint8Array,
  block: number,
  hash: Uint8Array,
  { begin, end }: { readonly begin: number; readonly end: number },
): void {
  if (sameBytes(hash, leaves.subarray(block * HASH_SIZE, (block + 1) * HASH_SIZE))) return
  throw damage(begin, end, `bad hash of block ${block}`)
}

/** Some bytes of a share. */
interface Piece {
  readonly offset: number
  readonly bytes: Uint8Array
  /** Whether the share ends with them. */
  readonly reachesEnd: boolean
}

/** The reads of a share. */
function readerOf(
  bucket: RIBucketReader,
  { clock }: Pick<CheckerContext, 'clock'>,
  requests: Cancellation,
): Pick<Share, 'peek' | 'keep' | 'get' | 'letGo'> {
  let kept: Piece = { offset: 0, bytes: new Uint8Array(), reachesEnd: false }
  const read = async (offset: number, size: number): Promise<Uint8Array> => {
    try {
      const bytes = await inTime((signal) => bucket.read(offset, size, { signal }), {
        requests,
        clock,
        delayMs: READ_TIMEOUT_MS,
      })
      if (bytes.length <= size) return bytes
    } catch (error) {
      throw new Rejection('unreachable', messageOf(error))
    }
    throw damage(offset, offset + size, 'the server sent more than was asked for')
  }
  const cached = (offset: number, size: number): Uint8Array | undefined => {
    const at = offset - kept.offset
    const isKept = at >= 0 && (kept.reachesEnd || at + size <= kept.bytes.length)
    return isKept ? kept.bytes.subarray(at, at + size) : undefined
  }
  const peek = async (offset: number, size: number): Promise<Uint8Array> =>
    cached(offset, size) ?? read(offset, size)
  return {
    peek,
    keep: async (offset, size) => {
      if (cached(offset, size) !== undefined) return
      const bytes = await read(offset, size)
      kept = { offset, bytes, reachesEnd: bytes.length < size }
    },
    get: async (offset, size, name) => {
      const bytes = await peek(offset, size)
      if (bytes.length === size) return bytes
      throw damage(offset, offset + size, `${name} cut short to ${bytes.length} bytes`)
    },
    letGo: (bytes) => {
      // What is kept may be asked for again.
      if (bytes.buffer !== kept.bytes.buffer) recycleMemory(bytes)
    },
  }
}

/** Says what is wrong with some bytes of a share, in upstream's words. */
function damage(begin: number, end: number, why: unknown): Rejection {
  const known = why instanceof Error && (isStorageError(why) || isHashTreeError(why))
  if (typeof why !== 'string' && !known) throw why
  const what = typeof why === 'string' ? why : why.message
  return new Rejection('corrupt', `corruption in share[${begin}-${end}): ${what}`)
}
