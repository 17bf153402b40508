import { placeMissingShares, serversOfHappiness } from '@lafs/immutable'
import type { MissingSharesQuestion, ShareMap } from '@lafs/immutable'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const everywhere = (): boolean => true

/** What a placement makes of a share map. */
function after(shareMap: MissingSharesQuestion['shareMap'], placed: Map<number, string>): ShareMap {
  const all: ShareMap = new Map([...shareMap].map(([share, peers]) => [share, new Set(peers)]))
  for (const [share, peer] of placed) all.set(share, new Set([peer]))
  return all
}

/** The most servers of happiness that any placement gives. */
function best(question: MissingSharesQuestion): number {
  const peers = [...question.peers]
  const place = ([share, ...others]: number[], placed: Map<number, string>): number => {
    if (share === undefined) return serversOfHappiness(after(question.shareMap, placed))
    const homes = peers.filter((peer) => question.allowed(peer, share))
    const outcomes = homes.map((peer) => place(others, new Map([...placed, [share, peer]])))
    return Math.max(place(others, placed), ...outcomes)
  }
  return place([...question.missingShares], new Map())
}

describe('placeMissingShares', () => {
  it.each<readonly [string, Omit<MissingSharesQuestion, 'allowed'>, Record<number, string>]>([
    ['nothing', { peers: ['a'], missingShares: [], shareMap: new Map() }, {}],
    ['a share without servers', { peers: [], missingShares: [0], shareMap: new Map() }, {}],
    [
      'shares on servers in order',
      { peers: ['a', 'b', 'c'], missingShares: [1, 0], shareMap: new Map() },
      { 0: 'a', 1: 'b' },
    ],
    [
      'shares on servers that hold nothing first',
      {
        peers: ['a', 'b', 'c'],
        missingShares: [2],
        shareMap: new Map([
          [0, new Set(['a'])],
          [1, new Set(['a', 'b'])],
        ]),
      },
      { 2: 'c' },
    ],
    [
      'a share on the server that another one can spare',
      {
        peers: ['a', 'b'],
        missingShares: [1],
        shareMap: new Map([[0, new Set(['a', 'b'])]]),
      },
      { 1: 'b' },
    ],
    [
      'what makes nobody happier on the least laden server',
      {
        peers: ['a', 'b'],
        missingShares: [3, 4, 5],
        shareMap: new Map([
          [0, new Set(['a'])],
          [1, new Set(['a'])],
          [2, new Set(['b'])],
        ]),
      },
      { 3: 'b', 4: 'a', 5: 'b' },
    ],
  ])('places %s', (_, question, expected) => {
    const placed = placeMissingShares({ ...question, allowed: everywhere })
    expect(Object.fromEntries(placed)).toEqual(expected)
  })

  it('puts no share where it is not allowed, and finds the way around that', () => {
    const placed = placeMissingShares({
      peers: ['a', 'b'],
      missingShares: [0, 1],
      shareMap: new Map(),
      allowed: (peer, share) => share === 0 || peer === 'a',
    })
    expect(Object.fromEntries(placed)).toEqual({ 0: 'b', 1: 'a' })
  })

  it('makes as many servers happy as can be, and places all that can be placed', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const peers = fc.subarray(names)
    const shareMap = fc
      .array(fc.subarray(names, { minLength: 1 }), { minLength: 0, maxLength: 4 })
      .map((lists) => new Map(lists.map((list, share) => [share, new Set(list)])))
    const forbidden = fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(3)), { maxLength: 8 })
    fc.assert(
      fc.property(peers, shareMap, fc.nat(4), forbidden, (takers, held, count, pairs) => {
        const missingShares = Array.from({ length: count }, (_, index) => held.size + index)
        const allowed = (peer: string, share: number): boolean =>
          !pairs.some(([other, index]) => other === peer && held.size + index === share)
        const question = { peers: takers, missingShares, shareMap: held, allowed }
        const placed = placeMissingShares(question)
        for (const [share, peer] of placed) {
          expect(missingShares).toContain(share)
          expect(takers).toContain(peer)
          expect(allowed(peer, share)).toBe(true)
        }
        const homeless = missingShares.filter((share) => !placed.has(share))
        expect(homeless.some((share) => takers.some((peer) => allowed(peer, share)))).toBe(false)
        expect(serversOfHappiness(after(held, placed))).toBe(best(question))
      }),
      { seed: 4, numRuns: 300 },
    )
  })
})
