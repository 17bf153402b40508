import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  checkAndRepairResultsJson,
  checkResultsJson,
  createCheckable,
  createDeepCheckable,
  deepCheckLines,
  deepStatsJson,
  locatorJson,
} from '@lafs/checker'
import { toBase32 } from '@lafs/crypto'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import {
  createResourceStack,
  describeWithUpstream,
  ownDirectories,
  ownFiles,
  readStoredShares,
  sharesFolder,
  startMixedGrid,
} from '@lafs/interop'
import type { MixedGrid } from '@lafs/interop'
import { DirectoryCap, parseCapStrict } from '@lafs/uri'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

// The same damaged files, looked at and mended by both clients, on servers of both kinds.

const KIB = 1024
/** What follows the data of an immutable share. */
const LEASE_SIZE = 72
const kinds = ['chk', 'sdmf', 'mdmf'] as const
type Kind = (typeof kinds)[number]

const plaintext = (label: string, size: number): Uint8Array =>
  stretch(new TextEncoder().encode(`${label}, `), size)

/** What upstream's web API says of a check. */
interface CheckJson {
  readonly summary: string
  readonly results: Readonly<Record<string, unknown>> & {
    readonly healthy: boolean
    readonly 'list-corrupt-shares': readonly (readonly [string, string, number])[]
    readonly 'servers-responding': readonly string[]
    readonly sharemap: Readonly<Record<string, readonly string[]>>
  }
}

interface RepairJson {
  readonly 'repair-attempted': boolean
  readonly 'repair-successful': boolean
  readonly 'pre-repair-results': CheckJson
  readonly 'post-repair-results': CheckJson
}

/** The same with lists in rising order: upstream's are in that of a set. */
function inOrder<T>(value: T, key = ''): T {
  if (Array.isArray(value)) {
    const items: unknown[] = value.map((item) => inOrder(item))
    const isSet = key === 'servers-responding' || key === 'list-corrupt-shares'
    const risen = isSet
      ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items
    return risen as T
  }
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([name, item]) => [name, inOrder(item, name)])
  return Object.fromEntries(entries) as T
}

