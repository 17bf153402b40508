import { describe, expect, it } from 'vitest'
import {
  booleanArgument,
  formatArgument,
  parseQuery,
  percentDecode,
  privateKeyArgument,
  replaceArgument,
  requestArguments,
  textArgument,
} from '../src/request/arguments.ts'
import type { RequestArguments } from '../src/request/arguments.ts'

const args = (query: string, form?: string): RequestArguments =>
  requestArguments(parseQuery(query), form === undefined ? undefined : parseQuery(form))

describe('a query', () => {
  // Seen in twisted.web.http.parse_qs.
  it.each<[query: string, values: Record<string, string[]>]>([
    ['', {}],
    ['a=1', { a: ['1'] }],
    ['a=1&a=2', { a: ['1', '2'] }],
    ['a=1;b=2', { a: ['1'], b: ['2'] }],
    ['a', {}],
    ['a=', { a: [''] }],
    ['a=b=c', { a: ['b=c'] }],
    ['a=+%2B+', { a: [' + '] }],
    ['a=%C3%A9&%C3%A9=b', { a: ['é'], é: ['b'] }],
    ['a=%zz%4', { a: ['%zz%4'] }],
    ['a=%00', { a: ['\0'] }],
    ['a=%EF%BB%BFb', { a: ['\uFEFFb'] }],
    ['&&a=1&', { a: ['1'] }],
    ['__proto__=1', { ['__proto__']: ['1'] }],
  ])('%j', (query, values) => {
    const parsed = args(query)
    for (const [name, list] of Object.entries(values)) expect(parsed.all(name)).toEqual(list)
    expect([...parsed.query()].length).toBe(Object.values(values).flat().length)
  })

  it('comes before the form, and its first value before others', () => {
    const parsed = args('a=query&a=second', 'a=form&b=form')
    expect([parsed.get('a'), parsed.get('b'), parsed.get('c')]).toEqual([
      'query',
      'form',
      undefined,
    ])
    expect(parsed.all('a')).toEqual(['query', 'second', 'form'])
  })

  it('that is no UTF-8 is refused where it is asked for', () => {
    expect(() => args('a=%FF').get('a')).toThrow('a: I expected text in utf-8')
    expect(args('a=%FF').get('b')).toBeUndefined()
  })

  it('is read in the encoding that _charset names', () => {
    for (const charset of ['latin1', 'latin-1', 'iso-8859-1', 'ISO8859_1']) {
      expect(textArgument(args(`_charset=${charset}&name=%E9%80`), 'name')).toBe('é\x80')
    }
    expect(textArgument(args('_charset=utf_8&name=%C3%A9'), 'name')).toBe('é')
    expect(() => textArgument(args('_charset=klingon&name=a'), 'name')).toThrow('unknown _charset')
  })
})

it('decodes percents that begin no byte as themselves', () => {
  expect(new TextDecoder().decode(percentDecode('%%41%4'))).toBe('%A%4')
})

describe('an argument', () => {
  it.each(['true', 'TRUE', 't', '1', 'on', 'On'])('that is true: %s', (text) => {
    expect(booleanArgument(args(`a=${text}`), 'a')).toBe(true)
  })

  it.each(['false', 'F', '0', 'off'])('that is false: %s', (text) => {
    expect(booleanArgument(args(`a=${text}`), 'a', true)).toBe(false)
  })

  it.each(['', 'yes', '2', ' true', 'tru'])('that is neither: %j', (text) => {
    expect(() => booleanArgument(args(`a=${text}`), 'a')).toThrow(
      `invalid boolean argument: '${text}'`,
    )
  })

  it('that is not there has its default', () => {
    expect([booleanArgument(args(''), 'a'), booleanArgument(args(''), 'a', true)]).toEqual([
      false,
      true,
    ])
  })

  it('tells little of what it is not', () => {
    const long = 'x'.repeat(70_000)
    expect(() => booleanArgument(args(`a=%1B${long}`), 'a')).toThrow(
      `invalid boolean argument: '?${'x'.repeat(99)}…'`,
    )
  })

  it('replace', () => {
    expect(
      ['', 'replace=f', 'replace=Only-Files'].map((text) => replaceArgument(args(text))),
    ).toEqual([true, false, 'only-files'])
    expect(() => replaceArgument(args('replace=maybe'))).toThrow(
      "invalid replace= argument: 'maybe'",
    )
    expect(() => replaceArgument(args('replace='))).toThrow("invalid replace= argument: ''")
  })

  it.each([
    ['', undefined],
    ['format=', undefined],
    ['mutable=true', 'SDMF'],
    ['mutable=false', undefined],
    ['format=chk&mutable=true', 'CHK'],
    ['format=mdmf', 'MDMF'],
    ['format=Sdmf', 'SDMF'],
  ])('format: %j', (query, format) => {
    expect(formatArgument(args(query))).toBe(format)
  })

  it('format of a kind that nobody knows', () => {
    expect(() => formatArgument(args('format=foo'))).toThrow(
      'Unknown format: foo, I know CHK, SDMF, MDMF',
    )
  })

  it.each(['-_-_', '+/+/'])('private-key in base64 of either alphabet: %s', (text) => {
    const given = args(`private-key=${encodeURIComponent(text)}`)
    expect(privateKeyArgument(given)).toEqual(new Uint8Array([0xfb, 0xff, 0xbf]))
  })
})
