import { timedRequest } from '@lafs/storage-protocol/waiting'
import type { Cancellation, Clock } from '@lafs/storage-protocol/waiting'

/** How long a server may take to say which shares it has, or to do another small thing. */
export const QUERY_TIMEOUT_MS = 15_000
/** How long one read of a share may take. */
export const READ_TIMEOUT_MS = 60_000
/** How long the end of an operation waits for servers that are only told something. */
export const NOTICE_TIMEOUT_MS = 5000

/**
 * The answer to a request, which is given up after a while.
 *
 * @throws what the request does; an error that says how long was waited; the reason of the requests.
 */
export function inTime<T>(
  request: (signal: AbortSignal) => Promise<T>,
  limit: {
    readonly requests: Cancellation
    readonly clock: Clock
    readonly delayMs: number
  },
): Promise<T> {
  const { requests, clock, delayMs } = limit
  return timedRequest(requests, { clock, delayMs, timeout: () => noAnswer(delayMs) }, request)
}

/** What to say of a server that was waited for in vain. */
export function noAnswer(delayMs: number): Error {
  return new Error(`no answer within ${delayMs / 1000} seconds`)
}

/** What went wrong, for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
