/**
 * Whole uploads and downloads on grids whose servers misbehave, in virtual time, everything drawn
 * from a seed. One run again, with what happened in it: `SEED=17 npx vitest run simulation`; more of
 * them: `SEED_COUNT=10000`.
 */
import { jsCodec } from '@lafs/codec'
import { toBase32 } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IImmutableFileNode, IUploadResults } from '@lafs/filesystem-interface'
import {
  createImmutableNode,
  encodeToShares,
  uploadableFromBytes,
  uploadImmutable,
} from '@lafs/immutable'
import type { ShareMap } from '@lafs/immutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import { FAULTLESS } from '@lafs/testing'
import { createSimulatedGrid, drawFaultPlan, seededRandom, virtualClock } from '@lafs/testing'
import type {
  FaultName,
  FaultPlan,
  SeededRandom,
  SimulatedGrid,
  SimulatedServer,
  VirtualClock,
} from '@lafs/testing'
import type { RIStorageServer } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { memoryTransport } from '@lafs/transport-memory'
import { parseCapStrict } from '@lafs/uri'
import type { ChkCap, LitCap } from '@lafs/uri'
import { toHex } from '@lafs/vectors'
import { seededCrypto, testSimulation } from '@lafs/testing/simulation'
import { expect } from 'vitest'
import { same } from './grid.ts'

/** Keys are convergent: nothing that is random comes of it. */
const crypto = seededCrypto(seededRandom(0))

/** How long any single operation may take, in virtual time. */
const PATIENCE_MS = 2 * 60 * 60 * 1000
/** Longer than any stall, and shorter than the time after which servers drop idle uploads. */
const AFTERMATH_MS = 10 * 60 * 1000

/** What is done in one run; drawn from its seed before anything begins. */
interface Scenario {
  readonly data: Uint8Array
  readonly encoding: {
    readonly requiredShares: number
    readonly happyShares: number
    readonly totalShares: number
    readonly maxSegmentSize: number
  }
  readonly convergence: Uint8Array
  readonly leaseSecret: Uint8Array
  readonly uploadPlans: readonly FaultPlan[]
  readonly downloadPlans: readonly FaultPlan[]
}

interface Run extends Scenario {
  readonly random: SeededRandom
  readonly clock: VirtualClock
  readonly backends: readonly RIStorageServer[]
  readonly grid: SimulatedGrid
  /** What the file's cap and shares must be. */
  readonly cap: ChkCap | LitCap
  readonly shares: ReadonlyMap<number, Uint8Array>
  /** Everything that was thrown. */
  readonly errors: unknown[]
  /** What this run has come by. */
  readonly marks: Set<Mark>
}

/** Where some run must come by, or the properties would hold for want of a case. */
const marks = [
  'happy though servers fail',
  'unhappy',
  'upload cancelled',
  'shares there already',
  'share dropped midway',
  'read whole though servers fail',
  'read though it need not succeed',
  'not enough shares',
  'no shares',
  'cancelled',
  'left early',
  'garbled and told',
  'damaged',
] as const
type Mark = (typeof marks)[number]

const downloadFaults: readonly FaultName[] = [
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
  'rollsBack',
]
const uploadFaults: readonly FaultName[] = [
  'dies',
  'fails',
  'stalls',
  'answersLate',
  'hides',
  'invents',
  'refuses',
  'hasNoSpace',
  'isReadonly',
  'dropsWrites',
  'loses',
  'rollsBack',
]

/** Most servers of a run have no fault, or hardly one has none: runs differ in that as well. */
function drawPlans(random: SeededRandom, count: number, faults: readonly FaultName[]): FaultPlan[] {
  const misery = random.next() * 0.25
  const odds = Object.fromEntries(faults.map((name) => [name, misery]))
  return Array.from({ length: count }, () => drawFaultPlan(random, odds))
}

function drawScenario(random: SeededRandom): Scenario {
  const large = random.next() < 0.1
  const requiredShares = 1 + random.integer(large ? 12 : 4)
  const totalShares = requiredShares + random.integer(large ? 20 : 6)
  const serverCount = 1 + random.integer(totalShares + 2)
  const happyMost = Math.min(totalShares, serverCount)
  const size = random.next() < 0.1 ? random.integer(57) : 56 + random.integer(3000)
  return {
    data: random.bytes(size),
    encoding: {
      requiredShares,
      happyShares: random.integer(happyMost + 1),
      totalShares,
      // Below the size from which the portable provider hashes off the thread, in real time.
      maxSegmentSize: 1 + random.integer(random.next() < 0.2 ? 1900 : 700),
    },
    convergence: random.bytes(32),
    leaseSecret: random.bytes(32),
    uploadPlans: drawPlans(random, serverCount, uploadFaults),
    downloadPlans: drawPlans(random, serverCount, downloadFaults),
  }
}

