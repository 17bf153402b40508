/** The codes of {@link EncodingError}. */
export type EncodingErrorCode =
  /** A character outside the alphabet. */
  | 'ENCODING_BAD_CHARACTER'
  /** No byte string has an encoding of this length. */
  | 'ENCODING_BAD_LENGTH'
  /** The last character carries bits that no byte string sets, or the number is too big for its length. */
  | 'ENCODING_TRAILING_BITS'
  /** A netstring without a length, colon or comma where one must be. */
  | 'ENCODING_BAD_NETSTRING'
  /** The data ends within a netstring or before the last one. */
  | 'ENCODING_TRUNCATED'
  /** A netstring longer than the caller allows. */
  | 'ENCODING_TOO_LONG'
  /** Bytes after the last netstring that are not the expected trailer. */
  | 'ENCODING_LEFTOVER'
  /** A key string that does not start as keys of its kind do. */
  | 'ENCODING_BAD_PREFIX'
  /** No RSA key in the form that was asked for, or one whose numbers do not belong together. */
  | 'ENCODING_BAD_KEY'
  /** An RSA key that has not 2048 bits. */
  | 'ENCODING_BAD_KEY_SIZE'

/** Text or bytes that are no encoding of anything. Messages may change; codes do not. */
export class EncodingError extends Error {
  override name = 'EncodingError'
  readonly code: EncodingErrorCode

  constructor(code: EncodingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is an {@link EncodingError}, and of this code where one is given. */
export function isEncodingError(error: unknown, code?: EncodingErrorCode): error is EncodingError {
  if (!(error instanceof Error) || error.name !== 'EncodingError') return false
  return code === undefined || ('code' in error && error.code === code)
}

/**
 * The platform lacks cryptography that there is no substitute for: WebCrypto (`crypto.subtle`) is
 * what the portable provider's RSA runs on, and browsers give it to pages over HTTPS alone.
 */
export class CryptoUnavailableError extends Error {
  override name = 'CryptoUnavailableError'
  readonly code = 'CRYPTO_UNAVAILABLE'
}
