/**
 * Lets work run in the order in which it came, as far as that matters: what looks runs side by side,
 * what changes something runs alone.
 */
export class OrderedWork {
  #lastChange: Promise<unknown> = Promise.resolve()
  readonly #looks = new Set<Promise<unknown>>()

  /** After the changes before it, beside other looks. */
  look<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(work)
    const settled = result
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#looks.delete(settled))
    this.#looks.add(settled)
    return result
  }

  /** After all that came before it. */
  change<T>(work: () => Promise<T>): Promise<T> {
    const result = Promise.all([this.#lastChange, ...this.#looks]).then(work)
    this.#lastChange = result.catch(() => {})
    return result
  }
}
