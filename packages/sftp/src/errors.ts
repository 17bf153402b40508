/** The codes of {@link SftpError}. */
export type SftpErrorCode =
  /** A line of the accounts file is no account. */
  | 'SFTP_BAD_ACCOUNT'
  /** The private key of the host cannot be read, or wants a passphrase. */
  | 'SFTP_BAD_HOST_KEY'

/** Why an SFTP frontend cannot start. Messages may change; codes do not, and hold no key and no cap. */
export class SftpError extends Error {
  override name = 'SftpError'
  readonly code: SftpErrorCode

  constructor(code: SftpErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a thrown value is an {@link SftpError}, and of this code where one is given. */
export function isSftpError(error: unknown, code?: SftpErrorCode): error is SftpError {
  if (!(error instanceof Error)) return false
  const { code: itsCode } = error as { code?: unknown }
  return typeof itsCode === 'string' && itsCode.startsWith('SFTP_') && (code ?? itsCode) === itsCode
}
