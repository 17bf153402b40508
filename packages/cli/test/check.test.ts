import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { EXIT_USAGE } from '../src/failure.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import { CapNames } from './cap-names.ts'
import { flipBit, sharesOnDisk } from './grid-shares.ts'
import { runHere } from './in-process.ts'
import { useLocalGrid } from './local-grid.ts'
import { writeFiles } from './recorded.ts'
import type { Files, RecordedStep } from './recorded.ts'

/** One command line, or damage that begins with `!`, and what upstream made of it; see the recording. */
interface Step extends RecordedStep {
  readonly scenario: string
}

interface Recording {
  readonly stdin: string
  readonly scenarios: readonly { title: string; files: Files }[]
  readonly steps: readonly Step[]
}

/** A walk that goes on after a directory that cannot be read: the rest is told, and the end is bad. */
function goesOn(stdout: string, place = 'dir'): Partial<Step> {
  const unread = `lafs: '${place}': MUTABLE_UNRECOVERABLE: [^\\n]*\\n`
  const end = 'lafs: CLI_INCOMPLETE: one thing failed; all the rest is told\\.\\n'
  return {
    status: 1,
    stdout: expect.stringMatching(stdout),
    stderr: expect.stringMatching(`^${stdout.includes('failure') ? '' : unread}${end}$`),
  }
}

function healthy(index: string): Partial<Step> {
  const counts = ' good-shares: 3 (encoding is 2-of-3)\n wrong-shares: 0\n'
  return { status: 0, stdout: `Summary: Healthy\n storage index: ${index}\n${counts}`, stderr: '' }
}

const UNREAD = {
  status: 1,
  stdout: '',
  stderr: expect.stringMatching(/^lafs: MUTABLE_UNRECOVERABLE/),
}

/** What is otherwise with us, and why, by scenario and command line. */
const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, Partial<Step>>>>> = {
  'all is well': {
    // Upstream checks verify caps of nothing, and ends with a traceback where nothing is stored.
    'check <CHK-Verifier.1>': healthy('<SI.2>'),
    'check <SSK-Verifier.1>': healthy('<SI.4>'),
    'check --repair small': {
      status: 0,
      stdout: 'Summary: Healthy (LIT)\n storage index: \n',
      stderr: '',
    },
  },
  'shares are missing': {
    // Upstream puts a share that is there already on the server that had the missing one, too.
    'check --raw --repair big': { stdout: expect.stringMatching(/"repair-successful": true/) },
  },
  'too few shares are left': {
    // Upstream says "410 Gone" of immutable files, and ends well after mutable ones.
    'check --repair big': {
      status: 1,
      stdout:
        'Summary: not healthy\n storage index: <SI.1>\n good-shares: 1 (encoding is 2-of-3)\n wrong-shares: 0\n repair failed\n',
      stderr: 'lafs: CLI_NOT_REPAIRED: not healthy: 1 of the 2 shares that it needs.\n',
    },
    'check --repair dir/mutable': {
      status: 1,
      stderr: 'lafs: CLI_NOT_REPAIRED: Unhealthy: no versions are recoverable.\n',
    },
  },
  // Upstream ends at the directory, with status 0 but for `manifest` and for a place that is named.
  'a directory is lost': {
    'deep-check': goesOn('^done: 4 objects checked, 3 healthy, 1 unhealthy\n$'),
    'deep-check -v': goesOn(
      "^'<root>': Healthy\n'big': Healthy\n'small': Healthy \\(LIT\\)\n'dir': Unhealthy: some versions are unrecoverable no versions are recoverable\ndone: 4 objects checked, 3 healthy, 1 unhealthy\n$",
    ),
    'deep-check --raw': goesOn(
      '\n[{]"path": [[]"dir"\\], "type": "failure", .*\n[{]"type": "stats"',
    ),
    'deep-check dir': goesOn('^done: 1 objects checked, 0 healthy, 1 unhealthy\n$', '<root>'),
    'manifest -r': goesOn('\n[{]"path": [[]"dir"\\], "type": "failure", .*\n[{]"type": "stats"'),
    stats: goesOn('^Counts and Total Sizes:\n(.*\n)* +count-directories: 2\n'),
    'stats -r': goesOn('^[{]\n(.*\n)* "count-directories": 2,\n'),
    'stats dir': UNREAD,
  },
}

