import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WrittenRanges } from '../src/ranges.ts'

const size = 60
const range = fc
  .tuple(fc.nat({ max: size }), fc.nat({ max: size }))
  .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)])

/** The runs of a value in a row of flags. */
function runs(flags: readonly boolean[], value: boolean): { begin: number; end: number }[] {
  const found: { begin: number; end: number }[] = []
  for (const [i, flag] of flags.entries()) {
    const last = found.at(-1)
    if (flag !== value) continue
    if (last?.end === i) last.end = i + 1
    else found.push({ begin: i, end: i + 1 })
  }
  return found
}

describe('the written parts of a share', () => {
  it('agree with one flag a byte', () => {
    const property = fc.property(fc.array(range, { maxLength: 20 }), range, (added, [from, to]) => {
      const written = new WrittenRanges()
      const flags = Array.from({ length: size }, () => false)
      for (const [begin, end] of added) {
        written.add(begin, end)
        flags.fill(true, begin, end)
        expect(written.missing(size)).toEqual(runs(flags, false))
      }
      const inside = flags.map((flag, i) => flag && i >= from && i < to)
      expect(written.within(from, to)).toEqual(runs(inside, true))
    })
    fc.assert(property, { seed: 1, numRuns: 500 })
  })

  it('are none of an empty share', () => {
    expect(new WrittenRanges().missing(0)).toEqual([])
    expect(new WrittenRanges().within(0, 10)).toEqual([])
  })
})
