import { PassThrough, Readable } from 'node:stream'
import { run } from '../src/run.ts'

/** What a command line in this process came to. */
export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process. */
export async function runHere(
  words: readonly string[],
  options: {
    readonly cwd?: string
    readonly nowMs?: number
    readonly stdin?: string
    readonly isTerminal?: boolean
    readonly showsProgress?: boolean
    readonly signal?: AbortSignal
  } = {},
): Promise<Outcome> {
  const stdout = new PassThrough({ highWaterMark: 2 ** 24 })
  const stderr = new PassThrough({ highWaterMark: 2 ** 24 })
  if (options.isTerminal === true) Object.assign(stdout, { isTTY: true })
  if (options.showsProgress === true) Object.assign(stderr, { isTTY: true })
  const status = await run(words, {
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin], { objectMode: false }),
    stdout,
    stderr,
    cwd: options.cwd ?? process.cwd(),
    now: () => options.nowMs ?? Date.now(),
    signal: options.signal ?? new AbortController().signal,
  })
  return { status, stdout: textOf(stdout), stderr: textOf(stderr) }
}

function textOf(stream: PassThrough): string {
  return String(stream.read() ?? '')
}
