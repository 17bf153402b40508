import type { ICodecDecoder, ICodecEncoder } from '@lafs/codec-interface'
import { blockHashPrefix, concatBytes } from '@lafs/crypto'
import { CorruptShareError } from '@lafs/filesystem-interface'
import { HashTree } from '@lafs/hashtree'
import type { ShareNumber } from '@lafs/storage-interface'
import { blockSpan, numberOfSegments, packMutableHeader } from '@lafs/storage-protocol/layout'
import type { MutableContext } from '../file.ts'
import { shareHashChainOf } from '../publish/share-builder.ts'
import { decodeSegment } from '../retrieve/decode-segments.ts'
import { blocksOf, fetchBlocks } from '../retrieve/retrieve.ts'
import type { SaltedBlock } from '../retrieve/share-verifier.ts'
import type { RetrieveStatus } from '../retrieve/status.ts'
import type { VersionShares } from '../retrieve/version-shares.ts'
import type { VersionInfo } from '../servermap/version-info.ts'

/** Bytes of segments that are read and encoded at a time, at least one segment; as many are ahead. */
const BATCH_SIZE = 1024 * 1024
/** Bytes of new shares that are made in one pass over the version, at least one share. */
const PASS_SIZE = 64 * 1024 * 1024

/** A version that can be read, and what its shares have in common. */
export interface RebuildSource {
  readonly context: Pick<MutableContext, 'codec' | 'crypto'>
  readonly version: VersionInfo
  readonly shares: VersionShares
  readonly status: RetrieveStatus
  /** The roots of the block hash trees of good shares, by share number. */
  readonly roots: ReadonlyMap<ShareNumber, Uint8Array>
  readonly verificationKey: Uint8Array
  readonly signature: Uint8Array
  readonly encryptedPrivateKey: Uint8Array
}

/**
 * Makes shares of a version anew, byte for byte what they were: out of the blocks of others, without
 * decrypting them, and with the signature that the version has.
 *
 * Every block is checked on its way in, and no share comes out before all of them together have given
 * the root hash that is signed. Memory holds some segments and as many whole shares as are handed
 * out at once; where that is not all of them, the version is read again for the others.
 *
 * @param wanted - must hold every number that has no root in `source.roots`.
 * @returns shares by number, in one map or several; they belong to the caller.
 * @throws {@link CorruptShareError} where the version was not encoded as it should be;
 *   {@link NotEnoughSharesError}; the reason of the signal.
 */
export async function* rebuildShares(
  source: RebuildSource,
  wanted: readonly ShareNumber[],
): AsyncGenerator<Map<ShareNumber, Uint8Array>> {
  const { shareEnd } = source.version.header
  const perPass = Math.max(1, Math.floor(PASS_SIZE / shareEnd))
  let shareTree: HashTree | undefined
  for (let first = 0; first < wanted.length; first += perPass) {
    const made = wanted.slice(first, first + perPass)
    const shares = new Map(made.map((number) => [number, new Uint8Array(shareEnd)]))
    const hashes = await encodeBlocks(source, shareTree === undefined ? wanted : made, shares)
    const blockTrees = new Map(
      [...hashes].map(([number, leaves]) => [number, new HashTree(leaves, source.context.crypto)]),
    )
    shareTree ??= treeOver(source, blockTrees)
    for (const [number, share] of shares) seal(source, share, number, shareTree, blockTrees)
    yield shares
  }
}

/** The tree over the roots of all shares. @throws {@link CorruptShareError} unless it is the signed one. */
function treeOver(
  { version, roots, context }: RebuildSource,
  blockTrees: ReadonlyMap<ShareNumber, HashTree>,
): HashTree {
  const { crypto } = context
  const all = Array.from(
    { length: version.totalShares },
    (_, number) => blockTrees.get(number)?.root ?? roots.get(number) ?? new Uint8Array(),
  )
  const tree = new HashTree(all, crypto)
  if (crypto.timingSafeEqual(tree.root, version.rootHash)) return tree
  throw new CorruptShareError('shares made anew do not fit the root hash of their version')
}

