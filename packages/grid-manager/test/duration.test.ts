import { expect, it } from 'vitest'
import { durationText } from '../src/duration.ts'

// As upstream's abbreviate_time.
it.each([
  [0, '0 seconds'],
  [1, '1 second'],
  [59.99, '59 seconds'],
  [119.9, '119 seconds'],
  [120, '2 minutes'],
  [10_799, '179 minutes'],
  [10_800, '3 hours'],
  [172_799, '47 hours'],
  [172_800, '2 days'],
  [5_183_999, '59 days'],
  [5_184_000, '2 months'],
  [126_143_999, '48 months'],
  [126_144_000, '4 years'],
  [1e9, '31 years'],
])('writes %d seconds as %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text)
})
