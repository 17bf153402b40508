import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from './in-process.ts'
import { buildCommand, outcomeOf, runCommand, startCommand } from './process.ts'
import type { ProcessOutcome } from './process.ts'

const DATA = stretch(new TextEncoder().encode('What is stored is found again. '), 500_000)
const CAP = /^URI:CHK:[a-z2-7]{26}:[a-z2-7]{52}:2:3:500000\n$/
const SECRETS = /URI:|pb:\/\//

let root: string
let grid: LocalGrid
let clientFolder: string

beforeAll(async () => {
  buildCommand()
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  grid = await createLocalGrid({ servers: 3, encoding: { requiredShares: 2, totalShares: 3 } })
  clientFolder = grid.clientFolder ?? ''
  await writeFile(join(root, 'data'), DATA)
}, 120_000)

afterAll(async () => {
  await grid.close()
  await rm(root, { recursive: true, force: true })
})

function lafs(words: readonly string[], stdin?: Uint8Array): Promise<ProcessOutcome> {
  const options = stdin === undefined ? { cwd: root } : { cwd: root, stdin }
  return runCommand(['-d', clientFolder, ...words], options)
}

let stored: Promise<string> | undefined

/** The cap of {@link DATA} in the grid. */
async function putData(): Promise<string> {
  stored ??= grid.createClient().then(async (client) => (await client.upload(DATA)).uri)
  return stored
}

describe('lafs put', () => {
  it('stores a file: the cap alone on standard output, and the status as upstream on the other', async () => {
    const { status, stdout, stderr } = await lafs(['put', 'data'])
    expect(stdout.toString()).toMatch(CAP)
    expect(stderr).toBe('200 OK\n')
    expect(status).toBe(0)
  })

  it.each([[['put']], [['put', '-']]])('stores standard input: %j', async (words) => {
    const { status, stdout, stderr } = await lafs(words, DATA)
    expect(stdout.toString()).toMatch(CAP)
    expect(stderr).toBe('waiting for file data on stdin..\n200 OK\n')
    expect(status).toBe(0)
  })

  it('says nothing but the cap when it is to be quiet', async () => {
    const { stdout, stderr } = await lafs(['-q', 'put', 'data'])
    expect(stdout.toString()).toMatch(CAP)
    expect(stderr).toBe('')
  })

  it('puts a small file into the cap, and needs no server for it', async () => {
    const { stdout } = await lafs(['put', '-'], new TextEncoder().encode('small'))
    expect(stdout.toString()).toBe('URI:LIT:onwwc3dm\n')
  })
})

describe('lafs get', () => {
  it.each([[[]], [['-']]])('writes to standard output: %j', async (destination) => {
    const { status, stdout, stderr } = await lafs(['get', await putData(), ...destination])
    expect(stdout.equals(DATA)).toBe(true)
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })

  it('writes a file, over one that was there, through a link', async () => {
    const folder = join(root, 'written')
    await mkdir(folder)
    await writeFile(join(folder, 'old'), 'old content', { mode: 0o640 })
    await symlink('old', join(folder, 'link'))
    const cap = await putData()
    for (const name of ['new', 'link']) {
      const { status, stdout } = await lafs(['get', cap, join('written', name)])
      expect(status).toBe(0)
      expect(stdout.length).toBe(0)
    }
    expect((await readFile(join(folder, 'new'))).equals(DATA)).toBe(true)
    expect((await readFile(join(folder, 'old'))).equals(DATA)).toBe(true)
    expect((await readdir(folder)).toSorted()).toEqual(['link', 'new', 'old'])
  })

  it('ends quietly when nobody reads on, as other commands do', async () => {
    const child = startCommand(['-d', clientFolder, 'get', await putData()])
    const outcome = outcomeOf(child)
    child.stdout.once('data', () => child.stdout.destroy())
    expect(await outcome).toMatchObject({ status: 141, stderr: '' })
  })

  it('takes the address of a gateway for the cap in it', async () => {
    const cap = await putData()
    const url = `http://127.0.0.1:3456/uri/${encodeURIComponent(cap)}`
    expect((await lafs(['get', url])).stdout.equals(DATA)).toBe(true)
  })

  it('leaves what was there alone when the download fails', async () => {
    const folder = join(root, 'untouched')
    await mkdir(folder)
    await writeFile(join(folder, 'file'), 'precious')
    // One character of the hash is another: no share will do.
    const cap = (await putData()).replace(/:[a-z2-7]{52}:/, `:${'a'.repeat(52)}:`)
    const { status, stdout, stderr } = await lafs(['get', cap, join('untouched', 'file')])
    expect(status).toBe(1)
    expect(stdout.length).toBe(0)
    expect(stderr).toMatch(/^lafs: DOWNLOAD_[A-Z_]+: [^\n]*\n$/)
    expect(stderr).not.toMatch(SECRETS)
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('precious')
    expect(await readdir(folder)).toEqual(['file'])
  })
})

