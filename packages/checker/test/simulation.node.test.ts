/**
 * Files that are stored, edited, checked, repaired and moved while servers misbehave, lose what they
 * hold, go away and come back, in virtual time, everything drawn from a seed. One run again, with what
 * happened in it: `SEED=17 npx vitest run --project @lafs/checker simulation`; more of them:
 * `SEED_COUNT=10000`.
 *
 * After every step all shares are looked at behind the servers' backs. What is promised:
 *
 * - Always: an operation ends by itself, with what it was asked for or with a named error.
 * - Damage alone takes good shares away. No check, repair, rebalancing or download does, whatever
 *   servers do meanwhile but to lose shares that were there before, whatever else goes on with the same
 *   file, and wherever the client dies; nor does an upload of the same file. Of mutable files this holds
 *   for the best version, until an edit or a forced repair gives another one.
 * - An edit that succeeds is the best version then. One that fails leaves the old version, or the new
 *   one, as long as `2k - 1` different shares were good on servers that do as they should.
 * - What can be read is read: k good shares on servers that answer give the contents. Whatever servers
 *   do, nothing is read but what somebody wrote.
 * - What a repair says that it has stored is there, though servers drop or lose what they have taken.
 * - Where nothing is wrong with servers, a check that verifies finds exactly the good shares that there
 *   are, and a repair of what can be read ends healthy.
 * - In the end rebalancing finds nothing more to do, and as many servers as can be have a share.
 */
import { jsCodec } from '@lafs/codec'
import { toBase32 } from '@lafs/crypto'
import { createCheckable, planRebalance, rebalance } from '@lafs/checker'
import type { CheckerContext } from '@lafs/checker'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type {
  ICheckAndRepairResults,
  ICheckResults,
  IMutableFileNode,
} from '@lafs/filesystem-interface'
import {
  createImmutableNode,
  serversOfHappiness,
  uploadableFromBytes,
  uploadImmutable,
} from '@lafs/immutable'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { RIStorageServer } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import {
  breakingLine,
  brokerOf,
  createSimulatedGrid,
  drawFaultPlan,
  FAULTLESS,
  seededRandom,
  virtualClock,
} from '@lafs/testing'
import type { FaultName, FaultPlan, SeededRandom, SimulatedGrid, VirtualClock } from '@lafs/testing'
import { seededCrypto, testSimulation } from '@lafs/testing/simulation'
import { memoryTransport } from '@lafs/transport-memory'
import { MutableWriteCap } from '@lafs/uri'
import { expect } from 'vitest'
import {
  immutableFile,
  mutableFile,
  privateKeyDer,
  sharesOn,
  spoil,
  standing,
} from './simulated-files.ts'
import type { Encoding, StandingVersion, TestFile, Vaults } from './simulated-files.ts'

/** How long any single operation may take, in virtual time. */
const PATIENCE_MS = 6 * 60 * 60 * 1000
/** Servers drop idle uploads after half an hour. */
const AFTERMATH_MS = 31 * 60 * 1000

/** Where some run must come by, or the properties would hold for want of a case. */
const marks = [
  'repaired',
  'repaired by verifying',
  'repaired though servers fail',
  'repaired though servers forget',
  'repair left unfinished',
  'beyond repair',
  'moved',
  'read though servers fail',
  'read in vain',
  'edited while something else went on',
  'edit failed',
  'client died',
  'old version came back',
  'checked by others meanwhile',
] as const
type Mark =
  | (typeof marks)[number]
  | 'repair refused without force'
  | 'repaired by force'
  | 'move failed'

/** What becomes of a server between operations. */
type Condition = 'up' | 'down' | 'lost'

interface Run {
  readonly random: SeededRandom
  readonly clock: VirtualClock
  readonly grid: SimulatedGrid
  readonly encoding: Encoding
  readonly context: CheckerContext
  readonly vaults: Vaults
  readonly conditions: Condition[]
  readonly files: TestFile[]
  readonly marks: Set<Mark>
  readonly convergence: Uint8Array
  /** What has been done, a line a step. */
  readonly story: string[]
  editCount: number
}

