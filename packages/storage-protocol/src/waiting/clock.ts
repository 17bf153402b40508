/** What tells the time and wakes sleepers; tests bring their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Calls back once after `delayMs`, unless what is returned is called before. */
  after(delayMs: number, callback: () => void): () => void
}

/** The clock of the platform. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/**
 * The outcome of `work`, unless the time runs out or the signal fires first. The work itself goes
 * on unseen; `late` gets what it gives then.
 *
 * @throws what `timeout` makes when the time runs out, the reason of the signal when that fires.
 */
export function within<T>(
  work: Promise<T>,
  limit: {
    readonly clock: Clock
    readonly delayMs: number
    readonly timeout: () => Error
    readonly signal?: AbortSignal | undefined
    readonly late?: (value: T) => void
  },
): Promise<T> {
  const { clock, delayMs, signal } = limit
  return new Promise<T>((resolve, reject) => {
    let over = false
    const giveUp = (reason: unknown): void => {
      over = true
      cleanUp()
      reject(reason)
    }
    const onAbort = (): void => giveUp(signal?.reason)
    const cancelTimer = clock.after(delayMs, () => giveUp(limit.timeout()))
    const cleanUp = (): void => {
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
    work.then(
      (value) => {
        cleanUp()
        if (over) limit.late?.(value)
        else resolve(value)
      },
      (error: unknown) => {
        cleanUp()
        reject(error)
      },
    )
  })
}

/** The same items, ending with the reason of the signal once that fires, even if the source hangs. */
export async function* interruptible<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  // Not a race with one long-lived promise: that would keep every item that ever won against it.
  let interrupt = (_reason: unknown): void => {}
  const onAbort = (): void => interrupt(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  let ended = false
  try {
    for (;;) {
      signal?.throwIfAborted()
      const item = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject
        iterator.next().then(resolve, reject)
      })
      if (item.done === true) {
        ended = true
        return
      }
      yield item.value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // Not waited for: a source that hangs would not come back from this either.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}
