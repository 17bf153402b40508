import type { ByteRange, ServedShareReader, ShareKind } from '@lafs/storage-interface'
import { formatContentRange, parseRange } from '../ranges.ts'
import { BYTES_TYPE } from '../routes.ts'
import type { Call } from './call.ts'
import { HttpError, plainResponse } from './responses.ts'
import type { StorageResponse } from './types.ts'

/**
 * How much is read at a time. A range that is not longer is answered from one read; clients ask for
 * whole blocks, and so for a little more than a round megabyte.
 */
const PIECE_SIZE: number = 2 * 1024 * 1024

/** Serves a GET of share data: a range of it, or all. */
export async function readShare(call: Call, kind: ShareKind): Promise<StorageResponse> {
  const { server, request, match } = call
  if (match.shareNumber > 255) throw new HttpError(404)
  const reader = await server.openShare(kind, match.storageIndex, match.shareNumber)
  let handedOn = false
  try {
    const header = request.headers.get('range')
    const range = header === null ? { begin: 0, end: reader.length } : parseRange(header)
    if (range === undefined) return plainResponse(416)
    const end = Math.min(range.end, reader.length)
    if (header !== null && range.begin >= end) return plainResponse(204)
    const span = { begin: range.begin, end }
    if (request.method === 'HEAD') return spanResponse(header !== null, span, null)
    if (end - range.begin > PIECE_SIZE) {
      handedOn = true
      return spanResponse(header !== null, span, shareStream(reader, span))
    }
    const body = await reader.read(span.begin, end - span.begin)
    const got = { begin: span.begin, end: span.begin + body.length }
    // A mutable share may have been cut short since it was opened.
    if (header !== null && body.length === 0) return plainResponse(204)
    return spanResponse(header !== null, got, body)
  } finally {
    if (!handedOn) await reader.close()
  }
}

function spanResponse(
  partial: boolean,
  span: ByteRange,
  body: StorageResponse['body'],
): StorageResponse {
  const headers = { 'content-type': BYTES_TYPE, 'content-length': String(span.end - span.begin) }
  if (!partial) return { status: 200, headers, body }
  return { status: 206, headers: { ...headers, 'content-range': formatContentRange(span) }, body }
}

/** The bytes of a span, a piece at a time. Closes the reader however it ends, begun or not. */
function shareStream(
  reader: ServedShareReader,
  { begin, end }: ByteRange,
): AsyncIterableIterator<Uint8Array> {
  let offset = begin
  const close = async (): Promise<IteratorReturnResult<undefined>> => {
    offset = end
    await reader.close()
    return { done: true, value: undefined }
  }
  return {
    async next() {
      if (offset >= end) return close()
      try {
        const piece = await reader.read(offset, Math.min(PIECE_SIZE, end - offset))
        if (piece.length === 0) throw new Error('a share became shorter while it was read')
        offset += piece.length
        return { done: false, value: piece }
      } catch (error) {
        // Nobody calls return() after this.
        await close()
        throw error
      }
    },
    return: close,
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