/** Faults of servers that keep what they have been given. */
const faults: readonly FaultName[] = [
  'dies',
  'fails',
  'stalls',
  'answersLate',
  'flips',
  'garbles',
  'truncates',
  'swaps',
  'hides',
  'invents',
  'refuses',
  'hasNoSpace',
  'isReadonly',
  'dropsWrites',
  'loses',
  'losesAnswers',
]
/** Those of them that are seen later alone. */
const forgetfulness: readonly FaultName[] = ['dropsWrites', 'loses']
/** Faults of servers that do not lie. */
const honestFaults: readonly FaultName[] = ['dies', 'answersLate', 'refuses', 'hasNoSpace']

const dead: FaultPlan = { ...FAULTLESS, diesAtOperation: 0 }

async function prepare(seed: number): Promise<Run> {
  const random = seededRandom(seed)
  const requiredShares = 1 + random.integer(3)
  const totalShares = requiredShares + random.integer(5)
  const serverCount = 1 + random.integer(totalShares + 3)
  const clock = virtualClock()
  const transport = memoryTransport()
  const backends: RIStorageServer[] = Array.from({ length: serverCount }, () =>
    createStorageServer({
      store: createMemoryStore(),
      now: () => clock.nowMs(),
      schedule: (callback, delayMs) => clock.after(delayMs, callback),
    }),
  )
  const storages = await Promise.all(
    backends.map(async (backend) => {
      const { announcement } = await transport.serve(backend)
      return (await transport.connect(announcement)).storageServer
    }),
  )
  const grid = createSimulatedGrid(storages, { clock, random })
  const encoding = { requiredShares, totalShares }
  const context: CheckerContext = {
    broker: grid.broker,
    codec: jsCodec,
    crypto: seededCrypto(random),
    clock,
    leaseSecret: random.bytes(32),
    encoding,
    random: () => random.next(),
  }
  return {
    random,
    clock,
    grid,
    encoding,
    context,
    vaults: { backends, context },
    // Who comes later has nothing yet.
    conditions: backends.map((_, number) => (number > 0 && random.next() < 0.25 ? 'down' : 'up')),
    files: [],
    marks: new Set(),
    convergence: random.bytes(32),
    story: [],
    editCount: 0,
  }
}

function numbersOf(run: Run, ...wanted: readonly Condition[]): number[] {
  return [...run.conditions.keys()].filter((number) =>
    wanted.includes(run.conditions[number] ?? 'lost'),
  )
}

const up = (run: Run): number[] => numbersOf(run, 'up')
/** Those that still have what they had. */
const kept = (run: Run): number[] => numbersOf(run, 'up', 'down')

/** Every server does as it should, or nothing at all. */
function calm(run: Run): void {
  for (const [number, server] of run.grid.servers.entries()) {
    server.follow(run.conditions[number] === 'up' ? FAULTLESS : dead)
  }
}

/** @returns the servers that are up and misbehave from now on. */
function disturb(
  run: Run,
  names: readonly FaultName[],
  misery: number,
  most = Infinity,
): Set<number> {
  const odds = Object.fromEntries(names.map((name) => [name, misery]))
  const disturbed = new Set<number>()
  for (const number of run.random.shuffled(up(run))) {
    const plan = drawFaultPlan(run.random, odds)
    if (plan === FAULTLESS || disturbed.size === most) continue
    run.grid.servers[number]?.follow(keepingGoodShares(plan))
    disturbed.add(number)
  }
  return disturbed
}

/** A client that is told of a share that it is bad writes it anew: such servers must not lose that. */
function keepingGoodShares(plan: FaultPlan): FaultPlan {
  const { flipRate, garbleRate, truncateRate, swapsShares } = plan
  const lies = flipRate + garbleRate + truncateRate > 0 || swapsShares
  return lies ? { ...plan, loseRate: 0 } : plan
}

