import { recycleMemory } from '@lafs/crypto'
import type { RemoteShare, Run } from './remote-share.ts'

/** A checked block, in memory that it shares with others of its run. */
export interface Block {
  readonly bytes: Uint8Array
  /** To be called once nobody looks at the bytes any more, if anybody comes to know. */
  readonly release: () => void
}

/**
 * Fetches the blocks of one share for one read, several that follow one another in one request. The
 * requests grow from one block to the limit, so that the first segment comes soon.
 */
export class BlockRuns {
  readonly #share: RemoteShare
  readonly #lastSegment: number
  readonly #countMax: number
  #nextCount = 1
  readonly #blocks = new Map<number, Promise<Block | undefined>>()

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
  async take(segment: number): Promise<Block | undefined> {
    const block = this.#blocks.get(segment) ?? this.#start(segment)
    this.#blocks.delete(segment)
    return block
  }

  #start(first: number): Promise<Block | undefined> {
    let count = 1
    const wanted = this.#nextCount
    const fits = (segment: number): boolean =>
      segment <= this.#lastSegment &&
      !this.#blocks.has(segment) &&
      this.#share.sameWindow(first, segment)
    while (count < wanted && fits(first + count)) count += 1
    this.#nextCount = Math.min(wanted * 2, this.#countMax)
    const run = this.#share.getBlocks(first, count).then(asBlocks)
    for (let index = 1; index < count; index++) {
      const block = run.then((blocks) => blocks[index])
      block.catch(() => {})
      this.#blocks.set(first + index, block)
    }
    return run.then(([block]) => block)
  }
}

/** The blocks of a run, whose memory goes back with the last of them: never, where one is damaged. */
function asBlocks({ blocks, memory }: Run): (Block | undefined)[] {
  let users = blocks.length
  const release = (): void => {
    users -= 1
    if (users === 0 && memory !== undefined) recycleMemory(memory)
  }
  return blocks.map((bytes) => bytes && { bytes, release })
}
