/** The codes of {@link NodeDirectoryError}. */
export type NodeDirectoryErrorCode =
  /** The folder is no node directory: it has neither `tahoe.cfg` nor `private/servers.yaml`. */
  | 'NODEDIR_ABSENT'
  /** `tahoe.cfg` cannot be read as one, or holds a value that makes no sense. */
  | 'NODEDIR_BAD_CONFIG'
  /** `tahoe.cfg` has a section or an option that nobody knows, such as a misspelt one. */
  | 'NODEDIR_UNKNOWN_OPTION'
  /** What is asked for needs a part that this version does not have, such as Foolscap or Tor. */
  | 'NODEDIR_UNAVAILABLE'
  /** A secret or a key in `private/` cannot be read as one. */
  | 'NODEDIR_BAD_SECRET'
  /** Another process runs from the folder. */
  | 'NODEDIR_IN_USE'
  /** A node is to be made in a folder that holds something already. */
  | 'NODEDIR_NOT_EMPTY'
  /** A port that the configuration names cannot be listened on. */
  | 'NODEDIR_CANNOT_LISTEN'

/** Every failure with a node directory that its owner can act on. Messages may change; codes do not. */
export class NodeDirectoryError extends Error {
  override name = 'NodeDirectoryError'
  readonly code: NodeDirectoryErrorCode

  constructor(code: NodeDirectoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is a {@link NodeDirectoryError}, and of this code where one is given. */
export function isNodeDirectoryError(
  error: unknown,
  code?: NodeDirectoryErrorCode,
): error is NodeDirectoryError {
  if (!(error instanceof Error)) return false
  const { code: itsCode } = error as { code?: unknown }
  return (
    typeof itsCode === 'string' && itsCode.startsWith('NODEDIR_') && (code ?? itsCode) === itsCode
  )
}
