import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandError } from '../failure.ts'
import { writePrivateFile } from '../private-file.ts'
import { pythonJson } from '../python-json.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'
import { unpickle } from '../unpickle.ts'
import type { PlainPython } from '../unpickle.ts'

type Dict = ReadonlyMap<PlainPython, PlainPython>

/** The files of the crawlers of old servers, each with what makes it what new ones write. */
const FILES: readonly (readonly [name: string, convert: (state: Dict) => Dict])[] = [
  ['lease_checker.state', convertState],
  ['bucket_counter.state', convertState],
  ['lease_checker.history', convertHistory],
]

/**
 * Makes JSON of what the crawlers of a storage server kept as pickles, up to version 1.17, and removes the
 * pickles. Nothing in these is run.
 *
 * @see allmydata.scripts.admin.migrate_crawler
 */
export async function migrateCrawlerCommand({
  terminal,
  nodeDirectory,
}: CommandContext): Promise<void> {
  for (const [name, convert] of FILES) {
    const file = join(nodeDirectory, 'storage', name)
    const target = `${file}.json`
    const pickle = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (pickle === undefined) {
      const said = (await isThere(target))
        ? `Already converted: '${target}'`
        : `Not found: '${file}'`
      await writeTo(terminal.stdout, `${said}\n`)
      continue
    }
    const state = convert(dict(unpickle(pickle), name))
    await writePrivateFile(target, pythonJson(withTextKeys(state)))
    await rm(file)
    await writeTo(terminal.stdout, `Converted '${file}' to '${target}'\n`)
  }
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
