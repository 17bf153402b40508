import type { RIBucketReader, RIBucketWriter } from '@lafs/storage-interface'
import {
  chkAllocatedSize,
  ChkBucketReader,
  ChkBucketWriter,
  packChkHeader,
  parseChkHeader,
  parseHashes,
  parseShareHashes,
  parseUriExtensionSize,
  planChkLayout,
} from '@lafs/storage-protocol/layout'
import type { ChkLayoutVersion, ChkShareShape } from '@lafs/storage-protocol/layout'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const shape: ChkShareShape = {
  dataSize: 250,
  blockSize: 100,
  segmentCount: 3,
  shareHashCount: 5,
  uriExtensionSize: 300,
}

/** A header of either version with the given numbers: block size, data size, then the offsets. */
function header(version: 1 | 2, numbers: readonly (number | bigint)[]): Uint8Array {
  const size = version === 1 ? 4 : 8
  const view = new DataView(new ArrayBuffer(4 + 8 * size))
  view.setUint32(0, version)
  for (const [index, value] of numbers.entries()) {
    if (size === 4) view.setUint32(4 + index * size, Number(value))
    else view.setBigUint64(4 + index * size, BigInt(value))
  }
  return new Uint8Array(view.buffer)
}

describe('planChkLayout', () => {
  it('places the sections one after the other', () => {
    const layout = planChkLayout(shape)
    expect(layout).toEqual({
      version: 1,
      fieldSize: 4,
      headerSize: 36,
      blockSize: 100,
      dataSize: 250,
      offsets: {
        data: 36,
        plaintextHashTree: 286,
        crypttextHashTree: 286 + 224,
        blockHashes: 286 + 448,
        shareHashes: 286 + 672,
        uriExtension: 286 + 672 + 170,
      },
    })
    expect(chkAllocatedSize(layout, 300)).toBe(286 + 672 + 170 + 4 + 300)
  })

  it.each([
    ['the last share that 4-byte offsets hold', { dataSize: 2 ** 32 - 1 - 36 - 96 - 34 }, 1],
    ['a share one byte longer', { dataSize: 2 ** 32 - 36 - 96 - 34 }, 2],
    ['blocks of 4 GiB', { dataSize: 10, blockSize: 2 ** 32 }, 2],
  ] as const)('takes for %s the layout %s', (_, change, version) => {
    const large = { ...shape, segmentCount: 1, shareHashCount: 1, ...change }
    expect(planChkLayout(large).version).toBe(version)
    if (version === 2) expect(() => planChkLayout(large, 1)).toThrow(RangeError)
  })

  it('makes headers that parse as what they are', () => {
    const sizes = fc.nat(2 ** 34)
    fc.assert(
      fc.property(sizes, sizes, fc.integer({ min: 1, max: 9999 }), fc.nat(9), (d, b, s, h) => {
        const layout = planChkLayout({
          dataSize: d,
          blockSize: b,
          segmentCount: s,
          shareHashCount: h,
          uriExtensionSize: 400,
        })
        const shareSize = chkAllocatedSize(layout, 400)
        expect(parseChkHeader(packChkHeader(layout), { shareSize })).toEqual(layout)
      }),
      { seed: 1 },
    )
  })
})

