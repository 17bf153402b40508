import { onAbort } from '@lafs/storage-protocol'
import type { IncomingResponse, OutgoingRequest } from '@lafs/storage-protocol/client'
import type { Dispatcher } from 'undici'
import { type PieceQueue, queuePieces } from '@lafs/storage-protocol/pieces'

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

/**
 * Makes one request and hands its response on as it comes, straight from the parser: streams between
 * the two would take as long as all the rest of a small request.
 *
 * Rejects with what undici says, or the reason of the signal, which is looked at once there is a
 * connection.
 */
export function makeRequest(
  dispatcher: Dispatcher,
  { method, path, headers, body, signal }: OutgoingRequest,
): Promise<IncomingResponse> {
  const whole = Array.isArray(body) && body.length === 1 ? body[0] : body
  const options = {
    method,
    path,
    headers: headers.flat(),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- undici takes iterables, its types do not
    body: (whole ?? null) as never,
  }
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined
    let queue: PieceQueue | undefined
    const forget = onAbort(signal, () => controller?.abort(signal.reason))
    dispatcher.dispatch(options, {
      onRequestStart(current) {
        controller = current
        if (signal.aborted) current.abort(signal.reason)
      },
      onResponseStart(current, status, responseHeaders) {
        // One that only says that another will come.
        if (status < 200) return
        queue = queuePieces({
          pause: () => current.pause(),
          resume: () => current.resume(),
          // Does nothing where all has come.
          leave: () => current.abort(new Error('the rest of the response is not wanted')),
        })
        resolve(responseOf(status, responseHeaders, queue.pieces))
      },
      onResponseData: (_, piece) => queue?.push(piece),
      onResponseEnd() {
        forget()
        queue?.end()
      },
      onResponseError(_, error) {
        forget()
        queue?.fail(error)
        reject(error)
      },
    })
  })
}

function responseOf(
  status: number,
  headers: Headers,
  pieces: PieceQueue['pieces'],
): IncomingResponse {
  return {
    status,
    headers: {
      get: (name) => {
        const value = headers[name]
        return Array.isArray(value) ? value.join(', ') : (value ?? null)
      },
    },
    body: { [Symbol.asyncIterator]: () => pieces },
    discard: () => void pieces.return(),
  }
}
