import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { gridPlace } from '../aliases.ts'
import type { GridPlace } from '../aliases.ts'
import { readCapWord } from '../cap-word.ts'
import { openBackupDb } from '../backup/backupdb.ts'
import { excluder, VCS_PATTERNS } from '../backup/exclude.ts'
import { paceLine, summary, warning } from '../backup/report.ts'
import { runBackup } from '../backup/run.ts'
import type { BackupCounts } from '../backup/run.ts'
import { scanFolder } from '../backup/scan.ts'
import type { BackupTarget } from '../backup/scan.ts'
import type { StoreOutcome } from '../backup/store.ts'
import { CommandError, FailureWithStatus, UsageError } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import { backupBar } from '../progress.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { ask, textOf } from '../web-api.ts'
import { withWebApi } from '../web-command.ts'
import type { WebContext, WebOptions } from '../web-command.ts'
import { isWebApiError, webApiError } from '../web-error.ts'
import { parseNodeFacts, placeTarget } from '../web-path.ts'

/** The options of `backup`. */
export interface BackupOptions extends WebOptions {
  readonly verbose?: boolean
  readonly ignoreTimestamps?: boolean
  readonly exclude?: readonly string[]
  /** Files with a pattern on each line. */
  readonly excludeFromUtf8?: readonly string[]
  readonly excludeVcs?: boolean
  readonly json?: boolean
}

/** Not everything could be backed up. */
const EXIT_SKIPPED = 2

/**
 * Stores a folder as an immutable directory, which shares what has not changed with those of earlier
 * backups, and links it as `Archives/<time>` and `Latest` of a directory on the grid.
 *
 * @throws {@link FailureWithStatus} with 2 where something was skipped.
 * @see allmydata.scripts.tahoe_backup
 */
export async function backupCommand(
  context: CommandContext,
  from: string,
  to: string,
  options: BackupOptions,
): Promise<void> {
  const { terminal } = context
  const folder = resolve(terminal.cwd, from)
  const excludes = excluder(await readPatterns(terminal.cwd, options))
  if (!(await stat(folder)).isDirectory()) {
    throw new UsageError(`expected a folder to back up, got a file: ${quoteOutput(from)}`)
  }
  const counts = await withWebApi(context, options, async (web) => {
    const place = gridPlace(web.aliases, await readCapWord(terminal, to))
    return backUp(web, { folder, place, excludes }, options)
  })
  const { filesSkipped, directoriesSkipped } = counts
  if (filesSkipped + directoriesSkipped > 0) {
    const what = `skipped ${filesSkipped} files and ${directoriesSkipped} directories`
    throw new FailureWithStatus(EXIT_SKIPPED, new CommandError('CLI_INCOMPLETE', what))
  }
}

async function readPatterns(cwd: string, options: BackupOptions): Promise<string[]> {
  const patterns = [...(options.exclude ?? [])]
  for (const file of options.excludeFromUtf8 ?? []) {
    const text = await readFile(resolve(cwd, file), 'utf8').catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new UsageError(`Error opening exclude file ${quoteOutput(file)}. (Error: ${reason})`)
    })
    patterns.push(...text.split(/\r\n|\n|\r/))
  }
  if (options.excludeVcs === true) patterns.push(...VCS_PATTERNS)
  return patterns.map((pattern) => pattern.trim()).filter((pattern) => pattern !== '')
}

interface BackupPlan {
  readonly folder: string
  readonly place: GridPlace
  readonly excludes: (name: string) => boolean
}

async function backUp(
  web: WebContext,
  { folder, place, excludes }: BackupPlan,
  options: BackupOptions,
): Promise<BackupCounts> {
  const { api, signal, terminal, nodeDirectory } = web
  const startedMs = terminal.now()
  const archives = below(place, 'Archives')
  await using db = await openBackupDb(join(nodeDirectory, 'private', 'backupdb.sqlite'), {
    now: terminal.now,
  })
  await makeArchives(web, archives)
  const targets = await scanFolder(folder, excludes, signal)
  const report = reporter(web, targets.length, startedMs, options)
  try {
    const tools = {
      api,
      db,
      now: terminal.now,
      signal,
      trustsTimestamps: options.ignoreTimestamps !== true,
      onSent: report.onSent,
      made: new Map<string, Promise<string>>(),
    }
    const { counts, cap } = await runBackup(tools, targets, report.onDone)
    report.end()
    const name = await linkArchive(web, archives, cap)
    await link(web, below(place, 'Latest'), cap)
    const text =
      options.json === true
        ? kebabJson({ archive: `Archives/${name}`, uri: cap, ...counts }, 1)
        : summary(counts, terminal.now() - startedMs, web.quiet ? 0 : options.verbose ? 2 : 1)
    await writeTo(terminal.stdout, `${text}\n`)
    return counts
  } finally {
    report.end()
  }
}

