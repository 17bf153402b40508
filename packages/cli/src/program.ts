import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import type { ListAliasesOptions } from './commands/aliases.ts'
import type { CheckCommandOptions } from './commands/check.ts'
import type { CorruptShareOptions } from './commands/corrupt-share.ts'
import type { CpOptions } from './commands/cp.ts'
import type { DeepCheckCommandOptions } from './commands/deep-check.ts'
import type { DumpCapOptions } from './commands/dump-cap.ts'
import type { DumpShareOptions } from './commands/dump-share.ts'
import type { LsOptions } from './commands/ls.ts'
import type { ManifestOptions } from './commands/manifest.ts'
import type { MkdirOptions } from './commands/mkdir.ts'
import type { PutOptions } from './commands/put.ts'
import type { RebalanceOptions } from './commands/rebalance.ts'
import type { RenewOptions } from './commands/renew.ts'
import type { StatsOptions } from './commands/stats.ts'
import { blotOutSecrets } from './failure.ts'
import { escapeControls } from './quote.ts'
import type { CommandContext } from './command-context.ts'
import type { JsonOption } from './outcome.ts'
import { addNodeCommands } from './create-run-commands.ts'
import {
  addAdminKeyCommands,
  addBackupCommand,
  addGridManagerCommand,
  addLookingCommands,
} from './node-commands.ts'
import type { Terminal } from './terminal.ts'
import type { PrintOptions, WebOptions } from './web-command.ts'

/** The options that stand before the name of a command. */
interface GlobalOptions {
  readonly nodeDirectory?: string
  readonly quiet?: boolean
}

type ContextMaker = () => CommandContext

// Each command is loaded when it is run: no one waits for what another one needs.

/** All commands, with their arguments and options. */
export function createProgram(terminal: Terminal, version: string): Command {
  const program = new Command('lafs')
  const context = (): CommandContext => {
    const options = program.opts<GlobalOptions>()
    return {
      terminal,
      nodeDirectory: resolve(terminal.cwd, options.nodeDirectory ?? join(homedir(), '.tahoe')),
      quiet: options.quiet === true,
    }
  }
  program
    .description('Store files in a Tahoe-LAFS grid and get them back.')
    .version(version, '-V, --version', 'print the version and what is in use')
    .addOption(
      new Option('-d, --node-directory <folder>', 'the node directory (default: ~/.tahoe)').env(
        'LAFS_NODE_DIRECTORY',
      ),
    )
    .option('-q, --quiet', 'say nothing but the outcome')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      // Files may have names such as options have.
      writeErr: (text) =>
        terminal.stderr.write(blotOutSecrets(text).replaceAll(/[^\n]+/g, escapeControls)),
    })
  addUpstreamOptions(program, terminal, version)
  addNodeCommands(program, context)
  addAliasCommands(program, context)
  addFileCommands(program, context)
  addDirectoryCommands(program, context)
  addLinkCommands(program, context)
  addTreeCommands(program, context)
  addCareCommands(program, context)
  const command = (name: string, description: string): Command =>
    webCommand(program, name, description)
  addBackupCommand(command, context)
  addLookingCommands(program, command, context)
  addGridManagerCommand(program, context)
  addAdminCommands(program, context)
  addDebugCommands(program, context)
  return program
}

/** Upstream's other options before the name of a command: scripts may have them. */
function addUpstreamOptions(program: Command, terminal: Terminal, version: string): void {
  program.option('--version-and-path', 'the same, and where it is installed')
  for (const flags of [
    '--eliot-destination <destination>',
    '--wormhole-server <url>',
    '--wormhole-invite-appid <id>',
  ]) {
    program.addOption(new Option(flags).hideHelp())
  }
  program.on('option:version-and-path', () => {
    terminal.stdout.write(`${version}\npath: ${dirname(import.meta.dirname)}\n`)
    throw new CommanderError(0, 'commander.version', version)
  })
  program.on('option:eliot-destination', () => {
    terminal.stderr.write('lafs: --eliot-destination changes nothing: there is no Eliot log.\n')
  })
}

/** A command with paths on the grid among its arguments. */
function gridCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '--dir-cap <cap>',
      "the directory that the alias 'tahoe' stands for; -: from standard input",
    )
}

/** A command with paths on the grid that goes over the web API of a gateway. */
function webCommand(program: Command, name: string, description: string): Command {
  return gridCommand(program, name, description).option(
    '-u, --node-url <url>',
    'the gateway to use (default: that of the node directory)',
  )
}

