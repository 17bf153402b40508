import type { IReadable } from '@lafs/filesystem-interface'

/** How far back and ahead of the last read another one may be without a new download, in bytes. */
const WINDOW = 4 * 1024 * 1024

/**
 * Reads spans of a file. Programs ask for small spans one after another, many at once and nearly in
 * order: those are served from one download and what is left of it in memory; a leap begins another.
 *
 * Reads must not overlap.
 */
export class FileReader {
  readonly #file: IReadable
  readonly #signal: AbortSignal
  #download: AsyncIterator<Uint8Array> | undefined
  /** What has been read last, in order. */
  #pieces: Uint8Array[] = []
  /** Where the first piece begins, and where the last one ends. */
  #begin = 0
  #end = 0

  /** @param signal - ends its downloads. */
  constructor(file: IReadable, signal: AbortSignal) {
    this.#file = file
    this.#signal = signal
  }

  /** Up to `length` bytes from `offset` on; fewer at the end. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.#file.size)
    if (offset >= end) return new Uint8Array()
    if (offset < this.#begin || offset > this.#end + WINDOW) await this.#leap(offset)
    try {
      while (this.#end < end) await this.#advance()
    } catch (error) {
      await this.close()
      throw error
    }
    return this.#span(offset, end)
  }

  /** Ends the download. */
  async close(): Promise<void> {
    const download = this.#download
    this.#download = undefined
    this.#pieces = []
    this.#begin = this.#end
    await download?.return?.()
  }

  async #leap(offset: number): Promise<void> {
    await this.close()
    this.#begin = offset
    this.#end = offset
  }

  async #advance(): Promise<void> {
    const options = { offset: this.#end, signal: this.#signal }
    this.#download ??= this.#file.read(options)[Symbol.asyncIterator]()
    const next = await this.#download.next()
    if (next.done === true) throw new Error('a file ended before its size')
    this.#pieces.push(next.value)
    this.#end += next.value.length
    while (this.#end - this.#begin - (this.#pieces[0]?.length ?? 0) > WINDOW) {
      this.#begin += this.#pieces.shift()?.length ?? 0
    }
  }

  #span(offset: number, end: number): Uint8Array {
    const span = new Uint8Array(end - offset)
    let at = this.#begin
    for (const piece of this.#pieces) {
      const from = Math.max(offset, at)
      const to = Math.min(end, at + piece.length)
      if (from < to) span.set(piece.subarray(from - at, to - at), from - offset)
      at += piece.length
    }
    return span
  }
}
