import { gridPlace } from '../aliases.ts'
import { CommandError, FailureWithStatus } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findNode, findWriteTarget } from '../grid-path.ts'
import type { Entry, FoundNode } from '../grid-path.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'

const EXIT_NOT_REMOVED = 2

/**
 * Moves an entry to another place on the grid, with what is noted beside it.
 *
 * @throws {@link FailureWithStatus} with upstream's exit status 2 where the entry stands in both
 *   places now.
 * @see allmydata.scripts.tahoe_mv
 */
export async function mvCommand(
  context: CommandContext,
  from: string,
  to: string,
  options: GridOptions,
): Promise<void> {
  await withGrid(context, options, async (grid) => {
    const source = await findNode(grid, gridPlace(grid.aliases, from))
    const target = await targetEntry(grid, from, to)
    await move(grid, source, target)
  })
  await writeTo(context.terminal.stdout, 'OK\n')
}

/** Makes another entry for what an entry leads to. @see allmydata.scripts.tahoe_mv */
export async function lnCommand(
  context: CommandContext,
  from: string,
  to: string,
  options: GridOptions,
): Promise<void> {
  await withGrid(context, options, async (grid) => {
    const { node } = await findNode(grid, gridPlace(grid.aliases, from))
    const { parent, name } = await targetEntry(grid, from, to)
    const { signal } = grid
    await parent.setNode(name, node, { overwrite: 'only-files', signal })
  })
  await writeTo(context.terminal.stdout, 'OK\n')
}

async function move(grid: GridContext, source: FoundNode, target: Entry): Promise<void> {
  const { signal } = grid
  const { node, entry, metadata } = source
  const overwrite = 'only-files'
  if (entry !== undefined && entry.parent.uri === target.parent.uri) {
    // One write, and a move to where the entry stands already is none.
    const newChildName = target.name
    await entry.parent.moveChildTo(entry.name, target.parent, { newChildName, overwrite, signal })
    return
  }
  await target.parent.setNode(target.name, node, { metadata, overwrite, signal })
  try {
    if (entry === undefined) {
      throw new CommandError(
        'CLI_NOT_REMOVED',
        'A cap alone stands in no directory to remove it from',
      )
    }
    await entry.parent.delete(entry.name, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw new FailureWithStatus(EXIT_NOT_REMOVED, error)
  }
}

/**
 * The entry to make. Below a place that ends with a slash it has the name of the source. Directories
 * on the way are made.
 */
async function targetEntry(grid: GridContext, from: string, to: string): Promise<Entry> {
  const place = gridPlace(grid.aliases, to)
  const name = gridPlace(grid.aliases, from).path.split('/').at(-1) ?? ''
  const path = place.path.endsWith('/') ? place.path + name : place.path
  const { entry } = await findWriteTarget(grid, { ...place, path })
  if (entry !== undefined) return entry
  throw new CommandError('CLI_NO_NAME', 'The new place needs a name at its end.')
}
