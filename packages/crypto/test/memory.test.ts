import { recycleMemory, takeMemory } from '@lafs/crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const MB = 1024 * 1024

describe('memory that is used again', () => {
  it('has the size that was asked for', () => {
    for (const size of [0, 1, 1000, 65_535, 65_536, MB, 3 * MB + 1]) {
      const memory = takeMemory(size)
      expect(memory.length).toBe(size)
      recycleMemory(memory)
    }
  })

  it('is that which was given back', () => {
    const first = takeMemory(MB)
    recycleMemory(first.subarray(10, 20))
    expect(takeMemory(MB - 5).buffer).toBe(first.buffer)
  })

  it('is lent once, however often it is given back', () => {
    const first = takeMemory(5 * MB)
    recycleMemory(first)
    recycleMemory(first)
    const [second, third] = [takeMemory(5 * MB), takeMemory(5 * MB)]
    expect(second.buffer).not.toBe(third.buffer)
  })

  it('is not much larger than what was asked for', () => {
    recycleMemory(takeMemory(8 * MB))
    expect(takeMemory(MB).buffer.byteLength).toBeLessThanOrEqual(2 * MB)
  })

  it('is never that of others', () => {
    const own = new Uint8Array(2 * MB)
    recycleMemory(own)
    expect(takeMemory(2 * MB).buffer).not.toBe(own.buffer)
  })

  it('never lends the same bytes to two', () => {
    const size = fc.integer({ min: 60_000, max: 4 * MB })
    const step = fc.oneof(fc.record({ take: size }), fc.record({ give: fc.nat({ max: 30 }) }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const held: Uint8Array[] = []
        for (const one of steps) {
          if ('take' in one) held.push(takeMemory(one.take))
          else for (const memory of held.splice(one.give, 1)) recycleMemory(memory)
          expect(new Set(held.map(({ buffer }) => buffer)).size).toBe(held.length)
        }
        held.forEach(recycleMemory)
      }),
      { seed: 7, numRuns: 50 },
    )
  })
})
