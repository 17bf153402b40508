import {
  type OperationOptions,
  type ShareKind,
  type ShareNumber,
  StorageError,
  type StorageIndex,
} from '@lafs/storage-interface'
import { mediaType } from '../http.ts'
import { formatRange, parseContentRange } from '../ranges.ts'
import { BYTES_TYPE } from '../routes.ts'
import { badResponse, type MakeCall, refusal } from './calls.ts'

/**
 * Reads a range of a share.
 *
 * @returns its bytes, fewer where it reaches past the end; undefined when there is no such share.
 * @throws {@link StorageError} `STORAGE_BAD_RESPONSE` when the server answers with another range than
 *   a beginning of the one that was asked for.
 */
export async function readShareData(
  makeCall: MakeCall,
  kind: ShareKind,
  storageIndex: StorageIndex,
  shareNumber: ShareNumber,
  span: { readonly offset: number; readonly size: number },
  options?: OperationOptions,
): Promise<Uint8Array | undefined> {
  checkSpan(span.offset, span.size)
  if (span.size === 0) return new Uint8Array(0)
  const range = { begin: span.offset, end: span.offset + span.size }
  const response = await makeCall(
    {
      route: kind === 'immutable' ? 'readImmutable' : 'readMutable',
      storageIndex,
      shareNumber,
      headers: [['range', formatRange(range)]],
      bodySizeMax: () => span.size,
    },
    options,
  )
  const { status, headers, body } = response
  if (status === 204) return new Uint8Array(0)
  if (status === 404) return undefined
  if (status >= 300) throw refusal(response, shareNumber)
  if (status !== 206) throw badResponse(`the status ${status} for a range`, status)
  if (mediaType(headers.get('content-type')) !== BYTES_TYPE) {
    throw badResponse(`expected ${BYTES_TYPE}, got another type`, status)
  }
  const got = parseContentRange(headers.get('content-range') ?? '')
  if (got?.begin !== range.begin || got.end > range.end) {
    throw badResponse('a Content-Range that was not asked for', status)
  }
  if (body.length !== got.end - got.begin) {
    throw badResponse(`expected ${got.end - got.begin} bytes, got ${body.length}`, status)
  }
  return body
}

function checkSpan(offset: number, size: number): void {
  const good = [offset, size, offset + size].every((n) => Number.isSafeInteger(n) && n >= 0)
  if (!good) {
    throw new StorageError(
      'STORAGE_BAD_RANGE',
      `expected an offset and a size that are safe integers >= 0, got ${offset} and ${size}`,
    )
  }
}
