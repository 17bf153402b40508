import { concatBytes, sameBytes } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IMutableFileNode } from '@lafs/filesystem-interface'
import type { ShareNumber } from '@lafs/storage-interface'
import { blockSpan, parseMutableHeader } from '@lafs/storage-protocol/layout'
import { parseCapStrict } from '@lafs/uri'
import type { MdmfCap, SskCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createMutableFileState } from '../src/filenode.ts'
import { slotSecrets } from '../src/keys.ts'
import { createNodeGrid, onShareWrite, privateKeyDer } from './node-grid.ts'
import type { NodeGrid } from './node-grid.ts'
import { sharesOn } from './publish-grid.ts'
import type { TestServer } from './publish-grid.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const OLD = 'what stood there before. '.repeat(20)
const NEW = 'what stands there now. '.repeat(20)

type Shares = ReadonlyMap<ShareNumber, Uint8Array>

/** A file of two versions on ten servers, one share each. */
interface Scene {
  readonly grid: NodeGrid
  readonly uri: string
  readonly storageIndex: Uint8Array
  /** By number of the server: the shares of the first version, and of the second. */
  readonly old: readonly Shares[]
  readonly now: readonly Shares[]
  /** The shares of another file in the same places. */
  readonly stranger: readonly Shares[]
}

const stored = (grid: NodeGrid, { storageIndex }: IMutableFileNode): Promise<Shares[]> =>
  Promise.all(grid.servers.map((server) => sharesOn(server, storageIndex ?? new Uint8Array())))

async function sceneOf(version: 0 | 1): Promise<Scene> {
  const grid = await createNodeGrid()
  const node = await grid.create(bytes(OLD), { version, privateKey: privateKeyDer(0) })
  const old = await stored(grid, node)
  await node.overwrite(bytes(NEW))
  const other = await grid.create(bytes(OLD), { version, privateKey: privateKeyDer(1) })
  return {
    grid,
    uri: node.uri,
    storageIndex: node.storageIndex ?? new Uint8Array(),
    old,
    now: await stored(grid, node),
    stranger: await stored(grid, other),
  }
}

/** Puts shares onto a server in place of all that it has. */
async function replaceShares(
  { grid, uri, storageIndex }: Pick<Scene, 'grid' | 'uri' | 'storageIndex'>,
  { storage, server }: TestServer,
  shares: Shares,
  writeEnabler?: Uint8Array,
): Promise<void> {
  const file = createMutableFileState(parseCapStrict(uri) as SskCap | MdmfCap, grid.context)
  const secrets = slotSecrets(file, server)
  const present = await storage.slotReadv(storageIndex, [], [{ offset: 0, size: 1 }])
  const gone = [...present.keys()].map(
    (share) => [share, { test: [], write: [], newLength: 0 }] as const,
  )
  await storage.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(gone), [])
  const writes = [...shares].map(
    ([share, data]) => [share, { test: [], write: [{ offset: 0, data }] }] as const,
  )
  await storage.slotTestvAndReadvAndWritev(
    storageIndex,
    { ...secrets, ...(writeEnabler && { writeEnabler }) },
    new Map(writes),
    [],
  )
}

interface Damage {
  readonly what: string
  /** What the server has in place of its share. */
  readonly make: (scene: Scene, index: number) => Shares
  /** What a reader is told where fewer than three good shares are left; undefined: the old version is read. */
  readonly code: string | undefined
}

/** Changes each share of the second version. */
const each =
  (change: (share: Uint8Array, scene: Scene, index: number) => Uint8Array): Damage['make'] =>
  (scene, index) =>
    new Map([...(scene.now[index] ?? [])].map(([n, share]) => [n, change(share, scene, index)]))

function flipped(share: Uint8Array, at: number): Uint8Array {
  const copy = share.slice()
  copy[at] = (copy[at] ?? 0) ^ 0x10
  return copy
}

