import { jsCodec } from '@lafs/codec'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { parseChkHeader } from '@lafs/storage-protocol/layout'
import type { CryptoProvider } from '@lafs/crypto'
import { sameBytes, sskWriteEnablerHash, toBase32 } from '@lafs/crypto'
import type { CheckerContext } from '@lafs/checker'
import { encodeToShares, uploadableFromBytes } from '@lafs/immutable'
import {
  createMutableNode,
  openMutableFile,
  ServerMap,
  updateServermap,
  verifyVersion,
} from '@lafs/mutable'
import type { MutableFileCap } from '@lafs/mutable'
import type { RIStorageServer, ShareNumber } from '@lafs/storage-interface'
import { serverOf } from '@lafs/testing'
import { MutableWriteCap, parseCapStrict } from '@lafs/uri'
import type { ChkCap, MdmfCap, SskCap } from '@lafs/uri'
import { loadBytes, loadVectors } from '@lafs/vectors'

interface Published {
  readonly file: string
  readonly cases: readonly { readonly offset: number; readonly length: number }[]
}

const published = await loadVectors<Published>('mutable/published')
const publishedKeys = await loadBytes(published.file)
const EVERYTHING = { offset: 0, size: 2 ** 30 }

/** DER of one of the 240 keys that upstream publishes. */
export function privateKeyDer(number: number): Uint8Array {
  const { offset = 0, length = 0 } = published.cases[number] ?? {}
  return publishedKeys.slice(offset, offset + length)
}

/** How files are encoded in a run. */
export interface Encoding {
  readonly requiredShares: number
  readonly totalShares: number
}

/** A file of a run. Its key names it in messages. */
export interface TestFile {
  readonly name: string
  readonly cap: ChkCap | SskCap | MdmfCap
  readonly storageIndex: Uint8Array
  /** What the shares of an immutable file must be. */
  readonly shares: ReadonlyMap<ShareNumber, Uint8Array> | undefined
  /** What anybody ever wrote, or tried to, in base32. */
  readonly written: Set<string>
  /** What was written last with success. */
  latest: string
}

/** An immutable file, stored nowhere yet. */
export async function immutableFile(
  name: string,
  contents: Uint8Array,
  options: {
    readonly crypto: CryptoProvider
    readonly convergence: Uint8Array
    readonly encoding: Encoding
    readonly maxSegmentSize: number
  },
): Promise<TestFile> {
  const { crypto, convergence, encoding, maxSegmentSize } = options
  const { cap, shares } = await encodeToShares(uploadableFromBytes(contents), {
    codec: jsCodec,
    crypto,
    convergence,
    encoding: { ...encoding, maxSegmentSize },
  })
  if (cap.kind !== 'chk') throw new Error('expected a file that is not LIT')
  return {
    name,
    cap,
    storageIndex: cap.storageIndex,
    shares,
    ...writtenOnce(contents),
  }
}

function writtenOnce(contents: Uint8Array): Pick<TestFile, 'written' | 'latest'> {
  const latest = toBase32(contents)
  return { written: new Set([latest]), latest }
}

/** A mutable file, as it is known once it was made. */
export function mutableFile(name: string, uri: string, contents: Uint8Array): TestFile {
  const cap = parseCapStrict(uri)
  if (cap.kind !== 'ssk' && cap.kind !== 'mdmf') throw new Error('expected a write cap')
  return {
    name,
    cap,
    storageIndex: cap.storageIndex,
    shares: undefined,
    ...writtenOnce(contents),
  }
}

/** One version of a file, as it stands on servers. */
export interface StandingVersion {
  readonly id: string
  /** What a check puts before the number of a share of it; nothing for an immutable file. */
  readonly label: string
  /** Where its good shares are: the numbers of servers by that of the share. */
  readonly places: ReadonlyMap<ShareNumber, ReadonlySet<number>>
  /** In base32; undefined where there are too few shares to tell. */
  readonly contents: string | undefined
}

/** The honest servers behind those of a grid, and what it takes to write there. */
export interface Vaults {
  readonly backends: readonly RIStorageServer[]
  readonly context: CheckerContext
}

/** Whether a share says what it should, in everything that anybody reads. */
function sameInAllThatCounts(bytes: Uint8Array, good: Uint8Array): boolean {
  const { offsets, fieldSize } = parseChkHeader(good)
  // Block size, data size, and the plaintext hash tree with its offset.
  const unused = [
    [4, 4 + 2 * fieldSize],
    [4 + 3 * fieldSize, 4 + 4 * fieldSize],
    [offsets.plaintextHashTree, offsets.crypttextHashTree],
  ] as const
  const copy = bytes.slice()
  for (const [begin, end] of unused)
    if (end <= copy.length) copy.set(good.subarray(begin, end), begin)
  return sameBytes(copy, good)
}

/** An immutable file has one version, and none where it has no good share. */
async function standingImmutable(
  { backends }: Vaults,
  { storageIndex, shares, written, cap }: TestFile,
  servers: readonly number[],
): Promise<StandingVersion[]> {
  const places = new Map<ShareNumber, Set<number>>()
  for (const server of servers) {
    const backend = backends[server]
    for (const share of (await backend?.listShares('immutable', storageIndex)) ?? []) {
      const reader = await backend?.openShare('immutable', storageIndex, share)
      const bytes = await reader?.read(0, reader.length)
      await reader?.close()
      const good = shares?.get(share)
      if (bytes === undefined || good === undefined || !sameInAllThatCounts(bytes, good)) continue
      places.set(share, (places.get(share) ?? new Set()).add(server))
    }
  }
  if (places.size === 0) return []
  const readable = 'requiredShares' in cap && places.size >= cap.requiredShares
  const [text] = readable ? written : []
  return [{ id: 'CHK', label: '', places, contents: text }]
}

