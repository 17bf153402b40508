import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { CommanderError } from 'commander'
import {
  addServer,
  createGridManager,
  formatCertificate,
  formatGridManager,
  gridManagerCommand,
  loadGridManager,
  parseCertificateFile,
  parseGridManager,
  publicIdentity,
  removeServer,
  signCertificate,
} from '@lafs/grid-manager'
import type { GridManager } from '@lafs/grid-manager'
import { loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

interface Recorded {
  readonly privateKey: string
  readonly identity: string
  readonly servers: Readonly<Record<string, string>>
  readonly configs: readonly string[]
  readonly certificates: readonly { now: number; days: number; text: string }[]
  readonly filed: string
  readonly lists: readonly [now: number, text: string][]
}

const recorded = await loadVectors<Recorded>('grid-manager/grid-manager')
const [, config = ''] = recorded.configs
const KEY = recorded.servers['alice'] ?? ''

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-grid-manager-'))
})
afterAll(() => rm(root, { recursive: true }))

/** Runs a command line. @returns what it printed. */
async function run(
  words: readonly string[],
  { nowMs = 0, stdin = '' }: { readonly nowMs?: number; readonly stdin?: string } = {},
): Promise<string> {
  let printed = ''
  const command = gridManagerCommand({
    stdin: Readable.from([new TextEncoder().encode(stdin)]),
    stdout: { write: (text) => (printed += text) },
    cwd: root,
    now: () => nowMs,
  })
  for (const one of [command, ...command.commands]) {
    one.exitOverride().configureOutput({ writeErr: () => undefined })
  }
  await command.parseAsync([...words], { from: 'user' })
  return printed
}

