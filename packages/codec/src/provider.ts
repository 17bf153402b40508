import {
  CodecError,
  type CodecCapabilities,
  type CodecParams,
  type CodecProvider,
  type ICodecDecoder,
  type ICodecEncoder,
} from '@lafs/codec-interface'
import { checkBlocks, checkParams, checkShareNumbers } from './params.ts'

/**
 * The work that differs between providers: making blocks that are not at hand. Arguments have been
 * checked; the results are fresh memory and the inputs are left as they are.
 */
export interface CodecArithmetic {
  /** The check blocks of these numbers (each in `[k, n)`), out of the k input blocks. */
  encode(
    params: CodecParams,
    inputBlocks: readonly Uint8Array[],
    checkNumbers: readonly number[],
  ): Uint8Array[] | Promise<Uint8Array[]>
  /** The input blocks of these numbers (ascending, none of them given), out of any k blocks. */
  decode(
    params: CodecParams,
    blocks: readonly Uint8Array[],
    shareNumbers: readonly number[],
    missing: readonly number[],
  ): Uint8Array[] | Promise<Uint8Array[]>
}

/** Integers from 0 up to, not including, `end`. */
export function range(end: number): number[] {
  return Array.from({ length: end }, (_, i) => i)
}

/**
 * A provider made of its arithmetic: arguments, the systematic part of the code and abort signals are
 * dealt with here.
 *
 * @param name - what its encoders and decoders give as their `provider`.
 * @param capabilities - passed on as they are.
 */
export function createCodecProvider(
  name: string,
  capabilities: CodecCapabilities,
  arithmetic: CodecArithmetic,
): CodecProvider {
  return {
    name,
    capabilities,
    createEncoder: (params) => createEncoder(name, params, arithmetic),
    createDecoder: (params) => createDecoder(name, params, arithmetic),
  }
}

function createEncoder(
  provider: string,
  given: CodecParams,
  arithmetic: CodecArithmetic,
): ICodecEncoder {
  checkParams(given)
  const params = { requiredShares: given.requiredShares, maxShares: given.maxShares }
  const { requiredShares, maxShares } = params
  return {
    codecType: 'crs',
    provider,
    requiredShares,
    maxShares,
    async encode(inputBlocks, { shareNumbers, signal } = {}) {
      signal?.throwIfAborted()
      checkBlocks(inputBlocks, requiredShares)
      const wanted = shareNumbers === undefined ? range(maxShares) : [...shareNumbers]
      checkShareNumbers(wanted, maxShares)
      const blocks = [...inputBlocks]
      const checkNumbers = wanted.filter((number) => number >= requiredShares)
      const checks =
        checkNumbers.length === 0 ? [] : await arithmetic.encode(params, blocks, checkNumbers)
      signal?.throwIfAborted()
      let next = 0
      return wanted.map((number) => (number < requiredShares ? blocks[number]! : checks[next++]!))
    },
  }
}

function createDecoder(
  provider: string,
  given: CodecParams,
  arithmetic: CodecArithmetic,
): ICodecDecoder {
  checkParams(given)
  const params = { requiredShares: given.requiredShares, maxShares: given.maxShares }
  const { requiredShares, maxShares } = params
  return {
    provider,
    requiredShares,
    maxShares,
    async decode(blocks, shareNumbers, { signal } = {}) {
      signal?.throwIfAborted()
      checkBlocks(blocks, requiredShares)
      if (shareNumbers.length !== blocks.length)
        throw new CodecError(
          'CODEC_BAD_BLOCK_COUNT',
          `expected one share number a block, got ${shareNumbers.length} for ${blocks.length} blocks`,
        )
      checkShareNumbers(shareNumbers, maxShares)
      const known = new Map(shareNumbers.map((number, i) => [number, blocks[i]!]))
      const wanted = range(requiredShares)
      const missing = wanted.filter((number) => !known.has(number))
      const rebuilt =
        missing.length === 0
          ? []
          : await arithmetic.decode(params, [...blocks], [...shareNumbers], missing)
      signal?.throwIfAborted()
      let next = 0
      return wanted.map((number) => known.get(number) ?? rebuilt[next++]!)
    },
  }
}
