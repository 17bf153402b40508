import { loadCodec } from '@lafs/codec'
import { defaultCrypto, fromBase32, sskWriteEnablerHash } from '@lafs/crypto'
import { createMemoryStore } from '@lafs/share-store-memory'
import { StorageError } from '@lafs/storage-interface'
import type { IServer, IStorageServer, RIStorageServer } from '@lafs/storage-interface'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, withFault } from '@lafs/testing'
import type { OperationName } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { parseCapStrict, MdmfCap, SskCap } from '@lafs/uri'
import { fromHex, loadBytes, loadVectors } from '@lafs/vectors'
import { checkResultsJson } from '@lafs/checker'
import type { CheckerContext } from '@lafs/checker'
import type { ICheckResults } from '@lafs/filesystem-interface'

const codec = await loadCodec()
const NO_SECRET = new Uint8Array(32)

/** What upstream's web API says of a check, with servers by number. */
export interface Told {
  readonly summary: string
  readonly results: Readonly<Record<string, unknown>> & {
    readonly healthy: boolean
    readonly recoverable: boolean
    readonly 'list-corrupt-shares': readonly (readonly [server: number, share: number])[]
  }
  readonly incompatible: readonly (readonly [server: number, share: number])[]
  /** Not recorded of what follows a repair. */
  readonly report?: readonly string[]
}

/** What came of a check: what it says, or the name of the error that upstream ended with. */
export type RecordedOutcome = Told | { readonly error: string }

/** What came of a repair; the results are numbers of outcomes. */
type RecordedRepair =
  | {
      readonly 'repair-attempted': boolean
      readonly 'repair-successful': boolean
      readonly 'pre-repair-results': number
      readonly 'post-repair-results': number
    }
  | { readonly error: string }

type Damage = readonly [
  server: number,
  share: number,
  kind: string,
  ...details: (number | string)[],
]

/** What the cases of every kind of file have in common. */
export interface RecordedCase {
  readonly file: string
  readonly name: string
  readonly shares: readonly (readonly [
    server: number,
    share: number,
    ...source: (number | string)[],
  ])[]
  readonly damage: readonly Damage[]
  readonly failing?: readonly number[]
  readonly dying?: readonly number[]
  /** Numbers of outcomes. */
  readonly check: number
  readonly verify?: number
}

/** A server of a recording: its id, short name, and seed in base32. */
export interface RecordedServer {
  readonly id: string
  readonly name: string
  readonly seed: string
}

/** A recording of checks. */
export interface Recording<File, Case extends RecordedCase> {
  readonly servers: readonly RecordedServer[]
  readonly files: Readonly<Record<string, File>>
  readonly outcomes: readonly RecordedOutcome[]
  readonly cases: readonly Case[]
}

/** An immutable file of a recording. */
export interface RecordedChk {
  readonly cap: string
  readonly verifyCap: string
  /** A file of equal shares, one after the other. */
  readonly shares: string
}

/** A mutable file of a recording. */
export interface RecordedMutable {
  readonly cap: string
  readonly readCap: string
  readonly versions: Readonly<
    Record<string, { file: string; offset: number; size: number; count: number }>
  >
}

/** A case of an immutable file. */
export interface ChkCase extends RecordedCase {
  readonly repairAfterCheck?: RecordedRepair
  readonly repairAfterVerify?: RecordedRepair
}

/** A case of a mutable file. */
export interface MutableCase extends RecordedCase {
  readonly verifyReading: number
  readonly repairAfterVerify?: RecordedRepair
}

/** The recorded checks of immutable files. */
export const chkChecks: Recording<RecordedChk, ChkCase> = await loadVectors('check/chk')
/** The recorded checks of mutable files. */
export const mutableChecks: Recording<RecordedMutable, MutableCase> =
  await loadVectors('check/mutable')

/** Gives the bytes of a share of the recordings, by file, version where it is mutable, and number. */
export type ShareSource = (
  file: string,
  share: number,
  source: readonly (number | string)[],
) => Uint8Array

/** The shares of the recorded immutable files. */
export async function chkShares(): Promise<ShareSource> {
  const files = new Map<string, { bytes: Uint8Array; size: number }>()
  for (const [name, { shares, cap }] of Object.entries(chkChecks.files)) {
    const bytes = await loadBytes(shares)
    const parsed = parseCapStrict(cap)
    if (parsed.kind !== 'chk') throw new Error(`expected a CHK cap, got ${parsed.kind}`)
    files.set(name, { bytes, size: bytes.length / parsed.totalShares })
  }
  return (file, share, [otherFile, otherShare]) => {
    const found = files.get(String(otherFile ?? file))
    if (found === undefined) throw new Error(`expected a recorded file, got ${String(otherFile)}`)
    const at = Number(otherShare ?? share) * found.size
    return found.bytes.slice(at, at + found.size)
  }
}

/** The shares of the recorded mutable files. */
export async function mutableShares(): Promise<ShareSource> {
  const packed = new Map<string, Uint8Array>()
  for (const { versions } of Object.values(mutableChecks.files)) {
    for (const { file } of Object.values(versions)) packed.set(file, await loadBytes(file))
  }
  return (file, share, [version, otherShare]) => {
    const place = mutableChecks.files[file]?.versions[String(version)]
    const bytes = packed.get(place?.file ?? '')
    if (place === undefined || bytes === undefined) throw new Error(`no version ${String(version)}`)
    const at = place.offset + Number(otherShare ?? share) * place.size
    return bytes.slice(at, at + place.size)
  }
}

