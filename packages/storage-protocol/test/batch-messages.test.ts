import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCbor } from '../src/cbor.ts'
import {
  BATCH_COUNT_MAX,
  BATCH_READ_SIZE_MAX,
  BATCH_SIZE_MAX,
  type BatchAnswer,
  type BatchOperation,
  decodeBatch,
  decodeBatchAnswers,
  decodeListed,
  decodeNothing,
  decodeReadData,
  decodeSlotData,
  encodeBatch,
  encodeBatchAnswers,
  isMessageError,
} from '../src/index.ts'

const storageIndex = new Uint8Array(16).fill(5)
const secret = new Uint8Array(32).fill(6)
const secrets = { renewSecret: secret, cancelSecret: new Uint8Array(32).fill(7) }
const readVectors = [
  { offset: 0, size: 5 },
  { offset: 2 ** 40, size: 0 },
]

const operations: BatchOperation[] = [
  { name: 'list', storageIndex },
  { name: 'read', storageIndex, shareNumber: 255, offset: 2 ** 40, size: BATCH_READ_SIZE_MAX },
  { name: 'slot-read', storageIndex, shareNumbers: [], readVectors },
  { name: 'slot-read', storageIndex, shareNumbers: [3, 0], readVectors: [] },
  {
    name: 'slot-read-as-writer',
    storageIndex,
    secrets: { ...secrets, writeEnabler: new Uint8Array(32).fill(8) },
    readVectors,
  },
  { name: 'add-lease', storageIndex, secrets },
  { name: 'cancel-lease', storageIndex, shareNumber: 0, cancelSecret: secret },
]

describe('a batch', () => {
  it('goes through the encoder and back', () => {
    expect(decodeBatch(encodeBatch(operations))).toEqual(operations)
  })

  it('has room for any operations that it may have', () => {
    const largest: BatchOperation = {
      name: 'slot-read',
      storageIndex,
      shareNumbers: Array.from({ length: 256 }, (_, number) => number),
      readVectors: Array.from({ length: 30 }, () => ({ offset: 2 ** 52, size: 2000 })),
    }
    const message = encodeBatch(Array.from({ length: BATCH_COUNT_MAX }, () => largest))
    expect(message.length).toBeLessThan(BATCH_SIZE_MAX)
    expect(decodeBatch(message)).toHaveLength(BATCH_COUNT_MAX)
  })

  const index = { 'storage-index': storageIndex }
  const list = { operation: 'list', ...index }
  const read = { operation: 'read', ...index, 'share-number': 0, offset: 0, size: 1 }
  const slot = { operation: 'slot-read', ...index, 'share-numbers': new Set(), 'read-vector': [] }
  const lease = { 'renew-secret': secret, 'cancel-secret': secret }
  const cancel = { operation: 'cancel-lease', ...index, 'share-number': 0, 'cancel-secret': secret }
  const span = { offset: 0, size: 1 }
  const bad: [string, unknown][] = [
    ['nothing', []],
    ['65 operations', Array.from({ length: BATCH_COUNT_MAX + 1 }, () => list)],
    ['a map', list],
    ['a number', 7],
    ['null', [null]],
    ['an array for an operation', [[]]],
    ['an operation without a name', [index]],
    ['an unknown name', [{ ...list, operation: 'delete' }]],
    ['the name of a method', [{ ...list, operation: 'toString' }]],
    ['a number for a name', [{ ...list, operation: 1 }]],
    ['a storage index of 15 bytes', [{ ...list, 'storage-index': new Uint8Array(15) }]],
    ['a storage index of 17 bytes', [{ ...list, 'storage-index': new Uint8Array(17) }]],
    ['a text for a storage index', [{ ...list, 'storage-index': 'a'.repeat(26) }]],
    ['no storage index', [{ operation: 'list' }]],
    ['a key too many', [{ ...list, 'share-number': 0 }]],
    ['a key too few', [{ ...list, operation: 'read' }]],
    ['share 256', [{ ...read, 'share-number': 256 }]],
    ['share -1', [{ ...read, 'share-number': -1 }]],
    ['a negative offset', [{ ...read, offset: -1 }]],
    ['a negative size', [{ ...read, size: -1 }]],
    ['a read that is too large', [{ ...read, size: BATCH_READ_SIZE_MAX + 1 }]],
    ['a read of 2^64 - 1 bytes', [{ ...read, size: 2n ** 64n - 1n }]],
    ['an array of share numbers', [{ ...slot, 'share-numbers': [0] }]],
    ['257 share numbers', [{ ...slot, 'share-numbers': new Set(Array(257).keys()) }]],
    ['31 read vectors', [{ ...slot, 'read-vector': Array.from({ length: 31 }, () => span) }]],
    ['no read vectors', [{ operation: 'slot-read', ...index, 'share-numbers': new Set() }]],
    [
      'read vectors that are too large together',
      [{ ...slot, 'read-vector': [span, { offset: 0, size: BATCH_READ_SIZE_MAX }] }],
    ],
    ['an unknown key in a read vector', [{ ...slot, 'read-vector': [{ ...span, x: 1 }] }]],
    [
      'a renew secret of 31 bytes',
      [{ operation: 'add-lease', ...index, ...lease, 'renew-secret': new Uint8Array(31) }],
    ],
    ['no cancel secret', [{ operation: 'add-lease', ...index, 'renew-secret': secret }]],
    ['a cancel secret of 33 bytes', [{ ...cancel, 'cancel-secret': new Uint8Array(33) }]],
    ['a cancel secret of null', [{ ...cancel, 'cancel-secret': null }]],
    [
      'a write enabler of 20 bytes',
      [
        {
          operation: 'slot-read-as-writer',
          ...index,
          ...lease,
          'write-enabler': new Uint8Array(20),
          'read-vector': [],
        },
      ],
    ],
    ['a good operation and a bad one', [list, { ...read, offset: 'x' }]],
  ]

  it.each(bad)('is refused: %s', (_, value) => {
    expect(() => decodeBatch(encodeCbor(value))).toThrowError(
      expect.objectContaining({ code: 'MESSAGE_WRONG_SHAPE' }),
    )
  })

  it('keeps secrets out of what it says of bad ones', () => {
    const message = encodeCbor([{ ...cancel, 'cancel-secret': new TextEncoder().encode('hush') }])
    expect(() => decodeBatch(message)).toThrowError(/^(?!.*(hush|104)).*$/s)
  })
})