/** One bit of a section is wrong. */
const inSection = (name: keyof ReturnType<typeof parseMutableHeader>['sections']): Damage['make'] =>
  each((share) => flipped(share, parseMutableHeader(share).sections[name].offset + 3))

const UNRECOVERABLE = 'MUTABLE_UNRECOVERABLE'
const NOT_ENOUGH = 'DOWNLOAD_NOT_ENOUGH_SHARES'

const damages: readonly Damage[] = [
  { what: 'have a wrong signature', make: inSection('signature'), code: UNRECOVERABLE },
  {
    what: 'have a key that does not fit the fingerprint',
    make: inSection('verificationKey'),
    code: UNRECOVERABLE,
  },
  {
    what: 'are those of another file',
    make: ({ stranger }, index) => stranger[index] ?? new Map(),
    code: UNRECOVERABLE,
  },
  {
    what: 'claim a newer version',
    make: each((share) => flipped(share, 8)),
    code: UNRECOVERABLE,
  },
  {
    what: 'were rolled back',
    make: ({ old }, index) => old[index] ?? new Map(),
    code: undefined,
  },
  {
    what: 'have the header of one version and the body of another',
    make: each((share, { old }, index) => {
      const [before = share] = old[index]?.values() ?? []
      const { offset } = parseMutableHeader(share).sections.shareData
      return concatBytes([share.subarray(0, offset), before.subarray(offset)])
    }),
    code: NOT_ENOUGH,
  },
  {
    what: 'have a wrong block',
    make: each((share) => {
      const { offset, saltLength } = blockSpan(parseMutableHeader(share), 0)
      return flipped(share, offset + saltLength + 5)
    }),
    code: NOT_ENOUGH,
  },
  { what: 'have a wrong block hash', make: inSection('blockHashTree'), code: NOT_ENOUGH },
  { what: 'have a wrong share hash', make: inSection('shareHashChain'), code: NOT_ENOUGH },
  {
    what: 'stand under the number of another share',
    make: ({ now }, index) => {
      const [share = new Uint8Array()] = now[(index + 1) % now.length]?.values() ?? []
      return new Map([[index, share]])
    },
    code: NOT_ENOUGH,
  },
  {
    what: 'end in the signature',
    make: each((share) => share.subarray(0, parseMutableHeader(share).sections.signature.end - 1)),
    code: UNRECOVERABLE,
  },
  {
    what: 'end in the data',
    make: each((share) => share.subarray(0, parseMutableHeader(share).sections.shareData.end - 1)),
    code: NOT_ENOUGH,
  },
  { what: 'are gone', make: () => new Map(), code: UNRECOVERABLE },
  {
    what: 'are noise',
    make: each((share) => share.map((_, at) => (at * 7919) & 0xff)),
    code: UNRECOVERABLE,
  },
]

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (isFilesystemError(error)) return error.code
    throw error
  }
}

const read = async ({ grid, uri }: Pick<Scene, 'grid' | 'uri'>): Promise<string> =>
  text(await grid.open(grid.open(uri).readonlyUri).downloadBestVersion())

const append = (line: string) => (old: Uint8Array) => concatBytes([old, bytes(line)])

