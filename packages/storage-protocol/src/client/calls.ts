import {
  BadWriteEnablerError,
  ConflictingWriteError,
  DataTooLargeError,
  NoSpaceError,
  type OperationOptions,
  type ShareNumber,
  StorageError,
  type StorageIndex,
} from '@lafs/storage-interface'
import { formatAuthorization, formatSecret, type SecretKind, SECRETS_HEADER } from '../auth.ts'
import { type HeaderReader, mediaType } from '../http.ts'
import { CBOR_TYPE, type RouteName, routePath, routes } from '../routes.ts'
import { exchange, type IncomingResponse, type SendRequest } from './exchange.ts'

/** The longest message that a server may send, in bytes: upstream's client has the same limit. */
const MESSAGE_SIZE_MAX: number = 30 * 1024 * 1024
/** How much of a response that says no is looked at. */
const REFUSAL_SIZE_MAX = 10_000

/** One request of the protocol. */
interface Call {
  readonly route: RouteName
  readonly storageIndex?: StorageIndex
  readonly shareNumber?: ShareNumber
  readonly secrets?: readonly (readonly [SecretKind, Uint8Array])[]
  readonly headers?: readonly (readonly [string, string])[]
  /** A message, or the pieces of share data. */
  readonly message?: Uint8Array
  readonly pieces?: readonly Uint8Array[]
  /** The most bytes of the response's body; by default what a message may have. */
  readonly bodySizeMax?: (status: number, headers: HeaderReader) => number
}

/** Makes calls to one server. */
export type MakeCall = (call: Call, options?: OperationOptions) => Promise<IncomingResponse>

export function createCaller(send: SendRequest, swissnum: string, timeoutMs: number): MakeCall {
  const common = [
    ['authorization', formatAuthorization(swissnum)],
    ['accept', CBOR_TYPE],
  ] as const
  return (call, options = {}) => {
    const pieces = call.message === undefined ? call.pieces : [call.message]
    const headers: (readonly [string, string])[] = [...common, ...(call.headers ?? [])]
    for (const [kind, secret] of call.secrets ?? []) {
      headers.push([SECRETS_HEADER, formatSecret(kind, secret)])
    }
    if (call.message !== undefined) headers.push(['content-type', CBOR_TYPE])
    if (pieces !== undefined) {
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
      headers.push(['content-length', String(size)])
    }
    return exchange(
      send,
      {
        method: routes[call.route].method,
        path: routePath(call.route, call.storageIndex, call.shareNumber),
        headers,
        ...(pieces === undefined ? {} : { body: pieces }),
        bodySizeMax: (status, responseHeaders) =>
          status >= 300
            ? REFUSAL_SIZE_MAX
            : (call.bodySizeMax?.(status, responseHeaders) ?? MESSAGE_SIZE_MAX),
      },
      { timeoutMs, signal: options.signal },
    )
  }
}

/**
 * The message of a response that has one.
 *
 * @throws {@link StorageError} `STORAGE_BAD_RESPONSE` when it is not CBOR or does not decode.
 */
export function decodeResponse<T>(response: IncomingResponse, decode: (bytes: Uint8Array) => T): T {
  const { status, headers, body } = response
  const type = mediaType(headers.get('content-type'))
  if (type !== CBOR_TYPE) {
    throw badResponse(
      `expected ${CBOR_TYPE}, got ${type === undefined ? 'no type' : 'another'}`,
      status,
    )
  }
  try {
    return decode(body)
  } catch (cause) {
    throw new StorageError('STORAGE_BAD_RESPONSE', 'a message that makes no sense', {
      status,
      cause,
    })
  }
}

/** A response that says no, or an entry of a batch's answer that does. */
type Refused = Pick<IncomingResponse, 'status'>

/** The error for a status that says no. What 401 means depends on what was asked. */
export function refusal({ status }: Refused, shareNumber?: ShareNumber): StorageError {
  const details = { status, shareNumber }
  switch (status) {
    case 401:
      return new StorageError('STORAGE_UNAUTHORIZED', 'the server does not let us do that', details)
    case 404:
      return new StorageError('STORAGE_NO_SUCH_SHARE', 'the server has no such share', details)
    case 409:
      return new ConflictingWriteError('other bytes stand there already', details)
    case 413:
      return new DataTooLargeError('the server does not take as much', details)
    case 501:
      return new StorageError('STORAGE_NOT_SUPPORTED', 'the server has no such operation', details)
    case 503:
      return new StorageError('STORAGE_CLOSED', 'the server is closed', details)
    case 507:
      return new NoSpaceError('the server has no room', details)
    default:
      return badResponse(`the status ${status}`, status)
  }
}

/** The error for a write enabler that is not the slot's. */
export function badWriteEnabler({ status }: Refused): StorageError {
  return new BadWriteEnablerError('the server does not take our write enabler', { status })
}

/** A response that breaks the protocol. */
export function badResponse(what: string, status: number): StorageError {
  return new StorageError('STORAGE_BAD_RESPONSE', `unexpected response: ${what}`, { status })
}

/** The response, where it is what was hoped for. @throws {@link StorageError}. */
export function expectOk(response: IncomingResponse): IncomingResponse {
  if (response.status !== 200) throw refused(response)
  return response
}

/** The error for a status that was not expected. */
export function refused(response: IncomingResponse): StorageError {
  const { status } = response
  return status < 300 ? badResponse(`the status ${status}`, status) : refusal(response)
}
