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
