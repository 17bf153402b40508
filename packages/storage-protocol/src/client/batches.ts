import { type OperationOptions, StorageError } from '@lafs/storage-interface'
import { onAbort } from '../abort.ts'
import { isMessageError } from '../errors.ts'
import {
  BATCH_ANSWER_SIZE_MAX,
  BATCH_COUNT_MAX,
  type BatchAnswer,
  type BatchOperation,
  decodeBatchAnswers,
  encodeBatch,
} from '../messages/index.ts'
import { nextTurn } from '../turn.ts'
import { systemClock } from '../waiting/index.ts'
import { badResponse, decodeResponse, type MakeCall, refusal } from './calls.ts'

/**
 * An operation that may share a request with others: small, and the same however often it is done. It
 * is borrowed until it settles.
 */
export interface SmallOperation<T> {
  /** Undefined: it does not fit into a batch, and goes alone. */
  readonly operation: BatchOperation | undefined
  /** How many bytes its answer may have, about. */
  readonly answerSize: number
  /** How many requests {@link alone} makes: 0 when there are none for it, 2 when there are several. */
  readonly requestsAlone: 0 | 1 | 2
  /** Does it by plain requests. @throws {@link StorageError} `STORAGE_NOT_SUPPORTED` when there are none. */
  readonly alone: (options?: OperationOptions) => Promise<T>
  /** Reads what it gives. @throws MessageError. */
  readonly decode: (value: unknown) => T
  /** What a refusal by this status means. @throws {@link StorageError}. */
  readonly refused: (status: number) => T
  /** What to do of a server that takes batches and does not know this operation: servers that are older. */
  readonly instead?: SmallOperation<T>
}

/** How many requests with small operations go to one server at a time. What comes meanwhile gathers. */
const REQUESTS_MAX = 2
/** How long one of them may hold the others up: a server can be stuck with one file alone. */
const HOLD_UP_MAX_MS = 3000
/** How much is asked for by one batch: well below what a server answers. */
const ANSWER_SIZE: number = BATCH_ANSWER_SIZE_MAX / 2

/** A small operation that waits for its turn, or for its answer. */
interface Waiting {
  /** What it is at present. */
  readonly operation: BatchOperation
  readonly answerSize: number
  readonly requestsAlone: 0 | 1 | 2
  /** Takes what {@link SmallOperation.instead} says. @returns whether it says anything. */
  readonly fallBack: () => boolean
  /** Whether a server left it unanswered before. */
  asked: boolean
  /** Called when it is aborted: takes it from where it is. */
  leave: () => void
  /** These settle it. */
  readonly take: (answer: Exclude<BatchAnswer<unknown>, undefined>) => void
  readonly fail: (error: unknown) => void
  readonly goAlone: () => Promise<void>
}

/**
 * Small operations on one server, gathered into batches.
 *
 * Those of one turn of the event loop go out together, and while {@link REQUESTS_MAX} requests are in
 * flight the next ones gather. Among each other they have no order, as requests of their own have none;
 * nothing that is issued is answered from before that. A server that does not take batches is found out
 * by the first one, whose operations then go alone, as do all later ones.
 */
export class Batches {
  readonly #call: MakeCall
  readonly #timeoutMs: number
  readonly #queue = new Set<Waiting>()
  #requests = 0
  #scheduled = false
  #refused = false
  /** Whether the server has refused a batch for an operation that older servers do not know. */
  #isOlder = false

  /** @param timeoutMs - how long an operation may wait for its turn. */
  constructor(call: MakeCall, timeoutMs: number) {
    this.#call = call
    this.#timeoutMs = timeoutMs
  }

