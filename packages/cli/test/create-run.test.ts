import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from '../src/run.ts'
import { runHere } from './in-process.ts'
import type { Outcome } from './in-process.ts'
import { buildCommand, startCommand } from './process.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(root, { recursive: true })
})

const lafs = (...words: string[]): Promise<Outcome> => runHere(words, { cwd: root })
const textOf = (name: string): Promise<string> => readFile(join(root, name), 'utf8')

describe('create-client', () => {
  it('makes a directory that says what it was told, and what to do next', async () => {
    const { status, stdout, stderr } = await lafs(
      'create-client',
      '--shares-needed=1',
      '--shares-happy=2',
      '--shares-total=3',
      '-p',
      'none',
      'node',
    )
    const folder = join(root, 'node')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toBe(
      [
        `Node created in '${folder}'`,
        ` Please list storage servers in '${folder}/private/servers.yaml'!`,
        ' The node cannot connect to a grid without it.',
        ` Please set [node]nickname= in '${folder}/tahoe.cfg'`,
        '',
      ].join('\n'),
    )
    expect(await textOf('node/tahoe.cfg')).toMatch(
      /web\.port = \n[^]*tub\.port = disabled\ntub\.location = disabled\n[^]*shares\.needed = 1\nshares\.happy = 2\nshares\.total = 3\n[^]*\[storage\]\n.*\nenabled = false\n/,
    )
  })

  it('touches nothing where something is', async () => {
    await mkdir(join(root, 'node'))
    await writeFile(join(root, 'node', 'mine'), '')
    const { status, stderr } = await lafs('create-client', 'node')
    expect(status).toBe(255)
    expect(stderr).toMatch(/^lafs: NODEDIR_NOT_EMPTY: the base directory '.*' is not empty:.*\n$/)
    expect(await readdir(join(root, 'node'))).toEqual(['mine'])
  })

  it('takes the folder from -C, from -d, from the environment, and from one of them alone', async () => {
    expect(await lafs('create-client', '-C', 'a')).toMatchObject({ status: 0 })
    expect(await lafs('-d', 'b', 'create-client')).toMatchObject({ status: 0 })
    vi.stubEnv('LAFS_NODE_DIRECTORY', join(root, 'c'))
    expect(await lafs('create-client')).toMatchObject({ status: 0 })
    expect(await lafs('create-client', 'd')).toMatchObject({ status: 0 })
    expect((await readdir(root)).toSorted()).toEqual(['a', 'b', 'c', 'd'])
    for (const words of [
      ['-d', 'e', 'create-client', 'f'],
      ['-d', 'e', 'create-client', '-C', 'f'],
      ['create-client', '-C', 'e', 'f'],
    ]) {
      const { status, stderr } = await lafs(...words)
      expect({ status, stderr }).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('once'),
      })
    }
  })
})

