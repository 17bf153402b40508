import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createResourceStack,
  describeWithUpstream,
  lafs,
  startOwnGateway,
  startOwnServer,
  startTahoe,
  startUpstreamClient,
  temporaryFolder,
} from '@lafs/interop'
import type { CommandLine } from '@lafs/interop'
import { afterAll, beforeAll, expect, it } from 'vitest'

const STDIN = 'what comes from standard input'
const BIG = 'a longer text that goes to the servers. '.repeat(2000)
const FILES = {
  small: 'small',
  big: BIG,
  'tree/a': 'the first file',
  'tree/b': BIG,
  'tree/sub/\u00e9': 'below',
  'tree/sub/empty': '',
}

/** What both commands do on both gateways, one after the other; quotes hold words together. */
const LINES = `
create-alias work
create-alias work
list-aliases
add-alias second <DIR2.1>
list-aliases
list-aliases --readonly-uri
put small
put big
put -
put --format=SDMF small
put big work:big
put big work:big
put small work:a/b/small
put - 'work:from stdin'
put --format=SDMF small work:mut
put big work:mut
put --format=MDMF big work:mdmf
put missing work:missing
get work:big
get work:big out
get work:mut
get <CHK.1>
get work:missing
ls work:
ls -l -F work:a
ls --uri --readonly-uri work:a/b
ls --json work:a
ls work:big
ls work:missing
ls nope:
mkdir
mkdir work:dir
mkdir --format=MDMF work:dir/mdmf
cp big work:dir/
cp big small work:dir
cp -r tree work:
cp -r work:tree back
cp -r work:tree work:dir
cp -r work:mut work:mdmf local
cp work:big work:dir/copied
cp work:missing out2
cp missing work:x
mv work:dir/copied work:dir/moved
mv work:dir/moved work:a
mv work:a/moved work:tree/sub
mv work:missing work:x
ln work:big work:dir/linked
ln work:big work:dir/linked
unlink work:dir/linked
unlink work:dir/linked
check work:big
check work:mut
check --raw work:big
check --verify --add-lease work:big
check --repair work:mdmf
check <LIT.1>
check work:missing
deep-check work:
deep-check -v work:tree
deep-check --verify --repair -v work:tree
deep-check --raw work:tree
manifest work:tree
manifest -s work:tree
manifest --verify-cap work:tree
manifest --repair-cap work:tree
manifest --raw work:tree
stats work:tree
stats --raw work:tree
backup tree work:backups
backup -v tree work:backups
backup --exclude=b tree work:backups
ls work:backups
ls work:backups/Latest
get work:backups/Latest/a
deep-check work:backups/Latest
status
status -v
`

