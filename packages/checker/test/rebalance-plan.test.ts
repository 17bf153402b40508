import { serversOfHappiness } from '@lafs/immutable'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rebalancingMoves, sharemapAfter } from '../src/rebalance/plan.ts'

type Layout = Record<number, string[]>

interface Question {
  readonly sharemap: Map<number, Set<string>>
  readonly candidateServers: string[]
}

const sharemapOf = (layout: Layout): Map<number, Set<string>> =>
  new Map(Object.entries(layout).map(([share, servers]) => [Number(share), new Set(servers)]))
const copiesOf = (sharemap: ReadonlyMap<number, ReadonlySet<string>>): number[][] =>
  [...sharemap].map(([share, servers]) => [share, servers.size])

/** All layouts that one move leads to. */
function neighbours(layout: Map<number, Set<string>>, candidates: readonly string[]) {
  const found: Map<number, Set<string>>[] = []
  for (const [shareNumber, servers] of layout) {
    for (const from of servers) {
      for (const to of candidates) {
        if (servers.has(to)) continue
        found.push(sharemapAfter(layout, [{ shareNumber, from, to, reason: '' }]))
      }
    }
  }
  return found
}

const keyOf = (layout: Map<number, Set<string>>): string =>
  [...layout].map(([share, servers]) => `${share}:${[...servers].toSorted().join()}`).join(' ')

/** The greatest happiness that moves can reach, and how few of them do: by trying them all. */
function bestByTrying(sharemap: Map<number, Set<string>>, candidates: readonly string[]) {
  let best = { happiness: serversOfHappiness(sharemap), moveCount: 0 }
  const seen = new Set([keyOf(sharemap)])
  let layer = [sharemap]
  for (let moveCount = 1; layer.length > 0; moveCount++) {
    const next: Map<number, Set<string>>[] = []
    for (const layout of layer.flatMap((one) => neighbours(one, candidates))) {
      if (seen.has(keyOf(layout))) continue
      seen.add(keyOf(layout))
      next.push(layout)
      const happiness = serversOfHappiness(layout)
      if (happiness > best.happiness) best = { happiness, moveCount }
    }
    layer = next
  }
  return best
}

function questions(serverCount: number, shareCount: number): fc.Arbitrary<Question> {
  const names = Array.from({ length: serverCount }, (_, index) => `s${index}`)
  return fc.record({
    sharemap: fc
      .uniqueArray(fc.tuple(fc.nat(255), fc.subarray(names, { minLength: 1 })), {
        maxLength: shareCount,
        selector: ([share]) => share,
      })
      .map((entries) => new Map(entries.map(([share, servers]) => [share, new Set(servers)]))),
    candidateServers: fc.shuffledSubarray(names),
  })
}

