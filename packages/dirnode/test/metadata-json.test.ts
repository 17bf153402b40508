import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asksForNoWrite, formatMetadata, parseMetadata } from '../src/metadata-json.ts'

/** Texts as Python writes them: reading and writing gives them back. */
const kept = [
  '{}',
  '{"a": 1.0, "b": 1, "c": -0.0, "d": 0}',
  '{"a": 1e+16, "b": 1e-05, "c": 1.5e+300, "d": 9999999999999998.0, "e": 0.0001}',
  '{"a": 9007199254740993, "b": -123456789012345678901234567890}',
  '{"a": NaN, "b": [Infinity, -Infinity, 2.0]}',
  '{"10": 1, "9": {"2": 1.0, "1": 2.0}, "a": 3}',
  '{"__proto__": {"a": 1.0}, "constructor": null}',
  '{"a": "\\u007f\\u00e9\\ud83d\\ude00\\ud800\\n\\"\\\\/"}',
]

/** Other spellings of what Python writes in one way only. */
const changed = [
  [' { "a" :1.50,\n"b":[ ]}', '{"a": 1.5, "b": []}'],
  ['{"a": 1E5, "b": 1.0e-7, "c": -0}', '{"a": 100000.0, "b": 1e-07, "c": 0}'],
  ['{"a": 1.0, "b": 2, "a": 3}', '{"a": 3, "b": 2}'],
  ['{"a": 1e999}', '{"a": Infinity}'],
  ['{"a": "\u00e9\\/"}', '{"a": "\\u00e9/"}'],
] as const

const refused = [
  '',
  '[]',
  'null',
  '1.0',
  '"a"',
  '{',
  '{"a": 1.0',
  '{"a": 1.0,}',
  '{"a" 1.0}',
  '{a: 1.0}',
  '{"a": 01.0}',
  '{"a": .0}',
  '{"a": 1.}',
  '{"a": +1.0}',
  '{"a": nan}',
  '{"a": [1.0 2]}',
  '{"a": [1.0,]}',
  '{"a": "\n", "b": 1.0}',
  '{"a": 1.0} x',
  `{"a": 1.0, "b": "${'x'.repeat(100_000)}`,
  '{"a": 1.0, "b": "\\x"}',
  `{"a": 1.0, "b": ${'['.repeat(1000)}${']'.repeat(1000)}}`,
]

describe('metadata', () => {
  it.each(kept)('are kept: %s', (text) => {
    expect(formatMetadata(parseMetadata(text))).toBe(text)
  })

  it.each(changed)('are read as Python reads them: %j', (text, expected) => {
    expect(formatMetadata(parseMetadata(text))).toBe(expected)
  })

  it.each(refused)('are refused: %j', (text) => {
    expect(() => parseMetadata(text)).toThrow(SyntaxError)
  })

  it('are not quoted by errors', () => {
    for (const text of ['{"a": "secret" "b"}', '{"a": 1.0, "b": "secret" "c"}']) {
      expect(() => parseMetadata(text)).toThrow(/^(?!.*secret)/)
    }
  })

  it('are values like any other', () => {
    expect(parseMetadata('{"a": 1.0, "b": {"10": [1e2, "x"], "9": true}}')).toEqual({
      a: 1,
      b: { 9: true, 10: [100, 'x'] },
    })
  })

  it('do not remember the spelling of numbers that have been replaced', () => {
    const metadata = parseMetadata('{"a": 1.0, "b": 1.0}')
    metadata['a'] = 2
    expect(formatMetadata(metadata)).toBe('{"a": 2, "b": 1.0}')
  })

  it('come back from every JSON value, in pure ASCII', () => {
    const values = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
    fc.assert(
      fc.property(values, (value) => {
        const text = formatMetadata(value)
        expect(text).toMatch(/^[ -~]*$/)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        const again = parseMetadata(text)
        expect(formatMetadata(again)).toBe(text)
      }),
      { seed: 3, numRuns: 100 },
    )
  })

  it.each([
    [{}, false],
    [{ 'no-write': false }, false],
    [{ 'no-write': 0 }, false],
    [{ 'no-write': '' }, false],
    [{ 'no-write': [] }, false],
    [{ 'no-write': {} }, false],
    [{ 'no-write': null }, false],
    [{ 'no-write': true }, true],
    [{ 'no-write': 'false' }, true],
    [{ 'no-write': [0] }, true],
    [{ 'no-write': { a: 0 } }, true],
    [{ 'no-write': Number.NaN }, true],
  ])('ask for no write as Python takes it: %j', (metadata, expected) => {
    expect(asksForNoWrite(metadata)).toBe(expected)
  })
})
