import { fromHex, loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { escapeControls, quoteOutput } from '../src/quote.ts'

interface QuoteCase {
  readonly bytes: string
  readonly marks: boolean
  readonly output: string
}

const { cases } = await loadVectors<{ cases: QuoteCase[] }>('cli/quote-output')

describe('quoteOutput', () => {
  it.each(cases)('quotes $bytes as upstream does: $output', ({ bytes, marks, output }) => {
    expect(quoteOutput(fromHex(bytes), { quotationMarks: marks })).toBe(output)
  })
})

describe('escapeControls', () => {
  it.each([
    ['red\u001B[31m', String.raw`red\x1b[31m`],
    ['\u009B31m', String.raw`\x9b31m`],
    ['a\nb\tc', String.raw`a\x0ab\x09c`],
    ['a\u061Cb', String.raw`a\u061cb`],
    ['a\u202Eb\u2066', String.raw`a\u202eb\u2066`],
    ['Zoë 👩‍👩‍👧 שלום', 'Zoë 👩‍👩‍👧 שלום'],
  ])('writes out what a terminal would obey: %j', (text, escaped) => {
    expect(escapeControls(text)).toBe(escaped)
  })
})
