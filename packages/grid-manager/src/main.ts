import { readFile } from 'node:fs/promises'
import { CommanderError } from 'commander'
import { gridManagerCommand } from './command.ts'
import type { GridManagerTerminal } from './command.ts'

/** Runs the command line of this process and ends it with upstream's statuses: 0, 1, or 2 for bad usage. */
export async function main(): Promise<void> {
  const { stdin, stdout, stderr } = process
  const terminal: GridManagerTerminal = { stdin, stdout, cwd: process.cwd(), now: Date.now }
  try {
    const manifest = await readFile(new URL('../package.json', import.meta.url), 'utf8')
    const { version } = JSON.parse(manifest) as { version: string }
    const command = gridManagerCommand(terminal)
    command.version(`grid-manager: ${version}`, '-V, --version').exitOverride()
    for (const subcommand of command.commands) subcommand.exitOverride()
    await command.parseAsync(process.argv.slice(2), { from: 'user' })
  } catch (error) {
    // Commander has said what it has to say.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
    else {
      stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = 1
    }
  }
}
