import {
  chmod,
  lstat,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTahoeCfg, tahoeCfgOption } from '@lafs/node-directory'
import { fromHex, loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type * as localFile from '../src/local-file.ts'
import { withTahoeCfgOption } from '../src/tahoe-cfg-edit.ts'
import { unpickle } from '../src/unpickle.ts'
import { runHere } from './in-process.ts'
import { writeFiles } from './recorded.ts'

let diskIsFull = false
vi.mock('../src/local-file.ts', async (importActual) => {
  const actual = await importActual<typeof localFile>()
  return {
    ...actual,
    writeFileWhole: (...all: Parameters<typeof actual.writeFileWhole>) =>
      diskIsFull ? Promise.reject(new Error('the disk is full')) : actual.writeFileWhole(...all),
  }
})

interface Recorded {
  readonly privateKey: string
  readonly keypair: string
  readonly pickles: readonly [name: string, pickle: string, json: string][]
  readonly values: readonly [value: string, read: string][]
}

const recorded = await loadVectors<Recorded>('cli/admin')

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-admin-'))
})
afterAll(() => rm(root, { recursive: true }))

describe('admin derive-pubkey', () => {
  it('prints what upstream prints', async () => {
    expect(await runHere(['admin', 'derive-pubkey', recorded.privateKey])).toEqual({
      status: 0,
      stdout: recorded.keypair,
      stderr: '',
    })
  })

  it('takes the key from standard input', async () => {
    const words = ['admin', 'derive-pubkey', '-', '--json']
    const { stdout } = await runHere(words, { stdin: `${recorded.privateKey}\n` })
    expect(recorded.keypair).toContain(JSON.parse(stdout).public)
  })

  it.each([['x'], ['pub-v0-aa'], ['priv-v0-'], [`priv-v0-nvqw4ylhmvzg2ylo`]])(
    'refuses %s, and does not repeat it',
    async (key) => {
      const { status, stderr } = await runHere(['admin', 'derive-pubkey', key])
      expect(status).toBe(1)
      expect(stderr).toBe('lafs: CLI_BAD_KEY: expected a private key, priv-v0-….\n')
    },
  )
})

describe('admin generate-keypair', () => {
  it('prints a key that derive-pubkey takes', async () => {
    const { stdout } = await runHere(['admin', 'generate-keypair'])
    const [, secret = ''] = /^private: (priv-v0-\w+)\npublic: pub-v0-\w+\n$/.exec(stdout) ?? []
    expect((await runHere(['admin', 'derive-pubkey', secret])).stdout).toBe(stdout)
  })
})

describe('admin migrate-crawler', () => {
  it.each(recorded.pickles)(
    'makes of %s what upstream makes of it: %#',
    async (name, pickle, json) => {
      const node = await mkdtemp(join(root, 'node-'))
      await writeFiles(node, { [`storage/${name}`]: fromHex(pickle) })
      const file = join(node, 'storage', name)
      const { status, stdout } = await runHere(['-d', node, 'admin', 'migrate-crawler'])
      expect(status).toBe(0)
      expect(stdout).toContain(`Converted '${file}' to '${file}.json'\n`)
      expect(stdout.match(/Not found/g)).toHaveLength(2)
      expect(JSON.parse(await readFile(`${file}.json`, 'utf8'))).toEqual(JSON.parse(json))
      expect(await readdir(join(node, 'storage'))).toEqual([`${name}.json`])
      const again = await runHere(['admin', 'migrate-crawler', '-C', node])
      expect(again.stdout).toContain(`Already converted: '${file}.json'\n`)
      const told = await runHere(['-d', node, 'admin', 'migrate-crawler', '--json'])
      expect(JSON.parse(told.stdout)).toContainEqual({ file, outcome: 'already-converted' })
    },
  )

  const codes = (text: string): Uint8Array => Uint8Array.from(text, (one) => one.charCodeAt(0))
  it.each([
    ['a command', "cos\nsystem\n(S'touch /tmp/x'\ntR."],
    ['an object', '\x80\x04\x8c\x02os\x8c\x06system\x93.'],
    ['nothing', ''],
    ['half of a text', 'X\xff\x00\x00\x00abc'],
    ['half of a number', 'J\x01'],
    ['an empty stack', '.'],
    ['no mark', 'N\x85t.'],
    ['an item of no list', 'Na.'],
    ['a field of no dict', 'NNNs.'],
    ['a reference to nothing', 'h\x07.'],
    ['a number that is none', 'Iabc\n.'],
  ])('does not read %s', (_what, text) => {
    expect(() => unpickle(codes(text))).toThrow(expect.objectContaining({ code: 'CLI_BAD_PICKLE' }))
  })

  it.each([
    ['a list', '].'],
    ['another version', '}U\x07versionK\x02s.'],
  ])('leaves %s where it is', async (_what, text) => {
    const node = await mkdtemp(join(root, 'node-'))
    await writeFiles(node, { 'storage/lease_checker.state': codes(text) })
    const { status, stderr } = await runHere(['-d', node, 'admin', 'migrate-crawler'])
    expect([status, stderr]).toEqual([1, expect.stringContaining('CLI_BAD_PICKLE')])
    expect(await readdir(join(node, 'storage'))).toEqual(['lease_checker.state'])
  })
})

