import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { escapeControls } from './quote.ts'

/** A stream to write to, which may be a terminal. */
export type OutputStream = Writable & {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** What a command talks to. */
export interface Terminal {
  readonly stdin: Readable
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** The working folder, against which file names count. */
  readonly cwd: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Aborts when the user wants the command to end. */
  readonly signal: AbortSignal
  /**
   * Aborts when the user wants it to end, but not when nobody reads its output any more, as `signal` does.
   * Default: `signal`.
   */
  readonly interruption?: AbortSignal
}

/** Writes to a stream at the pace that it can take. */
export async function writeTo(stream: Writable, data: Uint8Array | string): Promise<void> {
  if (stream.errored !== null) throw stream.errored
  if (!stream.write(data)) await once(stream, 'drain')
}

/** Writes a line with names that somebody else chose: as it is, but a terminal sees no controls in it. */
export async function writeLine(stream: OutputStream, line: string): Promise<void> {
  await writeTo(stream, `${stream.isTTY === true ? escapeControls(line) : line}\n`)
}
