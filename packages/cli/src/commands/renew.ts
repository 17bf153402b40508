import { renewLeases } from '@lafs/checker'
import type { RenewalFailure, RenewalStatus } from '@lafs/checker'
import type { IDirectoryNode, IMonitor } from '@lafs/filesystem-interface'
import type { GridOptions } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { blotOutSecrets, CommandError, describeFailure } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext } from '../grid-command.ts'
import { rootDirectory } from '../grid-object.ts'
import { progressBar } from '../progress.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import { quotePath } from '../quote.ts'
import { readRenewalRecord, renewalFile, saveRenewalRecord } from '../renewal-record.ts'
import type { RenewalRecord } from '../renewal-record.ts'
import { writeLine, writeTo } from '../terminal.ts'

/** The options of `renew`. */
export interface RenewOptions extends GridOptions {
  /** Go on where the last renewal of this tree was interrupted. */
  readonly resume?: boolean
  readonly json?: boolean
}

/** How often it is looked how far a renewal is, and how often that is kept. */
const LOOK_EVERY_MS = 200
const SAVE_EVERY_MS = 5000

/**
 * Adds or renews our lease on everything that can be reached from a directory, in one pass. How far it
 * is is kept in the node directory, so that an interrupted pass can go on. What fails is told on
 * standard error, the rest goes on, and the command ends badly; so it does when servers were out of
 * reach, whose leases end while everything looks well.
 */
export async function renewCommand(
  context: CommandContext,
  where: string,
  options: RenewOptions,
): Promise<void> {
  const status = await withGrid(context, options, async (grid) => {
    const root = await rootDirectory(grid, where)
    return renewTree(grid, root, options)
  })
  const { stdout, stderr } = context.terminal
  const isJson = options.json === true
  if (isJson) await writeTo(stdout, `${pythonJson(statusJson(status), 1)}\n`)
  else for (const line of summaryLines(status)) await writeLine(stdout, line)
  for (const { path, serverId, error } of isJson ? [] : status.failures) {
    const place = serverId === undefined ? quotePath(path) : `${quotePath(path)} on ${serverId}`
    await writeTo(stderr, `${describeFailure(error, place)}\n`)
  }
  const missed = whatWasMissed(status)
  if (missed !== undefined) throw new CommandError('CLI_INCOMPLETE', missed)
}

/** What a renewal did not come to; undefined where every server was asked of everything, and did it. */
function whatWasMissed({ failureCount, servers }: RenewalStatus): string | undefined {
  const away = [...servers.values()].filter(({ notAsked }) => notAsked > 0).length
  const objects = failureCount === 1 ? 'one object' : `${failureCount} objects`
  const parts = [
    ...(failureCount === 0 ? [] : [`the leases of ${objects} were not renewed everywhere`]),
    ...(away === 0
      ? []
      : [
          `${away === 1 ? 'one server was' : `${away} servers were`} out of reach, and leases there are as they were; renew again when all servers run`,
        ]),
  ]
  return parts.length === 0 ? undefined : parts.join('; ')
}

async function renewTree(
  grid: GridContext,
  root: IDirectoryNode,
  { resume }: RenewOptions,
): Promise<RenewalStatus> {
  const file = renewalFile(grid.nodeDirectory, root)
  const last = await readRenewalRecord(file)
  if (resume === true && !last?.cursor) {
    throw new CommandError('CLI_NO_STATE', 'no renewal of this directory was interrupted')
  }
  const after = resume === true ? (last?.cursor ?? undefined) : undefined
  const beginsAnew = resume !== true && last?.cursor != null
  if (beginsAnew) {
    const hint = '--resume goes on where it stopped'
    const told = `lafs: the last renewal was interrupted; this one begins anew (${hint}).\n`
    await writeTo(grid.terminal.stderr, told)
  }
  // The directories on the way down are renewed again.
  const before = Math.max(0, (last?.objects ?? 0) - (after?.length ?? Infinity))
  const recordOf = (status: RenewalStatus): RenewalRecord => ({
    cursor: status.cursor ?? null,
    objects: before + status.objects + status.failureCount,
    total: last?.total ?? null,
  })
  const monitor = renewLeases(root, grid.client.checker, { after })
  const save = (record: RenewalRecord): Promise<void> => saveRenewalRecord(file, record)
  const status = await watched(grid, monitor, { recordOf, save, keepsLast: beginsAnew })
  const { objects } = recordOf(status)
  // Where not even the root could be read, the last renewal is still the one to go on with.
  if (!status.failures.some(isOfRoot)) await save({ cursor: null, objects, total: objects })
  return status
}

