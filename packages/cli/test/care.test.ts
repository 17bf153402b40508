import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import { toBase32 } from '@lafs/crypto'
import { parseCap } from '@lafs/uri'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT_INTERRUPTED } from '../src/failure.ts'
import { withShareFile } from '../src/share-file.ts'
import { flipBit, shareFolders, sharesOnDisk } from './grid-shares.ts'
import { runHere } from './in-process.ts'
import type { Outcome } from './in-process.ts'
import { usePublishedKeys } from '@lafs/testing/published-keys'

const LONG = 'Far more than what a cap can hold itself. '.repeat(5)

let root: string
let grid: LocalGrid
/** Caps of objects that were stored when there were two servers for three shares. */
const crowded = new Map<string, string>()
beforeAll(async () => {
  await usePublishedKeys()
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  grid = await gridOf(2)
  for (const format of ['CHK', 'SDMF', 'MDMF']) {
    crowded.set(format, await stored(`${format} ${LONG}`, `--format=${format}`))
  }
  crowded.set('damaged', await stored(`damaged ${LONG}`))
  crowded.set('read-only', await stored(LONG, '--format=SDMF'))
  crowded.set('tree', (await lafs('mkdir')).stdout.trim())
  const directory = crowded.get('tree') ?? ''
  await lafs('ln', await stored(`a ${LONG}`), `${directory}/a`)
  await lafs('ln', await stored(`b ${LONG}`), `${directory}/b`)
  await lafs('mkdir', `${directory}/lost`)
  await grid.close()
  grid = await gridOf(3)
})
afterAll(async () => {
  await grid.close()
  await rm(root, { recursive: true, force: true })
})

/** A grid that finds again what an earlier one has stored. */
function gridOf(servers: number): Promise<LocalGrid> {
  const encoding = { requiredShares: 2, totalShares: 3 }
  return createLocalGrid({ servers, folder: join(root, 'grid'), encoding })
}

function lafs(...words: string[]): Promise<Outcome> {
  return runHere(['-d', grid.clientFolder ?? '', ...words], { cwd: root })
}

/** The cap of a file that is stored now. */
async function stored(content: string, ...words: string[]): Promise<string> {
  const options = { cwd: root, stdin: content }
  const { stdout } = await runHere(['-d', grid.clientFolder ?? '', 'put', ...words], options)
  return stdout.trim()
}

async function places(cap: string): Promise<[share: number, server: number][]> {
  const shares = await sharesOnDisk(grid, cap)
  return shares.map(({ shareNumber, server }) => [shareNumber, server])
}

