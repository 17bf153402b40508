import type { StorageServerOptions } from '../src/index.ts'

/** A clock that stands still until it is moved, with timers of its own. */
export class TestClock {
  ms = 1_700_000_000_000
  readonly #timers = new Set<{ at: number; callback: () => void }>()

  readonly options: Pick<Required<StorageServerOptions>, 'now' | 'schedule'> = {
    now: () => this.ms,
    schedule: (callback, delayMs) => {
      const timer = { at: this.ms + delayMs, callback }
      this.#timers.add(timer)
      return () => this.#timers.delete(timer)
    },
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves on and runs what falls due. */
  advance(seconds: number): void {
    const end = this.ms + seconds * 1000
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.ms = next.at
      next.callback()
    }
    this.ms = end
  }
}
