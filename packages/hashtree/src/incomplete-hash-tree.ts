import { defaultCrypto, pairHash, type CryptoProvider } from '@lafs/crypto'
import { BadHashError, NotEnoughHashesError } from './errors.ts'
import { assertIndex, levelOf, paddedLeafCount, parentOf, siblingChain } from './nodes.ts'

/** Hashes to add to an {@link IncompleteHashTree}. */
export interface NewHashes {
  /** By node index: 0 is the root. */
  readonly hashes?: ReadonlyMap<number, Uint8Array>
  /** By leaf index. */
  readonly leaves?: ReadonlyMap<number, Uint8Array>
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/**
 * A hash tree that is known in part and takes in only what agrees with what it knows.
 *
 * Give it the root from a source that is trusted first, then hashes and leaves from sources that
 * are not. What it holds afterwards is as good as the root.
 *
 * @see allmydata.hashtree.IncompleteHashTree; docs/spec/hash-tree.md
 */
export class IncompleteHashTree {
  /** How many leaves it has, without those that fill it up. */
  readonly leafCount: number
  /** How many nodes it has, known or not: one less than twice the next power of two of `leafCount`. */
  readonly nodeCount: number
  readonly #crypto: CryptoProvider
  readonly #known = new Map<number, Uint8Array>()

  /** @throws RangeError unless `leafCount` is an integer from 0 to 2^30. */
  constructor(leafCount: number, crypto: CryptoProvider = defaultCrypto) {
    this.leafCount = leafCount
    this.nodeCount = 2 * paddedLeafCount(leafCount) - 1
    this.#crypto = crypto
  }

  /** The root, if it is known. */
  get root(): Uint8Array | undefined {
    return this.#known.get(0)
  }

  /**
   * A node, if it is known; not to be changed.
   *
   * @throws {@link HashTreeError} `HASHTREE_BAD_INDEX`.
   */
  get(nodeIndex: number): Uint8Array | undefined {
    assertIndex('node', nodeIndex, this.nodeCount)
    return this.#known.get(nodeIndex)
  }

  /**
   * A leaf, if it is known; not to be changed.
   *
   * @throws {@link HashTreeError} `HASHTREE_BAD_INDEX`.
   */
  leaf(leafIndex: number): Uint8Array | undefined {
    return this.#known.get(this.#nodeOfLeaf(leafIndex))
  }

  /**
   * The nodes that are still missing to check one leaf: as `HashTree.neededHashes`, less those that
   * are known.
   *
   * @returns node indexes, nearest to the leaf first.
   * @throws {@link HashTreeError} `HASHTREE_BAD_INDEX`.
   */
  neededHashes(leafIndex: number, includeLeaf = false): Set<number> {
    const node = this.#nodeOfLeaf(leafIndex)
    const wanted = siblingChain(node)
    if (includeLeaf) wanted.push(node)
    return new Set(wanted.filter((index) => !this.#known.has(index)))
  }

  /**
   * Adds hashes, and all that follow from them, if each of them can be checked and is right; else
   * adds none.
   *
   * Every new hash but the root is hashed with its sibling, and the result must be the parent's
   * hash, or becomes it and is checked in turn. A root that is given or computed while none is known
   * is taken as it is.
   *
   * @param added - copied where they are kept.
   * @throws {@link BadHashError} `HASHTREE_BAD_HASH`, {@link NotEnoughHashesError}
   *   `HASHTREE_NOT_ENOUGH_HASHES`, {@link HashTreeError} `HASHTREE_BAD_INDEX`.
   * @see allmydata.hashtree.IncompleteHashTree.set_hashes
   */
  setHashes(added: NewHashes): void {
    const fresh = this.#merge(added)
    const levels = Array.from({ length: levelOf(this.nodeCount - 1) }, (): Set<number> => new Set())
    const check = (parent: number): unknown => levels[levelOf(parent)]?.add(parent)
    for (const index of fresh.keys()) if (index > 0) check(parentOf(index))
    for (const level of levels.toReversed()) {
      for (const parent of level) {
        const becameKnown = this.#checkParent(parent, fresh)
        if (becameKnown && parent > 0) check(parentOf(parent))
      }
    }
    for (const [index, hash] of fresh) this.#known.set(index, hash)
  }

  /** What is new of the given hashes, by node index, after a look at those that are given twice. */
  #merge({ hashes = new Map(), leaves = new Map() }: NewHashes): Map<number, Uint8Array> {
    const fresh = new Map<number, Uint8Array>()
    const add = (index: number, hash: Uint8Array): void => {
      const before = this.#known.get(index) ?? fresh.get(index)
      if (before === undefined) fresh.set(index, hash.slice())
      else if (!equal(before, hash)) {
        throw new BadHashError(
          index,
          `hash tree: the new hash of node ${index} of ${this.nodeCount} differs from the one before`,
        )
      }
    }
    for (const [index, hash] of hashes) {
      assertIndex('node', index, this.nodeCount)
      add(index, hash)
    }
    for (const [index, hash] of leaves) add(this.#nodeOfLeaf(index), hash)
    return fresh
  }

  /** Checks a node against its children, both of which must be there; true if it became known by that. */
  #checkParent(parentIndex: number, fresh: Map<number, Uint8Array>): boolean {
    const leftIndex = 2 * parentIndex + 1
    const left = fresh.get(leftIndex) ?? this.#known.get(leftIndex)
    const right = fresh.get(leftIndex + 1) ?? this.#known.get(leftIndex + 1)
    if (left === undefined || right === undefined) {
      const missing = left === undefined ? leftIndex : leftIndex + 1
      throw new NotEnoughHashesError(
        missing,
        `hash tree: node ${missing} of ${this.nodeCount} is needed to check its sibling`,
      )
    }
    const computed = pairHash(left, right, this.#crypto)
    const parent = fresh.get(parentIndex) ?? this.#known.get(parentIndex)
    if (parent === undefined) {
      fresh.set(parentIndex, computed)
      return true
    }
    if (!equal(parent, computed)) {
      throw new BadHashError(
        parentIndex,
        `hash tree: nodes ${leftIndex} and ${leftIndex + 1} do not hash to node ${parentIndex} of ${this.nodeCount}`,
      )
    }
    return false
  }

  #nodeOfLeaf(leafIndex: number): number {
    assertIndex('leaf', leafIndex, this.leafCount)
    return (this.nodeCount >> 1) + leafIndex
  }
}
