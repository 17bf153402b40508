import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createLocalGrid } from '@lafs/node-directory'
import { fromHex, loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT_INTERRUPTED } from '../src/failure.ts'
import { flipBit, sharesOnDisk } from './grid-shares.ts'
import { runHere } from './in-process.ts'
import type { Outcome } from './in-process.ts'

/** What upstream's lease checker does to some shares; see the recording. */
interface Recording {
  readonly now: number
  readonly files: readonly { path: string; data: string }[]
  readonly cases: readonly {
    policy: {
      name: string
      enabled: boolean
      mode: 'age' | 'cutoff-date'
      overrideLeaseDuration: number | null
      cutoffDate: number | null
      shareTypes: readonly string[]
    }
    cycles: readonly { changed: Readonly<Record<string, string | null>> }[]
  }[]
}

const { now, files, cases } = await loadVectors<Recording>('crawlers/leases')
const DAY = 86_400

let root: string
let node: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  node = join(root, 'node')
  for (const { path, data } of files) {
    const file = join(node, 'storage', 'shares', path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, fromHex(data))
  }
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function configure(...lines: string[]): Promise<void> {
  await writeFile(join(node, 'tahoe.cfg'), ['[storage]', ...lines, ''].join('\n'))
}

function admin(...words: string[]): Promise<Outcome> {
  return runHere(['-d', node, 'admin', ...words], { cwd: root, nowMs: now * 1000 })
}

function jsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line): unknown => JSON.parse(line))
}

describe('admin expiring', () => {
  // Dates that are no midnight cannot stand in a tahoe.cfg.
  const told = cases.filter(
    ({ policy }) =>
      policy.enabled &&
      (policy.mode === 'age'
        ? policy.overrideLeaseDuration !== null
        : (policy.cutoffDate ?? 0) % DAY === 0),
  )

  it('has recordings to go by', () => {
    expect(told.length).toBeGreaterThan(4)
  })

  it.each(told)('tells what upstream deletes: $policy.name', async ({ policy, cycles }) => {
    await configure(
      'expire.enabled = true',
      `expire.mode = ${policy.mode}`,
      ...(policy.overrideLeaseDuration === null
        ? []
        : [`expire.override_lease_duration = ${policy.overrideLeaseDuration / DAY} days`]),
      `expire.cutoff_date = ${new Date((policy.cutoffDate ?? 0) * 1000).toISOString().slice(0, 10)}`,
      `expire.immutable = ${policy.shareTypes.includes('immutable')}`,
      `expire.mutable = ${policy.shareTypes.includes('mutable')}`,
    )
    const deleted = Object.entries(cycles[0]?.changed ?? {}).filter(([, data]) => data === null)
    const { status, stdout } = await admin('expiring', '--json')
    expect(status).toBe(0)
    const lines = jsonLines(stdout) as {
      type: string
      verdict: string
      'storage-index': string
      'share-number': number
    }[]
    const expiring = lines
      .filter(({ verdict }) => verdict === 'expires')
      .map(
        ({ 'storage-index': storageIndex, 'share-number': shareNumber }) =>
          `${storageIndex.slice(0, 2)}/${storageIndex}/${shareNumber}`,
      )
    expect(expiring.toSorted()).toEqual(deleted.map(([path]) => path).toSorted())
    expect(lines.at(-1)).toMatchObject({
      type: 'sum',
      enabled: true,
      shares: deleted.length,
      damaged: 3,
    })
  })

  it('says why, and that nothing will be deleted while expiration is off', async () => {
    await configure('expire.mode = cutoff-date', 'expire.cutoff_date = 2023-12-01')
    const { status, stdout, stderr } = await admin('expiring')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const lines = stdout.split('\n')
    expect(lines[0]).toBe(
      'expiration: off; leases of all shares end when they were renewed before 2023-12-01',
    )
    expect(lines).toContain(
      'SI ctvy4rlqadbjbod2hylhphrvda, shnum 2: mutable, 772 bytes: its only lease was renewed 100 days ago, before 2023-12-01',
    )
    expect(lines).toContain(
      'SI pa3yx7hfzwrftgtm3i4z6hfm54, shnum 5: unknown, 7 bytes: left alone: container: 7 bytes hold no whole header',
    )
    expect(lines.at(-2)).toMatch(
      /^done: \d+ shares would be deleted if expiration were on \(\d+ bytes( \(.*\))?, \d+ bytes \(.*\) on disk\); 3 damaged are left alone$/,
    )
  })

  it.each([
    ['expire.enabled = maybe'],
    ['expire.mode = never'],
    ['expire.mode = cutoff-date'],
    ['expire.override_lease_duration = 7'],
  ])('refuses settings that make no sense: %s', async (line) => {
    await configure(line)
    const { status, stdout, stderr } = await admin('expiring')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(
      /^lafs: NODEDIR_BAD_CONFIG: tahoe\.cfg( line \d+)?: expected .* at \[storage\] expire\./,
    )
  })
})

