import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Argument, Command as NewCommand } from 'commander'
import type { GridManagerCertificateOptions } from './commands/admin-grid-manager.ts'
import type { BackupOptions } from './commands/backup.ts'
import type { StatusOptions } from './commands/status.ts'
import type { WebopenOptions } from './commands/webopen.ts'
import type { CommandContext } from './command-context.ts'
import type { JsonOption } from './outcome.ts'

type ContextMaker = () => CommandContext
/** Begins a command with paths on the grid. */
type WebCommandMaker = (name: string, description: string) => Command

/** Words of an option that may be given again. */
function gather(word: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, word]
}

/** Adds `backup`. */
export function addBackupCommand(command: WebCommandMaker, context: ContextMaker): void {
  command('backup', 'store a folder beside its earlier versions, and only what has changed')
    .argument('<from>', 'a local folder')
    .argument('<to>', 'ALIAS:PATH or DIRCAP/PATH: in Archives/<time> there, and as Latest')
    .option('-v, --verbose', 'tell of each file')
    .option('--ignore-timestamps', 'read every file, even where time and size are as before')
    .option('--exclude <pattern>', 'leave out what has such a name; may be given again', gather)
    .option('--exclude-from-utf-8 <file>', 'the same, by the lines of a file', gather)
    .option('--exclude-vcs', 'leave out what version control keeps, such as .git')
    .option('--json', 'what came of it as JSON')
    .action(async (from: string, to: string, options: BackupOptions) => {
      const { backupCommand } = await import('./commands/backup.ts')
      await backupCommand(context(), from, to, options)
    })
}

/** Adds `status`, `webopen` and `completion`. */
export function addLookingCommands(
  program: Command,
  command: WebCommandMaker,
  context: ContextMaker,
): void {
  program
    .command('status')
    .description('show what the running node does and has done')
    .option('-v, --verbose', 'with what was done to mutable files and directories')
    .option('--json', 'all of it as JSON')
    .action(async (options: StatusOptions) => {
      const { statusCommand } = await import('./commands/status.ts')
      await statusCommand(context(), options)
    })
  command('webopen', 'show a file or a directory in a web browser')
    .argument('[where]', 'ALIAS:PATH, DIRCAP/PATH or a cap; nothing: the welcome page', '')
    .option('-i, --info', 'the page about it, not itself')
    .option('--json', 'what came of it as JSON')
    .action(async (where: string, options: WebopenOptions) => {
      const { webopenCommand } = await import('./commands/webopen.ts')
      await webopenCommand(context(), where, options)
    })
  program
    .command('completion')
    .description('print a script that teaches a shell the commands and options')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: string) => {
      const { completionCommand } = await import('./commands/completion.ts')
      await completionCommand(context(), program, shell)
    })
}

/** Adds `grid-manager`, whose own commands are loaded when they are needed. */
export function addGridManagerCommand(program: Command, context: ContextMaker): void {
  program.addCommand(
    new NewCommand('grid-manager')
      .description('vouch for the storage servers of a grid')
      .argument('[words...]')
      .allowUnknownOption()
      .passThroughOptions()
      .copyInheritedSettings(program)
      .helpOption(false)
      .action(async (words: string[]) => {
        const { gridManagerProgram } = await import('./commands/grid-manager.ts')
        await gridManagerProgram(program, context().terminal).parseAsync(words, { from: 'user' })
      }),
  )
}

/** Adds the commands of `admin` that make keys and change node directories. */
export function addAdminKeyCommands(admin: Command, context: ContextMaker): void {
  admin
    .command('generate-keypair')
    .description('make a key pair and print it')
    .option('--json', 'as JSON')
    .action(async (options: JsonOption) => {
      const { generateKeypairCommand } = await import('./commands/admin-keys.ts')
      await generateKeypairCommand(context(), options)
    })
  admin
    .command('derive-pubkey')
    .description('print the public key that goes with a private one')
    .argument('<private-key>', 'priv-v0-…; -: from standard input, where nobody else sees it')
    .option('--json', 'as JSON')
    .action(async (key: string, options: JsonOption) => {
      const { derivePubkeyCommand } = await import('./commands/admin-keys.ts')
      await derivePubkeyCommand(context(), key, options)
    })
  admin
    .command('migrate-crawler')
    .description('make JSON of what the crawlers of an old storage server kept as pickles')
    .option('-C, --basedir <folder>', 'the node directory')
    .option('--json', 'what came of it as JSON')
    .action(async (options: JsonOption & { readonly basedir?: string }) => {
      const { migrateCrawlerCommand } = await import('./commands/admin-migrate-crawler.ts')
      const defaults = context()
      const nodeDirectory = resolve(
        defaults.terminal.cwd,
        options.basedir ?? defaults.nodeDirectory,
      )
      await migrateCrawlerCommand({ ...defaults, nodeDirectory }, options)
    })
  admin
    .command('add-grid-manager-cert')
    .description('give a storage server a certificate of a grid manager')
    .requiredOption('-f, --filename <file>', 'the certificate; -: from standard input')
    .requiredOption('-n, --name <name>', 'what to call it')
    .option('--json', 'what came of it as JSON')
    .action(async (options: GridManagerCertificateOptions) => {
      const { addGridManagerCertificateCommand } = await import('./commands/admin-grid-manager.ts')
      await addGridManagerCertificateCommand(context(), options)
    })
}
