import { STATUS_CODES } from 'node:http'

/** The codes of errors that a gateway tells of by the names of their classes. */
const CODES_BY_NAME: Readonly<Record<string, string>> = {
  NotEnoughSharesError: 'DOWNLOAD_NOT_ENOUGH_SHARES',
  NoSharesError: 'DOWNLOAD_NO_SHARES',
  UnableToFetchCriticalDownloadDataError: 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
  UploadUnhappinessError: 'UPLOAD_UNHAPPINESS',
  NoServersError: 'UPLOAD_NO_SERVERS',
  FileTooLargeError: 'UPLOAD_FILE_TOO_LARGE',
  UnrecoverableFileError: 'MUTABLE_UNRECOVERABLE',
  UncoordinatedWriteError: 'MUTABLE_UNCOORDINATED_WRITE',
  NotEnoughServersError: 'MUTABLE_NOT_ENOUGH_SERVERS',
  NotWriteableError: 'NODE_NOT_WRITEABLE',
  MustForceRepairError: 'REPAIR_MUST_FORCE',
  RepairRequiresWritecapError: 'REPAIR_REQUIRES_WRITECAP',
  ExistingChildError: 'DIRECTORY_EXISTING_CHILD',
  NoSuchChildError: 'CLI_NO_SUCH_FILE',
  ChildOfWrongTypeError: 'DIRECTORY_CHILD_OF_WRONG_TYPE',
  BadURIError: 'URI_MALFORMED',
  MustBeDeepImmutableError: 'URI_MUST_BE_DEEP_IMMUTABLE',
  MustBeReadonlyError: 'URI_MUST_BE_READONLY',
  MustNotBeUnknownRWError: 'URI_MUST_NOT_BE_UNKNOWN_RW',
}

/** The codes of errors that a gateway tells of in words. */
const CODES_BY_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^No such child: /, 'CLI_NO_SUCH_FILE'],
  [/^There was already a child by that name/, 'DIRECTORY_EXISTING_CHILD'],
  [/^The webapi does not allow empty pathname components/, 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'],
  [/^Access Prohibited: /, 'NODE_PROHIBITED'],
  [/^Files have no children/, 'CLI_NOT_A_DIRECTORY'],
  [/^PUT to a directory/, 'CLI_IS_A_DIRECTORY'],
  [/^Unable to create directory .*a file was in the way/, 'CLI_NOT_A_DIRECTORY'],
  [/^POST to file: bad t=mkdir/, 'CLI_NOT_A_DIRECTORY'],
  [/unknown URI type/i, 'CLI_UNKNOWN_NODE'],
]

/** A status other than those of success. */
export class WebApiError extends Error {
  override name = 'WebApiError'
  /** That of the error that the gateway tells of; `WEB_` and the status where it is not known. */
  readonly code: string
  readonly status: number

  constructor(code: string, status: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** Whether an error is the answer of a gateway, with one of these statuses if they are given. */
export function isWebApiError(
  error: unknown,
  ...statuses: readonly number[]
): error is WebApiError {
  return error instanceof WebApiError && (statuses.length === 0 || statuses.includes(error.status))
}

/**
 * Whether an error is about the object that was asked for, so that others may still be had: the gateway
 * told of it, or broke off what it told of the object.
 */
export function isOfOneObject(error: unknown): boolean {
  if (isWebApiError(error)) return true
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return code === 'CLI_CUT_SHORT' || /^(?:DOWNLOAD|MUTABLE)_/.test(code)
}

/**
 * What went wrong behind a gateway, by its answer.
 *
 * @param text - what upstream writes: a sentence or two; or the name of a class and a message; or the
 *   course of events up to a line with these; any of them in JSON or on a page of its own.
 * @see allmydata.web.common.humanize_exception
 */
export function webApiError(status: number, text: string): WebApiError {
  const { name, message } = nameAndMessage(unwrapped(text.trim()))
  const code =
    CODES_BY_NAME[name] ??
    CODES_BY_WORDS.find(([words]) => words.test(message))?.[1] ??
    (status === 404 ? 'CLI_NO_SUCH_FILE' : `WEB_${status}`)
  const said = message === '' ? `the gateway answered ${statusText(status)}` : message
  return new WebApiError(code, status, said)
}

function statusText(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`.trim()
}

/** What an answer says, out of the JSON or the page that it came in; of other pages nothing. */
function unwrapped(text: string): string {
  if (text.startsWith('{')) return jsonError(text)
  if (!/^<(?:!doctype|html)/i.test(text)) return text
  const [, paragraph = ''] = /<p>([^<]*)<\/p>/i.exec(text) ?? []
  const entities: Readonly<Record<string, string>> = {
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    '#39': "'",
    '#x27': "'",
  }
  return paragraph.replaceAll(/&(#?\w+);/g, (whole, entity: string) => entities[entity] ?? whole)
}

function jsonError(text: string): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown }
    return typeof error === 'string' ? error : ''
  } catch {
    return ''
  }
}

function nameAndMessage(text: string): { name: string; message: string } {
  const said = text.startsWith('Traceback') ? outcomeOf(text) : text
  const [, name = '', rest = ''] =
    /^(?:Failure: )?(?:[\w.]+\.)?(\w+(?:Error|Exception))(?:: *(.*))?$/s.exec(said) ?? []
  if (name === '') return { name, message: said }
  // First comes what all errors of this name have in common, which the next step says in short.
  const message =
    rest
      .split('\n\n')
      .at(-1)
      ?.replace(/^The full error message is:\n/, '')
      .trim() ?? ''
  if (message === '') return { name, message: name }
  return { name, message: name === 'UnrecoverableFileError' ? firstSentence(message) : message }
}

function firstSentence(text: string): string {
  return text.split(/(?<=\.) /)[0] ?? text
}

/** What a traceback comes to: the lines after those that are indented. */
function outcomeOf(traceback: string): string {
  const lines = traceback.split('\n')
  const last = Math.max(
    0,
    lines.findLastIndex((line) => line.startsWith(' ')),
  )
  return lines
    .slice(last + 1)
    .join('\n')
    .trim()
}
