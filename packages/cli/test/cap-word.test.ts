import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readCapWord } from '../src/cap-word.ts'

/** A terminal that says something in pieces. */
function saying(...pieces: readonly Uint8Array[]): Parameters<typeof readCapWord>[0] {
  return {
    stdin: Readable.from(pieces, { objectMode: false }),
    stdout: process.stdout,
    stderr: process.stderr,
    cwd: '/',
    now: Date.now,
    signal: new AbortController().signal,
  }
}

describe('a cap on standard input', () => {
  it('is read whatever pieces it comes in', async () => {
    const text = new TextEncoder().encode('work:\u00FCber\n')
    const pieces = Array.from(text, (byte) => Uint8Array.of(byte))
    expect(await readCapWord(saying(...pieces), '-')).toBe('work:\u00FCber')
  })

  it.each(['', '\n', 'one\ntwo\n'])('is one line, not %j', async (text) => {
    const word = readCapWord(saying(new TextEncoder().encode(text)), '-')
    await expect(word).rejects.toMatchObject({ code: 'CLI_USAGE' })
  })

  it('is not asked for where there is a word', async () => {
    expect(await readCapWord(saying(), 'work:')).toBe('work:')
  })
})
