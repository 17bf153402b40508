import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../../..')
const command = join(root, 'packages/cli/bin/lafs.js')

/** Brings what the command runs up to date with its sources. */
export function buildCommand(): void {
  const require = createRequire(import.meta.url)
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc')
  execFileSync(process.execPath, [tsc, '-b', join(root, 'packages/cli')], { stdio: 'pipe' })
}

/** What a process came to. */
export interface ProcessOutcome {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Starts the command as a process of its own. */
export function startCommand(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [command, ...words], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
  })
}

/** Waits until a process has ended. */
export async function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<ProcessOutcome> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => stdout.push(piece))
  child.stderr.on('data', (piece: Buffer) => stderr.push(piece))
  await once(child, 'close')
  const text = Buffer.concat(stderr).toString()
  return { status: child.exitCode, stdout: Buffer.concat(stdout), stderr: text }
}

/** Runs the command to its end. */
export async function runCommand(
  words: readonly string[],
  options: {
    readonly cwd?: string
    readonly stdin?: Uint8Array
    readonly env?: NodeJS.ProcessEnv
  } = {},
): Promise<ProcessOutcome> {
  const child = startCommand(words, options)
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.stdin ?? new Uint8Array())
  return outcomeOf(child)
}
