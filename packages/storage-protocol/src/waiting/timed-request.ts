import type { Cancellation } from './cancellation.ts'
import { within } from './clock.ts'
import type { Clock } from './clock.ts'

/**
 * The outcome of a request to a server. One that takes too long is given up, and its signal fires
 * with the same error, so that the connection is not kept for it and is looked at before the next.
 *
 * @param cancellation - ends the request too.
 * @param limit.timeout - makes the error.
 * @throws that error when the time runs out, the reason of the cancellation, what the request throws.
 */
export function timedRequest<T>(
  cancellation: Cancellation,
  limit: { readonly clock: Clock; readonly delayMs: number; readonly timeout: () => Error },
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, delayMs } = limit
  return cancellation.run((signal, giveUp) => {
    const timeout = (): Error => {
      const error = limit.timeout()
      giveUp(error)
      return error
    }
    return within(request(signal), { clock, delayMs, timeout, signal })
  })
}
