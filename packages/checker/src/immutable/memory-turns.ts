/** Lets works that hold much memory begin as long as all of them together hold no more than so much. */
export class MemoryTurns {
  readonly #most: number
  #held = 0
  #waiting: (() => void)[] = []

  /** @param most - bytes. */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * Does a work once there is room for it; one that is too large, once it is alone.
   *
   * @param size - bytes that it holds.
   */
  async run<T>(size: number, work: () => Promise<T>): Promise<T> {
    while (this.#held > 0 && this.#held + size > this.#most) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    }
    this.#held += size
    try {
      return await work()
    } finally {
      this.#held -= size
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }
}
