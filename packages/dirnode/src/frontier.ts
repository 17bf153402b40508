import type { DirectoryChild, IDirectoryNode } from '@lafs/filesystem-interface'
import type { Cancellation } from '@lafs/storage-protocol/waiting'

/** Directories that are read at one time. */
const READS_MAX = 8

/** So many of the directories that come next are read ahead of their turn. */
const DIRECTORIES_AHEAD_MAX = 64

/** Nothing more is read ahead while so many children wait for their turn. */
const CHILDREN_AHEAD_MAX = 20_000

/** So many directories may wait for their turn, whatever the tree is like. */
const WAITING_MAX = 20_000

/** The children of a directory by their names. */
export type Listing = ReadonlyMap<string, DirectoryChild>

/** A directory that a walk has come to. */
export interface FoundDirectory {
  readonly node: IDirectoryNode
  /** In the directory where it was found; empty for the root, which was found nowhere. */
  readonly name: string
  readonly parent: FoundDirectory | undefined
  /** The number under which it claims what it holds. */
  readonly serial: number
  /**
   * Set where the directory was read before, and those directories in it forgotten that have this
   * name or come after it.
   */
  readonly goOnAt?: string | undefined
  /** Where in it an earlier walk has stopped, for one that goes on. */
  readonly after?: readonly string[] | undefined
}

/** The names that lead from the root to a directory. */
export function pathOf(directory: FoundDirectory): string[] {
  const path: string[] = []
  for (let at = directory; at.parent !== undefined; at = at.parent) path.push(at.name)
  return path.toReversed()
}

/** A directory that waits for its turn. */
interface Waiting {
  readonly directory: FoundDirectory
  /** Its children, once somebody has asked for them. */
  listing: Promise<Listing> | undefined
  /** How many children are known, and count as read ahead. */
  childrenAhead: number
  forgotten: boolean
}

/**
 * The directories that a walk still has to go through. Those whose turn is near are read ahead. When
 * more of them wait than the largest directory seen so far accounts for, the ones whose turn is
 * farthest off are forgotten, and the directory that holds them is read again when it comes to them.
 * So memory is bounded by the largest directory and by the depth, whatever the shape of the tree, and
 * a directory is read again only after others with as many children have been read.
 */
export class Frontier {
  readonly #cancellation: Cancellation
  /** The last one is the next. */
  readonly #waiting: Waiting[] = []
  /** So many of the first ones are there to be read again. */
  #forgotten = 0
  /** Children of the largest directory. */
  #widest = 0
  #reads = 0
  #childrenAhead = 0

  constructor(cancellation: Cancellation) {
    this.#cancellation = cancellation
  }

  /** Adds directories of one listing, which come before all that wait already. */
  push(directories: readonly FoundDirectory[]): void {
    for (let at = directories.length - 1; at >= 0; at--) {
      const directory = directories[at]
      if (directory !== undefined) this.#waiting.push(waiting(directory))
    }
    this.#forgetSome()
    this.#readAhead()
  }

  /** Takes the next directory. @returns it, and its children once they are read; undefined at the end. */
  pop(): { directory: FoundDirectory; listing: () => Promise<Listing> } | undefined {
    const next = this.#waiting.pop()
    if (next === undefined) return undefined
    this.#forgotten = Math.min(this.#forgotten, this.#waiting.length)
    return { directory: next.directory, listing: () => this.#listingOf(next) }
  }

  async #listingOf(next: Waiting): Promise<Listing> {
    const pending = next.listing ?? this.#begin(next)
    this.#readAhead()
    const listing = await pending
    this.#childrenAhead -= next.childrenAhead
    this.#widest = Math.max(this.#widest, listing.size)
    return listing
  }

  #begin(next: Waiting): Promise<Listing> {
    this.#reads++
    const listing = this.#read(next)
    // What goes wrong is heard of when its turn comes.
    listing.catch(() => {})
    next.listing = listing
    return listing
  }

  async #read(next: Waiting): Promise<Listing> {
    try {
      const listing = await this.#cancellation.run((signal) => next.directory.node.list({ signal }))
      if (!next.forgotten) {
        next.childrenAhead = listing.size
        this.#childrenAhead += listing.size
      }
      return listing
    } finally {
      this.#reads--
      this.#readAhead()
    }
  }

  #readAhead(): void {
    const end = Math.max(0, this.#waiting.length - DIRECTORIES_AHEAD_MAX)
    for (let at = this.#waiting.length - 1; at >= end; at--) {
      const full = this.#reads >= READS_MAX || this.#childrenAhead >= CHILDREN_AHEAD_MAX
      if (full || this.#cancellation.signal.aborted) return
      const next = this.#waiting[at]
      if (next !== undefined && next.listing === undefined) void this.#begin(next)
    }
  }

  #forgetSome(): void {
    const most = Math.max(WAITING_MAX, 2 * this.#widest)
    while (this.#waiting.length - this.#forgotten > most) {
      const first = this.#waiting[this.#forgotten]
      const parent = first?.directory.parent
      let end = this.#forgotten
      while (end < this.#waiting.length && this.#waiting[end]?.directory.parent === parent) end++
      const next = this.#waiting[end - 1]
      // Those that were found last are the next.
      if (parent === undefined || next === undefined || end === this.#waiting.length) return
      const again = waiting({ ...parent, after: undefined, goOnAt: next.directory.name })
      const forgotten = this.#waiting.splice(this.#forgotten, end - this.#forgotten, again)
      for (const one of forgotten) {
        one.forgotten = true
        this.#childrenAhead -= one.childrenAhead
      }
      this.#forgotten++
    }
  }
}

function waiting(directory: FoundDirectory): Waiting {
  return { directory, listing: undefined, childrenAhead: 0, forgotten: false }
}