/** A client of its own; its line may break. */
function clientOf(run: Run, diesAfter: number): CheckerContext {
  if (diesAfter === Infinity) return run.context
  const lastArrives = run.random.next() < 0.5
  const line = breakingLine(diesAfter, { lastArrives })
  const servers = run.grid.broker.knownServers().map((server) => ({
    ...server,
    storageServer: async () => line.over(await server.storageServer()),
  }))
  return { ...run.context, broker: brokerOf(servers) }
}

const named = [
  'DOWNLOAD_NOT_ENOUGH_SHARES',
  'DOWNLOAD_NO_SHARES',
  'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
  'MUTABLE_NOT_ENOUGH_SERVERS',
  'MUTABLE_UNRECOVERABLE',
  'MUTABLE_UNCOORDINATED_WRITE',
  'REPAIR_MUST_FORCE',
  'UPLOAD_UNHAPPINESS',
  'UPLOAD_NO_SERVERS',
]

/** What an operation gives, or the code of its error; anything without a name is thrown again. */
async function attempt<T>(work: Promise<T>): Promise<{ value: T } | { code: string }> {
  try {
    return { value: await work }
  } catch (error) {
    if (isFilesystemError(error) && named.includes(error.code)) return { code: error.code }
    throw error
  }
}

function draw<T>(random: SeededRandom, choices: readonly T[]): T {
  const choice = choices[random.integer(choices.length)]
  if (choice === undefined) throw new RangeError('expected something to choose from')
  return choice
}

const best = (versions: readonly StandingVersion[]): StandingVersion | undefined =>
  versions.find(({ contents }) => contents !== undefined)

/** Everything that stood of a version stands still, if not where it was. */
function expectKept(
  what: string,
  before: StandingVersion | undefined,
  after: readonly StandingVersion[],
): void {
  if (before === undefined) return
  const now = after.find(({ id }) => id === before.id)
  for (const share of before.places.keys()) {
    if (now?.places.has(share) === true) continue
    throw new Error(`${what} has lost share ${share}`)
  }
}

// Steps: what happens to the grid.

function changeServer(run: Run): void {
  const { random, conditions } = run
  const number = random.integer(conditions.length)
  const before = conditions[number]
  const after: Condition =
    before === 'down' ? 'up' : random.next() < 0.25 ? 'lost' : random.next() < 0.8 ? 'down' : 'up'
  if (before === 'lost' || before === after) return
  conditions[number] = after
  run.story.push(`server ${number} is ${after}`)
}

async function damage(run: Run, file: TestFile): Promise<void> {
  const { random, vaults } = run
  const all: { server: number; share: number }[] = []
  for (const server of kept(run)) {
    for (const share of await sharesOn(vaults, file, server)) all.push({ server, share })
  }
  for (const place of random.shuffled(all).slice(0, 1 + random.integer(3))) {
    const kind = draw(random, ['flipped', 'flipped', 'cut short', 'gone'] as const)
    run.story.push(`${file.name}: share ${place.share} on ${place.server} is ${kind}`)
    await spoil(vaults, file, place, (bytes) => {
      if (kind === 'gone' || bytes.length < 2) return undefined
      if (kind === 'cut short') return bytes.slice(0, 1 + random.integer(bytes.length - 1))
      const changed = bytes.slice()
      const at = random.integer(bytes.length)
      changed[at] = (changed[at] ?? 0) ^ (1 << random.integer(8))
      return changed
    })
  }
}

// Steps: what clients do.

