import { OperationCancelledError } from '@lafs/filesystem-interface'
import type { IMonitor } from '@lafs/filesystem-interface'

/** @see monitored */
class Monitor<Status> implements IMonitor<Status> {
  readonly originStorageIndex: Uint8Array | undefined
  readonly #controller = new AbortController()
  readonly #done: Promise<Status>
  #resolve: (status: Status) => void = () => {}
  #reject: (reason: unknown) => void = () => {}
  #status: Status | undefined
  #finished = false

  constructor(originStorageIndex: Uint8Array | undefined) {
    this.originStorageIndex = originStorageIndex
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Nobody need wait for it.
    this.#done.catch(() => {})
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get cancelled(): boolean {
    return this.signal.aborted
  }

  get status(): Status | undefined {
    return this.#status
  }

  get finished(): boolean {
    return this.#finished
  }

  raiseIfCancelled(): void {
    this.signal.throwIfAborted()
  }

  setStatus(status: Status): void {
    this.#status = status
  }

  finish(status: Status): void {
    if (this.#finished) return
    this.#finished = true
    this.#status = status
    this.#resolve(status)
  }

  fail(reason: unknown): void {
    if (this.#finished) return
    this.#finished = true
    this.#reject(reason)
  }

  whenDone(): Promise<Status> {
    return this.#done
  }

  cancel(): void {
    if (!this.#finished) this.#controller.abort(new OperationCancelledError())
  }
}

/**
 * Runs an operation under a monitor.
 *
 * @param originStorageIndex - of the object that the operation begins at.
 * @param operation - begins after this has returned; its outcome, or what it throws, ends the monitor.
 * @see allmydata.monitor.Monitor
 */
export function monitored<Status>(
  originStorageIndex: Uint8Array | undefined,
  operation: (monitor: IMonitor<Status>) => Promise<Status>,
): IMonitor<Status> {
  const monitor = new Monitor<Status>(originStorageIndex)
  void Promise.resolve()
    .then(() => operation(monitor))
    .then(
      (status) => monitor.finish(status),
      (error: unknown) => monitor.fail(error),
    )
  return monitor
}
