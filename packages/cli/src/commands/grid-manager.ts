import type { Command } from 'commander'
import { gridManagerCommand } from '@lafs/grid-manager'
import type { Terminal } from '../terminal.ts'

/** The command of `@lafs/grid-manager`, to be run from within a program. */
export function gridManagerProgram(program: Command, terminal: Terminal): Command {
  const command = gridManagerCommand(terminal)
  for (const one of [command, ...command.commands]) one.copyInheritedSettings(program)
  return command
}
