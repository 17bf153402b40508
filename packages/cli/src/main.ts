import { setMaxListeners } from 'node:events'
import { blotOutSecrets } from './failure.ts'
import { run } from './run.ts'

/** Runs the command line of this process and ends it with the right status. */
export async function main(): Promise<void> {
  hideSecrets(process.argv.slice(2))
  const interrupt = new AbortController()
  const stop = (): void => {
    // The second time there is no waiting.
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    interrupt.abort(new DOMException('interrupted', 'AbortError'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // A reader such as head that has seen enough is no failure of ours to report.
  const unread = new AbortController()
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') unread.abort(error)
  })
  const signal = AbortSignal.any([interrupt.signal, unread.signal])
  // Everything that goes on at a time hears of it, however much that is.
  setMaxListeners(0, signal, interrupt.signal)
  const status = await run(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    cwd: process.cwd(),
    now: Date.now,
    signal,
    interruption: interrupt.signal,
  })
  process.exitCode = status
  // What was interrupted may hold on to connections for a while.
  if (signal.aborted) process.exit()
}

/** Everybody on the machine sees the words of a command line while it runs: those that are caps go. */
function hideSecrets(words: readonly string[]): void {
  const line = ['lafs', ...words].join(' ')
  const shown = blotOutSecrets(line)
  if (shown !== line) process.title = shown
}
