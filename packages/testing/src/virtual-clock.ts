/** Time that stands still until it is told to go on: what a test gives in place of the clock. */
export interface VirtualClock {
  /** Milliseconds since the clock's own beginning. */
  nowMs(): number
  /** Calls back once after `delayMs`, unless what is returned is called before. */
  after(delayMs: number, callback: () => void): () => void
  /** Settles after `delayMs`; rejects with the reason of the signal when that aborts before. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
  /**
   * Lets time go on, from timer to timer, until `work` has settled.
   *
   * @returns what `work` gives.
   * @throws {@link HangError} when `limitMs` have gone by before that, or when nothing is left that
   *   could move it.
   */
  run<T>(work: Promise<T>, limitMs: number): Promise<T>
  /** Lets time go on for so long, with all that happens in it. */
  elapse(durationMs: number): Promise<void>
}

/** Work that did not end in the virtual time that it had. */
export class HangError extends Error {
  override name = 'HangError'
}

interface Timer {
  readonly atMs: number
  readonly callback: () => void
}

/** How often work that waits for no timer is given a millisecond of real time before it counts as hung. */
const PATIENCE = 500

/**
 * A clock for simulations. After each timer everything that it set off is done before the next one
 * fires, in the order of their times and, among equal times, in the order in which they were set.
 *
 * A run is the same every time only if all work is done by promises and this clock: no threads, no
 * sockets, no real timers.
 */
export function virtualClock(): VirtualClock {
  let now = 0
  let timers: Timer[] = []
  const after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: now + delayMs, callback }
    timers.push(timer)
    return () => {
      timers = timers.filter((one) => one !== timer)
    }
  }
  const next = (): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) {
      if (first === undefined || timer.atMs < first.atMs) first = timer
    }
    return first
  }
  const fire = async (timer: Timer): Promise<void> => {
    timers = timers.filter((one) => one !== timer)
    now = Math.max(now, timer.atMs)
    timer.callback()
    await allPromises()
  }
  return {
    nowMs: () => now,
    after,
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason)
          return
        }
        const onAbort = (): void => {
          cancel()
          reject(signal?.reason)
        }
        const cancel = after(delayMs, () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        })
        signal?.addEventListener('abort', onAbort, { once: true })
      }),
    async run(work, limitMs) {
      const deadlineMs = now + limitMs
      const state = { settled: false, idle: 0 }
      const onSettled = (): void => {
        state.settled = true
      }
      work.then(onSettled, onSettled)
      await allPromises()
      while (!state.settled) {
        const timer = next()
        if (timer !== undefined && timer.atMs > deadlineMs) {
          throw new HangError(`not done after ${limitMs} virtual milliseconds`)
        }
        if (timer === undefined && state.idle++ === PATIENCE) {
          throw new HangError('not done, and nothing is left to wait for')
        }
        if (timer === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
        else await fire(timer)
      }
      return work
    },
    async elapse(durationMs) {
      const endMs = now + durationMs
      await allPromises()
      for (let timer = next(); timer !== undefined && timer.atMs <= endMs; timer = next()) {
        await fire(timer)
      }
      now = endMs
    },
  }
}

/** Settles once every promise that can settle without the outside world has done so. */
function allPromises(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
