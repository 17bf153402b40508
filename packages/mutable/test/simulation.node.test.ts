/**
 * Several writers of one mutable file on grids whose servers misbehave, in virtual time, everything
 * drawn from a seed. One run again, with what happened in it: `SEED=17 npx vitest run simulation`;
 * more of them: `SEED_COUNT=10000`.
 *
 * The file holds one cell for each writer, and only that writer changes it. What is promised:
 *
 * - Always: an operation ends by itself, with what it was asked for or with a named error, and whoever
 *   reads gets some version that somebody wrote, whole.
 * - As long as every server answers in time, or not at all, whoever asks: a write that succeeded is
 *   never lost. It is in all that is read from then on, until the same writer writes again. This needs
 *   more than `w * (k - 1)` shares on servers that tell the truth where `w` writers write at once:
 *   whatever they do to each other's versions, one of theirs then has k shares. And it needs fewer than
 *   k shares on servers that lie: one that goes back to what it had takes the version of a loser, and k
 *   such shares are as good as those of the winner. At the end there is always a version that can be
 *   read.
 * - A write that was refused with a named error may have been done or not, or be done and undone again
 *   until the next write of that writer succeeds.
 *
 * Nothing like that holds where a server answers one client and not another: then both go on without
 * the servers that they cannot reach.
 */
import { jsCodec } from '@lafs/codec'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IMutableFileNode } from '@lafs/filesystem-interface'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import type { MutableContext, MutableFileCap } from '@lafs/mutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import {
  createSimulatedGrid,
  drawFaultPlan,
  FAULTLESS,
  seededRandom,
  virtualClock,
} from '@lafs/testing'
import type { FaultName, FaultPlan, SeededRandom, SimulatedGrid, VirtualClock } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { parseCapStrict } from '@lafs/uri'
import { seededCrypto, testSimulation } from '@lafs/testing/simulation'
import { expect } from 'vitest'
import { privateKeyDer } from './node-grid.ts'

/** How long any single operation may take, in virtual time: all tries of an edit, each slow. */
const PATIENCE_MS = 2 * 60 * 60 * 1000
const CELL = 4

/** How far the servers of a run can be trusted. */
type Regime = 'sound' | 'liars' | 'wild'

interface Scenario {
  readonly regime: Regime
  readonly version: 0 | 1
  readonly requiredShares: number
  readonly totalShares: number
  readonly plans: readonly FaultPlan[]
  readonly writerCount: number
  readonly editCount: number
}

/** Where some run must come by, or the properties would hold for want of a case. */
const marks = [
  'won',
  'lost to another writer',
  'tried again',
  'refused by servers',
  'read while others write',
  'read in vain',
  'written in place',
  'a liar noticed',
] as const
type Mark = (typeof marks)[number]

/** One writer, and what its cell may hold. */
interface Writer {
  readonly index: number
  readonly node: IMutableFileNode
  last: number
  /** The value that was written last with success, and all that were tried since. */
  possible: number[]
}

interface Run extends Scenario {
  readonly random: SeededRandom
  readonly clock: VirtualClock
  readonly grid: SimulatedGrid
  readonly context: MutableContext
  readonly uri: string
  readonly writers: Writer[]
  readonly marks: Set<Mark>
  /** Writers that are at it. */
  busy: number
}

const lies: readonly FaultName[] = [
  'fails',
  'answersLate',
  'flips',
  'garbles',
  'truncates',
  'swaps',
  'hides',
  'refuses',
  'dropsWrites',
  'loses',
  'rollsBack',
  'losesAnswers',
]

/** Slow, but never slow enough to be given up. */
const slow = (random: SeededRandom): FaultPlan => ({
  ...FAULTLESS,
  latencyMs: [1, 1 + random.integer(random.next() < 0.3 ? 4000 : 60)],
})

function drawPlans(random: SeededRandom, regime: Regime, count: number, bad: number): FaultPlan[] {
  const plans = Array.from({ length: count }, () => slow(random))
  if (regime === 'sound') return plans
  const odds = Object.fromEntries(lies.map((name) => [name, regime === 'liars' ? 0.3 : 0.1]))
  const worse = regime === 'liars' ? bad : count
  for (const index of random.shuffled([...plans.keys()]).slice(0, worse)) {
    plans[index] = drawFaultPlan(random, { ...odds, dies: 0.1, stalls: 0.1 })
  }
  return plans
}

