import type { IncomingMessage } from 'node:http'
import { MessageError } from '@lafs/storage-protocol'

/** How much is held before the socket has to wait. */
const HELD_MAX: number = 4 * 1024 * 1024

/**
 * The pieces of a request's body as they come: a fraction of the cost of node's own iterator, and
 * what is not read does not break the connection.
 */
export function requestBody(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => iterateBody(request) }
}

function iterateBody(request: IncomingMessage): AsyncIterator<Uint8Array> {
  const held: Uint8Array[] = []
  let heldSize = 0
  const state: { is: 'open' | 'complete' | 'broken' } = {
    is: request.destroyed ? 'broken' : 'open',
  }
  let wake: (() => void) | undefined
  const finish = (how: 'complete' | 'broken') => (): void => {
    if (state.is === 'open') state.is = how
    wake?.()
  }
  request.on('data', (piece: Uint8Array) => {
    held.push(piece)
    heldSize += piece.length
    if (heldSize >= HELD_MAX) request.pause()
    wake?.()
  })
  request.on('end', finish('complete'))
  request.on('error', finish('broken'))
  request.on('close', finish('broken'))
  return {
    async next() {
      while (held.length === 0 && state.is === 'open') {
        request.resume()
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = undefined
      }
      const value = held.shift()
      if (value !== undefined) {
        heldSize -= value.length
        return { done: false, value }
      }
      if (state.is === 'complete') return { done: true, value: undefined }
      throw new MessageError('MESSAGE_MALFORMED', 'the body ended before it was complete')
    },
    return() {
      // The rest is let through unread, so that the response can be.
      held.length = 0
      request.removeAllListeners('data')
      request.resume()
      return Promise.resolve({ done: true, value: undefined })
    },
  }
}
