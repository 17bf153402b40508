/** The codes of {@link FilesystemError}. */
export type FilesystemErrorCode =
  /** Fewer good shares than the file needs were found. */
  | 'DOWNLOAD_NOT_ENOUGH_SHARES'
  /** No share at all was found. */
  | 'DOWNLOAD_NO_SHARES'
  /** The reader ended the download before its end. */
  | 'DOWNLOAD_STOPPED'
  /** Something that every share should hold alike was had from none of them. */
  | 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE'
  /** Good blocks gave a segment whose hash is wrong: the file was badly encoded. */
  | 'DOWNLOAD_BAD_CIPHERTEXT_HASH'
  /** The shares lie, or would lie, on fewer servers than the upload asks for. */
  | 'UPLOAD_UNHAPPINESS'
  /** There is no server to upload to. */
  | 'UPLOAD_NO_SERVERS'
  /** The source gave more or fewer bytes than it announced. */
  | 'UPLOAD_SOURCE_CHANGED'
  /** The upload was given up for good, see {@link UploadCancelledError}. */
  | 'UPLOAD_CANCELLED'
  /** The file is larger than its format can hold. */
  | 'UPLOAD_FILE_TOO_LARGE'
  /** The cap gives too little authority for what was asked of it. */
  | 'NODE_NOT_CAPABLE'
  /** The node is read-only. */
  | 'NODE_NOT_WRITEABLE'
  /** The operator has blacklisted this file. */
  | 'NODE_PROHIBITED'
  /** Another writer was at work at the same time; nothing is known of what stands now. */
  | 'MUTABLE_UNCOORDINATED_WRITE'
  /** No version of the file has enough shares. */
  | 'MUTABLE_UNRECOVERABLE'
  /** Too few servers take the shares of the new version. */
  | 'MUTABLE_NOT_ENOUGH_SERVERS'
  /** A share cannot be used; others may. */
  | 'SHARE_BAD'
  /** A hash or a signature of a share does not fit. */
  | 'SHARE_CORRUPT'
  /** A share of a version that is not known. */
  | 'SHARE_UNKNOWN_VERSION'
  /** There is a child of this name already. */
  | 'DIRECTORY_EXISTING_CHILD'
  /** There is no child of this name. */
  | 'DIRECTORY_NO_SUCH_CHILD'
  /** The child is a file where a directory was asked for, or the other way round. */
  | 'DIRECTORY_CHILD_OF_WRONG_TYPE'
  /** A path with an empty component. */
  | 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'
  /** A name that is no text: a part of a surrogate pair stands alone in it. */
  | 'DIRECTORY_BAD_CHILD_NAME'
  /** What the directory's file holds is no table of a directory. */
  | 'DIRECTORY_MALFORMED'
  /** A mutable file can be repaired with its write cap alone. */
  | 'REPAIR_REQUIRES_WRITECAP'
  /** A repair would drop versions; it must be forced. */
  | 'REPAIR_MUST_FORCE'
  /** The operation was cancelled through its monitor. */
  | 'OPERATION_CANCELLED'
  /** The other side lacks a protocol version that is needed. */
  | 'SERVICE_INSUFFICIENT_VERSION'
  /** A mutable cap where a deep-immutable one is required. */
  | 'URI_MUST_BE_DEEP_IMMUTABLE'
  /** A write cap where a read cap is required. */
  | 'URI_MUST_BE_READONLY'
  /** A cap of unknown kind where a write cap would go. */
  | 'URI_MUST_NOT_BE_UNKNOWN_RW'

/** Facts about a {@link FilesystemError}; never a secret. */
export interface FilesystemErrorDetails extends ErrorOptions {
  /** What went wrong with single servers or shares, in the order in which it happened. */
  readonly errors?: readonly unknown[] | undefined
}

/**
 * Every failure of the file store that a caller can act on. Messages may change; codes do not, and
 * no message holds a cap, a key or a secret.
 */
export class FilesystemError extends Error {
  override name = 'FilesystemError'
  readonly code: FilesystemErrorCode
  /** What went wrong with single servers or shares; empty where there is nothing to tell. */
  readonly errors: readonly unknown[]

  constructor(code: FilesystemErrorCode, message: string, details: FilesystemErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.errors = details.errors ?? []
  }
}

/** How many shares a download had and needed. */
export interface ShareCountDetails extends FilesystemErrorDetails {
  readonly sharesFound?: number | undefined
  readonly requiredShares?: number | undefined
}

