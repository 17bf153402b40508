import { jsCodec } from '@lafs/codec'
import { createImmutableNode, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import { ChkCap, parseCapStrict } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createGrid, noise } from './grid.ts'
import type { Grid } from './grid.ts'

const leaseSecret = new Uint8Array(32).fill(7)

export async function put(
  grid: Grid,
  data: Uint8Array,
  k: number,
  n: number,
  maxSegmentSize = 1024 * 1024,
): Promise<ChkCap> {
  const results = await uploadImmutable(uploadableFromBytes(data), {
    broker: grid.broker,
    codec: jsCodec,
    secrets: { convergence: new Uint8Array(16), leaseSecret },
    encoding: { requiredShares: k, happyShares: 1, totalShares: n, maxSegmentSize },
  })
  const cap = parseCapStrict(results.uri)
  if (cap.kind !== 'chk') throw new Error(cap.kind)
  return cap
}

describe('put and get', () => {
  it.each([
    [3, 10, 56],
    [3, 10, 1000],
    [1, 1, 5000],
    [2, 3, 100_000],
    [3, 10, 3_000_000],
    [101, 256, 300_000],
  ])('%i of %i, %i bytes', async (k, n, size) => {
    const grid = await createGrid(10)
    const data = noise(size)
    const cap = await put(grid, data, k, n)
    const node = createImmutableNode(cap, { broker: grid.broker, codec: jsCodec })
    expect(Buffer.from(await node.downloadBestVersion()).equals(data)).toBe(true)
  })
})
