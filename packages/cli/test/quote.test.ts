import { fromHex, loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { quoteOutput } from '../src/quote.ts'

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
