import { readdir, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ProgressListener } from '@lafs/filesystem-interface'
import { explicitGridPlace } from '../aliases.ts'
import type { GridPlace } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { concurrencyLimit } from '../cp/concurrently.ts'
import { copyProgress } from '../cp/copy-progress.ts'
import type { CopyProgress } from '../cp/copy-progress.ts'
import { createListings } from '../cp/listings.ts'
import { plannedDirectoryCount, plannedFileCount, planCopy } from '../cp/plan.ts'
import type { CopyContext, PlannedDirectory } from '../cp/plan.ts'
import { findSource, isDirectorySource } from '../cp/sources.ts'
import type { FileSource, Source } from '../cp/sources.ts'
import { copyToGridDirectory, copyToGridFile, linkAt } from '../cp/to-grid.ts'
import { copyToLocalFile, copyToLocalFolder, leaveOutUnsafeNames } from '../cp/to-local.ts'
import { CommandError } from '../failure.ts'
import { progressBar } from '../progress.ts'
import { watchUpload } from '../upload-progress.ts'
import { writeOutcome } from '../outcome.ts'
import { WalkFailures } from '../walk-failures.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions, WebContext } from '../web-command.ts'
import { isWebApiError } from '../web-error.ts'
import { describe, withoutSlash } from '../web-path.ts'
import type { NodeFacts } from '../web-path.ts'

/** Each new directory takes a key. */
const KEYS_AHEAD = 2

const REQUESTS_AT_ONCE = 4

/** The options of `cp`. */
export interface CpOptions extends PrintOptions {
  readonly recursive?: boolean
  readonly verbose?: boolean
  readonly capsOnly?: boolean
}

/** Where a copy goes, and what stands there. */
type Target = {
  readonly existing: 'file' | 'directory' | 'nothing'
  /** Whether the user typed a slash at the end. */
  readonly endsWithSlash: boolean
} & (
  | { readonly kind: 'local'; readonly path: string }
  | {
      readonly kind: 'grid'
      readonly place: GridPlace
      /** What stands there now. */
      readonly facts: NodeFacts | undefined
    }
)

/**
 * Copies files and directories between the local file system and the grid, and within either.
 *
 * A single file goes to the name of the target, and into it where that is a directory. Everything
 * else goes into a directory, which is made where it is missing.
 *
 * @param words - the sources, then the target.
 * @throws {@link CommandError} `CLI_BAD_COPY` and those of planning, before anything is written;
 *   `CLI_INCOMPLETE` where names are none for local files, once all the rest is copied.
 * @see allmydata.scripts.tahoe_cp
 */
export async function cpCommand(
  context: CommandContext,
  words: readonly string[],
  options: CpOptions,
): Promise<void> {
  const { terminal, quiet } = context
  const verbose = options.verbose === true && !quiet
  const bar = progressBar(terminal.stderr, { now: terminal.now, quiet: quiet || verbose })
  const failures = new WalkFailures(terminal.stderr, bar)
  const report = (message: string): void => {
    if (verbose) terminal.stderr.write(`${message}\n`)
  }
  const work = async (web: WebContext): Promise<Outcome> => {
    const watch = watchUpload(web, bar)
    try {
      const limit = concurrencyLimit(REQUESTS_AT_ONCE)
      const listings = createListings(web, limit)
      const copying = { ...web, report, failures, limit, listings }
      return await copy(copying, words, options, watch.update)
    } finally {
      watch.end()
      bar.end()
    }
  }
  const keysAhead = options.recursive === true ? KEYS_AHEAD : 0
  const outcome = await withWebApi(context, options, work, keysAhead)
  if (options.json === true || (failures.count === 0 && !quiet)) {
    const text = `Success: ${outcome.isFile ? 'file' : 'files'} copied`
    await writeOutcome(context, options, text, { copied: outcome.count })
  }
  failures.throwIfAny('copied')
}

/** What came of a copy. */
interface Outcome {
  /** Whether one file went to the name of the target. */
  readonly isFile: boolean
  /** Files. */
  readonly count: number
}

