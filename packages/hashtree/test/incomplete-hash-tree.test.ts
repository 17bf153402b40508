import { portableCrypto } from '@lafs/crypto/portable'
import { HashTree, HashTreeError, IncompleteHashTree, isHashTreeError } from '@lafs/hashtree'
import { fromHex, loadVectors } from '@lafs/vectors'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numberedLeaves, type TreeVectors } from './leaves.ts'

const vectors = await loadVectors<TreeVectors>('hashtree/trees')

const seed = 7

type NewHashes = Parameters<IncompleteHashTree['setHashes']>[0]

function entry([index, hex]: [number, string]): [number, Uint8Array] {
  return [index, fromHex(hex)]
}

/** `ok`, or the name of the error. */
function verdictOf(tree: IncompleteHashTree, added: NewHashes): string {
  try {
    tree.setHashes(added)
    return 'ok'
  } catch (error) {
    if (isHashTreeError(error)) return error.name
    throw error
  }
}

function knownNodes(tree: IncompleteHashTree): number[] {
  const indexes = Array.from({ length: tree.nodeCount }, (_, index) => index)
  return indexes.filter((index) => tree.get(index) !== undefined)
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
}

/** The chain that vouches for a leaf, by node index. */
function chainOf(tree: HashTree, indexes: Iterable<number>): Map<number, Uint8Array> {
  return new Map(Array.from(indexes, (index) => [index, tree.nodes[index] ?? new Uint8Array(0)]))
}

function rooted(whole: HashTree): IncompleteHashTree {
  const tree = new IncompleteHashTree(whole.leafCount)
  tree.setHashes({ hashes: new Map([[0, whole.root]]) })
  return tree
}

