import { describe, expect, it } from 'vitest'
import { pythonJson } from '../src/python-json.ts'

const VALUE = new Map<string, unknown>([
  ['b', [1, 2.5, 'é😀\u007F\n\u2028']],
  ['a', {}],
  ['c', []],
  ['10', null],
  ['2', true],
  ['left out', undefined],
])

describe('pythonJson', () => {
  // Both as json.dumps of Python 3.11 writes them.
  it('writes one line', () => {
    expect(pythonJson(VALUE)).toBe(
      String.raw`{"b": [1, 2.5, "\u00e9\ud83d\ude00\u007f\n\u2028"], "a": {}, "c": [], "10": null, "2": true}`,
    )
  })

  it('indents', () => {
    expect(pythonJson(VALUE, 1)).toBe(
      [
        '{',
        ' "b": [',
        '  1,',
        '  2.5,',
        String.raw`  "\u00e9\ud83d\ude00\u007f\n\u2028"`,
        ' ],',
        ' "a": {},',
        ' "c": [],',
        ' "10": null,',
        ' "2": true',
        '}',
      ].join('\n'),
    )
  })

  it('keeps names that objects have of their own', () => {
    expect(pythonJson(new Map([['__proto__', 1]]))).toBe('{"__proto__": 1}')
  })
})
