import { toBase32 } from '@lafs/crypto'
import { isMutableFileNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode } from '@lafs/filesystem-interface'
import { SDMF_VERSION } from '@lafs/storage-interface'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import {
  createDeepCheckable,
  deepCheckEntries,
  deepCheckLines,
  manifestLines,
  renewLeases,
} from '@lafs/checker'
import { createRealGrid, subdirectory } from './real-grid.ts'
import type { RealGrid } from './real-grid.ts'
import { noise } from '../immutable/grid.ts'

const SERVERS = 5
const HOUR_MS = 3_600_000
const LEASE_SECONDS = 31 * 24 * 3600
const LIT = 'URI:LIT:onxw2zjaorsxq5a'

/** A root with an object of each kind and a directory that goes wrong in each way; see {@link PATHS}. */
async function damagedTree(grid: RealGrid): Promise<IDirectoryNode> {
  const { nodeMaker, upload } = grid
  const root = await nodeMaker.createNewMutableDirectory()
  const chk = async (parent: IDirectoryNode, name: string, seed: number): Promise<void> => {
    await parent.setUri(name, undefined, await upload(noise(3000, seed)))
  }
  await chk(root, 'chk', 1)
  await chk(root, 'chk lost', 2)
  await chk(root, 'chk thin', 3)
  await root.setUri('lit', undefined, LIT)
  await root.setUri('mutable', (await nodeMaker.createMutableFile(noise(500, 4))).uri)
  await root.setUri('mutable thin', (await nodeMaker.createMutableFile(noise(500, 5))).uri)
  for (const name of ['d hanging', 'd lost', 'd malformed', 'd sound']) {
    const below = await root.createSubdirectory(name, { mutableVersion: SDMF_VERSION })
    await chk(below, 'inside', 6)
  }
  const frozen = await nodeMaker.createImmutableDirectory(
    new Map([['inside too', { node: nodeMaker.createFromCap(await upload(noise(400, 7))) }]]),
  )
  await root.setNode('d frozen', frozen)
  const { fileNode } = await subdirectory(root, 'd malformed')
  if (isMutableFileNode(fileNode)) await fileNode.overwrite(new TextEncoder().encode('no table'))
  await grid.lose(await root.get('chk lost'), 1)
  await grid.lose(await root.get('chk thin'), 3)
  await grid.lose(await root.get('mutable thin'), 2)
  await grid.lose(await root.get('d lost'), 1)
  const { storageIndex = new Uint8Array() } = await root.get('d hanging')
  grid.hanging.add(toBase32(storageIndex))
  return root
}

/** What a deep check tells of {@link damagedTree}. */
const PATHS = [
  ' healthy',
  'chk healthy',
  'chk lost unrecoverable',
  'chk thin unhealthy',
  'lit',
  'mutable healthy',
  'mutable thin unhealthy',
  'd frozen healthy',
  'd frozen/inside too healthy',
  'd hanging unrecoverable',
  'd hanging MUTABLE_UNRECOVERABLE',
  'd lost unrecoverable',
  'd lost MUTABLE_UNRECOVERABLE',
  'd malformed healthy',
  'd malformed DIRECTORY_MALFORMED',
  'd sound healthy',
  'd sound/inside healthy',
]

/** Everything at rest before a check begins. */
async function prepared(): Promise<{ grid: RealGrid; root: IDirectoryNode }> {
  const grid = await createRealGrid(SERVERS)
  return { grid, root: await grid.clock.run(damagedTree(grid), HOUR_MS) }
}

