import { emptyLeafHash, pairHash } from '@lafs/crypto'
import type { IStorageServer, ReadVector, WriteVector } from '@lafs/storage-interface'

/** A server that holds one share, number 7, and notes what it was asked to read. */
export function slotHolding(share: Uint8Array): {
  readonly server: Pick<IStorageServer, 'slotReadv'>
  readonly requests: (readonly ReadVector[])[]
} {
  const requests: (readonly ReadVector[])[] = []
  const server: Pick<IStorageServer, 'slotReadv'> = {
    slotReadv: async (_, shareNumbers, readVectors) => {
      requests.push(readVectors)
      const read = ({ offset, size }: ReadVector): Uint8Array => share.slice(offset, offset + size)
      return new Map(shareNumbers.includes(7) ? [[7, readVectors.map(read)]] : [])
    },
  }
  return { server, requests }
}

/** The share after these writes, as a server makes it. */
export function written(share: Uint8Array, writes: readonly WriteVector[]): Uint8Array {
  const size = Math.max(share.length, ...writes.map(({ offset, data }) => offset + data.length))
  const bytes = new Uint8Array(size)
  bytes.set(share)
  for (const { offset, data } of writes) bytes.set(data, offset)
  return bytes
}

/** The nodes of a hash tree, root first. */
export function treeOver(leaves: readonly Uint8Array[]): Uint8Array[] {
  let size = 1
  while (size < leaves.length) size *= 2
  let row = Array.from({ length: size }, (_, index) => leaves[index] ?? emptyLeafHash(index))
  let nodes = row
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, index) =>
      pairHash(row[2 * index] ?? new Uint8Array(), row[2 * index + 1] ?? new Uint8Array()),
    )
    nodes = [...row, ...nodes]
  }
  return nodes
}

/** The siblings on the way from a leaf to the root, by their numbers. */
export function chainFor(tree: readonly Uint8Array[], leaf: number): Map<number, Uint8Array> {
  const chain = new Map<number, Uint8Array>()
  for (let node = (tree.length - 1) / 2 + leaf; node > 0; node = (node - 1) >> 1) {
    const sibling = node % 2 === 1 ? node + 1 : node - 1
    chain.set(sibling, tree[sibling] ?? new Uint8Array())
  }
  return chain
}