describe('rebalance', () => {
  it.each([['CHK'], ['SDMF'], ['MDMF']])('plans, moves and is content: %s', async (format) => {
    const cap = crowded.get(format) ?? ''
    const before = await places(cap)
    expect(new Set(before.map(([, server]) => server))).toEqual(new Set([0, 1]))

    const plan = await lafs('rebalance', '--dry-run', cap)
    expect(plan).toMatchObject({ status: 0, stderr: '' })
    const index = toBase32(parseCap(cap).storageIndex ?? new Uint8Array())
    expect(plan.stdout).toMatch(
      new RegExp(
        `^Plan: 1 move\n storage index: ${index}\n servers of happiness: 2 now, 3 afterwards\n` +
          " share [012]: from v0-\\w+ 'server \\d' to v0-\\w+ 'server \\d' \\([^\n]+\\)\n$",
      ),
    )
    expect(await places(cap)).toEqual(before)

    const { status, stdout, stderr } = await lafs('rebalance', cap)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/\n share [012]: moved\n$/)
    const after = await places(cap)
    expect(after.map(([share]) => share)).toEqual([0, 1, 2])
    expect(new Set(after.map(([, server]) => server))).toEqual(new Set([0, 1, 2]))
    const check = await lafs('check', '--verify', cap)
    expect(check.stdout).toMatch(/^Summary: Healthy\n/)

    const again = await lafs('rebalance', cap)
    expect(again.stdout).toMatch(/^Plan: nothing to move\n/)
  })

  it('moves what is in a tree, and goes on after a directory that cannot be read', async () => {
    const directory = crowded.get('tree') ?? ''
    const listing = await lafs('ls', '--uri', directory)
    const lost = /URI:DIR2:\S+/.exec(listing.stdout)?.[0] ?? ''
    for (const { file } of await sharesOnDisk(grid, lost)) await rm(file)

    const plan = await lafs('rebalance', '-r', '--dry-run', directory)
    expect(plan.status).toBe(1)
    expect(plan.stdout.match(/^'.*':$/gm)).toEqual(["'<root>':", "'a':", "'b':"])
    expect(plan.stdout).toMatch(/\ndone: 4 objects looked at, 3 shares to move\n$/)
    expect(plan.stderr).toMatch(/^lafs: 'lost': [^\n]+\nlafs: CLI_INCOMPLETE: /)

    const listed = await lafs('rebalance', '-r', '--dry-run', '--json', directory)
    const lines = listed.stdout.trim().split('\n')
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(told.map(({ type, path }) => [type, path])).toEqual([
      ['object', []],
      ['object', ['a']],
      ['object', ['b']],
      ['stats', undefined],
    ])
    expect(told[0]).toMatchObject({
      'happiness-before': 2,
      'happiness-after': 3,
      moves: [{ made: false, 'old-share-released': false }],
    })
    expect(told[3]).toEqual({ type: 'stats', objects: 4, moves: 3, 'moves-made': 0 })

    const { stdout } = await lafs('rebalance', '--recursive', directory)
    expect(stdout.match(/^ share [012]: moved$/gm)).toHaveLength(3)
    expect(stdout).toMatch(/\ndone: 4 objects looked at, 3 shares moved\n$/)
    const again = await lafs('rebalance', '-r', directory)
    expect(again.stdout).toBe('done: 4 objects looked at, 0 shares moved\n')
  })

  it('has nothing to move where nothing is stored', async () => {
    expect(await lafs('rebalance', 'URI:LIT:onwwc3dm')).toEqual({
      status: 0,
      stdout:
        'Plan: nothing to move\n storage index: \n servers of happiness: 0 now, 0 afterwards\n',
      stderr: '',
    })
  })

  it('tells what it could not move', async () => {
    const cap = crowded.get('damaged') ?? ''
    for (const { file } of await sharesOnDisk(grid, cap)) {
      await flipBit(file, 50)
    }
    const { status, stdout, stderr } = await lafs('rebalance', cap)
    expect(status).toBe(1)
    expect(stdout).toMatch(/\n share [012]: not moved\n$/)
    expect(stderr).toMatch(
      /^lafs: share [012]: [^\n]+\nlafs: CLI_INCOMPLETE: one move was not made; [^\n]+\n$/,
    )
  })

  it('says that shares of a mutable file move with its write cap alone', async () => {
    const readCap = parseCap(crowded.get('read-only') ?? '')
      .readCap()
      .format()
    const { status, stderr } = await lafs('rebalance', readCap)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^lafs: REPAIR_REQUIRES_WRITECAP: /)
  })
})

describe('check --repair', () => {
  it('goes on after a repair that fails, and ends badly', async () => {
    const caps = await Promise.all(['one', 'two'].map((name) => stored(`${name} ${LONG}`)))
    for (const [index, cap] of caps.entries()) {
      for (const { file } of (await sharesOnDisk(grid, cap)).slice(1 + index)) await rm(file)
    }
    const { status, stdout, stderr } = await lafs('check', '--repair', ...caps)
    expect(status).toBe(1)
    expect(stdout).toMatch(/ repair failed\n[^]* repair successful\n$/)
    expect(stderr).toBe(
      'lafs: CLI_NOT_REPAIRED: not healthy: 1 of the 2 shares that it needs.\n' +
        'lafs: CLI_INCOMPLETE: one thing failed; all the rest is told.\n',
    )
  })
})