describe('rebalancingMoves', () => {
  it.each<[string, Layout, string[], string[]]>([
    [
      'moves what is too much to servers that have none',
      { 0: ['a'], 1: ['a'], 2: ['a'] },
      ['a', 'b', 'c'],
      ['1 a>b', '2 a>c'],
    ],
    ['leaves what is spread as it can be', { 0: ['a'], 1: ['b'] }, ['a', 'b', 'c'], []],
    [
      'leaves what is spread as it can be on too few servers',
      { 0: ['a'], 1: ['a'], 2: ['b'] },
      ['a', 'b'],
      [],
    ],
    ['moves nothing without a server that takes shares', { 0: ['a'], 1: ['a'] }, [], []],
    [
      'fills the servers in the order in which they are given',
      { 0: ['a'], 1: ['a'] },
      ['c', 'b', 'a'],
      ['1 a>c'],
    ],
    [
      'prefers servers that hold nothing',
      { 0: ['a', 'c'], 1: ['a', 'd'], 2: ['d', 'c'], 3: ['a'], 4: ['d'] },
      ['a', 'c', 'd', 'e'],
      ['3 a>e'],
    ],
    [
      'takes from the server with the most shares',
      { 0: ['a'], 1: ['a'], 2: ['b'], 3: ['b'], 4: ['b'] },
      ['c'],
      ['3 b>c'],
    ],
    [
      'does not mind that a copy stands elsewhere',
      { 0: ['a', 'b'], 1: ['a', 'b'], 2: ['a', 'b'] },
      ['c'],
      ['2 a>c'],
    ],
    [
      'lets servers that take nothing keep what they can',
      { 0: ['a', 'r'], 1: ['a'], 2: ['a'] },
      ['a'],
      [],
    ],
    [
      'frees a server by leaving its share to one that takes nothing',
      { 0: ['a', 'r'], 1: ['q'], 2: ['q'] },
      ['a'],
      ['2 q>a'],
    ],
    ['knows nothing to do for what is not there', {}, ['a'], []],
  ])('%s', (_, layout, candidateServers, expected) => {
    const moves = rebalancingMoves({ sharemap: sharemapOf(layout), candidateServers })
    expect(moves.map(({ shareNumber, from, to }) => `${shareNumber} ${from}>${to}`)).toEqual(
      expected,
    )
  })

  it('says why', () => {
    const sharemap = sharemapOf({ 0: ['a', 'd'], 1: ['q'], 2: ['q'], 3: ['q'] })
    const moves = rebalancingMoves({ sharemap, candidateServers: ['c', 'd'] })
    expect(moves.map(({ reason }) => reason)).toEqual([
      'its server holds 3 shares of this file, the new one none',
      'its server holds 2 shares of this file, the new one 1 that other servers keep as well',
    ])
  })

  it('reaches the greatest happiness that moves can reach, by the fewest moves', () => {
    const check = ({ sharemap, candidateServers }: Question) => {
      const moves = rebalancingMoves({ sharemap, candidateServers })
      const best = bestByTrying(sharemap, candidateServers)
      expect(serversOfHappiness(sharemapAfter(sharemap, moves))).toBe(best.happiness)
      expect(moves.length).toBe(best.moveCount)
    }
    fc.assert(fc.property(questions(4, 4), check), { seed: 1, numRuns: 60 })
    fc.assert(fc.property(questions(3, 5), check), { seed: 2, numRuns: 60 })
  })

  it('makes one more server happy with each move, whichever of them are made', () => {
    const property = fc.property(
      questions(12, 12),
      fc.infiniteStream(fc.boolean()),
      (question, made) => {
        const { sharemap } = question
        const before = serversOfHappiness(sharemap)
        const moves = rebalancingMoves(question).filter(() => made.next().value)
        expect(serversOfHappiness(sharemapAfter(sharemap, moves))).toBe(before + moves.length)
      },
    )
    fc.assert(property, { seed: 3, numRuns: 300 })
  })

  it('loses no share and makes no copy', () => {
    const property = fc.property(questions(10, 12), (question) => {
      const { sharemap, candidateServers } = question
      const moves = rebalancingMoves(question)
      for (const { shareNumber, from, to } of moves) {
        expect(sharemap.get(shareNumber)?.has(from)).toBe(true)
        expect(sharemap.get(shareNumber)?.has(to)).toBe(false)
        expect(candidateServers).toContain(to)
      }
      expect(new Set(moves.map(({ shareNumber }) => shareNumber)).size).toBe(moves.length)
      expect(copiesOf(sharemapAfter(sharemap, moves))).toEqual(copiesOf(sharemap))
    })
    fc.assert(property, { seed: 4, numRuns: 300 })
  })

  it('decides the same whatever order a map or a set gives', () => {
    const property = fc.property(questions(8, 10), ({ sharemap, candidateServers }) => {
      const turned = new Map(
        [...sharemap]
          .toReversed()
          .map(([share, servers]) => [share, new Set([...servers].toReversed())]),
      )
      expect(rebalancingMoves({ sharemap: turned, candidateServers })).toEqual(
        rebalancingMoves({ sharemap, candidateServers }),
      )
    })
    fc.assert(property, { seed: 5, numRuns: 300 })
  })

  it('has nothing to do after it was done', () => {
    const property = fc.property(questions(10, 12), ({ sharemap, candidateServers }) => {
      const after = sharemapAfter(sharemap, rebalancingMoves({ sharemap, candidateServers }))
      expect(rebalancingMoves({ sharemap: after, candidateServers })).toEqual([])
    })
    fc.assert(property, { seed: 6, numRuns: 300 })
  })
})
