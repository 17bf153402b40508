import { jsCodec } from '../../codec/src/js-provider.ts'
import { defaultCrypto } from '@lafs/crypto'
import { computeCap, encodeToShares, uploadableFromBytes } from '@lafs/immutable'
import { fromHex, loadVectors, stretch, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'

interface Caps {
  cases: {
    required: number
    total: number
    segmentSize: number
    convergence: string
    seed: string
    length: number
    cap: string
  }[]
}

const caps = await loadVectors<Caps>('chk/caps')

describe('computeCap', () => {
  it.each([131_072, 1_048_576])("gives upstream's caps with segments of %i bytes", async (size) => {
    for (const one of caps.cases.filter(({ segmentSize }) => segmentSize === size)) {
      const data = stretch(fromHex(one.seed), one.length)
      const cap = await computeCap(uploadableFromBytes(data), {
        codec: jsCodec,
        convergence: fromHex(one.convergence),
        encoding: {
          requiredShares: one.required,
          totalShares: one.total,
          maxSegmentSize: one.segmentSize,
        },
      })
      expect(cap.format()).toBe(one.cap)
    }
  }, 120_000)
})
