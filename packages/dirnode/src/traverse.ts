import { defaultCrypto } from '@lafs/crypto'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type {
  DirectoryChild,
  IDirectoryNode,
  IFilesystemNode,
  IMonitor,
  IURI,
} from '@lafs/filesystem-interface'
import { createMonitor } from './monitor.ts'
import { compareNames } from './names.ts'
import { VisitedSet } from './visited-set.ts'

/** Directories that are read at one time. */
const READS_MAX = 8

/** So many of the directories that come next are read ahead of their turn. */
const DIRECTORIES_AHEAD_MAX = 64

/** Nothing more is read ahead while so many children wait for their turn. */
const CHILDREN_AHEAD_MAX = 20_000

/** What a walk through a tree is made for. */
export interface TreeWalker<Status> {
  /** Hears of each object once, a directory before what is in it. The path of the root is empty. */
  addNode(node: IFilesystemNode, path: readonly string[]): void | Promise<void>
  /** Hears of a directory's children once they are known, before {@link addNode} hears of them. */
  enterDirectory(
    directory: IDirectoryNode,
    children: ReadonlyMap<string, DirectoryChild>,
  ): void | Promise<void>
  /** How things stand; at the end, the outcome. */
  status(): Status
}

/** A directory that waits for its turn. */
interface PendingDirectory {
  readonly node: IDirectoryNode
  readonly path: readonly string[]
  /** Its children, once somebody has asked for them. */
  listing: Promise<ReadonlyMap<string, DirectoryChild>> | undefined
}

const encoder = new TextEncoder()

/** Marks an object as visited. @returns whether it had not been. */
function visit(visited: VisitedSet, verifyCap: IURI): boolean {
  return visited.add(defaultCrypto.sha256(encoder.encode(verifyCap.format())))
}

/** Reads the directories whose turn is near, the nearest first. */
class ReadAhead {
  /** The last one is the next. */
  readonly pending: PendingDirectory[] = []
  readonly #signal: AbortSignal
  #reads = 0
  #childrenAhead = 0

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** The children of the directory whose turn it is. */
  async childrenOf(directory: PendingDirectory): Promise<ReadonlyMap<string, DirectoryChild>> {
    const listing = directory.listing ?? this.#begin(directory)
    this.#fill()
    const children = await listing
    this.#childrenAhead -= children.size
    return children
  }

  /** Nothing more will be asked for. */
  stop(): void {
    this.pending.length = 0
  }

  #begin(directory: PendingDirectory): Promise<ReadonlyMap<string, DirectoryChild>> {
    this.#reads++
    const listing = this.#read(directory.node)
    // What goes wrong is heard of when its turn comes.
    listing.catch(() => {})
    directory.listing = listing
    return listing
  }

  async #read(directory: IDirectoryNode): Promise<ReadonlyMap<string, DirectoryChild>> {
    try {
      const children = await directory.list({ signal: this.#signal })
      this.#childrenAhead += children.size
      return children
    } finally {
      this.#reads--
      this.#fill()
    }
  }

  #fill(): void {
    const end = Math.max(0, this.pending.length - DIRECTORIES_AHEAD_MAX)
    for (let at = this.pending.length - 1; at >= end; at--) {
      const full = this.#reads >= READS_MAX || this.#childrenAhead >= CHILDREN_AHEAD_MAX
      if (full || this.#signal.aborted) return
      const directory = this.pending[at]
      if (directory !== undefined && directory.listing === undefined) void this.#begin(directory)
    }
  }
}

async function walk<Status>(
  root: IDirectoryNode,
  walker: TreeWalker<Status>,
  monitor: IMonitor<Status>,
  ahead: ReadAhead,
): Promise<void> {
  const visited = new VisitedSet()
  if (root.verifyCap !== undefined) visit(visited, root.verifyCap)
  ahead.pending.push({ node: root, path: [], listing: undefined })
  for (let next = ahead.pending.pop(); next !== undefined; next = ahead.pending.pop()) {
    const { node, path } = next
    monitor.raiseIfCancelled()
    await walker.addNode(node, path)
    const children = await ahead.childrenOf(next)
    monitor.raiseIfCancelled()
    await walker.enterDirectory(node, children)
    const { first, directories } = sortChildren(children, path, visited)
    for (const child of first) {
      monitor.raiseIfCancelled()
      await walker.addNode(child.node, child.path)
    }
    for (const directory of directories.toReversed()) ahead.pending.push(directory)
    monitor.setStatus(walker.status())
  }
}

/**
 * The children that have not been visited: those that are no directories in the order in which they
 * are told, unknown ones first, and the directories. All are marked as visited.
 */
function sortChildren(
  children: ReadonlyMap<string, DirectoryChild>,
  parentPath: readonly string[],
  visited: VisitedSet,
): {
  first: { readonly node: IFilesystemNode; readonly path: readonly string[] }[]
  directories: PendingDirectory[]
} {
  const unknown = []
  const files = []
  const directories: PendingDirectory[] = []
  for (const [name, { node }] of [...children].toSorted(([a], [b]) => compareNames(a, b))) {
    const path = [...parentPath, name]
    if (node.unknown) {
      unknown.push({ node, path })
      continue
    }
    const { verifyCap } = node
    if (verifyCap !== undefined && !visit(visited, verifyCap)) continue
    if (isDirectoryNode(node)) directories.push({ node, path, listing: undefined })
    else files.push({ node, path })
  }
  return { first: [...unknown, ...files], directories }
}

/**
 * Walks through everything that can be reached from a directory, each stored object once by its
 * verify cap, so that a circle ends; what is stored nowhere (LIT) and what is unknown is told as
 * often as it stands somewhere.
 *
 * The order is upstream's: a directory, then its unknown children, its files and its directories
 * with what is in them, each sorted by name. Several directories are read ahead of their turn.
 * Memory holds a hash of 16 bytes for each object that has been visited (24 to 48 bytes with its place
 * in the set), the directories on the way down that wait for their turn, the listings that were read
 * ahead, and what the walker keeps.
 *
 * @returns at once; the walk ends with the outcome, with `OPERATION_CANCELLED`, or with the first
 *   error of a directory or of the walker.
 * @see allmydata.dirnode.DirectoryNode.deep_traverse
 */
export function deepTraverse<Status>(
  root: IDirectoryNode,
  walker: TreeWalker<Status>,
): IMonitor<Status> {
  const monitor = createMonitor<Status>(root.storageIndex)
  monitor.setStatus(walker.status())
  const ahead = new ReadAhead(monitor.signal)
  // The walker may ask for the monitor.
  void Promise.resolve()
    .then(() => walk(root, walker, monitor, ahead))
    .then(
      () => monitor.finish(walker.status()),
      (error: unknown) => {
        ahead.stop()
        monitor.fail(error)
      },
    )
  return monitor
}