/** The grid of a case: its servers in memory with the damaged shares on them. */
export async function gridOf(
  recorded: RecordedCase,
  servers: readonly RecordedServer[],
  cap: string,
  source: ShareSource,
): Promise<CheckerContext> {
  const transport = memoryTransport()
  const backends = servers.map(() => createStorageServer({ store: createMemoryStore() }))
  const placed = new Map<string, Uint8Array>()
  for (const [server, share, ...from] of recorded.shares) {
    placed.set(`${server}/${share}`, source(recorded.file, share, from))
  }
  for (const [server, share, ...how] of recorded.damage) {
    const key = `${server}/${share}`
    placed.set(key, damaged(placed.get(key) ?? new Uint8Array(), how))
  }
  for (const [key, bytes] of placed) {
    const [server = 0, share = 0] = key.split('/').map(Number)
    const backend = backends[server]
    if (backend !== undefined) await lay(backend, cap, servers[server], share, bytes)
  }
  const known = await Promise.all(
    backends.map(async (backend, index) => {
      const { announcement } = await transport.serve(backend)
      const { storageServer } = await transport.connect(announcement)
      return serverOf(faulty(storageServer, recorded, index), servers[index])
    }),
  )
  return {
    broker: brokerOf(known),
    codec,
    crypto: defaultCrypto,
    clock: systemClock,
    leaseSecret: new Uint8Array(32).fill(7),
    encoding: { requiredShares: 3, totalShares: 10 },
    random: () => 0.5,
  }
}

function damaged(
  bytes: Uint8Array,
  [kind, first, second]: readonly (number | string)[],
): Uint8Array {
  if (kind === 'cut') return bytes.slice(0, Number(first))
  if (kind === 'write') {
    const changed = bytes.slice()
    changed.set(fromHex(String(second)), Number(first))
    return changed
  }
  if (kind !== 'append') throw new Error(`expected a kind of damage, got ${String(kind)}`)
  return Uint8Array.from([...bytes, ...fromHex(String(first))])
}

/** Stores a share as it stands. */
async function lay(
  backend: RIStorageServer,
  text: string,
  server: RecordedServer | undefined,
  share: number,
  bytes: Uint8Array,
): Promise<void> {
  const cap = parseCapStrict(text)
  const secrets = { renewSecret: NO_SECRET, cancelSecret: NO_SECRET }
  if (cap instanceof SskCap || cap instanceof MdmfCap) {
    const writeEnabler = sskWriteEnablerHash(cap.writekey, fromBase32(server?.seed ?? ''))
    await backend.slotTestvAndReadvAndWritev(
      cap.storageIndex,
      { writeEnabler, ...secrets },
      new Map([[share, { test: [], write: [{ offset: 0, data: bytes }], newLength: undefined }]]),
      [],
    )
    return
  }
  if (cap.kind !== 'chk') throw new Error(`expected a file, got ${cap.kind}`)
  const { writers } = await backend.allocateBuckets(cap.storageIndex, {
    ...secrets,
    shareNumbers: new Set([share]),
    allocatedSize: bytes.length,
  })
  const bucket = writers.get(share)
  if (bytes.length > 0) await bucket?.write(0, [bytes])
  await bucket?.close()
}

const LISTING: readonly OperationName[] = ['getBuckets', 'slotReadv']

/** A server that answers nothing, or only the first question for shares. */
function faulty(storage: IStorageServer, recorded: RecordedCase, index: number): IStorageServer {
  const failing = recorded.failing?.includes(index) === true
  const dying = recorded.dying?.includes(index) === true
  if (!failing && !dying) return storage
  let listed = false
  return withFault(storage, (name, operation) => {
    if (dying && !listed && LISTING.includes(name)) {
      listed = true
      return operation()
    }
    return Promise.reject(new StorageError('STORAGE_UNREACHABLE', 'stopped'))
  })
}

function serverOf(storage: IStorageServer, server: RecordedServer | undefined): IServer {
  const { id, name, seed } = server ?? { id: '', name: '', seed: '' }
  return {
    serverId: id,
    nickname: '',
    name,
    longName: id,
    permutationSeed: fromBase32(seed),
    leaseSeed: fromBase32(seed),
    connectionStatus: { connected: true, summary: 'connected' },
    uploadPermitted: () => true,
    storageServer: async () => storage,
  }
}

/** Our results as the recordings tell them. */
export function told(results: ICheckResults, servers: readonly RecordedServer[]): Required<Told> {
  const numberOf = (id: string): number => servers.findIndex((server) => server.id === id)
  const rising = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)
  const pairs = (
    locators: readonly { serverId: string; shareNumber: number }[],
  ): [number, number][] =>
    locators
      .map(({ serverId, shareNumber }): [number, number] => [numberOf(serverId), shareNumber])
      .toSorted(([a, b], [c, d]) => a - c || b - d)
  const json = checkResultsJson(results)
  if (!('summary' in json)) throw new Error('expected the results of a file that is stored')
  return {
    summary: json.summary,
    results: {
      ...json.results,
      'list-corrupt-shares': pairs(results.corruptShares),
      'servers-responding': rising([...results.serversResponding].map(numberOf)),
      sharemap: Object.fromEntries(
        Object.entries(json.results.sharemap).map(([share, ids]) => [
          share,
          rising(ids.map(numberOf)),
        ]),
      ),
    },
    incompatible: pairs(results.incompatibleShares),
    report: results.report,
  }
}
