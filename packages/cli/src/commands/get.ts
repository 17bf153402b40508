import { resolve } from 'node:path'
import { gridPlace } from '../aliases.ts'
import { readCapWord } from '../cap-word.ts'
import type { CommandContext } from '../command-context.ts'
import { blotOutSecrets } from '../failure.ts'
import { writeFileWhole } from '../local-file.ts'
import { progressBar } from '../progress.ts'
import { escapeControls } from '../quote.ts'
import { writeTo } from '../terminal.ts'
import { withWebApi } from '../web-command.ts'
import type { WebOptions } from '../web-command.ts'
import { readFile } from '../web-file.ts'

/**
 * Gets a file from its place on the grid.
 *
 * @param source - `-` for a cap on standard input.
 * @see allmydata.scripts.tahoe_get
 */
export async function getCommand(
  context: CommandContext,
  source: string,
  file: string | undefined,
  options: WebOptions,
): Promise<void> {
  const { terminal, quiet } = context
  const target = file === undefined || file === '-' ? undefined : resolve(terminal.cwd, file)
  const word = await readCapWord(terminal, source)
  await withWebApi(context, options, async (web) => {
    const place = gridPlace(web.aliases, word)
    // A bar between the lines of a file on the same terminal would help nobody.
    const silent = quiet || (target === undefined && terminal.stdout.isTTY === true)
    const bar = progressBar(terminal.stderr, { now: terminal.now, quiet: silent })
    const pieces = readFile(web, place, bar.update)
    try {
      if (target === undefined)
        for await (const piece of pieces) await writeTo(terminal.stdout, piece)
      else await writeFileWhole(target, pieces)
    } finally {
      bar.end()
    }
  })
  if (target === undefined || quiet) return
  const done = `${blotOutSecrets(word)} retrieved and written to ${target}`
  await writeTo(terminal.stderr, `${escapeControls(done)}\n`)
}