function addAliasCommands(program: Command, context: ContextMaker): void {
  webCommand(program, 'create-alias', 'make a directory, and an alias for it')
    .argument('<alias>')
    .option('--json', 'what came of it as JSON')
    .action(async (alias: string, options: PrintOptions) => {
      const { createAliasCommand } = await import('./commands/create-alias.ts')
      await createAliasCommand(context(), alias, options)
    })
  webCommand(program, 'add-alias', 'make an alias for a directory that exists')
    .argument('<alias>')
    .argument('<dircap>', 'its cap; -: from standard input, where nobody else sees it')
    .option('--json', 'what came of it as JSON')
    .action(async (alias: string, cap: string, options: PrintOptions) => {
      const { addAliasCommand } = await import('./commands/aliases.ts')
      await addAliasCommand(context(), alias, cap, options)
    })
  webCommand(program, 'list-aliases', 'list the aliases and their caps')
    .option('--readonly-uri', 'caps that only read')
    .option('--json', 'all of it as JSON')
    .action(async (options: ListAliasesOptions) => {
      const { listAliasesCommand } = await import('./commands/aliases.ts')
      await listAliasesCommand(context(), options)
    })
}

function addFileCommands(program: Command, context: ContextMaker): void {
  webCommand(program, 'put', 'store a file and print its cap')
    .argument('[file]', 'the file to store; - or nothing: standard input')
    .argument('[target]', 'where to put it: ALIAS:PATH, DIRCAP/PATH or the cap of a mutable file')
    .option('-m, --mutable', 'make a file that can be changed, as --format=SDMF')
    .option('--format <format>', 'CHK, which cannot be changed, or SDMF or MDMF, which can')
    .option(
      '--private-key-path <file>',
      'a private key (PEM) for the mutable file; never use one for two files',
    )
    .option('--streaming', 'send what comes as it comes, with a random key and no copy of it')
    .option('--json', 'what came of it as JSON')
    .action(async (file: string | undefined, target: string | undefined, options: PutOptions) => {
      const { putCommand } = await import('./commands/put.ts')
      await putCommand(context(), file, target, options)
    })
  webCommand(program, 'get', 'get a file back')
    .argument('<source>', 'ALIAS:PATH, DIRCAP/PATH or a cap; -: a cap from standard input')
    .argument('[file]', 'where to write it; - or nothing: standard output')
    .action(async (source: string, file: string | undefined, options: WebOptions) => {
      const { getCommand } = await import('./commands/get.ts')
      await getCommand(context(), source, file, options)
    })
  webCommand(program, 'cp', 'copy files and directories, to, from and within the grid')
    .argument('<from>', 'a local path, ALIAS:PATH, DIRCAP/PATH or a cap')
    .argument('<to...>', 'more of these; the last one is the target')
    .option('-r, --recursive', 'copy directories with all that is in them')
    .option('-v, --verbose', 'tell of each step')
    .option('--caps-only', 'write caps into the local files, not what they name')
    .option('--json', 'what came of it as JSON')
    .action(async (from: string, to: string[], options: CpOptions) => {
      const { cpCommand } = await import('./commands/cp.ts')
      await cpCommand(context(), [from, ...to], options)
    })
}

function addDirectoryCommands(program: Command, context: ContextMaker): void {
  webCommand(program, 'mkdir', 'make a directory and print its cap')
    .argument('[where]', 'ALIAS:PATH or DIRCAP/PATH; nothing: in no directory')
    .option('--format <format>', 'SDMF or MDMF')
    .option('--json', 'what came of it as JSON')
    .action(async (where: string | undefined, options: MkdirOptions) => {
      const { mkdirCommand } = await import('./commands/mkdir.ts')
      await mkdirCommand(context(), where, options)
    })
  webCommand(program, 'ls', 'list a directory')
    .argument('[where]', "ALIAS:PATH, DIRCAP/PATH or a cap; nothing: the alias 'tahoe'", '')
    .option('-l, --long', 'with kinds, sizes and times')
    .option('--uri', 'with caps')
    .option('--readonly-uri', 'with caps that only read')
    .option('-F, --classify', "a '/' after directories, a '*' after what can be changed")
    .option('--json', 'all of it as JSON')
    .action(async (where: string, options: LsOptions) => {
      const { lsCommand } = await import('./commands/ls.ts')
      await lsCommand(context(), where, options)
    })
}

