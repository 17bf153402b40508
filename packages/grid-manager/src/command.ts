import { resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import type { ServerCertificate } from '@lafs/client'
import { Command, InvalidArgumentError } from 'commander'
import { durationText } from './duration.ts'
import {
  createGridManagerFolder,
  fileCertificate,
  loadGridManager,
  readCertificates,
  removeCertificates,
  saveGridManager,
} from './folder.ts'
import type { FiledCertificate } from './folder.ts'
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
  const load = (): Promise<GridManager> => loadFrom(terminal, place())
  const save = (manager: GridManager): Promise<void> => saveTo(terminal, place(), manager)
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
    .option('--json', 'as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const identity = publicIdentity(await load())
      say(terminal, json === true ? JSON.stringify({ 'public-key': identity }) : identity)
    })
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
    .option('--json', 'as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const servers = await describeServers(place(), await load())
      if (json === true) say(terminal, JSON.stringify(serversJson(servers), undefined, 1))
      else for (const line of serverLines(servers, terminal.now())) say(terminal, line)
    })
  command
    .command('sign')
    .description('give a storage server a certificate')
    .argument('<name>')
    .argument('<days>', `how long it is good: 1 to ${MAX_CERTIFICATE_DAYS} days`, parseDays)
    .option('--json', 'no other than what it prints without')
    .action(async (name: string, days: number) => {
      const certificate = signCertificate(await load(), name, { days, nowMs: terminal.now() })
      say(terminal, formatCertificate(certificate))
      const at = place()
      if (at !== undefined) await fileCertificate(at, name, certificate)
    })
  return command
}

async function loadFrom(terminal: GridManagerTerminal, at: Place): Promise<GridManager> {
  return at === undefined ? parseGridManager(await textOf(terminal.stdin)) : loadGridManager(at)
}

async function saveTo(
  terminal: GridManagerTerminal,
  at: Place,
  manager: GridManager,
): Promise<void> {
  if (at === undefined) say(terminal, `${formatGridManager(manager)}\n`)
  else await saveGridManager(at, manager)
}

function say(terminal: GridManagerTerminal, line: string): void {
  terminal.stdout.write(`${line}\n`)
}

function parseDays(word: string): number {
  const days = /^\d{1,4}$/.test(word) ? Number(word) : 0
  if (days >= 1 && days <= MAX_CERTIFICATE_DAYS) return days
  throw new InvalidArgumentError(`expected 1 to ${MAX_CERTIFICATE_DAYS} days.`)
}

/** A storage server with the certificates that it was given. */
interface DescribedServer {
  readonly name: string
  readonly publicKey: string
  readonly certificates: readonly FiledCertificate[]
}

async function describeServers(place: Place, manager: GridManager): Promise<DescribedServer[]> {
  const identity = publicIdentity(manager)
  const servers: DescribedServer[] = []
  for (const [name, publicKey] of [...manager.servers].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const certificates = place === undefined ? [] : await readCertificates(place, name, identity)
    servers.push({ name, publicKey, certificates })
  }
  return servers
}

/** With `null` as the end of what this grid manager has not signed. */
function serversJson(servers: readonly DescribedServer[]): object {
  return servers.map(({ name, publicKey, certificates }) => ({
    name,
    'public-key': publicKey,
    certificates: certificates.map(({ index, content }) => ({
      index,
      expires: content?.expires ?? null,
    })),
  }))
}

function serverLines(servers: readonly DescribedServer[], nowMs: number): string[] {
  return servers.flatMap(({ name, publicKey, certificates }) => {
    const margin = ' '.repeat(Array.from(name).length)
    const lines = certificates.map(
      ({ index, content }) => `${margin}  cert ${index}: ${validityText(content, nowMs)}`,
    )
    return [`${name}: ${publicKey}`, ...lines]
  })
}

function validityText(content: ServerCertificate | undefined, nowMs: number): string {
  if (content === undefined) return 'not signed by this Grid Manager'
  const leftSeconds = (content.expiresMs - nowMs) / 1000
  const time = content.expires.replace('T', ' ')
  return leftSeconds > 0
    ? `valid until ${time} (${durationText(leftSeconds)} in the future)`
    : `expired ${time} (${durationText(-leftSeconds)} ago)`
}
