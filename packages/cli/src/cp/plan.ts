import { CommandError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import type { WalkFailures } from '../walk-failures.ts'
import type { WebContext } from '../web-command.ts'
import type { Limit } from './concurrently.ts'
import type { Listings } from './listings.ts'
import { childrenOf, identityOf, isDirectorySource } from './sources.ts'
import type { DirectorySource, FileSource, Source } from './sources.ts'

/** What is to stand in a target directory when the copy is done, beside what stands there now. */
export interface PlannedDirectory {
  readonly files: Map<string, FileSource>
  readonly directories: Map<string, PlannedDirectory>
}

/** What planning and copying need beside the grid. */
export interface CopyContext extends WebContext {
  /** Hears of each step. */
  readonly report: (message: string) => void
  /** Hears of what cannot be copied while the rest goes on. */
  readonly failures: WalkFailures
  /** For all that asks the gateway, so that one thing need not wait for the answers that another gets. */
  readonly limit: Limit
  /** The listings that are asked for. */
  readonly listings: Listings
}

/** What planning needs beside that. */
export interface PlanContext extends CopyContext {
  /** Whether the target takes names that differ in their composition alone for one: the grid does. */
  readonly composesNames: boolean
}

/**
 * What copying the sources into one directory makes of it. A named file becomes a file of that name,
 * a named directory a directory of that name, and of a directory without a name the entries are
 * copied. Directories of one name become one; files must not meet.
 *
 * @throws {@link CommandError} `CLI_BAD_COPY` for a file without a name, or two entries of one name
 *   that are no directories; `CLI_CYCLE`.
 */
export async function planCopy(
  context: PlanContext,
  sources: readonly Source[],
): Promise<PlannedDirectory> {
  const plan = emptyDirectory()
  for (const source of sources) await addSource(context, plan, source, [])
  return plan
}

/** How many files a plan copies. */
export function plannedFileCount({ files, directories }: PlannedDirectory): number {
  return [...directories.values()].reduce((sum, one) => sum + plannedFileCount(one), files.size)
}

/** Into how many directories a plan copies files. */
export function plannedDirectoryCount({ files, directories }: PlannedDirectory): number {
  const own = files.size > 0 ? 1 : 0
  return [...directories.values()].reduce((sum, one) => sum + plannedDirectoryCount(one), own)
}

function emptyDirectory(): PlannedDirectory {
  return { files: new Map(), directories: new Map() }
}

/** A directory on the way to a source. */
interface Ancestor {
  readonly identity: string
  readonly name: string | undefined
}

async function addSource(
  context: PlanContext,
  plan: PlannedDirectory,
  source: Source,
  above: readonly Ancestor[],
): Promise<void> {
  const name = context.composesNames ? source.name?.normalize('NFC') : source.name
  if (!isDirectorySource(source)) {
    if (name === undefined) {
      throw new CommandError(
        'CLI_BAD_COPY',
        'when copying into a directory, all source files must have names, but a cap alone has none',
      )
    }
    if (plan.files.has(name) || plan.directories.has(name)) throw collision(name)
    plan.files.set(name, source)
    return
  }
  if (name === undefined) return addChildren(context, plan, source, above)
  if (plan.files.has(name)) throw collision(name)
  const directory = plan.directories.get(name) ?? emptyDirectory()
  plan.directories.set(name, directory)
  await addChildren(context, directory, source, above)
}

async function addChildren(
  context: PlanContext,
  plan: PlannedDirectory,
  source: DirectorySource,
  above: readonly Ancestor[],
): Promise<void> {
  const { name } = source
  const identity = await identityOf(source)
  if (above.some((ancestor) => ancestor.identity === identity)) {
    throw new CommandError(
      'CLI_CYCLE',
      `cannot copy ${quoteOutput(name ?? '')}: it is one of the directories that it stands in`,
    )
  }
  const way = [...above, { identity, name }]
  const names = way.flatMap((ancestor) => ancestor.name ?? [])
  const children = await childrenOf(context, source, names)
  for (const [index, child] of children.entries()) {
    context.report(`examining ${index + 1} of ${children.length}`)
    await addSource(context, plan, child, way)
  }
}

function collision(name: string): CommandError {
  return new CommandError(
    'CLI_BAD_COPY',
    `cannot copy multiple files with the same name into the same target directory: ${quoteOutput(name)}`,
  )
}
