import type { CommandContext } from './command-context.ts'
import { kebabJson } from './kebab-json.ts'
import { writeLine } from './terminal.ts'

/** The option of every command that prints something. */
export interface JsonOption {
  /** Print it as JSON. */
  readonly json?: boolean
}

/** Prints what has come of a command. @param text - lines, which may hold names that somebody else chose. @param facts - the same as JSON, where that is asked for. */
export async function writeOutcome(
  { terminal }: Pick<CommandContext, 'terminal'>,
  { json }: JsonOption,
  text: string,
  facts: object,
): Promise<void> {
  const lines = json === true ? [kebabJson(facts)] : text.split('\n')
  for (const line of lines) await writeLine(terminal.stdout, line)
}
