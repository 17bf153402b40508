import type {
  DeepStatsResults,
  IDeepCheckAndRepairResults,
  IDeepCheckResults,
  IMonitor,
  Manifest,
} from '@lafs/filesystem-interface'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { WebError } from './errors.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** How long a handle is kept after its operation is over, where nobody has said. */
const UNCOLLECTED_LIFETIME_MS = 4 * DAY_MS
/** The same, from when somebody has asked for the outcome. */
const COLLECTED_LIFETIME_MS = DAY_MS

/** So many operations are kept. */
const OPERATIONS_MAX = 1000

/** What a long operation is, and its monitor. */
export type OperationMonitor =
  | {
      readonly kind: 'deep-check'
      readonly monitor: IMonitor<IDeepCheckResults>
      /** Begins to check the same in the same way once more, and to repair it. */
      readonly startRepair: () => OperationMonitor
    }
  | {
      readonly kind: 'deep-check-and-repair'
      readonly monitor: IMonitor<IDeepCheckAndRepairResults>
    }
  | { readonly kind: 'manifest'; readonly monitor: IMonitor<Manifest> }
  | { readonly kind: 'deep-size' | 'deep-stats'; readonly monitor: IMonitor<DeepStatsResults> }

/** A long operation that was started under a handle. */
export type Operation = OperationMonitor & {
  readonly handle: string
  /** Milliseconds since 1970. */
  readonly startedMs: number
  /** What went wrong, once the operation has failed. */
  readonly failure: { readonly error: unknown } | undefined
}

/**
 * Long operations that go on while nobody listens, by the handles that their users chose.
 *
 * @see allmydata.web.operations.OphandleTable
 */
export interface OperationHandles {
  /**
   * Keeps an operation. One that had this handle before goes on, and nobody can ask for it any more.
   *
   * @param retainForSeconds - from now on; without it, 4 days from the end of the operation.
   * @throws {@link WebError} 503 where too many operations are under way; this one is cancelled then.
   */
  add(handle: string, operation: OperationMonitor, retainForSeconds?: number): Operation
  /** @returns undefined for a handle that is not known, or no longer. */
  get(handle: string): Operation | undefined
  /** Keeps a handle for so long from now on, whatever was said before. */
  retain(handle: string, seconds: number): void
  /** Notes that somebody has the outcome: the handle is kept for one more day. */
  collected(handle: string): void
  /** Forgets a handle; its operation goes on. */
  release(handle: string): void
  /** Cancels all that is under way, and forgets it. */
  close(): void
}

/** No operations yet. @param clock - tells when handles have been kept for long enough. */
export function createOperationHandles(clock: Clock): OperationHandles {
  return new OperationTable(clock)
}

/** An operation, and until when it is kept. */
class KeptOperation {
  readonly operation: OperationMonitor
  readonly handle: string
  readonly startedMs: number
  failure: { readonly error: unknown } | undefined
  /** Milliseconds since 1970; undefined for as long as the operation takes. */
  expiresMs: number | undefined

  constructor(handle: string, operation: OperationMonitor, startedMs: number) {
    this.handle = handle
    this.operation = operation
    this.startedMs = startedMs
  }

  view(): Operation {
    const { handle, startedMs, failure } = this
    return { ...this.operation, handle, startedMs, failure }
  }
}

/** @see createOperationHandles */
class OperationTable implements OperationHandles {
  readonly #clock: Clock
  /** By handle, the oldest first. */
  readonly #kept = new Map<string, KeptOperation>()
  /** Those under way, whether or not they have a handle still. */
  readonly #running = new Set<OperationMonitor['monitor']>()
  /** Ends the wait for the first handle that expires. */
  #stopWaiting: () => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(handle: string, operation: OperationMonitor, retainForSeconds?: number): Operation {
    this.#makeRoom(operation)
    const startedMs = this.#clock.nowMs()
    const kept = new KeptOperation(handle, operation, startedMs)
    if (retainForSeconds !== undefined) kept.expiresMs = startedMs + retainForSeconds * 1000
    this.#kept.delete(handle)
    this.#kept.set(handle, kept)
    this.#follow(kept)
    this.#expire()
    return kept.view()
  }

  get(handle: string): Operation | undefined {
    this.#expire()
    return this.#kept.get(handle)?.view()
  }

  retain(handle: string, seconds: number): void {
    this.#keepFor(handle, seconds * 1000)
  }

  collected(handle: string): void {
    this.#keepFor(handle, COLLECTED_LIFETIME_MS)
  }

  release(handle: string): void {
    this.#kept.delete(handle)
    this.#expire()
  }

  close(): void {
    for (const monitor of this.#running) monitor.cancel()
    this.#running.clear()
    this.#kept.clear()
    this.#stopWaiting()
  }

  #keepFor(handle: string, durationMs: number): void {
    const kept = this.#kept.get(handle)
    if (kept !== undefined) kept.expiresMs = this.#clock.nowMs() + durationMs
    this.#expire()
  }

  /** Drops outcomes, the oldest first, where too many are kept. */
  #makeRoom({ monitor }: OperationMonitor): void {
    this.#expire()
    for (const [handle, kept] of this.#kept) {
      if (this.#kept.size < OPERATIONS_MAX) break
      if (kept.operation.monitor.finished) this.#kept.delete(handle)
    }
    if (this.#kept.size < OPERATIONS_MAX && this.#running.size < OPERATIONS_MAX) return
    monitor.cancel()
    throw new WebError(503, `too many operations are under way: ${this.#running.size}`)
  }

  #follow(kept: KeptOperation): void {
    const { monitor } = kept.operation
    this.#running.add(monitor)
    const end = (failure: KeptOperation['failure']): void => {
      this.#running.delete(monitor)
      kept.failure = failure
      const nowMs = this.#clock.nowMs()
      // As upstream has it: at least as long as the operation took.
      kept.expiresMs ??= nowMs + Math.max(UNCOLLECTED_LIFETIME_MS, nowMs - kept.startedMs)
      if (this.#kept.get(kept.handle) === kept) this.#expire()
    }
    const outcome: Promise<unknown> = monitor.whenDone()
    outcome.then(
      () => end(undefined),
      (error: unknown) => end({ error }),
    )
  }

  /** Forgets what has been kept for long enough, and waits for what comes next. */
  #expire(): void {
    this.#stopWaiting()
    const nowMs = this.#clock.nowMs()
    let nextMs = Infinity
    for (const [handle, { expiresMs = Infinity }] of this.#kept) {
      if (expiresMs <= nowMs) this.#kept.delete(handle)
      else nextMs = Math.min(nextMs, expiresMs)
    }
    if (nextMs === Infinity) return
    // Timers cannot wait for more than some weeks.
    const delayMs = Math.min(nextMs - nowMs, DAY_MS)
    this.#stopWaiting = this.#clock.after(delayMs, () => this.#expire())
  }
}