async function create(run: Run): Promise<void> {
  const { random, context, encoding, clock, files, convergence } = run
  const kind = draw(random, ['CHK', 'SDMF', 'MDMF'] as const)
  const name = `${kind} ${files.length}`
  const contents = random.bytes(kind === 'CHK' ? 56 + random.integer(2500) : random.integer(2500))
  const maxSegmentSize = 100 + random.integer(900)
  const disturbed = random.next() < 0.3 && disturb(run, honestFaults, 0.15).size > 0
  run.story.push(`${name} is made${disturbed ? ' though servers fail' : ''}`)
  if (kind === 'CHK') {
    const { crypto, leaseSecret } = context
    const file = await immutableFile(name, contents, {
      crypto,
      convergence,
      encoding,
      maxSegmentSize,
    })
    const happyShares = 1 + random.integer(Math.min(up(run).length, encoding.totalShares) || 1)
    const uploading = uploadImmutable(uploadableFromBytes(contents), {
      ...carriedBy(context),
      secrets: { convergence, leaseSecret },
      encoding: { ...encoding, happyShares, maxSegmentSize },
    })
    const outcome = await clock.run(attempt(uploading), PATIENCE_MS)
    if ('value' in outcome) files.push(file)
    return
  }
  const making = createMutableFile(contents, {
    context,
    version: kind === 'SDMF' ? 0 : 1,
    privateKey: privateKeyDer(random.integer(240)),
    keyPool: { take: () => Promise.reject(new Error('the key is given')) },
  })
  const outcome = await clock.run(attempt(making), PATIENCE_MS)
  if ('value' in outcome && !files.some(({ cap }) => cap.format() === outcome.value.uri)) {
    files.push(mutableFile(name, outcome.value.uri, contents))
  }
}

/** What immutable files are read and stored with. */
function carriedBy(
  context: CheckerContext,
): Pick<CheckerContext, 'broker' | 'codec' | 'crypto' | 'clock'> {
  const { broker, codec, crypto, clock } = context
  return { broker, codec, crypto, clock }
}

function download(context: CheckerContext, { cap }: TestFile): Promise<Uint8Array> {
  return cap instanceof MutableWriteCap
    ? createMutableNode(cap, context).downloadBestVersion()
    : createImmutableNode(cap, carriedBy(context)).downloadBestVersion()
}

async function read(run: Run, file: TestFile, disturbed: boolean): Promise<void> {
  const there = await standing(run.vaults, file, up(run))
  const outcome = await attempt(download(run.context, file))
  if ('code' in outcome) {
    if (!disturbed && best(there) !== undefined) throw new Error(`not read: ${outcome.code}`)
    run.marks.add('read in vain')
    return
  }
  if (disturbed) run.marks.add('read though servers fail')
  if (!file.written.has(toBase32(outcome.value))) throw new Error('nobody wrote what was read')
}

/** Whether a check that verified tells of exactly what is there. */
function expectTruth(run: Run, results: ICheckResults, there: readonly StandingVersion[]): void {
  const version = best(there)
  const { recoverable, healthy, goodShareCount, totalShares, sharemap } = results
  const facts = `recoverable: ${recoverable}, healthy: ${healthy}, ${goodShareCount} of ${totalShares}`
  if (recoverable !== (version !== undefined)) throw new Error(`expected the truth, got ${facts}`)
  if (version === undefined) return
  if (goodShareCount !== version.places.size) {
    throw new Error(
      `expected ${version.places.size} good shares, got ${facts}: ${results.summary} ${results.report.join('; ')}`,
    )
  }
  if (healthy && version.places.size < run.encoding.totalShares) {
    throw new Error(`expected an unhealthy file, got ${facts}`)
  }
  for (const [share, servers] of version.places) {
    const told = sharemap.get(version.label === '' ? share : `${version.label}${share}`)
    if (told?.size === servers.size) continue
    throw new Error(`expected share ${share} on ${servers.size} servers, got ${told?.size}`)
  }
}

/** One check, with a repair or without, and what is promised of it where servers are as they should be. */
async function check(run: Run, file: TestFile, options: Deed): Promise<void> {
  const { context, disturbed, alone } = options
  const verify = run.random.next() < 0.5
  const checkable = createCheckable(file.cap, context)
  const addLease = run.random.next() < 0.2
  if (run.random.next() < 0.3) {
    const there = await standing(run.vaults, file, up(run))
    const results = await checkable.check({ verify, addLease })
    if (results !== undefined && verify && !disturbed && alone) expectTruth(run, results, there)
    return
  }
  const outcome = await attempt(checkable.checkAndRepair({ verify, addLease }))
  if ('code' in outcome) {
    run.marks.add(
      outcome.code === 'REPAIR_MUST_FORCE'
        ? 'repair refused without force'
        : 'repair left unfinished',
    )
    return
  }
  const { value: results } = outcome
  if (results === undefined || !results.repairAttempted) return
  const mended = results.repairSuccessful
  if (mended) run.marks.add(verify ? 'repaired by verifying' : 'repaired')
  if (mended && disturbed) run.marks.add('repaired though servers fail')
  if (options.forgetful) await expectStored(run, file, results)
  if (!mended) {
    run.marks.add(results.preRepairResults.recoverable ? 'repair left unfinished' : 'beyond repair')
  }
}

