import { createClientFromDirectory } from '@lafs/node-directory'
import { readAliases } from './aliases.ts'
import type { Aliases, GridOptions } from './aliases.ts'
import { readCapWord } from './cap-word.ts'
import type { LookupContext } from './grid-path.ts'
import type { CommandContext } from './command-context.ts'

/** What a command with paths on the grid works with. */
export interface GridContext extends CommandContext, LookupContext {
  readonly aliases: Aliases
}

/** Does something with a client of the node directory and its aliases, and closes the client. */
export async function withGrid<T>(
  context: CommandContext,
  { dirCap }: GridOptions,
  work: (grid: GridContext) => Promise<T>,
): Promise<T> {
  const cap = dirCap === undefined ? undefined : await readCapWord(context.terminal, dirCap)
  const aliases = await readAliases(context.nodeDirectory, cap)
  await using client = await createClientFromDirectory(context.nodeDirectory, { keyPoolSize: 0 })
  return await work({ ...context, aliases, client, signal: context.terminal.signal })
}
