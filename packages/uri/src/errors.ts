/** The codes of {@link UriError}. */
export type UriErrorCode =
  /** No cap that is known starts like this. */
  | 'URI_UNKNOWN_KIND'
  /** Too few or too many fields between colons. */
  | 'URI_BAD_FIELD_COUNT'
  /** A field that is not the base32 of a key, hash or storage index of its size. */
  | 'URI_BAD_BASE32'
  /** A field that is no decimal number, or one that is too big. */
  | 'URI_BAD_NUMBER'
  /** Not `1 <= k <= n <= 256`. */
  | 'URI_BAD_SHARE_COUNTS'
  /** A URI extension block that is not made of named netstrings. */
  | 'URI_BAD_EXTENSION'
  /** A URI extension block without a field that it must have. */
  | 'URI_MISSING_EXTENSION_FIELD'
  /** A field of a URI extension block with a value that it cannot have. */
  | 'URI_BAD_EXTENSION_FIELD'

/**
 * A cap or a URI extension block that is malformed. Messages may change, codes do not; no message
 * quotes the text.
 *
 * @see allmydata.uri.BadURIError
 */
export class UriError extends Error {
  override name = 'UriError'
  readonly code: UriErrorCode

  constructor(code: UriErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is a {@link UriError}, and of this code where one is given. */
export function isUriError(error: unknown, code?: UriErrorCode): error is UriError {
  if (!(error instanceof Error) || error.name !== 'UriError') return false
  return code === undefined || ('code' in error && error.code === code)
}
