// Every provider against what zfec answered.
import { createHash } from 'node:crypto'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { providers } from './providers.ts'

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

function sha256(blocks: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const block of blocks) hash.update(block)
  return hash.digest('hex')
}

const range = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

/** As the vectors' `about` says. */
function inputBlock(seed: string, index: number, size: number): Uint8Array {
  const pieces = range(Math.ceil(size / 32)).map((counter) =>
    createHash('sha256').update(`${seed}:${index}:${counter}`).digest(),
  )
  return new Uint8Array(Buffer.concat(pieces)).subarray(0, size)
}

const inputBlocks = (seed: string, k: number, size: number): Uint8Array[] =>
  range(k).map((j) => inputBlock(seed, j, size))

const hex = (block: Uint8Array): string => Buffer.from(block).toString('hex')

/** What the vectors say of such blocks. */
function record(blocks: readonly Uint8Array[], { blocks: full }: Recorded): Partial<Recorded> {
  return { sha256: sha256(blocks), ...(full === undefined ? {} : { blocks: blocks.map(hex) }) }
}

describe.each(providers)('$name', ({ provider }) => {
  it.each(vectors.matrices)('has the matrix of zfec for $k/$n', async (answer) => {
    const { k, n } = answer
    const units = range(k).map((j) => Uint8Array.from({ length: k }, (_, i) => (i === j ? 1 : 0)))
    const encoder = provider.createEncoder({ requiredShares: k, maxShares: n })
    const rows = (await encoder.encode(units)).slice(k)
    expect(answer).toMatchObject(record(rows, answer))
  })

  it.each(vectors.encode)('encodes $k/$n blocks of $blockSize bytes', async (answer) => {
    const { k, n, blockSize, seed } = answer
    const encoder = provider.createEncoder({ requiredShares: k, maxShares: n })
    const shares = await encoder.encode(inputBlocks(seed, k, blockSize))
    expect(answer).toMatchObject(record(shares.slice(k), answer))
  })

  it.each(vectors.decode)('decodes $k/$n from shares $shareNumbers', async (answer) => {
    const { k, n, blockSize, seed, shareNumbers } = answer
    const params = { requiredShares: k, maxShares: n }
    const encoder = provider.createEncoder(params)
    const given = await encoder.encode(inputBlocks(seed, k, blockSize), { shareNumbers })
    expect(sha256(given)).toBe(answer.givenSha256)
    const rebuilt = await provider.createDecoder(params).decode(given, shareNumbers)
    expect(answer).toMatchObject(record(rebuilt, answer))
  })
})
