import type { ByteRange } from '@lafs/storage-interface'

/** The parts of a share that have been written: ranges in order that neither touch nor overlap. */
export class WrittenRanges {
  #ranges: ByteRange[] = []

  /** Adds a range, joining those that it touches. An empty one adds nothing. */
  add(begin: number, end: number): void {
    if (begin >= end) return
    const first = this.#firstEndingFrom(begin)
    let last = first
    let joined = { begin, end }
    for (;;) {
      const range = this.#ranges[last]
      if (range === undefined || range.begin > end) break
      joined = { begin: Math.min(joined.begin, range.begin), end: Math.max(joined.end, range.end) }
      last += 1
    }
    this.#ranges.splice(first, last - first, joined)
  }

  /** Where the last range ends; 0 when there is none. */
  get end(): number {
    return this.#ranges.at(-1)?.end ?? 0
  }

  /** Bytes of all ranges. */
  get size(): number {
    return this.#ranges.reduce((sum, { begin, end }) => sum + end - begin, 0)
  }

  /** The written parts of a range. */
  within(begin: number, end: number): ByteRange[] {
    const found: ByteRange[] = []
    if (begin >= end) return found
    for (let i = this.#firstEndingFrom(begin + 1); i < this.#ranges.length; i += 1) {
      const range = this.#ranges[i]
      if (range === undefined || range.begin >= end) break
      found.push({ begin: Math.max(begin, range.begin), end: Math.min(end, range.end) })
    }
    return found
  }

  /** The parts of `[0, size)` that have not been written. */
  missing(size: number): ByteRange[] {
    const gaps: ByteRange[] = []
    let end = 0
    for (const range of this.#ranges) {
      if (range.begin > end) gaps.push({ begin: end, end: range.begin })
      end = range.end
    }
    if (end < size) gaps.push({ begin: end, end: size })
    return gaps
  }

  /** The index of the first range that ends at `position` or later. */
  #firstEndingFrom(position: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle]?.end ?? Infinity) < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
