/** The codes of {@link ClientError}. */
export type ClientErrorCode =
  /** `servers.yaml` is no YAML. */
  | 'CLIENT_SERVERS_YAML_SYNTAX'
  /** Something in `servers.yaml` that should be a mapping is not, or is missing. */
  | 'CLIENT_SERVERS_YAML_BAD_SHAPE'
  /** A field of a server in `servers.yaml` has the wrong type. */
  | 'CLIENT_SERVERS_YAML_BAD_FIELD'
  /** The client has been closed. */
  | 'CLIENT_CLOSED'

/** Every failure of the client's own that a caller can act on. Messages may change; codes do not. */
export class ClientError extends Error {
  override name = 'ClientError'
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is a {@link ClientError}, and of this code where one is given. */
export function isClientError(error: unknown, code?: ClientErrorCode): error is ClientError {
  if (!(error instanceof Error)) return false
  const { code: itsCode } = error as { code?: unknown }
  return (
    typeof itsCode === 'string' && itsCode.startsWith('CLIENT_') && (code ?? itsCode) === itsCode
  )
}