describe('a grid manager', () => {
  it.each(recorded.configs)('is read and written as upstream does: %#', (text) => {
    const manager = parseGridManager(text)
    expect(manager.privateKey).toBe(recorded.privateKey)
    expect(publicIdentity(manager)).toBe(recorded.identity)
    expect(formatGridManager(manager)).toBe(text)
  })

  it('begins with a key of its own', () => {
    const [one, other] = [createGridManager(), createGridManager()]
    expect(publicIdentity(one)).not.toBe(publicIdentity(other))
    expect(parseGridManager(formatGridManager(one))).toEqual(one)
  })

  it.each(recorded.certificates)('signs for $days days', ({ now, days, text }) => {
    const certificate = signCertificate(parseGridManager(config), 'alice', {
      days,
      nowMs: now * 1000,
    })
    expect(formatCertificate(certificate)).toBe(text)
    expect(parseCertificateFile(text, 'alice')).toEqual(certificate)
  })

  it('takes servers and lets them go', () => {
    const manager = addServer(parseGridManager(config), 'carol', `${KEY}\n`)
    expect([...manager.servers.keys()]).toEqual(['alice', 'bøb', 'carol'])
    expect(manager.servers.get('carol')).toBe(KEY)
    expect([...removeServer(manager, 'alice').servers.keys()]).toEqual(['bøb', 'carol'])
  })

  it.each<[string, (manager: GridManager) => unknown, string]>([
    ['a name that is taken', (manager) => addServer(manager, 'alice', KEY), 'EXISTING_SERVER'],
    ['no name', (manager) => addServer(manager, '', KEY), 'BAD_NAME'],
    ['a name with a slash', (manager) => addServer(manager, '../x', KEY), 'BAD_NAME'],
    ['a name that is a folder', (manager) => addServer(manager, '..', KEY), 'BAD_NAME'],
    ['a name with a control', (manager) => addServer(manager, 'a\u001b', KEY), 'BAD_NAME'],
    ['a private key', (manager) => addServer(manager, 'x', recorded.privateKey), 'BAD_KEY'],
    ['half a key', (manager) => addServer(manager, 'x', KEY.slice(0, 30)), 'BAD_KEY'],
    ['nobody to remove', (manager) => removeServer(manager, 'x'), 'NO_SUCH_SERVER'],
    [
      'nobody to sign for',
      (manager) => signCertificate(manager, 'x', { days: 1, nowMs: 0 }),
      'NO_SUCH_SERVER',
    ],
  ])('refuses %s', (_what, work, code) => {
    expect(() => work(parseGridManager(config))).toThrow(
      expect.objectContaining({ code: `GRID_MANAGER_${code}` }),
    )
  })

  it.each([0, 1826, 1.5, Number.NaN])('refuses to sign for %d days', (days) => {
    const sign = (): unknown =>
      signCertificate(parseGridManager(config), 'alice', { days, nowMs: 0 })
    expect(sign).toThrow(RangeError)
  })

  it.each([
    ['no JSON', 'x'],
    ['a list', '[]'],
    ['no version', '{}'],
    ['a version to come', config.replace('version": 0', 'version": 1')],
    ['no key', config.replace('private_key', 'public_key')],
    ['half a key', config.replace('priv-v0-nv', 'priv-v0-')],
    ['another kind of key', config.replace('priv-v0-', 'pub-v0-')],
    ['servers in a list', config.replace(/\{\s+"alice[^]*\}\s+\}\s+\}$/, '[]}')],
    ['a server without a key', config.replace(`"${KEY}"`, '7')],
    ['a server with a bad key', config.replace(KEY, 'pub-v0-x')],
  ])('does not read a configuration with %s', (_what, text) => {
    const read = (): unknown => parseGridManager(text)
    expect(read).toThrow(expect.objectContaining({ code: 'GRID_MANAGER_BAD_CONFIG' }))
    expect(read).not.toThrow(/nvqw4ylh/)
  })

  it.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['a field too few', '{"certificate": "x"}'],
    ['a field too many', '{"certificate": "x", "signature": "y", "z": 1}'],
    ['a field that is no text', '{"certificate": {}, "signature": "y"}'],
  ])('does not read a certificate with %s', (_what, text) => {
    expect(() => parseCertificateFile(text, 'x')).toThrow(
      expect.objectContaining({ code: 'GRID_MANAGER_BAD_CERTIFICATE' }),
    )
  })
})

describe('the command', () => {
  it('makes a folder, fills it and empties it', async () => {
    expect(await run(['-c', 'gm', 'create'])).toBe('')
    const folder = join(root, 'gm')
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'config.json'))).mode & 0o777).toBe(0o600)
    const identity = publicIdentity(await loadGridManager(folder))
    expect(await run(['-c', 'gm', 'public-identity'])).toBe(`${identity}\n`)
    const told: unknown = JSON.parse(await run(['-c', 'gm', 'public-identity', '--json']))
    expect(told).toEqual({ 'public-key': identity })
    await run(['-c', 'gm', 'add', 'alice', KEY])
    const first = await run(['-c', 'gm', 'sign', 'alice', '1'])
    await run(['-c', 'gm', 'sign', 'alice', '2'])
    expect(await readdir(folder)).toEqual(['alice.cert.0', 'alice.cert.1', 'config.json'])
    expect(await readFile(join(folder, 'alice.cert.0'), 'utf8')).toBe(first.trimEnd())
    await run(['-c', 'gm', 'remove', 'alice'])
    expect(await readdir(folder)).toEqual(['config.json'])
    expect(await run(['-c', 'gm', 'list'])).toBe('')
    await expect(run(['-c', 'gm', 'create'])).rejects.toMatchObject({ code: 'GRID_MANAGER_EXISTS' })
    await expect(run(['-c', 'absent', 'list'])).rejects.toMatchObject({
      code: 'GRID_MANAGER_ABSENT',
    })
  })

  it('makes one of two that are asked for at the same time', async () => {
    const made = await Promise.allSettled([1, 2].map(() => run(['-c', 'two', 'create'])))
    expect(made.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(made.find((one) => one.status === 'rejected')?.reason).toMatchObject({
      code: 'GRID_MANAGER_EXISTS',
    })
  })

  it('leaves all as it was where the disk is full', async () => {
    const folder = join(root, 'full')
    await run(['-c', folder, 'create'])
    await run(['-c', folder, 'add', 'alice', KEY])
    const before = await readFile(join(folder, 'config.json'), 'utf8')
    await using handle = await open(folder)
    // A file system may find out no earlier than here.
    const sync = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'sync')
    sync.mockRejectedValue(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
    try {
      for (const words of [
        ['sign', 'alice', '1'],
        ['add', 'bob', KEY],
        ['remove', 'alice'],
      ]) {
        await expect(run(['-c', folder, ...words])).rejects.toThrow('ENOSPC')
      }
      await expect(run(['-c', `${folder}er`, 'create'])).rejects.toThrow('ENOSPC')
    } finally {
      sync.mockRestore()
    }
    expect(await readdir(folder)).toEqual(['config.json'])
    expect(await readFile(join(folder, 'config.json'), 'utf8')).toBe(before)
    await run(['-c', `${folder}er`, 'create'])
  })

  it.each(recorded.lists)('lists certificates at %d', async (now, text) => {
    const folder = await mkdtemp(join(root, 'list-'))
    await writeFile(join(folder, 'config.json'), config)
    await writeFile(join(folder, 'alice.cert.0'), recorded.filed)
    expect(await run(['-c', folder, 'list'], { nowMs: Math.floor(now * 1000) })).toBe(text)
  })

  it('lists them as JSON', async () => {
    const folder = await mkdtemp(join(root, 'list-'))
    await writeFile(join(folder, 'config.json'), config)
    await writeFile(join(folder, 'alice.cert.0'), recorded.filed)
    await writeFile(join(folder, 'alice.cert.1'), recorded.filed.replace('expires', 'Expires'))
    expect(JSON.parse(await run(['-c', folder, 'list', '--json']))).toEqual([
      {
        name: 'alice',
        'public-key': KEY,
        certificates: [
          { index: 0, expires: '2023-12-14T22:13:20.123456+00:00' },
          { index: 1, expires: null },
        ],
      },
      { name: 'b\u00f8b', 'public-key': recorded.servers['b\u00f8b'], certificates: [] },
    ])
  })

  it('tells certificates of another grid manager', async () => {
    const folder = join(root, 'foreign')
    await mkdir(folder)
    const foreign = addServer(createGridManager(), 'alice', KEY)
    await writeFile(join(folder, 'config.json'), formatGridManager(foreign))
    await writeFile(join(folder, 'alice.cert.0'), recorded.filed)
    expect(await run(['-c', folder, 'list'])).toContain('cert 0: not signed by this Grid Manager')
  })

  it('takes its configuration from standard input', async () => {
    const added = await run(['--config', '-', 'add', 'carol', KEY], { stdin: config })
    expect(added.endsWith('}\n\n')).toBe(true)
    expect(parseGridManager(added).servers.has('carol')).toBe(true)
    const { now, days, text } = recorded.certificates[0] ?? { now: 0, days: 0, text: '' }
    const words = ['--config', '-', 'sign', 'alice', `${days}`]
    expect(await run(words, { stdin: config, nowMs: now * 1000 })).toBe(`${text}\n`)
    expect(parseGridManager(await run(['--config', '-', 'create'])).servers.size).toBe(0)
  })

  it.each([
    [['list']],
    [['-c', '-', 'sign', 'alice', '0']],
    [['-c', '-', 'sign', 'alice', '1826']],
    [['-c', '-', 'sign', 'alice', 'x']],
    [['-c', '-', 'sign', 'alice']],
    [['-c', '-', 'melt']],
  ])('has no use for %j', async (words) => {
    await expect(run(words)).rejects.toBeInstanceOf(CommanderError)
  })
})