describe('a deep check of a damaged grid', () => {
  it('tells of everything, and of directories that are lost, malformed or hang', async () => {
    const { grid, root } = await prepared()
    const check = async (): Promise<string[]> => {
      const lines: string[] = []
      for await (const entry of deepCheckEntries(root, grid.context)) {
        if (entry.type === 'stats') {
          expect(entry.stats).toMatchObject({ countDirectories: 6, countImmutableFiles: 5 })
          continue
        }
        const path = entry.path.join('/')
        if (entry.type === 'failure') {
          lines.push(`${path} ${(entry.error as Error & { code: string }).code}`)
        } else if (entry.results === undefined) lines.push(path)
        else {
          const { healthy, recoverable } = entry.results
          const sound = healthy ? 'healthy' : 'unhealthy'
          lines.push(`${path} ${recoverable ? sound : 'unrecoverable'}`)
        }
      }
      return lines
    }
    expect(await grid.clock.run(check(), HOUR_MS)).toEqual(PATHS)
  })

  it('gives up every kind of directory that hangs', async () => {
    const { grid, root } = await prepared()
    for (const name of ['d frozen', 'd sound']) {
      const { storageIndex = new Uint8Array() } = await root.get(name)
      grid.hanging.add(toBase32(storageIndex))
    }
    const failures: unknown[] = []
    const check = async (): Promise<void> => {
      for await (const entry of deepCheckEntries(root, grid.context)) {
        if (entry.type !== 'failure') continue
        failures.push([entry.path.join('/'), (entry.error as Error & { code: string }).code])
      }
    }
    // Those that hang do so side by side.
    await grid.clock.run(check(), 5 * 60_000)
    expect(failures).toEqual([
      ['d frozen', 'DOWNLOAD_NO_SHARES'],
      ['d hanging', 'MUTABLE_UNRECOVERABLE'],
      ['d lost', 'MUTABLE_UNRECOVERABLE'],
      ['d malformed', 'DIRECTORY_MALFORMED'],
      ['d sound', 'MUTABLE_UNRECOVERABLE'],
    ])
  })

  it('counts, mends what can be mended, and finds it healthy then', async () => {
    const { grid, root } = await prepared()
    const { clock, context } = grid
    const tree = createDeepCheckable(root, context)
    const found = await clock.run(tree.startDeepCheck({ verify: true }).whenDone(), HOUR_MS)
    expect(found.counters).toEqual({
      countObjectsChecked: 13,
      countObjectsHealthy: 8,
      countObjectsUnhealthy: 5,
      countObjectsUnrecoverable: 3,
      countCorruptShares: 0,
    })
    const failed = ['d hanging', 'd lost', 'd malformed']
    expect(found.failures.map(({ path }) => path.join('/'))).toEqual(failed)
    const thin = await clock.run(root.get('chk thin'), HOUR_MS)
    expect(found.resultsForStorageIndex(thin.storageIndex ?? new Uint8Array())).toMatchObject({
      healthy: false,
      goodShareCount: 3,
    })
    const mended = await clock.run(tree.startDeepCheckAndRepair().whenDone(), HOUR_MS)
    expect(mended.counters).toMatchObject({
      countObjectsHealthyPreRepair: 8,
      countObjectsHealthyPostRepair: 10,
      countObjectsUnhealthyPostRepair: 3,
      countObjectsUnrecoverablePostRepair: 3,
      countRepairsSuccessful: 2,
    })
    const again = await clock.run(tree.startDeepCheck({ verify: true }).whenDone(), HOUR_MS)
    expect(again.counters).toMatchObject({
      countObjectsHealthy: 10,
      countObjectsUnrecoverable: 3,
    })
  })

  it('can be cancelled while something hangs', async () => {
    const { grid, root } = await prepared()
    const monitor = createDeepCheckable(root, grid.context).startDeepCheck()
    await grid.clock.elapse(1000)
    expect(monitor.finished).toBe(false)
    expect(monitor.status?.counters.countObjectsChecked).toBeGreaterThan(0)
    monitor.cancel()
    await expect(monitor.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
  })
})

/** The names of all fields, in order; lists by their items. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])]
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.entries(value).map(([name, field]) => [
    name,
    name === 'sharemap' ? 'object' : shapeOf(field),
  ])
}

/** The lines of all of upstream's streams that were recorded. */
async function recordedLines(): Promise<unknown[]> {
  interface Step {
    readonly stdout?: string
  }
  const { steps } = await loadVectors<{ steps: Step[] }>('cli/check')
  return steps
    .flatMap(({ stdout = '' }) => (stdout.startsWith('{"path": []') ? stdout.split('\n') : []))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line.replaceAll(': <SIZE>', ': 0')) as unknown)
}

/** The fields of one line of each kind: of something stored, of a LIT file, and the sums. */
function kindsOf(lines: readonly unknown[]): Map<string, unknown> {
  const kinds = new Map<string, unknown>()
  for (const line of lines as Record<string, unknown>[]) {
    const { type, cap, 'storage-index': index } = line as Record<string, string>
    const stored = cap === undefined || index !== '' ? 'stored' : 'literal'
    const kind = `${type} ${stored} ${Object.keys(line).at(-1)}`
    if (!kinds.has(kind)) kinds.set(kind, shapeOf(line))
  }
  return kinds
}

async function linesOf<Line>(lines: AsyncIterable<Line>): Promise<Line[]> {
  const gathered: Line[] = []
  for await (const line of lines) gathered.push(line)
  return gathered
}

