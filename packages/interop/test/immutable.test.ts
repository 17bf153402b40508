import { createHash } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@lafs/client'
import type { Client, ServerDescription } from '@lafs/client'
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
import type { OwnServer, UpstreamEncoding, UpstreamServer } from '@lafs/interop'
import { parseCapStrict } from '@lafs/uri'
import { stretch } from '@lafs/vectors'
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
const grids = ['upstream', 'own', 'mixed'] as const
const sides = ['upstream', 'own'] as const
type Grid = (typeof grids)[number]
type Side = (typeof sides)[number]

/** A client of either side, as far as the tests need one. */
interface AnyClient {
  put(data: Uint8Array): Promise<string>
  get(cap: string): Promise<Uint8Array>
}

const ofOwn = (client: Client): AnyClient => ({
  put: async (data) => (await client.upload(data)).uri,
  get: (cap) => client.createNodeFromUri(cap).downloadBestVersion(),
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

describeWithUpstream('immutable files', () => {
  const resources = createResourceStack()
  let folder: string
  const upstreamServers: UpstreamServer[] = []
  const ownServers: OwnServer[] = []
  const clients = {} as Record<Grid, Record<Side, AnyClient>>
  const servers = {} as Record<Grid, readonly ServerDescription[]>
  const storages = {} as Record<Grid, readonly string[]>
  const ownClients = {} as Record<Grid, Client>

  async function startClients(grid: Grid): Promise<void> {
    const own = resources.use(
      await createClient({ servers: servers[grid], encoding: { ...encoding }, convergence }),
    )
    const upstream = resources.use(
      await startUpstreamClient(join(folder, `client-${grid}`), {
        servers: servers[grid],
        encoding,
        convergence,
      }),
    )
    ownClients[grid] = own
    clients[grid] = { own: ofOwn(own), upstream }
  }

  beforeAll(async () => {
    folder = resources.use(await temporaryFolder()).path
    await Promise.all(
      [0, 1, 2].map(async (number) => {
        const upstream = await startUpstreamServer(join(folder, `upstream-${number}`))
        upstreamServers.push(resources.use(upstream))
        ownServers.push(resources.use(await startOwnServer(join(folder, `own-${number}`))))
      }),
    )
    const ofUpstream = upstreamServers.map((server) => server.description)
    const ofOwnServers = ownServers.map((server) => server.description)
    Object.assign(servers, {
      upstream: ofUpstream,
      own: ofOwnServers,
      mixed: [...ofUpstream, ...ofOwnServers],
    })
    const upstreamStorages = upstreamServers.map((server) => join(server.folder, 'storage'))
    const ownStorages = ownServers.map((server) => server.storage)
    Object.assign(storages, {
      upstream: upstreamStorages,
      own: ownStorages,
      mixed: [...upstreamStorages, ...ownStorages],
    })
    await Promise.all(grids.map(startClients))
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  describe.each(grids)('on the %s grid', (grid) => {
    describe.each(sides)('written by the %s client', (writer) => {
      it.each(sizes)('%i bytes are read by both clients', async (size) => {
        const data = plaintext(`${grid} ${writer}`, size)
        const cap = await clients[grid][writer].put(data)
        for (const reader of sides) {
          const got = await clients[grid][reader].get(cap)
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
      const byOwn = await clients.upstream.own.put(data)
      const byUpstream = await clients.own.upstream.put(data)
      expect(byOwn).toBe(byUpstream)
      const storageIndex = storageIndexOf(byOwn)
      const ownShares = await readGridShares(storages.upstream, storageIndex)
      const upstreamShares = await readGridShares(storages.own, storageIndex)
      const hashes = (shares: typeof ownShares): [number, string][] =>
        [...shares]
          .map(([number, { data }]): [number, string] => [number, sha256(data)])
          .toSorted(([a], [b]) => a - b)
      expect(hashes(ownShares)).toHaveLength(encoding.totalShares)
      expect(hashes(ownShares)).toEqual(hashes(upstreamShares))
    },
  )

  it('a client finds what the other has stored already', async () => {
    const data = plaintext('stored twice', 3 * MIB)
    const cap = await clients.mixed.upstream.put(data)
    const results = await ownClients.mixed.upload(data)
    expect(results.uri).toBe(cap)
    expect(results.pushedShares).toBe(0)
    // Throws where a share is on two servers.
    expect((await readGridShares(storages.mixed, storageIndexOf(cap))).size).toBe(10)
  })

  it('share files can be moved between servers of the two kinds', async () => {
    const ours = plaintext('written on our servers', 300_000)
    const theirs = plaintext('written on the servers of upstream', 300_000)
    const ourCap = await clients.own.own.put(ours)
    const theirCap = await clients.upstream.upstream.put(theirs)
    const move = async (from: readonly string[], to: string, cap: string): Promise<void> => {
      for (const source of from) {
        const index = storageIndexOf(cap)
        await cp(sharesFolder(source, index), sharesFolder(to, index), { recursive: true })
      }
    }
    await move(storages.own, storages.upstream[0] ?? '', ourCap)
    await move(storages.upstream, storages.own[0] ?? '', theirCap)
    expect(sha256(await clients.upstream.upstream.get(ourCap))).toBe(sha256(ours))
    expect(sha256(await clients.own.own.get(theirCap))).toBe(sha256(theirs))
  })

  it('a file lands where upstream would look for servers', async () => {
    // With one share upstream considers the first two servers of the file's order.
    const one = { requiredShares: 1, happyShares: 1, totalShares: 1 }
    const upstream = resources.use(
      await startUpstreamClient(join(folder, 'client-one'), {
        servers: servers.mixed,
        encoding: one,
        convergence,
      }),
    )
    const own = resources.use(
      await createClient({ servers: servers.mixed, encoding: one, convergence }),
    )
    for (let file = 0; file < 12; file += 1) {
      const writer = file % 2 === 0 ? upstream : ofOwn(own)
      const cap = await writer.put(plaintext(`placed ${file}`, 1000))
      const parsed = parseCapStrict(cap)
      if (parsed.kind !== 'chk') throw new Error('expected a chk cap')
      const order = own.broker.serversForStorageIndex(parsed.storageIndex)
      const near = order
        .slice(0, 2)
        .map(({ serverId }) => servers.mixed.findIndex((server) => server.serverId === serverId))
      const found = await readGridShares(
        near.map((number) => storages.mixed[number] ?? ''),
        storageIndexOf(cap),
      )
      expect([...found.keys()], `file ${file}`).toEqual([0])
    }
  })

  it('both clients read on when servers of both kinds are gone', async () => {
    const data = plaintext('servers go', 2 * MIB + 1)
    const cap = await clients.mixed.upstream.put(data)
    await upstreamServers[0]?.stop()
    await ownServers[0]?.stop()
    expect(sha256(await clients.mixed.own.get(cap))).toBe(sha256(data))
    expect(sha256(await clients.mixed.upstream.get(cap))).toBe(sha256(data))
  }, 60_000)
})
