// What zfec answered, asked of a provider.
import type { CodecProvider } from '@lafs/codec-interface'
import { loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'

interface Recorded {
  readonly k: number
  readonly n: number
  readonly sha256: string
  readonly blocks?: readonly string[]
}

interface ZfecVectors {
  readonly matrices: readonly Recorded[]
  readonly encode: readonly (Recorded & { blockSize: number; seed: string })[]
  readonly decode: readonly (Recorded & {
    blockSize: number
    seed: string
    shareNumbers: readonly number[]
    givenSha256: string
  })[]
}

const vectors = await loadVectors<ZfecVectors>('codec/zfec')

const range = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

async function sha256(...pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', join(pieces)))
}

/** As the vectors' `about` says. */
async function inputBlock(seed: string, index: number, size: number): Promise<Uint8Array> {
  const encoder = new TextEncoder()
  const counters = range(Math.ceil(size / 32))
  const pieces = counters.map((counter) => sha256(encoder.encode(`${seed}:${index}:${counter}`)))
  return join(await Promise.all(pieces)).subarray(0, size)
}

const inputs = new Map<string, Promise<Uint8Array[]>>()

/** Made once for all providers of a file. */
function inputBlocks(seed: string, k: number, size: number): Promise<Uint8Array[]> {
  const blocks = inputs.get(seed) ?? Promise.all(range(k).map((j) => inputBlock(seed, j, size)))
  inputs.set(seed, blocks)
  return blocks
}

/** What the vectors say of such blocks. */
async function record(
  blocks: readonly Uint8Array[],
  { blocks: full }: Recorded,
): Promise<Partial<Recorded>> {
  const digest = toHex(await sha256(...blocks))
  return { sha256: digest, ...(full === undefined ? {} : { blocks: blocks.map(toHex) }) }
}

/** Compares a provider with everything that was recorded from zfec. */
export function testZfecVectors(name: string, provider: CodecProvider): void {
  describe(`${name} beside zfec`, () => {
    it.each(vectors.matrices)('has the matrix of $k/$n', async (answer) => {
      const { k, n } = answer
      const units = range(k).map((j) => Uint8Array.from({ length: k }, (_, i) => (i === j ? 1 : 0)))
      const encoder = provider.createEncoder({ requiredShares: k, maxShares: n })
      const rows = (await encoder.encode(units)).slice(k)
      expect(answer).toMatchObject(await record(rows, answer))
    })

    it.each(vectors.encode)('encodes $k/$n blocks of $blockSize bytes', async (answer) => {
      const { k, n, blockSize, seed } = answer
      const encoder = provider.createEncoder({ requiredShares: k, maxShares: n })
      const shares = await encoder.encode(await inputBlocks(seed, k, blockSize))
      expect(answer).toMatchObject(await record(shares.slice(k), answer))
    })

    it.each(vectors.decode)('decodes $k/$n from shares $shareNumbers', async (answer) => {
      const { k, n, blockSize, seed, shareNumbers } = answer
      const params = { requiredShares: k, maxShares: n }
      const encoder = provider.createEncoder(params)
      const given = await encoder.encode(await inputBlocks(seed, k, blockSize), { shareNumbers })
      expect(toHex(await sha256(...given))).toBe(answer.givenSha256)
      const rebuilt = await provider.createDecoder(params).decode(given, shareNumbers)
      expect(answer).toMatchObject(await record(rebuilt, answer))
    })
  })
}
