import { loadVectors } from '@lafs/vectors'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  calculateHappiness,
  failureMessage,
  serversOfHappiness,
  sharePlacement,
} from '../src/happiness.ts'

interface Placements {
  cases: {
    peers: string[]
    readonly: string[]
    shares: number
    held: [string, number[]][]
    placement: [number, string][]
    happiness: number
  }[]
}
interface Happiness {
  cases: { shareMap: [number, string[]][]; happiness: number }[]
}
interface Messages {
  cases: { arguments: [number, number, number, number]; message: string }[]
}

const placements = await loadVectors<Placements>('happiness/placement')
const happiness = await loadVectors<Happiness>('happiness/happiness')
const messages = await loadVectors<Messages>('happiness/messages')

describe('sharePlacement', () => {
  it('places the shares of every recorded grid where upstream does', () => {
    for (const recorded of placements.cases) {
      const answer = sharePlacement({
        peers: recorded.peers,
        readonlyPeers: recorded.readonly,
        shareNumbers: Array.from({ length: recorded.shares }, (_, share) => share),
        peersToShares: new Map(recorded.held.map(([peer, shares]) => [peer, new Set(shares)])),
      })
      expect([...answer].toSorted(([a], [b]) => a - b)).toEqual(recorded.placement)
      expect(calculateHappiness(answer)).toBe(recorded.happiness)
    }
  })

  it('uses as many fresh servers as there are, and places every share once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 256 }), (m, n) => {
        const answer = sharePlacement({
          peers: Array.from({ length: m }, (_, i) => `s${i}`),
          readonlyPeers: [],
          shareNumbers: Array.from({ length: n }, (_, i) => i),
          peersToShares: new Map(),
        })
        expect(answer.size).toBe(n)
        expect(calculateHappiness(answer)).toBe(Math.min(m, n))
      }),
      { seed: 7, numRuns: 50 },
    )
  })
})

describe('serversOfHappiness', () => {
  it('counts what upstream counts', () => {
    for (const recorded of happiness.cases) {
      const shareMap = new Map(recorded.shareMap.map(([share, ids]) => [share, new Set(ids)]))
      expect(serversOfHappiness(shareMap)).toBe(recorded.happiness)
    }
  })

  it('is bounded by shares and servers, and never falls when a share is added', () => {
    const maps = fc.array(fc.tuple(fc.nat(12), fc.nat(8)), { maxLength: 40 })
    fc.assert(
      fc.property(maps, fc.nat(12), fc.nat(8), (pairs, share, server) => {
        const shareMap = new Map<number, Set<string>>()
        const add = (number: number, id: number): void => {
          shareMap.set(number, (shareMap.get(number) ?? new Set()).add(`s${id}`))
        }
        for (const [number, id] of pairs) add(number, id)
        const before = serversOfHappiness(shareMap)
        const servers = new Set([...shareMap.values()].flatMap((ids) => [...ids]))
        expect(before).toBeLessThanOrEqual(Math.min(shareMap.size, servers.size))
        add(share, server)
        const after = serversOfHappiness(shareMap)
        expect(after - before === 0 || after - before === 1).toBe(true)
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})

describe('failureMessage', () => {
  it.each(messages.cases)('says what upstream says for $arguments', (recorded) => {
    const [peerCount, requiredShares, happyShares, effective] = recorded.arguments
    expect(failureMessage({ peerCount, requiredShares, happyShares, happiness: effective })).toBe(
      recorded.message,
    )
  })
})