function drawScenario(random: SeededRandom): Scenario {
  const regime = (['sound', 'liars', 'wild'] as const)[random.integer(3)] ?? 'sound'
  const bad = regime === 'liars' ? 1 : 0
  const requiredShares = 1 + bad + random.integer(3 - bad)
  const writerCount = 1 + random.integer(3)
  // One share a server where some lie: it is servers that lie.
  const least = writerCount * (requiredShares - 1) + 1 + bad
  const totalShares = least + random.integer(4)
  const serverCount = regime === 'liars' ? totalShares : 1 + random.integer(totalShares + 3)
  return {
    regime,
    version: random.next() < 0.5 ? 0 : 1,
    requiredShares,
    totalShares,
    plans: drawPlans(random, regime, serverCount, bad),
    writerCount,
    editCount: 1 + random.integer(3),
  }
}

const textOf = (cells: readonly number[]): string =>
  cells.map((value) => String(value).padStart(CELL, '0')).join('')
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

async function prepare(seed: number): Promise<Run> {
  const random = seededRandom(seed)
  const scenario = drawScenario(random)
  const { plans, requiredShares, totalShares, version, writerCount } = scenario
  const clock = virtualClock()
  const transport = memoryTransport()
  const storages = await Promise.all(
    plans.map(async () => {
      const backend = createStorageServer({
        store: createMemoryStore(),
        now: () => clock.nowMs(),
        schedule: (callback, delayMs) => clock.after(delayMs, callback),
      })
      const { announcement } = await transport.serve(backend)
      return (await transport.connect(announcement)).storageServer
    }),
  )
  const grid = createSimulatedGrid(storages, { clock, random })
  const context: MutableContext = {
    broker: grid.broker,
    codec: jsCodec,
    crypto: seededCrypto(random),
    clock,
    leaseSecret: random.bytes(32),
    encoding: { requiredShares, totalShares },
    random: () => random.next(),
  }
  const keyPool = { take: () => Promise.reject(new Error('the key is given')) }
  const cells = bytesOf(textOf(Array.from({ length: writerCount }, () => 0)))
  const privateKey = privateKeyDer(random.integer(240))
  const creation = createMutableFile(cells, { context, keyPool, version, privateKey })
  const { uri } = await clock.run(creation, PATIENCE_MS)
  const cap = parseCapStrict(uri) as MutableFileCap
  const writers = Array.from({ length: writerCount }, (_, index) => ({
    index,
    node: createMutableNode(cap, context),
    last: 0,
    possible: [0],
  }))
  for (const [index, server] of grid.servers.entries()) server.follow(plans[index] ?? FAULTLESS)
  const met = new Set<Mark>()
  return { ...scenario, random, clock, grid, context, uri, writers, marks: met, busy: 0 }
}

const refusals = [
  'MUTABLE_NOT_ENOUGH_SERVERS',
  'MUTABLE_UNRECOVERABLE',
  'DOWNLOAD_NOT_ENOUGH_SHARES',
  'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
]

/** The code of a named error; anything else is thrown again. */
function codeOf(error: unknown): string {
  const named = [...refusals, 'MUTABLE_UNCOORDINATED_WRITE']
  if (isFilesystemError(error) && named.includes(error.code)) return error.code
  throw error
}

/** The cells of a version. Anything that nobody ever wrote is an error. */
function cellsOf(run: Run, contents: Uint8Array): number[] {
  const text = new TextDecoder().decode(contents)
  const count = run.writerCount
  const form = new RegExp(`^(\\d{${CELL}}){${count}}x*$`)
  if (!form.test(text)) throw new Error(`nobody wrote ${JSON.stringify(text)}`)
  const cells = Array.from({ length: count }, (_, index) =>
    Number(text.slice(index * CELL, (index + 1) * CELL)),
  )
  for (const { index, last } of run.writers) {
    if ((cells[index] ?? 0) > last) throw new Error(`writer ${index} never wrote ${cells[index]}`)
  }
  return cells
}

