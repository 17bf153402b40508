import { CommanderError } from 'commander'
import {
  describeFailure,
  EXIT_BROKEN_PIPE,
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  EXIT_OK,
  EXIT_USAGE,
  FailureWithStatus,
  firstFailure,
  UsageError,
} from './failure.ts'
import { createProgram } from './program.ts'
import type { Terminal } from './terminal.ts'

/** What they print takes a moment to find out. */
const VERSION_OPTIONS: ReadonlySet<string> = new Set(['-V', '--version', '--version-and-path'])

/**
 * Runs one command line.
 *
 * @param words - the words after the name of the program.
 * @returns the exit status: 0, 1 for a failure, 2 for a command line that makes no sense, 130 after
 *   Ctrl-C, 141 when nobody reads the output any more. `ls` and `mv` have some of their own.
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const asksVersion = words.some((word) => VERSION_OPTIONS.has(word))
  try {
    const version = asksVersion ? await (await import('./version.ts')).versionText() : ''
    await createProgram(terminal, version).parseAsync([...words], { from: 'user' })
    return EXIT_OK
  } catch (thrown) {
    const error = firstFailure(thrown)
    if (terminal.signal.aborted) {
      if (isBrokenPipe(terminal.signal.reason)) return EXIT_BROKEN_PIPE
      terminal.stderr.write('lafs: interrupted.\n')
      return EXIT_INTERRUPTED
    }
    // Commander has said what it has to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    if (error instanceof FailureWithStatus) {
      terminal.stderr.write(`${describeFailure(error.cause)}\n`)
      return error.exitStatus
    }
    terminal.stderr.write(`${describeFailure(error)}\n`)
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE
  }
}

function isBrokenPipe(reason: unknown): boolean {
  return reason instanceof Error && 'code' in reason && reason.code === 'EPIPE'
}
