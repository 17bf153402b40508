import { isStorageError, type StorageErrorCode } from '@lafs/storage-interface'
import { isMessageError } from '../errors.ts'
import { mediaType, readBody } from '../http.ts'
import { CBOR_TYPE, type Route } from '../routes.ts'
import type { StorageRequest, StorageResponse } from './types.ts'

/** Ends a request with a status. The text is for people, and holds no secret. */
export class HttpError extends Error {
  override name = 'HttpError'
  readonly status: number

  constructor(status: number, message = '') {
    super(message)
    this.status = status
  }
}

/** A response without a message, but for a line of text where one is given. */
export function plainResponse(
  status: number,
  text = '',
  headers: Readonly<Record<string, string>> = {},
): StorageResponse {
  if (status === 204) return { status, headers, body: null }
  const body = new TextEncoder().encode(text)
  return { status, headers: { ...headers, 'content-length': String(body.length) }, body }
}

/** A response with a message. */
export function cborResponse(body: Uint8Array, status = 200): StorageResponse {
  return {
    status,
    headers: { 'content-type': CBOR_TYPE, 'content-length': String(body.length) },
    body,
  }
}

/** Makes sure that the client takes CBOR: by its best choice, as upstream has it, not by any. */
export function checkAccept(request: StorageRequest): void {
  const accept = request.headers.get('accept')
  if (accept !== null && bestType(accept) !== CBOR_TYPE) {
    throw new HttpError(406, `${CBOR_TYPE} is all that this server speaks`)
  }
}

/** The type of an `Accept` header that is wanted most: by quality, then the one that comes first. */
function bestType(accept: string): string {
  const choices = accept.split(',').map((choice) => {
    const quality = /;\s*q=([0-9.]+)\s*$/.exec(choice)
    const type = quality === null ? choice : choice.slice(0, quality.index)
    return { type: type.trim(), quality: quality === null ? 1 : Number(quality[1]) }
  })
  return choices.toSorted((a, b) => b.quality - a.quality)[0]?.type ?? ''
}

/** The body of a request that is a message. */
export async function readMessage(request: StorageRequest, route: Route): Promise<Uint8Array> {
  const type = mediaType(request.headers.get('content-type')) ?? CBOR_TYPE
  if (type !== CBOR_TYPE) throw new HttpError(415, `expected ${CBOR_TYPE}`)
  return readBody(request.body, request.headers, route.messageSizeMax)
}

const STATUS_OF: Partial<Record<StorageErrorCode, number>> = {
  STORAGE_NO_SUCH_SHARE: 404,
  STORAGE_UPLOAD_ENDED: 404,
  STORAGE_BAD_SHARE_NUMBER: 400,
  STORAGE_BAD_STORAGE_INDEX: 400,
  STORAGE_BAD_SECRET: 400,
  STORAGE_BAD_RANGE: 400,
  STORAGE_BAD_WRITE_ENABLER: 401,
  STORAGE_CONFLICTING_WRITE: 409,
  STORAGE_DATA_TOO_LARGE: 413,
  STORAGE_CLOSED: 503,
  STORAGE_NO_SPACE: 507,
  STORAGE_NOT_SUPPORTED: 501,
}

/** The status for a failure of a storage server: 500 for what is no fault of the client's. */
export function statusOf(error: unknown): number {
  return isStorageError(error) ? (STATUS_OF[error.code] ?? 500) : 500
}

/** How a failure is answered. */
export function failureResponse(error: unknown): StorageResponse {
  if (error instanceof HttpError) return plainResponse(error.status, error.message)
  if (isMessageError(error, 'MESSAGE_TOO_LARGE')) {
    // What follows of the body is not wanted.
    return plainResponse(413, error.message, { connection: 'close' })
  }
  if (isMessageError(error)) return plainResponse(400, error.message)
  return plainResponse(statusOf(error))
}
