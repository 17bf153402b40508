import { type CodecErrorCode, type CodecProvider, isCodecError } from '@lafs/codec-interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

/** What the suite of codecs is run on. */
export interface CodecSuite {
  /** Names the group of tests. */
  readonly name: string
  readonly provider: CodecProvider
}

/** Every property is tried on the same cases each time. */
const SEED = 20250601

/** Check blocks that zfec makes of k unit blocks of k bytes: the rows of its matrix past the identity. */
const ZFEC_MATRICES: readonly [k: number, n: number, rows: readonly string[]][] = [
  [1, 3, ['01', '01']],
  [2, 3, ['0302']],
  [3, 10, ['0f0806', '2d301c', '99e078', '0be7ed', '893bb3', '46f1b6', 'bad962']],
  [4, 5, ['7740380e']],
  [7, 10, ['9b75313a9e047e', '8ca5c3d2b67bf4', '0ed841d5534151']],
]

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const range = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

/** Bytes that look random and are the same each time. */
function bytesOf(size: number, seed: number): Uint8Array {
  let state = seed * 2654435761 + 12345
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state >>> 24
  })
}

const blocksOf = (k: number, size: number, seed = 1): Uint8Array[] =>
  range(k).map((j) => bytesOf(size, seed * 1000 + j))

