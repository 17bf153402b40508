import type { Command } from 'commander'
import { completionScript, SHELLS } from '../completion.ts'
import { UsageError } from '../failure.ts'
import type { CommandContext } from '../command-context.ts'
import { gridManagerProgram } from './grid-manager.ts'
import { writeTo } from '../terminal.ts'

/** Prints a script that teaches a shell the commands and options of a program. */
export async function completionCommand(
  { terminal }: CommandContext,
  program: Command,
  word: string,
): Promise<void> {
  const shell = SHELLS.find((name) => name === word)
  if (shell === undefined) throw new UsageError(`expected one of ${SHELLS.join(', ')}`)
  const whole = [gridManagerProgram(program, terminal)]
  await writeTo(terminal.stdout, completionScript(program, shell, whole))
}