describe('deep-check --repair', () => {
  it.each([[''], ['--raw']])(
    'goes on after a repair that fails, and ends badly %s',
    async (raw) => {
      const directory = (await lafs('mkdir')).stdout.trim()
      for (const [name, left] of [
        ['beyond repair', 1],
        ['mended', 2],
      ] as const) {
        const cap = await stored(`${name} ${raw} ${LONG}`)
        await lafs('ln', cap, `${directory}/${name}`)
        for (const { file } of (await sharesOnDisk(grid, cap)).slice(left)) await rm(file)
      }
      const words = raw === '' ? ['-v'] : [raw]
      const { status, stdout, stderr } = await lafs('deep-check', '--repair', ...words, directory)
      expect(status).toBe(1)
      const told = "lafs: 'beyond repair': CLI_NOT_REPAIRED: not healthy: 1 of the 2 [^\n]+\n"
      const end = 'lafs: CLI_INCOMPLETE: one thing failed; all the rest is told.\n'
      expect(stderr).toMatch(new RegExp(`^${raw === '' ? told : ''}${end}$`))
      expect(stdout).toMatch(
        raw === ''
          ? / 2 repairs attempted, 1 successful, 1 failed\n/
          : /"repair-successful": false.*\n.*"repair-successful": true/,
      )
    },
  )
})

describe('a command that takes long', () => {
  it.each([
    ['check', 'CHK'],
    ['check --verify --repair', 'SDMF'],
    ['deep-check', 'directory'],
    ['manifest', 'directory'],
    ['stats', 'directory'],
    ['renew', 'directory'],
    ['rebalance', 'MDMF'],
  ])('ends when the user wants it to: %s', async (command, what) => {
    const cap = crowded.get(what) ?? (await lafs('mkdir')).stdout.trim()
    const words = ['-d', grid.clientFolder ?? '', ...command.split(' '), cap]
    const reason = new DOMException('interrupted', 'AbortError')
    const outcome = await runHere(words, { cwd: root, signal: AbortSignal.abort(reason) })
    expect(outcome).toEqual({
      status: EXIT_INTERRUPTED,
      stdout: '',
      stderr: 'lafs: interrupted.\n',
    })
  })
})

/** Where the time of the first lease stands in the file of a share. */
async function leaseTimeOffset(file: string): Promise<number> {
  return withShareFile(file, async (share) =>
    share.kind === 'immutable' ? share.leaseOffset + 68 : 104,
  )
}

/** Lets the leases of an object end in 1970. */
async function endLeases(cap: string): Promise<void> {
  for (const { file } of await sharesOnDisk(grid, cap)) {
    const bytes = await readFile(file)
    bytes.writeUInt32BE(1, await leaseTimeOffset(file))
    await writeFile(file, bytes)
  }
}

/** How many leases of an object have not ended. */
async function liveLeases(cap: string): Promise<number> {
  let live = 0
  for (const { file } of await sharesOnDisk(grid, cap)) {
    await withShareFile(file, async ({ leases }) => {
      live += leases.filter(({ expiresAtSeconds }) => expiresAtSeconds > 1).length
    })
  }
  return live
}

