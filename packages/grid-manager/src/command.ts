import { resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { Command, InvalidArgumentError } from 'commander'
import {
  createGridManagerFolder,
  fileCertificate,
  loadGridManager,
  readCertificates,
  removeCertificates,
  saveGridManager,
} from './folder.ts'
import {
  addServer,
  createGridManager,
  formatCertificate,
  formatGridManager,
  MAX_CERTIFICATE_DAYS,
  parseGridManager,
  publicIdentity,
  removeServer,
  signCertificate,
} from './grid-manager.ts'
import type { GridManager } from './grid-manager.ts'

/** What the command talks to. */
export interface GridManagerTerminal {
  readonly stdin: AsyncIterable<Uint8Array>
  readonly stdout: { write(text: string): unknown }
  /** The working folder, against which `--config` counts. */
  readonly cwd: string
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Where a grid manager is kept; undefined: it comes from standard input and goes to standard output. */
type Place = string | undefined

/**
 * The command `grid-manager` with all that it can do, to be run or to be put into another command.
 *
 * @see allmydata.cli.grid_manager
 */
export function gridManagerCommand(terminal: GridManagerTerminal): Command {
  const command = new Command('grid-manager')
    .description('vouch for the storage servers of a grid')
    .requiredOption('-c, --config <folder>', 'where the grid manager is kept (or - for stdin)')
  const place = (): Place => {
    const { config } = command.opts<{ config: string }>()
    return config === '-' ? undefined : resolve(terminal.cwd, config)
  }
  const load = async (): Promise<GridManager> => {
    const at = place()
    return at === undefined ? parseGridManager(await textOf(terminal.stdin)) : loadGridManager(at)
  }
  const save = async (manager: GridManager): Promise<void> => {
    const at = place()
    if (at === undefined) say(terminal, `${formatGridManager(manager)}\n`)
    else await saveGridManager(at, manager)
  }
  command
    .command('create')
    .description('make a new grid manager')
    .action(async () => {
      const at = place()
      if (at === undefined) await save(createGridManager())
      else await createGridManagerFolder(at, createGridManager())
    })
  command
    .command('public-identity')
    .description('show the public key, for [grid_managers] in the tahoe.cfg of clients')
    .action(async () => say(terminal, publicIdentity(await load())))
  command
    .command('add')
    .description('add a storage server')
    .argument('<name>', 'a label')
    .argument('<public-key>', 'the content of its node.pubkey')
    .action(async (name: string, key: string) => save(addServer(await load(), name, key)))
  command
    .command('remove')
    .description('remove a storage server and its certificates')
    .argument('<name>')
    .action(async (name: string) => {
      const manager = removeServer(await load(), name)
      const at = place()
      if (at !== undefined) await removeCertificates(at, name)
      await save(manager)
    })
  command
    .command('list')
    .description('list the storage servers and their certificates')
    .action(async () => list(terminal, place(), await load()))
  command
    .command('sign')
    .description('give a storage server a certificate')
    .argument('<name>')
    .argument('<days>', `how long it is good: 1 to ${MAX_CERTIFICATE_DAYS} days`, parseDays)
    .action(async (name: string, days: number) => {
      const certificate = signCertificate(await load(), name, { days, nowMs: terminal.now() })
      say(terminal, formatCertificate(certificate))
      const at = place()
      if (at !== undefined) await fileCertificate(at, name, certificate)
    })
  return command
}

function say(terminal: GridManagerTerminal, line: string): void {
  terminal.stdout.write(`${line}\n`)
}

function parseDays(word: string): number {
  const days = /^\d{1,4}$/.test(word) ? Number(word) : 0
  if (days >= 1 && days <= MAX_CERTIFICATE_DAYS) return days
  throw new InvalidArgumentError(`expected 1 to ${MAX_CERTIFICATE_DAYS} days.`)
}

async function list(
  terminal: GridManagerTerminal,
  place: Place,
  manager: GridManager,
): Promise<void> {
  const identity = publicIdentity(manager)
  for (const [name, key] of [...manager.servers].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    say(terminal, `${name}: ${key}`)
    const certificates = place === undefined ? [] : await readCertificates(place, name, identity)
    for (const { index, content } of certificates) {
      const margin = `${' '.repeat(Array.from(name).length)}  cert ${index}: `
      if (content === undefined) {
        say(terminal, `${margin}not signed by this Grid Manager`)
        continue
      }
      const { expires, expiresMs } = content
      const leftSeconds = (expiresMs - terminal.now()) / 1000
      const time = expires.replace('T', ' ')
      say(
        terminal,
        leftSeconds > 0
          ? `${margin}valid until ${time} (${durationText(leftSeconds)} in the future)`
          : `${margin}expired ${time} (${durationText(-leftSeconds)} ago)`,
      )
    }
  }
}

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MONTH = 30 * DAY
const YEAR = 365 * DAY

/** Such as `9 days`. @see allmydata.util.abbreviate.abbreviate_time */
function durationText(seconds: number): string {
  const [unit, name] =
    seconds < 2 * MINUTE
      ? ([1, 'second'] as const)
      : seconds < 3 * HOUR
        ? ([MINUTE, 'minute'] as const)
        : seconds < 2 * DAY
          ? ([HOUR, 'hour'] as const)
          : seconds < 2 * MONTH
            ? ([DAY, 'day'] as const)
            : seconds < 4 * YEAR
              ? ([MONTH, 'month'] as const)
              : ([YEAR, 'year'] as const)
  const count = Math.floor(seconds / unit)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
