import { resolve } from 'node:path'
import { gridPlace } from '../aliases.ts'
import { blotOutSecrets } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridOptions } from '../grid-command.ts'
import { findNode } from '../grid-path.ts'
import { writeFileWhole } from '../local-file.ts'
import { progressBar } from '../progress.ts'
import { escapeControls } from '../quote.ts'
import { readFileNode } from '../read-file.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'

/** Gets a file from its place on the grid. @see allmydata.scripts.tahoe_get */
export async function getCommand(
  context: CommandContext,
  source: string,
  file: string | undefined,
  options: GridOptions,
): Promise<void> {
  const { terminal, quiet } = context
  const target = file === undefined || file === '-' ? undefined : resolve(terminal.cwd, file)
  await withGrid(context, options, async (grid) => {
    const { node } = await findNode(grid, gridPlace(grid.aliases, source))
    // A bar between the lines of a file on the same terminal would help nobody.
    const silent = quiet || (target === undefined && terminal.stdout.isTTY === true)
    const bar = progressBar(terminal.stderr, { now: terminal.now, quiet: silent })
    const pieces = readFileNode(node, { signal: terminal.signal, onProgress: bar.update })
    try {
      if (target === undefined)
        for await (const piece of pieces) await writeTo(terminal.stdout, piece)
      else await writeFileWhole(target, pieces)
    } finally {
      bar.end()
    }
  })
  if (target === undefined || quiet) return
  const done = `${blotOutSecrets(source)} retrieved and written to ${target}`
  await writeTo(terminal.stderr, `${escapeControls(done)}\n`)
}
