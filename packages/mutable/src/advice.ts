import { StorageError } from '@lafs/storage-interface'
import { within } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'

/** A server that has not heard by then has had its chance. */
const PATIENCE_MS = 10_000

/**
 * Waits until servers have heard what they are told of corrupt shares, or some seconds have gone by.
 * Whether they heed it is their own affair.
 *
 * @param advice - none of it rejects.
 * @throws the reason of the signal.
 */
export async function untilHeard(
  advice: readonly Promise<void>[],
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  if (advice.length === 0) return
  const timeout = (): Error => new StorageError('STORAGE_TIMEOUT', 'no answer to advice in time')
  const limit = { clock, delayMs: PATIENCE_MS, timeout, signal }
  try {
    await within(Promise.all(advice), limit)
  } catch {
    signal?.throwIfAborted()
  }
}
