import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { CapNames } from './cap-names.ts'
import { EXIT_USAGE } from '../src/failure.ts'
import { runHere } from './in-process.ts'
import { useLocalGrid } from './local-grid.ts'
import { writeFiles } from './recorded.ts'
import type { Files, RecordedStep } from './recorded.ts'

/** One command line and what upstream made of it; see the recording. */
interface Step extends RecordedStep {
  readonly scenario: string
  readonly files?: Files
}

interface Recording {
  readonly stdin: string
  readonly scenarios: readonly { title: string; files: Files; aliases: string }[]
  readonly steps: readonly Step[]
}

const FAILS = { status: 1, stdout: '', stderr: expect.stringMatching(/^lafs: /) }

/** What is otherwise with us, and why, by scenario and command line. */
const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, Partial<Step>>>>> = {
  aliases: {
    // What a browser shows of a directory is its cap, too.
    'add-alias web http://127.0.0.1:3456/uri/<DIR2.2%>': {
      status: 0,
      stdout: "Alias 'web' added\n",
    },
    'add-alias web2 <DIR2.2%>': { status: 0, stdout: "Alias 'web2' added\n" },
    'list-aliases': { stdout: expect.stringMatching(/^( +\S+: <DIR2(-RO)?\.\d>\n){3,7}$/) },
  },
  'put and get': {
    // No cap goes to standard error.
    'get <CHK.1> out2': { stderr: '[cap] retrieved and written to <CWD>/out2\n' },
    // Upstream gives the HTML page of its gateway for the directory.
    'get tahoe:sub': FAILS,
    // "put small tahoe:a//b" makes no directory before it finds out that it cannot go on.
    'ls -F': { stdout: 'big\nfrom stdin\nnew/\nsub/\nviacap\nviacap2\nwith/\n' },
  },
  'mutable files': {
    // Upstream ends with a traceback; here it is a command line that makes no sense.
    'put --private-key-path=key.pem small': { status: EXIT_USAGE },
  },
  mkdir: {
    // Upstream says what is wrong, prints an empty line for the cap and ends with status 0.
    'mkdir tahoe:g//h': FAILS,
    'mkdir tahoe:file': FAILS,
    'mkdir tahoe:file/x': FAILS,
    // The first of them makes no directory before it finds out that it cannot go on.
    'ls -F': { stdout: 'a/\nb/\ne/\nein Stück/\nf/\nfile\nm/\nviacap/\n' },
  },
  ls: {
    // Upstream fails an assertion; one slash at the end more is no harm.
    'ls tahoe:dir//': { status: 0, stdout: 'mdmf\nmutable\n' },
    // Upstream shows an unknown object without a name for a cap with a typing mistake.
    'ls URI:CHK:nonsense': { ...FAILS, status: 144 },
  },
  'cp from the local file system': {
    // Upstream has made the target before it finds two files of one name.
    'ls -F collide': { ...FAILS, status: 2 },
    'cp -r -v tree2 tahoe:': { stderr: expect.stringMatching(/^(examining \d of 7\n){7}/) },
    'ls -F': {
      stdout: 'big\nboth/\ndir/\nmut*\nnew/\nrenamed\nslash/\nsmall\ntree/\ntree2/\nv\n',
    },
  },
}

const { stdin, scenarios, steps } = await loadVectors<Recording>('cli/grid')

const place = useLocalGrid({ servers: 1, encoding: { requiredShares: 1, totalShares: 1 } })

async function readFiles(folder: string, names: CapNames): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(folder.length + 1)
    if (entry.isDirectory()) found.set(`${name}/`, '')
    else found.set(name, names.hide(await readFile(path, 'utf8')))
  }
  return found
}

/**
 * What a step should come to with us. Errors are told in our own words, and a status of its own tells
 * a command line that makes no sense from what failed.
 */
function expected(step: Step): Pick<Step, 'status' | 'stdout' | 'stderr' | 'files'> {
  const { stdout = '', stderr = '', files = {} } = step
  const ownWords: string = expect.any(String)
  const difference = DIFFERENCES[step.scenario]?.[step.words.join(' ')]
  return {
    status: step.usage === undefined ? step.status : EXIT_USAGE,
    stdout,
    stderr: step.status === 0 ? stderr : ownWords,
    files,
    ...difference,
  }
}

/** The aliases without those that upstream does not take. */
function withoutExtra(aliases: string): string {
  return aliases.replaceAll(/^web2?: .*\n/gm, '')
}

describe('the commands, as upstream’s', () => {
  it.each(scenarios)('$title', { timeout: 60_000 }, async ({ title, files, aliases }) => {
    const names = new CapNames()
    const node = join(place.root, title, 'node')
    const cwd = join(place.root, title, 'cwd')
    await cp(place.grid.clientFolder ?? '', node, { recursive: true })
    await writeFiles(cwd, files)
    const aliasText = (): Promise<string> =>
      readFile(join(node, 'private', 'aliases'), 'utf8').then(
        (text) => names.hide(text),
        () => '',
      )
    let before = await readFiles(cwd, names)
    for (const step of steps.filter(({ scenario }) => scenario === title)) {
      const words = step.words.map((word) => names.show(word))
      const outcome = await runHere(['-d', node, ...words], { cwd, stdin })
      const hide = (text: string): string =>
        names.hide(text.replaceAll(cwd, '<CWD>').replaceAll(node, '<NODE>'))
      const stdout = hide(outcome.stdout)
      const stderr = hide(outcome.stderr)
      const after = await readFiles(cwd, names)
      const changed = [...after].filter(([name, text]) => before.get(name) !== text)
      before = after
      await aliasText()
      const got = { status: outcome.status, stdout, stderr, files: Object.fromEntries(changed) }
      const told = outcome.status === 0 || outcome.status === 2 || /^lafs: [^\n]+\n$/.test(stderr)
      expect.soft(got, step.words.join(' ')).toEqual(expected(step))
      expect.soft(told, `${step.words.join(' ')}: ${stderr}`).toBe(true)
    }
    expect(withoutExtra(await aliasText())).toBe(aliases)
  })
})
