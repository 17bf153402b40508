import { addAlias, newAliasName } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { quoteOutput } from '../quote.ts'
import { askCap } from '../web-api.ts'
import { writeOutcome } from '../outcome.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions } from '../web-command.ts'

/** Makes a directory and an alias for it. @see allmydata.scripts.tahoe_add_alias.create_alias */
export async function createAliasCommand(
  context: CommandContext,
  word: string,
  options: PrintOptions,
): Promise<void> {
  const name = await newAliasName(context.nodeDirectory, word)
  const cap = await withWebApi(context, options, ({ api, signal }) =>
    askCap(api, 'POST', '/uri?t=mkdir', { signal }),
  )
  await addAlias(context.nodeDirectory, name, cap)
  await writeOutcome(context, options, `Alias ${quoteOutput(name)} created`, { alias: name, cap })
}
