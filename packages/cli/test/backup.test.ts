import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as Sqlite from 'node-sqlite3-wasm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openBackupDb } from '../src/backup/backupdb.ts'
import { scanFolder } from '../src/backup/scan.ts'
import { storeFile } from '../src/backup/store.ts'
import { httpWebApi } from '../src/web-api.ts'
import { runHere } from './in-process.ts'
import type { Outcome } from './in-process.ts'
import { writeFiles } from './recorded.ts'

const ROOT =
  'URI:DIR2:aaaaaaaaaaaaaaaaaaaaaaaaaa:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const NOW = Date.UTC(2024, 1, 29, 12, 0, 5)

/** What a test has the gateway do otherwise than well. */
interface Mood {
  archives: 'missing' | 'there' | 'read-only' | 'a file'
  healthy: boolean
  /** Uploads whose connection breaks. */
  breaks: number
  /** The statuses of requests whose method and target match, and what is said with them. */
  readonly failures: [RegExp, number, string?][]
}

let root: string
let server: Server
let url: string
let mood: Mood
/** Requests with what came with them, without those for health. */
let requests: { readonly what: string; readonly body: string }[]
/** Runs while an upload is being read. */
let onUpload: (body: string) => Promise<void> | void
let count = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-backup-'))
  server = createServer((request, response) => {
    if (request.method === 'PUT' && request.url === '/uri' && mood.breaks-- > 0) {
      request.socket.destroy()
      return
    }
    void answer(request.method ?? '', request.url ?? '', request).then(({ status, text }) => {
      response.writeHead(status).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
beforeEach(() => {
  mood = { archives: 'there', healthy: true, breaks: 0, failures: [] }
  requests = []
  onUpload = () => undefined
})
afterEach(() => server.closeAllConnections())
afterAll(async () => {
  server.close()
  await rm(root, { recursive: true })
})

/** A gateway whose caps are hashes of what they stand for. */
async function answer(
  method: string,
  target: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<{ status: number; text: string }> {
  let body = ''
  try {
    for await (const piece of stream) {
      body += new TextDecoder().decode(piece)
      if (method === 'PUT' && target === '/uri') await onUpload(body)
    }
  } catch {
    return { status: 400, text: 'cut short' }
  }
  const what = `${method} ${decodeURIComponent(target).replace(ROOT, 'ROOT')}`
  const failure = mood.failures.find(([pattern]) => pattern.test(what))
  requests.push({ what: what.replace(/URI:[^?]*/, 'CAP'), body })
  if (failure !== undefined) return { status: failure[1], text: failure[2] ?? 'no servers today' }
  if (what.endsWith('Archives?t=json')) {
    if (mood.archives === 'missing') return { status: 404, text: 'No such child: Archives' }
    const kind = mood.archives === 'a file' ? 'filenode' : 'dirnode'
    const uris = mood.archives === 'read-only' ? { ro_uri: ROOT } : { rw_uri: ROOT }
    return { status: 200, text: JSON.stringify([kind, uris]) }
  }
  if (what.includes('t=check')) {
    return { status: 200, text: JSON.stringify({ results: { healthy: mood.healthy } }) }
  }
  if (/[?]t=(uri|mkdir)(&|$)/.test(what)) return { status: 200, text: ROOT }
  const hash = createHash('sha256').update(body).digest('hex')
  const kind = what === 'PUT /uri' ? 'CHK' : 'DIR2-CHK'
  return { status: 201, text: `URI:${kind}:${hash}` }
}

/** A node directory of its own and a folder to back up. */
async function makePlace(files: Record<string, string>): Promise<{
  node: string
  folder: string
  readonly backUp: (...words: string[]) => Promise<Outcome>
}> {
  const place = join(root, `${count++}`)
  const node = join(place, 'node')
  const folder = join(place, 'folder')
  await writeFiles(node, { 'private/aliases': `tahoe: ${ROOT}\n` })
  await writeFiles(folder, files)
  const backUp = (...words: string[]): Promise<Outcome> =>
    runHere(['-d', node, 'backup', '-u', url, ...words], { cwd: place, nowMs: NOW })
  return { node, folder, backUp }
}

const did = (): string[] => requests.map(({ what }) => what)

describe('backup', () => {
  it('stores a folder and links it twice', async () => {
    mood.archives = 'missing'
    const { folder, backUp } = await makePlace({ 'a.txt': 'one', 'sub/b': 'two', 'sub/empty/': '' })
    expect(await backUp('folder', 'tahoe:there')).toEqual({
      status: 0,
      stdout: [
        ...[1, 2, 3, 4, 5].map((done) => `Backing up ${done}/5... 0h 0m 0s elapsed...`),
        ' 2 files uploaded (0 reused), 0 files skipped, 3 directories created (0 reused), 0 directories skipped',
        ' backup done, elapsed time: 0:00:00',
        '',
      ].join('\n'),
      stderr: '',
    })
    const [json, making] = did()
    expect([json, making]).toEqual([
      'GET /uri/ROOT/there/Archives?t=json',
      'POST /uri/ROOT/there/Archives?t=mkdir',
    ])
    expect(did().slice(-2)).toEqual([
      'PUT /uri/ROOT/there/Archives/2024-02-29_12:00:05Z?t=uri&replace=false',
      'PUT /uri/ROOT/there/Latest?t=uri',
    ])
    const top = requests.findLast(({ what }) => what === 'POST /uri?t=mkdir-immutable')
    const { mtime } = JSON.parse(top?.body ?? '')['a.txt'][1].metadata as { mtime: number }
    expect(JSON.parse(top?.body ?? '')).toEqual({
      'a.txt': [
        'filenode',
        {
          ro_uri: `URI:CHK:${createHash('sha256').update('one').digest('hex')}`,
          metadata: {
            ctime: expect.any(Number),
            mtime: expect.any(Number),
            st_mode: 0o100644,
            st_ino: expect.any(Number),
            st_dev: expect.any(Number),
            st_uid: process.getuid?.(),
            st_gid: process.getgid?.(),
          },
        },
      ],
      sub: [
        'dirnode',
        { ro_uri: expect.stringMatching(/^URI:DIR2-CHK:/), metadata: expect.anything() },
      ],
    })
    expect(mtime).toBeGreaterThan(1_600_000_000)
    expect(folder).toBeTruthy()
  })

  it('sends nothing the second time', async () => {
    const { folder, backUp } = await makePlace({ a: 'one', 'sub/b': 'two', 'other/b': 'two' })
    await utimes(join(folder, 'a'), 1000, 1000)
    await backUp('folder', 'tahoe:')
    requests = []
    const { stdout } = await backUp('-v', 'folder', 'tahoe:')
    expect(stdout).toContain(
      ' 0 files uploaded (3 reused), 0 files skipped, 0 directories created (3 reused), 0 directories skipped\n 0 files checked, 0 directories checked\n',
    )
    expect(stdout).toContain(`skipping '${folder}/a'..\n`)
    expect(stdout).toContain(` re-using old directory for '${folder}/sub'\n`)
    expect(did()).toEqual([
      'GET /uri/ROOT/Archives?t=json',
      'PUT /uri/ROOT/Archives/2024-02-29_12:00:05Z?t=uri&replace=false',
      'PUT /uri/ROOT/Latest?t=uri',
    ])
  })

  it('makes directories of the same content once', async () => {
    const files = Object.fromEntries('abcdefghijkl'.split('').map((name) => [`${name}/`, '']))
    const { stdout } = await (await makePlace(files)).backUp('folder', 'tahoe:')
    expect(stdout).toContain('2 directories created (11 reused)')
  })

  it('stores what has changed, and all of it where times are not trusted', async () => {
    const { folder, backUp } = await makePlace({ a: 'one', 'sub/b': 'two' })
    await backUp('folder', 'tahoe:')
    await writeFile(join(folder, 'a'), 'more than one')
    const { stdout } = await backUp('folder', 'tahoe:')
    expect(stdout).toContain(
      '1 files uploaded (1 reused), 0 files skipped, 1 directories created (1',
    )
    const untrusting = await backUp('--ignore-timestamps', 'folder', 'tahoe:')
    expect(untrusting.stdout).toContain(
      '2 files uploaded (0 reused), 0 files skipped, 0 directories created (2',
    )
  })

  it('never takes the place of another archive', async () => {
    const { backUp } = await makePlace({ a: 'one' })
    const taken = 'There was already a child by that name, and you asked me to not replace it.'
    mood.failures.push([/Archives\/2024-02-29_12:00:0[56]Z/, 409, taken])
    const { status, stdout } = await backUp('--json', 'folder', 'tahoe:')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ archive: 'Archives/2024-02-29_12:00:07Z' })
    expect(did().slice(-2)).toEqual([
      'PUT /uri/ROOT/Archives/2024-02-29_12:00:07Z?t=uri&replace=false',
      'PUT /uri/ROOT/Latest?t=uri',
    ])
    expect(did().filter((what) => what.includes('Archives/'))).toHaveLength(3)
  })

  it('tells of what the gateway says to an archive that it does not take', async () => {
    const { backUp } = await makePlace({ a: 'one' })
    mood.failures.push([/Archives\/2024/, 409, 'UncoordinatedWriteError: somebody else writes'])
    const { status, stderr } = await backUp('folder', 'tahoe:')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/MUTABLE_UNCOORDINATED_WRITE/)])
    expect(did().filter((what) => what.includes('Archives/'))).toHaveLength(1)
  })

  it.each([
    [true, '0 files uploaded (1 reused)', '0 directories created (1 reused)'],
    [false, '1 files uploaded (0 reused)', '1 directories created (0 reused)'],
  ])('checks what was stored long ago: healthy is %j', async (healthy, files, directories) => {
    const { node, folder } = await makePlace({ a: 'one' })
    mood.healthy = healthy
    const words = ['-d', node, 'backup', '-v', '-u', url, folder, 'tahoe:']
    await runHere(words, { nowMs: NOW })
    const later = await runHere(words, { nowMs: NOW + 61 * 86_400_000 })
    expect(later.stdout).toContain(files)
    expect(later.stdout).toContain(directories)
    expect(later.stdout).toContain(' 1 files checked, 1 directories checked\n')
    expect(later.stdout).toMatch(/checking 'URI:CHK:/)
    const soon = await runHere(words, { nowMs: NOW + 62 * 86_400_000 })
    expect(soon.stdout).toContain(' 0 files checked, 0 directories checked\n')
  })

  it.each(['null', '<html>', '{"results": 7}'])('relies on no check that says %s', async (said) => {
    const { node, folder } = await makePlace({ a: 'one' })
    const words = ['-d', node, 'backup', '-u', url, folder, 'tahoe:']
    await runHere(words, { nowMs: NOW })
    mood.failures.push([/t=check/, 200, said])
    const later = await runHere(words, { nowMs: NOW + 61 * 86_400_000 })
    expect(later).toMatchObject({ status: 0, stderr: '' })
    expect(later.stdout).toContain('1 files uploaded (0 reused)')
  })

  it('relies on nothing that was not well and could not be stored again', async () => {
    const { node, folder } = await makePlace({ a: 'one' })
    const words = ['-d', node, 'backup', '-v', '-u', url, folder, 'tahoe:']
    await runHere(words, { nowMs: NOW })
    mood.healthy = false
    mood.failures.push([/^PUT \/uri$/, 500])
    const failed = await runHere(words, { nowMs: NOW + 61 * 86_400_000 })
    expect(failed.status).toBe(1)
    mood.failures.pop()
    const later = await runHere(words, { nowMs: NOW + 62 * 86_400_000 })
    expect(later.stdout).toContain('1 files uploaded (0 reused)')
  })

  it('leaves out what is excluded', async () => {
    const { folder, backUp } = await makePlace({
      'a.o': '',
      'a.c': '',
      '.git/x': '',
      core: '',
      '=update': '',
      'notes~': '',
    })
    await writeFile(join(folder, '../patterns'), 'core\r\n\n  *~  \n')
    const words = [
      '--exclude',
      '*.o',
      '--exclude-from-utf-8',
      'patterns',
      '--exclude-vcs',
      '--json',
    ]
    const { stdout, stderr } = await backUp(...words, 'folder', 'tahoe:')
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      archive: 'Archives/2024-02-29_12:00:05Z',
      uri: expect.stringMatching(/^URI:DIR2-CHK:/),
      'files-uploaded': 1,
      'files-reused': 0,
      'files-skipped': 0,
      'directories-created': 1,
      'directories-reused': 0,
      'directories-skipped': 0,
      'files-checked': 0,
      'directories-checked': 0,
    })
  })

  it('tells of links, and of names that are one on the grid, and exits with 2', async () => {
    const { folder, backUp } = await makePlace({ a: 'one', 'e\u0301': '', '\u00e9': '' })
    await symlink('a', join(folder, 'link'))
    expect(await backUp('folder', 'tahoe:')).toMatchObject({
      status: 2,
      stdout: expect.stringContaining('2 files uploaded (0 reused), 2 files skipped'),
      stderr: [
        `WARNING: cannot backup symlink '${folder}/link'`,
        `WARNING: cannot backup file '${folder}/é': on the grid its name is that of its neighbour`,
        'lafs: CLI_INCOMPLETE: skipped 2 files and 0 directories.',
        '',
      ].join('\n'),
    })
  })

  it('begins anew with a file that is cut while it is read', async () => {
    const { folder, backUp } = await makePlace({ long: '' })
    await truncate(join(folder, 'long'), 2 ** 25)
    let isCut = false
    onUpload = async () => {
      if (!isCut) await truncate(join(folder, 'long'), 1)
      isCut = true
    }
    const { status, stdout } = await backUp('folder', 'tahoe:')
    expect(status).toBe(0)
    expect(stdout).toContain(' 1 files uploaded')
    const lengths = requests.flatMap(({ what, body }) => (what === 'PUT /uri' ? body.length : []))
    expect(lengths).toEqual([1])
    const top = requests.findLast(({ what }) => what === 'POST /uri?t=mkdir-immutable')
    const { mtime } = JSON.parse(top?.body ?? '').long[1].metadata as { mtime: number }
    // Of what was stored, not of what stood there when it was begun.
    expect(mtime).toBeCloseTo((await stat(join(folder, 'long'))).mtimeMs / 1000, 3)
  })

  it('does not remember a file that changes while it is read', async () => {
    const { folder, backUp } = await makePlace({ a: 'one' })
    onUpload = () => writeFile(join(folder, 'a'), 'two')
    await backUp('folder', 'tahoe:')
    onUpload = () => undefined
    expect((await backUp('folder', 'tahoe:')).stdout).toContain('1 files uploaded (0 reused)')
  })

  it.each([
    [1, 0, /^$/],
    [99, 1, /^lafs: CLI_NO_GATEWAY: /],
  ])('copes with %d connections that break', async (breaks, status, stderr) => {
    mood.breaks = breaks
    const outcome = await (
      await makePlace({ a: 'one', b: 'x'.repeat(600_000) })
    ).backUp('folder', 'tahoe:')
    expect(outcome).toMatchObject({ status, stderr: expect.stringMatching(stderr) })
  })

  it('tells of the first failure where another one follows it', async () => {
    const { node, backUp } = await makePlace({ a: 'one' })
    const file = join(node, 'private/backupdb.sqlite')
    await (await openBackupDb(file, { now: () => NOW })).close()
    const { Database } = createRequire(import.meta.url)('node-sqlite3-wasm') as typeof Sqlite
    const database = new Database(file)
    const full = `BEGIN SELECT RAISE(ABORT, 'no room'); END`
    database.exec(`CREATE TRIGGER full BEFORE INSERT ON local_files ${full}`)
    database.close()
    mood.failures.push([/mkdir-immutable/, 500])
    expect(await backUp('folder', 'tahoe:')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lafs: WEB_500: no servers today\./),
    })
    mood.failures.pop()
    expect(await backUp('folder', 'tahoe:')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lafs: CLI_BAD_BACKUPDB: [^\n]+ no room\./),
    })
  })

  it('keeps what it has stored when the gateway fails', async () => {
    const files = Object.fromEntries('abcdefghij'.split('').map((name) => [name, name]))
    const { backUp } = await makePlace(files)
    mood.failures.push([/mkdir-immutable/, 500])
    expect(await backUp('folder', 'tahoe:')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lafs: WEB_500: no servers today\./),
    })
    mood.failures.pop()
    expect((await backUp('folder', 'tahoe:')).stdout).toContain('0 files uploaded (10 reused)')
  })

  it.each([
    ['read-only', 'CLI_READ_ONLY'],
    ['a file', 'CLI_NOT_A_DIRECTORY'],
  ] as const)('sends nothing when Archives is %s', async (archives, code) => {
    mood.archives = archives
    const { backUp } = await makePlace({ a: 'one' })
    const { status, stderr } = await backUp('folder', 'tahoe:')
    expect([status, stderr]).toEqual([1, expect.stringContaining(code)])
    expect(did()).toEqual(['GET /uri/ROOT/Archives?t=json'])
  })

  it.each([
    [['absent', 'tahoe:'], 1, 'ENOENT'],
    [['folder/a', 'tahoe:'], 2, 'expected a folder'],
    [['folder', 'nothing:'], 1, 'CLI_UNKNOWN_ALIAS'],
    [['--exclude-from-utf-8', 'absent', 'folder', 'tahoe:'], 2, 'Error opening exclude file'],
    [['folder'], 2, "missing required argument 'to'"],
  ])('refuses %j', async (words, status, said) => {
    const { backUp } = await makePlace({ a: 'one' })
    const outcome = await backUp(...words)
    expect([outcome.status, outcome.stderr]).toEqual([status, expect.stringContaining(said)])
    expect(requests).toEqual([])
  })

  it('says so when the database is junk, and leaves it as it is', async () => {
    const { node, backUp } = await makePlace({ a: 'one' })
    const junk = 'no database. '.repeat(100)
    await writeFiles(node, { 'private/backupdb.sqlite': junk })
    expect(await backUp('folder', 'tahoe:')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('CLI_BAD_BACKUPDB: Unable to load backup db'),
    })
    expect(await readFile(join(node, 'private/backupdb.sqlite'), 'utf8')).toBe(junk)
    expect(requests).toEqual([])
  })

  it('stops when it is asked to, and keeps what it has', async () => {
    const { node, folder } = await makePlace({ a: 'one', b: 'two' })
    const interrupt = new AbortController()
    onUpload = (body) => {
      if (body === 'two') interrupt.abort(new DOMException('interrupted', 'AbortError'))
    }
    const words = ['-d', node, 'backup', '-u', url, folder, 'tahoe:']
    expect((await runHere(words, { nowMs: NOW, signal: interrupt.signal })).status).toBe(130)
    await using db = await openBackupDb(join(node, 'private/backupdb.sqlite'), { now: () => NOW })
    expect(db).toBeDefined()
  })

  it('shows a bar in place of lines on a terminal', async () => {
    const { node, folder } = await makePlace({ a: 'one' })
    const options = { nowMs: NOW, isTerminal: true, showsProgress: true }
    const words = ['-d', node, 'backup', '-u', url, folder, 'tahoe:']
    const { stdout, stderr } = await runHere(words, options)
    expect(stdout).not.toContain('Backing up')
    expect(stderr).toContain('backing up')
  })
})