/** Whether the shares that a repair says it has made are there. */
async function expectStored(
  run: Run,
  file: TestFile,
  { preRepairResults: before, postRepairResults: after }: ICheckAndRepairResults,
): Promise<void> {
  const made = [...after.sharemap.keys()].filter((share) => !before.sharemap.has(share))
  if (made.length === 0) return
  run.marks.add('repaired though servers forget')
  const there = await standing(run.vaults, file, kept(run))
  const names = there.flatMap(({ label, places }) =>
    [...places.keys()].map((share) => (label === '' ? share : `${label}${share}`)),
  )
  expect(names).toEqual(expect.arrayContaining(made))
}

async function move(run: Run, file: TestFile, { context }: Deed): Promise<void> {
  const plan = await planRebalance(file.cap, context)
  for (const { error } of await rebalance(file.cap, plan, context)) {
    run.marks.add(error === undefined ? 'moved' : 'move failed')
  }
}

/** How something is done. */
interface Deed {
  readonly context: CheckerContext
  /** Whether servers that are up misbehave, or the client dies. */
  readonly disturbed: boolean
  /** Whether nothing else is done at the same time. */
  readonly alone: boolean
  /** Whether servers forget what they are given, and do as they should otherwise. */
  readonly forgetful: boolean
}

/** One or two operations on a file that must not harm it. */
async function tend(run: Run, file: TestFile): Promise<void> {
  const { random, clock, vaults } = run
  const fate = random.next()
  const troubles =
    fate < 0.3
      ? disturb(run, forgetfulness, random.next() * 0.6)
      : fate < 0.6
        ? disturb(run, faults, random.next() * 0.2)
        : new Set()
  const troubled = troubles.size > 0
  const count = random.next() < 0.7 ? 1 : 2
  const before = await standing(vaults, file, kept(run))
  const seen = await standing(vaults, file, up(run))
  if (before.length > 1) run.marks.add('old version came back')
  const deeds: string[] = []
  const works = Array.from({ length: count }, () => {
    const diesAfter = random.next() < 0.2 ? random.integer(60) : Infinity
    const disturbed = troubled || diesAfter !== Infinity
    if (diesAfter !== Infinity) run.marks.add('client died')
    const alone = count === 1
    const forgetful = troubled && fate < 0.3 && diesAfter === Infinity
    const deed = { context: clientOf(run, diesAfter), disturbed, alone, forgetful }
    const kind = draw(random, ['check', 'check', 'move', 'read'] as const)
    deeds.push(`${kind}${diesAfter === Infinity ? '' : `, dies after ${diesAfter}`}`)
    if (kind === 'read') return read(run, file, troubled || count > 1)
    return kind === 'move' ? move(run, file, deed) : check(run, file, deed)
  })
  run.story.push(`${file.name}: ${deeds.join(' and ')}${troubled ? ' though servers fail' : ''}`)
  if (count > 1) run.marks.add('checked by others meanwhile')
  await settle(clock, works)
  const after = await standing(vaults, file, kept(run))
  const what = `${file.name}: ${deeds.join(' and ')}`
  if (file.cap instanceof MutableWriteCap) expectKept(what, best(seen), after)
  else expectKept(what, before[0], after)
}

async function settle(clock: VirtualClock, works: readonly Promise<unknown>[]): Promise<void> {
  const settled = await clock.run(Promise.allSettled(works), PATIENCE_MS)
  for (const one of settled) if (one.status === 'rejected') throw one.reason
}