  /** Does one operation, with others or alone. */
  async run<T>(small: SmallOperation<T>, options: OperationOptions = {}): Promise<T> {
    options.signal?.throwIfAborted()
    const { operation } = small
    if (operation === undefined || this.#refused) return small.alone(options)
    return new Promise<T>((resolve, reject) => {
      this.#enqueue(waitingFor(operation, small, options, resolve, reject))
    })
  }

  #enqueue(waiting: Waiting): void {
    const cancelTimer = systemClock.after(this.#timeoutMs, () => {
      waiting.leave()
      waiting.fail(timedOut(`nothing could be sent for ${this.#timeoutMs} ms`))
    })
    waiting.leave = () => {
      cancelTimer()
      this.#queue.delete(waiting)
    }
    this.#queue.add(waiting)
    this.#schedule()
  }

  /** Sends at the end of this turn: what else is issued in it goes along. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    void nextTurn().then(() => {
      this.#scheduled = false
      this.#sendQueue()
    })
  }

  #sendQueue(): void {
    if (this.#refused) {
      for (const waiting of this.#queue) void this.#goAlone(waiting)
    }
    while (this.#queue.size > 0 && this.#requests < REQUESTS_MAX) {
      void this.#count(this.#send(this.#takeBatch()))
    }
  }

  /** Counts a request until it is done, or has held the others up for long enough. */
  async #count(request: Promise<void>): Promise<void> {
    this.#requests += 1
    await new Promise<void>((resolve) => {
      const cancelTimer = systemClock.after(HOLD_UP_MAX_MS, resolve)
      void request.then(() => {
        cancelTimer()
        resolve()
      })
    })
    this.#requests -= 1
    this.#schedule()
  }

  /** The next operations of the queue, as many as one batch may have. */
  #takeBatch(): Waiting[] {
    const batch: Waiting[] = []
    let size = 0
    for (const waiting of this.#queue) {
      if (this.#isOlder) waiting.fallBack()
      size += waiting.answerSize
      if (batch.length === BATCH_COUNT_MAX || (batch.length > 0 && size > ANSWER_SIZE)) break
      batch.push(waiting)
    }
    for (const waiting of batch) waiting.leave()
    return batch
  }

  /** Sends a batch and settles its operations. Never rejects. */
  async #send(batch: readonly Waiting[]): Promise<void> {
    const [only] = batch
    if (batch.length === 1 && only?.requestsAlone === 1) return this.#goAlone(only)
    const ended = new AbortController()
    const left = new Set(batch)
    for (const waiting of batch) {
      waiting.leave = () => {
        left.delete(waiting)
        // Nobody waits for it any more.
        if (left.size === 0) ended.abort()
      }
    }
    try {
      const answers = await this.#exchange(batch, ended.signal)
      for (const [index, waiting] of batch.entries()) {
        if (!left.delete(waiting)) continue
        waiting.leave = () => {}
        if (answers !== undefined) this.#settle(waiting, answers[index])
        else if (this.#refused) void this.#goAlone(waiting)
        else this.#enqueue(waiting)
      }
    } catch (error) {
      for (const waiting of left) waiting.fail(error)
    }
  }

  /** The answers to a batch; undefined from a server that takes none, or none with such operations. */
  async #exchange(
    batch: readonly Waiting[],
    signal: AbortSignal,
  ): Promise<BatchAnswer<unknown>[] | undefined> {
    const message = encodeBatch(batch.map(({ operation }) => operation))
    const bodySizeMax = (): number => BATCH_ANSWER_SIZE_MAX
    const response = await this.#call({ route: 'batch', message, bodySizeMax }, { signal })
    const { status } = response
    if (status === 200) {
      return decodeResponse(response, (bytes) => decodeBatchAnswers(bytes, batch.length))
    }
    if (status === 401 || status < 400 || (status >= 500 && status !== 501)) {
      throw status < 300 ? badResponse(`the status ${status}`, status) : refusal(response)
    }
    // Whatever of the batch has something to fall back to does so.
    const hasFallenBack = batch.filter((waiting) => waiting.fallBack()).length > 0
    if (status === 400 && hasFallenBack) this.#isOlder = true
    else this.#refused = true
    return undefined
  }

  #settle(waiting: Waiting, answer: BatchAnswer<unknown>): void {
    if (answer !== undefined) waiting.take(answer)
    else if (!waiting.asked) {
      waiting.asked = true
      this.#enqueue(waiting)
    } else if (waiting.requestsAlone > 0) void this.#goAlone(waiting)
    else waiting.fail(timedOut('the server does not come to it'))
  }

  /** Does an operation by itself; what it gives is its own affair. Never rejects. */
  #goAlone(waiting: Waiting): Promise<void> {
    waiting.leave()
    waiting.leave = () => {}
    return waiting.goAlone()
  }
}

function waitingFor<T>(
  operation: BatchOperation,
  small: SmallOperation<T>,
  options: OperationOptions,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): Waiting {
  const { signal } = options
  const forget =
    signal &&
    onAbort(signal, () => {
      waiting.leave()
      reject(signal.reason)
    })
  let current = { ...small, operation }
  const waiting: Waiting = {
    get operation() {
      return current.operation
    },
    get answerSize() {
      return current.answerSize
    },
    get requestsAlone() {
      return current.requestsAlone
    },
    fallBack() {
      const { instead } = current
      if (instead?.operation === undefined) return false
      current = { ...instead, operation: instead.operation }
      return true
    },
    asked: false,
    leave: () => {},
    take(answer) {
      forget?.()
      try {
        resolve('value' in answer ? current.decode(answer.value) : current.refused(answer.status))
      } catch (error) {
        reject(isMessageError(error) ? senseless(error) : error)
      }
    },
    fail(error) {
      forget?.()
      reject(error)
    },
    goAlone: () => current.alone(options).then(resolve, reject).finally(forget),
  }
  return waiting
}

function senseless(cause: unknown): StorageError {
  return new StorageError('STORAGE_BAD_RESPONSE', 'an answer that makes no sense', { cause })
}

function timedOut(why: string): StorageError {
  return new StorageError('STORAGE_TIMEOUT', why)
}
