/**
 * Several clients that edit the same two directories on grids whose servers misbehave, in virtual
 * time, everything drawn from a seed, against plain tables in memory. One run again, with what
 * happened in it: `SEED=17 npx vitest run directory-simulation`; more of them: `SEED_COUNT=10000`.
 *
 * Each client has names of its own in both directories, and all of them one name together. What is
 * promised:
 *
 * - Always: an edit ends by itself, done or with a named error, and every listing can be read as a
 *   table of children that somebody put there.
 * - As long as every server answers in time, or not at all, whoever asks (see the simulation of
 *   mutable files for how many may lie): the children of a client are those of its table, in which an
 *   edit that was done is done, one that was refused for what it found (no such child, an existing
 *   child) was refused rightly, and one that lost to other writers is done, or not, or half done where
 *   a child moves between directories: then it is in both.
 */
import { toBase32 } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IDirectoryNode } from '@lafs/filesystem-interface'
import {
  createSimulatedGrid,
  drawFaultPlan,
  FAULTLESS,
  seededRandom,
  virtualClock,
} from '@lafs/testing'
import type { FaultName, FaultPlan, SeededRandom, SimulatedGrid, VirtualClock } from '@lafs/testing'
import { seededCrypto, testSimulation } from '@lafs/testing/simulation'
import { expect } from 'vitest'
import { createStorages, directoryOf, nodeMakerOf } from './directory-grid.ts'

const PATIENCE_MS = 6 * 60 * 60 * 1000
/** The name that all clients fight for. */
const SHARED = 'all'

type Regime = 'sound' | 'liars' | 'wild'

/** What stands under `directory/name`: the child and the note beside it. */
type Table = ReadonlyMap<string, string>

interface Client {
  readonly index: number
  readonly directories: readonly IDirectoryNode[]
  /** What its own names may stand for now. */
  possible: readonly Table[]
  /** All that they may have stood for, in order. */
  readonly past: Table[]
  /** Where in the past the last edit begins that was certainly done. */
  since: number
}

interface Run {
  readonly regime: Regime
  readonly random: SeededRandom
  readonly clock: VirtualClock
  readonly grid: SimulatedGrid
  readonly facts: string
  readonly clients: readonly Client[]
  readonly observer: readonly IDirectoryNode[]
  readonly editCount: number
  readonly marks: Set<Mark>
  /** Children that were ever put anywhere. */
  readonly values: Set<string>
  sharedIsThere: boolean
}

/** Where some run must come by, or the properties would hold for want of a case. */
const marks = [
  'done',
  'lost to another client',
  'refused by servers',
  'no such child',
  'existing child',
  'listed in vain',
  'one of several states',
] as const
type Mark = (typeof marks)[number]

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

function drawPlans(random: SeededRandom, regime: Regime, count: number): FaultPlan[] {
  const plans = Array.from({ length: count }, () => ({
    ...FAULTLESS,
    latencyMs: [1, 1 + random.integer(random.next() < 0.3 ? 4000 : 60)] as const,
  }))
  if (regime === 'sound') return plans
  const odds = Object.fromEntries(lies.map((name) => [name, regime === 'liars' ? 0.3 : 0.1]))
  const worse = random.shuffled([...plans.keys()]).slice(0, regime === 'liars' ? 1 : count)
  return plans.map((plan, index) =>
    worse.includes(index) ? drawFaultPlan(random, { ...odds, dies: 0.1, stalls: 0.1 }) : plan,
  )
}

async function prepare(seed: number): Promise<Run> {
  const random = seededRandom(seed)
  const regime = (['sound', 'liars', 'wild'] as const)[random.integer(3)] ?? 'sound'
  const bad = regime === 'liars' ? 1 : 0
  const requiredShares = 1 + bad + random.integer(3 - bad)
  const clientCount = 1 + random.integer(3)
  const least = clientCount * (requiredShares - 1) + 1 + bad
  const totalShares = least + random.integer(4)
  const serverCount = regime === 'liars' ? totalShares : 1 + random.integer(totalShares + 3)
  const clock = virtualClock()
  const grid = createSimulatedGrid(await createStorages(serverCount, clock), { clock, random })
  const context = {
    broker: grid.broker,
    crypto: seededCrypto(random),
    clock,
    encoding: { requiredShares, totalShares },
    random: () => random.next(),
  }
  const version = random.integer(2)
  const nodeMaker = nodeMakerOf(context, version, random.integer(238))
  const make = async (): Promise<string> => (await nodeMaker.createNewMutableDirectory()).uri
  const uris = [await clock.run(make(), PATIENCE_MS), await clock.run(make(), PATIENCE_MS)]
  const open = (): IDirectoryNode[] => {
    const own = nodeMakerOf(context, version)
    return uris.map((uri) => directoryOf(own, uri))
  }
  const nothing: Table = new Map()
  const clients = Array.from({ length: clientCount }, (_, index) => ({
    index,
    directories: open(),
    possible: [nothing],
    past: [nothing],
    since: 0,
  }))
  const plans = drawPlans(random, regime, serverCount)
  for (const [index, server] of grid.servers.entries()) server.follow(plans[index] ?? FAULTLESS)
  return {
    regime,
    random,
    clock,
    grid,
    clients,
    observer: open(),
    editCount: 2 + random.integer(4),
    facts: `${regime}, ${requiredShares} of ${totalShares}, ${serverCount} servers, ${clientCount} clients`,
    marks: new Set(),
    values: new Set(),
    sharedIsThere: false,
  }
}

