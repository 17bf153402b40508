// The field axioms, over every element or pair (over every third element too where a law needs one).
import { expect, it } from 'vitest'
import { LOGARITHM, multiply, ORDER, POWER } from '../src/gf256.ts'

const elements = Array.from({ length: 256 }, (_, i) => i)

/** Multiplies the polynomials, then reduces. */
function slow(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit
  for (let bit = 15; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

it('has a generator of order 255', () => {
  expect(new Set(POWER.subarray(0, ORDER)).size).toBe(255)
  expect([...POWER.subarray(0, 9)]).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 0x1d])
  for (const x of elements.slice(1)) expect(POWER[LOGARITHM[x]!]).toBe(x)
})

it('multiplies as polynomials do', () => {
  const wrong = elements.flatMap((a) => elements.filter((b) => multiply(a, b) !== slow(a, b)))
  expect(wrong).toEqual([])
})

it('is commutative, associative and distributive', () => {
  let wrong = 0
  for (const a of elements)
    for (const b of elements) {
      if (multiply(a, b) !== multiply(b, a)) wrong++
      const ab = multiply(a, b)
      for (const c of elements) {
        if (multiply(ab, c) !== multiply(a, multiply(b, c))) wrong++
        if (multiply(a, b ^ c) !== (ab ^ multiply(a, c))) wrong++
      }
    }
  expect(wrong).toBe(0)
})

it('has an identity, and an inverse of everything but zero', () => {
  for (const a of elements) {
    expect(multiply(a, 1)).toBe(a)
    expect(multiply(a, 0)).toBe(0)
    expect(elements.filter((b) => multiply(a, b) === 1)).toHaveLength(a === 0 ? 0 : 1)
  }
})
