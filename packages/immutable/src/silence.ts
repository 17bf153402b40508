import type { Clock } from '@lafs/storage-protocol/waiting'

/**
 * Calls back once nothing has come for `delayMs`, at the latest after twice as long. A line that is slow
 * brings one thing after another, however long each of them takes; only silence tells that nothing will
 * come.
 *
 * @param count - how many things have come by now.
 * @returns what keeps it from calling back.
 */
export function afterSilence(
  clock: Clock,
  delayMs: number,
  count: () => number,
  callback: () => void,
): () => void {
  let before = count()
  const look = (): void => {
    const now = count()
    if (now === before) return callback()
    before = now
    cancel = clock.after(delayMs, look)
  }
  let cancel = clock.after(delayMs, look)
  return () => cancel()
}
