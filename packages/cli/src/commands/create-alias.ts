import { addAlias, newAliasName } from '../aliases.ts'
import { withGrid } from '../grid-command.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'

/** Makes a directory and an alias for it. @see allmydata.scripts.tahoe_add_alias.create_alias */
export async function createAliasCommand(context: CommandContext, word: string): Promise<void> {
  const name = await newAliasName(context.nodeDirectory, word)
  await withGrid(context, {}, async ({ client, signal }) => {
    const { uri } = await client.createDirnode(undefined, { signal })
    await addAlias(context.nodeDirectory, name, uri)
  })
  await writeTo(context.terminal.stdout, `Alias ${quoteOutput(name)} created\n`)
}
