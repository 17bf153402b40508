/**
 * Hands a signal on to many operations at once, each of which gets one of its own that ends with it.
 *
 * `AbortSignal.any` would do the same, but in Node 20 a signal made by it stays in memory, with all
 * that its listeners hold, for as long as its source lives; and one signal for all operations gathers
 * listeners until Node warns of a leak.
 */
export class Cancellation {
  readonly #parent: AbortSignal | undefined
  readonly #own = new AbortController()
  readonly #children = new Set<AbortController>()
  readonly #onAbort = (): void => this.abort(this.#parent?.reason)

  /** @param parent - aborts this one too, until {@link dispose}. */
  constructor(parent?: AbortSignal) {
    this.#parent = parent
    if (parent?.aborted === true) this.#onAbort()
    else parent?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** For a few listeners; operations get theirs from {@link run}. */
  get signal(): AbortSignal {
    return this.#own.signal
  }

  abort(reason: unknown): void {
    this.#own.abort(reason)
    for (const child of this.#children) child.abort(reason)
    this.#children.clear()
  }

  /** Runs an operation with a signal of its own, which it can also let fire itself. */
  async run<T>(
    operation: (signal: AbortSignal, abort: (reason: unknown) => void) => Promise<T>,
  ): Promise<T> {
    const child = new AbortController()
    if (this.signal.aborted) child.abort(this.signal.reason)
    this.#children.add(child)
    try {
      return await operation(child.signal, (reason) => child.abort(reason))
    } finally {
      this.#children.delete(child)
    }
  }

  /** Lets go of the parent. */
  dispose(): void {
    this.#parent?.removeEventListener('abort', this.#onAbort)
  }
}
