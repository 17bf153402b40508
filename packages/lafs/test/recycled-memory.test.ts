import { recycleMemory } from '@lafs/crypto'
import { createCheckable, createLocalGrid, isImmutableFileNode } from 'lafs'
import type { Client, LocalGrid } from 'lafs'
import { afterAll, beforeAll, expect, it } from 'vitest'

// Share data pass through memory that is used again and again, here by many files at once, of which
// some are given up amid their way. Blocks are larger than 64 KiB, so that all of it is recycled.

const SIZES = [300_000, 1_000_000, 4_000_000, 5_200_001]

let grid: LocalGrid
let client: Client
beforeAll(async () => {
  grid = await createLocalGrid({ servers: 6, encoding: { requiredShares: 2, totalShares: 6 } })
  client = await grid.createClient()
})
afterAll(async () => {
  await client.close()
  await grid.close()
})

/** Bytes that are like those of no other file, nor of another place. */
function content(file: number, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  for (let index = 0; index < words.length; index++) words[index] = index * 2_654_435_761 + file
  return new Uint8Array(words.buffer).subarray(0, size)
}

/** Reads a span of a file, and gives the memory of each piece back as soon as it has been looked at. */
async function compare(
  cap: string,
  whole: Uint8Array,
  offset: number,
  size: number,
): Promise<void> {
  const node = client.createNodeFromUri(cap)
  if (!isImmutableFileNode(node)) throw new Error('expected an immutable file')
  let at = offset
  for await (const piece of node.read({ offset, size })) {
    expect(Buffer.compare(piece, whole.subarray(at, at + piece.length))).toBe(0)
    at += piece.length
    recycleMemory(piece)
  }
  expect(at).toBe(offset + size)
}

/** Begins to read, and leaves with the first piece, or before it. */
async function leave(cap: string, afterMs: number): Promise<void> {
  const node = client.createNodeFromUri(cap)
  if (!isImmutableFileNode(node)) throw new Error('expected an immutable file')
  const signal = AbortSignal.timeout(afterMs)
  try {
    for await (const _ of node.read({ signal })) break
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Verifies every share, whose blocks go back to be used again as soon as they have been hashed. */
async function verify(cap: string): Promise<void> {
  const results = await createCheckable(cap, client.checker).check({ verify: true })
  expect(results?.corruptShares).toEqual([])
  expect(results?.recoverable).toBe(true)
}

it('holds the bytes of one file at a time', async () => {
  const files = Array.from({ length: 8 }, (_, file) =>
    content(file, SIZES[file % SIZES.length] ?? 0),
  )
  const given = new AbortController()
  const abandoned = client
    .upload(content(99, 3_000_000), { signal: given.signal })
    .catch((error: unknown) => expect(error).toEqual(new Error('enough')))
  setTimeout(() => given.abort(new Error('enough')), 30)
  const caps = await Promise.all(files.map(async (data) => (await client.upload(data)).uri))
  await abandoned
  for (const cap of caps) {
    const results = await createCheckable(cap, client.checker).check({ verify: true })
    expect(results?.healthy).toBe(true)
  }
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      files.flatMap((data, file) => {
        const cap = caps[file] ?? ''
        const half = Math.floor(data.length / 2)
        return [
          compare(cap, data, 0, data.length),
          compare(cap, data, half, 200_000 < half ? 200_000 : half),
          leave(cap, 1 + ((file * 7 + round * 3) % 20)),
          verify(cap),
        ]
      }),
    )
    if (round === 0) await grid.servers[1]?.stop()
  }
})
