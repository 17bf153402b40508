import { defaultCrypto, emptyLeafHash, pairHash, type CryptoProvider } from '@lafs/crypto'
import { assertIndex, paddedLeafCount, siblingChain } from './nodes.ts'

/**
 * A complete binary hash tree over some leaves.
 *
 * Nodes are numbered row by row from the root, 0; the children of node `i` are `2i + 1` and
 * `2i + 2`. The bottom row is filled up to a power of two with hashes of their leaf index.
 *
 * @see allmydata.hashtree.HashTree; docs/spec/hash-tree.md
 */
export class HashTree {
  /** Every node, root first; one less than twice the next power of two of `leafCount`. */
  readonly nodes: readonly Uint8Array[]
  /** How many leaves it was made from, without those that fill it up. */
  readonly leafCount: number

  /**
   * @param leaves - 32 bytes each; kept, so they must not be changed later. No leaves make the tree
   *   of one empty leaf.
   */
  constructor(leaves: readonly Uint8Array[], crypto: CryptoProvider = defaultCrypto) {
    const padded = paddedLeafCount(leaves.length)
    let row = [...leaves]
    for (let index = leaves.length; index < padded; index++) row.push(emptyLeafHash(index, crypto))
    const rows = [row]
    while (row.length > 1) {
      const above: Uint8Array[] = []
      for (let index = 0; index < row.length; index += 2) {
        const [left, right] = [row[index], row[index + 1]]
        if (left !== undefined && right !== undefined) above.push(pairHash(left, right, crypto))
      }
      rows.push(above)
      row = above
    }
    this.nodes = rows.toReversed().flat()
    this.leafCount = leaves.length
  }

  /** The hash that vouches for all leaves. */
  get root(): Uint8Array {
    return this.#node(0)
  }

  /**
   * The hash of one leaf.
   *
   * @throws {@link HashTreeError} `HASHTREE_BAD_INDEX`.
   */
  leaf(leafIndex: number): Uint8Array {
    return this.#node(this.#nodeOfLeaf(leafIndex))
  }

  /**
   * The nodes that someone needs who has the root and one leaf's data: the siblings on the way up,
   * nearest to the leaf first, and the leaf itself last if asked for. Never the root.
   *
   * @returns node indexes.
   * @throws {@link HashTreeError} `HASHTREE_BAD_INDEX`.
   */
  neededHashes(leafIndex: number, includeLeaf = false): Set<number> {
    const node = this.#nodeOfLeaf(leafIndex)
    const needed = new Set(siblingChain(node))
    return includeLeaf ? needed.add(node) : needed
  }

  #nodeOfLeaf(leafIndex: number): number {
    assertIndex('leaf', leafIndex, this.leafCount)
    return (this.nodes.length >> 1) + leafIndex
  }

  #node(index: number): Uint8Array {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`hash tree: node ${index} is missing`)
    return node
  }
}