/** A value as it comes out of JSON. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describeWithUpstream('checks and repairs', () => {
  const resources = createResourceStack()
  let grid: MixedGrid
  const caps = new Map<Kind, string>()

  beforeAll(async () => {
    grid = await startMixedGrid(resources, {
      upstreamServerCount: 3,
      ownServerCount: 3,
      encoding: { requiredShares: 2, happyShares: 1, totalShares: 6, maxSegmentSize: 16 * KIB },
      convergence: new Uint8Array(32).fill(7),
    })
    const files = ownFiles(grid.own)
    caps.set('chk', await grid.upstream.put(plaintext('immutable', 50 * KIB)))
    caps.set('sdmf', await files.create('SDMF', plaintext('sdmf', 3 * KIB)))
    caps.set('mdmf', await files.create('MDMF', plaintext('mdmf', 200 * KIB)))
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  const capOf = (kind: Kind): string => caps.get(kind) ?? ''

  async function post<T>(cap: string, query: string): Promise<T> {
    const path = `uri/${encodeURIComponent(cap)}?${query}&output=JSON`
    return JSON.parse(new TextDecoder().decode(await grid.upstream.web(path, { method: 'POST' })))
  }
  const theirs = (cap: string, verify = false): Promise<CheckJson> =>
    post(cap, `t=check&verify=${verify}`)
  const ours = async (cap: string, verify = false, addLease = false): Promise<CheckJson> => {
    const checkable = createCheckable(cap, grid.own.checker)
    return plain(checkResultsJson(await checkable.check({ verify, addLease }))) as CheckJson
  }

  /** Both look at a file and say the same, without and with verification. @returns what they said last. */
  async function agreed(cap: string, verifying = [false, true]): Promise<CheckJson> {
    let last: CheckJson | undefined
    for (const verify of verifying) {
      const [own, upstream] = [await ours(cap, verify), await theirs(cap, verify)]
      expect({ verify, ...inOrder(own) }).toEqual({ verify, ...inOrder(upstream) })
      last = own
    }
    if (last === undefined) throw new Error('expected a look')
    return last
  }

  interface Share {
    readonly server: string
    readonly path: string
    readonly number: number
  }

  /** The files of the shares of a file, by share number. */
  async function sharesOf(cap: string): Promise<Share[]> {
    const found: Share[] = []
    for (const [at, storage] of grid.storages.entries()) {
      const folder = sharesFolder(storage, storageIndexOf(cap))
      const names = await readdir(folder).catch(() => [])
      const server = grid.servers[at]?.serverId ?? ''
      for (const name of names)
        found.push({ server, path: join(folder, name), number: Number(name) })
    }
    return found.toSorted((a, b) => a.number - b.number)
  }

  async function shareOf(cap: string, number: number): Promise<Share> {
    const share = (await sharesOf(cap)).find((one) => one.number === number)
    if (share === undefined) throw new Error(`share ${number} is nowhere`)
    return share
  }

  /** Changes a share while something is done, and puts it back. */
  async function whileDamaged(
    path: string,
    damage: (bytes: Uint8Array) => Uint8Array,
    action: () => Promise<void>,
  ): Promise<void> {
    const before = new Uint8Array(await readFile(path))
    await writeFile(path, damage(before.slice()))
    try {
      await action()
    } finally {
      await writeFile(path, before)
    }
  }

  it('say the same of healthy files', async () => {
    for (const kind of kinds) expect((await agreed(capOf(kind))).results.healthy).toBe(true)
    const lit = await grid.upstream.put(plaintext('literal', 20))
    expect(await ours(lit)).toEqual(await theirs(lit))
  })

  it('say the same of shares that are gone', async () => {
    for (const kind of kinds) {
      const cap = capOf(kind)
      const shares = await sharesOf(cap)
      for (const count of [1, 5]) {
        const hidden = shares.slice(0, count)
        for (const { path } of hidden) await rename(path, hiddenName(path))
        const { results } = await agreed(cap)
        expect([results.healthy, results['recoverable']]).toEqual([false, count === 1])
        for (const { path } of hidden) await rename(hiddenName(path), path)
      }
    }
  })

  it('say the same of a share with a bad bit', async () => {
    for (const kind of kinds) {
      const cap = capOf(kind)
      const shares = await sharesOf(cap)
      // On servers of each kind in turn.
      for (const [at, place] of bitsOf(kind).entries()) {
        const { serverId } = grid.servers[at % 2 === 0 ? at % 3 : 3 + (at % 3)] ?? {}
        const share = shares.find(({ server }) => server === serverId)
        if (share === undefined) throw new Error('expected a share on every server')
        const damage = (bytes: Uint8Array): Uint8Array => flipped(bytes, dataOffset(cap) + place)
        await whileDamaged(share.path, damage, async () => {
          const { results } = await agreed(cap, [true])
          expect([place, results.healthy]).toEqual([place, false])
        })
      }
    }
  }, 60_000)

  it('say the same of a share that is cut', async () => {
    const cap = capOf('chk')
    const cut = (bytes: Uint8Array): Uint8Array => {
      const end = bytes.length - LEASE_SIZE
      return Uint8Array.from([...bytes.subarray(0, end - 1000), ...bytes.subarray(end)])
    }
    await whileDamaged((await shareOf(cap, 3)).path, cut, async () => {
      expect((await agreed(cap)).results['list-corrupt-shares']).toHaveLength(1)
    })
  })

  it('say the same of an old version that was left behind', async () => {
    const files = ownFiles(grid.own)
    for (const format of ['SDMF', 'MDMF'] as const) {
      const cap = await files.create(format, plaintext('old', 5000))
      const { path } = await shareOf(cap, 2)
      const old = new Uint8Array(await readFile(path))
      await files.overwrite(cap, plaintext('new', 5000))
      await whileDamaged(
        path,
        () => old,
        async () => {
          const { results } = await agreed(cap)
          expect(results).toMatchObject({
            'count-wrong-shares': 1,
            'count-recoverable-versions': 1,
            'count-unrecoverable-versions': 1,
            healthy: false,
          })
        },
      )
    }
  })

  it('find healthy what the other has repaired', async () => {
    const files = ownFiles(grid.own)
    const fresh: Record<Kind, (label: string) => Promise<string>> = {
      chk: (label) => grid.upstream.put(plaintext(label, 40 * KIB)),
      sdmf: (label) => files.create('SDMF', plaintext(label, 2 * KIB)),
      mdmf: (label) => files.create('MDMF', plaintext(label, 150 * KIB)),
    }
    for (const kind of kinds) {
      for (const side of ['own', 'upstream'] as const) {
        const cap = await fresh[kind](`${kind} repaired by ${side}`)
        const content = await grid.upstream.get(cap)
        for (const number of [1, 4]) await rm((await shareOf(cap, number)).path)
        // Upstream takes a corrupt share of an immutable file for a good one when it repairs.
        if (side === 'own' || kind !== 'chk') await flipOnDisk((await shareOf(cap, 2)).path, cap)
        const repaired =
          side === 'own'
            ? plain(
                checkAndRepairResultsJson(
                  await createCheckable(cap, grid.own.checker).checkAndRepair({ verify: true }),
                ),
              )
            : await post<unknown>(cap, 't=check&verify=true&repair=true')
        expect(repaired).toMatchObject({
          'repair-attempted': true,
          'repair-successful': true,
          'pre-repair-results': { results: { healthy: false } },
          'post-repair-results': { results: { healthy: true } },
        })
        const other = side === 'own' ? await theirs(cap, true) : await ours(cap, true)
        expect([kind, side, other.results.healthy]).toEqual([kind, side, true])
        expect(Buffer.compare(await grid.upstream.get(cap), content)).toBe(0)
      }
    }
  }, 120_000)

  it('add leases as they look', async () => {
    const cap = await grid.upstream.put(plaintext('leased', 10 * KIB))
    const leases = async (): Promise<number[]> => {
      const stored = grid.storages.map((one) => readStoredShares(one, storageIndexOf(cap)))
      return (await Promise.all(stored)).flat().map(({ leaseCount }) => leaseCount)
    }
    expect(new Set(await leases())).toEqual(new Set([1]))
    await post(cap, 't=check&add-lease=true')
    expect(new Set(await leases())).toEqual(new Set([1]))
    await ours(cap, false, true)
    await ours(cap, true, true)
    expect(new Set(await leases())).toEqual(new Set([2]))
  })

  it('say the same of a tree, line by line', async () => {
    const directories = ownDirectories(grid.own)
    const inner = await directories.create('MDMF', {
      immutable: { write: await grid.upstream.put(plaintext('in the tree', 30 * KIB)) },
      literal: { write: await grid.upstream.put(plaintext('literal', 10)) },
      mutable: { write: capOf('mdmf') },
    })
    const root = await directories.create('SDMF', {
      inner: { write: inner },
      'mutable, again': { write: capOf('mdmf') },
      small: { write: capOf('sdmf') },
    })
    await rm((await shareOf(inner, 0)).path)
    await rm((await shareOf(capOf('sdmf'), 5)).path)
    for (const verify of [false, true]) {
      const own = (await deepCheck(root, verify)).map((line) => inOrder(line))
      const upstream = await streamed(root, `verify=${verify}`)
      expect(own).toEqual(upstream.map((line) => inOrder(line)))
    }
    const repaired = await deepCheck(root, true, true)
    expect(repaired.filter((line) => repairOf(line)?.['repair-successful'] === true)).toHaveLength(
      2,
    )
    const after = await streamed(root, 'verify=true')
    expect(after.filter((line) => 'check-results' in line)).toHaveLength(6)
    for (const line of after) {
      if ('check-results' in line) {
        expect(line).toMatchObject({ 'check-results': { results: { healthy: true } } })
      }
    }
  }, 60_000)

  it('count the same in a tree', async () => {
    const directories = ownDirectories(grid.own)
    const inner = await directories.create('SDMF', { mutable: { write: capOf('mdmf') } })
    const root = await directories.create('MDMF', {
      immutable: { write: capOf('chk') },
      inner: { write: inner },
      literal: { write: await grid.upstream.put(plaintext('literal', 10)) },
    })
    await rm((await shareOf(inner, 0)).path)
    await flipOnDisk((await shareOf(root, 3)).path, root)
    const node = grid.own.createNodeFromUri(root)
    if (!isDirectoryNode(node)) throw new Error('expected a directory')
    const tree = createDeepCheckable(node, grid.own.checker)
    const own = await tree.startDeepCheck({ verify: true }).whenDone()
    const { counters } = own
    expect(await operated(root, 'verify=true')).toMatchObject({
      'root-storage-index': own.rootStorageIndexString,
      'count-objects-checked': counters.countObjectsChecked,
      'count-objects-healthy': counters.countObjectsHealthy,
      'count-objects-unhealthy': counters.countObjectsUnhealthy,
      'count-corrupt-shares': counters.countCorruptShares,
      'list-corrupt-shares': own.corruptShares.map(locatorJson),
      stats: deepStatsJson(own.stats),
    })
    expect(counters.countObjectsUnhealthy).toBe(2)
    expect(await operated(root, 'verify=true&repair=true')).toMatchObject({
      'count-repairs-attempted': 2,
      'count-repairs-successful': 2,
    })
    const again = await tree.startDeepCheck({ verify: true }).whenDone()
    expect(again.counters.countObjectsUnhealthy).toBe(0)
  }, 60_000)

  /** Runs a deep check of upstream to its end. */
  async function operated(cap: string, query: string): Promise<Line> {
    const handle = `deep-${Math.random()}`
    const path = `uri/${encodeURIComponent(cap)}?t=start-deep-check&ophandle=${handle}&${query}`
    await grid.upstream.web(path, { method: 'POST' })
    for (;;) {
      const found = await grid.upstream.web(`operations/${handle}?t=status&output=JSON`)
      const status: Line = JSON.parse(new TextDecoder().decode(found))
      if (status['finished'] === true) return status
      await sleep(50)
    }
  }

  type Line = Readonly<Record<string, unknown>>

  const repairOf = (line: Line): RepairJson | undefined =>
    line['check-and-repair-results'] as RepairJson | undefined

  /** The lines of upstream's stream. */
  async function streamed(cap: string, query: string): Promise<Line[]> {
    const path = `uri/${encodeURIComponent(cap)}?t=stream-deep-check&${query}`
    const text = new TextDecoder().decode(await grid.upstream.web(path, { method: 'POST' }))
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Line => JSON.parse(line) as Line)
  }

  /** Our lines. */
  async function deepCheck(cap: string, verify: boolean, repair = false): Promise<Line[]> {
    const root = grid.own.createNodeFromUri(cap)
    if (!isDirectoryNode(root)) throw new Error('expected a directory')
    const lines: Line[] = []
    for await (const line of deepCheckLines(root, grid.own.checker, { verify, repair })) {
      lines.push(plain(line) as Line)
    }
    return lines
  }

  it('say the same once servers have stopped', async () => {
    await grid.ownServers[0]?.stop()
    for (const kind of kinds) {
      const { results } = await agreed(capOf(kind))
      expect(results['servers-responding']).toHaveLength(5)
    }
  }, 60_000)
})

/** Upstream passes over names that are no numbers; so must our servers. */
const hiddenName = (path: string): string => `${path}.hidden`

function storageIndexOf(cap: string): string {
  const parsed = parseCapStrict(cap)
  const { storageIndex } = parsed instanceof DirectoryCap ? parsed.filenodeCap() : parsed
  if (storageIndex === undefined) throw new Error('expected a cap of something that is stored')
  return toBase32(storageIndex)
}

const dataOffset = (cap: string): number => (cap.startsWith('URI:CHK') ? 12 : 468)

/** Places in a share of which both say the same: in its header, its data and its hashes. */
const bitsOf = (kind: Kind): readonly number[] =>
  kind === 'chk' ? [3, 15, 40, 9000] : kind === 'sdmf' ? [0, 8, 20, 700] : [0, 8, 20, 45, 30_000]

function flipped(bytes: Uint8Array, place: number): Uint8Array {
  bytes[place] = (bytes[place] ?? 0) ^ 16
  return bytes
}

async function flipOnDisk(path: string, cap: string): Promise<void> {
  const bytes = new Uint8Array(await readFile(path))
  await writeFile(path, flipped(bytes, dataOffset(cap) + (cap.startsWith('URI:CHK') ? 5000 : 20)))
}
