import { createHash } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@lafs/client'
import type { Client, ServerDescription } from '@lafs/client'
import { isFileNode } from '@lafs/filesystem-interface'
import { toBase32 } from '@lafs/crypto'
import {
  createResourceStack,
  describeWithUpstream,
  readGridShares,
  sharesFolder,
  startOwnServer,
  startUpstreamClient,
  startUpstreamServer,
  temporaryFolder,
} from '@lafs/interop'
import type {
  OwnServer,
  ResourceStack,
  StoredShareFile,
  UpstreamEncoding,
  UpstreamServer,
} from '@lafs/interop'
import { parseCapStrict } from '@lafs/uri'
import { fromHex, loadVectors, stretch } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Three grids of the same parts: upstream's servers, ours, and all of them. Each has a client of ours
// and one of upstream with the same convergence secret and parameters, so equal files have equal caps.

const KIB = 1024
const MIB = 1024 * KIB
const convergence = new Uint8Array(32).fill(7)
const encoding: UpstreamEncoding = { requiredShares: 3, happyShares: 3, totalShares: 10 }
const sizes = [
  0,
  1,
  55,
  56,
  128 * KIB - 1,
  128 * KIB,
  128 * KIB + 1,
  MIB - 1,
  MIB,
  MIB + 1,
  10_000_000,
]
const gridNames = ['upstream', 'own', 'mixed'] as const
const sides = ['upstream', 'own'] as const
type GridName = (typeof gridNames)[number]
type Side = (typeof sides)[number]

interface CapCase {
  required: number
  total: number
  segmentSize: number
  convergence: string
  seed: string
  length: number
  cap: string
}

const capVectors = await loadVectors<{ cases: CapCase[] }>('chk/caps')
/** One recorded file of each encoding but the usual one, of three segments. */
const wide = capVectors.cases.filter(
  (c) =>
    c.segmentSize === MIB &&
    c.length === 2 * MIB + 1 &&
    c.total !== 10 &&
    c.convergence === capVectors.cases[0]?.convergence,
)

/** A client of either side, as far as the tests need one. */
interface AnyClient {
  put(data: Uint8Array): Promise<string>
  get(cap: string): Promise<Uint8Array>
}

const ofOwn = (client: Client): AnyClient => ({
  put: async (data) => (await client.upload(data)).uri,
  get: async (cap) => {
    const node = client.createNodeFromUri(cap)
    if (!isFileNode(node)) throw new TypeError(`expected a file, got ${node.kind}`)
    return node.downloadBestVersion()
  },
})

const plaintext = (label: string, size: number): Uint8Array =>
  stretch(new TextEncoder().encode(`${label} ${size} bytes, `), size)
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** The storage index of a file that servers store, in base32. */
function storageIndexOf(cap: string): string {
  const parsed = parseCapStrict(cap)
  if (parsed.kind !== 'chk') throw new Error(`expected a chk cap, got one of kind ${parsed.kind}`)
  return toBase32(parsed.storageIndex)
}

/** The hash of each share's data, in the order of the share numbers. */
function shareHashes(shares: ReadonlyMap<number, StoredShareFile>): [number, string][] {
  return [...shares.values()]
    .toSorted((a, b) => a.shareNumber - b.shareNumber)
    .map((share): [number, string] => [share.shareNumber, sha256(share.data)])
}

/** Copies the share files of one file from some servers' disks to another's. */
async function copyShares(from: readonly string[], to: string, cap: string): Promise<void> {
  const index = storageIndexOf(cap)
  for (const source of from) {
    await cp(sharesFolder(source, index), sharesFolder(to, index), { recursive: true })
  }
}

/** One grid: its servers, where they keep their shares, and the two clients. */
interface TestGrid {
  readonly servers: readonly ServerDescription[]
  readonly storages: readonly string[]
  readonly clients: Readonly<Record<Side, AnyClient>>
  readonly ownClient: Client
}

interface Grids extends Readonly<Record<GridName, TestGrid>> {
  readonly folder: string
  readonly upstreamServers: readonly UpstreamServer[]
  readonly ownServers: readonly OwnServer[]
}

async function startGrids(resources: ResourceStack): Promise<Grids> {
  const folder = resources.use(await temporaryFolder()).path
  const numbers = [0, 1, 2]
  const [upstreamServers, ownServers] = await Promise.all([
    Promise.all(numbers.map((number) => startUpstreamServer(join(folder, `upstream-${number}`)))),
    Promise.all(numbers.map((number) => startOwnServer(join(folder, `own-${number}`)))),
  ])
  for (const server of [...upstreamServers, ...ownServers]) resources.use(server)

  async function startGrid(
    name: GridName,
    upstreamMembers: readonly UpstreamServer[],
    ownMembers: readonly OwnServer[],
  ): Promise<TestGrid> {
    const servers = [...upstreamMembers, ...ownMembers].map((server) => server.description)
    const ownClient = resources.use(await createClient({ servers, encoding, convergence }))
    const options = { servers, encoding, convergence }
    const upstream = resources.use(
      await startUpstreamClient(join(folder, `client-${name}`), options),
    )
    const storages = [
      ...upstreamMembers.map((server) => join(server.folder, 'storage')),
      ...ownMembers.map((server) => server.storage),
    ]
    return { servers, storages, ownClient, clients: { own: ofOwn(ownClient), upstream } }
  }

  const [upstream, own, mixed] = await Promise.all([
    startGrid('upstream', upstreamServers, []),
    startGrid('own', [], ownServers),
    startGrid('mixed', upstreamServers, ownServers),
  ])
  return { folder, upstreamServers, ownServers, upstream, own, mixed }
}