/** Puts everything but the blocks into a share. */
function seal(
  source: RebuildSource,
  share: Uint8Array,
  number: ShareNumber,
  shareTree: HashTree,
  blockTrees: ReadonlyMap<ShareNumber, HashTree>,
): void {
  const { header } = source.version
  const { sections } = header
  share.set(packMutableHeader(header))
  share.set(source.verificationKey, sections.verificationKey.offset)
  share.set(source.signature, sections.signature.offset)
  share.set(source.encryptedPrivateKey, sections.encryptedPrivateKey.offset)
  share.set(shareHashChainOf(shareTree, number), sections.shareHashChain.offset)
  share.set(concatBytes(blockTrees.get(number)?.nodes ?? []), sections.blockHashTree.offset)
}

/**
 * Encodes the blocks of some shares.
 *
 * @param shares - the memory of those of which the blocks are kept.
 * @returns the hashes of the blocks of each share.
 */
async function encodeBlocks(
  source: RebuildSource,
  numbers: readonly ShareNumber[],
  shares: ReadonlyMap<ShareNumber, Uint8Array>,
): Promise<Map<ShareNumber, Uint8Array[]>> {
  const { version, context } = source
  const { requiredShares, totalShares: maxShares, segmentSize, header } = version
  const decoder = context.codec.createDecoder({ requiredShares, maxShares })
  const encoder = context.codec.createEncoder({ requiredShares, maxShares })
  const segmentCount = numberOfSegments(header)
  const perBatch = Math.max(1, Math.floor(BATCH_SIZE / Math.max(1, segmentSize)))
  const fetch = (first: number): Promise<Map<number, SaltedBlock[]>> => {
    const last = Math.min(segmentCount, first + perBatch) - 1
    const blocks = first > last ? Promise.resolve(new Map()) : fetchBlocks(source, { first, last })
    // What fails meanwhile is seen once its turn comes.
    blocks.catch(() => {})
    return blocks
  }
  const hashes = new Map<ShareNumber, Uint8Array[]>(numbers.map((number) => [number, []]))
  let next = fetch(0)
  for (let first = 0; first < segmentCount; first += perBatch) {
    const blocks = await next
    next = fetch(first + perBatch)
    const messages: Uint8Array[] = []
    for (let segment = first; segment < Math.min(segmentCount, first + perBatch); segment++) {
      const found = blocksOf(blocks, segment - first)
      const made = await encodeSegment(found, numbers, decoder, encoder)
      messages.push(
        ...numbers.map((number, index) =>
          keepBlock(version, segment, made[index], shares.get(number)),
        ),
      )
    }
    const batch = await context.crypto.sha256dMany(blockHashPrefix, messages)
    for (const [index, hash] of batch.entries()) {
      hashes.get(numbers[index % numbers.length] ?? -1)?.push(hash)
    }
  }
  return hashes
}

/** The blocks of some shares out of those of k others. */
async function encodeSegment(
  found: ReadonlyMap<ShareNumber, SaltedBlock>,
  shareNumbers: readonly ShareNumber[],
  decoder: ICodecDecoder,
  encoder: ICodecEncoder,
): Promise<SaltedBlock[]> {
  const { crypttext, salt } = await decodeSegment(decoder, found)
  const size = crypttext.length / decoder.requiredShares
  const inputs = Array.from({ length: decoder.requiredShares }, (_, index) =>
    crypttext.subarray(index * size, (index + 1) * size),
  )
  const blocks = await encoder.encode(inputs, { shareNumbers })
  return blocks.map((block) => ({ block, salt }))
}

/**
 * Puts a block into its share, where that is kept.
 *
 * @returns what the block's hash is that of: in MDMF its salt stands before it.
 */
function keepBlock(
  { header }: VersionInfo,
  segment: number,
  made: SaltedBlock | undefined,
  share: Uint8Array | undefined,
): Uint8Array {
  const { offset, saltLength, length } = blockSpan(header, segment)
  const size = saltLength + length
  const region = share?.subarray(offset, offset + size) ?? new Uint8Array(size)
  if (saltLength > 0 && made !== undefined) region.set(made.salt)
  region.set(made?.block ?? [], saltLength)
  return region
}