function below({ root, path }: GridPlace, name: string): GridPlace {
  const folder = path.replace(/\/+$/, '')
  return { root, path: folder === '' ? name : `${folder}/${name}` }
}

/** Makes sure that there is a directory for backups which can be written to, before anything is stored. */
async function makeArchives({ api, signal }: WebContext, archives: GridPlace): Promise<void> {
  const response = await api.request('GET', placeTarget(archives, { t: 'json' }), { signal })
  const text = await textOf(response)
  if (response.status === 404) {
    await textOf(await ask(api, 'POST', placeTarget(archives, { t: 'mkdir' }), { signal }))
    return
  }
  if (response.status !== 200) throw webApiError(response.status, text)
  const { type, writeUri } = parseNodeFacts(text)
  if (type !== 'dirnode') {
    throw new CommandError('CLI_NOT_A_DIRECTORY', 'expected a directory at Archives, got a file')
  }
  if (writeUri === undefined) {
    throw new CommandError('CLI_READ_ONLY', 'the directory Archives can only be read with this cap')
  }
}

/** So many seconds after now may be taken by other backups. */
const TAKEN_SECONDS_MAX = 100

/**
 * Links a backup under the second of now, or the next one that no other backup has: an archive is never
 * replaced, not even by a backup of the same second or after the clock was put back.
 *
 * @returns its name in the directory of archives.
 */
async function linkArchive(web: WebContext, archives: GridPlace, cap: string): Promise<string> {
  const nowMs = web.terminal.now()
  for (let taken = 0; ; taken++) {
    const name = archiveName(nowMs + taken * 1000)
    try {
      await link(web, below(archives, name), cap, 'false')
      return name
    } catch (error) {
      const isTaken = isWebApiError(error) && error.code === 'DIRECTORY_EXISTING_CHILD'
      if (!isTaken || taken === TAKEN_SECONDS_MAX) throw error
    }
  }
}

/** @param replace - `false`: what stands there already is an error. */
async function link(
  { api, signal }: WebContext,
  place: GridPlace,
  cap: string,
  replace?: 'false',
): Promise<void> {
  const body = new TextEncoder().encode(cap)
  const target = placeTarget(place, { t: 'uri', replace })
  await textOf(await ask(api, 'PUT', target, { body, signal }))
}

/** The time to the second, such as `2009-01-16_08:05:09Z`. */
function archiveName(nowMs: number): string {
  return new Date(nowMs).toISOString().replace('T', '_').replace(/\.\d+/, '')
}

interface Reporter {
  readonly onSent: (byteCount: number) => void
  readonly onDone: (target: BackupTarget, outcome: StoreOutcome) => Promise<void>
  end(): void
}

/** Says how far a backup is: with a bar on a terminal, with a line for each target elsewhere. */
function reporter(
  { terminal, quiet }: WebContext,
  total: number,
  startedMs: number,
  { verbose, json }: BackupOptions,
): Reporter {
  const { stdout, stderr, now } = terminal
  const bar = backupBar(stderr, { now, quiet })
  const hasLines = !quiet && json !== true
  const hasPace = hasLines && stdout.isTTY !== true
  let done = 0
  let bytes = 0
  const draw = (): void => bar.update({ done, total, bytes })
  return {
    onSent: (byteCount) => {
      bytes += byteCount
      draw()
    },
    onDone: async (target, { why, log }) => {
      done++
      if (why !== undefined || (hasLines && verbose === true && log.length > 0)) bar.end()
      if (hasLines && verbose === true) for (const line of log) await writeLine(stdout, line)
      if (why !== undefined) await writeLine(stderr, warning(target, why))
      if (hasPace) {
        await writeTo(stdout, `${paceLine(done, total, now() - startedMs)}\n`)
      }
      draw()
    },
    end: () => bar.end(),
  }
}