describeWithUpstream('immutable files', () => {
  const resources = createResourceStack()
  let grids: Grids

  beforeAll(async () => {
    grids = await startGrids(resources)
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  describe.each(gridNames)('on the %s grid', (grid) => {
    describe.each(sides)('written by the %s client', (writer) => {
      it.each(sizes)('%i bytes are read by both clients', async (size) => {
        const data = plaintext(`${grid} ${writer}`, size)
        const cap = await grids[grid].clients[writer].put(data)
        for (const reader of sides) {
          const got = await grids[grid].clients[reader].get(cap)
          expect({ reader, size: got.length, hash: sha256(got) }).toEqual({
            reader,
            size,
            hash: sha256(data),
          })
        }
      })
    })
  })

  it.each(sizes.filter((size) => size > 55))(
    'both clients make the same cap and the same shares of %i bytes',
    async (size) => {
      const data = plaintext('the same', size)
      const byOwn = await grids.upstream.clients.own.put(data)
      const byUpstream = await grids.own.clients.upstream.put(data)
      expect(byOwn).toBe(byUpstream)
      const storageIndex = storageIndexOf(byOwn)
      const ownShares = await readGridShares(grids.upstream.storages, storageIndex)
      const upstreamShares = await readGridShares(grids.own.storages, storageIndex)
      expect(ownShares.size).toBe(encoding.totalShares)
      expect(shareHashes(ownShares)).toEqual(shareHashes(upstreamShares))
    },
  )

  it.each(wide)('$required of $total shares make the recorded cap and are read', async (vector) => {
    const data = stretch(fromHex(vector.seed), vector.length)
    const { required, total } = vector
    const own = resources.use(
      await createClient({
        servers: grids.mixed.servers,
        encoding: { requiredShares: required, happyShares: 1, totalShares: total },
        convergence: fromHex(vector.convergence),
      }),
    )
    const { uri } = await own.upload(data)
    expect(uri).toBe(vector.cap)
    expect(sha256(await ofOwn(own).get(uri))).toBe(sha256(data))
    expect(sha256(await grids.mixed.clients.upstream.get(uri))).toBe(sha256(data))
  })

  it('a client finds what the other has stored already', async () => {
    const data = plaintext('stored twice', 3 * MIB)
    const cap = await grids.mixed.clients.upstream.put(data)
    const results = await grids.mixed.ownClient.upload(data)
    expect(results.uri).toBe(cap)
    expect(results.preexistingShares).toBe(10)
    // Upstream's placement moves some shares that need not move, and so does ours.
    expect(results.pushedShares).toBeLessThan(10)
  })

  it('share files can be moved between servers of the two kinds', async () => {
    const ours = plaintext('written on our servers', 300_000)
    const theirs = plaintext('written on the servers of upstream', 300_000)
    const ourCap = await grids.own.clients.own.put(ours)
    const theirCap = await grids.upstream.clients.upstream.put(theirs)
    await copyShares(grids.own.storages, grids.upstream.storages[0] ?? '', ourCap)
    await copyShares(grids.upstream.storages, grids.own.storages[0] ?? '', theirCap)
    expect(sha256(await grids.upstream.clients.upstream.get(ourCap))).toBe(sha256(ours))
    expect(sha256(await grids.own.clients.own.get(theirCap))).toBe(sha256(theirs))
  })

  it('a file lands where upstream would look for servers', async () => {
    // With one share upstream considers the first two servers of the file's order.
    const one = { requiredShares: 1, happyShares: 1, totalShares: 1 }
    const upstream = resources.use(
      await startUpstreamClient(join(grids.folder, 'client-one'), {
        servers: grids.mixed.servers,
        encoding: one,
        convergence,
      }),
    )
    const own = resources.use(
      await createClient({ servers: grids.mixed.servers, encoding: one, convergence }),
    )
    for (let file = 0; file < 12; file += 1) {
      const writer = file % 2 === 0 ? upstream : ofOwn(own)
      const cap = await writer.put(plaintext(`placed ${file}`, 1000))
      const parsed = parseCapStrict(cap)
      if (parsed.kind !== 'chk') throw new Error('expected a chk cap')
      const order = own.broker.serversForStorageIndex(parsed.storageIndex)
      const near = order
        .slice(0, 2)
        .map(({ serverId }) =>
          grids.mixed.servers.findIndex((server) => server.serverId === serverId),
        )
      const found = await readGridShares(
        near.map((number) => grids.mixed.storages[number] ?? ''),
        storageIndexOf(cap),
      )
      expect([...found.keys()], `file ${file}`).toEqual([0])
    }
  })

  it('both clients read on when servers of both kinds are gone', async () => {
    const data = plaintext('servers go', 2 * MIB + 1)
    const cap = await grids.mixed.clients.upstream.put(data)
    await grids.upstreamServers[0]?.stop()
    await grids.ownServers[0]?.stop()
    expect(sha256(await grids.mixed.clients.own.get(cap))).toBe(sha256(data))
    expect(sha256(await grids.mixed.clients.upstream.get(cap))).toBe(sha256(data))
  })
})