describe.each([0, 1] as const)('shares of format %i', (version) => {
  it.each(damages)('that $what do no harm while k good ones are left', async ({ make }) => {
    const scene = await sceneOf(version)
    const { grid, uri } = scene
    for (const [index, server] of grid.servers.entries()) {
      // The good ones are the last that anybody asks.
      if (index < 7) await replaceShares(scene, server, make(scene, index))
    }
    // A reader may be content with an older version where seven shares of it are left.
    expect([NEW, OLD]).toContain(await read(scene))
    await grid.open(uri).modify(append('more'))
    expect(await read(scene)).toBe(`${NEW}more`)
    const all = (await stored(grid, grid.open(uri))).flatMap((shares) => [...shares.values()])
    expect(new Set(all.map((share) => parseMutableHeader(share).sequenceNumber))).toEqual(
      new Set([3]),
    )
    expect(await outcomeOf(grid.open(uri).overwrite(bytes(OLD)))).toBe('done')
    expect(await read(scene)).toBe(OLD)
  })

  it.each(damages)('that $what are named where too few others are left', async (damage) => {
    const { make, code } = damage
    const scene = await sceneOf(version)
    const { grid, uri } = scene
    for (const [index, server] of grid.servers.entries()) {
      if (index < 8) await replaceShares(scene, server, make(scene, index))
    }
    if (code === undefined) {
      expect(await read(scene)).toBe(OLD)
      await grid.open(uri).modify(append('more'))
      expect(await read(scene)).toBe(`${OLD}more`)
      // Newer than what could not be read.
      expect(new Set((await grid.sequenceNumbers(grid.open(uri))).values())).toEqual(new Set([3]))
      return
    }
    const before = await stored(grid, grid.open(uri))
    const reader = grid.open(uri)
    expect(await outcomeOf(reader.downloadBestVersion())).toBe(code)
    const node = grid.open(uri)
    // A writer looks at all servers, and twice where it must: then it knows that there is no version.
    expect(await outcomeOf(node.modify(append('more')))).toBe(UNRECOVERABLE)
    // What can be recovered no more is not written over by accident.
    expect(await stored(grid, node)).toEqual(before)
    const [server] = grid.servers
    if (server !== undefined) await replaceShares(scene, server, scene.now[0] ?? new Map())
    expect(await read(scene)).toBe(NEW)
    expect(text(await reader.downloadBestVersion())).toBe(NEW)
    await node.modify(append('more'))
    expect(await read(scene)).toBe(`${NEW}more`)
  })

  it.each<[string, (node: IMutableFileNode) => Promise<unknown>]>([
    ['an edit', (node) => node.modify(append('more'))],
    ['an update', async (node) => (await node.bestMutableVersion()).update(bytes('more'), 5)],
  ])(
    'that are bad are replaced by %s though there is a good one elsewhere',
    async (_what, edit) => {
      const scene = await sceneOf(version)
      const { grid, uri, now } = scene
      const [damage] = damages
      const [first, second] = grid.servers
      if (damage === undefined || first === undefined || second === undefined)
        throw new Error('none')
      await replaceShares(scene, second, new Map([...(now[0] ?? []), ...(now[1] ?? [])]))
      await replaceShares(scene, first, damage.make(scene, 0))
      await edit(grid.open(uri))
      const all = (await stored(grid, grid.open(uri))).map((shares) =>
        [...shares].map(([share, data]) => [share, parseMutableHeader(data).sequenceNumber]),
      )
      const places = grid.servers.map((_, index) => (index === 1 ? [0, 1] : [index]))
      expect(all).toEqual(places.map((shares) => shares.map((share) => [share, 3])))
      const check = await grid.open(uri).servermap('MODE_CHECK')
      expect(check.badShares.size).toBe(0)
    },
  )

  it('that hold no private key that is right cannot be changed, and say so', async () => {
    const scene = await sceneOf(version)
    const { grid, uri } = scene
    const make = inSection('encryptedPrivateKey')
    for (const [index, server] of grid.servers.entries()) {
      await replaceShares(scene, server, make(scene, index))
    }
    expect(await read(scene)).toBe(NEW)
    const node = grid.open(uri)
    const before = await stored(grid, node)
    const edits = [
      () => node.overwrite(bytes('x')),
      () => node.modify(append('x')),
      () => node.bestMutableVersion(),
    ]
    for (const edit of edits) {
      expect(await outcomeOf(edit())).toBe('DOWNLOAD_CRITICAL_DATA_UNAVAILABLE')
    }
    expect(await stored(grid, node)).toEqual(before)
    const [server] = grid.servers
    if (server !== undefined) await replaceShares(scene, server, scene.now[0] ?? new Map())
    await node.modify(append('more'))
    expect(await read(scene)).toBe(`${NEW}more`)
  })

  it('that turn out to be bad within an update do not stop it', async () => {
    const scene = await sceneOf(version)
    const { grid, uri } = scene
    const damage = damages.find(({ what }) => what === 'have a wrong block')
    const [server] = grid.servers
    if (damage === undefined || server === undefined) throw new Error('no damage')
    await replaceShares(scene, server, damage.make(scene, 0))
    const best = await grid.open(uri).bestMutableVersion()
    await best.update(bytes('now'), 5)
    expect(await read(scene)).toBe(`${NEW.slice(0, 5)}now${NEW.slice(8)}`)
    expect(new Set((await grid.sequenceNumbers(grid.open(uri))).values())).toEqual(new Set([3]))
  })
})

