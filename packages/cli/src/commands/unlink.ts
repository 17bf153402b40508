import { gridPlace } from '../aliases.ts'
import { CommandError } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridOptions } from '../grid-command.ts'
import { findEntry } from '../grid-path.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'

/** Removes an entry of a directory. @see allmydata.scripts.tahoe_unlink */
export async function unlinkCommand(
  context: CommandContext,
  where: string,
  options: GridOptions,
): Promise<void> {
  await withGrid(context, options, async (grid) => {
    const entry = await findEntry(grid, gridPlace(grid.aliases, where))
    if (entry === undefined) {
      throw new CommandError(
        'CLI_NO_NAME',
        "'lafs unlink' can only unlink directory entries, so a path must be given.",
      )
    }
    await entry.parent.delete(entry.name, { signal: grid.signal })
  })
  await writeTo(context.terminal.stdout, '200 OK\n')
}
