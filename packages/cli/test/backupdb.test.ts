import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadVectors } from '@lafs/vectors'
import type * as Sqlite from 'node-sqlite3-wasm'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { directoryHash, openBackupDb } from '../src/backup/backupdb.ts'
import { excluder } from '../src/backup/exclude.ts'
import { paceLine, summary, warning } from '../src/backup/report.ts'

const { Database } = createRequire(import.meta.url)('node-sqlite3-wasm') as typeof Sqlite

interface Recorded {
  readonly globs: readonly [pattern: string, names: Readonly<Record<string, boolean>>][]
  readonly hashes: readonly { contents: Record<string, string>; hash: string }[]
  readonly now: number
  readonly decisions: readonly [days: number, dice: number, shouldCheck: boolean][]
  readonly databases: Readonly<Record<'v1' | 'v2', readonly string[]>>
  readonly reports: readonly [seconds: number, pace: string, summaries: string[]][]
  readonly warnings: readonly string[]
}

const recorded = await loadVectors<Recorded>('cli/backup')
/** A time so many seconds before what upstream's clock said, and a bit. */
const ago = (seconds: number): bigint =>
  BigInt(recorded.now - seconds) * 1_000_000_000n + 999_999_999n
const STAMP = { sizeBytes: 7, mtimeNs: ago(1000), ctimeNs: ago(999) }
const FILE = '/backed/up/file'

let root: string
let count = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-backupdb-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const newFile = (): string => join(root, `${count++}`, 'backupdb.sqlite')

/** A database with what upstream wrote into its own. */
function fromUpstream(version: 'v1' | 'v2'): string {
  const file = newFile()
  mkdirSync(join(file, '..'))
  const database = new Database(file)
  database.exec(recorded.databases[version].join('\n'))
  database.close()
  return file
}

function rows(file: string, sql: string): unknown[] {
  const database = new Database(file)
  try {
    return database.all(sql)
  } finally {
    database.close()
  }
}

const at = (seconds: number, dice = 0): { now: () => number; random: () => number } => ({
  now: () => seconds * 1000,
  random: () => dice,
})

describe('the names that are excluded', () => {
  it.each(recorded.globs)('%j', (pattern, names) => {
    const excludes = excluder([pattern])
    expect(Object.fromEntries(Object.keys(names).map((name) => [name, excludes(name)]))).toEqual(
      names,
    )
  })

  it('are those of any pattern', () => {
    const excludes = excluder(['*.o', '.git'])
    expect(['a.o', '.git', 'a.c'].map(excludes)).toEqual([true, true, false])
  })
})

describe('what is printed', () => {
  it.each(recorded.reports)('after %d seconds', (seconds, pace, summaries) => {
    const counts = {
      filesUploaded: 1,
      filesReused: 2,
      filesSkipped: 3,
      directoriesCreated: 4,
      directoriesReused: 5,
      directoriesSkipped: 6,
      filesChecked: 7,
      directoriesChecked: 8,
    }
    expect(paceLine(0, 9, seconds * 1000)).toBe(pace)
    expect(([0, 1, 2] as const).map((level) => summary(counts, seconds * 1000, level))).toEqual(
      summaries,
    )
  })

  it('warns of what is left out', () => {
    const skipped = (path: string, isDirectory: boolean) =>
      ({ kind: 'skipped', path, isDirectory, why: 'special' }) as const
    expect([
      warning({ kind: 'file', path: '/a/file', name: 'file' }, 'permission-denied'),
      warning(skipped('/a/folder', true), 'permission-denied'),
      warning(skipped('/a/folder', true), 'undecodable'),
      warning(skipped("/a/it's a link", false), 'symlink'),
      warning(skipped('/a/pipe', false), 'special'),
    ]).toEqual(recorded.warnings)
  })
})