function isOfRoot({ path, serverId }: RenewalFailure): boolean {
  return path.length === 0 && serverId === undefined
}

/** How a renewal is kept. */
interface Keeping {
  readonly recordOf: (status: RenewalStatus) => RenewalRecord
  readonly save: (record: RenewalRecord) => Promise<void>
  /** Whether there is a record to go on from that stays where this renewal ends within seconds. */
  readonly keepsLast: boolean
}

/** Shows and keeps how far a renewal is until it is over. */
async function watched(
  { signal, terminal, quiet }: GridContext,
  monitor: IMonitor<RenewalStatus>,
  { recordOf, save, keepsLast }: Keeping,
): Promise<RenewalStatus> {
  const bar = progressBar(terminal.stderr, { now: terminal.now, quiet })
  const cancel = (): void => monitor.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  let saving = Promise.resolve()
  let keeps = !keepsLast
  let savedMs = terminal.now()
  const look = (): void => {
    const record = recordOf(monitor.status ?? NOTHING_YET)
    const total = record.total === null ? undefined : Math.max(record.total, record.objects)
    bar.update({ phase: 'traversing', done: record.objects, total })
    if (Math.abs(terminal.now() - savedMs) < SAVE_EVERY_MS) return
    savedMs = terminal.now()
    keeps = true
    // What keeps it from being kept need not keep leases from being renewed: the last time tells of it.
    saving = saving.then(() => save(record)).catch(() => undefined)
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  try {
    signal.throwIfAborted()
    return await monitor.whenDone()
  } catch (error) {
    await saving
    const record = recordOf(monitor.status ?? NOTHING_YET)
    if (record.cursor !== null && keeps) {
      await save(record)
      bar.end()
      await writeTo(terminal.stderr, 'lafs: use --resume to go on from here.\n')
    }
    throw error
  } finally {
    clearInterval(timer)
    bar.end()
    signal.removeEventListener('abort', cancel)
    await saving
  }
}

const NOTHING_YET: RenewalStatus = {
  objects: 0,
  leases: 0,
  failureCount: 0,
  failures: [],
  servers: new Map(),
  cursor: undefined,
}

/** What came of a renewal, by names like those of checks. */
function statusJson({ objects, leases, failureCount, failures, servers }: RenewalStatus): object {
  return {
    objects,
    leases,
    'failure-count': failureCount,
    failures: failures.map(({ path, serverId, error }) => ({
      path,
      'server-id': serverId,
      error: error instanceof Error && 'code' in error ? String(error.code) : 'Error',
      message: blotOutSecrets(error instanceof Error ? error.message : String(error)),
    })),
    servers: new Map(
      [...servers].map(([serverId, server]) => [
        serverId,
        { leases: server.leases, failures: server.failures, 'not-asked': server.notAsked },
      ]),
    ),
  }
}

function summaryLines({ objects, leases, servers }: RenewalStatus): string[] {
  return [
    `done: ${leases} leases of ${objects} objects renewed`,
    ...[...servers]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([serverId, server]) => {
        const failed = server.failures > 0 ? `, ${server.failures} failed` : ''
        const notAsked = server.notAsked > 0 ? `, ${server.notAsked} times out of reach` : ''
        return ` server ${serverId}: ${server.leases} leases${failed}${notAsked}`
      }),
  ]
}