/** Where blocks differ, if they do: many times faster than toEqual on long arrays that are equal. */
function difference(
  actual: readonly Uint8Array[],
  expected: readonly Uint8Array[],
): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} blocks, not ${expected.length}`
  for (const [i, block] of actual.entries()) {
    const other = expected[i]!
    if (block.length !== other.length)
      return `block ${i} has ${block.length} bytes, not ${other.length}`
    for (let at = 0; at < block.length; at++)
      if (block[at] !== other[at]) return `block ${i} differs at byte ${at}`
  }
  return undefined
}

/** All ways to take k of the numbers below n, in ascending order. */
function* choices(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) yield []
  else
    for (let first = from; first <= n - k; first++)
      for (const rest of choices(n, k - 1, first + 1)) yield [first, ...rest]
}

async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    return isCodecError(error) ? error.code : String(error)
  }
  return 'no error'
}

function testErrors(provider: CodecProvider): void {
  it.each([
    [0, 1],
    [1, 0],
    [-1, 3],
    [4, 3],
    [3, 257],
    [257, 257],
    [1.5, 3],
    [1, 2.5],
    [Number.NaN, 3],
    [1, Number.NaN],
    [1, Number.POSITIVE_INFINITY],
  ])('refuses k = %s, n = %s', async (requiredShares, maxShares) => {
    const params = { requiredShares, maxShares }
    expect(await codeOf(() => provider.createEncoder(params))).toBe('CODEC_BAD_PARAMS')
    expect(await codeOf(() => provider.createDecoder(params))).toBe('CODEC_BAD_PARAMS')
  })

  const params = { requiredShares: 3, maxShares: 5 }
  const encoder = provider.createEncoder(params)
  const decoder = provider.createDecoder(params)
  const good = blocksOf(3, 8)

  it.each<[string, Uint8Array[], CodecErrorCode]>([
    ['no blocks', [], 'CODEC_BAD_BLOCK_COUNT'],
    ['too few blocks', blocksOf(2, 8), 'CODEC_BAD_BLOCK_COUNT'],
    ['too many blocks', blocksOf(4, 8), 'CODEC_BAD_BLOCK_COUNT'],
    ['empty blocks', blocksOf(3, 0), 'CODEC_BAD_BLOCK_SIZE'],
    ['a shorter last block', [...blocksOf(2, 8), new Uint8Array(7)], 'CODEC_BAD_BLOCK_SIZE'],
    ['a longer last block', [...blocksOf(2, 8), new Uint8Array(9)], 'CODEC_BAD_BLOCK_SIZE'],
    ['an empty last block', [...blocksOf(2, 8), new Uint8Array()], 'CODEC_BAD_BLOCK_SIZE'],
  ])('refuses %s', async (_, blocks, code) => {
    expect(await codeOf(() => encoder.encode(blocks))).toBe(code)
    const numbers = blocks.map((_block, i) => i)
    expect(await codeOf(() => decoder.decode(blocks, numbers))).toBe(code)
  })

  it.each([[[5]], [[-1]], [[256]], [[1.5]], [[Number.NaN]], [[3, 3]], [[0, 4, 0]]])(
    'refuses to encode shares %j',
    async (shareNumbers) => {
      const code = await codeOf(() => encoder.encode(good, { shareNumbers }))
      expect(code).toBe('CODEC_BAD_SHARE_NUMBER')
    },
  )

  it.each([[[0, 1, 5]], [[0, 1, -1]], [[0, 1, 259]], [[0, 1, 0.5]], [[0, 4, 4]], [[1, 1, 2]]])(
    'refuses to decode shares %j',
    async (shareNumbers) => {
      const code = await codeOf(() => decoder.decode(good, shareNumbers))
      expect(code).toBe('CODEC_BAD_SHARE_NUMBER')
    },
  )

  it('refuses another number of share numbers than of blocks', async () => {
    expect(await codeOf(() => decoder.decode(good, [0, 1]))).toBe('CODEC_BAD_BLOCK_COUNT')
    expect(await codeOf(() => decoder.decode(good, [0, 1, 2, 3]))).toBe('CODEC_BAD_BLOCK_COUNT')
  })
}

function testCode(provider: CodecProvider): void {
  it.each(ZFEC_MATRICES)('has the matrix of zfec for %i/%i', async (k, n, rows) => {
    const units = range(k).map((j) => Uint8Array.from({ length: k }, (_, i) => (i === j ? 1 : 0)))
    const encoder = provider.createEncoder({ requiredShares: k, maxShares: n })
    expect((await encoder.encode(units)).slice(k).map(toHex)).toEqual(rows)
  })

  it('returns the input blocks themselves for the numbers below k', async () => {
    const blocks = blocksOf(3, 40)
    const encoder = provider.createEncoder({ requiredShares: 3, maxShares: 5 })
    const shares = await encoder.encode(blocks)
    for (const i of range(3)) expect(shares[i]).toBe(blocks[i])
    const decoder = provider.createDecoder({ requiredShares: 3, maxShares: 5 })
    const rebuilt = await decoder.decode([shares[4]!, shares[2]!, shares[0]!], [4, 2, 0])
    expect(rebuilt[0]).toBe(blocks[0])
    expect(rebuilt[1]).toEqual(blocks[1])
    expect(rebuilt[1]).not.toBe(blocks[1])
    expect(rebuilt[2]).toBe(blocks[2])
  })

  it('makes the shares asked for, in the order asked for', async () => {
    const encoder = provider.createEncoder({ requiredShares: 2, maxShares: 6 })
    const blocks = blocksOf(2, 33)
    const all = await encoder.encode(blocks)
    expect(all).toHaveLength(6)
    const some = await encoder.encode(blocks, { shareNumbers: [5, 0, 3] })
    expect(some).toEqual([all[5], all[0], all[3]])
    expect(await encoder.encode(blocks, { shareNumbers: [] })).toEqual([])
  })

  it('rebuilds from every k of n shares, for every k <= n <= 8', async () => {
    for (const n of range(9).slice(1))
      for (const k of range(n + 1).slice(1)) {
        const params = { requiredShares: k, maxShares: n }
        const blocks = blocksOf(k, 21, n * 10 + k)
        const shares = await provider.createEncoder(params).encode(blocks)
        const decoder = provider.createDecoder(params)
        for (const numbers of choices(n, k)) {
          const given = numbers.map((number) => shares[number]!)
          expect(difference(await decoder.decode(given, numbers), blocks)).toBeUndefined()
        }
      }
  })

  it('rebuilds from any k of n shares in any order, at any size', async () => {
    const cases = fc
      .integer({ min: 1, max: 256 })
      .chain((n) => fc.tuple(fc.integer({ min: 1, max: Math.min(n, 40) }), fc.constant(n)))
      .chain(([k, n]) =>
        fc.record({
          k: fc.constant(k),
          n: fc.constant(n),
          size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 9000 })),
          numbers: fc.shuffledSubarray(range(n), { minLength: k, maxLength: k }),
          seed: fc.nat(1000),
        }),
      )
    await fc.assert(
      fc.asyncProperty(cases, async ({ k, n, size, numbers, seed }) => {
        const params = { requiredShares: k, maxShares: n }
        const blocks = blocksOf(k, size, seed)
        const encoder = provider.createEncoder(params)
        const given = await encoder.encode(blocks, { shareNumbers: numbers })
        expect(
          difference(await provider.createDecoder(params).decode(given, numbers), blocks),
        ).toBeUndefined()
      }),
      { seed: SEED, numRuns: 40 },
    )
  })

  it.each([
    [1, 256],
    [128, 256],
    [255, 256],
    [256, 256],
  ])('rebuilds from the last shares of %i/%i', async (k, n) => {
    const params = { requiredShares: k, maxShares: n }
    const blocks = blocksOf(k, 67)
    const numbers = range(k).map((i) => n - 1 - i)
    const given = await provider.createEncoder(params).encode(blocks, { shareNumbers: numbers })
    expect(
      difference(await provider.createDecoder(params).decode(given, numbers), blocks),
    ).toBeUndefined()
  })
}

function testMemory(provider: CodecProvider): void {
  const params = { requiredShares: 3, maxShares: 7 }

  it('takes views at any offset and leaves their surroundings and contents as they are', async () => {
    const encoder = provider.createEncoder(params)
    const decoder = provider.createDecoder(params)
    for (const offset of range(17)) {
      const size = 1000 + offset
      const blocks = blocksOf(3, size, offset)
      const views = blocks.map((block) => {
        const memory = new Uint8Array(size + 64).fill(0xa5)
        memory.set(block, offset)
        return memory.subarray(offset, offset + size)
      })
      const expected = await encoder.encode(blocks)
      const shares = await encoder.encode(views)
      expect(difference(shares, expected)).toBeUndefined()
      expect(
        difference(await decoder.decode([shares[6]!, views[1]!, shares[3]!], [6, 1, 3]), blocks),
      ).toBeUndefined()
      for (const [j, view] of views.entries()) {
        const around = new Uint8Array(view.buffer)
        expect(difference([view], [blocks[j]!])).toBeUndefined()
        around.fill(0xa5, offset, offset + size)
        expect(around.every((byte) => byte === 0xa5)).toBe(true)
      }
    }
  })

  it('gives results that share no memory with the inputs or one another', async () => {
    const inputs = blocksOf(3, 100)
    const shares = await provider.createEncoder(params).encode(inputs)
    const expected = shares.map((share) => share.slice())
    for (const [i, share] of shares.entries()) {
      if (i < 3) continue
      share.fill(i)
      expected[i]!.fill(i)
    }
    expect(difference(shares, expected)).toBeUndefined()
  })

  it('serves concurrent calls of one encoder and one decoder', async () => {
    const encoder = provider.createEncoder(params)
    const decoder = provider.createDecoder(params)
    const segments = range(24).map((i) => blocksOf(3, 5000 + 37 * i, i))
    const encoded = await Promise.all(segments.map((blocks) => encoder.encode(blocks)))
    const rebuilt = await Promise.all(
      encoded.map((shares) => decoder.decode([shares[5]!, shares[4]!, shares[1]!], [5, 4, 1])),
    )
    for (const [i, blocks] of rebuilt.entries())
      expect(difference(blocks, segments[i]!)).toBeUndefined()
  })
}

function testInto(provider: CodecProvider): void {
  const params = { requiredShares: 3, maxShares: 7 }
  const encoder = provider.createEncoder(params)
  const decoder = provider.createDecoder(params)

  it('makes blocks in the memory given, at any offset, and nowhere else', async () => {
    for (const offset of range(17)) {
      const size = 5000 + offset
      const blocks = blocksOf(3, size, offset)
      const memory = new Uint8Array(3 * size + 2 * offset).fill(0xa5)
      const into = range(2).map((i) => memory.subarray(offset + i * size, offset + (i + 1) * size))
      const expected = await encoder.encode(blocks, { shareNumbers: [6, 1, 4] })
      const shares = await encoder.encode(blocks, { shareNumbers: [6, 1, 4], into })
      expect([shares[0] === into[0], shares[1] === blocks[1], shares[2] === into[1]]).toEqual(
        Array.from({ length: 3 }, () => true),
      )
      expect(difference(shares, expected)).toBeUndefined()
      const given = shares.map((share) => share.slice())
      const rebuilt = await decoder.decode(given, [6, 1, 4], { into })
      expect([rebuilt[0] === into[0], rebuilt[1] === given[1], rebuilt[2] === into[1]]).toEqual(
        Array.from({ length: 3 }, () => true),
      )
      expect(difference(rebuilt, blocks)).toBeUndefined()
      memory.fill(0xa5, offset, offset + 2 * size)
      expect(memory.every((byte) => byte === 0xa5)).toBe(true)
    }
  })

  it('takes inputs and results that lie side by side, and no memory where nothing is to be made', async () => {
    const memory = bytesOf(70, 7)
    const all = range(7).map((i) => memory.subarray(10 * i, 10 * i + 10))
    const blocks = all.slice(0, 3)
    const expected = await encoder.encode(blocks.map((block) => block.slice()))
    const shares = await encoder.encode(blocks, { into: all.slice(3) })
    expect(difference(shares, expected)).toBeUndefined()
    expect(await encoder.encode(blocks, { shareNumbers: [2], into: [] })).toEqual([blocks[2]])
    expect(await decoder.decode(blocks, [0, 1, 2], { into: [] })).toEqual(blocks)
  })

  it('gives right answers in memory that is used again and again', async () => {
    const into = range(4).map(() => new Uint8Array(3000))
    const rebuiltInto = range(3).map(() => new Uint8Array(3000))
    for (const round of range(40)) {
      const size = 3000 - 61 * round
      const cut = (array: Uint8Array): Uint8Array => array.subarray(0, size)
      const blocks = blocksOf(3, size, round)
      const shares = await encoder.encode(blocks, { into: into.map(cut) })
      const numbers = [3 + (round % 4), 3 + ((round + 1) % 4), 3 + ((round + 2) % 4)]
      const given = numbers.map((number) => shares[number]!)
      const rebuilt = await decoder.decode(given, numbers, { into: rebuiltInto.map(cut) })
      expect(difference(rebuilt, blocks)).toBeUndefined()
    }
  })

  it('writes nothing there once the operation has settled, aborted or not', async () => {
    const controller = new AbortController()
    const into = range(4).map(() => new Uint8Array(60_000))
    const options = { into, signal: controller.signal }
    const running = encoder.encode(blocksOf(3, 60_000), options).catch(() => {})
    controller.abort(new Error('no longer wanted'))
    await running
    for (const array of into) array.fill(0xa5)
    await encoder.encode(blocksOf(3, 60_000))
    expect(into.every((array) => array.every((byte) => byte === 0xa5))).toBe(true)
  })

  const good = blocksOf(3, 8)
  const two = blocksOf(2, 8, 9)
  const memory = new Uint8Array(12)
  const overlapping = [memory.subarray(0, 8), memory.subarray(4, 12)]

  it.each<[string, Uint8Array[], CodecErrorCode]>([
    ['no memory', [], 'CODEC_BAD_BLOCK_COUNT'],
    ['too few arrays', two.slice(1), 'CODEC_BAD_BLOCK_COUNT'],
    ['too many arrays', blocksOf(3, 8, 9), 'CODEC_BAD_BLOCK_COUNT'],
    ['a shorter array', [two[0]!, new Uint8Array(7)], 'CODEC_BAD_BLOCK_SIZE'],
    ['a longer array', [new Uint8Array(9), two[1]!], 'CODEC_BAD_BLOCK_SIZE'],
    ['an empty array', [two[0]!, new Uint8Array()], 'CODEC_BAD_BLOCK_SIZE'],
  ])('refuses %s to write two blocks to', async (_, into, code) => {
    expect(await codeOf(() => encoder.encode(good, { shareNumbers: [5, 0, 3], into }))).toBe(code)
    expect(await codeOf(() => decoder.decode(good, [3, 0, 6], { into }))).toBe(code)
  })

  it.each([
    ['one another', overlapping],
    ['each other wholly', [two[0]!, two[0]!]],
    ['an input', [two[0]!, good[1]!]],
  ])('refuses arrays that overlap %s', async (_, into) => {
    const shareNumbers = [5, 3]
    await expect(encoder.encode(good, { shareNumbers, into })).rejects.toThrow(RangeError)
    await expect(decoder.decode(good, [3, 0, 6], { into })).rejects.toThrow(RangeError)
  })
}

function testAbort(provider: CodecProvider): void {
  const params = { requiredShares: 2, maxShares: 4 }
  const reason = new Error('no longer wanted')

  it('rejects with the reason of a signal that is aborted already', async () => {
    const signal = AbortSignal.abort(reason)
    const blocks = blocksOf(2, 10)
    await expect(provider.createEncoder(params).encode(blocks, { signal })).rejects.toBe(reason)
    await expect(provider.createDecoder(params).decode(blocks, [2, 3], { signal })).rejects.toBe(
      reason,
    )
  })

  it('settles either way when a signal is aborted midway, and works on afterwards', async () => {
    const encoder = provider.createEncoder(params)
    const controller = new AbortController()
    const blocks = blocksOf(2, 100_000)
    const running = encoder.encode(blocks, { signal: controller.signal })
    controller.abort(reason)
    const outcome = await running.then(
      (shares) => shares.length,
      (error: unknown) => error,
    )
    expect([4, reason]).toContain(outcome)
    expect(await encoder.encode(blocks)).toHaveLength(4)
  })
}

/**
 * The suite that a codec provider must pass: argument errors, the code itself (known answers, every
 * erasure pattern of small codes, random ones of large), memory, lent memory, concurrency and abort
 * signals.
 *
 * @see `CodecProvider`
 */
export function testCodec({ name, provider }: CodecSuite): void {
  describe(`codec ${name}`, () => {
    it('says what it is', () => {
      expect(provider.name).toBeTypeOf('string')
      expect(provider.capabilities.kernel).toBeTypeOf('string')
      const encoder = provider.createEncoder({ requiredShares: 3, maxShares: 10 })
      expect(encoder).toMatchObject({ codecType: 'crs', requiredShares: 3, maxShares: 10 })
      expect(encoder.provider).toBe(provider.name)
      const decoder = provider.createDecoder({ requiredShares: 3, maxShares: 10 })
      expect(decoder).toMatchObject({ requiredShares: 3, maxShares: 10, provider: provider.name })
    })
    describe('errors', () => {
      testErrors(provider)
    })
    describe('the code', () => {
      testCode(provider)
    })
    describe('memory and concurrency', () => {
      testMemory(provider)
    })
    describe('memory that is lent', () => {
      testInto(provider)
    })
    describe('abort signals', () => {
      testAbort(provider)
    })
  })
}
