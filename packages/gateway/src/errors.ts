import { isFilesystemError } from '@lafs/filesystem-interface'
import type { FilesystemError, FilesystemErrorCode } from '@lafs/filesystem-interface'
import { quoteName } from './quote.ts'

/** A failure whose status and text are for whoever sent the request. The text holds no cap. */
export class WebError extends Error {
  override name = 'WebError'
  readonly status: number
  /** Further headers of the answer. */
  readonly headers: readonly (readonly [name: string, value: string])[]

  constructor(
    status: number,
    message: string,
    headers: readonly (readonly [name: string, value: string])[] = [],
  ) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** A request that makes no sense: 400. */
export function badRequest(message: string): WebError {
  return new WebError(400, message)
}

/** What any failure is for whoever sent the request. @see allmydata.web.common.humanize_exception */
export function describeError(error: unknown): WebError {
  if (error instanceof WebError) return error
  if (isFilesystemError(error)) return describeFilesystemError(error)
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new WebError(507, 'The disk of this node is full: there is no room for the upload.')
  }
  if (typeof code === 'string' && /^(?:URI|ENCODING)_/.test(code)) {
    return badRequest(error instanceof Error ? error.message : '')
  }
  return new WebError(500, `Internal error: ${error instanceof Error ? error.message : 'unknown'}`)
}

const GONE = 410
const STATUSES: Partial<Readonly<Record<FilesystemErrorCode, number>>> = {
  DIRECTORY_EMPTY_PATHNAME_COMPONENT: 400,
  DIRECTORY_BAD_CHILD_NAME: 400,
  DIRECTORY_EXISTING_CHILD: 409,
  DIRECTORY_NO_SUCH_CHILD: 404,
  DIRECTORY_CHILD_OF_WRONG_TYPE: 400,
  DOWNLOAD_NOT_ENOUGH_SHARES: GONE,
  DOWNLOAD_NO_SHARES: GONE,
  MUTABLE_UNRECOVERABLE: GONE,
  NODE_PROHIBITED: 403,
  NODE_NOT_WRITEABLE: 400,
  NODE_NOT_CAPABLE: 400,
  URI_MUST_BE_DEEP_IMMUTABLE: 400,
  URI_MUST_BE_READONLY: 400,
  URI_MUST_NOT_BE_UNKNOWN_RW: 400,
  UPLOAD_FILE_TOO_LARGE: 413,
  MUTABLE_UNCOORDINATED_WRITE: 409,
}

const CHECK_ADVICE = 'Check this object to learn more.'

function describeFilesystemError(error: FilesystemError): WebError {
  return new WebError(STATUSES[error.code] ?? 500, filesystemErrorText(error))
}

function filesystemErrorText(error: FilesystemError): string {
  const { code, message } = error
  const name = 'childName' in error ? error.childName : undefined
  const child = typeof name === 'string' ? quoteName(name) : 'it'
  switch (code) {
    case 'DIRECTORY_EMPTY_PATHNAME_COMPONENT':
      return 'The webapi does not allow empty pathname components, i.e. a double slash'
    case 'DIRECTORY_EXISTING_CHILD':
      return 'There was already a child by that name, and you asked me to not replace it.'
    case 'DIRECTORY_NO_SUCH_CHILD':
      return `No such child: ${child}`
    case 'DOWNLOAD_NOT_ENOUGH_SHARES':
      return `NotEnoughSharesError: some servers are away, or shares have been lost or damaged. ${CHECK_ADVICE}\n\n${message}`
    case 'DOWNLOAD_NO_SHARES':
      return `NoSharesError: no shares could be found. The cap is wrong, or no servers are connected, or all shares have been lost. ${CHECK_ADVICE}\n\n${message}`
    case 'MUTABLE_UNRECOVERABLE':
      return `UnrecoverableFileError: the directory (or mutable file) could not be retrieved, because there were insufficient good shares. The cap is wrong, or too few servers are connected, or shares have been lost. ${CHECK_ADVICE}`
    case 'URI_MUST_NOT_BE_UNKNOWN_RW':
      return `MustNotBeUnknownRWError: the child named ${child} has an unknown cap in its write slot. A newer version may know it; a read cap goes into the read slot (ro_uri).`
    case 'URI_MUST_BE_DEEP_IMMUTABLE':
      return `MustBeDeepImmutableError: the child named ${child} needs an immutable cap, and got another.`
    case 'URI_MUST_BE_READONLY':
      return `MustBeReadonlyError: the child named ${child} needs a read-only cap in its read slot (ro_uri), and got another.`
    case 'NODE_PROHIBITED':
      return `Access Prohibited: ${message}`
    case 'UPLOAD_FILE_TOO_LARGE':
      return `FileTooLargeError: ${message}`
    default:
      return `${error.name}: ${message}`
  }
}
