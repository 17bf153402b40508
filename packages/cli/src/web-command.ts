import { readAliases } from './aliases.ts'
import type { Aliases, GridOptions } from './aliases.ts'
import { readCapWord } from './cap-word.ts'
import type { CommandContext } from './command-context.ts'
import type { JsonOption } from './outcome.ts'
import { openWebApi } from './web-api.ts'
import type { ApiContext } from './web-api.ts'

/** The options that every command over the web API has. */
export interface WebOptions extends GridOptions {
  /** The address of a gateway. Default: that of the node directory. */
  readonly nodeUrl?: string
}

/** The same, for a command that prints something. */
export interface PrintOptions extends WebOptions, JsonOption {}

/** What a command over the web API works with. */
export interface WebContext extends CommandContext, ApiContext {
  readonly aliases: Aliases
}

/**
 * Does something with the web API of a gateway and the aliases of the node directory.
 *
 * @param keyPoolSize - RSA keys that a gateway of this process makes ahead: none for what makes one
 *   mutable object at most.
 */
export async function withWebApi<T>(
  context: CommandContext,
  { dirCap, nodeUrl }: WebOptions,
  work: (web: WebContext) => Promise<T>,
  keyPoolSize = 0,
): Promise<T> {
  const { nodeDirectory, terminal } = context
  const cap = dirCap === undefined ? undefined : await readCapWord(terminal, dirCap)
  const aliases = await readAliases(nodeDirectory, cap)
  terminal.signal.throwIfAborted()
  await using api = await openWebApi(nodeDirectory, nodeUrl, keyPoolSize)
  return await work({ ...context, aliases, api, signal: terminal.signal })
}
