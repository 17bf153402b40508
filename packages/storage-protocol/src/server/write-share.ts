import { recycleMemory, takeMemory, toBase32 } from '@lafs/crypto'
import type { ServedBucketWriter, ShareNumber, StorageIndex } from '@lafs/storage-interface'
import { encodeRequired } from '../messages/index.ts'
import { parseContentRange } from '../ranges.ts'
import type { Call } from './call.ts'
import { cborResponse, checkAccept, HttpError, plainResponse } from './responses.ts'
import type { StorageResponse } from './types.ts'

/** How much of a body is gathered before it is written: a batch of a client's, and more. */
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

  await writeBody(writer, range.begin, size, request.body)
  const required = writer.requiredRanges()
  const isComplete = required.length === 0 && writer.isOpenEnded !== true
  if (isComplete) await uploads.close(key, writer)
  return cborResponse(encodeRequired(required), isComplete ? 201 : 200)
}

/** Writes a body, a window at a time; one that has come in one piece as it is. */
async function writeBody(
  writer: ServedBucketWriter,
  begin: number,
  size: number,
  body: AsyncIterable<Uint8Array> | null,
): Promise<void> {
  const window = takeMemory(Math.min(size, WINDOW_SIZE))
  let written = 0
  let held = 0
  const write = async (bytes: Uint8Array): Promise<void> => {
    await writer.write(begin + written, [bytes])
    written += bytes.length
  }
  try {
    for await (const piece of body ?? []) {
      if (written + held + piece.length > size) throw wrongSize(size)
      if (piece.length === size) {
        await write(piece)
        continue
      }
      for (let at = 0; at < piece.length;) {
        const part = piece.subarray(at, at + window.length - held)
        window.set(part, held)
        held += part.length
        at += part.length
        if (held < window.length) continue
        await write(window)
        held = 0
      }
    }
    if (written + held !== size) throw wrongSize(size)
    if (held > 0) await write(window.subarray(0, held))
  } finally {
    recycleMemory(window)
  }
}

function wrongSize(size: number): HttpError {
  return new HttpError(400, `expected a body of ${size} bytes, as Content-Range says`)
}
