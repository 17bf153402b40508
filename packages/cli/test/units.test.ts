import { describe, expect, it } from 'vitest'
import { inBothUnits } from '../src/units.ts'

describe('inBothUnits', () => {
  // As upstream's abbreviate_space_both.
  it.each([
    [0, '(0 B, 0 B)'],
    [1023, '(1023 B, 1023 B)'],
    [1024, '(1.02 kB, 1.00 kiB)'],
    [1125, '(1.12 kB, 1.10 kiB)'],
    [1152, '(1.15 kB, 1.12 kiB)'],
    [1375, '(1.38 kB, 1.34 kiB)'],
    [999_999, '(1000.00 kB, 976.56 kiB)'],
    [1_000_000, '(1.00 MB, 976.56 kiB)'],
    [1_048_575, '(1.05 MB, 1024.00 kiB)'],
    [1_048_576, '(1.05 MB, 1.00 MiB)'],
    [1_234_567_890, '(1.23 GB, 1.15 GiB)'],
    [1e12, '(1.00 TB, 931.32 GiB)'],
    [2 ** 60, '(1.15 EB, 1.00 EiB)'],
    [1e20, '(100.00 EB, 86.74 EiB)'],
  ])('writes %d as %s', (bytes, text) => {
    expect(inBothUnits(bytes)).toBe(text)
  })
})
