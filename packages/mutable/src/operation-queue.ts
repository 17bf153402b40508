import type { OperationOptions } from '@lafs/storage-interface'

function forget(): void {}

/**
 * Puts the operations of one node in order: an edit begins after all that were asked for before it,
 * and whatever is asked for later waits for it. Operations that only look run side by side. One whose
 * signal fires while it waits is given up at once, with the signal's reason.
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
  look<T>(operation: () => Promise<T>, { signal }: OperationOptions): Promise<T> {
    const outcome = begin(this.#edits, operation, signal)
    this.#looks = all(this.#looks, outcome)
    return outcome
  }

  /** Runs an edit. */
  edit<T>(operation: () => Promise<T>, { signal }: OperationOptions): Promise<T> {
    const turn = all(this.#edits, this.#looks)
    const outcome = begin(turn, operation, signal)
    this.#edits = all(turn, outcome)
    this.#looks = Promise.resolve()
    return outcome
  }
}

/** Settles, without an error, once both have settled. */
async function all(first: Promise<void>, second: Promise<unknown>): Promise<void> {
  await Promise.all([first, second.then(forget, forget)])
}

async function begin<T>(
  turn: Promise<void>,
  operation: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  await (signal === undefined ? turn : unlessAborted(turn, signal))
  return operation()
}

function unlessAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    void turn.then(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}
