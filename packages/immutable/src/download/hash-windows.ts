import { hashTreeNodeCount } from '@lafs/storage-protocol/layout'

/** A tree of up to this many nodes (1 MiB of hashes) is fetched whole. */
const WHOLE_TREE_NODES = 32_767
/** Leaves of one window of a larger tree; a power of two. */
const WINDOW_LEAVES = 4096
const WINDOW_LEVELS = 12
/** Levels from the root on that are fetched whole with every window: 32 KiB. */
const TOP_LEVELS = 10

/** Nodes that follow one another: from `first` on, `count` of them. */
export interface NodeSpan {
  readonly first: number
  readonly count: number
}

/** Whether the whole tree over so many leaves is fetched at once. */
export function isSmallTree(leafCount: number): boolean {
  return hashTreeNodeCount(leafCount) <= WHOLE_TREE_NODES
}

/** The window of a tree that a leaf belongs to; a small tree is one window. */
export function windowOf(leafCount: number, leaf: number): number {
  return isSmallTree(leafCount) ? 0 : Math.floor(leaf / WINDOW_LEAVES)
}

/**
 * The nodes to fetch so that every leaf of a window can be checked up to the root: the subtree over
 * the window, the top of the tree, and the pairs on the way between them.
 */
export function windowSpans(leafCount: number, window: number): NodeSpan[] {
  const nodeCount = hashTreeNodeCount(leafCount)
  if (isSmallTree(leafCount)) return [{ first: 0, count: nodeCount }]
  const rootLevel = Math.log2(nodeCount + 1) - 1 - WINDOW_LEVELS
  const topLevels = Math.min(rootLevel + 1, TOP_LEVELS)
  const spans: NodeSpan[] = [{ first: 0, count: 2 ** topLevels - 1 }]
  for (let level = topLevels; level <= rootLevel; level++) {
    const ancestor = Math.floor(window / 2 ** (rootLevel - level))
    spans.push({ first: 2 ** level - 1 + ancestor - (ancestor % 2), count: 2 })
  }
  for (let depth = 1; depth <= WINDOW_LEVELS; depth++) {
    const width = 2 ** depth
    spans.push({ first: 2 ** (rootLevel + depth) - 1 + window * width, count: width })
  }
  return spans
}
