// Every bad argument and its exact message. The addon must refuse each before it touches any memory.
import { describe, expect, it } from 'vitest'
import { addon } from './addon.ts'

const a = new Uint8Array(8)
const b = new Uint8Array(8)
const c = new Uint8Array(8)
const d = new Uint8Array(8)
const blocks = [a, b, c]

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

const shared = new Uint8Array(new SharedArrayBuffer(8))

/** TypeScript's library for Node 20 does not know them, Node 20 does. */
const ResizableBuffer: new (size: number, options: { maxByteLength: number }) => ArrayBuffer =
  ArrayBuffer
const resizable = new Uint8Array(new ResizableBuffer(8, { maxByteLength: 16 }))

/** A Uint8Array whose memory the getter of a later element takes away. */
function detachesLater(): unknown[] {
  const victim = new Uint8Array(8)
  const list: unknown[] = [victim, b]
  Object.defineProperty(list, 2, {
    enumerable: true,
    get() {
      structuredClone(victim.buffer, { transfer: [victim.buffer] })
      return c
    },
  })
  return list
}

type Call =
  | 'aesCtr'
  | 'fecEncode'
  | 'fecDecode'
  | 'sha256dMany'
  | 'setAesKernel'
  | 'setHashKernel'
  | 'setKernel'
type ErrorClass = typeof TypeError | typeof RangeError

const integer = (name: string, low: number, high: number): string =>
  `${name} must be an integer from ${low} to ${high}`

/** What encoding and decoding refuse alike. */
const common: [unknown[], ErrorClass, string][] = [
  [[], TypeError, 'k must be a number'],
  [['3', 5, blocks, [3]], TypeError, 'k must be a number'],
  [[3n, 5, blocks, [3]], TypeError, 'k must be a number'],
  [[0, 5, blocks, [3]], RangeError, integer('k', 1, 256)],
  [[-1, 5, blocks, [3]], RangeError, integer('k', 1, 256)],
  [[257, 257, blocks, [3]], RangeError, integer('k', 1, 256)],
  [[2.5, 5, blocks, [3]], RangeError, integer('k', 1, 256)],
  [[Number.NaN, 5, blocks, [3]], RangeError, integer('k', 1, 256)],
  [[3, undefined, blocks, [3]], TypeError, 'n must be a number'],
  [[3, 257, blocks, [3]], RangeError, integer('n', 1, 256)],
  [[3, Infinity, blocks, [3]], RangeError, integer('n', 1, 256)],
  [[3, 2, blocks, [3]], RangeError, 'k must not exceed n'],
  [[3, 5, undefined, [3]], TypeError, 'blocks must be an array'],
  [[3, 5, a, [3]], TypeError, 'blocks must be an array'],
  [[3, 5, { length: 3 }, [3]], TypeError, 'blocks must be an array'],
  [[3, 5, blocks], TypeError, 'shareNumbers must be an array'],
  [[3, 5, blocks, 3], TypeError, 'shareNumbers must be an array'],
  [[3, 5, [], [3]], RangeError, 'blocks must be k blocks: expected 3, got 0'],
  [[3, 5, [a, b], [3]], RangeError, 'blocks must be k blocks: expected 3, got 2'],
  [[3, 5, [a, b, c, a], [3]], RangeError, 'blocks must be k blocks: expected 3, got 4'],
  [[3, 5, [a, b, undefined], [3]], TypeError, 'blocks[2] must be a Uint8Array'],
  [[3, 5, [a, [1, 2], c], [3]], TypeError, 'blocks[1] must be a Uint8Array'],
  [[3, 5, ['abcdefgh', b, c], [3]], TypeError, 'blocks[0] must be a Uint8Array'],
  [[3, 5, [a, b, new Uint16Array(8)], [3]], TypeError, 'blocks[2] must be a Uint8Array'],
  [[3, 5, [a, b, new Int8Array(8)], [3]], TypeError, 'blocks[2] must be a Uint8Array'],
  [[3, 5, [a, b, a.buffer], [3]], TypeError, 'blocks[2] must be a Uint8Array'],
  [[3, 5, [a, b, new DataView(a.buffer)], [3]], TypeError, 'blocks[2] must be a Uint8Array'],
  [[3, 5, [a, shared, c], [3]], TypeError, 'blocks[1] must not be backed by a SharedArrayBuffer'],
  [
    [3, 5, [a, b, resizable], [3]],
    TypeError,
    'blocks[2] must not be backed by a resizable ArrayBuffer',
  ],
]

const endless = Array.from<Uint8Array>({ length: 0 })
endless.length = 2 ** 32 - 1

const block = new Uint8Array(16)