function addLinkCommands(program: Command, context: ContextMaker): void {
  webCommand(program, 'mv', 'move an entry to another place on the grid')
    .argument('<from>')
    .argument('<to>', 'with a slash at the end: into that directory')
    .option('--json', 'what came of it as JSON')
    .action(async (from: string, to: string, options: PrintOptions) => {
      const { mvCommand } = await import('./commands/mv.ts')
      await mvCommand(context(), from, to, options)
    })
  webCommand(program, 'ln', 'make another entry for what an entry leads to')
    .argument('<from>')
    .argument('<to>', 'with a slash at the end: into that directory')
    .option('--json', 'what came of it as JSON')
    .action(async (from: string, to: string, options: PrintOptions) => {
      const { lnCommand } = await import('./commands/mv.ts')
      await lnCommand(context(), from, to, options)
    })
  webCommand(program, 'unlink', 'remove an entry of a directory')
    .argument('<where>')
    .option('--json', 'what came of it as JSON')
    .action(async (where: string, options: PrintOptions) => {
      const { unlinkCommand } = await import('./commands/unlink.ts')
      await unlinkCommand(context(), where, options)
    })
}

function addTreeCommands(program: Command, context: ContextMaker): void {
  webCommand(program, 'manifest', 'list everything that can be reached from a directory')
    .argument('[where]', "ALIAS:PATH, DIRCAP/PATH or a cap; nothing: the alias 'tahoe'", '')
    .option('-s, --storage-index', 'storage indexes alone')
    .option('--verify-cap', 'verify caps alone')
    .option('--repair-cap', 'repair caps alone')
    .option('-r, --raw', 'all of it as lines of JSON')
    .option('--json', 'the same')
    .action(async (where: string, options: ManifestOptions) => {
      const { manifestCommand } = await import('./commands/manifest.ts')
      await manifestCommand(context(), where, options)
    })
  webCommand(program, 'stats', 'sum up everything that can be reached from a directory')
    .argument('[where]', "ALIAS:PATH, DIRCAP/PATH or a cap; nothing: the alias 'tahoe'", '')
    .option('-r, --raw', 'as JSON')
    .option('--json', 'the same')
    .action(async (where: string, options: StatsOptions) => {
      const { statsCommand } = await import('./commands/stats.ts')
      await statsCommand(context(), where, options)
    })
}

/** What `check` and `deep-check` have in common. */
function healthCommand(program: Command, name: string, description: string): Command {
  return webCommand(program, name, description)
    .argument('[where...]', "ALIAS:PATH, DIRCAP/PATH or caps; nothing: the alias 'tahoe'")
    .option('--verify', 'read every share and check every hash, not only ask who has shares')
    .option('--repair', 'make what is missing or bad anew')
    .option('--add-lease', 'add a lease to every share, or renew it')
    .option('--raw', 'the results as JSON')
    .option('--json', 'the same')
}

function addCareCommands(program: Command, context: ContextMaker): void {
  healthCommand(program, 'check', 'look whether files and directories are healthy').action(
    async (where: string[], options: CheckCommandOptions) => {
      const { checkCommand } = await import('./commands/check.ts')
      await checkCommand(context(), where, options)
    },
  )
  healthCommand(
    program,
    'deep-check',
    'the same of everything that can be reached from directories',
  )
    .option('-v, --verbose', 'a line about each object')
    .action(async (where: string[], options: DeepCheckCommandOptions) => {
      const { deepCheckCommand } = await import('./commands/deep-check.ts')
      await deepCheckCommand(context(), where, options)
    })
  gridCommand(program, 'renew', 'renew the leases of all that can be reached from a directory')
    .argument('[where]', "ALIAS:PATH, DIRCAP/PATH or a cap; nothing: the alias 'tahoe'", '')
    .option('--resume', 'go on where the last renewal of this directory was interrupted')
    .option('--json', 'what came of it as JSON')
    .action(async (where: string, options: RenewOptions) => {
      const { renewCommand } = await import('./commands/renew.ts')
      await renewCommand(context(), where, options)
    })
  gridCommand(program, 'rebalance', 'move shares to where files survive the loss of more servers')
    .argument('[where...]', "ALIAS:PATH, DIRCAP/PATH or caps; nothing: the alias 'tahoe'")
    .option('--dry-run', 'show what would move and why, and move nothing')
    .option('-r, --recursive', 'everything that can be reached from the directories, too')
    .option('--json', 'as lines of JSON')
    .action(async (where: string[], options: RebalanceOptions) => {
      const { rebalanceCommand } = await import('./commands/rebalance.ts')
      await rebalanceCommand(context(), where, options)
    })
}

