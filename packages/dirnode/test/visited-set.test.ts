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
    for (const hash of hashes) expect(set.add(hash)).toBe(true)
    for (const hash of hashes) expect(set.add(hash)).toBe(false)
    expect(set.size).toBe(hashes.length)
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
          expect(set.add(hash)).toBe(!plain.has(text))
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
    expect(set.add(bytes.subarray(3, 35))).toBe(true)
    expect(set.add(bytes.slice(3, 35))).toBe(false)
  })
})
