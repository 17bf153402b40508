import { toBase32 } from '@lafs/crypto'
import type { ServedBucketWriter, ShareNumber, StorageIndex } from '@lafs/storage-interface'
import { encodeRequired } from '../messages/index.ts'
import { parseContentRange } from '../ranges.ts'
import type { Call } from './call.ts'
import { cborResponse, checkAccept, HttpError, plainResponse } from './responses.ts'
import type { StorageResponse } from './types.ts'

/** How much of a body is gathered before it is written. */
const WINDOW_SIZE: number = 2 * 1024 * 1024

/** What names the upload of one share. */
export function uploadKey(storageIndex: StorageIndex, shareNumber: ShareNumber): string {
  return `${toBase32(storageIndex)}/${shareNumber}`
}

/** Serves a PATCH: writes the body at its place, and commits the share once all of it is there. */
export async function writeShare(call: Call): Promise<StorageResponse> {
  const { request, match, uploads } = call
  const range = parseContentRange(request.headers.get('content-range') ?? '')
  if (range === undefined) return plainResponse(416)
  const key = uploadKey(match.storageIndex, match.shareNumber)
  const writer = uploads.writer(key, call.secret('upload-secret'))
  checkAccept(request)
  const size = range.end - range.begin
  const declared = request.headers.get('content-length')
  if (declared !== null && Number(declared) !== size) throw wrongSize(size)
  if (range.end > writer.allocatedSize) throw new HttpError(413, 'past the end of the share')

  await writePieces(writer, range.begin, size, request.body)
  const required = writer.requiredRanges()
  const isComplete = required.length === 0 && writer.isOpenEnded !== true
  if (isComplete) await uploads.close(key, writer)
  return cborResponse(encodeRequired(required), isComplete ? 201 : 200)
}

/** Hands the pieces of a body on to a writer, a window at a time, without joining them. */
async function writePieces(
  writer: ServedBucketWriter,
  begin: number,
  size: number,
  body: AsyncIterable<Uint8Array> | null,
): Promise<void> {
  let written = 0
  let held = 0
  let pieces: Uint8Array[] = []
  for await (const piece of body ?? []) {
    pieces.push(piece)
    held += piece.length
    if (written + held > size) throw wrongSize(size)
    if (held < WINDOW_SIZE) continue
    await writer.write(begin + written, pieces)
    written += held
    held = 0
    pieces = []
  }
  if (written + held !== size) throw wrongSize(size)
  if (held > 0) await writer.write(begin + written, pieces)
}

function wrongSize(size: number): HttpError {
  return new HttpError(400, `expected a body of ${size} bytes, as Content-Range says`)
}
