import { interruptible } from '@lafs/storage-protocol/waiting'

/** A stream whose beginning has been looked at. It is read on from there once. */
export class ReplayedStream {
  readonly #iterator: AsyncIterator<Uint8Array>
  #early: Uint8Array[] = []
  #hasEnded = false

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]()
  }

  /** Whether the stream has no more than what was read ahead. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Reads until there are so many bytes, or the stream ends. Gives all that was read so far. */
  async readAhead(size: number, signal: AbortSignal | undefined): Promise<readonly Uint8Array[]> {
    let got = 0
    const rest = { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) }
    for await (const piece of interruptible(rest, signal)) {
      got += piece.length
      // A piece belongs to the stream again once the next one is asked for.
      this.#early.push(piece.slice())
      if (got >= size) break
    }
    return this.#early
  }

  /** The stream from its beginning. */
  async *read(): AsyncGenerator<Uint8Array> {
    for (let piece = this.#early.shift(); piece !== undefined; piece = this.#early.shift()) {
      yield piece
    }
    for (;;) {
      const { done, value } = await this.#next()
      if (done === true) return
      yield value
    }
  }

  /** Leaves the stream, if it has not ended. */
  async close(): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    // A stream that waits for its source would not hear of it before that comes.
    void Promise.resolve(this.#iterator.return?.()).catch(() => {})
  }

  async #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const result = await this.#iterator.next()
    if (result.done !== true) return result
    this.#hasEnded = true
    return { done: true, value: undefined }
  }
}