/** Puts a value into a cell, in one of the ways that there are. */
async function writeCell(run: Run, { index, node }: Writer, value: number): Promise<void> {
  const { random } = run
  const cell = bytesOf(textOf([value]))
  const inPlace = random.next() < 0.3
  const grows = random.next() < 0.3
  if (inPlace) {
    const version = await node.bestMutableVersion()
    await run.clock.sleep(random.integer(100))
    await version.update(cell, index * CELL)
    run.marks.add('written in place')
    return
  }
  await node.modify((old, _, firstTime) => {
    if (!firstTime) run.marks.add('tried again')
    cellsOf(run, old)
    const changed = new Uint8Array(old.length + (grows ? 1 : 0)).fill(0x78)
    changed.set(old)
    changed.set(cell, index * CELL)
    return changed
  })
}

async function write(run: Run, writer: Writer): Promise<void> {
  for (let edit = 0; edit < run.editCount; edit++) {
    await run.clock.sleep(run.random.integer(run.random.next() < 0.5 ? 20 : 8000))
    const value = (writer.last += 1)
    writer.possible = [...writer.possible, value]
    run.busy += 1
    try {
      await writeCell(run, writer, value)
      writer.possible = [value]
      run.marks.add('won')
    } catch (error) {
      const code = codeOf(error)
      run.marks.add(refusals.includes(code) ? 'refused by servers' : 'lost to another writer')
      // Where servers are sound, only other writers get in the way.
      if (run.regime === 'sound' && run.writerCount === 1) throw error
    }
    run.busy -= 1
  }
}

/** Reads as somebody who knows nothing but the cap. */
async function read(run: Run, mustSucceed: boolean): Promise<void> {
  const cap = parseCapStrict(run.uri) as MutableFileCap
  const reader = createMutableNode(cap.readCap(), run.context)
  const before = run.writers.map(({ possible }) => possible[0] ?? 0)
  try {
    const cells = cellsOf(run, await reader.downloadBestVersion())
    if (run.busy > 0) run.marks.add('read while others write')
    if (run.regime === 'wild') return
    // Values grow: what was certain when the read began, or anything that was tried later.
    for (const [index, least] of before.entries()) {
      expect(cells[index], `cell ${index}`).toBeGreaterThanOrEqual(least)
    }
  } catch (error) {
    if (!refusals.includes(isFilesystemError(error) ? error.code : '')) throw error
    run.marks.add('read in vain')
    if (mustSucceed) throw error
  }
}

async function readNowAndThen(run: Run): Promise<void> {
  const { regime, writerCount, editCount, requiredShares, totalShares } = run
  // It meets no more than two versions then, and one of them has k shares.
  const mustSucceed =
    regime === 'sound' && writerCount * editCount === 1 && totalShares >= 2 * requiredShares - 1
  for (let time = 0; time < 3; time++) {
    await run.clock.sleep(run.random.integer(8000))
    await read(run, mustSucceed)
  }
}

/** After all of it, with servers that are as they should be but for what they have lost. */
async function checkEnd(run: Run): Promise<void> {
  for (const server of run.grid.servers) server.follow(FAULTLESS)
  await run.clock.run(read(run, run.regime !== 'wild'), PATIENCE_MS)
  const node = createMutableNode(parseCapStrict(run.uri) as MutableFileCap, run.context)
  let seen: readonly number[] = []
  const last = node.modify((old) => {
    seen = cellsOf(run, old)
    return Uint8Array.of(...old, 0x78)
  })
  const failed = await run.clock.run(last.then(() => undefined).catch(codeOf), PATIENCE_MS)
  if (run.regime === 'wild' && failed !== undefined) return
  expect(failed).toBe(undefined)
  if (run.regime === 'wild') return
  for (const { index, possible } of run.writers) {
    expect(possible, `cell ${index}`).toContain(seen[index])
  }
}

async function play(run: Run): Promise<void> {
  const { clock, writers } = run
  const work = [...writers.map((writer) => write(run, writer)), readNowAndThen(run)]
  const settled = await clock.run(Promise.allSettled(work), PATIENCE_MS * 3)
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  if (run.grid.servers.some(({ record }) => record.advised.size > 0)) {
    run.marks.add('a liar noticed')
  }
  await checkEnd(run)
}

testSimulation({
  name: 'writers of one file on servers that misbehave',
  command: '--project @lafs/mutable simulation',
  seedCount: 200,
  marks,
  prepare,
  play,
  describe: ({ regime, requiredShares, totalShares, plans, writerCount }) =>
    `${regime}, ${requiredShares} of ${totalShares}, ${plans.length} servers, ${writerCount} writers`,
})