describe('admin counts', () => {
  it('counts shares and names damaged ones', async () => {
    await configure()
    const { status, stdout, stderr } = await admin('counts')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const shown = stdout.replaceAll(root, '').replaceAll(/ (room|size on disk): .*/g, ' $1')
    expect(shown).toBe(
      [
        "storage folder: '/node/storage'",
        ' storage indexes: 19 (11 immutable, 5 mutable)',
        ' shares: 21 (14 immutable, 7 mutable)',
        ' size of shares: 21266 bytes (21.27 kB, 20.77 kiB)',
        ' size on disk',
        ' room',
        ' damaged shares: 3',
        '  SI pa3yx7hfzwrftgtm3i4z6hfm54, shnum 5',
        '  SI pedj7war62wrec7ptdriqw7qfy, shnum 5',
        '  SI pl7zkjl5bslnc6tbdfazb4azxi, shnum 1',
        '',
      ].join('\n'),
    )
  })

  it('says the same in JSON, and what the server has counted last', async () => {
    await configure()
    const state = join(node, 'storage', 'bucket_counter.state.json')
    await writeFile(state, JSON.stringify({ version: 1, 'last-complete-bucket-count': 17 }))
    try {
      expect(JSON.parse((await admin('counts', '--json')).stdout)).toMatchObject({
        'storage-folder': join(node, 'storage'),
        buckets: 19,
        shares: 21,
        'shares-mutable': 7,
        sharebytes: 21_266,
        'corrupt-shares': [
          ['pa3yx7hfzwrftgtm3i4z6hfm54', 5],
          ['pedj7war62wrec7ptdriqw7qfy', 5],
          ['pl7zkjl5bslnc6tbdfazb4azxi', 1],
        ],
        'disk-total': expect.any(Number),
        'last-complete-bucket-count': 17,
      })
      const { stdout } = await admin('counts', 'node/storage')
      expect(stdout).toContain("\n storage indexes, by the server's last count: 17\n")
    } finally {
      await rm(state)
    }
  })

  it('shows how far it is on a terminal', async () => {
    const { stderr } = await runHere(['-d', node, 'admin', 'counts'], { showsProgress: true })
    expect(stderr).toMatch(/surveying {3}100% {3}24 shares/)
    expect(stderr.endsWith('\r\u001B[2K')).toBe(true)
  })

  it('ends when the user wants it to', async () => {
    const signal = AbortSignal.abort(new DOMException('interrupted', 'AbortError'))
    for (const command of ['counts', 'leases', 'expiring']) {
      const { status } = await runHere(['-d', node, 'admin', command], { signal })
      expect(status).toBe(EXIT_INTERRUPTED)
    }
  })

  it('says what it wants where no shares are', async () => {
    for (const folder of ['.', 'missing', 'node/tahoe.cfg']) {
      const { status, stderr } = await admin('counts', folder)
      expect(status).toBe(1)
      expect(stderr).toMatch(
        /^lafs: CLI_NO_STORAGE: expected the node directory of a storage server/,
      )
    }
  })
})