describe('servers that take a write and forget it', () => {
  const forget = (server: TestServer): void =>
    onShareWrite(server, async () => ({ success: true, data: new Map() }) as never)

  it.each([1, 3, 7, 8, 10])('%i of ten: the old or the new version is read', async (liars) => {
    const scene = await sceneOf(0)
    const { grid, uri } = scene
    for (const server of grid.servers.slice(0, liars)) forget(server)
    // Nobody can know yet.
    await grid.open(uri).overwrite(bytes('third'))
    const found = await read(scene)
    expect(10 - liars >= 3 ? [NEW, 'third'] : [NEW]).toContain(found)
    for (const server of grid.servers) server.onWrite = (write) => write()
    await grid.open(uri).modify(append('+'))
    expect(await read(scene)).toBe(10 - liars >= 3 ? 'third+' : `${NEW}+`)
    const numbers = new Set((await grid.sequenceNumbers(grid.open(uri))).values())
    expect(numbers).toEqual(new Set([liars === 10 ? 3 : 4]))
  })

  it('all of them: a new file is not there', async () => {
    const grid = await createNodeGrid()
    for (const server of grid.servers) forget(server)
    const node = await grid.create(bytes(OLD))
    expect(await outcomeOf(node.downloadBestVersion())).toBe(UNRECOVERABLE)
    expect(await outcomeOf(node.overwrite(bytes(NEW)))).toBe(UNRECOVERABLE)
  })
})

describe('servers that know another write enabler', () => {
  async function estrange(count: number): Promise<Scene> {
    const scene = await sceneOf(0)
    for (const [index, server] of scene.grid.servers.slice(0, count).entries()) {
      const stranger = new Uint8Array(32).fill(9)
      await replaceShares(scene, server, scene.now[index] ?? new Map(), stranger)
    }
    return scene
  }

  it('some: their shares stay as they are, and others take new ones', async () => {
    const scene = await estrange(4)
    const { grid, uri } = scene
    await grid.open(uri).modify(append('more'))
    expect(await read(scene)).toBe(`${NEW}more`)
    const all = await stored(grid, grid.open(uri))
    for (const [index, shares] of all.entries()) {
      if (index < 4) expect(shares).toEqual(scene.now[index])
    }
    const fresh = new Set(all.slice(4).flatMap((shares) => [...shares.keys()]))
    expect(fresh.size).toBe(10)
  })

  it('all: an edit says so, and nothing is changed', async () => {
    const scene = await estrange(10)
    const { grid, uri } = scene
    const edit = grid.open(uri).modify(append('more'))
    await expect(edit).rejects.toMatchObject({
      code: 'MUTABLE_NOT_ENOUGH_SERVERS',
      cause: { code: 'STORAGE_BAD_WRITE_ENABLER' },
    })
    const all = await stored(grid, grid.open(uri))
    const same = all.every((shares, index) =>
      [...shares].every(([share, data]) =>
        sameBytes(data, scene.now[index]?.get(share) ?? new Uint8Array()),
      ),
    )
    expect(same).toBe(true)
    expect(await read(scene)).toBe(NEW)
  })
})
