/**
 * The two numbers of an erasure code: any `requiredShares` of `maxShares` shares rebuild the data.
 * `1 <= requiredShares <= maxShares <= 256`. Known as k and n (or N) in the literature.
 */
export interface CodecParams {
  readonly requiredShares: number
  readonly maxShares: number
}

/** Options that every asynchronous codec operation takes. */
export interface CodecOptions {
  /** Rejects the operation with its reason. Work already on a thread runs to its end unseen. */
  readonly signal?: AbortSignal
}

/** Options of {@link ICodecEncoder.encode}. */
export interface EncodeOptions extends CodecOptions {
  /** Which blocks to make, each in `[0, maxShares)`, no repeats. Default: all, in order. */
  readonly shareNumbers?: readonly number[]
  /**
   * Memory for the blocks that have to be made: one array for each requested number from
   * `requiredShares` on, in the requested order, each as long as an input block and overlapping
   * neither another nor an input. Lent until the promise settles, and nothing writes there
   * afterwards, even where a signal ended the operation; after a failure its contents are anything.
   * Memory that is used again spares the system's page faults and the garbage collector, which take
   * longer than the arithmetic. Default: fresh memory.
   */
  readonly into?: readonly Uint8Array[]
}

/** Options of {@link ICodecDecoder.decode}. */
export interface DecodeOptions extends CodecOptions {
  /**
   * Memory for the input blocks that have to be rebuilt: one array for each that is not given,
   * ascending, on the terms of {@link EncodeOptions.into}.
   */
  readonly into?: readonly Uint8Array[]
}

/**
 * Makes the blocks of a segment.
 *
 * The code is systematic: block i is input block i for every i below `requiredShares`. An encoder
 * holds no data between calls and may be used by several calls at once.
 *
 * @see allmydata.interfaces.ICodecEncoder
 */
export interface ICodecEncoder {
  /** The name that the URI extension block gives this code: `crs`. @see ICodecEncoder.get_encoder_type */
  readonly codecType: string
  /** The provider that does the arithmetic. */
  readonly provider: string
  readonly requiredShares: number
  readonly maxShares: number

  /**
   * Encodes one segment into blocks, one per requested share.
   *
   * @param inputBlocks - exactly `requiredShares` blocks, all of one length of at least one byte;
   *   borrowed until the promise settles, not modified.
   * @returns one block per requested number, in the requested order. For a number below
   *   `requiredShares` the block is the input block itself (the same object, not a copy); the others
   *   are the arrays of `into`, or fresh memory.
   * @throws {@link CodecError} `CODEC_BAD_BLOCK_COUNT`, `CODEC_BAD_BLOCK_SIZE`, `CODEC_BAD_SHARE_NUMBER`.
   * @throws RangeError if an array of `into` overlaps another or an input.
   * @see allmydata.interfaces.ICodecEncoder.encode; zfec `fec_encode`
   */
  encode(inputBlocks: readonly Uint8Array[], options?: EncodeOptions): Promise<Uint8Array[]>
}

/**
 * Rebuilds the input blocks of a segment from any `requiredShares` of its blocks.
 *
 * A decoder holds no data between calls and may be used by several calls at once.
 *
 * @see allmydata.interfaces.ICodecDecoder
 */
export interface ICodecDecoder {
  readonly provider: string
  readonly requiredShares: number
  readonly maxShares: number

  /**
   * Rebuilds the input blocks, in order.
   *
   * @param blocks - exactly `requiredShares` blocks of one length, in any order; borrowed until the
   *   promise settles, not modified.
   * @param shareNumbers - the number of each block, no repeats.
   * @returns the `requiredShares` input blocks. A block that was given is returned itself (the same
   *   object); the others are the arrays of `into`, or fresh memory.
   * @throws {@link CodecError} `CODEC_BAD_BLOCK_COUNT`, `CODEC_BAD_BLOCK_SIZE`, `CODEC_BAD_SHARE_NUMBER`.
   * @throws RangeError if an array of `into` overlaps another or a block.
   * @see allmydata.interfaces.ICodecDecoder.decode; zfec `fec_decode`
   */
  decode(
    blocks: readonly Uint8Array[],
    shareNumbers: readonly number[],
    options?: DecodeOptions,
  ): Promise<Uint8Array[]>
}

/** What a provider can do; the conformance suite reads it, and a group it rules out says why. */
export interface CodecCapabilities {
  /** Whether the arithmetic runs off the calling thread. */
  readonly threaded: boolean
  /** The instruction set in use: `gfni512`, `gfni256`, `avx2`, `ssse3`, `neon`, `simd128`, `scalar` … */
  readonly kernel: string
}

/**
 * An implementation of the `crs` code (Reed-Solomon over GF(256) with the polynomial 0x11d and the
 * systematic Vandermonde matrix of zfec): the plug-in point of codecs.
 */
export interface CodecProvider {
  readonly name: string
  readonly capabilities: CodecCapabilities
  /** @throws {@link CodecError} `CODEC_BAD_PARAMS` unless `1 <= k <= n <= 256`. */
  createEncoder(params: CodecParams): ICodecEncoder
  /** @throws {@link CodecError} `CODEC_BAD_PARAMS` unless `1 <= k <= n <= 256`. */
  createDecoder(params: CodecParams): ICodecDecoder
}
