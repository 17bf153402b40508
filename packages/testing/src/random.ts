/** A source of numbers that a seed determines: the same seed gives the same run. */
export interface SeededRandom {
  readonly seed: number
  /** A number in `[0, 1)`. */
  next(): number
  /** An integer in `[0, limit)`. */
  integer(limit: number): number
  /** Fresh bytes. */
  bytes(size: number): Uint8Array
  /** The entries in another order, in a fresh array. */
  shuffled<T>(entries: readonly T[]): T[]
}

/**
 * Seeded random numbers for tests: never for keys.
 *
 * @param seed - a 32-bit integer. Default: the environment variable `SEED`, or 1.
 * @see mulberry32, a 32-bit generator in the public domain
 */
export function seededRandom(seed: number = seedOfRun()): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (limit: number): number => Math.floor(next() * limit)
  return {
    seed,
    next,
    integer,
    bytes: (size) => Uint8Array.from({ length: size }, () => integer(256)),
    shuffled(entries) {
      const order = [...entries]
      for (let i = order.length - 1; i > 0; i--) {
        const j = integer(i + 1)
        const [a, b] = [order[i], order[j]]
        if (a !== undefined && b !== undefined) [order[i], order[j]] = [b, a]
      }
      return order
    },
  }
}

function seedOfRun(): number {
  const text = globalThis.process?.env['SEED']
  return text === undefined ? 1 : Number(text)
}
