import { env } from 'node:process'
import { describe, expect, it } from 'vitest'
import type { SimulatedGrid } from './simulated-grid.ts'

export { seededCrypto } from './seeded-crypto.ts'

const SEEDS_A_TEST = 25
/** How often everything that may happen must have happened, all seeds together. */
const OCCURRENCES_MIN = 5

/** One run of a simulation. */
export interface SimulationRun {
  /** What of {@link SimulationOptions.marks} has happened in it. */
  readonly marks: ReadonlySet<string>
  readonly grid: Pick<SimulatedGrid, 'trace'>
}

/** A simulation and how much of it is to be run. */
export interface SimulationOptions<Run extends SimulationRun> {
  readonly name: string
  /** What makes vitest run it alone, such as `--project @lafs/client directory-simulation`. */
  readonly command: string
  /** How many seeds, from 0 on, unless the environment has `SEED_COUNT`, or one `SEED`. */
  readonly seedCount: number
  /** What the simulation is there for: each of it must come up, lest the others prove nothing. */
  readonly marks: readonly string[]
  /** Makes ready for a run. Everything in it comes from the seed. */
  prepare(seed: number): Promise<Run>
  /** Runs it. Rejects when a promise is broken. */
  play(run: Run): Promise<void>
  /** What a run is about and what was done in it, for whoever looks into its failure. */
  describe(run: Run): string
}

/** The tests of a simulation: many seeds keep its promises, and one is the same each time. */
export function testSimulation<Run extends SimulationRun>(options: SimulationOptions<Run>): void {
  const { name, marks } = options
  const chosen = env['SEED']
  const count = Number(env['SEED_COUNT'] ?? options.seedCount)
  const seeds =
    chosen === undefined ? Array.from({ length: count }, (_, seed) => seed) : [Number(chosen)]
  const groups = Array.from({ length: Math.ceil(seeds.length / SEEDS_A_TEST) }, (_, index) => {
    const group = seeds.slice(index * SEEDS_A_TEST, (index + 1) * SEEDS_A_TEST)
    return { first: group[0], group }
  })
  const met = new Map<string, number>()

  describe(`simulation: ${name}`, () => {
    it.each(groups)('keeps its promises with the seeds from $first on', async ({ group }) => {
      for (const seed of group) {
        const run = await simulate(options, seed)
        for (const mark of run.marks) met.set(mark, (met.get(mark) ?? 0) + 1)
      }
    })

    it('does the same again with the same seed', async () => {
      for (const seed of seeds.slice(0, 10)) {
        const [once, again] = [await simulate(options, seed), await simulate(options, seed)]
        expect(once.grid.trace.length).toBeGreaterThan(0)
        expect(again.grid.trace).toEqual(once.grid.trace)
        expect(options.describe(again)).toBe(options.describe(once))
      }
    })

    it.runIf(chosen === undefined)('comes by everything that it is there for', () => {
      const rare = marks.filter((mark) => (met.get(mark) ?? 0) < OCCURRENCES_MIN)
      expect(rare).toEqual([])
    })
  })
}

async function simulate<Run extends SimulationRun>(
  options: SimulationOptions<Run>,
  seed: number,
): Promise<Run> {
  const run = await options.prepare(seed)
  try {
    await options.play(run)
  } catch (cause) {
    const again = `SEED=${seed} npx vitest run ${options.command}`
    const trace = env['SEED'] === undefined ? '' : `\n${run.grid.trace.join('\n')}`
    throw new Error(`${again} (${options.describe(run)})${trace}`, { cause })
  }
  return run
}
