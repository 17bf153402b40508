import { manifestLines } from '@lafs/checker'
import { toBase32 } from '@lafs/crypto'
import { traverse } from '@lafs/dirnode'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { rootDirectory } from '../grid-object.ts'
import { pythonJson } from '../python-json.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { WalkFailures } from '../walk-failures.ts'

/** The options of `manifest`; the first that is given decides. */
export interface ManifestOptions extends GridOptions {
  readonly raw?: boolean
  readonly storageIndex?: boolean
  readonly verifyCap?: boolean
  readonly repairCap?: boolean
}

/**
 * Lists everything that can be reached from a directory, one line for each object as it is met. A
 * directory that cannot be read is told on standard error, the rest goes on, and the command ends
 * badly.
 *
 * @see allmydata.scripts.tahoe_manifest
 */
export async function manifestCommand(
  context: CommandContext,
  where: string,
  options: ManifestOptions,
): Promise<void> {
  const failures = new WalkFailures(context.terminal.stderr)
  await withGrid(context, options, async (grid) => {
    const root = await rootDirectory(grid, where)
    await (options.raw === true ? listRaw : list)(root, grid, failures, options)
  })
  failures.throwIfAny()
}

async function list(
  root: IDirectoryNode,
  { signal, terminal }: GridContext,
  failures: WalkFailures,
  options: ManifestOptions,
): Promise<void> {
  for await (const entry of traverse(root, { signal })) {
    if (entry.type === 'failure') await failures.tell(entry.path, entry.error)
    if (entry.type !== 'object') continue
    const line = manifestLine(entry.node, entry.path, options)
    if (line !== undefined) await writeLine(terminal.stdout, line)
  }
}

async function listRaw(
  root: IDirectoryNode,
  { signal, terminal }: GridContext,
  failures: WalkFailures,
): Promise<void> {
  for await (const line of manifestLines(root, { signal })) {
    if (line.type === 'failure') failures.note()
    await writeTo(terminal.stdout, `${pythonJson(line)}\n`)
  }
}

/** One line of a manifest; undefined for what has nothing of what is asked for. */
function manifestLine(
  node: IFilesystemNode,
  path: readonly string[],
  options: ManifestOptions,
): string | undefined {
  if (node.unknown) return undefined
  if (options.storageIndex === true) return node.storageIndex && toBase32(node.storageIndex)
  if (options.verifyCap === true) return node.verifyCap?.format()
  if (options.repairCap === true) return node.repairCap?.format()
  const cap = quoteOutput(node.uri ?? '', { quotationMarks: false })
  return `${cap} ${plainPath(path.join('/'))}`
}

/** A path as it is, or in quotes where it could be misread or goes over several lines. */
function plainPath(path: string): string {
  const quoted = quoteOutput(path)
  return quoted.startsWith('"') ? quoted : quoteOutput(path, { quotationMarks: false })
}