async function copy(
  context: CopyContext,
  words: readonly string[],
  options: CpOptions,
  update: ProgressListener,
): Promise<Outcome> {
  const target = await findTarget(context, words.at(-1) ?? '')
  const sources: Source[] = []
  for (const word of words.slice(0, -1)) sources.push(await findSource(context, word))
  const file = checkShape(sources, target, options)
  if (file !== undefined) {
    await copyFile(context, file, target, options, update)
    return { isFile: true, count: 1 }
  }
  if (options.verbose === true) await reportTarget(context, target)
  const plan = await planCopy({ ...context, composesNames: target.kind === 'grid' }, sources)
  if (target.kind === 'local') await leaveOutUnsafeNames(plan, context.failures)
  reportPlan(context, sources, plan)
  const files = plannedFileCount(plan)
  const directories = plannedDirectoryCount(plan)
  context.report(`starting copy, ${files} files, ${directories} directories`)
  const progress = copyProgress(context.report, update, { files, directories })
  if (target.kind === 'grid') {
    const failedBefore = context.failures.count
    await copyPlanToGrid(context, plan, target, progress)
    return { isFile: false, count: files - (context.failures.count - failedBefore) }
  }
  const { capsOnly = false } = options
  const count = await copyToLocalFolder(context, plan, target.path, { capsOnly }, progress)
  return { isFile: false, count }
}

async function findTarget(context: CopyContext, word: string): Promise<Target> {
  const endsWithSlash = word.endsWith('/')
  const place = explicitGridPlace(context.aliases, word)
  if (place === undefined) {
    const path = resolve(context.terminal.cwd, word)
    const found = await stat(path).catch(() => undefined)
    const kind = found?.isDirectory() === true ? 'directory' : 'file'
    return { kind: 'local', existing: found === undefined ? 'nothing' : kind, endsWithSlash, path }
  }
  const target = { kind: 'grid', endsWithSlash, place } as const
  try {
    const { facts } = await describe(context, place)
    return { ...target, existing: facts.type === 'dirnode' ? 'directory' : 'file', facts }
  } catch (error) {
    if (!isWebApiError(error, 404)) throw error
    return { ...target, existing: 'nothing', facts: undefined }
  }
}

/**
 * Checks that the sources fit the target.
 *
 * @returns the one file that goes to the name of the target; undefined where the target is, or will
 *   be, a directory.
 */
function checkShape(
  sources: readonly Source[],
  { existing, endsWithSlash }: Target,
  options: CpOptions,
): FileSource | undefined {
  if (options.recursive !== true && sources.some(isDirectorySource)) {
    throw badCopy('cannot copy directories without --recursive')
  }
  const [first] = sources
  const single = first !== undefined && sources.length === 1 && !isDirectorySource(first)
  if (existing === 'directory' || (existing === 'nothing' && !single)) return undefined
  if (endsWithSlash) throw badCopy('target is not a directory, but ends with a slash')
  if (sources.length > 1) throw badCopy('copying multiple things requires target be a directory')
  if (first === undefined || isDirectorySource(first)) {
    throw badCopy('cannot copy directory into a file')
  }
  return first
}

async function copyFile(
  context: CopyContext,
  source: FileSource,
  target: Target,
  { capsOnly = false }: CpOptions,
  onProgress: ProgressListener,
): Promise<void> {
  if (target.kind === 'local') {
    await copyToLocalFile(context, source, target.path, { capsOnly }, onProgress)
  } else {
    await copyToGridFile(context, source, target.place, target.facts, onProgress)
  }
}

async function copyPlanToGrid(
  context: CopyContext,
  plan: PlannedDirectory,
  target: Target & { readonly kind: 'grid' },
  progress: CopyProgress,
): Promise<void> {
  const { facts } = target
  if (facts !== undefined) {
    await copyToGridDirectory(context, plan, facts, progress)
    return
  }
  const place = withoutSlash(target.place)
  if (place.path === '') throw badCopy('the target needs a name at its end')
  // It is whole before it can be seen.
  const cap = await copyToGridDirectory(context, plan, undefined, progress)
  await linkAt(context, place, cap, 'false')
}

/** Tells of what stands in the target, as upstream does. */
async function reportTarget(context: CopyContext, target: Target): Promise<void> {
  if (target.existing !== 'directory') return
  const names =
    target.kind === 'local'
      ? await readdir(target.path)
      : [...(target.facts === undefined ? [] : await context.listings.of(target.facts))]
  const { length } = names
  for (let index = 1; index <= length; index++) context.report(`examining ${index} of ${length}`)
}

function reportPlan(
  { report }: CopyContext,
  sources: readonly Source[],
  plan: PlannedDirectory,
): void {
  const directories = sources.filter(isDirectorySource).length
  const files = sources.length - directories
  report(`attaching sources to targets, ${files} files / ${directories} dirs in root`)
  report(`targets assigned, ${plannedDirectoryCount(plan)} dirs, ${plannedFileCount(plan)} files`)
}

function badCopy(message: string): CommandError {
  return new CommandError('CLI_BAD_COPY', message)
}