describe('admin leases', () => {
  it('tells how old leases are and what has none left', async () => {
    await configure(
      'expire.enabled = yes',
      'expire.mode = age',
      'expire.override_lease_duration = 31 days',
    )
    const { status, stdout } = await admin('leases')
    expect(status).toBe(0)
    expect(stdout).toBe(
      [
        'expiration: on; leases of all shares end 31 days after they were renewed',
        'leases: 33 on 21 shares',
        ' shares with 0 leases: 1',
        ' shares with 1 lease: 17',
        ' shares with 2 leases: 1',
        ' shares with 7 leases: 2',
        'days since they were renewed:',
        ' 0-1: 1',
        ' 1-2: 1',
        ' 10-11: 2',
        ' 20-21: 13',
        ' 40-41: 4',
        ' 60-61: 2',
        ' 100-101: 10',
        'shares whose leases have all ended by their own word: 12, 16444 bytes (16.44 kB, 16.06 kiB)',
        'shares whose leases have all ended by the settings: 12, 16444 bytes (16.44 kB, 16.06 kiB)',
        '',
      ].join('\n'),
    )
  })

  it('tells what the last walk of the server has deleted', async () => {
    await configure()
    const history = join(node, 'storage', 'lease_checker.history.json')
    const cycle = (finish: number, shares: number): object => ({
      'cycle-start-finish-times': [finish - 1, finish],
      'space-recovered': {
        'examined-shares': 30,
        'actual-shares': shares,
        'actual-diskbytes': 8192,
      },
    })
    await writeFile(history, JSON.stringify({ '9': cycle(now - DAY, 1), '10': cycle(now, 2) }))
    try {
      expect((await admin('leases')).stdout).toMatch(
        /\nthe server's last walk: ended 2024-02-22 22:13:20 UTC; 30 shares looked at, 2 deleted, 8192 bytes \(8\.19 kB, 8\.00 kiB\) of disk\n$/,
      )
      expect(JSON.parse((await admin('leases', '--json')).stdout)).toMatchObject({
        expiration: { enabled: false, mode: { kind: 'age' } },
        'leases-per-share-histogram': { '0': 1, '1': 17, '2': 1, '7': 2 },
        history: { '10': cycle(now, 2) },
      })
    } finally {
      await rm(history)
    }
  })
})

describe('admin advisories', () => {
  it('lists what clients have told a server that runs, whatever they say', async () => {
    await using grid = await createLocalGrid({
      servers: 1,
      encoding: { requiredShares: 1, totalShares: 1 },
    })
    const client = grid.clientFolder ?? ''
    const server = grid.servers[0]?.folder ?? ''
    const content = 'More than what a cap can hold itself. '.repeat(5)
    const put = await runHere(['-d', client, 'put'], { stdin: content })
    const cap = put.stdout.trim()
    const [share] = await sharesOnDisk(grid, cap)
    await flipBit(share?.file ?? '', 50)
    expect((await runHere(['-d', client, 'check', '--verify', cap])).stdout).toContain('corrupt')
    const advisories = join(server, 'storage', 'corruption-advisories')
    await mkdir(advisories, { recursive: true })
    await writeFile(
      join(advisories, '2024-02-22T221320--aaaaaaaaaaaaaaaaaaaaaaaaaa-3'),
      'report: Share Corruption\ntype: immutable\nstorage_index: aaaaaaaaaaaaaaaaaaaaaaaaaa\nshare_number: 3\n\nred \u001B[31m\n\n',
    )
    await writeFile(join(advisories, 'stray'), 'nonsense')

    const { status, stdout, stderr } = await runHere(['admin', 'advisories', server])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const lines = stdout.split('\n')
    expect(lines).toContain(
      String.raw`2024-02-22 22:13:20: SI aaaaaaaaaaaaaaaaaaaaaaaaaa, shnum 3: immutable: "red \x1b[31m"`,
    )
    expect(lines).toContain("'stray' is no advisory")
    expect(lines.filter((line) => line.includes('shnum 0: immutable: '))).toHaveLength(1)
    expect(lines.at(-2)).toBe('done: 3 advisories')
    const json = await runHere(['admin', 'advisories', '--json', server])
    const advised = jsonLines(json.stdout)
    expect(advised).toHaveLength(3)
    expect(advised).toContainEqual({
      name: '2024-02-22T221320--aaaaaaaaaaaaaaaaaaaaaaaaaa-3',
      time: '2024-02-22T22:13:20.000Z',
      kind: 'immutable',
      'storage-index': 'aaaaaaaaaaaaaaaaaaaaaaaaaa',
      'share-number': 3,
      reason: 'red \u001b[31m',
    })
  })
})
