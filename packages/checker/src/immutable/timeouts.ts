import { within } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'

/** How long a server may take to say which shares it has, or to do another small thing. */
export const QUERY_TIMEOUT_MS = 15_000
/** How long one read of a share may take. */
export const READ_TIMEOUT_MS = 60_000
/** How long the end of an operation waits for servers that are only told something. */
export const NOTICE_TIMEOUT_MS = 5000

/**
 * The answer to a request, unless the time runs out or the signal fires first.
 *
 * @param limit.late - gets an answer that comes after all.
 * @throws what the request does; an error that says how long was waited; the reason of the signal.
 */
export function inTime<T>(
  request: Promise<T>,
  limit: {
    readonly clock: Clock
    readonly delayMs: number
    readonly signal?: AbortSignal | undefined
    readonly late?: (answer: T) => void
  },
): Promise<T> {
  const timeout = (): Error => new Error(`no answer within ${limit.delayMs / 1000} seconds`)
  return within(request, { ...limit, timeout })
}

/** What went wrong, for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
