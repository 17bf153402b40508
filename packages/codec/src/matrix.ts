import { LOGARITHM, ORDER, POWER } from './gf256.ts'

/** The field element that a share number stands for: x(0) = 0, x(s) = 2^(s-1). */
function point(shareNumber: number): number {
  return shareNumber === 0 ? 0 : POWER[shareNumber - 1]!
}

/**
 * The weights that make blocks out of others: block `want[r]` is the sum over j of
 * `weights[r][j]` × block `have[j]`.
 *
 * With p(j) = x(have[j]), the weight of block j in the block at w is that of Lagrange's interpolation,
 *
 *     prod_{m ≠ j} (w − p(m)) / (p(j) − p(m))  =  P(w) / ((w − p(j)) · D(j))
 *
 * where P(w) = prod_m (w − p(m)) and D(j) = prod_{m ≠ j} (p(j) − p(m)).
 *
 * @param have - k different share numbers.
 */
export function interpolationMatrix(
  have: readonly number[],
  want: readonly number[],
): Uint8Array[] {
  const p = have.map(point)
  const logSum = (x: number, except: number): number =>
    p.reduce((sum, y, m) => (m === except ? sum : sum + LOGARITHM[x ^ y]!), 0)
  const logD = p.map((x, j) => logSum(x, j) % ORDER)
  return want.map((number) => {
    const w = point(number)
    const given = p.indexOf(w)
    if (given >= 0) return Uint8Array.from(have, (_, j) => (j === given ? 1 : 0))
    const logP = logSum(w, -1) % ORDER
    return Uint8Array.from(p, (x, j) => {
      const log = logP + 2 * ORDER - LOGARITHM[w ^ x]! - logD[j]!
      return POWER[log % ORDER]!
    })
  })
}
