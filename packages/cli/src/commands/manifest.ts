import { toBase32 } from '@lafs/crypto'
import { DeepStatsCounter, traverse } from '@lafs/dirnode'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode, IMonitor } from '@lafs/filesystem-interface'
import { gridPlace } from '../aliases.ts'
import { CommandError } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findNode } from '../grid-path.ts'
import { pythonJson } from '../python-json.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { statsJson } from '../stats-json.ts'
import { writeTo } from '../terminal.ts'

/** The options of `manifest`; the first that is given decides. */
export interface ManifestOptions extends GridOptions {
  readonly raw?: boolean
  readonly storageIndex?: boolean
  readonly verifyCap?: boolean
  readonly repairCap?: boolean
}

/**
 * Lists everything that can be reached from a directory, one line for each object as it is met.
 *
 * @see allmydata.scripts.tahoe_manifest
 */
export async function manifestCommand(
  context: CommandContext,
  where: string,
  options: ManifestOptions,
): Promise<void> {
  const { stdout } = context.terminal
  await withGrid(context, options, async (grid) => {
    const counter = new DeepStatsCounter()
    for await (const entry of traverse(await rootDirectory(grid, where), grid)) {
      counter.add(entry)
      if (entry.type === 'failure') throw entry.error
      if (entry.type !== 'object') continue
      const line = manifestLine(entry.node, entry.path, options)
      if (line !== undefined) await writeTo(stdout, `${line}\n`)
    }
    if (options.raw !== true) return
    await writeTo(stdout, `${pythonJson({ type: 'stats', stats: statsJson(counter.stats()) })}\n`)
  })
}

/** The directory that a walk begins at. */
export async function rootDirectory(grid: GridContext, where: string): Promise<IDirectoryNode> {
  const place = gridPlace(grid.aliases, where)
  const path = place.path === '/' ? '' : place.path
  const { node } = await findNode(grid, { ...place, path })
  if (isDirectoryNode(node)) return node
  throw new CommandError('CLI_NOT_A_DIRECTORY', 'expected a directory to begin at, got a file')
}

/** What a long operation comes to, unless the user ends it. */
export async function outcomeOf<Status>(
  { signal }: GridContext,
  monitor: IMonitor<Status>,
): Promise<Status> {
  const cancel = (): void => monitor.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    signal.throwIfAborted()
    return await monitor.whenDone()
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** One line of a manifest; undefined for what has nothing of what is asked for. */
function manifestLine(
  node: IFilesystemNode,
  path: readonly string[],
  options: ManifestOptions,
): string | undefined {
  const type = isDirectoryNode(node) ? 'directory' : 'file'
  const facts = {
    path,
    cap: node.uri,
    type: node.unknown ? 'unknown' : type,
    verifycap: node.verifyCap?.format() ?? '',
    repaircap: node.repairCap?.format() ?? '',
    'storage-index': node.storageIndex === undefined ? '' : toBase32(node.storageIndex),
  }
  if (options.raw === true) return pythonJson({ ...facts, cap: node.uri ?? null })
  if (node.unknown) return undefined
  const plain = (text: string): string | undefined =>
    text === '' ? undefined : quoteOutput(text, { quotationMarks: false })
  if (options.storageIndex === true) return plain(facts['storage-index'])
  if (options.verifyCap === true) return plain(facts.verifycap)
  if (options.repairCap === true) return plain(facts.repaircap)
  const shownPath = quotePath(path.join('/'))
  return `${quoteOutput(facts.cap ?? '', { quotationMarks: false })} ${shownPath}`
}

/** A path as it is, or in quotes where it could be misread or goes over several lines. */
function quotePath(path: string): string {
  const quoted = quoteOutput(path)
  return quoted.startsWith('"') ? quoted : quoteOutput(path, { quotationMarks: false })
}
