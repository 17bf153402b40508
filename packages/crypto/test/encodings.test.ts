import {
  EncodingError,
  couldBeBase32Encoded,
  fromBase32,
  fromBase62,
  isEncodingError,
  netstring,
  splitNetstring,
  toBase32,
  toBase62,
  type EncodingErrorCode,
} from '@lafs/crypto'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

interface TextVectors {
  encoded: { bytes: string; text: string }[]
  decoded: { text: string; bytes: string | null }[]
}

interface NetstringVectors {
  encoded: { bytes: string; netstring: string }[]
  split: {
    data: string
    count: number
    position: number
    requiredTrailer: string | null
    elements?: string[]
    end?: number
    error?: string
  }[]
}

const base32 = await loadVectors<TextVectors>('encodings/base32')
const base62 = await loadVectors<TextVectors>('encodings/base62')
const netstrings = await loadVectors<NetstringVectors>('encodings/netstring')

const seed = 32
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The code that a call refuses with. */
function codeOf(call: () => unknown): EncodingErrorCode | 'nothing' {
  try {
    call()
  } catch (error) {
    if (isEncodingError(error)) return error.code
    throw error
  }
  return 'nothing'
}

function decodedOrNull(text: string): string | null {
  return codeOf(() => fromBase32(text)) === 'nothing' ? toHex(fromBase32(text)) : null
}

describe('base32', () => {
  it('encodes as upstream does', () => {
    for (const { bytes, text } of base32.encoded) expect(toBase32(fromHex(bytes))).toBe(text)
  })

  it('decodes what upstream decodes, and refuses what it refuses', () => {
    const ours = base32.decoded.map(({ text }) => ({ text, bytes: decodedOrNull(text) }))
    expect(ours).toEqual(base32.decoded)
    expect(base32.decoded.map(({ text }) => couldBeBase32Encoded(text))).toEqual(
      base32.decoded.map(({ bytes }) => bytes !== null),
    )
  })

  it.each<[string, EncodingErrorCode]>([
    ['AE', 'ENCODING_BAD_CHARACTER'],
    ['a1', 'ENCODING_BAD_CHARACTER'],
    ['ae======', 'ENCODING_BAD_CHARACTER'],
    ['a é', 'ENCODING_BAD_CHARACTER'],
    ['😀aaaaaa', 'ENCODING_BAD_CHARACTER'],
    ['a', 'ENCODING_BAD_LENGTH'],
    ['aaa', 'ENCODING_BAD_LENGTH'],
    ['aaaaaa', 'ENCODING_BAD_LENGTH'],
    ['ab', 'ENCODING_TRAILING_BITS'],
    ['aaac', 'ENCODING_TRAILING_BITS'],
    ['aaaaaac', 'ENCODING_TRAILING_BITS'],
  ])('refuses %j with %s', (text, code) => {
    expect(codeOf(() => fromBase32(text))).toBe(code)
  })

  it('never quotes what it refuses', () => {
    expect(() => fromBase32('priv-v0-thisisasecret')).toThrow(/^(?!.*secret)/s)
  })

  it('comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(fromBase32(toBase32(bytes))).toEqual(bytes)
      }),
      { seed },
    )
  })
})

describe('base62', () => {
  it('encodes and decodes as upstream does', () => {
    for (const { bytes, text } of base62.encoded) {
      expect(toBase62(fromHex(bytes))).toBe(text)
      expect(toHex(fromBase62(text))).toBe(bytes)
    }
  })

  it.each<[string, EncodingErrorCode]>([
    ['a-', 'ENCODING_BAD_CHARACTER'],
    ['a b', 'ENCODING_BAD_CHARACTER'],
    ['é', 'ENCODING_BAD_CHARACTER'],
    ['zz', 'ENCODING_TRAILING_BITS'],
    ['48', 'ENCODING_TRAILING_BITS'],
    ['1', 'ENCODING_TRAILING_BITS'],
  ])('refuses %j with %s', (text, code) => {
    expect(codeOf(() => fromBase62(text))).toBe(code)
  })

  it('comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(fromBase62(toBase62(bytes))).toEqual(bytes)
      }),
      { seed },
    )
  })
})

