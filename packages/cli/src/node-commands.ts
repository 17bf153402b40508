import type { Command } from 'commander'
import type { CommandContext } from './command-context.ts'
import type { BackupOptions } from './commands/backup.ts'

/** Adds `backup`. */
export function addBackupCommand(
  make: (name: string, description: string) => Command,
  context: () => CommandContext,
): void {
  const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value]
  make('backup', 'back up a local folder to a directory on the grid')
    .argument('<from>', 'a local folder')
    .argument('<to>', 'ALIAS:PATH or DIRCAP/PATH')
    .option('-v, --verbose', 'tell of each step')
    .option('--ignore-timestamps', 'read every file, whatever its times say')
    .option('--exclude <pattern>', 'pass over what fits the pattern', collect, [])
    .option('--exclude-from-utf-8 <file>', 'pass over what fits a line of a file', collect, [])
    .option('--exclude-vcs', 'pass over what version control systems keep')
    .option('--json', 'what came of it as JSON')
    .action(async (from: string, to: string, options: BackupOptions) => {
      const { backupCommand } = await import('./commands/backup.ts')
      await backupCommand(context(), from, to, options)
    })
}
