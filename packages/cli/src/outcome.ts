import type { CommandContext } from './command-context.ts'
import { kebabJson } from './kebab-json.ts'
import { writeTo } from './terminal.ts'

/** The option of every command that prints something. */
export interface JsonOption {
  /** Print it as JSON. */
  readonly json?: boolean
}

/** Prints what has come of a command. @param facts - the same as JSON, where that is asked for. */
export async function writeOutcome(
  { terminal }: Pick<CommandContext, 'terminal'>,
  { json }: JsonOption,
  text: string,
  facts: object,
): Promise<void> {
  await writeTo(terminal.stdout, `${json === true ? kebabJson(facts) : text}\n`)
}
