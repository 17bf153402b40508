/** Runs tasks of one key one after the other, in the order in which they came. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const outcome = before.then(task)
    const tail = outcome
      .catch(() => {})
      .then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key)
      })
    this.#tails.set(key, tail)
    return outcome
  }

  /** Settles when the tasks that have come so far are done. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