const aesTable: [Call, unknown[], ErrorClass, string][] = [
  ['aesCtr', [], TypeError, 'key must be a Uint8Array'],
  ['aesCtr', [shared, block, a, 0], TypeError, 'key must not be backed by a SharedArrayBuffer'],
  ['aesCtr', [a, block, a, 0], RangeError, 'key must be 16 bytes'],
  ['aesCtr', [new Uint8Array(32), block, a, 0], RangeError, 'key must be 16 bytes'],
  ['aesCtr', [detached(), block, a, 0], TypeError, 'key is detached'],
  ['aesCtr', [block, 'counter', a, 0], TypeError, 'counterBlock must be a Uint8Array'],
  ['aesCtr', [block, new Uint8Array(12), a, 0], RangeError, 'counterBlock must be 16 bytes'],
  ['aesCtr', [block, block, a.buffer, 0], TypeError, 'data must be a Uint8Array'],
  [
    'aesCtr',
    [block, block, shared, 0],
    TypeError,
    'data must not be backed by a SharedArrayBuffer',
  ],
  [
    'aesCtr',
    [block, block, resizable, 0],
    TypeError,
    'data must not be backed by a resizable ArrayBuffer',
  ],
  ['aesCtr', [block, block, detached(), 0], TypeError, 'data is detached'],
  ['aesCtr', [block, block, a], TypeError, 'skip must be a number'],
  ['aesCtr', [block, block, a, 16], RangeError, integer('skip', 0, 15)],
  ['aesCtr', [block, block, a, -1], RangeError, integer('skip', 0, 15)],
  ['aesCtr', [block, block, a, 0.5], RangeError, integer('skip', 0, 15)],
]

const table: [Call, unknown[], ErrorClass, string][] = [
  ...common.flatMap(([args, type, message]): [Call, unknown[], ErrorClass, string][] => [
    ['fecEncode', args, type, message],
    ['fecDecode', args, type, message],
  ]),

  ['fecEncode', [3, 5, blocks, [2]], RangeError, integer('shareNumbers[0]', 3, 4)],
  ['fecEncode', [3, 5, blocks, [3, 5]], RangeError, integer('shareNumbers[1]', 3, 4)],
  ['fecEncode', [3, 5, blocks, [3.5]], RangeError, integer('shareNumbers[0]', 3, 4)],
  ['fecEncode', [3, 5, blocks, ['3']], TypeError, 'shareNumbers[0] must be a number'],
  ['fecEncode', [3, 5, blocks, [3, 4, 3]], RangeError, 'shareNumbers[2] repeats 3'],
  ['fecEncode', [3, 3, blocks, [2]], RangeError, 'shareNumbers must be empty where k is n'],
  ['fecEncode', [3, 5, [detached(), b, c], [3]], TypeError, 'blocks[0] is detached'],
  ['fecEncode', [3, 5, detachesLater(), [3]], TypeError, 'blocks[0] is detached'],
  [
    'fecEncode',
    [3, 5, [a, b, new Uint8Array(7)], [3]],
    RangeError,
    'blocks must all have the same length',
  ],
  ['fecEncode', [3, 5, blocks, [3], null], TypeError, 'outputs must be an array'],
  ['fecEncode', [3, 5, blocks, [3], [7]], TypeError, 'outputs[0] must be a Uint8Array'],
  [
    'fecEncode',
    [3, 5, blocks, [3], [shared]],
    TypeError,
    'outputs[0] must not be backed by a SharedArrayBuffer',
  ],
  ['fecEncode', [3, 5, blocks, [3], [detached()]], TypeError, 'outputs[0] is detached'],
  [
    'fecEncode',
    [3, 5, blocks, [3, 4], [d]],
    RangeError,
    'outputs must be one a block to make: expected 2, got 1',
  ],
  [
    'fecEncode',
    [3, 5, blocks, [3], [new Uint8Array(7)]],
    RangeError,
    'outputs must be as long as the blocks',
  ],
  ['fecEncode', [3, 5, blocks, [3], [b]], RangeError, 'outputs must not overlap the blocks'],
  ['fecEncode', [3, 5, blocks, [3, 4], [d, d]], RangeError, 'outputs must not overlap one another'],
  ['fecEncode', [1, 5, [new Uint8Array()], [3]], RangeError, 'blocks must not be empty'],

  [
    'fecDecode',
    [3, 5, blocks, [0, 1]],
    RangeError,
    'shareNumbers must be k numbers: expected 3, got 2',
  ],
  ['fecDecode', [3, 5, blocks, [0, 1, 5]], RangeError, integer('shareNumbers[2]', 0, 4)],
  ['fecDecode', [3, 5, blocks, [-1, 1, 2]], RangeError, integer('shareNumbers[0]', 0, 4)],
  ['fecDecode', [3, 5, blocks, [0, 1, null]], TypeError, 'shareNumbers[2] must be a number'],
  ['fecDecode', [3, 5, blocks, [0, 4, 4]], RangeError, 'shareNumbers[2] repeats 4'],
  ['fecDecode', [3, 5, [a, b, detached()], [1, 2, 3]], TypeError, 'blocks[2] is detached'],
  [
    'fecDecode',
    [3, 5, [a, new Uint8Array(9), c], [1, 2, 3]],
    RangeError,
    'blocks must all have the same length',
  ],
  ['fecDecode', [1, 5, [new Uint8Array()], [3]], RangeError, 'blocks must not be empty'],
  ['fecDecode', [3, 5, blocks, [0, 1, 4], {}], TypeError, 'outputs must be an array'],
  ['fecDecode', [3, 5, blocks, [0, 1, 4], [detached()]], TypeError, 'outputs[0] is detached'],
  [
    'fecDecode',
    [3, 5, blocks, [0, 1, 4], [d, new Uint8Array(8)]],
    RangeError,
    'outputs must be one a block to make: expected 1, got 2',
  ],
  ['fecDecode', [3, 5, blocks, [0, 1, 4], [c]], RangeError, 'outputs must not overlap the blocks'],

  ['sha256dMany', [], TypeError, 'messages must be an array'],
  ['sha256dMany', [a, a], TypeError, 'messages must be an array'],
  ['sha256dMany', ['prefix', [a]], TypeError, 'prefix must be a Uint8Array'],
  ['sha256dMany', [shared, [a]], TypeError, 'prefix must not be backed by a SharedArrayBuffer'],
  ['sha256dMany', [detached(), [a]], TypeError, 'prefix is detached'],
  ['sha256dMany', [a, [b, 'text']], TypeError, 'messages[1] must be a Uint8Array'],
  ['sha256dMany', [a, [b, detached()]], TypeError, 'messages[1] is detached'],
  [
    'sha256dMany',
    [a, [shared]],
    TypeError,
    'messages[0] must not be backed by a SharedArrayBuffer',
  ],

  ['fecEncode', [3, 5, endless, [3]], RangeError, 'blocks must have at most 256 elements'],
  ['fecEncode', [3, 5, blocks, endless], RangeError, 'shareNumbers must have at most 256 elements'],
  ['fecEncode', [3, 5, blocks, [3], endless], RangeError, 'outputs must have at most 256 elements'],
  ['sha256dMany', [a, endless], RangeError, 'messages must have at most 16777216 elements'],

  ['setKernel', [], TypeError, 'kernel must be a string'],
  ['setKernel', ['mmx'], RangeError, 'kernel must be one that runs here, got "mmx"'],
  ['setHashKernel', [1], TypeError, 'hashKernel must be a string'],
  ['setHashKernel', [''], RangeError, 'hashKernel must be one that runs here, got ""'],
  ['setAesKernel', [1], TypeError, 'aesKernel must be a string'],
  ['setAesKernel', ['table'], RangeError, 'aesKernel must be one that runs here, got "table"'],

  // Not there on a processor without AES instructions.
  ...(addon?.aesCtr === undefined ? [] : aesTable),
]

