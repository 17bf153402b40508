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

/** What is said of paths that lead nowhere. */
export const NO_SUCH_RESOURCE = 'Sorry. No luck finding that resource.'

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
  if (error instanceof Error && typeof code === 'string') {
    if (/^(?:URI|ENCODING)_/.test(code)) return badRequest(error.message)
    // What the system says names files of the node.
    if ('syscall' in error) return new WebError(500, `Internal error: ${code}`)
  }
  return new WebError(500, `Internal error: ${error instanceof Error ? error.message : 'unknown'}`)
}

const CHECK_ADVICE = 'Check this object to learn more.'

/** What a failure says, given its own message and the name of the child that it is about. */
type Explanation = readonly [
  status: number,
  text: (message: string, childName: string | undefined) => string,
]

const EXPLANATIONS: Partial<Readonly<Record<FilesystemErrorCode, Explanation>>> = {
  DIRECTORY_EMPTY_PATHNAME_COMPONENT: [
    400,
    () => 'The webapi does not allow empty pathname components, i.e. a double slash',
  ],
  DIRECTORY_EXISTING_CHILD: [
    409,
    () => 'There was already a child by that name, and you asked me to not replace it.',
  ],
  DIRECTORY_NO_SUCH_CHILD: [404, (_message, name) => `No such child: ${quoteName(name ?? '')}`],
  DOWNLOAD_NOT_ENOUGH_SHARES: [
    410,
    (message) =>
      `NotEnoughSharesError: some servers are away, or shares have been lost or damaged. ${CHECK_ADVICE}\n\n${message}`,
  ],
  DOWNLOAD_NO_SHARES: [
    410,
    (message) =>
      `NoSharesError: no shares could be found. The cap is wrong, or no servers are connected, or all shares have been lost. ${CHECK_ADVICE}\n\n${message}`,
  ],
  DOWNLOAD_CRITICAL_DATA_UNAVAILABLE: [
    410,
    (message) =>
      `UnableToFetchCriticalDownloadDataError: what the shares say of the file does not fit the cap, or was had from none of them. The cap has been altered, or the file was not uploaded well. ${CHECK_ADVICE}\n\n${message}`,
  ],
  MUTABLE_UNRECOVERABLE: [
    410,
    () =>
      `UnrecoverableFileError: the directory (or mutable file) could not be retrieved, because there were insufficient good shares. The cap is wrong, or too few servers are connected, or shares have been lost. ${CHECK_ADVICE}`,
  ],
  URI_MUST_NOT_BE_UNKNOWN_RW: [
    400,
    (_message, name) =>
      `MustNotBeUnknownRWError: ${childNamed(name)} has an unknown cap in its write slot. A newer version may know it; a read cap goes into the read slot (ro_uri).`,
  ],
  URI_MUST_BE_DEEP_IMMUTABLE: [
    400,
    (_message, name) =>
      `MustBeDeepImmutableError: ${childNamed(name)} needs an immutable cap, and got another.`,
  ],
  URI_MUST_BE_READONLY: [
    400,
    (_message, name) =>
      `MustBeReadonlyError: ${childNamed(name)} needs a read-only cap in its read slot (ro_uri), and got another.`,
  ],
  NODE_PROHIBITED: [403, (message) => `Access Prohibited: ${message}`],
  UPLOAD_FILE_TOO_LARGE: [413, (message) => `FileTooLargeError: ${message}`],
}

/** The other failures that are not this node's own. */
const STATUSES: Partial<Readonly<Record<FilesystemErrorCode, number>>> = {
  DIRECTORY_BAD_CHILD_NAME: 400,
  DIRECTORY_CHILD_OF_WRONG_TYPE: 400,
  UPLOAD_SOURCE_CHANGED: 400,
  NODE_NOT_WRITEABLE: 400,
  NODE_NOT_CAPABLE: 400,
  MUTABLE_UNCOORDINATED_WRITE: 409,
}

function describeFilesystemError(error: FilesystemError): WebError {
  const { code, message, name } = error
  const child = 'childName' in error ? error.childName : undefined
  const [status, text] = EXPLANATIONS[code] ?? [STATUSES[code] ?? 500, () => `${name}: ${message}`]
  return new WebError(status, text(message, typeof child === 'string' ? child : undefined))
}

function childNamed(name: string | undefined): string {
  return name === undefined ? 'the child' : `the child named '${quoteName(name)}'`
}