describe('IncompleteHashTree', () => {
  it.each(vectors.scenarios)('fills as upstream does: $leafCount leaves', (vector) => {
    for (const crypto of [undefined, portableCrypto]) {
      const tree = new IncompleteHashTree(vector.leafCount, crypto)
      const ours = vector.steps.map(({ hashes, leaves }) => {
        const added = { hashes: new Map(hashes.map(entry)), leaves: new Map(leaves.map(entry)) }
        return { hashes, leaves, verdict: verdictOf(tree, added), known: knownNodes(tree) }
      })
      expect(ours).toEqual(vector.steps)
    }
  })

  it('takes every leaf in any order, and needs less and less', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.infiniteStream(fc.nat()), (count, random) => {
        const whole = new HashTree(numberedLeaves(count))
        const tree = rooted(whole)
        const order = Array.from({ length: count }, (_, leaf) => ({
          leaf,
          key: Number(random.next().value),
        })).toSorted((a, b) => a.key - b.key)
        for (const { leaf } of order) {
          const needed = tree.neededHashes(leaf)
          const leaves = new Map([[leaf, whole.leaf(leaf)]])
          tree.setHashes({ hashes: chainOf(whole, needed), leaves })
          expect(tree.leaf(leaf)).toEqual(whole.leaf(leaf))
          expect(tree.neededHashes(leaf, true).size).toBe(0)
        }
        for (const index of knownNodes(tree)) expect(tree.get(index)).toEqual(whole.nodes[index])
      }),
      { seed, numRuns: 50 },
    )
  })

  it('detects any flipped bit in a leaf or a hash, and then is as before', () => {
    const whole = new HashTree(numberedLeaves(13))
    fc.assert(
      fc.property(fc.nat(12), fc.nat(4), fc.nat(255), (leaf, which, bit) => {
        const tree = rooted(whole)
        const hashes = chainOf(whole, tree.neededHashes(leaf))
        const leaves = new Map([[leaf, whole.leaf(leaf)]])
        const [index, hash] = [...hashes][which] ?? []
        if (index === undefined || hash === undefined) {
          leaves.set(leaf, flipped(whole.leaf(leaf), bit))
        } else {
          hashes.set(index, flipped(hash, bit))
        }
        expect(verdictOf(tree, { hashes, leaves })).toBe('BadHashError')
        expect(knownNodes(tree)).toEqual([0])
      }),
      { seed, numRuns: 300 },
    )
  })

  it('misses any hash that is left out, and then is as before', () => {
    const whole = new HashTree(numberedLeaves(13))
    for (let leaf = 0; leaf < 13; leaf++) {
      const needed = rooted(whole).neededHashes(leaf)
      for (const missing of needed) {
        const tree = rooted(whole)
        const hashes = chainOf(whole, needed)
        hashes.delete(missing)
        const leaves = new Map([[leaf, whole.leaf(leaf)]])
        expect(verdictOf(tree, { hashes, leaves })).toBe('NotEnoughHashesError')
        expect(knownNodes(tree)).toEqual([0])
      }
    }
  })

  it('computes the root where none is known, and takes all nodes at once', () => {
    const whole = new HashTree(numberedLeaves(5))
    const fromLeaves = new IncompleteHashTree(8)
    fromLeaves.setHashes({ leaves: new Map(whole.nodes.slice(7).entries()) })
    expect(fromLeaves.root).toEqual(whole.root)
    const fromNodes = rooted(whole)
    fromNodes.setHashes({ hashes: new Map(whole.nodes.entries()) })
    expect(knownNodes(fromNodes)).toHaveLength(15)
  })

  it('keeps copies', () => {
    const whole = new HashTree(numberedLeaves(1))
    const root = whole.root.slice()
    const tree = new IncompleteHashTree(1)
    tree.setHashes({ hashes: new Map([[0, root]]) })
    root.fill(0)
    expect(tree.root).toEqual(whole.root)
  })

  it('names the node that is wrong or missing', () => {
    const whole = new HashTree(numberedLeaves(2))
    const leaf = new Map([[0, whole.leaf(0)]])
    expect(() => rooted(whole).setHashes({ leaves: leaf })).toThrow(
      expect.objectContaining({ code: 'HASHTREE_NOT_ENOUGH_HASHES', nodeIndex: 2 }),
    )
    const wrong = new Map([[2, whole.leaf(0)]])
    expect(() => rooted(whole).setHashes({ leaves: leaf, hashes: wrong })).toThrow(
      expect.objectContaining({ code: 'HASHTREE_BAD_HASH', nodeIndex: 0 }),
    )
  })

  it.each([-1, 5, 7, 0.5, Number.NaN])('refuses the leaf index %d of 5', (index) => {
    const tree = rooted(new HashTree(numberedLeaves(5)))
    const leaves = new Map([[index, new Uint8Array(32)]])
    expect(() => tree.setHashes({ leaves })).toThrow(HashTreeError)
    expect(() => tree.leaf(index)).toThrow(HashTreeError)
    expect(() => tree.neededHashes(index)).toThrow(HashTreeError)
    expect(knownNodes(tree)).toEqual([0])
  })

  it.each([-1, 15, 0.5, Number.NaN])('refuses the node index %d of 15', (index) => {
    const whole = new HashTree(numberedLeaves(5))
    const tree = rooted(whole)
    const hashes = chainOf(whole, [1, 2])
    hashes.set(index, new Uint8Array(32))
    const refusal = expect.objectContaining({ code: 'HASHTREE_BAD_INDEX' })
    expect(() => tree.setHashes({ hashes })).toThrow(refusal)
    expect(() => tree.get(index)).toThrow(refusal)
    expect(knownNodes(tree)).toEqual([0])
  })

  it.each([-1, 0.5, 2 ** 30 + 1, Number.NaN])('refuses %d leaves', (count) => {
    expect(() => new IncompleteHashTree(count)).toThrow(RangeError)
  })

  it('costs nothing for leaves that nobody asks for', () => {
    const tree = new IncompleteHashTree(2 ** 30)
    expect(tree.nodeCount).toBe(2 ** 31 - 1)
    expect(tree.neededHashes(2 ** 30 - 1).size).toBe(30)
  })
})