/** What an edit makes of a table: each state on the way, or the code of the error. */
type Effect = readonly Table[] | string

interface Edit {
  readonly run: () => Promise<unknown>
  readonly effect: (table: Table) => Effect
}

const changed = (table: Table, changes: Readonly<Record<string, string | undefined>>): Table => {
  const copy = new Map(table)
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) copy.delete(key)
    else copy.set(key, value)
  }
  return copy
}

function withNote(value: string, note: string | undefined): string {
  return `${value.split(' ')[0]} ${note ?? ''}`
}

/** An edit of one of the client's own names. */
function drawEdit(run: Run, { index, directories }: Client): Edit {
  const { random } = run
  const where = random.integer(2)
  const [here, there] = [directories[where], directories[1 - where]]
  if (here === undefined || there === undefined) throw new Error('expected two directories')
  const names = random.shuffled([`${index}-a`, `${index}-b`, `${index}-\u00e9`])
  const [name = '', other = ''] = names
  const [key, otherKey, thereKey] = [
    `${where}/${name}`,
    `${where}/${other}`,
    `${1 - where}/${name}`,
  ]
  const value = `URI:LIT:${toBase32(random.bytes(4))}`
  run.values.add(value)
  const noteOf = (table: Table, of: string): string => table.get(of)?.split(' ')[1] ?? ''
  const note = String(random.integer(1000))
  const kinds: readonly Edit[] = [
    {
      run: () => here.setUri(name, value),
      effect: (table) => [changed(table, { [key]: withNote(value, noteOf(table, key)) })],
    },
    {
      run: () => here.setUri(name, value, undefined, { overwrite: false, metadata: { note } }),
      effect: (table) =>
        table.has(key)
          ? 'DIRECTORY_EXISTING_CHILD'
          : [changed(table, { [key]: withNote(value, note) })],
    },
    {
      run: () =>
        here.setChildren(
          new Map([name, other].map((each) => [each, { writeUri: value, metadata: { note } }])),
        ),
      effect: (table) => {
        const entry = withNote(value, note)
        return [changed(table, { [key]: entry, [otherKey]: entry })]
      },
    },
    {
      run: () => here.delete(name),
      effect: (table) =>
        table.has(key) ? [changed(table, { [key]: undefined })] : 'DIRECTORY_NO_SUCH_CHILD',
    },
    {
      run: () => here.setMetadataFor(name, { note }),
      effect: (table) => {
        const old = table.get(key)
        if (old === undefined) return 'DIRECTORY_NO_SUCH_CHILD'
        return [changed(table, { [key]: withNote(old, note) })]
      },
    },
    {
      run: () => here.moveChildTo(name, here, { newChildName: other }),
      effect: (table) => {
        const old = table.get(key)
        if (old === undefined) return 'DIRECTORY_NO_SUCH_CHILD'
        return [changed(table, { [key]: undefined, [otherKey]: old })]
      },
    },
    {
      run: () => here.moveChildTo(name, there, { overwrite: false }),
      effect: (table) => {
        const old = table.get(key)
        if (old === undefined) return 'DIRECTORY_NO_SUCH_CHILD'
        if (table.has(thereKey)) return 'DIRECTORY_EXISTING_CHILD'
        const added = changed(table, { [thereKey]: old })
        return [added, changed(added, { [key]: undefined })]
      },
    },
  ]
  const kind = kinds[random.integer(kinds.length)]
  if (kind === undefined) throw new Error('no edit')
  return kind
}

const lost = [
  'MUTABLE_NOT_ENOUGH_SERVERS',
  'MUTABLE_UNRECOVERABLE',
  'DOWNLOAD_NOT_ENOUGH_SHARES',
  'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
]

const refused: Readonly<Record<string, Mark>> = {
  DIRECTORY_NO_SUCH_CHILD: 'no such child',
  DIRECTORY_EXISTING_CHILD: 'existing child',
}

/** The code of the error; undefined where there was none. Anything without a name is thrown again. */
async function codeOf(run: Run, work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    run.marks.add('done')
    return undefined
  } catch (error) {
    if (!isFilesystemError(error)) throw error
    const { code } = error
    if (lost.includes(code)) run.marks.add('refused by servers')
    else if (code === 'MUTABLE_UNCOORDINATED_WRITE') run.marks.add('lost to another client')
    else if (refused[code] !== undefined) run.marks.add(refused[code])
    else throw error
    return code
  }
}

