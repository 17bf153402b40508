import { execFileSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createResourceStack,
  describeWithUpstream,
  lafs,
  startOwnGateway,
  startOwnServer,
  startTahoe,
  temporaryFolder,
  upstreamFolder,
} from '@lafs/interop'
import type { CommandLine } from '@lafs/interop'
import { afterAll, beforeAll, expect, it } from 'vitest'

const FILES: Readonly<Record<string, string>> = {
  small: 'small',
  big: 'a longer text that goes to the servers. '.repeat(200),
  'sub/\u00e9 \ud83d\ude00': 'a name of all kinds',
  'sub/again': 'small',
  'sub/below/empty': '',
}

/** A process of upstream's SQLite that is killed in the midst of a transaction. */
const KILLED = `
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM local_files")
database.execute("DELETE FROM directories")
for number in range(300):
    database.execute("INSERT INTO local_files VALUES (?, 1, 1, 1, 1)", ("/number/%d" % number,))
os.kill(os.getpid(), signal.SIGKILL)
`

// One node directory with one database of backups, for both commands in turn.
describeWithUpstream('backups of both commands', () => {
  const resources = createResourceStack()
  let folder: string
  let source: string
  let node: string
  let tahoe: CommandLine

  beforeAll(async () => {
    folder = resources.use(await temporaryFolder()).path
    const server = resources.use(await startOwnServer(join(folder, 'server')))
    const own = await startOwnGateway(join(folder, 'node'), {
      servers: [server.description],
      encoding: { requiredShares: 1, happyShares: 1, totalShares: 1 },
    })
    resources.use(own)
    node = own.folder
    tahoe = resources.use(startTahoe())
    source = join(folder, 'source')
    for (const [name, content] of Object.entries(FILES)) {
      await mkdir(join(source, name, '..'), { recursive: true })
      await writeFile(join(source, name), content)
    }
    await run(lafs, 'create-alias', 'work')
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  async function run(command: CommandLine, ...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await command.run(['-d', node, ...words], folder, '')
    expect([status, stderr]).toEqual([0, ''])
    return stdout
  }

  /** What a backup says of its numbers. */
  async function backUp(command: CommandLine): Promise<string> {
    const said = await run(command, 'backup', 'source', 'work:')
    const [, files = '', directories = ''] =
      /(\d+ files uploaded \(\d+ reused\)).*?(\d+ directories created \(\d+ reused\))/.exec(said) ??
      []
    return `${files}, ${directories}`
  }

  async function treeBelow(place: string): Promise<Record<string, string>> {
    const entries = await readdir(place, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    const pairs = files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path.slice(place.length + 1), await readFile(path, 'utf8')] as const
    })
    return Object.fromEntries(await Promise.all(pairs))
  }

  it('reuse what the other one has stored', async () => {
    expect(await backUp(tahoe)).toBe(
      '5 files uploaded (0 reused), 3 directories created (0 reused)',
    )
    expect(await backUp(lafs)).toBe('0 files uploaded (5 reused), 0 directories created (3 reused)')
    await writeFile(join(source, 'sub/again'), 'something else')
    await cp(join(source, 'sub/below'), join(source, 'sub/copied'), { recursive: true })
    // A file that is read in the second in which it changed is read again by the other one.
    await sleep(1200)
    expect(await backUp(lafs)).toBe('2 files uploaded (4 reused), 2 directories created (2 reused)')
    expect(await backUp(tahoe)).toBe(
      '0 files uploaded (6 reused), 0 directories created (4 reused)',
    )
  })

  it('are restored by either', async () => {
    await run(tahoe, 'cp', '-r', 'work:Latest', 'by-tahoe')
    await run(lafs, 'cp', '-r', 'work:Latest', 'by-lafs')
    const expected = await treeBelow(source)
    expect(Object.keys(expected)).toHaveLength(6)
    for (const restored of ['by-tahoe', 'by-lafs']) {
      const [top = ''] = await readdir(join(folder, restored))
      const whole = top === 'Latest' ? join(folder, restored, top) : join(folder, restored)
      expect(await treeBelow(whole)).toEqual(expected)
    }
  })

  it('outlive a killed process of upstream', async () => {
    const database = join(node, 'private/backupdb.sqlite')
    const before = await readFile(database)
    const python = join(upstreamFolder, 'bin/python')
    expect(() => execFileSync(python, ['-c', KILLED, database])).toThrow('Command failed')
    expect(await readFile(database)).not.toEqual(before)
    // As if it had been some time ago.
    await utimes(`${database}-journal`, 0, 0)
    expect(await backUp(lafs)).toBe('0 files uploaded (6 reused), 0 directories created (4 reused)')
    expect(await backUp(tahoe)).toBe(
      '0 files uploaded (6 reused), 0 directories created (4 reused)',
    )
  })
})