describe('parseChkHeader', () => {
  const good = [100, 250, 36, 286, 510, 734, 958, 1128]
  const changed = (index: number, value: number | bigint): (number | bigint)[] =>
    good.map((number, at) => (at === index ? value : number))

  it.each([
    ['nothing', new Uint8Array(), 'a version of 4 bytes, got 0'],
    ['three bytes', new Uint8Array(3), 'a version of 4 bytes, got 3'],
    ['version 0', new Uint8Array(68), 'version 1 or 2, got 0'],
    ['version 3', Uint8Array.of(0, 0, 0, 3), 'version 1 or 2, got 3'],
    ['a v1 header cut short', header(1, good).subarray(0, 35), 'a header of 36 bytes, got 35'],
    ['a v2 header cut short', header(2, good).subarray(0, 67), 'a header of 68 bytes, got 67'],
    ['data in the header', header(1, changed(2, 35)), 'data at 36 or later, got 35'],
    ['v2 data in the header', header(2, good), 'data at 68 or later, got 36'],
    ['crypttext hashes too early', header(1, changed(4, 35)), 'crypttextHashTree at 36 or later'],
    ['block hashes too early', header(1, changed(5, 0)), 'blockHashes at 510 or later'],
    ['share hashes too early', header(1, changed(6, 733)), 'shareHashes at 734 or later'],
    ['the UEB too early', header(1, changed(7, 957)), 'uriExtension at 958 or later'],
    ['half a block hash', header(1, changed(6, 959)), 'block hashes of a multiple of 32 bytes'],
    ['half a share hash', header(1, changed(7, 1129)), 'share hashes of a multiple of 34 bytes'],
    [
      'an offset beyond 2^53',
      header(2, [100, 250, 68, 286, 510, 734, 958, 2n ** 63n]),
      'uriExtension at 958 or later',
    ],
    [
      'an offset past the end',
      header(1, changed(7, 1128 + 3400)),
      'uriExtension within 2000 bytes',
    ],
  ])('refuses %s', (_, bytes, message) => {
    const parse = (): unknown => parseChkHeader(bytes, { shareSize: 2000 })
    expect(parse).toThrow(expect.objectContaining({ code: 'STORAGE_BAD_SHARE' }))
    expect(parse).toThrow(message)
  })

  it('does not mind where the plaintext hashes are said to be', () => {
    expect(parseChkHeader(header(1, changed(3, 4))).offsets.plaintextHashTree).toBe(4)
  })

  it('takes any bytes without another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(3), (bytes, version) => {
        if (bytes.length >= 4) bytes.set([0, 0, 0, version])
        try {
          parseChkHeader(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'STORAGE_BAD_SHARE' })
        }
      }),
      { seed: 2 },
    )
  })
})

describe('the other parsers', () => {
  it.each([
    ['hashes', () => parseHashes(new Uint8Array(33)), 'hashes of 32 bytes each, got 33'],
    [
      'share hashes',
      () => parseShareHashes(new Uint8Array(35)),
      'entries of 34 bytes each, got 35',
    ],
    ['a share hash twice', () => parseShareHashes(new Uint8Array(68)), 'got node 0 twice'],
    ['a UEB length cut short', () => parseUriExtensionSize(new Uint8Array(3), 4), 'got 3'],
    [
      'an absurd UEB length',
      () => parseUriExtensionSize(Uint8Array.of(0, 0, 7, 208), 4),
      'below 2000 bytes, got 2000',
    ],
    [
      'an absurd UEB length in v2',
      () => parseUriExtensionSize(new Uint8Array(8).fill(255), 8),
      'below 2000 bytes',
    ],
  ])('refuse %s', (_, parse, message) => {
    expect(parse).toThrow(expect.objectContaining({ code: 'STORAGE_BAD_SHARE' }))
    expect(parse).toThrow(message)
  })
})

/** A bucket in memory, which remembers its writes. */
function memoryBucket(): {
  writer: RIBucketWriter
  reader: RIBucketReader
  writes: number[]
  data: Uint8Array
} {
  const data = new Uint8Array(100_000)
  const writes: number[] = []
  let end = 0
  return {
    data,
    writes,
    writer: {
      write: async (offset, pieces) => {
        expect(offset).toBe(end)
        for (const piece of pieces) {
          data.set(piece, end)
          end += piece.length
        }
        writes.push(end - offset)
      },
      close: async () => {},
      abort: async () => {},
    },
    reader: {
      read: async (offset, length) => data.slice(offset, Math.min(offset + length, end)),
      adviseCorruptShare: async () => {},
    },
  }
}

const hashes = (count: number, first: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => new Uint8Array(32).fill(first + index))

