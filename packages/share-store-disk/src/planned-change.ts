import type { SpanChange } from './journal.ts'
import type { ShareBytes } from './share-bytes.ts'

interface Write {
  readonly position: number
  readonly bytes: Uint8Array
}

/** The bytes of a file as they will be: what is written to them is remembered, and changes nothing. */
export class PlannedChange implements ShareBytes {
  readonly #file: ShareBytes
  readonly #sizeMax: number
  readonly #writes: Write[] = []
  #written = 0

  /** @param sizeMax - how many bytes may be written, all told: they are held in memory. */
  constructor(file: ShareBytes, sizeMax: number) {
    this.#file = file
    this.#sizeMax = sizeMax
  }

  /** Bytes that were written, all told. */
  get written(): number {
    return this.#written
  }

  /** Whether they are more than may be. */
  get isTooLarge(): boolean {
    return this.#written > this.#sizeMax
  }

  async size(): Promise<number> {
    const ends = this.#writes.map(({ position, bytes }) => position + bytes.length)
    return Math.max(await this.#file.size(), ...ends)
  }

  async readUpTo(position: number, length: number): Promise<Uint8Array> {
    const size = Math.max(0, Math.min(length, (await this.size()) - position))
    const found = new Uint8Array(size)
    found.set(await this.#file.readUpTo(position, size))
    for (const write of this.#writes) {
      const from = Math.max(position, write.position)
      const to = Math.min(position + size, write.position + write.bytes.length)
      if (from >= to) continue
      found.set(write.bytes.subarray(from - write.position, to - write.position), from - position)
    }
    return found
  }

  /** @throws RangeError for more than may be written. */
  async write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    let at = position
    for (const bytes of pieces) {
      this.#writes.push({ position: at, bytes })
      this.#written += bytes.length
      at += bytes.length
    }
    if (this.isTooLarge) throw new RangeError(`more than ${this.#sizeMax} bytes change`)
  }

  async flush(): Promise<void> {}

  /** The spans that change, disjoint and in order. What lies past the end of the file was zeros. */
  async changes(): Promise<SpanChange[]> {
    const spans: { start: number; end: number }[] = []
    for (const { position, bytes } of this.#writes.toSorted((a, b) => a.position - b.position)) {
      const last = spans.at(-1)
      const end = position + bytes.length
      if (last !== undefined && position <= last.end) last.end = Math.max(last.end, end)
      else spans.push({ start: position, end })
    }
    const changes: SpanChange[] = []
    for (const { start, end } of spans) {
      const before = new Uint8Array(end - start)
      before.set(await this.#file.readUpTo(start, end - start))
      changes.push({ position: start, before, after: await this.readUpTo(start, end - start) })
    }
    return changes
  }
}
