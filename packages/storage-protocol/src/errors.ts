/** The codes of {@link MessageError}. */
export type MessageErrorCode =
  /** The bytes are not one whole, well-formed CBOR item of the kinds that the protocol uses. */
  | 'MESSAGE_MALFORMED'
  /** The item is not what this message is made of: wrong type, missing or unknown key, too many. */
  | 'MESSAGE_WRONG_SHAPE'
  /** More bytes than this message may have. */
  | 'MESSAGE_TOO_LARGE'

/** A message that breaks the protocol. Says what was expected, never what a secret was. */
export class MessageError extends Error {
  override name = 'MessageError'
  readonly code: MessageErrorCode

  constructor(code: MessageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is a {@link MessageError}, and of this code where one is given. */
export function isMessageError(error: unknown, code?: MessageErrorCode): error is MessageError {
  if (!(error instanceof Error)) return false
  if (!('code' in error) || typeof error.code !== 'string') return false
  return error.code.startsWith('MESSAGE_') && (code ?? error.code) === error.code
}
