/** The codes of {@link IntroducerError}. */
export type IntroducerErrorCode =
  /** An announcement without a signature or a key, or with one of another version than v0. */
  | 'INTRODUCER_UNKNOWN_KEY'
  /** The signature of an announcement does not fit. */
  | 'INTRODUCER_BAD_SIGNATURE'
  /** A signed announcement that is no announcement. */
  | 'INTRODUCER_BAD_ANNOUNCEMENT'

/** Every failure of an introducer or its client that a caller can act on. Messages may change; codes do not. */
export class IntroducerError extends Error {
  override name = 'IntroducerError'
  readonly code: IntroducerErrorCode

  constructor(code: IntroducerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** An announcement without a usable signature or key. @see allmydata.introducer.common.UnknownKeyError */
export class UnknownKeyError extends IntroducerError {
  override name = 'UnknownKeyError'
  constructor(message: string, options?: ErrorOptions) {
    super('INTRODUCER_UNKNOWN_KEY', message, options)
  }
}

/**
 * Whether a thrown value is an {@link IntroducerError}, and of this code where one is given. Holds
 * across copies of this package.
 */
export function isIntroducerError(
  error: unknown,
  code?: IntroducerErrorCode,
): error is IntroducerError {
  if (!(error instanceof Error)) return false
  const itsCode: unknown = 'code' in error ? error.code : undefined
  return (
    typeof itsCode === 'string' &&
    itsCode.startsWith('INTRODUCER_') &&
    (code ?? itsCode) === itsCode
  )
}