describe('a command line that fails', () => {
  it.each([
    ['no such file', ['put', 'none'], 1, /^lafs: ENOENT: .*\n$/],
    ['a folder', ['put', '.'], 1, /^lafs: EISDIR: .*\n$/],
    ['text that is no cap', ['get', 'nonsense'], 1, /^lafs: [A-Z0-9_]+: .*\n$/],
    [
      'a cap with a typing mistake',
      ['get', 'URI:CHK:aaa:bbb:3:10:5'],
      1,
      /^lafs: URI_[A-Z0-9_]+: .*\n$/,
    ],
    ['a cap of the future', ['get', 'URI:FUTURE:secret'], 1, /^lafs: CLI_UNKNOWN_NODE: .*\n$/],
    [
      'a verify cap',
      ['get', `URI:SSK-Verifier:${'a'.repeat(26)}:${'a'.repeat(52)}`],
      1,
      /^lafs: CLI_UNKNOWN_NODE: .*\n$/,
    ],
    ['a folder to write to', ['get', 'URI:LIT:onwwc3dm', '.'], 1, /^lafs: EISDIR: .*\n$/],
    [
      'a folder that is not there',
      ['get', 'URI:LIT:onwwc3dm', 'no/file'],
      1,
      /^lafs: ENOENT: .*open '.*no\/file'.*\n$/,
    ],
    ['a cap in the place of a file', ['put', 'URI:CHK:secret'], 1, /^lafs: ENOENT: .*\n$/],
    ['an unknown command', ['frobnicate'], 2, /unknown command/],
    ['an unknown option', ['put', '--frobnicate'], 2, /unknown option/],
    ['a missing argument', ['get'], 2, /missing required argument/],
    ['too many arguments', ['get', 'URI:LIT:', 'a', 'URI:LIT:onwwc3dm'], 2, /too many arguments/],
    ['no command', [], 2, /Usage: lafs/],
  ])('%s', async (_what, words, status, stderr) => {
    const outcome = await runHere(['-d', clientFolder, ...words], { cwd: root })
    expect(outcome.stderr).toMatch(stderr)
    expect(outcome.stderr).not.toMatch(SECRETS)
    expect(outcome).toMatchObject({ status, stdout: '' })
  })

  it('ends its process with the status', async () => {
    expect((await lafs(['get', 'nonsense'])).status).toBe(1)
    expect((await lafs(['frobnicate'])).status).toBe(2)
  })

  it('says where it looked for a node directory', async () => {
    const { status, stderr } = await runCommand(['-d', root, 'put', '-'])
    expect(stderr).toContain(`NODEDIR_ABSENT: `)
    expect(stderr).toContain(root)
    expect(status).toBe(1)
  })

  it('looks in ~/.tahoe unless it is told otherwise', async () => {
    const { stderr } = await runCommand(['put', '-'], { env: { HOME: root } })
    expect(stderr).toContain(join(root, '.tahoe'))
  })

  it('says so when there are no servers, or none that answers', async () => {
    const folder = join(root, 'lonely')
    await mkdir(join(folder, 'private'), { recursive: true })
    const put = (): Promise<ProcessOutcome> =>
      runCommand(['-d', folder, 'put', 'data'], { cwd: root })
    await writeFile(join(folder, 'private', 'servers.yaml'), 'storage: {}\n')
    expect(await put()).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lafs: UPLOAD_NO_SERVERS: [^\n]*\n$/),
    })
    await using gone = await createLocalGrid({ servers: 1 })
    await gone.close()
    await writeFile(join(folder, 'private', 'servers.yaml'), gone.serversYaml)
    const { status, stderr } = await put()
    expect(stderr).toMatch(/^lafs: UPLOAD_[A-Z_]+: [^\n]*\n$/)
    expect(stderr).not.toMatch(SECRETS)
    expect(status).toBe(1)
  })
})

