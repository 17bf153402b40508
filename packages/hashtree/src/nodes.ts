import { HashTreeError } from './errors.ts'

/** Every node index stays below 2^31. */
const LEAF_COUNT_MAX = 2 ** 30

/**
 * How many leaves a tree over `leafCount` leaves has once it is filled up: the next power of two,
 * at least 1. It has twice as many nodes, less one.
 *
 * @throws RangeError unless `leafCount` is an integer from 0 to 2^30.
 */
export function paddedLeafCount(leafCount: number): number {
  if (!Number.isInteger(leafCount) || leafCount < 0 || leafCount > LEAF_COUNT_MAX) {
    throw new RangeError(
      `hash tree: expected a leaf count from 0 to ${LEAF_COUNT_MAX}, got ${leafCount}`,
    )
  }
  let padded = 1
  while (padded < leafCount) padded *= 2
  return padded
}

/** The node above `index`, which is not the root. */
export function parentOf(index: number): number {
  return (index - 1) >> 1
}

/** The node that has the same parent as `index`, which is not the root. */
function siblingOf(index: number): number {
  return index % 2 === 1 ? index + 1 : index - 1
}

/** The level of a node: 0 for the root. */
export function levelOf(index: number): number {
  return 31 - Math.clz32(index + 1)
}

/** Refuses an index of no leaf or node; `what` names it in the message. */
export function assertIndex(what: 'leaf' | 'node', index: number, count: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new HashTreeError(
      'HASHTREE_BAD_INDEX',
      `hash tree: expected a ${what} index below ${count}, got ${index}`,
    )
  }
}

/** The siblings of a node and of its ancestors, from the bottom up: what the root is computed from. */
export function siblingChain(index: number): number[] {
  const chain: number[] = []
  for (let here = index; here > 0; here = parentOf(here)) chain.push(siblingOf(here))
  return chain
}
