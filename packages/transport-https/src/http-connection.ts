import { Buffer } from 'node:buffer'
import type { TLSSocket } from 'node:tls'
import type { IncomingResponse, OutgoingRequest } from '@lafs/storage-protocol/client'
import { type Nurl, onAbort } from '@lafs/storage-protocol'
import { connectPinned, type PinnedOptions } from './connect-pinned.ts'
import { passingBytes, ResponseReader } from './response-reader.ts'

/** Pieces of fewer bytes go out together with their neighbours. */
const APART_SIZE_MIN: number = 64 * 1024
/** How much of a body goes out at a time: so that a slow line still shows progress. */
const STEP_SIZE: number = 512 * 1024
// oxlint-disable-next-line no-control-regex -- these are what a head may not hold
const NO_HEAD: RegExp = /[^\t\u0020-\u007E]/

/** A request that has not been answered. */
interface Pending {
  readonly request: OutgoingRequest
  readonly reader: ResponseReader
  readonly settle: {
    readonly resolve: (response: IncomingResponse) => void
    readonly reject: (error: unknown) => void
  }
  /** Stops to look at the signal. */
  readonly forget: () => void
  /** Whether all of the request has been given to the socket. */
  isSent: boolean
  /** Whether anything of the answer has come. */
  isHeard: boolean
}

/** A connection to a server whose key has been checked. It makes one request at a time. */
export class HttpConnection {
  readonly #host: string
  readonly #socket: TLSSocket
  #place: Uint8Array = passingBytes
  #pending: Pending | undefined
  #usableUntilMs = Infinity
  /** Whether it has made a request before. */
  #isUsed = false

  /** @throws {@link StorageError} when there is no such server; see {@link connectPinned}. */
  static async open(nurl: Nurl, options: PinnedOptions): Promise<HttpConnection> {
    let connection: HttpConnection | undefined
    const socket = await connectPinned(nurl, options, {
      buffer: () => connection?.place ?? passingBytes,
      callback: (size) => {
        connection?.received(size)
        return true
      },
    })
    const host = nurl.host.includes(':') ? `[${nurl.host}]` : nurl.host
    // Whoever only keeps it for later need not wait for it.
    socket.unref()
    connection = new HttpConnection(socket, `${host}:${nurl.port}`)
    return connection
  }

  private constructor(socket: TLSSocket, host: string) {
    this.#socket = socket
    this.#host = host
    socket.on('error', (error) => this.#fail(error))
    socket.on('end', () => {
      if (this.#pending?.reader.finish() === true) this.#complete(this.#pending)
    })
    socket.on('close', () => {
      this.#fail(new Error('the peer closed the connection'))
    })
  }

  /** Whether it can take a request now. */
  get isUsable(): boolean {
    return (
      this.#pending === undefined &&
      !this.#socket.destroyed &&
      performance.now() < this.#usableUntilMs
    )
  }

  /**
   * Makes a request. What breaks it, or its signal, ends the connection.
   *
   * @throws {@link UnheardError} when a connection that had rested ends before a byte of the answer; what the socket, the reader
   *   of the response or the signal says.
   */
  send(request: OutgoingRequest): Promise<IncomingResponse> {
    return new Promise((resolve, reject) => {
      const { signal } = request
      if (signal.aborted) throw signal.reason
      const head = headOf(request, this.#host)
      const pending: Pending = {
        request,
        reader: new ResponseReader(request.bodySizeMax),
        settle: { resolve, reject },
        forget: onAbort(signal, () => this.#fail(signal.reason)),
        isSent: false,
        isHeard: false,
      }
      this.#pending = pending
      this.#socket.ref()
      this.#write(pending, head)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Calls back once, when it has ended. */
  onClose(callback: () => void): void {
    this.#socket.once('close', callback)
  }

  /** Where the socket is to put what it reads next. */
  get place(): Uint8Array {
    this.#place = this.#pending?.reader.place ?? passingBytes
    return this.#place
  }

  /** So many bytes have been put into {@link place}. */
  received(size: number): void {
    const pending = this.#pending
    // Nothing was asked for.
    if (pending === undefined) return this.close()
    pending.isHeard = true
    try {
      pending.request.onMoved()
      if (pending.reader.take(this.#place, size)) this.#complete(pending)
    } catch (error) {
      this.#fail(error)
    }
  }

  #complete(pending: Pending): void {
    const { restMs, response } = pending.reader
    this.#pending = undefined
    pending.forget()
    this.#isUsed = true
    this.#usableUntilMs = performance.now() + restMs
    if (!pending.isSent || restMs === 0) this.close()
    else this.#socket.unref()
    pending.settle.resolve(response)
  }

  #fail(error: unknown): void {
    this.close()
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    pending.forget()
    const isUnheard = this.#isUsed && !pending.isHeard && !pending.request.signal.aborted
    pending.settle.reject(isUnheard ? new UnheardError(error) : error)
  }

  #write(pending: Pending, head: string): void {
    const parts = partsOf(head, pending.request.body ?? [])
    const [only] = parts
    if (parts.length === 1 && only !== undefined) {
      this.#socket.write(only)
      pending.isSent = true
    } else {
      void this.#writeAll(pending, parts)
    }
  }

  /** One after the other: several at once would be copied into one by the socket. */
  async #writeAll(pending: Pending, parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      // It may have been answered, or have failed, meanwhile.
      if (this.#pending !== pending) return
      pending.request.onMoved()
      await new Promise<unknown>((resolve) => this.#socket.write(part, resolve))
    }
    pending.isSent = true
  }
}

/** A request as it is given to the socket: large pieces as they are, in steps, and small ones joined. */
function partsOf(head: string, body: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  let small: Uint8Array[] = [Buffer.from(head, 'latin1')]
  let smallSize = head.length
  const join = (): void => {
    if (smallSize > 0) parts.push(Buffer.concat(small, smallSize))
    small = []
    smallSize = 0
  }
  for (const piece of body) {
    const isSmall = piece.length < APART_SIZE_MIN
    if (!isSmall || smallSize + piece.length > STEP_SIZE) join()
    if (isSmall) {
      small.push(piece)
      smallSize += piece.length
      continue
    }
    for (let offset = 0; offset < piece.length; offset += STEP_SIZE) {
      parts.push(piece.subarray(offset, offset + STEP_SIZE))
    }
  }
  join()
  return parts
}

/** A connection that had rested ended as it was to be used again: the peer may never have seen the request. */
export class UnheardError extends Error {
  constructor(cause: unknown) {
    super('the peer closed the connection', { cause })
  }
}

function headOf({ method, path, headers }: OutgoingRequest, host: string): string {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}`]
  for (const [name, value] of headers) lines.push(`${name}: ${value}`)
  if (lines.some((line) => NO_HEAD.test(line))) {
    throw new TypeError('expected a request of printable ASCII')
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}