describe('a tahoe.cfg with an option set', () => {
  const CFG = `# mine
[node]
nickname = one

[storage]
# where
Reserved_Space = 1G
  and more
enabled = true

[client]
shares.needed = 3
`
  it.each(recorded.values)('is read by configparser: %s', (value, read) => {
    const text = withTahoeCfgOption('', 'storage', 'name', value)
    expect(read).toBe(value)
    expect(tahoeCfgOption(parseTahoeCfg(text), 'storage', 'name')).toBe(read)
  })

  it('keeps the rest', () => {
    expect(withTahoeCfgOption(CFG, 'storage', 'grid_management', 'True')).toBe(
      CFG.replace('enabled = true\n', 'enabled = true\ngrid_management = True\n'),
    )
    expect(withTahoeCfgOption(CFG, 'storage', 'reserved_space', '2G')).toBe(
      CFG.replace('Reserved_Space = 1G\n  and more\n', 'reserved_space = 2G\n'),
    )
    expect(withTahoeCfgOption(CFG, 'client', 'x', 'y')).toBe(`${CFG}x = y\n`)
    expect(withTahoeCfgOption(CFG, 'more', 'x', 'y')).toBe(`${CFG}\n[more]\nx = y\n`)
    expect(withTahoeCfgOption('[a]\nx = 1', 'a', 'y', '2')).toBe('[a]\nx = 1\ny = 2\n')
  })
})

