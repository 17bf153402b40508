import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, CommanderError } from 'commander'
import type { DumpCapOptions } from './commands/dump-cap.ts'
import type { DumpShareOptions } from './commands/dump-share.ts'
import {
  blotOutSecrets,
  describeFailure,
  EXIT_BROKEN_PIPE,
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  EXIT_OK,
  EXIT_USAGE,
  UsageError,
} from './failure.ts'
import type { Terminal } from './terminal.ts'

/** The options that stand before the name of a command. */
interface GlobalOptions {
  readonly nodeDirectory?: string
  readonly quiet?: boolean
}

/** What every command gets beside its own arguments. */
export interface CommandContext {
  readonly terminal: Terminal
  /** The absolute path of the node directory. */
  readonly nodeDirectory: string
  readonly quiet: boolean
}

/**
 * Runs one command line.
 *
 * @param words - the words after the name of the program.
 * @returns the exit status: 0, 1 for a failure, 2 for a command line that makes no sense, 130 after
 *   Ctrl-C, 141 when nobody reads the output any more.
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const asksVersion = words.includes('-V') || words.includes('--version')
  try {
    const version = asksVersion ? await (await import('./version.ts')).versionText() : ''
    await createProgram(terminal, version).parseAsync([...words], { from: 'user' })
    return EXIT_OK
  } catch (error) {
    if (terminal.signal.aborted) {
      if (isBrokenPipe(terminal.signal.reason)) return EXIT_BROKEN_PIPE
      terminal.stderr.write('lafs: interrupted.\n')
      return EXIT_INTERRUPTED
    }
    // Commander has said what it has to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    terminal.stderr.write(`${describeFailure(error)}\n`)
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE
  }
}

function isBrokenPipe(reason: unknown): boolean {
  return reason instanceof Error && 'code' in reason && reason.code === 'EPIPE'
}

function createProgram(terminal: Terminal, version: string): Command {
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
    .option('-d, --node-directory <folder>', 'the node directory (default: ~/.tahoe)')
    .option('-q, --quiet', 'say nothing but the outcome')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(blotOutSecrets(text)),
    })
  // Each command is loaded when it is run: no one waits for what another one needs.
  program
    .command('put')
    .description('store a file and print its cap')
    .argument('[file]', 'the file to store; - or nothing: standard input')
    .action(async (file?: string) => {
      const { putCommand } = await import('./commands/put.ts')
      await putCommand(context(), file)
    })
  program
    .command('get')
    .description('get a file back by its cap')
    .argument('<cap>', 'the cap that put printed')
    .argument('[file]', 'where to write it; - or nothing: standard output')
    .action(async (cap: string, file?: string) => {
      const { getCommand } = await import('./commands/get.ts')
      await getCommand(context(), cap, file)
    })
  const debug = program.command('debug').description('look inside caps and shares')
  debug
    .command('dump-cap')
    .description('print what a cap consists of, and the keys that derive from it')
    .argument('<cap>')
    .option('-n, --nodeid <base32>', 'the TubID of a storage server, for the secrets it gets')
    .option('-c, --client-secret <base32>', "the client's base secret, for the secrets it makes")
    .option('-d, --client-dir <folder>', 'a node directory to read the base secret from')
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
    .action(async (file: string, options: DumpShareOptions) => {
      const { dumpShareCommand } = await import('./commands/dump-share.ts')
      await dumpShareCommand(context(), file, options)
    })
  return program
}
