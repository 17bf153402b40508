import { addAbortSignal } from 'node:stream'
import { UsageError } from './failure.ts'
import { writeTo } from './terminal.ts'
import type { Terminal } from './terminal.ts'

/**
 * A word of the command line that names something on the grid: itself, or for `-` what standard input
 * says, so that a cap need not stand where other users of the machine can see it.
 *
 * @throws {@link UsageError} when standard input says nothing, or more than a line.
 */
export async function readCapWord(
  { stdin, stderr, signal }: Terminal,
  word: string,
): Promise<string> {
  if (word !== '-') return word
  if ('isTTY' in stdin && stdin.isTTY === true) await writeTo(stderr, 'cap: ')
  const lines = (await readText(stdin, signal)).trim().split('\n')
  const [line = ''] = lines
  if (lines.length === 1 && line !== '') return line
  throw new UsageError('expected one line with a cap on standard input')
}

const MAX_INPUT_LENGTH = 100_000

async function readText(stdin: Terminal['stdin'], signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of addAbortSignal(signal, stdin) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(piece, { stream: true })
    // A terminal goes on after a line.
    if (text.length > MAX_INPUT_LENGTH || text.includes('\n')) break
  }
  return text + decoder.decode()
}