describe('the database of backups', () => {
  it.each(recorded.hashes)('knows directories by the hash $hash', ({ contents, hash }) => {
    expect(directoryHash(new Map(Object.entries(contents)))).toBe(hash)
  })

  it.each(['v1', 'v2'] as const)(
    'finds in a database of upstream, %s, what stands there',
    async (version) => {
      const file = fromUpstream(version)
      await using db = await openBackupDb(file, at(recorded.now))
      expect(await db.findFile(FILE, STAMP, true)).toEqual({
        cap: expect.stringMatching(/^URI:CHK:/),
        shouldCheck: false,
      })
      expect(await db.findFile('/backed/up/other', STAMP, true)).toBeUndefined()
    },
  )

  it.each(recorded.decisions)(
    'asks after %d days, when the dice say %d, whether all is well: %j',
    async (days, dice, shouldCheck) => {
      const file = fromUpstream('v2')
      await using db = await openBackupDb(file, at(recorded.now + days * 86_400, dice))
      const hash = recorded.hashes[1]?.hash ?? ''
      expect((await db.findDirectory(hash))?.shouldCheck).toBe(shouldCheck)
      expect((await db.findFile(FILE, STAMP, true))?.shouldCheck).toBe(shouldCheck)
    },
  )

  it.each([
    [-29, false],
    [-61, true],
  ])(
    'asks when the last look was %d days ago by a clock put back: %j',
    async (days, shouldCheck) => {
      await using db = await openBackupDb(
        fromUpstream('v2'),
        at(recorded.now + days * 86_400, 0.99),
      )
      expect((await db.findFile(FILE, STAMP, true))?.shouldCheck).toBe(shouldCheck)
    },
  )

  it('writes what upstream writes', async () => {
    const upstreams = fromUpstream('v2')
    const file = newFile()
    const db = await openBackupDb(file, at(recorded.now))
    const [{ cap }] = rows(upstreams, 'SELECT CAST(filecap AS TEXT) AS cap FROM caps') as [
      { cap: string },
    ]
    const hash = recorded.hashes[1]?.hash ?? ''
    await db.recordUpload(FILE, STAMP, cap, recorded.now * 1000)
    await db.recordDirectory(hash, 'URI:DIR2-LIT:gi4dumj2n4wdcmz2')
    await db.close()
    for (const table of ['version', 'local_files', 'caps', 'last_upload', 'directories']) {
      expect(rows(file, `SELECT * FROM ${table}`)).toEqual(
        rows(upstreams, `SELECT * FROM ${table}`),
      )
    }
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it.each([
    ['of long ago by its second', 1000, true],
    ['of the second before by its second', 1.5, true],
    ['of what may still be the second by its exact time', 1.05, false],
    ['of the same second by its exact time', 0.95, false],
  ])('knows a file %s', async (_what, secondsUntilSeen, bySecond) => {
    const file = newFile()
    const options = at(recorded.now)
    const stamp = { sizeBytes: 1, mtimeNs: ago(7000), ctimeNs: ago(6000) - 99_999_999n }
    const seenMs = (recorded.now - 6000 + secondsUntilSeen) * 1000
    const db = await openBackupDb(file, options)
    await db.recordUpload(FILE, stamp, 'URI:LIT:aa', seenMs)
    await db.close()
    await using again = await openBackupDb(file, options)
    expect(await again.findFile(FILE, stamp, true)).toBeDefined()
    const changed = { ...stamp, ctimeNs: stamp.ctimeNs + 1000n }
    expect((await again.findFile(FILE, changed, true)) !== undefined).toBe(bySecond)
  })

  it('gives two files of the same content one cap', async () => {
    const file = newFile()
    const db = await openBackupDb(file, at(1_000_000))
    await db.recordUpload('/a', STAMP, 'URI:LIT:aa', 2e12)
    await db.recordUpload('/b', STAMP, 'URI:LIT:aa', 2e12)
    await db.recordUpload('/a', { ...STAMP, sizeBytes: 8 }, 'URI:LIT:bb', 2e12)
    await db.close()
    const sql = `SELECT path, size, CAST(filecap AS TEXT) AS cap FROM local_files
      JOIN caps USING (fileid) JOIN last_upload USING (fileid) ORDER BY path`
    expect(rows(file, sql)).toEqual([
      { path: '/a', size: 8, cap: 'URI:LIT:bb' },
      { path: '/b', size: 7, cap: 'URI:LIT:aa' },
    ])
  })

  it.each([
    ['another size', { ...STAMP, sizeBytes: 8 }, true],
    ['another time of its content', { ...STAMP, mtimeNs: ago(998) }, true],
    ['another time of its entry', { ...STAMP, ctimeNs: ago(1000) }, true],
    ['times that are not trusted', STAMP, false],
  ])('forgets a file with %s', async (_what, stamp, trusts) => {
    const file = fromUpstream('v2')
    const db = await openBackupDb(file, at(recorded.now))
    expect(await db.findFile(FILE, stamp, trusts)).toBeUndefined()
    await db.close()
    expect(rows(file, 'SELECT * FROM local_files')).toEqual([])
  })

  it.each(["'URI:LIT:a a'", "x'555249ff'", "'nothing'", "''"])(
    'relies on no cap such as %s',
    async (cap) => {
      const file = fromUpstream('v2')
      rows(file, `UPDATE caps SET filecap = ${cap} RETURNING fileid`)
      rows(file, `UPDATE directories SET dircap = ${cap} RETURNING dirhash`)
      await using db = await openBackupDb(file, at(recorded.now))
      expect(await db.findFile(FILE, STAMP, true)).toBeUndefined()
      expect(await db.findDirectory(recorded.hashes[1]?.hash ?? '')).toBeUndefined()
    },
  )

  it('remembers when something was last seen well', async () => {
    const file = fromUpstream('v2')
    const hash = recorded.hashes[1]?.hash ?? ''
    const db = await openBackupDb(file, at(recorded.now + 5_000_000))
    await db.recordFileIsHealthy((await db.findFile(FILE, STAMP, true))?.cap ?? '')
    await db.recordDirectoryIsHealthy((await db.findDirectory(hash))?.cap ?? '')
    await db.close()
    const sql = 'SELECT last_uploaded, last_checked FROM '
    const expected = [{ last_uploaded: recorded.now, last_checked: recorded.now + 5_000_000 }]
    expect(rows(file, `${sql} last_upload`)).toEqual(expected)
    expect(rows(file, `${sql} directories`)).toEqual(expected)
  })

  it.each([
    ['junk', 'this is no database at all, whatever its name says. '.repeat(40)],
    ['no tables', undefined],
    ['a version to come', 'CREATE TABLE version (version INTEGER); INSERT INTO version VALUES (3)'],
    ['no version', 'CREATE TABLE version (version INTEGER)'],
  ])('says so when it is %s, and leaves it as it is', async (what, content) => {
    const file = newFile()
    mkdirSync(join(file, '..'))
    if (what === 'junk') writeFileSync(file, content ?? '')
    else {
      const database = new Database(file)
      database.exec(content ?? 'CREATE TABLE other (x INTEGER)')
      database.close()
    }
    const before = readFileSync(file)
    await expect(openBackupDb(file, at(0))).rejects.toMatchObject({ code: 'CLI_BAD_BACKUPDB' })
    expect(readFileSync(file)).toEqual(before)
  })

  it('makes tables where a process was killed before it did', async () => {
    const file = newFile()
    mkdirSync(join(file, '..'))
    writeFileSync(file, '')
    const db = await openBackupDb(file, at(0))
    await db.close()
    expect(rows(file, 'SELECT version FROM version')).toEqual([{ version: 2 }])
  })

  /** A database that a process has changed in part when it was killed. @returns what it was before. */
  function killedAmidst(file: string): Uint8Array {
    const filling = new Database(file)
    filling.exec(`WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 900)
      INSERT INTO local_files SELECT '/file/number/' || n, n, n, n, 1 FROM numbers`)
    filling.close()
    const before = readFileSync(file)
    const script = `
      const { Database } = require(process.argv[1])
      const database = new Database(process.argv[2])
      database.exec('PRAGMA cache_size = 1; BEGIN IMMEDIATE; DELETE FROM local_files; DELETE FROM caps')
      database.exec("CREATE TABLE more (text); INSERT INTO more VALUES (hex(zeroblob(60000)))")
      process.kill(process.pid, 'SIGKILL')`
    const library = createRequire(import.meta.url).resolve('node-sqlite3-wasm')
    expect(() => execFileSync(process.execPath, ['-e', script, library, file])).toThrow('SIGKILL')
    expect(readFileSync(file)).not.toEqual(before)
    for (const left of [`${file}.lock`, `${file}-journal`]) utimesSync(left, 0, 0)
    return before
  }

  it.each([
    ['makes', () => newFile()],
    ['brings up to date', () => fromUpstream('v1')],
  ])('%s tables once, though two begin with it', async (_what, make) => {
    const file = make()
    const both = await Promise.all([openBackupDb(file, at(0)), openBackupDb(file, at(0))])
    for (const db of both) await db.close()
    expect(rows(file, 'SELECT version FROM version')).toEqual([{ version: 2 }])
  })

  it('writes what it has gathered even where nothing follows for long', async () => {
    const file = newFile()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await using db = await openBackupDb(file, at(1_000_000))
      await db.recordUpload(FILE, STAMP, 'URI:LIT:aa', 2e12)
      await vi.advanceTimersByTimeAsync(1000)
      expect(rows(file, 'SELECT path FROM local_files')).toEqual([{ path: FILE }])
    } finally {
      vi.useRealTimers()
    }
  })

  it('undoes what a process had changed when it was killed', async () => {
    const file = fromUpstream('v2')
    const before = killedAmidst(file)
    await using db = await openBackupDb(file, { now: Date.now, random: () => 0.999 })
    expect(readFileSync(file)).toEqual(before)
    expect(await db.findFile(FILE, STAMP, true)).toBeDefined()
  })

  it('begins anew where a damaged one was moved away and its journal was not', async () => {
    const file = fromUpstream('v2')
    killedAmidst(file)
    renameSync(file, `${file}.damaged`)
    const db = await openBackupDb(file, at(recorded.now))
    expect(await db.findFile(FILE, STAMP, true)).toBeUndefined()
    await db.recordUpload(FILE, STAMP, 'URI:LIT:aa', recorded.now * 1000)
    await db.close()
    expect(rows(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
    expect(rows(file, 'SELECT path FROM local_files')).toEqual([{ path: FILE }])
  })

  it('does not wait for ever for a lock that a process left before the clock was put back', async () => {
    const file = fromUpstream('v2')
    mkdirSync(`${file}.lock`)
    const inAYear = Date.now() / 1000 + 31e6
    utimesSync(`${file}.lock`, inAYear, inAYear)
    let looks = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => looks++ * 3000)
    try {
      await using db = await openBackupDb(file, { now: Date.now })
      expect(await db.findFile(FILE, STAMP, true)).toBeDefined()
    } finally {
      clock.mockRestore()
    }
  })

  it('waits for another process that uses it', async () => {
    const file = fromUpstream('v2')
    mkdirSync(`${file}.lock`)
    let isLeft = false
    setTimeout(() => {
      isLeft = existsSync(`${file}.lock`)
      rmSync(`${file}.lock`, { recursive: true, force: true })
    }, 120)
    await using db = await openBackupDb(file, { now: Date.now })
    expect(await db.findFile(FILE, STAMP, true)).toBeDefined()
    expect(isLeft).toBe(true)
  })
})
