import type { RemoteShare } from './remote-share.ts'

/**
 * Fetches the blocks of one share for one read, several that follow one another in one request. The
 * requests grow from one block to the limit, so that the first segment comes soon.
 */
export class BlockRuns {
  readonly #share: RemoteShare
  readonly #lastSegment: number
  readonly #countMax: number
  #nextCount = 1
  readonly #blocks = new Map<number, Promise<Uint8Array | undefined>>()

  /**
   * @param lastSegment - the last one that the read wants.
   * @param countMax - the most blocks of one request.
   */
  constructor(share: RemoteShare, lastSegment: number, countMax: number) {
    this.#share = share
    this.#lastSegment = lastSegment
    this.#countMax = countMax
  }

  /** Whether this block has been asked for already. */
  has(segment: number): boolean {
    return this.#blocks.has(segment)
  }

  /** One block, once; undefined where it is damaged. */
  async take(segment: number): Promise<Uint8Array | undefined> {
    const block = this.#blocks.get(segment) ?? this.#start(segment)
    this.#blocks.delete(segment)
    return block
  }

  #start(first: number): Promise<Uint8Array | undefined> {
    let count = 1
    const wanted = this.#nextCount
    const fits = (segment: number): boolean =>
      segment <= this.#lastSegment &&
      !this.#blocks.has(segment) &&
      this.#share.sameWindow(first, segment)
    while (count < wanted && fits(first + count)) count += 1
    this.#nextCount = Math.min(wanted * 2, this.#countMax)
    const run = this.#share.getBlocks(first, count)
    for (let index = 1; index < count; index++) {
      const block = run.then((blocks) => blocks[index])
      block.catch(() => {})
      this.#blocks.set(first + index, block)
    }
    return run.then(([block]) => block)
  }
}
