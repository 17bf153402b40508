// AES-CTR against node:crypto, with every kernel: block edges of all of them, parts of blocks, carries.
import { createCipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { addon } from './addon.ts'

const bytesOf = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 8) + seed)

function expected(
  key: Uint8Array,
  counter: Uint8Array,
  data: Uint8Array,
  skip: number,
): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', key, counter)
  cipher.update(new Uint8Array(skip))
  return new Uint8Array(cipher.update(data))
}

/** Counters whose last 4, 8 or 16 bytes are about to carry. */
const counters = [4, 8, 16, 0].flatMap((ones) =>
  [1, 3, 33, 50].map((before) => {
    const counter = bytesOf(16, ones).fill(255, 16 - ones)
    counter[15] = ones === 0 ? before : 256 - before
    return counter
  }),
)

const kernels = addon?.aesKernels ?? []

describe.skipIf(kernels.length === 0)(
  'aesCtr (skipped where the addon is not built, or the processor has no AES)',
  () => {
    it.each(kernels)('agrees with node:crypto, with kernel %s', async (kernel) => {
      const fastest = addon!.aesKernel!
      addon!.setAesKernel(kernel)
      expect(addon!.aesKernel).toBe(kernel)
      const sizes = [0, 1, 15, 16, 17, 31, 100, 127, 128, 256, 511, 512, 513, 1000, 1040, 70_001]
      for (const [i, counter] of counters.entries())
        for (const size of sizes) {
          const skip = (i * 5 + size) % 16
          const memory = bytesOf(size + 34, i)
          const data = memory.subarray(1 + i, 1 + i + size)
          const after = memory.slice()
          after.set(expected(bytesOf(16, size), counter, data, skip), 1 + i)
          const result = await addon!.aesCtr!(bytesOf(16, size), counter, data, skip)
          expect(result).toBeUndefined()
          // The surroundings of the data too; many times faster than toEqual.
          expect([i, size, Buffer.compare(memory, after)]).toEqual([i, size, 0])
        }
      addon!.setAesKernel(fastest)
    })

    it('serves many calls at once, and needs key and counter for the call only', async () => {
      const key = new Uint8Array(16)
      const counter = new Uint8Array(16)
      const pieces = Array.from({ length: 32 }, (_, i) => bytesOf(20_000 + i, i))
      const wanted = pieces.map((piece, i) =>
        expected(key.fill(i), counter.fill(255 - i), piece, i % 16),
      )
      const running = pieces.map((piece, i) =>
        addon!.aesCtr!(key.fill(i), counter.fill(255 - i), piece, i % 16),
      )
      key.fill(99)
      counter.fill(99)
      await Promise.all(running)
      for (const [i, piece] of pieces.entries())
        expect([i, Buffer.compare(piece, wanted[i])]).toEqual([i, 0])
    })
  },
)