/** Fewer good shares than the file needs were found. @see allmydata.interfaces.NotEnoughSharesError */
export class NotEnoughSharesError extends FilesystemError {
  override name = 'NotEnoughSharesError'
  readonly sharesFound: number | undefined
  readonly requiredShares: number | undefined

  constructor(message: string, details: ShareCountDetails = {}) {
    super('DOWNLOAD_NOT_ENOUGH_SHARES', message, details)
    this.sharesFound = details.sharesFound
    this.requiredShares = details.requiredShares
  }
}

/** No share at all was found. @see allmydata.interfaces.NoSharesError */
export class NoSharesError extends FilesystemError {
  override name = 'NoSharesError'
  readonly requiredShares: number | undefined

  constructor(message: string, details: ShareCountDetails = {}) {
    super('DOWNLOAD_NO_SHARES', message, details)
    this.requiredShares = details.requiredShares
  }
}

/**
 * The reader ended the download before its end. A reader that leaves the loop of an async iteration
 * sees no error at all; this one tells observers of the download.
 *
 * @see allmydata.interfaces.DownloadStopped
 */
export class DownloadStoppedError extends FilesystemError {
  override name = 'DownloadStoppedError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('DOWNLOAD_STOPPED', message, details)
  }
}

/**
 * Data that every share should hold alike, such as the URI extension block, was had from none.
 *
 * @see allmydata.interfaces.UnableToFetchCriticalDownloadDataError
 */
export class UnableToFetchCriticalDownloadDataError extends FilesystemError {
  override name = 'UnableToFetchCriticalDownloadDataError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('DOWNLOAD_CRITICAL_DATA_UNAVAILABLE', message, details)
  }
}

/**
 * Blocks that are good by their own hashes gave a segment that is not: whoever uploaded the file
 * encoded it wrongly, and no other shares will help.
 *
 * @see allmydata.immutable.downloader.common.BadCiphertextHashError
 */
export class BadCiphertextHashError extends FilesystemError {
  override name = 'BadCiphertextHashError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('DOWNLOAD_BAD_CIPHERTEXT_HASH', message, details)
  }
}

/** How far an upload was from being placed well enough. */
export interface UnhappinessDetails extends FilesystemErrorDetails {
  /** The servers of happiness that could be had. */
  readonly happiness?: number | undefined
  /** The servers of happiness that were asked for. */
  readonly happyShares?: number | undefined
}

/**
 * The shares could not be placed on enough servers.
 *
 * @see allmydata.interfaces.UploadUnhappinessError
 */
export class UploadUnhappinessError extends FilesystemError {
  override name = 'UploadUnhappinessError'
  readonly happiness: number | undefined
  readonly happyShares: number | undefined

  constructor(message: string, details: UnhappinessDetails = {}) {
    super('UPLOAD_UNHAPPINESS', message, details)
    this.happiness = details.happiness
    this.happyShares = details.happyShares
  }
}

/** There is no server to upload to. @see allmydata.interfaces.NoServersError */
export class NoServersError extends FilesystemError {
  override name = 'NoServersError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('UPLOAD_NO_SERVERS', message, details)
  }
}

/** A source gave more or fewer bytes than it announced. @see {@link IUploadable}.size */
export class UploadSourceChangedError extends FilesystemError {
  override name = 'UploadSourceChangedError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('UPLOAD_SOURCE_CHANGED', message, details)
  }
}

/**
 * What to abort the signal of an upload with that is given up for good: servers drop what they hold of
 * it. Any other interruption leaves it for a later upload of the same data, where uploads are
 * remembered at all.
 */
export class UploadCancelledError extends FilesystemError {
  override name = 'UploadCancelledError'
  constructor(message = 'the upload was cancelled', details?: FilesystemErrorDetails) {
    super('UPLOAD_CANCELLED', message, details)
  }
}

/** The file is larger than its format can hold. @see allmydata.interfaces.FileTooLargeError */
export class FileTooLargeError extends FilesystemError {
  override name = 'FileTooLargeError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('UPLOAD_FILE_TOO_LARGE', message, details)
  }
}

/** The cap gives too little authority. @see allmydata.interfaces.NotCapableError */
export class NotCapableError extends FilesystemError {
  override name = 'NotCapableError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('NODE_NOT_CAPABLE', message, details)
  }
}

/** A write through a read-only node. @see allmydata.mutable.common.NotWriteableError */
export class NotWriteableError extends FilesystemError {
  override name = 'NotWriteableError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('NODE_NOT_WRITEABLE', message, details)
  }
}

