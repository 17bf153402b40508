import { CodecError, type CodecParams } from '@lafs/codec-interface'

const MAX_SHARES = 256

/** @throws {@link CodecError} `CODEC_BAD_PARAMS` unless `1 <= k <= n <= 256`, both integers. */
export function checkParams({ requiredShares, maxShares }: CodecParams): void {
  const valid =
    Number.isInteger(requiredShares) &&
    Number.isInteger(maxShares) &&
    1 <= requiredShares &&
    requiredShares <= maxShares &&
    maxShares <= MAX_SHARES
  if (!valid)
    throw new CodecError(
      'CODEC_BAD_PARAMS',
      `expected integers 1 <= requiredShares <= maxShares <= ${MAX_SHARES}, ` +
        `got ${String(requiredShares)} and ${String(maxShares)}`,
    )
}

/** @throws {@link CodecError} unless these are `requiredShares` blocks of one length of at least 1. */
export function checkBlocks(blocks: readonly Uint8Array[], requiredShares: number): void {
  if (blocks.length !== requiredShares)
    throw new CodecError(
      'CODEC_BAD_BLOCK_COUNT',
      `expected ${requiredShares} blocks, got ${blocks.length}`,
    )
  for (const [index, block] of blocks.entries()) {
    if (!(block instanceof Uint8Array)) throw new TypeError(`block ${index} is no Uint8Array`)
    const { length } = blocks[0]!
    if (length === 0) throw new CodecError('CODEC_BAD_BLOCK_SIZE', 'blocks must not be empty')
    if (block.length !== length)
      throw new CodecError(
        'CODEC_BAD_BLOCK_SIZE',
        `blocks must have one length: block 0 has ${length} bytes, block ${index} ${block.length}`,
      )
  }
}

interface Span {
  readonly start: number
  readonly end: number
  readonly written: boolean
}

/** Whether any array that is written to shares a byte with another. */
function overlap(written: readonly Uint8Array[], read: readonly Uint8Array[]): boolean {
  const byBuffer = new Map<ArrayBufferLike, Span[]>()
  for (const [index, { buffer, byteOffset, length }] of [...written, ...read].entries()) {
    const span = { start: byteOffset, end: byteOffset + length, written: index < written.length }
    const spans = byBuffer.get(buffer)
    if (spans === undefined) byBuffer.set(buffer, [span])
    else spans.push(span)
  }
  return [...byBuffer.values()].some((spans) => {
    let end = 0
    let writtenEnd = 0
    return spans
      .toSorted((a, b) => a.start - b.start)
      .some((span) => {
        if (span.start < (span.written ? end : writtenEnd)) return true
        end = Math.max(end, span.end)
        if (span.written) writtenEnd = span.end
        return false
      })
  })
}

/**
 * @throws {@link CodecError} unless there are `count` arrays of the length of the blocks.
 * @throws RangeError if one of them overlaps another or a block.
 */
export function checkInto(
  into: readonly Uint8Array[] | undefined,
  count: number,
  blocks: readonly Uint8Array[],
): void {
  if (into === undefined) return
  if (into.length !== count)
    throw new CodecError(
      'CODEC_BAD_BLOCK_COUNT',
      `expected ${count} arrays for the blocks to make, got ${into.length}`,
    )
  const { length } = blocks[0]!
  for (const [index, array] of into.entries()) {
    if (!(array instanceof Uint8Array)) throw new TypeError(`into ${index} is no Uint8Array`)
    if (array.length !== length)
      throw new CodecError(
        'CODEC_BAD_BLOCK_SIZE',
        `blocks have ${length} bytes, the array ${index} to write one to has ${array.length}`,
      )
  }
  if (overlap(into, blocks))
    throw new RangeError(
      'arrays to write blocks to must overlap neither one another nor the blocks',
    )
}

/** @throws {@link CodecError} unless each is an integer in `[0, maxShares)` and none is repeated. */
export function checkShareNumbers(shareNumbers: readonly number[], maxShares: number): void {
  const seen = new Set<number>()
  for (const number of shareNumbers) {
    if (!Number.isInteger(number) || number < 0 || number >= maxShares)
      throw new CodecError(
        'CODEC_BAD_SHARE_NUMBER',
        `expected share numbers from 0 to ${maxShares - 1}, got ${String(number)}`,
      )
    if (seen.has(number))
      throw new CodecError('CODEC_BAD_SHARE_NUMBER', `share number ${number} is given twice`)
    seen.add(number)
  }
}
