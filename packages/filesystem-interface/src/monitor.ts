/**
 * Watches over one long operation: whoever runs it reports, whoever wants it looks on and may cancel.
 *
 * @typeParam Status - what the operation shows while it runs, and its outcome at the end.
 * @see allmydata.monitor.IMonitor; allmydata.interfaces.IDeepCheckable
 */
export interface IMonitor<Status = unknown> {
  /** The storage index of the object that a deep operation began at; 16 bytes. */
  readonly originStorageIndex: Uint8Array | undefined

  // for the operation

  /** Aborts, with an {@link OperationCancelledError}, when the operation is cancelled. */
  readonly signal: AbortSignal
  /** Whether the operation should end as soon as it can. */
  readonly cancelled: boolean
  /** @throws {@link OperationCancelledError} once the operation is cancelled. */
  raiseIfCancelled(): void
  /** Shows how things stand. */
  setStatus(status: Status): void
  /** Ends the operation with its outcome, once. */
  finish(status: Status): void
  /** Ends the operation with what went wrong, once. */
  fail(reason: unknown): void

  // for whoever started it

  /** As last set; undefined before. It need not be complete while the operation runs. */
  readonly status: Status | undefined
  /** Whether the operation is over, well or not. */
  readonly finished: boolean
  /** Settles when the operation is over: with its outcome, or rejecting with what went wrong. */
  whenDone(): Promise<Status>
  /** Ends the operation as soon as can be. No effect once it is over. */
  cancel(): void
}
