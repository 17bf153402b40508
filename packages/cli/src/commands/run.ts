import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startNode } from '@lafs/node'
import { NodeDirectoryError } from '@lafs/node-directory'
import type { CommandContext } from '../command-context.ts'
import { describeFailure } from '../failure.ts'
import { nodeLog } from '../node-log.ts'
import { quoteOutput } from '../quote.ts'
import { writeLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { tuneForStorage } from '../tune-process.ts'

/** The options of `run`. */
export interface RunOptions {
  readonly allowStdinClose?: boolean
}

/** A node with a file `exit_trigger` ends when nobody has touched it for so long. */
const EXIT_TRIGGER_AGE_MS = 120_000
const EXIT_TRIGGER_POLL_MS = 1000

/**
 * Runs a node until SIGINT or SIGTERM, or until its standard input is closed. Programs that start nodes wait
 * for the line with `client running`.
 *
 * @param rest - options of twistd, which has no part in this.
 * @see allmydata.scripts.tahoe_run.run
 */
export async function runCommand(
  { terminal, nodeDirectory }: CommandContext,
  rest: readonly string[],
  options: RunOptions,
): Promise<void> {
  const quoted = quoteOutput(nodeDirectory)
  await writeLine(terminal.stdout, `'lafs run' in ${quoted}`)
  await checkIsClient(nodeDirectory)
  const log = nodeLog(terminal)
  const ignored = rest.filter((word) => word !== '--allow-stdin-close')
  if (ignored.length > 0) log(`passed over, as there is no twistd here: ${ignored.join(' ')}`)
  await writeLine(terminal.stdout, `running node in ${quoted}`)
  const onFault = (reason: unknown): void => log(describeFailure(reason))
  process.on('unhandledRejection', onFault)
  // Whoever started it reads until it runs, and may read no further.
  const goOn = (): void => undefined
  for (const stream of [terminal.stdout, terminal.stderr]) stream.on('error', goOn)
  try {
    const allowedHosts = process.env['LAFS_ALLOWED_HOSTS']?.split(',').map((name) => name.trim())
    const node = await startNode(nodeDirectory, { log, ...(allowedHosts && { allowedHosts }) })
    if (node.server !== undefined) tuneForStorage()
    try {
      log('client running')
      const staysUp = options.allowStdinClose === true || rest.length > ignored.length
      log(`${await endReason(terminal, nodeDirectory, staysUp)}: shutting down`)
    } finally {
      await node.close()
    }
    log('client ended')
  } finally {
    process.off('unhandledRejection', onFault)
    for (const stream of [terminal.stdout, terminal.stderr]) stream.off('error', goOn)
  }
}

/** Says so where there is no node directory, or one of another kind. */
async function checkIsClient(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => undefined)
  const has = (pattern: RegExp): boolean => names?.some((name) => pattern.test(name)) ?? false
  if (has(/^tahoe\.cfg$/) || has(/client.*\.tac$/)) return
  if (has(/introducer.*\.tac$/)) {
    throw new NodeDirectoryError(
      'NODEDIR_UNAVAILABLE',
      `${quoteOutput(folder)} is an introducer: introducers are not run here yet`,
    )
  }
  const state =
    names === undefined
      ? 'does not look like a directory at all'
      : 'is not a recognizable node directory'
  throw new NodeDirectoryError('NODEDIR_ABSENT', `${quoteOutput(folder)} ${state}`)
}

/** Waits for what ends a node. @returns what it was. */
async function endReason(terminal: Terminal, folder: string, staysUp: boolean): Promise<string> {
  const over = new AbortController()
  const reasons: Promise<string>[] = [
    interrupted(terminal.interruption ?? terminal.signal, over.signal),
  ]
  if (!staysUp) reasons.push(stdinClosed(terminal, over.signal))
  if ((await exitTriggerTime(folder)) !== undefined) {
    reasons.push(exitTriggered(folder, terminal.now, over.signal))
  }
  try {
    return await Promise.race(reasons)
  } finally {
    over.abort()
  }
}

function interrupted(signal: AbortSignal, over: AbortSignal): Promise<string> {
  return new Promise((settle) => {
    const end = (): void => settle('told to end')
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true, signal: over })
  })
}

/** Whoever started a node as its child may go away without a word. */
function stdinClosed({ stdin }: Terminal, over: AbortSignal): Promise<string> {
  return new Promise((settle) => {
    const end = (): void => settle('standard input was closed')
    if (stdin.destroyed || stdin.readableEnded) end()
    for (const event of ['end', 'close', 'error']) stdin.once(event, end)
    stdin.resume()
    over.addEventListener('abort', () => stdin.pause(), { once: true })
  })
}

/** @see allmydata.client._Client._check_exit_trigger */
async function exitTriggered(
  folder: string,
  now: () => number,
  over: AbortSignal,
): Promise<string> {
  for (;;) {
    await delay(EXIT_TRIGGER_POLL_MS, undefined, { signal: over }).catch(() => undefined)
    const touchedMs = await exitTriggerTime(folder)
    if (touchedMs === undefined) return 'exit_trigger is gone'
    if (now() - touchedMs > EXIT_TRIGGER_AGE_MS) return 'exit_trigger is too old'
    if (over.aborted) return 'over'
  }
}

/** When the file was touched: milliseconds since 1970. */
async function exitTriggerTime(folder: string): Promise<number | undefined> {
  return stat(join(folder, 'exit_trigger')).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
}