/** The operator has blacklisted this file. @see allmydata.blacklist.FileProhibited */
export class FileProhibitedError extends FilesystemError {
  override name = 'FileProhibitedError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('NODE_PROHIBITED', message, details)
  }
}

/**
 * Another writer was at work at the same time. What stands on the servers may be our version, the
 * old one, the other writer's, or a mix; waiting a random time and trying again usually mends it.
 *
 * @see allmydata.mutable.common.UncoordinatedWriteError
 */
export class UncoordinatedWriteError extends FilesystemError {
  override name = 'UncoordinatedWriteError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('MUTABLE_UNCOORDINATED_WRITE', message, details)
  }
}

/** No version has enough shares. @see allmydata.mutable.common.UnrecoverableFileError */
export class UnrecoverableFileError extends FilesystemError {
  override name = 'UnrecoverableFileError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('MUTABLE_UNRECOVERABLE', message, details)
  }
}

/**
 * Too few servers take the shares of a mutable file. `errors` holds what the servers said, the first
 * one first.
 *
 * @see allmydata.mutable.common.NotEnoughServersError
 */
export class NotEnoughServersError extends FilesystemError {
  override name = 'NotEnoughServersError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('MUTABLE_NOT_ENOUGH_SERVERS', message, details)
  }
}

/** Which share an error is about. */
export interface ShareErrorDetails extends FilesystemErrorDetails {
  readonly serverId?: string | undefined
  readonly shareNumber?: number | undefined
}

/** A share that cannot be used, where others may. @see allmydata.mutable.common.BadShareError */
export class BadShareError extends FilesystemError {
  override name = 'BadShareError'
  readonly serverId: string | undefined
  readonly shareNumber: number | undefined

  constructor(
    message: string,
    details: ShareErrorDetails = {},
    code: 'SHARE_BAD' | 'SHARE_CORRUPT' | 'SHARE_UNKNOWN_VERSION' = 'SHARE_BAD',
  ) {
    super(code, message, details)
    this.serverId = details.serverId
    this.shareNumber = details.shareNumber
  }
}

/** A hash or a signature of a share does not fit. @see allmydata.mutable.common.CorruptShareError */
export class CorruptShareError extends BadShareError {
  override name = 'CorruptShareError'
  constructor(message: string, details?: ShareErrorDetails) {
    super(message, details, 'SHARE_CORRUPT')
  }
}

/** A share of a version that is not known. @see allmydata.mutable.common.UnknownVersionError */
export class UnknownVersionError extends BadShareError {
  override name = 'UnknownVersionError'
  constructor(message: string, details?: ShareErrorDetails) {
    super(message, details, 'SHARE_UNKNOWN_VERSION')
  }
}

/** The name that a directory operation stumbled over. */
export interface ChildErrorDetails extends FilesystemErrorDetails {
  readonly childName?: string | undefined
}

/** A child of this name exists, and may not be replaced. @see allmydata.interfaces.ExistingChildError */
export class ExistingChildError extends FilesystemError {
  override name = 'ExistingChildError'
  readonly childName: string | undefined

  constructor(message: string, details: ChildErrorDetails = {}) {
    super('DIRECTORY_EXISTING_CHILD', message, details)
    this.childName = details.childName
  }
}

/** There is no child of this name. @see allmydata.interfaces.NoSuchChildError */
export class NoSuchChildError extends FilesystemError {
  override name = 'NoSuchChildError'
  readonly childName: string | undefined

  constructor(message: string, details: ChildErrorDetails = {}) {
    super('DIRECTORY_NO_SUCH_CHILD', message, details)
    this.childName = details.childName
  }
}

/** A file where a directory was asked for, or the other way round. @see allmydata.interfaces.ChildOfWrongTypeError */
export class ChildOfWrongTypeError extends FilesystemError {
  override name = 'ChildOfWrongTypeError'
  readonly childName: string | undefined

  constructor(message: string, details: ChildErrorDetails = {}) {
    super('DIRECTORY_CHILD_OF_WRONG_TYPE', message, details)
    this.childName = details.childName
  }
}

/** A path with an empty component. @see allmydata.interfaces.EmptyPathnameComponentError */
export class EmptyPathnameComponentError extends FilesystemError {
  override name = 'EmptyPathnameComponentError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('DIRECTORY_EMPTY_PATHNAME_COMPONENT', message, details)
  }
}

/** A name of an entry that is no text, so that it has no UTF-8 bytes. */
export class BadChildNameError extends FilesystemError {
  override name = 'BadChildNameError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('DIRECTORY_BAD_CHILD_NAME', message, details)
  }
}