describe('create-node', () => {
  it('finds a port for the name that it is given', async () => {
    const { status, stdout } = await lafs(
      'create-node',
      '--hostname=example.org',
      '-n',
      'me',
      'node',
    )
    expect(status).toBe(0)
    expect(stdout).not.toContain('nickname')
    const [, port] = /^tub\.port = tcp:(\d+)$/m.exec(await textOf('node/tahoe.cfg')) ?? []
    expect(await textOf('node/tahoe.cfg')).toContain(`tub.location = tcp:example.org:${port}\n`)
  })

  it('listens where it is told to, and stores where it is told to', async () => {
    const where = ['--port=tcp:1:interface=192.0.2.7', '--location=tcp:example.org:2']
    expect(
      await lafs('create-node', ...where, '--storage-dir=/srv/shares', '--helper', 'node'),
    ).toMatchObject({ status: 0 })
    const text = await textOf('node/tahoe.cfg')
    expect(text).toContain(
      'tub.port = tcp:1:interface=192.0.2.7\ntub.location = tcp:example.org:2\n',
    )
    expect(text).toContain('storage_dir = /srv/shares\n')
    expect(text).toContain('[helper]\nenabled = true\n')
  })

  it.each([
    ['::1', 'tcp:[::1]:'],
    ['192.0.2.7', 'tcp:192.0.2.7:'],
    ['bücher.example', 'tcp:bücher.example:'],
  ])('is found at %s', async (host, location) => {
    expect(await lafs('create-node', `--hostname=${host}`, 'node')).toMatchObject({ status: 0 })
    expect(await textOf('node/tahoe.cfg')).toContain(`tub.location = ${location}`)
  })

  it('keeps an introducer for later', async () => {
    const words = ['create-node', '--listen=none', '--no-storage', '-i', 'pb://a@b:1/c', 'node']
    const { status, stdout } = await lafs(...words)
    expect(status).toBe(0)
    expect(stdout).toContain('Introducers cannot be joined yet')
    expect(await textOf('node/private/introducers.yaml')).toContain('furl: pb://a@b:1/c\n')
  })

  it.each([
    ['--listen=tcp requires --hostname=', []],
    ['--hostname cannot be used when --listen=none', ['--listen=none', '--hostname=a']],
    ['--port/--location cannot be used', ['--listen=none', '--port=1']],
    ['--listen=none needs --no-storage', ['--listen=none']],
    ['--location must be used with --port', ['--location=tcp:a:1']],
    ['--port must be used with --location', ['--port=tcp:1']],
    ['--hostname cannot be used with', ['--port=tcp:1', '--location=tcp:a:1', '--hostname=a']],
    ['--listen= must be one/some of', ['--listen=udp']],
    ['--listen= must be one/some of', ['--listen=udp', '--port=tcp:1', '--location=tcp:a:1']],
    ['not there yet', ['--listen=tor', '--port=tcp:1', '--location=tcp:a:1']],
    ['not there yet', ['--listen=tor,tcp', '--hostname=a']],
    ['--tor-launch needs Tor', ['--hostname=a', '--tor-launch']],
    ['--i2p-sam-port needs I2P', ['--hostname=a', '--i2p-sam-port=tcp:1']],
    ['--hide-ip needs Tor or I2P', ['--hostname=a', '--hide-ip']],
    ['--join needs magic wormholes', ['--hostname=a', '--join=1-a-b']],
    ['--webport must be none', ['--hostname=a', '-p', 'ssl:1']],
    ['--shares-needed must be an integer', ['--hostname=a', '--shares-needed=three']],
    ['1 <= --shares-needed <= --shares-total', ['--hostname=a', '--shares-needed=11']],
    ['1 <= --shares-happy <= --shares-total', ['--hostname=a', '--shares-happy=0']],
    ['--nickname must stand on one line', ['--hostname=a', '-n', 'a\n[node]']],
    ['--hostname must stand on one line', ['--hostname=a\nb']],
    ['--hostname must be a name or an address', ['--hostname=a b']],
    ['--hostname must be a name or an address', ['--hostname=a:1']],
    ['--port must be such as tcp:12345', ['--port=a', '--location=tcp:a:1']],
    ['--port must be such as tcp:12345', ['--port=tcp:1,tcp:0', '--location=tcp:a:1']],
    ['--location must be such as tcp:example.org:12345', ['--port=tcp:1', '--location=a']],
    ['--location must be such as tcp:example.org:12345', ['--port=tcp:1', '--location=AUTO,']],
    ['--introducer must be a FURL', ['--hostname=a', '-i', 'example.org']],
  ])('refuses: %s', async (message, words) => {
    const { status, stderr } = await lafs('create-node', ...words, 'node')
    expect(status).toBe(2)
    expect(stderr).toContain(message)
    expect(await readdir(root)).toEqual([])
  })
})

describe('add-server', () => {
  const ENTRY = 'storage: {v0-a: {ann: {nickname: "cel\\elar"}}, v0-b: {ann: {}}}\n'

  it('makes servers known that a file or standard input names', async () => {
    await writeFile(join(root, 'announcement.yaml'), ENTRY)
    const { status, stdout, stderr } = await lafs('-d', 'node', 'add-server', 'announcement.yaml')
    expect(status).toBe(0)
    // The name may be misspelt.
    expect(stderr).toBe(`There was no node directory '${join(root, 'node')}'; there is one now.\n`)
    expect(stdout).toBe('added v0-a ("cel\\x1blar")\nadded v0-b\n')
    const words = ['-d', 'node', 'add-server']
    const piped = await runHere(words, { cwd: root, stdin: ENTRY.replaceAll('v0-', 'v0-x') })
    expect(piped).toMatchObject({ status: 0, stderr: '' })
    const listed = await textOf('node/private/servers.yaml')
    for (const id of ['v0-a', 'v0-b', 'v0-xa', 'v0-xb']) expect(listed).toContain(`${id}:`)
  })

  it.each([
    ['', 2],
    ['[', 1],
    ['storage: topsecret', 1],
  ])('changes nothing for %j', async (stdin, status) => {
    const outcome = await runHere(['-d', 'node', 'add-server', '-'], { cwd: root, stdin })
    expect(outcome.status).toBe(status)
    expect(outcome.stderr).toContain('expected the private/announcement.yaml of a storage server')
    expect(outcome.stderr).not.toContain('topsecret')
    expect(await readdir(root)).toEqual([])
  })
})

/** A node that a test waits for. */
interface Running {
  readonly started: Promise<string>
  readonly ended: Promise<Outcome>
  stop(): void
  closeStdin(): void
}

