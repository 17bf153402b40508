import type { RIBucketWriter } from '@lafs/storage-interface'
import { ChkBucketWriter } from '@lafs/storage-protocol/layout'
import { describe, expect, it } from 'vitest'

const shape = {
  dataSize: 400,
  blockSize: 100,
  segmentCount: 4,
  shareHashCount: 1,
  uriExtensionSize: 10,
}

/** A bucket whose writes end when they are told to. */
function heldBucket(): {
  readonly bucket: RIBucketWriter
  readonly writes: { finish: () => void; fail: (error: Error) => void }[]
} {
  const writes: { finish: () => void; fail: (error: Error) => void }[] = []
  const bucket: RIBucketWriter = {
    write: () =>
      new Promise((resolve, reject) => {
        writes.push({ finish: resolve, fail: reject })
      }),
    close: async () => {},
    abort: async () => {},
  }
  return { bucket, writes }
}

/** Lets everything happen that waits for promises alone. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0))
}

/** Puts blocks, and notes which of them have been released, in order. */
function putBlocks(
  writer: ChkBucketWriter,
  count: number,
): { readonly released: number[]; readonly puts: Promise<PromiseSettledResult<void>[]> } {
  const released: number[] = []
  const puts = Array.from({ length: count }, (_, segment) =>
    writer.putBlock(segment, new Uint8Array(100), { onReleased: () => released.push(segment) }),
  )
  return { released, puts: Promise.allSettled(puts) }
}

describe('a block that was put', () => {
  it('is released, once, when the write that holds it has ended, and not before', async () => {
    const { bucket, writes } = heldBucket()
    const writer = new ChkBucketWriter(bucket, shape, { batchSize: 200 })
    // The header and two blocks fill the first batch, the next two the second.
    const { released, puts } = putBlocks(writer, 4)
    await settled()
    expect(released).toEqual([])
    writes[0]?.finish()
    await settled()
    expect(released).toEqual([0, 1])
    expect(writes).toHaveLength(2)
    writes[1]?.finish()
    expect((await puts).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(released).toEqual([0, 1, 2, 3])
  })

  it('is released when its write fails, and when one before it has failed', async () => {
    const { bucket, writes } = heldBucket()
    const writer = new ChkBucketWriter(bucket, shape, { batchSize: 200 })
    const { released, puts } = putBlocks(writer, 4)
    await settled()
    writes[0]?.fail(new Error('the server is gone'))
    expect((await puts).map(({ status }) => status)).toContain('rejected')
    expect(released).toEqual([0, 1, 2, 3])
    expect(writes).toHaveLength(1)
  })

  it('is released by an abort only when nothing sends it any more', async () => {
    const { bucket, writes } = heldBucket()
    const writer = new ChkBucketWriter(bucket, shape, { batchSize: 200 })
    const { released, puts } = putBlocks(writer, 3)
    await settled()
    await writer.abort()
    expect(released).toEqual([2])
    writes[0]?.finish()
    await puts
    expect(released).toEqual([2, 0, 1])
  })
})