const { stdin, scenarios, steps } = await loadVectors<Recording>('cli/check')

const place = useLocalGrid({ servers: 3, encoding: { requiredShares: 2, totalShares: 3 } })

/** Does to the servers what a line that begins with `!` says. */
async function damage([kind, cap = '', ...numbers]: readonly string[]): Promise<void> {
  const shares = await sharesOnDisk(place.grid, cap)
  const fileOf = (number = ''): string =>
    shares.find(({ shareNumber }) => shareNumber === Number(number))?.file ?? ''
  if (kind === 'flip') await flipBit(fileOf(numbers[0]), Number(numbers[1]))
  else for (const number of numbers) await rm(fileOf(number))
}

/** Data of JSON without the order in which servers happened to answer. */
function inOrder(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(inOrder)
  if (typeof data !== 'object' || data === null) return data
  return Object.fromEntries(
    Object.entries(data).map(([name, value]: [string, unknown]) => {
      if (name === 'sharemap' && typeof value === 'object') {
        return [
          name,
          Object.fromEntries(Object.entries(value ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))),
        ]
      }
      if (name === 'servers-responding' && Array.isArray(value))
        return [name, (value as string[]).toSorted()]
      return [name, inOrder(value)]
    }),
  )
}

/** The same of what a command has printed: indented objects with an empty line after each, or an object a line. */
function sortAnswers(text: string): string {
  if (text.startsWith('{\n')) {
    const objects = text.split('\n\n').filter((one) => one !== '')
    return objects.map((one) => `${pythonJson(inOrder(JSON.parse(one)), 1)}\n\n`).join('')
  }
  const lines = text.split('\n')
  return lines
    .map((line) => (line.startsWith('{') ? pythonJson(inOrder(JSON.parse(line))) : line))
    .join('\n')
}

/** What a step should come to with us; errors are told in our own words. */
function expected(step: Step): Pick<Step, 'status' | 'stdout' | 'stderr'> {
  const { status, usage, stdout = '', stderr = '' } = step
  const ownWords: string = expect.stringMatching(/^(lafs|error): .*\n/)
  return {
    status: usage === undefined ? status : EXIT_USAGE,
    stdout,
    stderr: status === 0 ? stderr : ownWords,
    ...DIFFERENCES[step.scenario]?.[step.words.join(' ')],
  }
}

describe('checks, as upstream’s', () => {
  it.each(scenarios)('$title', { timeout: 60_000 }, async ({ title, files }) => {
    const names = new CapNames()
    const node = join(place.root, title, 'node')
    const cwd = join(place.root, title, 'cwd')
    await cp(place.grid.clientFolder ?? '', node, { recursive: true })
    await writeFiles(cwd, files)
    for (const step of steps.filter(({ scenario }) => scenario === title)) {
      const words = step.words.map((word) => names.show(word))
      if (words[0] === '!') {
        await damage(words.slice(1))
        continue
      }
      const { status, stdout, stderr } = await runHere(['-d', node, ...words], { cwd, stdin })
      const printed = words.includes('--raw') ? sortAnswers(stdout) : stdout
      // Sorting changes the order and nothing else.
      expect.soft(printed.length, step.words.join(' ')).toBe(stdout.length)
      const hide = (text: string): string => names.hide(text.replaceAll(cwd, '<CWD>'))
      const got = { status, stdout: hide(printed), stderr: hide(stderr) }
      await readFile(join(node, 'private', 'aliases'), 'utf8').then(
        (text) => names.hide(text),
        () => '',
      )
      expect.soft(got, step.words.join(' ')).toEqual(expected(step))
    }
  })
})