const textOf = (table: Table): string =>
  JSON.stringify([...table].toSorted(([a], [b]) => (a < b ? -1 : 1)))

function unique(tables: readonly Table[]): Table[] {
  return [...new Map(tables.map((table) => [textOf(table), table])).values()]
}

async function editOwn(run: Run, client: Client): Promise<void> {
  const edit = drawEdit(run, client)
  const effects = client.possible.map((table) => [table, edit.effect(table)] as const)
  const onTheWay = effects.flatMap(([table, effect]) =>
    typeof effect === 'string' ? [table] : [table, ...effect],
  )
  client.past.push(...onTheWay)
  const code = await codeOf(run, edit.run())
  if (run.regime === 'wild') return
  if (code === undefined) {
    client.since = client.past.length
    client.possible = unique(
      effects.flatMap(([, effect]) => (typeof effect === 'string' ? [] : effect.slice(-1))),
    )
    client.past.push(...client.possible)
    expect(client.possible.length, 'an edit was done that could not be').toBeGreaterThan(0)
    return
  }
  if (refused[code] !== undefined) {
    expect(effects.map(([, effect]) => effect)).toContain(code)
    if (client.possible.length === 1) return
  }
  client.possible = unique(onTheWay)
  if (client.possible.length > 1) run.marks.add('one of several states')
}

async function fightForShared(run: Run, { directories }: Client): Promise<void> {
  const value = `URI:LIT:${toBase32(run.random.bytes(4))}`
  run.values.add(value)
  const code = await codeOf(run, directories[0]?.setUri(SHARED, value) ?? Promise.resolve())
  if (code === undefined) run.sharedIsThere = true
}

async function editNowAndThen(run: Run, client: Client): Promise<void> {
  for (let count = 0; count < run.editCount; count++) {
    await run.clock.sleep(run.random.integer(run.random.next() < 0.5 ? 20 : 8000))
    if (run.random.next() < 0.2) await fightForShared(run, client)
    else await editOwn(run, client)
  }
}

/** A directory as it is listed; anything that nobody put there is an error. */
async function list(run: Run, where: number): Promise<Table> {
  const table = new Map<string, string>()
  for (const [name, { node, metadata }] of (await run.observer[where]?.list()) ?? []) {
    if (!run.values.has(node.uri ?? '')) throw new Error(`nobody put ${name} there`)
    const { note } = metadata as { note?: string }
    table.set(`${where}/${name}`, withNote(node.uri ?? '', note))
  }
  return table
}

/** What a table says of the names of one client, in one directory or in all. */
function partOf(table: Table, { index }: Client, where?: number): string {
  const start = `/${index}-`
  return textOf(
    new Map(
      [...table].filter(
        ([key]) => key.includes(start) && (where === undefined || key.startsWith(`${where}/`)),
      ),
    ),
  )
}

async function listNowAndThen(run: Run): Promise<void> {
  for (let time = 0; time < 4; time++) {
    await run.clock.sleep(run.random.integer(8000))
    const where = run.random.integer(2)
    const from = run.clients.map(({ since }) => since)
    try {
      const table = await list(run, where)
      if (run.regime === 'wild') continue
      for (const [index, client] of run.clients.entries()) {
        const allowed = client.past.slice(from[index]).map((one) => partOf(one, client, where))
        expect(allowed).toContain(partOf(table, client, where))
      }
    } catch (error) {
      if (!isFilesystemError(error) || !lost.includes(error.code)) throw error
      run.marks.add('listed in vain')
    }
  }
}

/** After all of it, with servers that are as they should be but for what they have lost. */
async function checkEnd(run: Run): Promise<void> {
  for (const server of run.grid.servers) server.follow(FAULTLESS)
  const listing = Promise.all([list(run, 0), list(run, 1)])
  if (run.regime === 'wild') {
    await run.clock.run(codeOf(run, listing), PATIENCE_MS)
    return
  }
  const [one, other] = await run.clock.run(listing, PATIENCE_MS)
  const table = new Map([...one, ...other])
  for (const client of run.clients) {
    expect(client.possible.map((state) => partOf(state, client))).toContain(partOf(table, client))
  }
  if (run.sharedIsThere) expect([...table.keys()]).toContain(`0/${SHARED}`)
}

async function play(run: Run): Promise<void> {
  const work = [...run.clients.map((client) => editNowAndThen(run, client)), listNowAndThen(run)]
  const settled = await run.clock.run(Promise.allSettled(work), PATIENCE_MS)
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  await checkEnd(run)
}

testSimulation({
  name: 'clients that edit the same directories on servers that misbehave',
  command: '--project @lafs/client directory-simulation',
  seedCount: 150,
  marks,
  prepare,
  play,
  describe: ({ facts }) => facts,
})