describe('a path', () => {
  it('leads to what another process has put there', async () => {
    expect(String((await lafs(['create-alias', 'work'])).stdout)).toBe("Alias 'work' created\n")
    expect((await lafs(['put', '--format=MDMF', 'data', 'work:deep/er'])).stderr).toBe(
      '201 Created\n',
    )
    expect(String((await lafs(['ls', '-F', 'work:deep'])).stdout)).toBe('er*\n')
    expect((await lafs(['get', 'work:deep/er'])).stdout.equals(DATA)).toBe(true)
  })
})

it.each([
  ['cp', ['cp', '-r', 'many']],
  ['backup', ['backup', 'many']],
])('%s has nothing to complain of where much goes on at a time', async (_command, words) => {
  await mkdir(join(root, 'many'), { recursive: true })
  for (let index = 0; index < 20; index++) {
    await writeFile(join(root, 'many', `${index}`), DATA.subarray(index))
  }
  const client = await grid.createClient()
  const { uri } = await client.createDirnode()
  await client.close()
  expect(await lafs([...words, uri])).toMatchObject({ status: 0, stderr: '' })
})

describe('Ctrl-C', () => {
  let deaf: Server
  let folder: string

  // Servers that take connections and say nothing.
  beforeAll(async () => {
    deaf = createServer(() => undefined)
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
    const { port } = deaf.address() as AddressInfo
    folder = join(root, 'deaf')
    await mkdir(join(folder, 'private'), { recursive: true })
    const yaml = grid.serversYaml.replaceAll(/127\.0\.0\.1:\d+/g, `127.0.0.1:${port}`)
    await writeFile(join(folder, 'private', 'servers.yaml'), yaml)
  })
  afterAll(() => deaf.close())

  it.each([
    ['an upload', ['put', 'data'], 'connection'],
    [
      'a download',
      ['get', `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:2:3:500000`, 'out'],
      'connection',
    ],
    ['a listing', ['ls', `URI:DIR2-RO:${'a'.repeat(26)}:${'a'.repeat(52)}`], 'connection'],
    ['a walk', ['stats', `URI:DIR2-RO:${'a'.repeat(26)}:${'a'.repeat(52)}`], 'connection'],
    ['a copy', ['cp', 'data', `URI:DIR2:${'a'.repeat(26)}:${'a'.repeat(52)}/x`], 'connection'],
    ['the making of a directory', ['mkdir'], 'connection'],
    ['waiting for standard input', ['put', '-'], 'waiting for file data'],
  ])('ends %s with status 130 and leaves no file', async (_what, words, sign) => {
    const child = startCommand(['-d', folder, ...words], { cwd: root })
    const begun =
      sign === 'connection'
        ? once(deaf, 'connection')
        : new Promise<void>((resolve) => {
            child.stderr.on('data', (text) => String(text).includes(sign) && resolve())
          })
    const outcome = outcomeOf(child)
    await begun
    child.kill('SIGINT')
    expect(await outcome).toMatchObject({
      status: 130,
      stderr: expect.stringMatching(/lafs: interrupted\.\n$/),
    })
    expect((await readdir(root)).filter((name) => name.includes('out'))).toEqual([])
  })
})

describe('the list of processes', () => {
  it.runIf(process.platform === 'linux')('shows no cap (where there is /proc)', async () => {
    let seen = ''
    const server = createServer((socket) => {
      void readFile(`/proc/${child.pid}/cmdline`, 'latin1').then((text) => {
        seen = text
        socket.destroy()
      })
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const cap = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:2:3:500000`
    const child = startCommand(['get', '-u', `http://127.0.0.1:${port}`, cap, '--dir-cap', cap])
    try {
      await outcomeOf(child)
    } finally {
      server.close()
    }
    expect(seen).toContain(`lafs get -u http://127.0.0.1:${port} [cap] --dir-cap [cap]`)
    expect(seen).not.toContain('aaaa')
  })
})

describe('lafs --version', () => {
  it('says what is in use', async () => {
    const { status, stdout } = await runCommand(['--version'])
    expect(stdout.toString()).toMatch(/^lafs: \S+\ncodec: \w+ \(\w+\)\ncrypto: \w+\nnode: .*\n$/)
    expect(status).toBe(0)
  })

  it('obeys LAFS_CODEC, and fails with its error', async () => {
    const js = await runCommand(['--version'], { env: { LAFS_CODEC: 'js' } })
    expect(js.stdout.toString()).toContain('codec: js (')
    const bad = await runCommand(['--version'], { env: { LAFS_CODEC: 'abacus' } })
    expect(bad.stderr).toMatch(/^lafs: CODEC_UNKNOWN_PROVIDER: [^\n]*\n$/)
    expect(bad.status).toBe(1)
  })
})
