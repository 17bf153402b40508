import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type { Command } from 'commander'
import { createGridManager, addServer, formatGridManager } from '@lafs/grid-manager'
import { startNode } from '@lafs/node'
import type { RunningNode } from '@lafs/node'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { gridManagerProgram } from '../src/commands/grid-manager.ts'
import { createProgram } from '../src/program.ts'
import type { Terminal } from '../src/terminal.ts'
import { CapNames } from './cap-names.ts'
import { runHere } from './in-process.ts'
import { useLocalGrid } from './local-grid.ts'
import { writeFiles } from './recorded.ts'

/** A command line, to be run without and with --json. */
interface Row {
  /** `RUN` in a word stands for something else each time: some things can be made but once. */
  readonly words: readonly string[]
  /** What is printed without --json. The fields that its groups are named after hold the same. */
  readonly says: RegExp
  /** What is in the JSON beside: what the text says by words, not by values. */
  readonly holds?: object
  /** It prints a line of JSON for each thing: there may be more of them than memory holds. */
  readonly lines?: true
  /** It makes new caps and keys each time. */
  readonly fresh?: true
  readonly stdin?: string
}

const NOW_MS = Date.UTC(2027, 0, 1)
const TEXT = 'Far more than what a cap can hold itself. '.repeat(5)
const SHARE = 'shares/nfxgizlynfxgizlynfxgizlyne/0'
const INDEX = 'mfqwcylbmfqwcylbmfqwcylbme'
const CHK = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:3:10:500`
const KEY = 'pub-v0-4qda2tcv7gmx2xuqtehvjpia6xf6f222yoqojxqvcy6vqgmltpea'

const ROWS: Readonly<Record<string, Row>> = {
  'create-client': {
    words: ['create-client', 'client-RUN', '--introducer', 'pb://x'],
    says: /^Node created in '(?<nodeDirectory>.+)'\n Introducers cannot be joined yet.*\n.* in '(?<serversFile>.+)'!\n.*\n.*nickname= in '(?<configFile>.+)'\n$/,
    holds: { nickname: '', 'introducer-is-joined': false },
  },
  'create-node': {
    words: ['create-node', '--hostname=x.example', '-n', 'me', 'node-RUN'],
    says: /^Node created in '(?<nodeDirectory>.+)'\n.* in '(?<serversFile>.+)'!\n.*\n$/,
    holds: { nickname: 'me' },
  },
  'add-server': {
    words: ['-d', 'other-RUN', 'add-server'],
    stdin: 'storage: {v0-a: {ann: {nickname: cellar}}}\n',
    says: /^added (?<serverId>v0-a) \((?<nickname>.+)\)\nThere was no node directory .+\n$/,
    holds: { 'known-after-next-start': false },
  },
  'create-alias': { words: ['create-alias', 'one-RUN'], says: /^Alias '(?<alias>.+)' created\n$/ },
  'add-alias': {
    words: ['add-alias', 'more-RUN', 'URI:DIR2-LIT:'],
    says: /^Alias '(?<alias>.+)' added\n$/,
  },
  'list-aliases': { words: ['list-aliases'], says: /^ *tahoe: (?<readwrite>URI:DIR2:\S+)$/m },
  put: {
    words: ['put', 'file'],
    says: /^(?<cap>URI:CHK:\S+)\n200 OK\n$/,
    holds: { created: false },
  },
  cp: {
    words: ['cp', 'file', 'tahoe:cp-RUN'],
    says: /^Success: file copied\n$/,
    holds: { copied: 1 },
  },
  mkdir: { words: ['mkdir'], says: /^(?<cap><DIR2\.1>)\n$/, fresh: true },
  ls: { words: ['ls', '--uri', 'tahoe:tree/kept'], says: /^file (?<ro_uri>URI:CHK:\S+)\n$/ },
  mv: {
    words: ['mv', 'tahoe:tree/mv-RUN', 'tahoe:moved-RUN'],
    says: /^OK\n$/,
    holds: { moved: true },
  },
  ln: {
    words: ['ln', 'tahoe:tree/kept/file', 'tahoe:ln-RUN'],
    says: /^OK\n$/,
    holds: { linked: true },
  },
  unlink: {
    words: ['unlink', 'tahoe:tree/unlink-RUN'],
    says: /^200 OK\n$/,
    holds: { unlinked: true },
  },
  manifest: {
    words: ['manifest', 'tahoe:tree/kept'],
    lines: true,
    says: /^(?<cap>URI:CHK:\S+) (?<path>file)$/m,
  },
  stats: {
    words: ['stats', 'tahoe:tree/kept'],
    says: /count-immutable-files: (?<countImmutableFiles>\d+)\n[^]*size-directories: (?<sizeDirectories>\d+)\n/,
  },
  check: {
    words: ['check', 'tahoe:tree/kept/file'],
    says: /^Summary: (?<summary>.+)\n storage index: (?<storageIndex>.+)\n good-shares: (?<countSharesGood>\d+) .*\n wrong-shares: (?<countWrongShares>\d+)\n$/,
  },
  'deep-check': {
    words: ['deep-check', '-v', 'tahoe:tree/kept'],
    lines: true,
    says: /^'(?<path>file)': (?<summary>Healthy)$/m,
  },
  renew: {
    words: ['renew', 'tahoe:tree/kept'],
    says: /^done: (?<leases>\d+) leases of (?<objects>\d+) objects renewed\n/,
  },
  rebalance: {
    words: ['rebalance', '--dry-run', 'tahoe:tree/kept/file'],
    lines: true,
    says: /^Plan: nothing to move\n storage index: (?<storageIndex>.+)\n.*: (?<happinessBefore>\d+) now, (?<happinessAfter>\d+) afterwards\n$/,
    holds: [{ moves: [] }],
  },
  backup: {
    words: ['backup', 'saved-RUN', 'tahoe:backups-RUN'],
    says: /^ (?<filesUploaded>1) files uploaded \((?<filesReused>0) reused\), (?<filesSkipped>0) files skipped/m,
  },
  status: {
    words: ['status'],
    says: /^║  put  ║ (?<storageIndexString>\w+) +║ .*\n/m,
  },
  webopen: {
    words: ['webopen', 'tahoe:tree'],
    says: /^(?<address>http:.+)\nThere is no browser/,
    holds: { opened: false },
  },
  'admin generate-keypair': {
    words: ['admin', 'generate-keypair'],
    says: /^private: (?<private><PRIV>)\npublic: (?<public><PUB>)\n$/,
    fresh: true,
  },
  'admin derive-pubkey': {
    words: ['admin', 'derive-pubkey', 'PRIVATE'],
    says: /^private: (?<private>priv-\S+)\npublic: (?<public>pub-\S+)\n$/,
  },
  'admin migrate-crawler': {
    words: ['admin', 'migrate-crawler'],
    says: /^Not found: '(?<file>.+)'\n/,
    holds: [{ outcome: 'not-found' }, {}, {}],
  },
  'admin add-grid-manager-cert': {
    words: ['-d', 'certified-RUN', 'admin', 'add-grid-manager-cert', '-n', 'x', '-f', '-'],
    stdin: '{"certificate": "{}", "signature": "aa"}',
    says: /^.* stdin\nThere are now (?<count>1) certificates\n$/,
    holds: { name: 'x' },
  },
  'admin counts': {
    words: ['admin', 'counts', 'SERVER'],
    says: /^storage folder: '(?<storageFolder>.+)'\n storage indexes: (?<buckets>\d+) .*\n shares: (?<shares>\d+) .*\n size of shares: (?<sharebytes>\d+) /,
    holds: { 'corrupt-shares': [] },
  },
  'admin leases': {
    words: ['admin', 'leases', 'SERVER'],
    says: /^expiration: off.*\nleases: \d+ on (?<examinedShares>\d+) shares\n/,
    holds: { expiration: { enabled: false } },
  },
  'admin expiring': {
    words: ['admin', 'expiring', 'SERVER'],
    lines: true,
    says: /\ndone: (?<shares>\d+) shares would be deleted if expiration were on \((?<containerBytes>\d+) bytes.*, (?<diskBytes>\d+) bytes.* on disk\)\n$/,
  },
  'admin advisories': {
    words: ['admin', 'advisories', 'SERVER'],
    lines: true,
    says: /^'(?<name>.+)' is no advisory\ndone: 1 advisory\n$/,
  },
  'debug dump-cap': {
    words: ['debug', 'dump-cap', CHK],
    says: /^\nCHK File:\n key: (?<key>.+)\n UEB hash: (?<uriExtensionHash>.+)\n size: (?<size>.+)\n k\/N: (?<requiredShares>.+)\/(?<totalShares>.+)\n storage index: (?<storageIndex>.+)\n$/,
    holds: { kind: 'chk' },
  },
  'debug dump-share': {
    words: ['debug', 'dump-share', '--offsets', SHARE],
    says: /^share filename: '(?<file>.+)'\n *version: (?<version>1)\n[^]* verify-cap: (?<verifyCap>.+)\n[^]* validation: (?<validation>\d+)\n[^]* uri_extension: (?<uri_extension>\d+) [^]*owner=(?<ownerNumber>\d+), expire in (?<expiresInSeconds>-?\d+)s/,
    holds: { kind: 'immutable' },
  },
  'debug find-shares': {
    words: ['debug', 'find-shares', INDEX, 'holder'],
    says: /^(?<files>.+)\n.+\n$/,
  },
  'debug catalog-shares': {
    words: ['debug', 'catalog-shares', 'holder'],
    lines: true,
    says: /^(?<format>CHK) (?<storageIndex>\w+) (?<requiredShares>\d+)\/(?<totalShares>\d+) (?<size>\d+) (?<uriExtensionHash>\w+) (?<secondsLeft>\d+) '(?<file>.+)'\nUNKNOWN (?<container>.+) '.*'\n$/,
  },
  'debug corrupt-share': {
    words: ['debug', 'corrupt-share', SHARE],
    says: /^\[(?<start>\d+)\.\.(?<end>\d+)\): {2}(?<offset>\d+)\.b(?<bit>\d)\n$/,
  },
  'grid-manager public-identity': {
    words: ['grid-manager', '-c', 'manager', 'public-identity'],
    says: /^(?<publicKey>.+)\n$/,
  },
  'grid-manager list': {
    words: ['grid-manager', '-c', 'manager', 'list'],
    says: /^(?<name>cellar): (?<publicKey>.+)\n$/,
  },
  'grid-manager sign': {
    words: ['grid-manager', '-c', 'manager', 'sign', 'cellar', '30'],
    says: /"signature": "(?<signature>\w+)"/,
  },
}

/** What prints, and yet has no --json, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  get: 'prints what is in a file, and nothing of its own',
  run: 'prints a log for as long as the node runs',
  completion: 'prints a script for a shell',
  'grid-manager create': 'prints, if anything, the grid manager, which is JSON',
  'grid-manager add': 'prints, if anything, the grid manager, which is JSON',
  'grid-manager remove': 'prints, if anything, the grid manager, which is JSON',
}

const place = useLocalGrid({ servers: 1, encoding: { requiredShares: 1, totalShares: 1 } })

let node: RunningNode
let cwd: string
let placeholders: Readonly<Record<string, string>>
beforeAll(async () => {
  cwd = join(place.root, 'cwd')
  const share = await loadBytes('cli/chk-v1.share')
  const { privateKey } = await loadVectors<{ privateKey: string }>('cli/admin')
  const server = place.grid.servers[0]?.folder ?? ''
  placeholders = { SERVER: server, PRIVATE: privateKey }
  const once = ['plain', 'json'].map((run) => ({
    [`tree/mv-${run}`]: TEXT,
    [`tree/unlink-${run}`]: TEXT,
    [`saved-${run}/file`]: TEXT,
    [`certified-${run}/tahoe.cfg`]: '[storage]\nenabled = true\n',
  }))
  await writeFiles(cwd, {
    ...Object.assign({}, ...once),
    file: TEXT,
    'tree/kept/file': TEXT,
    [SHARE]: share,
    [`holder/storage/shares/mf/${INDEX}/0`]: share,
    [`holder/storage/shares/mf/${INDEX}/1`]: 'nothing',
    'manager/config.json': formatGridManager(addServer(createGridManager(), 'cellar', KEY)),
  })
  await writeFiles(server, { 'storage/corruption-advisories/odd': '' })
  const folder = join(place.root, 'node')
  await cp(place.grid.clientFolder ?? '', folder, { recursive: true })
  const config = await readFile(join(folder, 'tahoe.cfg'), 'utf8')
  const port = '\n[node]\nweb.port = tcp:0:interface=127.0.0.1\n'
  await writeFile(join(folder, 'tahoe.cfg'), `${config}${port}`)
  node = await startNode(folder)
  await runHere(['-d', folder, 'create-alias', 'tahoe'])
  await runHere(['-d', folder, 'cp', '-r', 'tree', 'tahoe:'], { cwd })
})
afterAll(() => node.close())
beforeEach(() => {
  vi.stubEnv('BROWSER', join(cwd, 'absent'))
  vi.stubEnv('LAFS_NODE_DIRECTORY', node.folder)
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  return () => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  }
})

const PROGRAM = createProgram(aTerminal(), '')
const COMMANDS = new Map([
  ...leaves(PROGRAM).filter(([name]) => name !== 'grid-manager'),
  ...leaves(gridManagerProgram(PROGRAM, aTerminal()), 'grid-manager '),
])

function aTerminal(): Terminal {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const { signal } = new AbortController()
  return { stdin: Readable.from([]), stdout, stderr, cwd: '/', now: Date.now, signal }
}

/** The commands that do something themselves, by the words that lead to them. */
function leaves(command: Command, before = ''): [name: string, command: Command][] {
  return command.commands.flatMap((one) => {
    const name = `${before}${one.name()}`
    return one.commands.length === 0 ? [[name, one] as const] : leaves(one, `${name} `)
  })
}

/** What a command line of a row prints, without what differs between two runs of it. */
async function printed(
  { words, stdin, fresh }: Row,
  run: 'plain' | 'json',
  ...more: string[]
): Promise<{ readonly stdout: string; readonly all: string }> {
  const line = words.map((word) => placeholders[word] ?? word.replace('RUN', run))
  const input = stdin === undefined ? {} : { stdin }
  const outcome = await runHere([...line, ...more], { cwd, nowMs: NOW_MS, ...input })
  expect(outcome).toMatchObject({ status: 0 })
  const stable = (text: string): string => {
    const same = text.replaceAll(`-${run}`, '-RUN')
    if (fresh !== true) return same
    const named = same.replaceAll(
      /(priv|pub)-v0-\w+/g,
      (_, kind: string) => `<${kind.toUpperCase()}>`,
    )
    return new CapNames().hide(named)
  }
  return { stdout: stable(outcome.stdout), all: stable(`${outcome.stdout}${outcome.stderr}`) }
}

/** The texts and numbers that stand under a name, at any depth, as texts. */
function fieldsNamed(value: unknown, name: string, isNamed = false): string[] {
  if (typeof value !== 'object' || value === null) return isNamed ? [String(value)] : []
  return Object.entries(value).flatMap(([key, field]) =>
    fieldsNamed(field, name, Array.isArray(value) ? isNamed : key === name),
  )
}

describe('--json', () => {
  it('is there wherever something is printed', () => {
    const without = [...COMMANDS]
      .filter(([, { options }]) => !options.some(({ long }) => long === '--json'))
      .map(([name]) => name)
    expect(without.toSorted()).toEqual(Object.keys(EXCEPTIONS).toSorted())
  })

  it('is tried of every command that has it', () => {
    const tried = [...Object.keys(ROWS), ...Object.keys(EXCEPTIONS)]
    expect(tried.toSorted()).toEqual([...COMMANDS.keys()].toSorted())
  })

  it.each(Object.entries(ROWS))('of %s holds what the text says', async (_name, row) => {
    const { all } = await printed(row, 'plain')
    expect(all).toMatch(row.says)
    const { stdout } = await printed(row, 'json', '--json')
    const json: unknown =
      row.lines === true
        ? stdout
            .trimEnd()
            .split('\n')
            .map((line): unknown => JSON.parse(line))
        : JSON.parse(stdout)
    for (const [name, value] of Object.entries(row.says.exec(all)?.groups ?? {})) {
      const field = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      expect({ [field]: fieldsNamed(json, field) }).toEqual({
        [field]: expect.arrayContaining([value]),
      })
    }
    if (row.holds !== undefined) expect(json).toMatchObject(row.holds)
  })
})
