import type { IncomingResponse, OutgoingRequest } from '@lafs/storage-protocol/client'
import { onAbort } from '@lafs/storage-protocol'
import { type HttpConnection, UnheardError } from './http-connection.ts'

/** A request that waits for a connection. */
interface Waiting {
  readonly resolve: (connection: HttpConnection) => void
  readonly reject: (error: unknown) => void
}

/** The connections to one server: opened as they are needed, kept for the next request. */
export class ConnectionPool {
  readonly #open: () => Promise<HttpConnection>
  readonly #connectionsMax: number
  readonly #connections = new Set<HttpConnection>()
  /** Those that do nothing, the one that was used last at the end. */
  readonly #resting: HttpConnection[] = []
  readonly #waiting = new Set<Waiting>()
  #openingCount = 0
  #closedBy: { readonly reason: unknown } | undefined

  constructor(open: () => Promise<HttpConnection>, connectionsMax: number) {
    this.#open = open
    this.#connectionsMax = connectionsMax
  }

  /** Makes a request on one of them. @throws what opening or using it says. */
  async send(request: OutgoingRequest): Promise<IncomingResponse> {
    for (;;) {
      const connection = await this.#take(request.signal)
      try {
        return await connection.send(request)
      } catch (error) {
        if (!(error instanceof UnheardError)) throw error
        // To ask twice does no harm; to write twice might.
        if (request.method !== 'GET') throw error.cause
      } finally {
        this.#put(connection)
      }
    }
  }

  /** Ends them all, and fails what is under way. */
  close(reason: unknown): void {
    this.#closedBy = { reason }
    for (const { reject } of this.#waiting) reject(reason)
    this.#waiting.clear()
    for (const connection of this.#connections) connection.close()
  }

  #take(signal: AbortSignal): Promise<HttpConnection> | HttpConnection {
    if (this.#closedBy !== undefined) throw this.#closedBy.reason
    for (let last = this.#resting.pop(); last !== undefined; last = this.#resting.pop()) {
      if (last.isUsable) return last
      last.close()
    }
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => {
        this.#waiting.delete(waiting)
        reject(signal.reason)
      })
      const waiting: Waiting = {
        resolve: (connection) => {
          forget()
          resolve(connection)
        },
        reject: (error) => {
          forget()
          reject(error)
        },
      }
      this.#waiting.add(waiting)
      this.#openMore()
    })
  }

  /** Hands a connection that is free to who waits the longest. */
  #put(connection: HttpConnection): void {
    if (!connection.isUsable) {
      connection.close()
      return
    }
    const [next] = this.#waiting
    if (next === undefined) {
      this.#resting.push(connection)
      return
    }
    this.#waiting.delete(next)
    next.resolve(connection)
  }

  #openMore(): void {
    while (
      this.#waiting.size > this.#openingCount &&
      this.#connections.size + this.#openingCount < this.#connectionsMax
    ) {
      this.#openingCount += 1
      void this.#openOne()
    }
  }

  async #openOne(): Promise<void> {
    try {
      const connection = await this.#open()
      this.#openingCount -= 1
      this.#connections.add(connection)
      connection.onClose(() => this.#forget(connection))
      if (this.#closedBy === undefined) this.#put(connection)
      else connection.close()
    } catch (error) {
      this.#openingCount -= 1
      // Those that there are go on serving.
      if (this.#connections.size > 0) return
      for (const { reject } of this.#waiting) reject(error)
      this.#waiting.clear()
    }
  }

  #forget(connection: HttpConnection): void {
    this.#connections.delete(connection)
    const index = this.#resting.indexOf(connection)
    if (index >= 0) this.#resting.splice(index, 1)
    this.#openMore()
  }
}
