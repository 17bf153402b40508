function forget(): void {}

/**
 * Puts the operations of one node in order: an edit begins after all that were asked for before it,
 * and whatever is asked for later waits for it. Operations that only look run side by side.
 *
 * An operation must not wait for another one of the same queue.
 *
 * @see allmydata.mutable.filenode.MutableFileNode._do_serialized
 */
export class OperationQueue {
  /** Settles, without an error, after the last edit that was asked for. */
  #edits: Promise<void> = Promise.resolve()
  /** The same of those that only look and were asked for after it. */
  #looks: Promise<void> = Promise.resolve()

  /** Runs what only looks. */
  look<T>(operation: () => Promise<T>): Promise<T> {
    const outcome = this.#edits.then(operation)
    this.#looks = Promise.all([this.#looks, outcome.then(forget, forget)]).then(forget)
    return outcome
  }

  /** Runs an edit. */
  edit<T>(operation: () => Promise<T>): Promise<T> {
    const outcome = Promise.all([this.#edits, this.#looks]).then(operation)
    this.#edits = outcome.then(forget, forget)
    this.#looks = Promise.resolve()
    return outcome
  }
}