/** Every byte of every share is looked at; of a version nothing counts but good shares. */
async function standingMutable(
  { backends, context }: Vaults,
  { cap }: TestFile,
  servers: readonly number[],
): Promise<StandingVersion[]> {
  const known = servers.flatMap((number) => {
    const backend = backends[number]
    return backend === undefined ? [] : [serverOf(directTo(backend), number)]
  })
  const numberOf = new Map(known.map(({ serverId }, index) => [serverId, servers[index] ?? -1]))
  const broker = {
    ...context.broker,
    connectedServers: () => known,
    serversForStorageIndex: () => known,
  }
  const honest = { ...context, broker }
  const { file } = openMutableFile(cap as MutableFileCap, undefined, honest)
  const map = await updateServermap(file, new ServerMap(), 'MODE_CHECK')
  for (const version of map.versionMap().keys()) await verifyVersion(file, map, version)
  const node = createMutableNode(cap as MutableFileCap, honest)
  const versions: StandingVersion[] = []
  for (const [version, shares] of map.versionMap()) {
    const readable = shares.size >= version.requiredShares
    const contents = readable ? await node.downloadVersion(map, version) : undefined
    versions.push({
      id: version.id,
      label: `${version.summary}-sh`,
      places: new Map(
        [...shares].map(([share, ids]) => [
          share,
          new Set([...ids].map((id) => numberOf.get(id) ?? -1)),
        ]),
      ),
      contents: contents === undefined ? undefined : toBase32(contents),
    })
  }
  const best = map.recoverableVersions().map(({ id }) => id)
  const rank = (id: string): number => (best.includes(id) ? best.indexOf(id) : best.length)
  return versions.toSorted((a, b) => rank(a.id) - rank(b.id))
}

/** A server that is asked without a network in between. */
function directTo(backend: RIStorageServer): Parameters<typeof serverOf>[0] {
  const unused = (): Promise<never> => Promise.reject(new Error('not needed'))
  return {
    getVersion: () => backend.getVersion(),
    allocateBuckets: unused,
    addLease: unused,
    cancelLease: unused,
    getBuckets: unused,
    slotReadv: (...args) => backend.slotReadv(...args),
    slotTestvAndReadvAndWritev: (...args) => backend.slotTestvAndReadvAndWritev(...args),
    adviseCorruptShare: async () => {},
  }
}

/** The versions of a file that stand on some servers, those that can be read first, best one first. */
export function standing(
  vaults: Vaults,
  file: TestFile,
  servers: readonly number[],
): Promise<StandingVersion[]> {
  return file.cap instanceof MutableWriteCap
    ? standingMutable(vaults, file, servers)
    : standingImmutable(vaults, file, servers)
}

/** The numbers of the shares, good or bad, that a server has of a file. */
export async function sharesOn(
  { backends }: Vaults,
  { cap, storageIndex }: TestFile,
  server: number,
): Promise<ShareNumber[]> {
  const kind = cap instanceof MutableWriteCap ? 'mutable' : 'immutable'
  return [...((await backends[server]?.listShares(kind, storageIndex)) ?? [])]
}

/** Puts other bytes in the place of a share behind its server's back; undefined: it is gone. */
export async function spoil(
  { backends, context }: Vaults,
  file: TestFile,
  { server, share }: { readonly server: number; readonly share: ShareNumber },
  change: (bytes: Uint8Array) => Uint8Array | undefined,
): Promise<void> {
  const backend = backends[server]
  if (backend === undefined) throw new RangeError(`no server ${server}`)
  const { storageIndex, cap } = file
  const known = serverOf(directTo(backend), server)
  const secrets = leaseSecretsOf(storageIndex, context)(known)
  if (cap instanceof MutableWriteCap) {
    const writeEnabler = sskWriteEnablerHash(cap.writekey, known.leaseSeed, context.crypto)
    const found = await backend.slotReadv(storageIndex, [share], [EVERYTHING])
    const bytes = change(found.get(share)?.[0] ?? new Uint8Array())
    const write = bytes === undefined ? [] : [{ offset: 0, data: bytes }]
    const vectors = { test: [], write, newLength: bytes?.length ?? 0 }
    const writes = new Map([[share, vectors]])
    await backend.slotTestvAndReadvAndWritev(storageIndex, { ...secrets, writeEnabler }, writes, [])
    return
  }
  const reader = await backend.openShare('immutable', storageIndex, share)
  const bytes = change(await reader.read(0, reader.length))
  await reader.close()
  await backend.cancelLease(storageIndex, share, secrets.cancelSecret)
  if (bytes === undefined) return
  const request = { ...secrets, shareNumbers: new Set([share]), allocatedSize: bytes.length }
  const { writers } = await backend.allocateBuckets(storageIndex, request)
  await writers.get(share)?.write(0, [bytes])
  await writers.get(share)?.close()
}