function start(...words: string[]): Running {
  const stdin = new PassThrough()
  const stdout = new PassThrough({ highWaterMark: 2 ** 20 })
  const stderr = new PassThrough({ highWaterMark: 2 ** 20 })
  const interrupt = new AbortController()
  let printed = ''
  stdout.on('data', (piece: Buffer) => (printed += piece.toString()))
  const ended = run(['run', ...words], {
    stdin,
    stdout,
    stderr,
    cwd: root,
    now: Date.now,
    signal: interrupt.signal,
  }).then((status) => ({ status, stdout: printed, stderr: String(stderr.read() ?? '') }))
  const started = vi.waitFor(
    () => {
      if (!printed.includes('client running')) throw new Error(`not yet: ${printed}`)
      return printed
    },
    { timeout: 10_000, interval: 10 },
  )
  return { started, ended, stop: () => interrupt.abort(), closeStdin: () => stdin.end() }
}

async function createClient(): Promise<void> {
  await lafs('create-client', '-p', 'tcp:0:interface=127.0.0.1', 'node')
}

describe('run', () => {
  it('runs until it is told to end', async () => {
    await createClient()
    const node = start('node', '--allow-stdin-close')
    node.closeStdin()
    await node.started
    const url = (await textOf('node/node.url')).trim()
    expect(await (await fetch(`${url}?t=json`)).json()).toMatchObject({ servers: [] })
    const other = await lafs('run', 'node')
    expect(other.status).toBe(1)
    expect(other.stderr).toContain(`NODEDIR_IN_USE: process ${process.pid} runs from`)
    node.stop()
    const { status, stdout, stderr } = await node.ended
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const lines = stdout.split('\n').map((line) => line.replace(/^[-\d]{10} [\d:.]{12}Z /, '@ '))
    expect(lines).toEqual([
      `'lafs run' in '${root}/node'`,
      `running node in '${root}/node'`,
      `@ web API at ${url}`,
      '@ client running',
      '@ web: GET /?t=json 200',
      '@ told to end: shutting down',
      '@ client ended',
      '',
    ])
    expect(await readdir(join(root, 'node'))).not.toContain('running.process')
  })

  it('ends when its standard input is closed', async () => {
    await createClient()
    const node = start('node', '--logfile=x')
    expect(await node.started).toContain('passed over, as there is no twistd here: --logfile=x\n')
    node.closeStdin()
    const { status, stdout } = await node.ended
    expect(status).toBe(0)
    expect(stdout).toContain('standard input was closed')
  })

  it('ends when nobody touches its exit_trigger any more', async () => {
    await createClient()
    await writeFile(join(root, 'node', 'exit_trigger'), '')
    await utimes(join(root, 'node', 'exit_trigger'), 0, 0)
    const { status, stdout } = await start('node').ended
    expect(status).toBe(0)
    expect(stdout).toContain('exit_trigger is too old')
  })

  it.each([
    ['none', 'does not look like a directory at all. Make one with'],
    ['empty', 'is not a recognizable node directory. Make one with'],
    ['introducer', 'is an introducer'],
    ['misspelt', "tahoe.cfg line 2: unknown option 'shares.neded' in [client]"],
    ['garbage', 'tahoe.cfg line 1: expected a [section] before the first option'],
  ])('says in one line what is wrong with a folder that is %s', async (name, message) => {
    for (const folder of ['empty', 'introducer', 'misspelt', 'garbage']) {
      await mkdir(join(root, folder))
    }
    await writeFile(join(root, 'introducer', 'tahoe-introducer.tac'), '')
    await writeFile(join(root, 'misspelt', 'tahoe.cfg'), '[client]\nshares.neded = 3\n')
    await writeFile(join(root, 'garbage', 'tahoe.cfg'), 'topsecret')
    const { status, stderr } = await lafs('run', name)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^lafs: NODEDIR_[A-Z_]+: .*\n$/)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('topsecret')
  })

  it('ends well when a service manager ends it, and starts again after a crash', async () => {
    buildCommand()
    await createClient()
    const started = async (): Promise<ReturnType<typeof startCommand>> => {
      const child = startCommand(['run', '--allow-stdin-close', join(root, 'node')])
      child.stdin.end()
      let printed = ''
      for await (const piece of child.stdout) {
        printed += String(piece)
        if (printed.includes('client running')) return child
      }
      throw new Error(`ended: ${printed}`)
    }
    const crashed = await started()
    crashed.kill('SIGKILL')
    await once(crashed, 'exit')
    expect(await readdir(join(root, 'node'))).toContain('running.process')
    const child = await started()
    // Whoever started it has seen enough.
    child.stdout.destroy()
    child.stderr.destroy()
    const url = (await textOf('node/node.url')).trim()
    for (let count = 0; count < 3; count++) expect((await fetch(`${url}?t=json`)).ok).toBe(true)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(await readdir(join(root, 'node'))).not.toContain('running.process')
  })
})
