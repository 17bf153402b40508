/**
 * The order in which a share stores the entries of its share hash chain.
 *
 * A reader takes them in any order. Upstream writes them in the order in which CPython walks a set
 * of integers, so that is what the bytes of a share need to be equal to upstream's: the siblings
 * from the leaf to the root are put into an open hash table, then the leaf, and the table is walked.
 *
 * The table has 8 slots, or 32 once 5 are taken (there are 9 entries at most). An integer hashes to
 * itself; a taken slot is followed by up to 9 neighbours where so many are left in the table, and
 * then by a jump to `5 * slot + 1 + perturb`, where `perturb` begins as the number and loses its
 * five lowest bits at each jump.
 *
 * @param totalShares - how many shares the file has, in `[1, 256]`.
 * @param shareNumber - in `[0, totalShares)`.
 * @returns numbers of nodes of the share hash tree, whose root is 0.
 * @see allmydata.hashtree.HashTree.needed_hashes; CPython Objects/setobject.c
 */
export function shareHashOrder(totalShares: number, shareNumber: number): number[] {
  let firstLeaf = 0
  while (firstLeaf + 1 < totalShares) firstLeaf = 2 * firstLeaf + 1
  const leaf = firstLeaf + shareNumber
  const nodes: number[] = []
  for (let node = leaf; node !== 0; node = (node - 1) >> 1) {
    nodes.push(node % 2 === 1 ? node + 1 : node - 1)
  }
  nodes.push(leaf)
  let table: (number | undefined)[] = Array.from({ length: 8 }, () => undefined)
  for (const [index, node] of nodes.entries()) {
    insert(table, node)
    if (index + 1 === 5) table = grown(table)
  }
  return table.filter((node) => node !== undefined)
}

function grown(table: readonly (number | undefined)[]): (number | undefined)[] {
  const larger: (number | undefined)[] = Array.from({ length: 32 }, () => undefined)
  for (const node of table) if (node !== undefined) insert(larger, node)
  return larger
}

function insert(table: (number | undefined)[], node: number): void {
  const mask = table.length - 1
  let perturb = node
  for (let slot = node & mask; ; slot = (slot * 5 + 1 + perturb) & mask) {
    const last = slot + 9 <= mask ? slot + 9 : slot
    for (let at = slot; at <= last; at++) {
      if (table[at] === undefined) {
        table[at] = node
        return
      }
    }
    perturb >>= 5
  }
}