async function prepare(seed: number): Promise<Run> {
  const random = seededRandom(seed)
  const scenario = drawScenario(random)
  const { data, convergence, encoding, uploadPlans } = scenario
  const clock = virtualClock()
  const transport = memoryTransport()
  const backends = uploadPlans.map(() =>
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
  const truth = await encodeToShares(uploadableFromBytes(data), {
    codec: jsCodec,
    crypto,
    convergence,
    encoding,
  })
  const grid = createSimulatedGrid(storages, { clock, random })
  return { ...scenario, ...truth, random, clock, backends, grid, errors: [], marks: new Set() }
}

function follow(servers: readonly SimulatedServer[], plans: readonly FaultPlan[]): void {
  for (const [index, server] of servers.entries()) server.follow(plans[index] ?? FAULTLESS)
}

/** The error that something was rejected with, or undefined. */
async function errorOf(run: Run, work: Promise<unknown>): Promise<unknown> {
  try {
    await run.clock.run(work, PATIENCE_MS)
    return undefined
  } catch (error) {
    run.errors.push(error)
    return error
  }
}

function expectCode(error: unknown, codes: readonly string[]): void {
  if (isFilesystemError(error) && codes.includes(error.code)) return
  throw new Error(`expected ${codes.join(' or ')}, got ${String(error)}`, { cause: error })
}

/** The greatest number of pairs of a share and a server that holds it, none of either twice. */
function happinessOf(shares: ReadonlyMap<number, ReadonlySet<string>>): number {
  const shareOf = new Map<string, number>()
  const place = (share: number, seen: Set<string>): boolean => {
    for (const server of shares.get(share) ?? []) {
      if (seen.has(server)) continue
      seen.add(server)
      const other = shareOf.get(server)
      if (other !== undefined && !place(other, seen)) continue
      shareOf.set(server, share)
      return true
    }
    return false
  }
  return [...shares.keys()].filter((share) => place(share, new Set())).length
}

async function shareOn(
  backend: RIStorageServer,
  storageIndex: Uint8Array,
  share: number,
): Promise<Uint8Array | undefined> {
  if (!(await backend.listShares('immutable', storageIndex)).has(share)) return undefined
  const reader = await backend.openShare('immutable', storageIndex, share)
  try {
    return await reader.read(0, reader.length)
  } finally {
    await reader.close()
  }
}

/** Whether what a server says of its uploads can be believed under this plan. */
function keepsItsWord({ dropWritesRate, inventRate, loseRate, ...plan }: FaultPlan): boolean {
  const keeps = loseRate === 0 && plan.rollsBackAtOperation === Infinity
  return dropWritesRate === 0 && inventRate === 0 && keeps
}

const cancelled = new Error('cancelled by the test')

/** Property 1: an upload is as happy as it says, or fails by name; nothing half-done stays behind. */
async function upload(run: Run): Promise<void> {
  const { data, encoding, convergence, leaseSecret, grid, clock, cap, random } = run
  follow(grid.servers, run.uploadPlans)
  const controller = new AbortController()
  const cancel = (): void => controller.abort(cancelled)
  if (random.next() < 0.15) clock.after(random.integer(random.next() < 0.5 ? 300 : 60_000), cancel)
  let results: IUploadResults | undefined
  const uploading = uploadImmutable(uploadableFromBytes(data), {
    broker: grid.broker,
    codec: jsCodec,
    crypto,
    clock,
    secrets: { convergence, leaseSecret },
    encoding,
    signal: controller.signal,
  }).then((value) => {
    results = value
  })
  const error = await errorOf(run, uploading)
  await clock.elapse(AFTERMATH_MS)
  for (const server of grid.servers) {
    if (server.alive) expect(server.openUploads, `open on ${server.id}`).toBe(0)
  }
  if (error === cancelled) {
    run.marks.add('upload cancelled')
    return
  }
  if (results === undefined) {
    expectCode(error, ['UPLOAD_UNHAPPINESS', 'UPLOAD_NO_SERVERS'])
    run.marks.add('unhappy')
    return
  }
  expect(parseCapStrict(results.uri).format()).toBe(cap.format())
  if (cap.kind === 'lit') return
  if (run.uploadPlans.some((plan) => plan !== FAULTLESS)) run.marks.add('happy though servers fail')
  if (results.sharemap.size < encoding.totalShares) run.marks.add('share dropped midway')
  if (results.preexistingShares > 0) run.marks.add('shares there already')
  expect(happinessOf(results.sharemap)).toBeGreaterThanOrEqual(encoding.happyShares)
  await checkSharemap(run, cap, results)
}

async function checkSharemap(run: Run, cap: ChkCap, results: IUploadResults): Promise<void> {
  const { servers } = run.grid
  const kept: ShareMap = new Map()
  for (const [share, ids] of results.sharemap) {
    for (const id of ids) {
      expect([...(results.servermap.get(id) ?? [])]).toContain(share)
      const index = servers.findIndex((server) => server.id === id)
      const [server, backend] = [servers[index], run.backends[index]]
      if (server === undefined || backend === undefined) throw new Error('an unknown server')
      if (!keepsItsWord(server.plan)) continue
      const stored = await shareOn(backend, cap.storageIndex, share)
      const expected = run.shares.get(share)
      const whole = stored !== undefined && expected !== undefined && same(stored, expected)
      expect(whole, `share ${share} stands whole on ${id}`).toBe(true)
      kept.set(share, (kept.get(share) ?? new Set()).add(id))
    }
  }
  const liars = servers.filter(({ plan }) => !keepsItsWord(plan)).length
  expect(happinessOf(kept) + liars).toBeGreaterThanOrEqual(run.encoding.happyShares)
}

/** Puts shares on servers behind their backs, so that there is something to download in every run. */
async function spread(run: Run, { storageIndex }: ChkCap): Promise<void> {
  const { random, backends } = run
  for (const [share, bytes] of run.shares) {
    const backend = backends[random.integer(backends.length)]
    if (backend === undefined || random.next() < 0.3) continue
    const { writers } = await backend.allocateBuckets(storageIndex, {
      renewSecret: new Uint8Array(32),
      cancelSecret: new Uint8Array(32),
      shareNumbers: new Set([share]),
      allocatedSize: bytes.length,
    })
    const writer = writers.get(share)
    await writer?.write(0, [bytes])
    await writer?.close()
  }
}

/** Whether every answer of the server is right and comes in time. */
function isGood({ plan }: SimulatedServer): boolean {
  const { latencyMs, readonly, refuseRate, noSpaceRate, dropWritesRate, loseRate } = FAULTLESS
  const allowed = { latencyMs, readonly, refuseRate, noSpaceRate, dropWritesRate, loseRate }
  return Object.entries({ ...plan, ...allowed }).every(
    ([name, value]) => value === FAULTLESS[name as keyof FaultPlan],
  )
}

/** How many different shares are whole, on good servers, and shown by them. */
async function goodShareCount(run: Run, { storageIndex }: ChkCap): Promise<number> {
  const found = new Set<number>()
  for (const [index, server] of run.grid.servers.entries()) {
    const backend = run.backends[index]
    if (!isGood(server) || backend === undefined) continue
    const shown = await run.clock.run(server.storage.getBuckets(storageIndex), PATIENCE_MS)
    for (const share of shown.keys()) {
      const stored = await shareOn(backend, storageIndex, share)
      const expected = run.shares.get(share)
      if (stored !== undefined && expected !== undefined && same(stored, expected)) found.add(share)
    }
  }
  return found.size
}

/** Property 2: one read of a span gives its bytes, or fails by name. */
async function readSpan(run: Run, node: IImmutableFileNode, mustSucceed: boolean): Promise<void> {
  const { random, data, clock } = run
  const whole = random.next() < 0.4
  const offset = whole ? 0 : random.integer(data.length + 10)
  const size = whole ? data.length : random.integer(data.length + 10)
  const cancelsAfterMs = random.next() < 0.25 ? random.integer(20_000) : undefined
  const leavesAfter = random.next() < 0.15 ? random.integer(3) : undefined
  await clock.sleep(random.next() < 0.5 ? 0 : random.integer(30_000))
  const controller = new AbortController()
  let cancelledAtMs: number | undefined
  const cancel = (): void => {
    cancelledAtMs = clock.nowMs()
    controller.abort(cancelled)
  }
  if (cancelsAfterMs !== undefined) clock.after(cancelsAfterMs, cancel)
  const end = Math.min(offset + size, data.length)
  let at = offset
  let pieces = 0
  try {
    for await (const piece of node.read({ offset, size, signal: controller.signal })) {
      const right = at + piece.length <= end && same(piece, data.subarray(at, at + piece.length))
      if (!right) throw new Error(`wrong bytes at ${at} of ${offset}+${size}`)
      at += piece.length
      if (leavesAfter !== undefined && ++pieces > leavesAfter) {
        run.marks.add('left early')
        return
      }
    }
  } catch (error) {
    if (error === cancelled) {
      run.marks.add('cancelled')
      return
    }
    run.errors.push(error)
    expectCode(error, ['DOWNLOAD_NOT_ENOUGH_SHARES', 'DOWNLOAD_NO_SHARES'])
    const none = isFilesystemError(error, 'DOWNLOAD_NO_SHARES')
    run.marks.add(none ? 'no shares' : 'not enough shares')
    if (mustSucceed) throw new Error('k good shares are there and it failed', { cause: error })
    return
  } finally {
    // A read that is cancelled ends then and there, whatever its servers do.
    expect(cancelledAtMs ?? clock.nowMs()).toBe(clock.nowMs())
  }
  expect(Math.max(at, end), 'the end of the span').toBe(at)
  if (whole) {
    const failing = run.downloadPlans.some((plan) => plan !== FAULTLESS)
    if (failing && mustSucceed) run.marks.add('read whole though servers fail')
    if (!mustSucceed) run.marks.add('read though it need not succeed')
  }
}

/** Properties 2, 3 and 4: reads side by side, by one node and by several. */
async function download(run: Run): Promise<void> {
  const { cap, random, grid, clock } = run
  if (cap.kind === 'chk') await spread(run, cap)
  follow(grid.servers, run.downloadPlans)
  const mustSucceed =
    cap.kind === 'lit' || (await goodShareCount(run, cap)) >= run.encoding.requiredShares
  const makeNode = (): IImmutableFileNode =>
    createImmutableNode(cap, { broker: grid.broker, codec: jsCodec, crypto, clock })
  for (let node = makeNode(), round = 0; round < 2; round++) {
    if (random.next() < 0.3) node = makeNode()
    const reads = Array.from({ length: 1 + random.integer(3) }, () =>
      readSpan(run, random.next() < 0.7 ? node : makeNode(), mustSucceed),
    )
    await clock.run(Promise.all(reads), PATIENCE_MS)
  }
  const before = grid.trace.length
  await clock.elapse(AFTERMATH_MS)
  const late = grid.trace
    .slice(before)
    .filter((line) => / #\d+ (getBuckets|reader.read)/.test(line))
  expect(late, 'requests for nobody').toEqual([])
  for (const { id, record } of grid.servers) {
    for (const share of record.garbled) expect(record.advised, `told ${id}`).toContain(share)
    if (record.garbled.size > 0) run.marks.add('garbled and told')
    if (record.advised.size > record.garbled.size) run.marks.add('damaged')
    for (const share of record.advised) expect(record.tainted, `blamed ${id}`).toContain(share)
  }
}

function* textsOf(error: unknown): Generator<string> {
  if (!(error instanceof Error)) return
  yield error.message
  yield error.stack ?? ''
  yield* textsOf(error.cause)
  if ('errors' in error && Array.isArray(error.errors)) {
    for (const one of error.errors) yield* textsOf(one)
  }
}

/** Property 5: neither errors nor what servers are told give anything away. */
function checkSecrecy(run: Run): void {
  const secrets = [run.convergence, run.leaseSecret]
  if (run.cap.kind === 'chk') secrets.push(run.cap.key, run.cap.uriExtensionHash)
  const texts = secrets.flatMap((bytes) => [
    toBase32(bytes),
    toHex(bytes),
    btoa(String.fromCodePoint(...bytes)),
    bytes.join(','),
  ])
  texts.push(run.cap.format(), 'URI:')
  const told = [...run.errors.flatMap((error) => [...textsOf(error)]), ...run.grid.trace]
  for (const text of texts) {
    for (const line of told) if (line.includes(text)) throw new Error(`a secret in: ${line}`)
  }
}

/** Runs one seed; gives what has happened. */
async function play(run: Run): Promise<void> {
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown): void => {
    unhandled.push(reason)
  }
  process.on('unhandledRejection', onUnhandled)
  try {
    await upload(run)
    if (run.random.next() < 0.3) await upload(run)
    await download(run)
    checkSecrecy(run)
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', onUnhandled)
  }
}

testSimulation({
  name: 'a simulated grid',
  command: '--project @lafs/immutable simulation',
  seedCount: 400,
  marks,
  prepare,
  play,
  describe: ({ data, encoding, grid }) =>
    `${data.length} bytes, ${JSON.stringify(encoding)}, ${grid.servers.length} servers`,
})
