import { defaultCrypto } from '@lafs/crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VisitedSet } from '../src/visited-set.ts'

describe('a set of hashes', () => {
  it('grows, and knows each hash again', () => {
    const hashes = Array.from({ length: 5000 }, (_, index) =>
      defaultCrypto.sha256(new TextEncoder().encode(`${index}`)),
    )
    const set = new VisitedSet()
    for (const [by, hash] of hashes.entries()) expect(set.claim(hash, by)).toBe(true)
    for (const hash of hashes) expect(set.claim(hash, 2 ** 32 - 1)).toBe(false)
    expect(set.size).toBe(hashes.length)
    for (const [by, hash] of hashes.entries()) {
      expect([set.isClaimedBy(hash, by), set.isClaimedBy(hash, by + 1)]).toEqual([true, false])
    }
  })

  it('knows nobody of what it does not hold', () => {
    const set = new VisitedSet()
    expect(set.isClaimedBy(new Uint8Array(32).fill(1), 0)).toBe(false)
    set.claim(new Uint8Array(32).fill(1), 2 ** 32 - 1)
    expect(set.isClaimedBy(new Uint8Array(32).fill(1), 2 ** 32 - 1)).toBe(true)
  })

  it('is a set, where hashes fall on one place as well', () => {
    const close = fc
      .tuple(fc.constantFrom(1, 2, 3 * 2 ** 20, 2 ** 31), fc.nat(2), fc.nat(2), fc.nat(2))
      .map((words) => {
        const hash = new Uint8Array(32)
        const view = new DataView(hash.buffer)
        for (const [index, word] of words.entries()) view.setUint32(index * 4, word)
        return hash
      })
    fc.assert(
      fc.property(fc.array(close, { maxLength: 200 }), (hashes) => {
        const set = new VisitedSet()
        const plain = new Set<string>()
        for (const hash of hashes) {
          const text = hash.join(',')
          expect(set.claim(hash, 0)).toBe(!plain.has(text))
          plain.add(text)
        }
        expect(set.size).toBe(plain.size)
      }),
      { seed: 5, numRuns: 200 },
    )
  })

  it('takes hashes that are views', () => {
    const set = new VisitedSet()
    const bytes = Uint8Array.from({ length: 40 }, (_, index) => index)
    expect(set.claim(bytes.subarray(3, 35), 0)).toBe(true)
    expect(set.claim(bytes.slice(3, 35), 0)).toBe(false)
  })
})