/** What a directory's file holds is no table of a directory. Nothing is written over it. */
export class MalformedDirectoryError extends FilesystemError {
  override name = 'MalformedDirectoryError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('DIRECTORY_MALFORMED', message, details)
  }
}

/** A mutable file can be repaired with its write cap alone. @see allmydata.mutable.repairer.RepairRequiresWritecapError */
export class RepairRequiresWritecapError extends FilesystemError {
  override name = 'RepairRequiresWritecapError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('REPAIR_REQUIRES_WRITECAP', message, details)
  }
}

/** A repair would drop versions of a mutable file; it must be forced. @see allmydata.mutable.repairer.MustForceRepairError */
export class MustForceRepairError extends FilesystemError {
  override name = 'MustForceRepairError'
  constructor(message: string, details?: FilesystemErrorDetails) {
    super('REPAIR_MUST_FORCE', message, details)
  }
}

/** The operation was cancelled through its monitor. @see allmydata.monitor.OperationCancelledError */
export class OperationCancelledError extends FilesystemError {
  override name = 'OperationCancelledError'
  constructor(message = 'the operation was cancelled', details?: FilesystemErrorDetails) {
    super('OPERATION_CANCELLED', message, details)
  }
}

/** The protocol versions of an {@link InsufficientVersionError}. */
export interface VersionDetails extends FilesystemErrorDetails {
  /** The protocol that is needed, as it names itself in a version message. */
  readonly needed: string
  /** The protocols that the other side has. */
  readonly got: readonly string[]
}

/** The other side lacks a protocol version that is needed. @see allmydata.interfaces.InsufficientVersionError */
export class InsufficientVersionError extends FilesystemError {
  override name = 'InsufficientVersionError'
  readonly needed: string
  readonly got: readonly string[]

  constructor(message: string, details: VersionDetails) {
    super('SERVICE_INSUFFICIENT_VERSION', message, details)
    this.needed = details.needed
    this.got = details.got
  }
}

/** The codes of {@link CapConstraintError}. */
export type CapConstraintErrorCode = Extract<FilesystemErrorCode, `URI_${string}`>

/**
 * A cap breaks a constraint of the place that it came from or goes to. `childName` is the entry of
 * the directory, where there is one.
 *
 * @see allmydata.interfaces.CapConstraintError
 */
export class CapConstraintError extends FilesystemError {
  override name = 'CapConstraintError'
  readonly childName: string | undefined

  constructor(code: CapConstraintErrorCode, message: string, details: ChildErrorDetails = {}) {
    super(code, message, details)
    this.childName = details.childName
  }
}

/** A mutable cap in, or from, an immutable directory. @see allmydata.interfaces.MustBeDeepImmutableError */
export class MustBeDeepImmutableError extends CapConstraintError {
  override name = 'MustBeDeepImmutableError'
  constructor(message: string, details?: ChildErrorDetails) {
    super('URI_MUST_BE_DEEP_IMMUTABLE', message, details)
  }
}

/** A write cap in the place of a read cap. @see allmydata.interfaces.MustBeReadonlyError */
export class MustBeReadonlyError extends CapConstraintError {
  override name = 'MustBeReadonlyError'
  constructor(message: string, details?: ChildErrorDetails) {
    super('URI_MUST_BE_READONLY', message, details)
  }
}

/** A cap of unknown kind in the place of a write cap. @see allmydata.interfaces.MustNotBeUnknownRWError */
export class MustNotBeUnknownRWError extends CapConstraintError {
  override name = 'MustNotBeUnknownRWError'
  constructor(message: string, details?: ChildErrorDetails) {
    super('URI_MUST_NOT_BE_UNKNOWN_RW', message, details)
  }
}

const CODE_AREAS =
  /^(?:DOWNLOAD|UPLOAD|NODE|MUTABLE|SHARE|DIRECTORY|REPAIR|OPERATION|SERVICE)_|^URI_MUST_/

/**
 * Whether a thrown value is a {@link FilesystemError}, and of this code where one is given. Holds
 * across copies of this package.
 */
export function isFilesystemError(
  error: unknown,
  code?: FilesystemErrorCode,
): error is FilesystemError {
  if (!(error instanceof Error)) return false
  const itsCode: unknown = 'code' in error ? error.code : undefined
  return typeof itsCode === 'string' && CODE_AREAS.test(itsCode) && (code ?? itsCode) === itsCode
}
