import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { encodeCbor } from '../src/cbor.ts'
import {
  decodeAllocate,
  decodeAllocated,
  decodeCorruption,
  decodeReadTestWrite,
  decodeReadTestWriteResult,
  decodeRequired,
  decodeShareNumbers,
  decodeVersion,
  encodeAllocate,
  encodeAllocated,
  encodeCorruption,
  encodeReadTestWrite,
  encodeReadTestWriteResult,
  encodeRequired,
  encodeShareNumbers,
  encodeVersion,
  formatAuthorization,
  formatContentRange,
  formatRange,
  parseContentRange,
  parseRange,
} from '../src/index.ts'

const { messages, headers } = await loadVectors<{
  messages: Record<string, string>
  headers: {
    range: [number, number, string][]
    contentRange: [number, number, string][]
    authorization: [string, string][]
  }
}>('gbs/messages')
const bytesOf = (name: string): Uint8Array => fromHex(messages[name] ?? '')
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const allocate = { shareNumbers: new Set([8, 1, 3]), allocatedSize: 2 ** 40 + 1 }
const version = {
  maximumImmutableShareSize: 2 ** 40 + 1,
  maximumMutableShareSize: 2 ** 52 - 1,
  availableSpace: 2 ** 52 - 1,
  toleratesImmutableReadOverrun: true,
  deleteMutableSharesWithZeroLengthWritev: true,
  fillsHolesWithZeroBytes: true,
  preventsReadPastEndOfShareData: true,
  applicationVersion: 'tahoe-lafs/1.20.0',
}
const readTestWrite = {
  testWriteVectors: new Map([
    [
      3,
      {
        test: [{ offset: 4, size: 2, specimen: text('ab') }],
        write: [{ offset: 2 ** 32, data: Uint8Array.of(0, 255) }],
        newLength: 7,
      },
    ],
    [0, { test: [], write: [], newLength: undefined }],
  ]),
  readVectors: [{ offset: 1, size: 2 }],
}
const required = [
  { begin: 5, end: 2 ** 33 },
  { begin: 2 ** 34, end: 2 ** 35 },
]
const reason = 'the hash of block 3 is wrong: \u00e9\u4e2d'
const result = {
  success: true,
  data: new Map([
    [0, [text('ab'), new Uint8Array(0)]],
    [4, []],
  ]),
}

describe('the bytes of upstream', () => {
  it.each([
    ['version', decodeVersion, version],
    ['allocate', decodeAllocate, allocate],
    ['allocateOutOfOrder', decodeAllocate, { shareNumbers: new Set([8, 1]), allocatedSize: 100 }],
    ['allocated', decodeAllocated, { alreadyHave: new Set([0]), allocated: new Set([1, 255]) }],
    ['required', decodeRequired, required],
    ['shareNumbers', decodeShareNumbers, new Set([0, 1, 200])],
    ['corruption', decodeCorruption, reason],
    ['readTestWrite', decodeReadTestWrite, readTestWrite],
    ['readTestWriteResult', decodeReadTestWriteResult, result],
  ] as [string, (bytes: Uint8Array) => unknown, unknown][])('decodes %s', (name, decode, value) => {
    expect(decode(bytesOf(name))).toEqual(value)
  })

  it.each([
    ['allocated', encodeAllocated({ alreadyHave: new Set([0]), allocated: new Set([1, 255]) })],
    ['allocateOutOfOrder', encodeAllocate({ shareNumbers: new Set([8, 1]), allocatedSize: 100 })],
    ['required', encodeRequired(required)],
    ['corruption', encodeCorruption(reason)],
    ['readTestWrite', encodeReadTestWrite(readTestWrite)],
    ['readTestWriteResult', encodeReadTestWriteResult(result)],
  ])('are what %s encodes to', (name, bytes) => {
    expect(toHex(bytes)).toBe(messages[name])
  })

  it('go through our encoder and back', () => {
    expect(decodeVersion(encodeVersion(version))).toEqual(version)
    expect(decodeAllocate(encodeAllocate(allocate))).toEqual(allocate)
    expect(decodeShareNumbers(encodeShareNumbers(new Set([9, 0])))).toEqual(new Set([9, 0]))
  })

  it('are those of its headers', () => {
    for (const [begin, end, header] of headers.range) {
      expect(formatRange({ begin, end })).toBe(header)
      expect(parseRange(header)).toEqual({ begin, end })
    }
    for (const [begin, end, header] of headers.contentRange) {
      expect(formatContentRange({ begin, end })).toBe(header)
      expect(parseContentRange(header)).toEqual({ begin, end })
    }
    for (const [swissnum, header] of headers.authorization) {
      expect(formatAuthorization(swissnum)).toBe(header)
    }
  })
})

const share = (fields: object): unknown => ({
  'test-write-vectors': new Map([[1, { test: [], write: [], 'new-length': null, ...fields }]]),
  'read-vector': [],
})
const test = { offset: 0, size: 1, specimen: new Uint8Array(0) }
const limits = new Map([
  [text('maximum-immutable-share-size'), 1],
  [text('maximum-mutable-share-size'), 1],
  [text('available-space'), 1],
])
const v1 = text('http://allmydata.org/tahoe/protocols/storage/v1')

