import type { IncomingMessage } from 'node:http'
import { MessageError } from '@lafs/storage-protocol'
import { queuePieces } from '@lafs/storage-protocol/pieces'

/** The pieces of a request's body as they come; what is not read does not break the connection. */
export function requestBody(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => iterateBody(request) }
}

function iterateBody(request: IncomingMessage): AsyncIterator<Uint8Array> {
  const queue = queuePieces({
    pause: () => request.pause(),
    resume: () => request.resume(),
    leave() {
      // The rest is let through unread, so that the response can be.
      request.removeAllListeners('data')
      request.resume()
    },
  })
  const incomplete = (): void => {
    // An error costs more than all the rest of a small body.
    if (request.readableEnded) return
    queue.fail(new MessageError('MESSAGE_MALFORMED', 'the body ended before it was complete'))
  }
  if (request.destroyed) incomplete()
  request.on('data', queue.push)
  request.on('end', queue.end)
  request.on('error', incomplete)
  request.on('close', incomplete)
  return queue.pieces
}
