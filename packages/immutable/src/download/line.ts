/** Smaller answers tell how far away a server is, not how much the line takes. */
const TELLING_SIZE = 64 * 1024

/** What the answers of all servers together tell of the line that they come by. */
export class Line {
  /** Bytes of the answers that have been asked for and are not there. */
  #openSize = 0
  /** Bytes a millisecond of the answer that came the fastest; 0 before any has told. */
  #rate = 0

  /** Counts an answer of up to `size` bytes that is asked for now. @returns what ends that. */
  begin(size: number, nowMs: number): (gotSize: number, endMs: number) => void {
    this.#openSize += size
    return (gotSize, endMs) => {
      this.#openSize -= size
      if (gotSize < TELLING_SIZE) return
      this.#rate = Math.max(this.#rate, gotSize / Math.max(1, endMs - nowMs))
    }
  }

  /** How long all that was asked for may take to come, if nobody keeps us waiting; 0 if that is not known. */
  get busyMs(): number {
    return this.#rate === 0 ? 0 : this.#openSize / this.#rate
  }
}
