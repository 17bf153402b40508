import { uriExtensionHash } from '@lafs/crypto'
import { packUriExtension, unpackUriExtension, type UriErrorCode } from '@lafs/uri'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

type Fields = Record<string, string | number>

interface BlockVectors {
  packed: { fields: Fields; packed: string; hash: string; unpacked: Fields }[]
  partial: { fields: Fields; packed: string }[]
  refused: { packed: string; error: string }[]
}

const vectors = await loadVectors<BlockVectors>('ueb/blocks')

/** In the vectors bytes are hexadecimal. */
function bytesOf(fields: Fields): Record<string, number | Uint8Array> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? fromHex(value) : value,
    ]),
  )
}

function hexOf(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (value instanceof Uint8Array) return [name, toHex(value)]
      return [name, typeof value === 'string' ? toHex(new TextEncoder().encode(value)) : value]
    }),
  )
}

const [whole] = vectors.packed
if (whole === undefined) throw new Error('no blocks recorded')
const good = fromHex(whole.packed)

/** A good block with one text in it replaced. */
function replaced(from: string, to: string): Uint8Array {
  const latin1 = Array.from(good, (byte) => String.fromCharCode(byte)).join('')
  if (!latin1.includes(from)) throw new Error(`the block has no ${from}`)
  return Uint8Array.from(latin1.replace(from, to), (character) => character.charCodeAt(0))
}

describe('URI extension block', () => {
  it.each(vectors.packed)('is packed and unpacked as upstream does', (vector) => {
    const packed = packUriExtension(bytesOf(vector.fields))
    expect(toHex(packed)).toBe(vector.packed)
    expect(toHex(uriExtensionHash(packed))).toBe(vector.hash)
    const unpacked = unpackUriExtension(packed)
    expect(hexOf(unpacked)).toEqual(vector.unpacked)
    expect(toHex(packUriExtension(unpacked))).toBe(vector.packed)
  })

  it.each(vectors.partial)('is packed as upstream does: $fields', ({ fields, packed }) => {
    expect(toHex(packUriExtension(bytesOf(fields)))).toBe(packed)
  })

  it('gives names of codecs as text, and takes text', () => {
    const unpacked = unpackUriExtension(good)
    expect(unpacked.codec_name).toBe('crs')
    expect(unpacked.codec_params).toBe('131072-3-10')
    expect(packUriExtension({ a: 'crs', b: undefined })).toEqual(
      new TextEncoder().encode('a:3:crs,'),
    )
  })

  it.each(vectors.refused)('is refused where upstream refuses it ($error)', ({ packed }) => {
    expect(() => unpackUriExtension(fromHex(packed))).toThrow(
      expect.objectContaining({ name: 'UriError' }),
    )
  })

  it.each<[string, Uint8Array, UriErrorCode]>([
    ['nothing', new Uint8Array(0), 'URI_MISSING_EXTENSION_FIELD'],
    ['no size', replaced('size:4:1000,', ''), 'URI_MISSING_EXTENSION_FIELD'],
    [
      'no root',
      replaced('share_root_hash:32', 'sharf_root_hash:32'),
      'URI_MISSING_EXTENSION_FIELD',
    ],
    ['no name', replaced('size:4:1000,', ':4:1000,'), 'URI_BAD_EXTENSION'],
    ['a strange name', replaced('size:4:1000,', 's.ze:4:1000,'), 'URI_BAD_EXTENSION'],
    ['a name twice', replaced('size:4:1000,', 'size:4:1000,size:4:1000,'), 'URI_BAD_EXTENSION'],
    ['a name without end', new Uint8Array(9999).fill(97), 'URI_BAD_EXTENSION'],
    ['a wrong length', replaced('size:4:1000,', 'size:5:1000,'), 'URI_BAD_EXTENSION'],
    ['a negative length', replaced('size:4:1000,', 'size:-4:1000,'), 'URI_BAD_EXTENSION'],
    ['a negative number', replaced('size:4:1000,', 'size:4:-100,'), 'URI_BAD_EXTENSION_FIELD'],
    ['no number', replaced('size:4:1000,', 'size:4:1e10,'), 'URI_BAD_EXTENSION_FIELD'],
    ['an empty number', replaced('size:4:1000,', 'size:0:,'), 'URI_BAD_EXTENSION_FIELD'],
    [
      'a number too big',
      replaced('size:4:1000,', 'size:16:9007199254740992,'),
      'URI_BAD_EXTENSION_FIELD',
    ],
    [
      'a short hash',
      packUriExtension({ ...bytesOf(whole.fields), share_root_hash: new Uint8Array(31) }),
      'URI_BAD_EXTENSION_FIELD',
    ],
    [
      'a long optional hash',
      packUriExtension({ ...bytesOf(whole.fields), crypttext_hash: new Uint8Array(33) }),
      'URI_BAD_EXTENSION_FIELD',
    ],
  ])('is refused with %s', (_, packed, code) => {
    expect(() => unpackUriExtension(packed)).toThrow(expect.objectContaining({ code }))
  })

  it('is refused when cut anywhere', () => {
    for (let size = 0; size < good.length; size++) {
      expect(() => unpackUriExtension(good.subarray(0, size))).toThrow(
        expect.objectContaining({ name: 'UriError' }),
      )
    }
  })

  it('never fails but by its own error', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (index, byte) => {
        const changed = good.map((before, at) => (at === index ? byte : before))
        let thrown: unknown
        try {
          unpackUriExtension(changed)
        } catch (error) {
          thrown = error
        }
        expect(['undefined', 'UriError']).toContain(
          thrown instanceof Error ? thrown.name : String(thrown),
        )
      }),
      { seed: 3, numRuns: 500 },
    )
  })

  it.each<[string, Record<string, number | string>]>([
    ['an empty name', { '': 1 }],
    ['a name with a colon', { 'a:b': 1 }],
    ['a name with a digit', { a1: 1 }],
    ['half a number', { a: 0.5 }],
    ['an unsafe number', { a: 2 ** 53 }],
  ])('is not packed with %s', (_, fields) => {
    expect(() => packUriExtension(fields)).toThrow(RangeError)
  })
})