const answers: BatchAnswer[] = [
  { value: new Set([0, 255]) },
  { value: Uint8Array.of(1, 2, 3) },
  undefined,
  {
    value: new Map([
      [0, [Uint8Array.of(1), new Uint8Array()]],
      [9, []],
    ]),
  },
  { status: 404 },
  { value: null },
]

describe('the answer to a batch', () => {
  it('goes through the encoder and back', () => {
    expect(decodeBatchAnswers(encodeBatchAnswers(answers), answers.length)).toEqual(answers)
  })

  const bad: [string, unknown][] = [
    ['half of it', [null]],
    ['more than was asked for', [null, null, null]],
    ['a map', { value: null }],
    ['null', null],
    ['texts', ['x', 'y']],
    ['a value and a status', [{ value: null, status: 404 }, null]],
    ['neither', [{}, null]],
    ['a status of 200', [{ status: 200 }, null]],
    ['a status of 99', [{ status: 99 }, null]],
    ['a status of 600', [{ status: 600 }, null]],
    ['a text for a status', [{ status: '404' }, null]],
    ['a key too many', [{ value: null, x: 1 }, null]],
  ]

  it.each(bad)('is refused: %s', (_, value) => {
    expect(() => decodeBatchAnswers(encodeCbor(value), 2)).toThrowError(
      expect.objectContaining({ code: 'MESSAGE_WRONG_SHAPE' }),
    )
  })

  const two = [
    { offset: 0, size: 2 },
    { offset: 9, size: 1 },
  ]
  const none = new Uint8Array()
  const bytes = (length: number): Uint8Array => new Uint8Array(length)
  const slotOf = (value: unknown): unknown => decodeSlotData(value, [1], two)
  const badValues: [string, (value: unknown) => unknown, unknown][] = [
    ['a listing: an array', decodeListed, [1]],
    ['a listing: share 256', decodeListed, new Set([256])],
    ['a listing: null', decodeListed, null],
    ['a read: a text', (value) => decodeReadData(value, 9), 'x'],
    ['a read: too many bytes', (value) => decodeReadData(value, 9), bytes(10)],
    ['a slot: bytes', slotOf, bytes(2)],
    ['a slot: a share that was not asked for', slotOf, new Map([[2, [none, none]]])],
    ['a slot: share 256', (value) => decodeSlotData(value, [], []), new Map([[256, []]])],
    ['a slot: a read too few', slotOf, new Map([[1, [none]]])],
    ['a slot: a read too many', slotOf, new Map([[1, [none, none, none]]])],
    ['a slot: too many bytes', slotOf, new Map([[1, [none, bytes(2)]]])],
    ['a slot: a text for bytes', slotOf, new Map([[1, ['', '']]])],
    ['a lease: true', decodeNothing, true],
  ]

  it.each(badValues)('is refused for %s', (_, decode, value) => {
    expect(() => decode(value)).toThrowError(
      expect.objectContaining({ code: 'MESSAGE_WRONG_SHAPE' }),
    )
  })
})

describe('damaged bytes', () => {
  /** Changes a few bytes of a message, or cuts it off. */
  const damage = fc.record({
    cut: fc.double({ min: 0.5, max: 1, noNaN: true }),
    changes: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    }),
  })
  const damaged = (
    message: Uint8Array,
    { cut, changes }: typeof damage extends fc.Arbitrary<infer T> ? T : never,
  ): Uint8Array => {
    const copy = message.slice(0, Math.ceil(message.length * cut))
    for (const [at, byte] of changes) copy[Math.floor(at * (copy.length - 1))] = byte
    return copy
  }

  it.each([
    ['a batch', encodeBatch(operations), decodeBatch],
    ['an answer', encodeBatchAnswers(answers), (b: Uint8Array) => decodeBatchAnswers(b, 6)],
  ] as const)('are decoded to something of the right shape, or refused: %s', (_, good, decode) => {
    let refused = 0
    fc.assert(
      fc.property(damage, (change) => {
        try {
          expect(decode(damaged(good, change)).length).toBeGreaterThan(0)
        } catch (error) {
          if (!isMessageError(error)) throw error
          refused += 1
        }
      }),
      { seed: 0x1af5, numRuns: 2000 },
    )
    expect(refused).toBeGreaterThan(100)
  })
})