/** An edit, alone or while somebody else tends the file. */
async function edit(run: Run, file: TestFile): Promise<void> {
  const { random, clock, vaults, encoding } = run
  const { cap } = file
  if (!(cap instanceof MutableWriteCap)) return
  const before = best(await standing(vaults, file, up(run)))
  if (before === undefined) return
  const bad = random.next() < 0.3 ? disturb(run, honestFaults, 0.3, 1) : new Set<number>()
  const steady = [...before.places.values()].filter((servers) =>
    [...servers].some((server) => !bad.has(server)),
  )
  const safe = steady.length >= 2 * encoding.requiredShares - 1
  const onlyVersion = (await standing(vaults, file, up(run))).length === 1
  const diesAfter = safe && random.next() < 0.4 ? random.integer(25) : Infinity
  if (diesAfter !== Infinity) run.marks.add('client died')
  const text = new Uint8Array(random.integer(2000)).fill(++run.editCount)
  file.written.add(toBase32(text))
  const node: IMutableFileNode = createMutableNode(cap, clientOf(run, diesAfter))
  const others = safe && onlyVersion && random.next() < 0.4
  const deed = { context: run.context, disturbed: false, alone: false, forgetful: false }
  const kind = draw(random, ['check', 'move'] as const)
  run.story.push(
    `${file.name}: edit ${run.editCount}${diesAfter === Infinity ? '' : `, dies after ${diesAfter}`}${others ? ` and ${kind}` : ''}${bad.size > 0 ? ` though ${[...bad].join()} fails` : ''}`,
  )
  const editing = attempt(random.next() < 0.5 ? node.overwrite(text) : node.modify(() => text))
  const other = !others
    ? Promise.resolve()
    : kind === 'move'
      ? move(run, file, deed)
      : check(run, file, deed)
  await settle(clock, [editing, other])
  const outcome = await editing
  const versions = await standing(vaults, file, up(run))
  const contents = best(versions)?.contents
  if ('value' in outcome) {
    file.latest = toBase32(text)
    if (others) run.marks.add('edited while something else went on')
    if (contents !== toBase32(text)) throw new Error(`${file.name}: an edit was done and is lost`)
    return
  }
  run.marks.add('edit failed')
  if (!safe) return
  if (contents !== toBase32(text) && contents !== before.contents) {
    throw new Error(`${file.name}: neither old nor new after ${outcome.code}`)
  }
}

// The end: all servers that have not lost everything are there, and do as they should.

