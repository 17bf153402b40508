import { env } from 'node:process'
import { describe, expect, it } from 'vitest'

export { seededCrypto } from './seeded-crypto.ts'

const SEEDS_A_TEST = 25
/** How often everything that may happen must have happened, all seeds together. */
const OCCURRENCES_MIN = 5

/** What came of one run of a simulation. */
export interface SimulationOutcome<Mark extends string> {
  /** What of {@link SimulationOptions.marks} happened in it. */
  readonly marks: ReadonlySet<Mark>
  /** All that happened, a line each, in order. */
  readonly trace: readonly string[]
}

/** A simulation and how much of it is to be run. */
export interface SimulationOptions<Mark extends string> {
  readonly name: string
  /** How many seeds, from 0 on, unless the environment has `SEED_COUNT`, or one `SEED`. */
  readonly seedCount: number
  /** What the simulation is there for: each of it must come up, lest the others prove nothing. */
  readonly marks: readonly Mark[]
  /** Runs it. Everything in it comes from the seed. Rejects when a promise is broken. */
  simulate(seed: number): Promise<SimulationOutcome<Mark>>
}

/** The tests of a simulation: many seeds keep its promises, and one is the same each time. */
export function testSimulation<Mark extends string>(options: SimulationOptions<Mark>): void {
  const { name, marks } = options
  const chosen = env['SEED']
  const count = Number(env['SEED_COUNT'] ?? options.seedCount)
  const seeds =
    chosen === undefined ? Array.from({ length: count }, (_, seed) => seed) : [Number(chosen)]
  const groups = Array.from({ length: Math.ceil(seeds.length / SEEDS_A_TEST) }, (_, index) => {
    const group = seeds.slice(index * SEEDS_A_TEST, (index + 1) * SEEDS_A_TEST)
    return { first: group[0], group }
  })
  const met = new Map<Mark, number>()

  describe(`simulation: ${name}`, () => {
    it.each(groups)('keeps its promises with the seeds from $first on', async ({ group }) => {
      for (const seed of group) {
        const outcome = await options.simulate(seed)
        for (const mark of outcome.marks) met.set(mark, (met.get(mark) ?? 0) + 1)
      }
    })

    it('does the same again with the same seed', async () => {
      for (const seed of seeds.slice(0, 10)) {
        const [once, again] = [await options.simulate(seed), await options.simulate(seed)]
        expect(once.trace.length).toBeGreaterThan(0)
        expect(again.trace).toEqual(once.trace)
      }
    })

    it.runIf(chosen === undefined)('comes by everything that it is there for', () => {
      const rare = marks.filter((mark) => (met.get(mark) ?? 0) < OCCURRENCES_MIN)
      expect(rare).toEqual([])
    })
  })
}