describe('admin add-grid-manager-cert', () => {
  const CERTIFICATE = '{"certificate": "{}", "signature": "aa"}'

  const UNTOUCHED = '[storage]\nenabled = true # not a comment\n'

  async function aNode(): Promise<string> {
    const node = await mkdtemp(join(root, 'node-'))
    await writeFiles(node, { 'tahoe.cfg': UNTOUCHED })
    return node
  }

  it('keeps the certificate and says so in tahoe.cfg', async () => {
    const node = await aNode()
    const file = join(node, 'given')
    await writeFile(file, CERTIFICATE)
    const words = ['-d', node, 'admin', 'add-grid-manager-cert', '-f', file, '-n']
    expect(await runHere([...words, 'alice'])).toEqual({
      status: 0,
      stdout: '',
      stderr: 'There are now 1 certificates\n',
    })
    expect((await runHere([...words, 'bob'])).stderr).toBe('There are now 2 certificates\n')
    expect(await readFile(join(node, 'tahoe.cfg'), 'utf8')).toBe(
      '[storage]\nenabled = true # not a comment\ngrid_management = True\n\n[grid_manager_certificates]\nalice = alice.cert\nbob = bob.cert\n',
    )
    expect(await readFile(join(node, 'alice.cert'), 'utf8')).toBe(
      '{\n    "certificate": "{}",\n    "signature": "aa"\n}\n',
    )
    const again = await runHere([...words, 'alice'])
    expect([again.status, again.stderr]).toEqual([
      1,
      expect.stringContaining("Already have certificate for 'alice'"),
    ])
  })

  it('has the whole new tahoe.cfg before the old one goes, behind a link too', async () => {
    const node = await aNode()
    await rename(join(node, 'tahoe.cfg'), join(node, 'elsewhere.cfg'))
    await chmod(join(node, 'elsewhere.cfg'), 0o640)
    await symlink('elsewhere.cfg', join(node, 'tahoe.cfg'))
    const before = await open(join(node, 'tahoe.cfg'))
    try {
      const words = ['-d', node, 'admin', 'add-grid-manager-cert', '-f', '-', '-n', 'x']
      expect((await runHere(words, { stdin: CERTIFICATE })).status).toBe(0)
      expect(await before.readFile('utf8')).toBe(UNTOUCHED)
    } finally {
      await before.close()
    }
    expect((await lstat(join(node, 'tahoe.cfg'))).isSymbolicLink()).toBe(true)
    expect((await stat(join(node, 'elsewhere.cfg'))).mode & 0o777).toBe(0o640)
    expect(await readFile(join(node, 'elsewhere.cfg'), 'utf8')).toContain('x = x.cert\n')
  })

  it('takes it from standard input', async () => {
    const node = await aNode()
    const words = ['-d', node, 'admin', 'add-grid-manager-cert', '-f', '-', '-n', 'x']
    const { status, stderr } = await runHere(words, { stdin: CERTIFICATE })
    expect([status, stderr]).toEqual([
      0,
      'reading certificate from stdin\nThere are now 1 certificates\n',
    ])
  })

  it.each([
    ['nothing on standard input', ['-f', '-', '-n', 'x'], ''],
    ['no certificate', ['-f', '-', '-n', 'x'], '{"certificate": "x"}'],
    ['no JSON', ['-f', '-', '-n', 'x'], 'x'],
    ['a name with a slash', ['-f', '-', '-n', '../x'], CERTIFICATE],
    ['a name that sets an option', ['-f', '-', '-n', 'a=b'], CERTIFICATE],
    ['a name that is a comment', ['-f', '-', '-n', '#a'], CERTIFICATE],
    ['a name of two lines', ['-f', '-', '-n', 'a\nb'], CERTIFICATE],
    ['no name', ['-f', '-'], CERTIFICATE],
    ['no file', ['-n', 'x'], CERTIFICATE],
  ])('refuses %s and changes nothing', async (_what, words, stdin) => {
    const node = await aNode()
    const outcome = await runHere(['-d', node, 'admin', 'add-grid-manager-cert', ...words], {
      stdin,
    })
    expect(outcome.status).toBe(2)
    expect(await readdir(node)).toEqual(['tahoe.cfg'])
    expect(await readFile(join(node, 'tahoe.cfg'), 'utf8')).toBe(UNTOUCHED)
  })

  it('can be tried again where tahoe.cfg could not be written', async () => {
    const node = await aNode()
    const words = ['-d', node, 'admin', 'add-grid-manager-cert', '-f', '-', '-n', 'x']
    diskIsFull = true
    try {
      expect((await runHere(words, { stdin: CERTIFICATE })).status).toBe(1)
    } finally {
      diskIsFull = false
    }
    expect(await readdir(node)).toEqual(['tahoe.cfg'])
    expect((await runHere(words, { stdin: CERTIFICATE })).status).toBe(0)
  })

  it('changes nothing in a tahoe.cfg that it cannot read', async () => {
    const node = await aNode()
    await writeFile(join(node, 'tahoe.cfg'), 'no section = 1\n')
    const words = ['-d', node, 'admin', 'add-grid-manager-cert', '-f', '-', '-n', 'x']
    expect((await runHere(words, { stdin: CERTIFICATE })).status).toBe(1)
    expect(await readdir(node)).toEqual(['tahoe.cfg'])
  })
})
