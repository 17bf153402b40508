/** How many files of a connection may be on their way at one time; each takes some megabytes of memory. */
export const TRANSFERS_MAX = 8

/** What keeps something in memory between two times at which it is used. */
export interface Transfer {
  /** Lets go of that memory, until it is used again. Never called while it is used. */
  close(): Promise<void>
}

/**
 * The files of one connection that are being fetched or stored, or that keep what is fetched for the next
 * read. However many files are open, no more than {@link TRANSFERS_MAX} do: others wait for one that is at
 * rest to let go, and that one begins anew when it is read again.
 */
export class Transfers {
  readonly #busy = new Set<Transfer>()
  /** The one that was used last at the end. Empty as long as anybody waits. */
  readonly #resting = new Set<Transfer>()
  readonly #waiting: { readonly transfer: Transfer; readonly begin: () => void }[] = []

  /** Uses a file as soon as there is a place for it, which it keeps until another needs it. */
  async use<T>(transfer: Transfer, work: () => Promise<T>): Promise<T> {
    await this.#begin(transfer)
    try {
      return await work()
    } finally {
      if (this.#waiting.length > 0) await this.#leave(transfer)
      else {
        this.#busy.delete(transfer)
        this.#resting.add(transfer)
      }
    }
  }

  /** Does something for a file that keeps nothing in memory, as soon as there is a place for it. */
  async useOnce<T>(work: () => Promise<T>): Promise<T> {
    const transfer = { close: async () => {} }
    try {
      return await this.use(transfer, work)
    } finally {
      await this.end(transfer)
    }
  }

  /** Closes a file that is not used any more. */
  async end(transfer: Transfer): Promise<void> {
    if (!this.#resting.delete(transfer)) return
    this.#busy.add(transfer)
    await this.#leave(transfer)
  }

  async #begin(transfer: Transfer): Promise<void> {
    const hasPlace = this.#resting.delete(transfer)
    const isFull = !hasPlace && this.#busy.size + this.#resting.size >= TRANSFERS_MAX
    const [oldest] = this.#resting
    if (isFull && oldest === undefined) {
      await new Promise<void>((begin) => this.#waiting.push({ transfer, begin }))
      return
    }
    this.#busy.add(transfer)
    if (!isFull || oldest === undefined) return
    this.#resting.delete(oldest)
    await letGo(oldest)
  }

  /** Gives the place of a file to the next that waits for one. */
  async #leave(transfer: Transfer): Promise<void> {
    await letGo(transfer)
    this.#busy.delete(transfer)
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#busy.add(next.transfer)
    next.begin()
  }
}

/** What goes wrong at the end of a download that nobody wants is nothing to anybody. */
async function letGo(transfer: Transfer): Promise<void> {
  await transfer.close().catch(() => {})
}