describe('the lines of a tree', () => {
  it('have the fields of upstream, in its order', async () => {
    const recorded = kindsOf(await recordedLines())
    const { grid, root } = await prepared()
    grid.hanging.clear()
    const lines = [
      manifestLines(root),
      deepCheckLines(root, grid.context),
      deepCheckLines(root, grid.context, { repair: true }),
    ]
    const ours = new Map<string, unknown>()
    for (const some of lines) {
      for (const [kind, shape] of kindsOf(await grid.clock.run(linesOf(some), HOUR_MS))) {
        ours.set(kind, shape)
      }
    }
    expect([...ours.keys()].filter((kind) => !kind.startsWith('failure'))).toEqual(
      expect.arrayContaining(['stats stored stats', 'file literal check-results']),
    )
    let compared = 0
    for (const [kind, shape] of ours) {
      const theirs = recorded.get(kind)
      if (theirs === undefined) continue
      expect([kind, shape]).toEqual([kind, theirs])
      compared++
    }
    expect(compared).toBeGreaterThanOrEqual(7)
  })

  it('say what failed, in lines of their own', async () => {
    const { grid, root } = await prepared()
    const index = async (name: string): Promise<string> =>
      toBase32((await root.get(name)).storageIndex ?? new Uint8Array())
    for (const lines of [manifestLines(root), deepCheckLines(root, grid.context)]) {
      const failures = (await grid.clock.run(linesOf(lines), HOUR_MS)).filter(
        (line) => line.type === 'failure',
      )
      expect(failures).toEqual([
        {
          path: ['d hanging'],
          type: 'failure',
          'storage-index': await index('d hanging'),
          error: 'MUTABLE_UNRECOVERABLE',
          message: expect.any(String),
        },
        {
          path: ['d lost'],
          type: 'failure',
          'storage-index': await index('d lost'),
          error: 'MUTABLE_UNRECOVERABLE',
          message: expect.any(String),
        },
        {
          path: ['d malformed'],
          type: 'failure',
          'storage-index': await index('d malformed'),
          error: 'DIRECTORY_MALFORMED',
          message: expect.any(String),
        },
      ])
      expect(JSON.stringify(failures)).not.toContain('URI:')
    }
  })
})

describe('a renewal on a grid', () => {
  it('makes every lease last as long as a new one', async () => {
    const { grid, root } = await prepared()
    const { clock, context } = grid
    grid.hanging.clear()
    await clock.elapse(20 * 24 * HOUR_MS)
    const startSeconds = Math.floor(clock.nowMs() / 1000)
    const monitor = renewLeases(root, context)
    const { objects, leases, failures } = await clock.run(monitor.whenDone(), HOUR_MS)
    expect(failures.map(({ path, serverId }) => [path.join('/'), serverId])).toEqual([
      ['d lost', undefined],
      ['d malformed', undefined],
    ])
    let shares = 0
    let holders = 0
    let stored = 0
    for await (const entry of deepCheckEntries(root, context)) {
      if (entry.type !== 'object' || entry.results === undefined) continue
      stored++
      const ends = await grid.leaseEnds(entry.node)
      for (const end of ends.values()) {
        shares++
        expect(end).toBeGreaterThanOrEqual(startSeconds + LEASE_SECONDS)
      }
      holders += new Set([...ends.keys()].map((key) => key.split('/')[0])).size
    }
    expect(shares).toBeGreaterThan(40)
    expect([objects, leases]).toEqual([stored, holders])
  })

  it('does so in two passes as well', async () => {
    const { grid, root } = await prepared()
    const { clock, context } = grid
    await clock.elapse(20 * 24 * HOUR_MS)
    const startSeconds = Math.floor(clock.nowMs() / 1000)
    // The first pass is stopped while it waits for the directory that hangs.
    const first = renewLeases(root, context)
    await clock.elapse(1000)
    first.cancel()
    await expect(first.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
    const after = first.status?.cursor
    expect(after).toEqual(['d frozen', 'inside too'])
    grid.hanging.clear()
    const before = grid.messages.count
    const second = await clock.run(renewLeases(root, context, { after }).whenDone(), HOUR_MS)
    expect(grid.messages.count - before).toBeLessThan(150)
    expect(second.objects).toBeLessThan(13)
    for (const name of ['chk', 'mutable', 'd frozen', 'd hanging', 'd sound']) {
      const node = await root.get(name)
      for (const end of (await grid.leaseEnds(node)).values()) {
        expect([name, end >= startSeconds + LEASE_SECONDS]).toEqual([name, true])
      }
    }
  })
})
