import { loadCodec } from '@lafs/codec'
import { defaultCrypto } from '@lafs/crypto'
import { encodeToShares, uploadableFromBytes } from '@lafs/immutable'
import type { RIBucketWriter } from '@lafs/storage-interface'
import { ChkBucketWriter } from '@lafs/storage-protocol/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '@lafs/crypto'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { createEncoder, uriExtensionSize } from '../src/encoder.ts'
import { encryptUploadable } from '../src/encrypt.ts'
import { fileGeometry, shareShape } from '../src/geometry.ts'
import { SegmentPool } from '../src/segment-pool.ts'
import { noise } from './grid.ts'

const codec = await loadCodec()
const key = new Uint8Array(16).fill(5)
const counts = { requiredShares: 3, totalShares: 5 }
const segmentSize = 300

/** A bucket that looks at what it was given as late as it may: when its write ends. */
function lateBucket(delays: () => number, share: Uint8Array[]): RIBucketWriter {
  return {
    write: async (_offset, pieces) => {
      for (let i = delays(); i > 0; i--) await new Promise((resolve) => setTimeout(resolve, 0))
      for (const piece of pieces) share.push(piece.slice())
    },
    close: async () => {},
    abort: async () => {},
  }
}

describe('memory of segments', () => {
  it('is not used again before every server has taken the blocks in it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 301, max: 6000 }),
        fc.integer({ min: 1, max: 700 }),
        fc.array(fc.nat(6), { minLength: 40, maxLength: 40 }),
        async (size, batchSize, delays) => {
          const data = noise(size)
          const uploadable = uploadableFromBytes(data, { encryptionKey: key })
          const { shares: expected } = await encodeToShares(uploadable, {
            codec,
            encoding: { ...counts, maxSegmentSize: segmentSize },
          })

          const geometry = fileGeometry({ ...counts, size, segmentSize })
          const shape = shareShape(geometry, uriExtensionSize(geometry))
          const got = Array.from({ length: counts.totalShares }, (): Uint8Array[] => [])
          let turn = 0
          const shareholders = got.map((pieces, share) => {
            const bucket = lateBucket(() => delays[turn++ % delays.length] ?? 0, pieces)
            const writer = new ChkBucketWriter(bucket, shape, { batchSize })
            return [share, { serverId: `server ${share}`, writer }] as const
          })
          const parameters = { ...counts, happyShares: 0, segmentSize }
          const encrypted = encryptUploadable(uploadable, key, parameters, defaultCrypto)
          const encoder = createEncoder(encrypted, {
            codec,
            crypto: defaultCrypto,
            clock: systemClock,
          })
          await encoder.start(new Map(shareholders), new Map())
          for (const [share, pieces] of got.entries()) {
            expect(concatBytes(pieces)).toEqual(expected.get(share))
          }
        },
      ),
      { numRuns: 30, seed: 11 },
    )
  })

  it('goes round, and pads with zeros whatever stood there', () => {
    const pool = new SegmentPool(fileGeometry({ ...counts, size: 400, segmentSize }))
    const first = pool.take(0)
    first.crypttext.fill(255)
    first.release()
    const tail = pool.take(1)
    expect(tail.crypttext.buffer).toBe(first.crypttext.buffer)
    expect(tail.size).toBe(100)
    expect([...tail.crypttext.subarray(100)]).toEqual([0, 0])
    expect(tail.parity.map((block) => block.length)).toEqual([34, 34])
    expect(pool.take(0).crypttext.buffer).not.toBe(first.crypttext.buffer)
  })
})
