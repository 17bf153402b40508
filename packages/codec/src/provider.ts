import {
  CodecError,
  type CodecCapabilities,
  type CodecParams,
  type CodecProvider,
  type ICodecDecoder,
  type ICodecEncoder,
} from '@lafs/codec-interface'
import { checkBlocks, checkInto, checkParams, checkShareNumbers } from './params.ts'

/**
 * The work that differs between providers: making blocks that are not at hand. Arguments have been
 * checked; the inputs are left as they are. The results are best made in the arrays of `into`, one for
 * each block, where that is given; results in other memory are copied there.
 */
export interface CodecArithmetic {
  /** The check blocks of these numbers (each in `[k, n)`), out of the k input blocks. */
  encode(
    params: CodecParams,
    inputBlocks: readonly Uint8Array[],
    checkNumbers: readonly number[],
    into: readonly Uint8Array[] | undefined,
  ): Uint8Array[] | Promise<Uint8Array[]>
  /** The input blocks of these numbers (ascending, none of them given), out of any k blocks. */
  decode(
    params: CodecParams,
    blocks: readonly Uint8Array[],
    shareNumbers: readonly number[],
    missing: readonly number[],
    into: readonly Uint8Array[] | undefined,
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

/** Results in the memory that was lent for them. */
function placed(
  results: readonly Uint8Array[],
  into: readonly Uint8Array[] | undefined,
): readonly Uint8Array[] {
  if (into === undefined) return results
  for (const [i, result] of results.entries()) if (result !== into[i]) into[i]!.set(result)
  return into
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
    async encode(inputBlocks, { shareNumbers, into, signal } = {}) {
      signal?.throwIfAborted()
      checkBlocks(inputBlocks, requiredShares)
      const wanted = shareNumbers === undefined ? range(maxShares) : [...shareNumbers]
      checkShareNumbers(wanted, maxShares)
      const blocks = [...inputBlocks]
      const checkNumbers = wanted.filter((number) => number >= requiredShares)
      checkInto(into, checkNumbers.length, blocks)
      const checks =
        checkNumbers.length === 0
          ? []
          : placed(await arithmetic.encode(params, blocks, checkNumbers, into && [...into]), into)
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
    async decode(blocks, shareNumbers, { into, signal } = {}) {
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
      checkInto(into, missing.length, blocks)
      const rebuilt =
        missing.length === 0
          ? []
          : placed(
              await arithmetic.decode(
                params,
                [...blocks],
                [...shareNumbers],
                missing,
                into && [...into],
              ),
              into,
            )
      signal?.throwIfAborted()
      let next = 0
      return wanted.map((number) => known.get(number) ?? rebuilt[next++]!)
    },
  }
}
