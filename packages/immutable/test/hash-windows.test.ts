import { HashTree, IncompleteHashTree } from '@lafs/hashtree'
import { describe, expect, it } from 'vitest'
import { isSmallTree, windowOf, windowSpans } from '../src/download/hash-windows.ts'

describe('windowSpans', () => {
  it('of a small tree are the whole tree', () => {
    expect(isSmallTree(16_384)).toBe(true)
    expect(windowSpans(3, 0)).toEqual([{ first: 0, count: 7 }])
    expect(windowOf(16_384, 16_383)).toBe(0)
  })

  it('of a large tree suffice to check every leaf of the window, and no more than a few hundred kB', () => {
    const leafCount = 20_000
    const leaves = Array.from({ length: leafCount }, (_, index) => {
      const leaf = new Uint8Array(32)
      new DataView(leaf.buffer).setUint32(0, index)
      return leaf
    })
    const tree = new HashTree(leaves)
    expect(isSmallTree(leafCount)).toBe(false)
    const incomplete = new IncompleteHashTree(leafCount)
    incomplete.setHashes({ hashes: new Map([[0, tree.root]]) })
    for (const window of [3, 0, 4]) {
      const hashes = new Map<number, Uint8Array>()
      for (const { first, count } of windowSpans(leafCount, window)) {
        for (let node = first; node < first + count; node++) {
          const hash = tree.nodes[node]
          if (hash !== undefined) hashes.set(node, hash)
        }
      }
      expect(hashes.size * 32).toBeLessThan(400_000)
      incomplete.setHashes({ hashes })
      const last = Math.min((window + 1) * 4096, leafCount)
      for (let leaf = window * 4096; leaf < last; leaf += 511) {
        expect(windowOf(leafCount, leaf)).toBe(window)
        expect(incomplete.leaf(leaf)).toEqual(leaves[leaf])
      }
    }
  })

  it('of a tree of a million leaves have no node twice and stay within the tree', () => {
    const nodeCount = 2 ** 21 - 1
    const nodes = windowSpans(2 ** 20, 77).flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, index) => first + index),
    )
    expect(new Set(nodes).size).toBe(nodes.length)
    expect(Math.max(...nodes)).toBeLessThan(nodeCount)
  })
})
