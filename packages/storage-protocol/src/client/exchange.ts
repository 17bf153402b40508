import { StorageError } from '@lafs/storage-interface'
import { onAbort } from '../abort.ts'
import { GatheredBody, type HeaderReader } from '../http.ts'

/** A request as the client makes it. */
export interface OutgoingRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** Path alone; which server it goes to is the sender's business. */
  readonly path: string
  /** Names in lower case, one entry a header line: lines of one name must not be joined. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Pieces of the body that follow one another, borrowed until the response is there. */
  readonly body?: Iterable<Uint8Array>
  /** Aborts the request, and the reading of its response. */
  readonly signal: AbortSignal
}

/** The response to it. Whoever takes it reads its body, or calls `discard`. */
export interface IncomingResponse {
  readonly status: number
  readonly headers: HeaderReader
  readonly body: AsyncIterable<Uint8Array>
  /** Gives up on what is left of the body. */
  discard(): void
}

/**
 * Sends one request: all that the client needs of a transport.
 *
 * Rejects with a {@link StorageError} (`STORAGE_UNREACHABLE`, `STORAGE_WRONG_SERVER`), or with the
 * signal's reason.
 */
export type SendRequest = (request: OutgoingRequest) => Promise<IncomingResponse>

/** How much of a piece goes out at a time: so that a slow line still shows progress. */
const PROGRESS_STEP: number = 512 * 1024

/** A response whose body has been read. */
export interface Exchange {
  readonly status: number
  readonly headers: HeaderReader
  /** In memory of its own. */
  readonly body: Uint8Array
}

/** What one exchange is limited by. */
export interface ExchangeLimits {
  /** How long nothing may move, in milliseconds. */
  readonly timeoutMs: number
  /**
   * The most bytes that the body of the response may have, by what its head says.
   *
   * @throws {@link StorageError} to give the response up.
   */
  readonly bodySizeMax: (status: number, headers: HeaderReader) => number
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request and reads its response whole, within limits.
 *
 * @throws {@link StorageError} `STORAGE_TIMEOUT` when nothing moved for too long,
 *   `STORAGE_BAD_RESPONSE` when the body is longer than it may be, and what `send` throws.
 */
export async function exchange(
  send: SendRequest,
  request: Omit<OutgoingRequest, 'signal' | 'body'> & { readonly pieces?: readonly Uint8Array[] },
  limits: ExchangeLimits,
): Promise<Exchange> {
  limits.signal?.throwIfAborted()
  const { pieces, ...head } = request
  const controller = new AbortController()
  const stalled = (): void =>
    controller.abort(new StorageError('STORAGE_TIMEOUT', `nothing came for ${limits.timeoutMs} ms`))
  const { moved, stop } = watchForStall(limits.timeoutMs, stalled)
  const { signal } = limits
  const forget = signal && onAbort(signal, () => controller.abort(signal.reason))
  try {
    const body = pieces === undefined ? {} : { body: inSteps(pieces, moved) }
    const sent = send({ ...head, ...body, signal: controller.signal })
    const response = await unlessAborted(sent, controller.signal)
    moved()
    return await readResponse(response, limits, moved, controller.signal)
  } catch (error) {
    // Whatever an abort breaks, its reason is why.
    throw controller.signal.aborted ? controller.signal.reason : asUnreachable(error)
  } finally {
    stop()
    forget?.()
  }
}

/** The response, unless the signal aborts before it: a sender may not look at it while it connects. */
function unlessAborted(
  sent: Promise<IncomingResponse>,
  signal: AbortSignal,
): Promise<IncomingResponse> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason))
    sent
      .then((response) => {
        if (signal.aborted) response.discard()
        resolve(response)
      }, reject)
      .finally(forget)
  })
}

async function readResponse(
  response: IncomingResponse,
  limits: ExchangeLimits,
  moved: () => void,
  signal: AbortSignal,
): Promise<Exchange> {
  const { status, headers } = response
  let complete = false
  try {
    const sizeMax = limits.bodySizeMax(status, headers)
    const announced = Number(headers.get('content-length') ?? 0)
    if (announced > sizeMax) throw tooLong(status, sizeMax)
    const gathered = new GatheredBody(announced)
    for await (const piece of response.body) {
      moved()
      if (gathered.size + piece.length > sizeMax) throw tooLong(status, sizeMax)
      gathered.add(piece)
    }
    signal.throwIfAborted()
    complete = true
    return { status, headers, body: gathered.bytes }
  } finally {
    if (!complete) response.discard()
  }
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

/** The pieces in steps, each of which counts as progress when it is taken; a small one as it is. */
function inSteps(pieces: readonly Uint8Array[], moved: () => void): Iterable<Uint8Array> {
  const [only] = pieces
  const small = pieces.length === 1 && only !== undefined && only.length <= PROGRESS_STEP
  return small ? pieces : steps(pieces, moved)
}

function* steps(pieces: readonly Uint8Array[], moved: () => void): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let offset = 0; offset < piece.length; offset += PROGRESS_STEP) {
      moved()
      yield piece.subarray(offset, offset + PROGRESS_STEP)
    }
  }
}

function tooLong(status: number, sizeMax: number): StorageError {
  const message = `expected a body of at most ${sizeMax} bytes, got more`
  return new StorageError('STORAGE_BAD_RESPONSE', message, { status })
}

function asUnreachable(error: unknown): unknown {
  if (error instanceof StorageError) return error
  const message = 'the connection broke before the response was complete'
  return new StorageError('STORAGE_UNREACHABLE', message, { cause: error })
}