describe('renew', () => {
  /** A directory with files a, b and c, and what is in it; all leases have ended. */
  async function oldTree(): Promise<{ directory: string; caps: Map<string, string> }> {
    const directory = (await lafs('mkdir')).stdout.trim()
    const caps = new Map<string, string>()
    for (const name of ['a', 'b', 'c']) {
      const words = name === 'b' ? ['--format=SDMF'] : []
      caps.set(
        name,
        await stored(`${directory} ${name} ${LONG}`, ...words, '-', `${directory}/${name}`),
      )
    }
    for (const cap of [directory, ...caps.values()]) await endLeases(cap)
    return { directory, caps }
  }

  function recordFile(directory: string): string {
    const name = basename(shareFolders(grid, directory)[0] ?? '')
    return join(grid.clientFolder ?? '', 'private', 'renewals', `${name}.json`)
  }

  it('renews every lease of a tree, and keeps how much that was', async () => {
    const { directory, caps } = await oldTree()
    const { status, stdout, stderr } = await lafs('renew', directory)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(
      /^done: 12 leases of 4 objects renewed\n( server v0-\w+: 4 leases\n){3}$/,
    )
    for (const cap of [directory, ...caps.values()]) expect(await liveLeases(cap)).toBe(3)
    const record: unknown = JSON.parse(await readFile(recordFile(directory), 'utf8'))
    expect(record).toEqual({ cursor: null, objects: 4, total: 4 })
    expect(await lafs('renew', '--resume', directory)).toEqual({
      status: 1,
      stdout: '',
      stderr: 'lafs: CLI_NO_STATE: no renewal of this directory was interrupted.\n',
    })
  })

  it('goes on where it was interrupted', async () => {
    const { directory, caps } = await oldTree()
    const record = { cursor: ['a'], objects: 2, total: null }
    await mkdir(dirname(recordFile(directory)), { recursive: true })
    await writeFile(recordFile(directory), JSON.stringify(record))
    const { status, stdout } = await lafs('renew', '--resume', directory)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^done: 9 leases of 3 objects renewed\n/)
    const live = [...caps].map(async ([name, cap]) => [name, await liveLeases(cap)])
    expect(await Promise.all(live)).toEqual([
      ['a', 0],
      ['b', 3],
      ['c', 3],
    ])
    const kept: unknown = JSON.parse(await readFile(recordFile(directory), 'utf8'))
    expect(kept).toEqual({ cursor: null, objects: 4, total: 4 })
  })

  it('tells what has no shares any more', async () => {
    const { directory, caps } = await oldTree()
    for (const { file } of await sharesOnDisk(grid, caps.get('c') ?? '')) await rm(file)
    const { status, stdout, stderr } = await lafs('renew', directory)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^done: 9 leases of 3 objects renewed\n/)
    expect(stderr).toMatch(
      /^lafs: 'c': DOWNLOAD_NO_SHARES: [^\n]+\nlafs: CLI_INCOMPLETE: the leases of one object [^\n]+\n$/,
    )
    const again = await lafs('renew', '--json', directory)
    expect(again).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lafs: CLI_INCOMPLETE: [^\n]+\n$/),
    })
    const told = JSON.parse(again.stdout) as { servers: object }
    expect(told).toMatchObject({
      objects: 3,
      leases: 9,
      'failure-count': 1,
      failures: [{ path: ['c'], error: 'DOWNLOAD_NO_SHARES' }],
    })
    expect(Object.values(told.servers)).toEqual(
      Array.from({ length: 3 }, () => ({ leases: 3, failures: 0, 'not-asked': 0 })),
    )
  })

  it.each([
    ['', 'nothing'],
    ['{}', 'no fields'],
    ['null', 'null'],
    ['[]', 'a list'],
    ['{"cursor":["a"],"objects":2}', 'no total'],
    ['{"cursor":"a","objects":2,"total":null}', 'a cursor that is no path'],
    ['{"cursor":[1],"objects":2,"total":null}', 'a name that is no text'],
    ['{"cursor":["a"],"objects":-1,"total":null}', 'a count below 0'],
    ['{"cursor":["a"],"objects":2,"total":1.5}', 'half a thing'],
    ['{"cursor":["a"],"objects":2,"total":null', 'half a file'],
  ])('refuses a record of %s (%s)', async (text) => {
    const directory = (await lafs('mkdir')).stdout.trim()
    await mkdir(dirname(recordFile(directory)), { recursive: true })
    await writeFile(recordFile(directory), text)
    const { status, stderr } = await lafs('renew', '--resume', directory)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^lafs: CLI_NO_STATE: the record of the last renewal is damaged; /)
  })
})
