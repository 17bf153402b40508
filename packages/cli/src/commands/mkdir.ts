import { isDirectoryNode } from '@lafs/filesystem-interface'
import { gridPlace } from '../aliases.ts'
import { CommandError } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findWriteTarget, makeDirectory } from '../grid-path.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { mutableVersion, parseFormat } from '../store-file.ts'
import { writeTo } from '../terminal.ts'

/** The options of `mkdir`. */
export interface MkdirOptions extends GridOptions {
  readonly format?: string
}

/**
 * Makes a directory and prints its cap. Of one that is there it prints the cap alone.
 *
 * @param where - its place; without a name at its end, the directory stands in no other.
 * @see allmydata.scripts.tahoe_mkdir
 */
export async function mkdirCommand(
  context: CommandContext,
  where: string | undefined,
  options: MkdirOptions,
): Promise<void> {
  const format = parseFormat(options.format, ['SDMF', 'MDMF'])
  const version = format === undefined ? undefined : mutableVersion(format)
  const uri = await withGrid(context, options, (grid) => directoryAt(grid, where, version))
  await writeTo(context.terminal.stdout, `${quoteOutput(uri, { quotationMarks: false })}\n`)
}

async function directoryAt(
  grid: GridContext,
  where: string | undefined,
  version: number | undefined,
): Promise<string> {
  const { signal } = grid
  const place = where === undefined || where === '' ? undefined : gridPlace(grid.aliases, where)
  if (place === undefined || place.path === '') {
    return (await grid.client.createDirnode(undefined, { version, signal })).uri
  }
  // Of two slashes at the end, the first one ends the name of a directory on the way.
  const { node, entry } = await findWriteTarget(grid, {
    ...place,
    path: place.path.replace(/\/$/, ''),
  })
  const made = node ?? (entry && (await makeDirectory(grid, entry, version)))
  if (made !== undefined && isDirectoryNode(made)) return made.uri
  throw new CommandError('CLI_NOT_A_DIRECTORY', 'a file stands where a directory is to be made')
}
