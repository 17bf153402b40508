/** The codes of {@link CodecError}. */
export type CodecErrorCode =
  /** k or n is no integer, or not `1 <= k <= n <= 256`. */
  | 'CODEC_BAD_PARAMS'
  /** Not exactly k blocks, not one share number a block, or not one array of `into` for each block to make. */
  | 'CODEC_BAD_BLOCK_COUNT'
  /** Blocks, or arrays of `into`, of different lengths, or of no length. */
  | 'CODEC_BAD_BLOCK_SIZE'
  /** A share number that is no integer in `[0, n)`, or is given twice. */
  | 'CODEC_BAD_SHARE_NUMBER'
  /** The provider that was asked for cannot be had here; the cause says why. */
  | 'CODEC_UNAVAILABLE'
  /** `LAFS_CODEC` names no provider. */
  | 'CODEC_UNKNOWN_PROVIDER'

/** Every failure of a codec that a caller can act on. Messages may change; codes do not. */
export class CodecError extends Error {
  override name = 'CodecError'
  readonly code: CodecErrorCode

  constructor(code: CodecErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is a {@link CodecError}, and of this code where one is given. */
export function isCodecError(error: unknown, code?: CodecErrorCode): error is CodecError {
  if (!(error instanceof Error) || error.name !== 'CodecError') return false
  return code === undefined || ('code' in error && error.code === code)
}
