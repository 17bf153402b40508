import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import type { CommandContext } from './command-context.ts'
import type { CreateNodeOptions } from './commands/create-node.ts'
import type { RunOptions } from './commands/run.ts'
import type { JsonOption } from './outcome.ts'
import { UsageError } from './failure.ts'
import { tuneProcess } from './tune-process.ts'

/** The ways to name a node directory, of which one at a time may be used. */
interface FolderOptions {
  readonly basedir?: string
}

/** Adds the commands that make and run nodes. */
export function addNodeCommands(program: Command, context: () => CommandContext): void {
  /** The context of a command that names its node directory in its own way. */
  const contextAt = (folder: string | undefined, { basedir }: FolderOptions): CommandContext => {
    const global =
      program.getOptionValueSource('nodeDirectory') === 'cli'
        ? (program.opts<{ nodeDirectory?: string }>().nodeDirectory ?? '')
        : undefined
    const named = [global, basedir, folder].filter((name) => name !== undefined)
    if (named.length > 1) {
      throw new UsageError('Name the node directory once: with -d, with -C, or as an argument.')
    }
    const defaults = context()
    const [name] = named
    return name === undefined
      ? defaults
      : { ...defaults, nodeDirectory: resolve(defaults.terminal.cwd, name) }
  }
  addCreateCommands(program, contextAt)
  addServerCommand(program, context)
  program
    .command('run')
    .description('run the node of a node directory, until it is told to end')
    .argument('[folder]', 'the node directory (default: ~/.tahoe)')
    .argument('[twistd-options...]', 'passed over')
    .passThroughOptions()
    .option('-C, --basedir <folder>', 'the node directory')
    .option('--allow-stdin-close', 'go on when standard input is closed')
    .action(
      async (
        folder: string | undefined,
        rest: readonly string[],
        options: RunOptions & FolderOptions,
      ) => {
        // First, as what is loaded makes the most garbage.
        tuneProcess()
        const { runCommand } = await import('./commands/run.ts')
        await runCommand(contextAt(folder, options), rest, options)
      },
    )
}

function addServerCommand(program: Command, context: () => CommandContext): void {
  program
    .command('add-server')
    .description('make storage servers known to the node directory')
    .argument('[file]', "a server's private/announcement.yaml; - or nothing: standard input")
    .option('--json', 'what came of it as JSON')
    .action(async (file: string | undefined, options: JsonOption) => {
      const { addServerCommand: addServer } = await import('./commands/add-server.ts')
      await addServer(context(), file, options)
    })
}

function addCreateCommands(
  program: Command,
  contextAt: (folder: string | undefined, options: FolderOptions) => CommandContext,
): void {
  withCommonOptions(program.command('create-client'))
    .description('make a node directory for a client, which stores at others')
    .action(async (folder: string | undefined, options: CreateNodeOptions & FolderOptions) => {
      const { createNodeCommand } = await import('./commands/create-node.ts')
      await createNodeCommand(contextAt(folder, options), {
        ...options,
        storage: false,
        listen: 'none',
      })
    })
  withCommonOptions(program.command('create-node'))
    .description('make a node directory for a client and storage server')
    .option('--storage-dir <folder>', 'where the shares of others go')
    .option('--no-storage', 'offer no storage')
    .option('--hostname <name>', 'the name or address that clients reach the server by')
    .option('--port <endpoint>', 'where to listen, such as tcp:12345:interface=192.0.2.7')
    .option('--location <hint>', 'where clients reach it, such as tcp:example.org:12345')
    .option('--listen <kinds>', 'tcp or none', 'tcp')
    .option('--helper', 'ask for a helper service, which upstream runs and this does not yet')
    .addOption(missing('--tor-launch'))
    .addOption(missing('--tor-executable <file>'))
    .addOption(missing('--tor-control-port <endpoint>'))
    .addOption(missing('--i2p-launch'))
    .addOption(missing('--i2p-executable <file>'))
    .addOption(missing('--i2p-sam-port <endpoint>'))
    .action(async (folder: string | undefined, options: CreateNodeOptions & FolderOptions) => {
      const { createNodeCommand } = await import('./commands/create-node.ts')
      await createNodeCommand(contextAt(folder, options), options)
    })
}

function withCommonOptions(command: Command): Command {
  return command
    .argument('[folder]', 'the node directory to make (default: ~/.tahoe)')
    .option('-C, --basedir <folder>', 'the node directory to make')
    .option('-n, --nickname <name>', 'what the node is called')
    .option('-i, --introducer <furl>', 'the introducer of the grid')
    .option(
      '-p, --webport <endpoint>',
      'where the web API listens; none: nowhere',
      'tcp:3456:interface=127.0.0.1',
    )
    .option('--shares-needed <count>', 'how many shares bring a file back', '3')
    .option('--shares-happy <count>', 'on how many servers they are to be at least', '7')
    .option('--shares-total <count>', 'how many shares there are', '10')
    .option('--json', 'what came of it as JSON')
    .addOption(missing('--join <code>'))
    .addOption(missing('--hide-ip'))
}

/** An option of upstream's that is answered with what it needs. */
function missing(flags: string): Option {
  return new Option(flags).hideHelp()
}