describe('what takes the place of a file after the scan', () => {
  it.each([
    [
      'a pipe',
      'special',
      async (path: string): Promise<void> => void execFileSync('mkfifo', [path]),
    ],
    ['a link', 'symlink', (path: string) => symlink('/etc/hosts', path)],
    ['a folder', 'special', (path: string) => mkdir(path)],
  ] as const)('is not stored when it is %s', async (_what, why, make) => {
    const { node, folder } = await makePlace({ 'sub/': '' })
    const path = join(folder, 'now')
    await make(path)
    await using api = httpWebApi(url)
    await using db = await openBackupDb(join(node, 'private/backupdb.sqlite'), { now: () => NOW })
    const tools = {
      api,
      db,
      trustsTimestamps: true,
      now: () => NOW,
      signal: new AbortController().signal,
      onSent: () => undefined,
      made: new Map<string, Promise<string>>(),
    }
    expect(await storeFile(tools, path)).toEqual({ why, log: [] })
    expect(requests).toEqual([])
  })
})

describe('the scan of a folder', () => {
  it('lists each thing after what is in it', async () => {
    const folder = join(root, 'scanned')
    await writeFiles(folder, { 'b/2': '', 'b/1/x': '', a: '', 'c/': '' })
    const targets = await scanFolder(folder, () => false, new AbortController().signal)
    expect(targets.map(({ kind, path }) => `${kind} ${path.slice(folder.length)}`)).toEqual([
      'file /a',
      'file /b/1/x',
      'directory /b/1',
      'file /b/2',
      'directory /b',
      'directory /c',
      'directory ',
    ])
  })

  it('tells of names that are no text', async () => {
    const folder = join(root, 'undecodable')
    await mkdir(folder)
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), '')
    const [target] = await scanFolder(folder, () => false, new AbortController().signal)
    expect(target).toMatchObject({ kind: 'skipped', why: 'undecodable', isDirectory: false })
  })
})