/** Texts of one run with names in place of all that differs from run to run. */
function createNames(): { hide(text: string): string; show(text: string): string } {
  const known = new Map<string, string[]>()
  const name = (kind: string, value: string): string => {
    const values = known.get(kind) ?? []
    known.set(kind, values)
    if (!values.includes(value)) values.push(value)
    return `<${kind}.${values.indexOf(value) + 1}>`
  }
  return {
    hide: (text) =>
      text
        .replaceAll(/URI:([A-Z0-9]+(?:-[A-Za-z0-9]+)*):[a-z0-9:]+/g, (cap, kind: string) =>
          name(kind, cap),
        )
        .replaceAll(/\bv0-[a-z2-7]{52}\b|\b[a-z2-7]{8}(?=-sh\d)/g, '<SERVER>')
        // Ours makes fewer versions of a directory on the way.
        .replaceAll(/\bseq\d+-[a-z2-7]{4}\b/g, '<VERSION>')
        .replaceAll(/(?<![A-Za-z0-9:])[a-z2-7]{26}(?![A-Za-z0-9])/g, (index) => name('SI', index))
        .replaceAll(/[A-Z][a-z]{2} \d\d (?:\d\d:\d\d| \d{4})/g, '<TIME>')
        .replaceAll(/\b\d{4}-\d\d-\d\d[_T]\d\d:\d\d:\d\dZ?/g, '<TIME>')
        .replaceAll(/\b1\d{9}(?:\.\d+)?\b/g, '<SECONDS>')
        .replaceAll(/ (?:\d+:\d\d:\d\d(?:\.\d+)?|\dh \dm \d+s)/g, ' <ELAPSED>')
        .replaceAll(/((?:size-directories|largest-directory)"?: ?)\d+(?: +\(.*\))?/g, '$1<SIZE>'),
    show: (text) =>
      text.replaceAll(
        /<([A-Z0-9-]+)\.(\d+)>/g,
        (_name, kind: string, number: string) => known.get(kind)?.[Number(number) - 1] ?? '',
      ),
  }
}

/** One line and what it came to. */
type Played = readonly [line: string, status: number, stdout: string]

/** Runs all lines with one command on one gateway. @param node - a node directory without aliases. */
async function play(command: CommandLine, node: string, cwd: string): Promise<Played[]> {
  for (const [name, content] of Object.entries(FILES)) {
    await mkdir(join(cwd, name, '..'), { recursive: true })
    await writeFile(join(cwd, name), content)
  }
  const names = createNames()
  const played: Played[] = []
  for (const line of LINES.trim().split('\n')) {
    const words = [...names.show(line).matchAll(/'([^']*)'|(\S+)/g)].map(([, a, b]) => a ?? b ?? '')
    const { status, stdout } = await command.run(['-d', node, ...words], cwd, STDIN)
    const printed = words[0] === 'status' ? totalsOf(stdout) : ordered(stdout)
    played.push([line, status, names.hide(printed.replaceAll(cwd, '<CWD>'))])
  }
  return [...played, ['the files afterwards', 0, await treeBelow(cwd)]]
}

/** JSON with its keys in order, and lists of servers too. */
function ordered(printed: string): string {
  const inOrder = (key: string, value: unknown): unknown => {
    if (key === 'servers-responding' && Array.isArray(value)) {
      return value.map(String).toSorted((a, b) => (a < b ? -1 : 1))
    }
    if (Array.isArray(value)) return value
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }
  // One value, or one in each line, or several with an empty line after each.
  for (const separator of ['\0', '\n\n', '\n']) {
    try {
      const pieces = printed.trim().split(separator)
      return pieces.map((piece) => JSON.stringify(JSON.parse(piece), inOrder)).join('\n')
    } catch {
      // Not in this way.
    }
  }
  return printed
}

/** What `status` prints above its lists, without the figures. */
function totalsOf(printed: string): string {
  const [totals = ''] = printed.split('\n\n')
  return totals.replaceAll(/\d[\d.]*(?: ?[A-Za-z]+)?/g, '<FIGURE>')
}

async function treeBelow(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const lines = await Promise.all(
    entries.map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      const content = entry.isFile() ? await readFile(path, 'utf8') : ''
      return `${path.slice(folder.length)}: ${content.slice(0, 100)}`
    }),
  )
  return lines.toSorted().join('\n')
}

// The same command lines with both commands through both gateways, on one grid.
describeWithUpstream('the command lines', () => {
  const resources = createResourceStack()
  let theirs: Played[]
  let folder: string
  let nodes: { theirs: string; ours: string }

  /** Another node directory for upstream's command that leads to a gateway, without aliases. */
  async function directoryFor(gateway: string, name: string): Promise<string> {
    const copy = join(folder, name)
    await mkdir(join(copy, 'private'), { recursive: true })
    for (const file of ['node.url', 'private/api_auth_token']) {
      await cp(join(gateway, file), join(copy, file))
    }
    return copy
  }

  /** The lines that came to something else than with upstream's command and gateway. */
  function differing(played: readonly Played[]): object[] {
    return theirs.flatMap(([line, status, stdout], index) => {
      const [, gotStatus, got] = played[index] ?? []
      const same = status === gotStatus && stdout === got
      return same ? [] : [{ line, expected: [status, stdout], got: [gotStatus, got] }]
    })
  }

  beforeAll(async () => {
    folder = resources.use(await temporaryFolder()).path
    const servers = await Promise.all(
      [0, 1, 2].map((number) => startOwnServer(join(folder, `server-${number}`))),
    )
    for (const server of servers) resources.use(server)
    const options = {
      servers: servers.map((server) => server.description),
      encoding: { requiredShares: 2, happyShares: 2, totalShares: 3 },
      convergence: new Uint8Array(32).fill(9),
    }
    const upstream = resources.use(await startUpstreamClient(join(folder, 'theirs'), options))
    const own = resources.use(await startOwnGateway(join(folder, 'ours'), options))
    nodes = { theirs: upstream.folder, ours: own.folder }
    const tahoe = resources.use(startTahoe())
    theirs = await play(tahoe, await directoryFor(nodes.theirs, 'a'), join(folder, 'in-a'))
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  it('have tahoe print the same through our gateway', async () => {
    const tahoe = resources.use(startTahoe())
    const printed = await play(tahoe, await directoryFor(nodes.ours, 'b'), join(folder, 'in-b'))
    expect(differing(printed)).toEqual([])
  })

  it('have lafs print the same through upstream’s gateway', async () => {
    const printed = await play(lafs, nodes.theirs, join(folder, 'in-c'))
    expect(differing(printed)).toEqual([])
  })

  it('have lafs print the same through our gateway', async () => {
    const printed = await play(lafs, nodes.ours, join(folder, 'in-d'))
    expect(differing(printed)).toEqual([])
  })
})
