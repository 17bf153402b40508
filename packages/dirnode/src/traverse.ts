import { defaultCrypto } from '@lafs/crypto'
import { isDirectoryNode, OperationCancelledError } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { Cancellation, interruptible } from '@lafs/storage-protocol/waiting'
import { Frontier, pathOf } from './frontier.ts'
import type { FoundDirectory, Listing } from './frontier.ts'
import { compareNames } from './names.ts'
import { VisitedSet } from './visited-set.ts'

/** Something that a walk has come to. The path of the root is empty. */
export type TraversalEntry =
  | {
      readonly type: 'object'
      readonly path: readonly string[]
      readonly node: IFilesystemNode
    }
  /** A directory that was told before has been read: its size is known. */
  | {
      readonly type: 'listing'
      readonly path: readonly string[]
      readonly node: IDirectoryNode
      readonly childCount: number
    }
  /** A directory that was told before could not be read. The walk goes on. */
  | {
      readonly type: 'failure'
      readonly path: readonly string[]
      readonly node: IDirectoryNode
      readonly error: unknown
    }

/** Options of {@link traverse}. */
export interface TraverseOptions extends OperationOptions {
  /**
   * Where an earlier walk has stopped: {@link placeInWalk} of the last entry of it that counts. What
   * came before is left out, without reading it, except the directories on the path down. Objects
   * that stand both before and after are told again, and what has been put before in the meantime is
   * not told. Default: the beginning.
   */
  readonly after?: readonly string[] | undefined
}

/**
 * Where in a walk a directory or a file stands, for {@link TraverseOptions.after}: its path, and for a
 * directory an empty name at the end.
 */
export function placeInWalk(path: readonly string[], node: IFilesystemNode): readonly string[] {
  return isDirectoryNode(node) ? [...path, ''] : path
}

/**
 * Walks through everything that can be reached from a directory, each stored object once by its
 * verify cap, so that a circle ends; what is stored nowhere (LIT) and what is unknown is told as
 * often as it stands somewhere.
 *
 * The order is upstream's: a directory, then its unknown children, its files and its directories
 * with what is in them, each sorted by name. Several directories are read ahead of their turn, a
 * bounded number of them while the reader is busy. Memory holds a hash of 16 bytes for each object
 * that has been visited (30 to 60 bytes with its place in the set), and beside it no more than
 * some multiple of the largest directory, and the directories on the way down.
 *
 * Leaving the loop ends the walk.
 *
 * @throws the reason of the signal. A directory that cannot be read is an entry, not an error.
 * @see allmydata.dirnode.DirectoryNode.deep_traverse
 */
export async function* traverse(
  root: IDirectoryNode,
  { signal, after }: TraverseOptions = {},
): AsyncGenerator<TraversalEntry> {
  const cancellation = new Cancellation(signal)
  try {
    yield* interruptible(walk(root, after, cancellation), signal)
  } finally {
    cancellation.dispose()
    cancellation.abort(new OperationCancelledError('the walk has ended'))
  }
}

async function* walk(
  root: IDirectoryNode,
  after: readonly string[] | undefined,
  cancellation: Cancellation,
): AsyncGenerator<TraversalEntry> {
  const visited = new VisitedSet()
  // The root is claimed by no directory, not even by itself.
  let serial = 0
  claim(visited, root, serial)
  const frontier = new Frontier(cancellation)
  frontier.push([{ node: root, name: '', parent: undefined, serial: ++serial, after }])
  for (let next = frontier.pop(); next !== undefined; next = frontier.pop()) {
    const { directory } = next
    const { node, goOnAt } = directory
    const path = pathOf(directory)
    if (goOnAt === undefined) yield { type: 'object', path, node }
    let listing: Listing
    try {
      listing = await next.listing()
    } catch (error) {
      yield { type: 'failure', path, node, error }
      continue
    }
    const numbered = (name: string, child: IDirectoryNode): FoundDirectory => ({
      node: child,
      name,
      parent: directory,
      serial: ++serial,
    })
    if (goOnAt !== undefined) {
      frontier.push(claimedDirectories(listing, directory, goOnAt, visited, numbered))
      continue
    }
    yield { type: 'listing', path, node, childCount: listing.size }
    const { first, directories } = sortChildren(listing, directory, visited, numbered)
    frontier.push(directories)
    for (const [name, child] of first) {
      yield { type: 'object', path: [...path, name], node: child }
    }
  }
}

const encoder = new TextEncoder()

function hashOf(node: IFilesystemNode): Uint8Array | undefined {
  const { verifyCap } = node
  return verifyCap && defaultCrypto.sha256(encoder.encode(verifyCap.format()))
}

/** Marks an object as visited. @returns false if it was, by whomever. */
function claim(visited: VisitedSet, node: IFilesystemNode, by: number): boolean {
  const hash = hashOf(node)
  return hash === undefined || visited.claim(hash, by)
}

function sorted(listing: Listing): [name: string, node: IFilesystemNode][] {
  return [...listing]
    .toSorted(([a], [b]) => compareNames(a, b))
    .map(([name, { node }]) => [name, node])
}

/**
 * The children that have not been visited: those that are no directories in the order in which they
 * are told, unknown ones first, and the directories. All are marked as visited.
 */
function sortChildren(
  listing: Listing,
  { serial, after }: FoundDirectory,
  visited: VisitedSet,
  numbered: (name: string, node: IDirectoryNode) => FoundDirectory,
): { first: (readonly [name: string, node: IFilesystemNode])[]; directories: FoundDirectory[] } {
  const unknown: [string, IFilesystemNode][] = []
  const files: [string, IFilesystemNode][] = []
  const directories: FoundDirectory[] = []
  const [place, ...below] = after ?? ['']
  for (const [name, node] of sorted(listing)) {
    // What comes before the place is left to whoever else holds it.
    if (isBefore(name, node, place ?? '', below.length > 0)) continue
    if (node.unknown) {
      unknown.push([name, node])
      continue
    }
    if (!claim(visited, node, serial)) continue
    if (!isDirectoryNode(node)) files.push([name, node])
    else if (below.length === 0 || name !== place) directories.push(numbered(name, node))
    else directories.push({ ...numbered(name, node), after: below })
  }
  return { first: [...unknown, ...files], directories }
}

/** Whether a child has been told when a walk stops at a file of this name, or inside of a directory. */
function isBefore(
  name: string,
  node: IFilesystemNode,
  place: string,
  insideDirectory: boolean,
): boolean {
  if (isDirectoryNode(node)) return insideDirectory && compareNames(name, place) < 0
  if (insideDirectory) return true
  return place !== '' && (node.unknown || compareNames(name, place) <= 0)
}

/** The directories that were claimed for this one before, and forgotten, from this name on. */
function claimedDirectories(
  listing: Listing,
  { serial }: FoundDirectory,
  goOnAt: string,
  visited: VisitedSet,
  numbered: (name: string, node: IDirectoryNode) => FoundDirectory,
): FoundDirectory[] {
  const seen = new VisitedSet()
  const directories: FoundDirectory[] = []
  for (const [name, node] of sorted(listing)) {
    if (!isDirectoryNode(node)) continue
    const hash = hashOf(node)
    const first = hash === undefined || (visited.isClaimedBy(hash, serial) && seen.claim(hash, 0))
    if (first && compareNames(name, goOnAt) >= 0) directories.push(numbered(name, node))
  }
  return directories
}
