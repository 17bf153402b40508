import { readFile, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { writeWhole } from '@lafs/node-directory/files'
import { CommandError } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import type { CommandContext } from '../command-context.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { unpickle } from '../unpickle.ts'
import type { PlainPython } from '../unpickle.ts'

type Dict = ReadonlyMap<PlainPython, PlainPython>

/** The files of the crawlers of old servers, each with what makes it what new ones write. */
const FILES: readonly (readonly [name: string, convert: (state: Dict) => Dict])[] = [
  ['lease_checker.state', convertState],
  ['bucket_counter.state', convertState],
  ['lease_checker.history', convertHistory],
]

type Outcome = 'converted' | 'already-converted' | 'not-found'

const SAYINGS: Readonly<Record<Outcome, (file: string) => string>> = {
  converted: (file) => `Converted '${file}' to '${file}.json'`,
  'already-converted': (file) => `Already converted: '${file}.json'`,
  'not-found': (file) => `Not found: '${file}'`,
}

/**
 * Makes JSON of what the crawlers of a storage server kept as pickles, up to version 1.17, and removes the
 * pickles. Nothing in these is run.
 *
 * @see allmydata.scripts.admin.migrate_crawler
 */
export async function migrateCrawlerCommand(
  { terminal, nodeDirectory }: CommandContext,
  { json }: JsonOption,
): Promise<void> {
  const outcomes: { readonly file: string; readonly outcome: string }[] = []
  for (const [name, convert] of FILES) {
    const file = join(nodeDirectory, 'storage', name)
    const outcome = await migrate(file, convert)
    outcomes.push({ file, outcome })
    if (json !== true) await writeLine(terminal.stdout, SAYINGS[outcome](file))
  }
  if (json === true) await writeTo(terminal.stdout, `${kebabJson(outcomes, 1)}\n`)
}

async function migrate(file: string, convert: (state: Dict) => Dict): Promise<Outcome> {
  const target = `${file}.json`
  const pickle = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (pickle === undefined) return (await isThere(target)) ? 'already-converted' : 'not-found'
  const state = convert(dict(unpickle(pickle), basename(file)))
  await writeWhole(target, pythonJson(withTextKeys(state)))
  await rm(file)
  return 'converted'
}

function convertState(state: Dict): Dict {
  if (state.get('version') !== 1) {
    throw new CommandError('CLI_BAD_PICKLE', 'expected version 1 of the state of a crawler')
  }
  const cycle = state.get('cycle-to-date')
  return cycle === undefined
    ? state
    : new Map([...state, ['cycle-to-date', convertCycle(dict(cycle, 'cycle-to-date'))]])
}

function convertHistory(history: Dict): Dict {
  return new Map(
    [...history].map(([number, cycle]) => [number, convertCycle(dict(cycle, 'the history'))]),
  )
}

/** The ages of leases are counted by spans, which JSON has no keys for. */
function convertCycle(cycle: Dict): Dict {
  const ages = cycle.get('lease-age-histogram')
  if (!(ages instanceof Map)) return cycle
  const byText = [...(ages as Dict)].map(([span, count]) => [keyText(span), count] as const)
  return new Map([...cycle, ['lease-age-histogram', new Map(byText)]])
}

/** Names of fields as JSON has them, at every depth. */
function withTextKeys(value: PlainPython): PlainPython {
  if (value instanceof Map) {
    return new Map(
      [...(value as Dict)].map(([key, field]) => [keyText(key), withTextKeys(field)] as const),
    )
  }
  return Array.isArray(value) ? (value as readonly PlainPython[]).map(withTextKeys) : value
}

function keyText(key: PlainPython): string {
  if (typeof key === 'string') return key
  return Array.isArray(key) ? key.join(',') : JSON.stringify(key)
}

function dict(value: PlainPython, where: string): Dict {
  if (value instanceof Map) return value as Dict
  throw new CommandError('CLI_BAD_PICKLE', `expected a dict as ${where}, got something else`)
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
