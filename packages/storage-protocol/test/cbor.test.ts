import { fromHex, toHex } from '@lafs/vectors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCbor, encodeCbor } from '../src/cbor.ts'

describe('what is refused before anything is built', () => {
  it.each([
    ['nothing', ''],
    ['bytes left over', '0000'],
    ['a head cut off', '19'],
    ['a number cut off', '1a000000'],
    ['bytes cut off', '4261'],
    ['an array of 2^64 - 1 entries', '9bffffffffffffffff'],
    ['an array of more entries than bytes', '9a0001000000'],
    ['a map of more entries than bytes', 'a20001'],
    ['bytes of 2^63 - 1', '5b7fffffffffffffff'],
    ['a text of 2^32', '7b0000000100000000'],
    ['an array without an end', '9f00ff'],
    ['bytes without an end', '5f4100ff'],
    ['a map without an end', 'bf0000ff'],
    ['a lone end', 'ff'],
    ['a reserved length', '1c'],
    ['a half float', 'f93c00'],
    ['a float', 'fa3f800000'],
    ['a double', 'fb3ff0000000000000'],
    ['an unknown simple value', 'f820'],
    ['an unassigned simple value', 'e0'],
    ['undefined', 'f7'],
    ['a bignum', 'c249010000000000000000'],
    ['an unknown tag', 'd9d9f700'],
    ['a set of a number', 'd9010200'],
    ['a set of a set', 'd90102d9010280'],
    ['a set without entries', 'd90102'],
    ['a text that is not UTF-8', '62fffe'],
    ['a repeated text key', 'a2616100616101'],
    ['a repeated number key', 'a200000001'],
    ['deep nesting of arrays', `${'81'.repeat(5000)}00`],
    ['deep nesting of maps', `${'a100'.repeat(5000)}00`],
    ['17 levels', `${'81'.repeat(17)}00`],
  ])('%s', (_, hex) => {
    expect(() => decodeCbor(fromHex(hex))).toThrowError(
      expect.objectContaining({ code: 'MESSAGE_MALFORMED' }),
    )
  })

  it('more items than any message needs', () => {
    const array = (count: number): Uint8Array => {
      const bytes = new Uint8Array(5 + count)
      bytes[0] = 0x9a
      new DataView(bytes.buffer).setUint32(1, count)
      return bytes
    }
    expect(decodeCbor(array(2 ** 20 - 1))).toHaveLength(2 ** 20 - 1)
    expect(() => decodeCbor(array(2 ** 20))).toThrowError(
      expect.objectContaining({ code: 'MESSAGE_MALFORMED' }),
    )
  })

  it('takes 16 levels', () => {
    expect(decodeCbor(fromHex(`${'81'.repeat(16)}00`))).toBeDefined()
  })
})

describe('what is kept', () => {
  it.each([
    ['2^53 - 1', '1b001fffffffffffff', 2 ** 53 - 1],
    ['2^64 - 1', '1bffffffffffffffff', 2n ** 64n - 1n],
    ['a number in more bytes than it needs', '190018', 24],
    ['a set out of order', 'd90102820801', new Set([8, 1])],
    ['a byte string key', 'a1416100', new Map([[Uint8Array.of(97), 0]])],
  ])('%s', (_, hex, value) => {
    expect(decodeCbor(fromHex(hex))).toEqual(value)
  })

  it('puts sets under tag 258 and great numbers into 64 bits', () => {
    expect(toHex(encodeCbor(new Set([8, 1])))).toBe('d90102820801')
    expect(toHex(encodeCbor(2 ** 40 + 1))).toBe('1b0000010000000001')
  })
})

it('gives back what it was given', () => {
  const value = fc.letrec((tie) => ({
    item: fc.oneof(
      { depthSize: 'small' },
      fc.nat(),
      fc.maxSafeNat(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array(),
      fc.uniqueArray(fc.nat()).map((entries) => new Set(entries)),
      fc.array(tie('item')),
      fc
        .uniqueArray(fc.tuple(fc.string(), tie('item')), { selector: ([key]) => key })
        .map((entries) => new Map(entries)),
    ),
  })).item
  fc.assert(
    fc.property(value, (item) => {
      expect(decodeCbor(encodeCbor(item))).toEqual(item)
    }),
    { seed: 258 },
  )
})

it('never throws anything but its own error, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeCbor(bytes)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MESSAGE_MALFORMED' })
      }
    }),
    { seed: 40, numRuns: 5000 },
  )
})
