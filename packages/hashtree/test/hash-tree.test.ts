import { portableCrypto } from '@lafs/crypto/portable'
import { HashTree, HashTreeError } from '@lafs/hashtree'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numberedLeaves, type TreeVectors } from './leaves.ts'

const vectors = await loadVectors<TreeVectors>('hashtree/trees')

const ascending = (indexes: Iterable<number>): number[] =>
  Array.from(indexes).toSorted((a, b) => a - b)

describe('HashTree', () => {
  it.each(vectors.trees)('has the nodes of upstream: $leaves.length leaves', (vector) => {
    const leaves = vector.leaves.map(fromHex)
    for (const tree of [new HashTree(leaves), new HashTree(leaves, portableCrypto)]) {
      expect(tree.nodes.map(toHex)).toEqual(vector.nodes)
      expect(toHex(tree.root)).toBe(vector.nodes[0])
      expect(tree.leafCount).toBe(leaves.length)
      expect(leaves.map((_, index) => tree.leaf(index))).toEqual(leaves)
    }
  })

  it.each(vectors.trees)(
    'needs the hashes that upstream needs: $leaves.length leaves',
    (vector) => {
      const tree = new HashTree(vector.leaves.map(fromHex))
      const ours = vector.needed.map(({ leaf }) => ({
        leaf,
        needed: ascending(tree.neededHashes(leaf)),
        withLeaf: ascending(tree.neededHashes(leaf, true)),
      }))
      expect(ours).toEqual(vector.needed)
    },
  )

  it.each(vectors.roots)('has the root of upstream: $leafCount leaves', ({ leafCount, root }) => {
    expect(toHex(new HashTree(numberedLeaves(leafCount)).root)).toBe(root)
  })

  it('lists needed hashes from the bottom up', () => {
    expect([...new HashTree(numberedLeaves(8)).neededHashes(2, true)]).toEqual([10, 3, 2, 9])
  })

  it('takes a hundred thousand leaves', () => {
    const leaf = new Uint8Array(32)
    const tree = new HashTree(Array.from({ length: 100_000 }, () => leaf))
    expect(tree.nodes).toHaveLength(2 * 131_072 - 1)
    expect(tree.neededHashes(99_999).size).toBe(17)
  })

  it('has another root when any bit of any leaf is another', () => {
    const leaves = numberedLeaves(11)
    const { root } = new HashTree(leaves)
    fc.assert(
      fc.property(fc.nat(10), fc.nat(255), (leaf, bit) => {
        const changed = leaves.map((bytes) => bytes.slice())
        const bytes = changed[leaf] ?? new Uint8Array(32)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(new HashTree(changed).root).not.toEqual(root)
      }),
      { seed: 11, numRuns: 200 },
    )
  })

  it.each([-1, 5, 7, 8, 0.5, Number.NaN])('refuses the leaf index %d of 5', (index) => {
    const tree = new HashTree(numberedLeaves(5))
    const refusal = expect.objectContaining({ code: 'HASHTREE_BAD_INDEX' })
    expect(() => tree.leaf(index)).toThrow(refusal)
    expect(() => tree.neededHashes(index)).toThrow(HashTreeError)
  })
})
