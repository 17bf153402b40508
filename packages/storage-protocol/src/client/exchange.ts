import { StorageError } from '@lafs/storage-interface'
import { onAbort } from '../abort.ts'
import type { HeaderReader } from '../http.ts'

/** A request as the client makes it. */
export interface OutgoingRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** Path alone; which server it goes to is the sender's business. */
  readonly path: string
  /** Names in lower case, one entry a header line: lines of one name must not be joined. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The body, whose size a header tells, as pieces that follow one another. Borrowed until the request has settled. */
  readonly body?: readonly Uint8Array[]
  /**
   * The most bytes that the body of the response may have, by what its head says.
   *
   * @throws {@link StorageError} to give the response up.
   */
  readonly bodySizeMax: (status: number, headers: HeaderReader) => number
  /** To be called whenever some of the request has gone, or some of the response has come. */
  readonly onMoved: () => void
  /** Ends the request. */
  readonly signal: AbortSignal
}

/** The response to it, whole. */
export interface IncomingResponse {
  readonly status: number
  readonly headers: HeaderReader
  /** In memory of its own. */
  readonly body: Uint8Array
}

/**
 * Sends one request and takes its response: all that the client needs of a transport.
 *
 * Rejects with a {@link StorageError} (`STORAGE_UNREACHABLE`, `STORAGE_WRONG_SERVER`, what
 * {@link responseTooLong} makes), or with the signal's reason.
 */
export type SendRequest = (request: OutgoingRequest) => Promise<IncomingResponse>

/** What one exchange is limited by. */
export interface ExchangeLimits {
  /** How long nothing may move, in milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request and takes its response, within limits.
 *
 * @throws {@link StorageError} `STORAGE_TIMEOUT` when nothing moved for too long,
 *   `STORAGE_BAD_RESPONSE` when the body is longer than it may be, and what `send` throws.
 */
export async function exchange(
  send: SendRequest,
  request: Omit<OutgoingRequest, 'signal' | 'onMoved'>,
  { timeoutMs, signal }: ExchangeLimits,
): Promise<IncomingResponse> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const stalled = (): void =>
    controller.abort(new StorageError('STORAGE_TIMEOUT', `nothing came for ${timeoutMs} ms`))
  const { moved, stop } = watchForStall(timeoutMs, stalled)
  const forget = signal && onAbort(signal, () => controller.abort(signal.reason))
  try {
    const sent = send({ ...request, onMoved: moved, signal: controller.signal })
    const response = await unlessAborted(sent, controller.signal)
    // Whoever sends may not look.
    const sizeMax = request.bodySizeMax(response.status, response.headers)
    if (response.body.length > sizeMax) throw responseTooLong(response.status, sizeMax)
    return response
  } catch (error) {
    // Whatever an abort breaks, its reason is why.
    throw controller.signal.aborted ? controller.signal.reason : asUnreachable(error)
  } finally {
    stop()
    forget?.()
  }
}

/** The response, unless the signal aborts before it: a sender may be late to see that. */
function unlessAborted(
  sent: Promise<IncomingResponse>,
  signal: AbortSignal,
): Promise<IncomingResponse> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason))
    sent.then(resolve, reject).finally(forget)
  })
}

/** Calls back when nothing has moved for so long. What moves by the thousand sets no timer. */
function watchForStall(
  timeoutMs: number,
  stalled: () => void,
): { readonly moved: () => void; readonly stop: () => void } {
  let movedMs = performance.now()
  const look = (): void => {
    const restMs = movedMs + timeoutMs - performance.now()
    if (restMs > 0) timer = setTimeout(look, restMs)
    else stalled()
  }
  let timer = setTimeout(look, timeoutMs)
  return {
    moved: () => {
      movedMs = performance.now()
    },
    stop: () => clearTimeout(timer),
  }
}

/** The error for a response whose body is longer than it may be. */
export function responseTooLong(status: number, sizeMax: number): StorageError {
  const message = `expected a body of at most ${sizeMax} bytes, got more`
  return new StorageError('STORAGE_BAD_RESPONSE', message, { status })
}

function asUnreachable(error: unknown): unknown {
  if (error instanceof StorageError) return error
  const message = 'the connection broke before the response was complete'
  return new StorageError('STORAGE_UNREACHABLE', message, { cause: error })
}
