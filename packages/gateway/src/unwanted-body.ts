import type { IncomingMessage } from 'node:http'

/** What is let pass of a body that nobody wants, in bytes, */
const UNWANTED_SIZE_MAX = 1024 * 1024 * 1024
/** and for how long. */
const UNWANTED_TIME_MS = 5 * 60_000

/**
 * Lets pass what still comes of a body that nobody wants: many clients read no answer before they have
 * written all. If the connection were closed with something left unread in it, the system would take
 * the answer back.
 *
 * @returns settles when all has come, or more than is waited for; what comes then goes on to pass.
 */
export function passUnwanted(
  request: IncomingMessage,
  sizeMax: number = UNWANTED_SIZE_MAX,
): Promise<void> {
  return new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, UNWANTED_TIME_MS)
    const stop = (): void => {
      clearTimeout(timer)
      resolve()
    }
    let size = 0
    request.removeAllListeners('data')
    request.on('data', ({ length }: Uint8Array) => {
      size += length
      if (size > sizeMax) stop()
    })
    request.on('end', stop)
    request.on('close', stop)
    request.resume()
  })
}