async function writeShare(
  bucket: RIBucketWriter,
  options: { version?: ChkLayoutVersion; batchSize?: number; firstBatchSize?: number },
): Promise<ChkBucketWriter> {
  const writer = new ChkBucketWriter(bucket, shape, options)
  await writer.putBlock(0, new Uint8Array(100).fill(1))
  await writer.putBlock(1, new Uint8Array(100).fill(2))
  await writer.putBlock(2, new Uint8Array(50).fill(3))
  await writer.putCrypttextHashes(hashes(7, 10))
  await writer.putBlockHashes(hashes(7, 20))
  await writer.putShareHashes(new Map(hashes(5, 30).map((hash, index) => [300 - index, hash])))
  await writer.putUriExtension(new Uint8Array(300).fill(40))
  await writer.close()
  return writer
}

describe.each([1, 2] as const)('a share of layout %i', (version) => {
  it('reads back as it was written', async () => {
    const { writer, reader, writes } = memoryBucket()
    const { allocatedSize } = await writeShare(writer, { version })
    expect(writes).toEqual([allocatedSize])
    const share = new ChkBucketReader(reader)
    expect((await share.layout()).version).toBe(version)
    expect(await share.getBlock(1, 100, 100)).toEqual(new Uint8Array(100).fill(2))
    expect(await share.getBlock(2, 100, 50)).toEqual(new Uint8Array(50).fill(3))
    expect(await share.getCrypttextHashes()).toEqual(hashes(7, 10))
    expect(await share.getBlockHashes()).toEqual(hashes(7, 20))
    expect([...(await share.getShareHashes())]).toEqual(
      hashes(5, 30).map((hash, index) => [300 - index, hash]),
    )
    expect(await share.getUriExtension()).toEqual(new Uint8Array(300).fill(40))
    await expect(share.getBlock(20, 100, 100)).rejects.toMatchObject({ code: 'STORAGE_BAD_SHARE' })
  })

  it('goes out in batches, of which the first one may be smaller', async () => {
    const early = memoryBucket()
    await writeShare(early.writer, { version, batchSize: 1000, firstBatchSize: 1 })
    expect(early.writes[0]).toBe(version === 1 ? 136 : 168)
    expect(early.writes.slice(1, -1).every((size) => size >= 1000)).toBe(true)

    const { writer, writes } = memoryBucket()
    const { allocatedSize } = await writeShare(writer, { version, batchSize: 200 })
    expect(writes.reduce((sum, size) => sum + size)).toBe(allocatedSize)
    expect(writes.slice(0, -1).every((size) => size >= 200)).toBe(true)
    expect(writes.length).toBeGreaterThan(3)
  })
})

describe('ChkBucketWriter', () => {
  it.each([
    ['a block out of turn', (w: ChkBucketWriter) => w.putBlock(1, new Uint8Array(100))],
    ['a block of a wrong size', (w: ChkBucketWriter) => w.putBlock(0, new Uint8Array(99))],
    ['hashes out of turn', (w: ChkBucketWriter) => w.putBlockHashes(hashes(7, 0))],
    ['an early end', (w: ChkBucketWriter) => w.close()],
  ])('refuses %s', async (_, act) => {
    const writer = new ChkBucketWriter(memoryBucket().writer, shape)
    await expect((async () => act(writer))()).rejects.toThrow(RangeError)
  })
})

describe('ChkBucketReader', () => {
  it('refuses sections that are absurdly large before it reads them', async () => {
    const huge = packChkHeader(
      planChkLayout({ ...shape, segmentCount: 2 ** 20, shareHashCount: 2 ** 20 }, 2),
    )
    const reader = new ChkBucketReader({
      read: async (offset, length) => {
        if (length > 1000) throw new Error('should not be read')
        return huge.slice(offset, offset + length)
      },
      adviseCorruptShare: async () => {},
    })
    for (const section of [
      reader.getCrypttextHashes(),
      reader.getBlockHashes(),
      reader.getShareHashes(),
    ]) {
      await expect(section).rejects.toMatchObject({ code: 'STORAGE_BAD_SHARE' })
    }
  })
})