describe.skipIf(addon === undefined)(
  'arguments of the addon (skipped where it is not built)',
  () => {
    it.each(table)('%s refuses case %#', (call, args, type, message) => {
      let error: unknown
      try {
        Reflect.apply(addon![call]!, addon, args)
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(type)
      expect(error).toHaveProperty('message', message)
    })

    it('writes to the outputs that it is given', async () => {
      const memory = new Uint8Array(30)
      const outputs = [memory.subarray(3, 11), memory.subarray(11, 19)]
      const inputs = [1, 2, 3].map((seed) => new Uint8Array(8).fill(seed))
      const results = await addon!.fecEncode(3, 5, inputs, [4, 3], outputs)
      expect(results[0]).toBe(outputs[0])
      expect(results[1]).toBe(outputs[1])
      expect(results).toEqual(await addon!.fecEncode(3, 5, inputs, [4, 3]))
      const decoded = await addon!.fecDecode(
        3,
        5,
        [...inputs.slice(1), results[1].slice()],
        [1, 2, 3],
        [outputs[0]],
      )
      expect(decoded[0]).toBe(outputs[0])
      expect(decoded).toEqual([inputs[0]])
      expect([...memory.subarray(0, 3), ...memory.subarray(19)].every((byte) => byte === 0)).toBe(
        true,
      )
    })

    it('lets through what the getters of an argument throw', () => {
      const thrown = new Error('from a getter')
      const list = [a, b, c]
      Object.defineProperty(list, 1, {
        get() {
          throw thrown
        },
      })
      expect(() => addon!.fecEncode(3, 5, list, [3])).toThrow(thrown)
    })
  },
)