async function mend(
  run: Run,
  file: TestFile,
  readable: boolean,
): Promise<ICheckResults | undefined> {
  const checkable = createCheckable(file.cap, run.context)
  const outcome = await attempt(checkable.checkAndRepair({ verify: true }))
  if ('value' in outcome) return outcome.value?.postRepairResults
  if (outcome.code === 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE' && !readable) return undefined
  if (outcome.code !== 'REPAIR_MUST_FORCE') throw new Error(`not repaired: ${outcome.code}`)
  run.marks.add('repair refused without force')
  const results = await checkable.check({ verify: true })
  if (results === undefined) return undefined
  const { successful } = await checkable.repair(results, { force: true })
  if (!successful && !readable && !results.recoverable) return undefined
  if (!successful) throw new Error('not repaired by force')
  run.marks.add('repaired by force')
  return checkable.check({ verify: true })
}

/** Whether every share can be had: a bad immutable share bars its number from its server. */
async function hasRoom(run: Run, file: TestFile): Promise<boolean> {
  if (file.cap instanceof MutableWriteCap) return up(run).length > 0
  const places = (await standing(run.vaults, file, up(run)))[0]?.places
  const holders = await Promise.all(
    up(run).map(async (server) => new Set(await sharesOn(run.vaults, file, server))),
  )
  const all = Array.from({ length: run.encoding.totalShares }, (_, share) => share)
  return all.every(
    (share) => places?.has(share) === true || holders.some((shares) => !shares.has(share)),
  )
}

async function checkEnd(run: Run, file: TestFile): Promise<void> {
  const { clock, vaults, encoding } = run
  const seen = best(await standing(vaults, file, up(run)))
  const there = await standing(vaults, file, up(run))
  const truth = await clock.run(
    createCheckable(file.cap, run.context).check({ verify: true }),
    PATIENCE_MS,
  )
  if (truth !== undefined) expectTruth(run, truth, there)
  await clock.run(read(run, file, false), PATIENCE_MS)
  const mustMend = seen !== undefined && (await hasRoom(run, file))
  const results = await clock.run(mend(run, file, seen !== undefined), PATIENCE_MS)
  const mended = await standing(vaults, file, up(run))
  if (seen === undefined) {
    // Bad private keys alone: a repair has taken a good one from elsewhere.
    const recovered = best(mended)?.contents
    if ((results?.recoverable === true) !== (recovered !== undefined)) {
      throw new Error('expected a file that cannot be read')
    }
    if (recovered !== undefined) expect(file.written).toContain(recovered)
    run.marks.add('beyond repair')
    return
  }
  // A share with a bad public key is none of the best version's, and gives its blocks to a repair.
  expect([seen.contents, file.latest]).toContain(best(mended)?.contents)
  if (!mustMend) return
  if (results?.healthy !== true) throw new Error(`expected health, got ${results?.summary}`)
  if (best(mended)?.places.size !== encoding.totalShares) throw new Error('expected all shares')
  await spreadOut(run, file)
  await clock.run(read(run, file, false), PATIENCE_MS)
}

/** Rebalancing makes a file as safe as it can be, and then has nothing to do. */
async function spreadOut(run: Run, file: TestFile): Promise<void> {
  const { clock, context, vaults } = run
  const plan = await clock.run(planRebalance(file.cap, context), PATIENCE_MS)
  const outcomes = await clock.run(rebalance(file.cap, plan, context), PATIENCE_MS)
  const mutable = file.cap instanceof MutableWriteCap
  const bad = (await Promise.all(up(run).map((server) => sharesOn(vaults, file, server)))).flat()
  const places = best(await standing(vaults, file, up(run)))?.places ?? new Map()
  const stray = bad.length - [...places.values()].reduce((sum, servers) => sum + servers.size, 0)
  // A bad immutable share may stand in the way, and is not seen without verifying.
  if (!mutable && stray > 0) return
  for (const { error } of outcomes) if (error !== undefined) throw error
  const names = new Map(
    [...places].map(([share, servers]) => [share, new Set([...servers].map(String))]),
  )
  const happiness = serversOfHappiness(names)
  if (happiness !== plan.happinessAfter) {
    throw new Error(`expected a happiness of ${plan.happinessAfter}, got ${happiness}`)
  }
  const again = await clock.run(planRebalance(file.cap, context), PATIENCE_MS)
  if (again.moves.length > 0) throw new Error('expected nothing to move')
  if (stray === 0 && happiness < Math.min(up(run).length, run.encoding.totalShares)) {
    throw new Error(`expected more than a happiness of ${happiness}`)
  }
}

async function step(run: Run): Promise<void> {
  const { random, files } = run
  calm(run)
  if (files.length === 0 || random.next() < 0.1) {
    await create(run)
  } else {
    const file = draw(random, files)
    const chance = random.next()
    if (chance < 0.2) changeServer(run)
    else if (chance < 0.35) await damage(run, file)
    else if (chance < 0.55) await edit(run, file)
    else await tend(run, file)
  }
  calm(run)
  if (random.next() < 0.2) await run.clock.elapse(AFTERMATH_MS)
}

async function play(run: Run): Promise<void> {
  const count = 3 + run.random.integer(12)
  for (let done = 0; done < count; done++) await step(run)
  for (const number of numbersOf(run, 'down')) run.conditions[number] = 'up'
  calm(run)
  await run.clock.elapse(AFTERMATH_MS)
  for (const file of run.files) {
    run.story.push(`${file.name}: the end`)
    await checkEnd(run, file)
  }
}

testSimulation({
  name: 'files that are tended while servers fail',
  command: '--project @lafs/checker simulation',
  seedCount: 150,
  marks,
  prepare,
  play,
  describe: ({ encoding, grid, story }) => {
    const { requiredShares, totalShares } = encoding
    const facts = `${requiredShares} of ${totalShares}, ${grid.servers.length} servers`
    return [facts, ...story].join('\n')
  },
})
