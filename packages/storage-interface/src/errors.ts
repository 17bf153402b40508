/** The codes of {@link StorageError}. */
export type StorageErrorCode =
  /** The server cannot be talked to: refused, reset, closed, unknown host. */
  | 'STORAGE_UNREACHABLE'
  /** The server did not answer in time. */
  | 'STORAGE_TIMEOUT'
  /** Whoever answers is not the server that was asked for: its key does not match the pin. */
  | 'STORAGE_WRONG_SERVER'
  /** The server does not take our swissnum, or a secret of ours. */
  | 'STORAGE_UNAUTHORIZED'
  /** The server answered something that the protocol does not know; `status` says what. */
  | 'STORAGE_BAD_RESPONSE'
  /** An announcement, FURL or NURL that cannot be used. */
  | 'STORAGE_BAD_ANNOUNCEMENT'
  /** No room for the data. */
  | 'STORAGE_NO_SPACE'
  /** Data past the allocated size of a share, or past the greatest size of one. */
  | 'STORAGE_DATA_TOO_LARGE'
  /** Other bytes stand there already. */
  | 'STORAGE_CONFLICTING_WRITE'
  /** The slot was made with another write enabler. */
  | 'STORAGE_BAD_WRITE_ENABLER'
  /** There is no such share, or no such upload. */
  | 'STORAGE_NO_SUCH_SHARE'
  /** The upload has ended: closed, aborted, or dropped for idleness. */
  | 'STORAGE_UPLOAD_ENDED'
  /** A storage index that is not 16 bytes. */
  | 'STORAGE_BAD_STORAGE_INDEX'
  /** A share number that is no integer in `[0, 256)`. */
  | 'STORAGE_BAD_SHARE_NUMBER'
  /** A secret that is not 32 bytes. */
  | 'STORAGE_BAD_SECRET'
  /** A span with a negative or unsafe offset or size. */
  | 'STORAGE_BAD_RANGE'
  /** A share, or a share container, whose bytes make no sense. */
  | 'STORAGE_BAD_SHARE'
  /** A container of a version that is not known. */
  | 'STORAGE_UNKNOWN_CONTAINER_VERSION'
  /** The server does not know this operation. */
  | 'STORAGE_NOT_SUPPORTED'
  /** The server, connection or store has been closed. */
  | 'STORAGE_CLOSED'

/** Facts about a {@link StorageError}; never a secret. */
export interface StorageErrorDetails extends ErrorOptions {
  readonly serverId?: string | undefined
  readonly shareNumber?: number | undefined
  /** The status of the HTTP response, where there is one. */
  readonly status?: number | undefined
}

/** Every failure of the storage side that a caller can act on. Messages may change; codes do not. */
export class StorageError extends Error {
  override name = 'StorageError'
  readonly code: StorageErrorCode
  readonly serverId: string | undefined
  readonly shareNumber: number | undefined
  readonly status: number | undefined

  constructor(code: StorageErrorCode, message: string, details: StorageErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.serverId = details.serverId
    this.shareNumber = details.shareNumber
    this.status = details.status
  }
}

/** There is no room for the data. @see allmydata.interfaces.NoSpace */
export class NoSpaceError extends StorageError {
  override name = 'NoSpaceError'
  constructor(message: string, details?: StorageErrorDetails) {
    super('STORAGE_NO_SPACE', message, details)
  }
}

/** A write goes past the size of its share. @see allmydata.interfaces.DataTooLargeError */
export class DataTooLargeError extends StorageError {
  override name = 'DataTooLargeError'
  constructor(message: string, details?: StorageErrorDetails) {
    super('STORAGE_DATA_TOO_LARGE', message, details)
  }
}

/** A write differs from what was written there before. @see allmydata.interfaces.ConflictingWriteError */
export class ConflictingWriteError extends StorageError {
  override name = 'ConflictingWriteError'
  constructor(message: string, details?: StorageErrorDetails) {
    super('STORAGE_CONFLICTING_WRITE', message, details)
  }
}

/** The slot was made with another write enabler. @see allmydata.interfaces.BadWriteEnablerError */
export class BadWriteEnablerError extends StorageError {
  override name = 'BadWriteEnablerError'
  constructor(message: string, details?: StorageErrorDetails) {
    super('STORAGE_BAD_WRITE_ENABLER', message, details)
  }
}

/** Whether a thrown value is a {@link StorageError}, and of this code where one is given. */
export function isStorageError(error: unknown, code?: StorageErrorCode): error is StorageError {
  if (!(error instanceof Error)) return false
  const itsCode: unknown = 'code' in error ? error.code : undefined
  return (
    typeof itsCode === 'string' && itsCode.startsWith('STORAGE_') && (code ?? itsCode) === itsCode
  )
}