function addAdminCommands(program: Command, context: ContextMaker): void {
  const admin = program
    .command('admin')
    .description(
      'look at what a storage server keeps, while it runs or not, and manage its keys and certificates',
    )
  addAdminKeyCommands(admin, context)
  const command = (name: string, description: string): Command =>
    admin
      .command(name)
      .description(description)
      .argument('[folder]', "the server's node directory or storage folder; nothing: that of -d")
      .option('--json', 'as JSON')
  command('counts', 'how many shares there are, how large, and how much room is left').action(
    async (folder: string | undefined, options: JsonOption) => {
      const { adminCountsCommand } = await import('./commands/admin-counts.ts')
      await adminCountsCommand(context(), folder, options)
    },
  )
  command('leases', 'how old the leases are, and what has none left').action(
    async (folder: string | undefined, options: JsonOption) => {
      const { adminLeasesCommand } = await import('./commands/admin-leases.ts')
      await adminLeasesCommand(context(), folder, options)
    },
  )
  command('expiring', 'what would be deleted now by the settings in tahoe.cfg, and why').action(
    async (folder: string | undefined, options: JsonOption) => {
      const { adminExpiringCommand } = await import('./commands/admin-expiring.ts')
      await adminExpiringCommand(context(), folder, options)
    },
  )
  command('advisories', 'what clients have told of bad shares').action(
    async (folder: string | undefined, options: JsonOption) => {
      const { adminAdvisoriesCommand } = await import('./commands/admin-advisories.ts')
      await adminAdvisoriesCommand(context(), folder, options)
    },
  )
}

function addDebugCommands(program: Command, context: ContextMaker): void {
  const debug = program.command('debug').description('look inside caps and shares')
  debug
    .command('dump-cap')
    .description('print what a cap consists of, and the keys that derive from it')
    .argument('<cap>', '-: from standard input, where nobody else sees it')
    .option('-n, --nodeid <base32>', 'the TubID of a storage server, for the secrets it gets')
    .option('-c, --client-secret <base32>', "the client's base secret, for the secrets it makes")
    .option('-d, --client-dir <folder>', 'a node directory to read the base secret from')
    .option('--json', 'all of it as JSON')
    .action(async (cap: string, options: DumpCapOptions) => {
      const { dumpCapCommand } = await import('./commands/dump-cap.ts')
      await dumpCapCommand(context(), cap, options)
    })
  debug
    .command('dump-share')
    .description('print what is in the file of a share')
    .argument('<file>')
    .option('--offsets', 'where each section begins, too')
    .option('--leases-only', 'the leases and nothing else')
    .option('--json', 'all of it as JSON')
    .action(async (file: string, options: DumpShareOptions) => {
      const { dumpShareCommand } = await import('./commands/dump-share.ts')
      await dumpShareCommand(context(), file, options)
    })
  debug
    .command('find-shares')
    .description('print the files of the shares of a storage index in node directories')
    .argument('<storage-index>')
    .argument('[folders...]', 'node directories of storage servers')
    .option('--json', 'all of it as JSON')
    .action(async (storageIndex: string, folders: string[], options: JsonOption) => {
      const { findSharesCommand } = await import('./commands/find-shares.ts')
      await findSharesCommand(context(), storageIndex, folders, options)
    })
  debug
    .command('catalog-shares')
    .description('print a line about each share in node directories')
    .argument('<folders...>', 'node directories of storage servers')
    .option('--json', 'as lines of JSON')
    .action(async (folders: string[], options: JsonOption) => {
      const { catalogSharesCommand } = await import('./commands/catalog-shares.ts')
      await catalogSharesCommand(context(), folders, options)
    })
  debug
    .command('corrupt-share')
    .description('flip a bit of the blocks of a share, to see what comes of it')
    .argument('<file>')
    .option('-o, --offset <which>', 'which bit; only block-random is known', 'block-random')
    .option('--json', 'what came of it as JSON')
    .action(async (file: string, options: CorruptShareOptions) => {
      const { corruptShareCommand } = await import('./commands/corrupt-share.ts')
      await corruptShareCommand(context(), file, options)
    })
}