const rejections: [string, (bytes: Uint8Array) => unknown, unknown][] = [
  ['allocate: an array', decodeAllocate, { 'share-numbers': [0], 'allocated-size': 1 }],
  ['allocate: an array for all', decodeAllocate, [1]],
  ['allocate: a number for all', decodeAllocate, 1],
  ['allocate: negative', decodeAllocate, { 'share-numbers': new Set([-1]), 'allocated-size': 1 }],
  ['allocate: share 256', decodeAllocate, { 'share-numbers': new Set([256]), 'allocated-size': 1 }],
  [
    'allocate: share 2^64 - 1',
    decodeAllocate,
    { 'share-numbers': new Set([2n ** 64n - 1n]), 'allocated-size': 1 },
  ],
  ['allocate: a text', decodeAllocate, { 'share-numbers': new Set(['1']), 'allocated-size': 1 }],
  ['allocate: null', decodeAllocate, { 'share-numbers': new Set([1]), 'allocated-size': null }],
  [
    'allocate: a key too many',
    decodeAllocate,
    { 'share-numbers': new Set([1]), 'allocated-size': 1, x: 1 },
  ],
  ['allocate: a key too few', decodeAllocate, { 'share-numbers': new Set([1]) }],
  ['allocated: a key too few', decodeAllocated, { allocated: new Set([1]) }],
  ['allocated: a map', decodeAllocated, { 'already-have': new Map(), allocated: new Set([1]) }],
  ['required: backwards', decodeRequired, { required: [{ begin: 2, end: 1 }] }],
  ['required: no array', decodeRequired, { required: {} }],
  ['required: an unknown key', decodeRequired, { required: [{ begin: 2, end: 3, x: 1 }] }],
  ['share numbers: an array', decodeShareNumbers, [1]],
  ['corruption: empty', decodeCorruption, { reason: '' }],
  ['corruption: too long', decodeCorruption, { reason: 'x'.repeat(32766) }],
  ['corruption: bytes', decodeCorruption, { reason: text('x') }],
  ['slot: 31 tests', decodeReadTestWrite, share({ test: Array.from({ length: 31 }, () => test) })],
  [
    'slot: 31 reads',
    decodeReadTestWrite,
    {
      'test-write-vectors': new Map(),
      'read-vector': Array.from({ length: 31 }, () => ({ offset: 0, size: 1 })),
    },
  ],
  [
    'slot: 257 shares',
    decodeReadTestWrite,
    {
      'test-write-vectors': new Map(Array.from({ length: 257 }, (_, n) => [n, 0])),
      'read-vector': [],
    },
  ],
  [
    'slot: share 256',
    decodeReadTestWrite,
    {
      'test-write-vectors': new Map([[256, { test: [], write: [], 'new-length': null }]]),
      'read-vector': [],
    },
  ],
  [
    'slot: a text for a share',
    decodeReadTestWrite,
    {
      'test-write-vectors': new Map([['1', { test: [], write: [], 'new-length': null }]]),
      'read-vector': [],
    },
  ],
  ['slot: a text for data', decodeReadTestWrite, share({ write: [{ offset: 0, data: 'x' }] })],
  [
    'slot: a negative offset',
    decodeReadTestWrite,
    share({ write: [{ offset: -1, data: text('x') }] }),
  ],
  [
    'slot: an unknown key in a vector',
    decodeReadTestWrite,
    share({ write: [{ offset: 0, data: text('x'), y: 1 }] }),
  ],
  ['slot: a negative new length', decodeReadTestWrite, share({ 'new-length': -1 })],
  ['slot: false for a new length', decodeReadTestWrite, share({ 'new-length': false })],
  ['slot: a specimen of null', decodeReadTestWrite, share({ test: [{ ...test, specimen: null }] })],
  ['result: a number for success', decodeReadTestWriteResult, { success: 1, data: new Map() }],
  [
    'result: a text for data',
    decodeReadTestWriteResult,
    { success: true, data: new Map([[0, ['x']]]) },
  ],
  [
    'version: text keys',
    decodeVersion,
    { [new TextDecoder().decode(v1)]: limits, 'application-version': text('x') },
  ],
  [
    'version: a repeated byte key',
    decodeVersion,
    new Map<unknown, unknown>([
      [v1, limits],
      [v1.slice(), limits],
    ]),
  ],
  [
    'version: a repeated byte key too many',
    decodeVersion,
    new Map<unknown, unknown>([
      [v1, limits],
      [v1.slice(), limits],
      [text('application-version'), text('x')],
    ]),
  ],
  [
    'version: a text for a version',
    decodeVersion,
    new Map<unknown, unknown>([
      [v1, limits],
      [text('application-version'), 'x'],
    ]),
  ],
  [
    'version: a limit too few',
    decodeVersion,
    new Map<unknown, unknown>([
      [v1, new Map([...limits].slice(1))],
      [text('application-version'), text('x')],
    ]),
  ],
]

it.each(rejections)('rejects %s', (_, decode, value) => {
  expect(() => decode(encodeCbor(value))).toThrowError(
    expect.objectContaining({ code: 'MESSAGE_WRONG_SHAPE' }),
  )
})