describe('netstrings', () => {
  it('encodes as upstream does', () => {
    for (const vector of netstrings.encoded) {
      expect(toHex(netstring(fromHex(vector.bytes)))).toBe(vector.netstring)
    }
  })

  it.each(netstrings.split.filter((vector) => vector.elements !== undefined))(
    'splits $data from $position as upstream does',
    ({ data, count, position, requiredTrailer, elements, end }) => {
      const trailer = requiredTrailer === null ? {} : { requiredTrailer: fromHex(requiredTrailer) }
      const split = splitNetstring(fromHex(data), count, { position, ...trailer })
      expect(split.elements.map(toHex)).toEqual(elements)
      expect(split.position).toBe(end)
    },
  )

  it.each(netstrings.split.filter((vector) => vector.error !== undefined))(
    'refuses $data from $position as upstream does',
    ({ data, count, position, requiredTrailer }) => {
      const trailer = requiredTrailer === null ? {} : { requiredTrailer: fromHex(requiredTrailer) }
      expect(() => splitNetstring(fromHex(data), count, { position, ...trailer })).toThrow(
        EncodingError,
      )
    },
  )

  it.each<[string, EncodingErrorCode]>([
    ['', 'ENCODING_TRUNCATED'],
    ['5', 'ENCODING_TRUNCATED'],
    ['5:', 'ENCODING_TRUNCATED'],
    ['5:hell', 'ENCODING_TRUNCATED'],
    ['5:hello', 'ENCODING_TRUNCATED'],
    ['9007199254740991:a,', 'ENCODING_BAD_NETSTRING'],
    ['99999999999999999999999999:a,', 'ENCODING_BAD_NETSTRING'],
    ['5:hello.', 'ENCODING_BAD_NETSTRING'],
    [':hello,', 'ENCODING_BAD_NETSTRING'],
    ['x:hello,', 'ENCODING_BAD_NETSTRING'],
    // Python's int() takes these.
    ['01:a,', 'ENCODING_BAD_NETSTRING'],
    ['00:,', 'ENCODING_BAD_NETSTRING'],
    [' 1:a,', 'ENCODING_BAD_NETSTRING'],
    ['+1:a,', 'ENCODING_BAD_NETSTRING'],
    ['-1:,', 'ENCODING_BAD_NETSTRING'],
    ['1_0:0123456789,', 'ENCODING_BAD_NETSTRING'],
  ])('refuses %j with %s', (text, code) => {
    expect(codeOf(() => splitNetstring(ascii(text), 1))).toBe(code)
  })

  it('keeps to the limits that it is given', () => {
    expect(codeOf(() => splitNetstring(ascii('3:abc,'), 1, { lengthMax: 2 }))).toBe(
      'ENCODING_TOO_LONG',
    )
    expect(codeOf(() => splitNetstring(ascii('3:abc,'), 1, { lengthMax: 3 }))).toBe('nothing')
    const requiredTrailer = ascii('end')
    expect(codeOf(() => splitNetstring(ascii('0:,ene'), 1, { requiredTrailer }))).toBe(
      'ENCODING_LEFTOVER',
    )
    expect(() => splitNetstring(ascii('0:,'), 0)).toThrow(RangeError)
  })

  it('comes back, from any place in a buffer', () => {
    const arrays = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(arrays, fc.nat(10), (elements, skip) => {
        const pieces = elements.map((element) => [...netstring(element)])
        const buffer = new Uint8Array([...new Uint8Array(skip), ...pieces.flat()])
        const data = buffer.subarray(skip >> 1)
        const position = skip - (skip >> 1)
        const split = splitNetstring(data, elements.length, { position })
        expect(split.elements).toEqual(elements)
        expect(split.position).toBe(data.length)
      }),
      { seed },
    )
  })

  it('refuses every cut of a netstring', () => {
    const whole = netstring(ascii('a netstring of 25 bytes..'))
    for (let size = 0; size < whole.length; size++) {
      expect(codeOf(() => splitNetstring(whole.subarray(0, size), 1))).toBe('ENCODING_TRUNCATED')
    }
  })
})
