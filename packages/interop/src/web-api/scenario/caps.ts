const KEY = 'a'.repeat(26)
const HASH = 'a'.repeat(52)

/** Caps that no server holds anything for, and caps that no version knows. */
export const FOREIGN_CAPS: ReadonlyMap<string, string> = new Map([
  ['gone', `URI:CHK:${KEY}:${HASH}:2:3:5000`],
  ['gone-mutable', `URI:SSK:${KEY}:${HASH}`],
  ['gone-mdmf', `URI:MDMF:${KEY}:${HASH}`],
  ['gone-dir', `URI:DIR2:${KEY}:${HASH}`],
  ['gone-imm', `URI:DIR2-CHK:${KEY}:${HASH}:2:3:5000`],
  ['future', 'x-a-cap-of-another-time_that-writes'],
  ['future-ro', 'ro.x-a-cap-of-another-time'],
  ['future-imm', 'imm.x-a-cap-of-another-time'],
])
