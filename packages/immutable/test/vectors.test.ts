import { loadCodec } from '@lafs/codec'
import { defaultCrypto } from '@lafs/crypto'
import {
  computeCap,
  createImmutableNode,
  encodeToShares,
  uploadableFromBytes,
} from '@lafs/immutable'
import { fromHex, loadBytes, loadVectors, stretch, toHex } from '@lafs/vectors'
import { parseCapStrict, type ChkCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createGrid, store } from './grid.ts'

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

interface Shares {
  cases: {
    required: number
    total: number
    segmentSize: number
    size: number
    layoutVersion: 1 | 2
    convergence: string
    seed: string
    cap: string
    shareSize: number
    sharesHash: string
    kept?: { file: string; shareNumbers: number[] }
  }[]
}

interface OldShares {
  cap: string
  plaintext: string
  shares: { shareNumber: number; data: string }[]
}

const caps = await loadVectors<Caps>('chk/caps')
const shares = await loadVectors<Shares>('chk/shares')
const oldShares = await loadVectors<OldShares>('chk/old-shares')
const codec = await loadCodec()

function chkCap(text: string): ChkCap {
  const cap = parseCapStrict(text)
  if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
  return cap
}

async function read(cap: ChkCap, data: ReadonlyMap<number, Uint8Array>): Promise<Uint8Array> {
  const grid = await createGrid(3)
  for (const [share, bytes] of data) {
    const server = grid.servers[share % 3]
    if (server !== undefined) await store(server, cap.storageIndex, new Map([[share, bytes]]))
  }
  return createImmutableNode(cap, { broker: grid.broker, codec }).downloadBestVersion()
}

/** Browsers hash in plain JavaScript: there one in ten of the larger files must do. */
const inNode = typeof process === 'object' && typeof process.versions?.node === 'string'
const affordable = (size: number, index: number): boolean =>
  inNode || size < 200_000 || index % 10 === 0

describe('computeCap', () => {
  it.each([131_072, 1_048_576])(
    "gives upstream's caps with segments of %i bytes",
    async (size) => {
      const cases = caps.cases.filter(({ segmentSize }) => segmentSize === size)
      for (const one of cases.filter(({ length }, index) => affordable(length, index))) {
        const data = stretch(fromHex(one.seed), one.length)
        const cap = await computeCap(uploadableFromBytes(data), {
          codec,
          convergence: fromHex(one.convergence),
          encoding: {
            requiredShares: one.required,
            totalShares: one.total,
            maxSegmentSize: one.segmentSize,
          },
        })
        expect(cap.format()).toBe(one.cap)
      }
    },
    120_000,
  )
})

describe('encodeToShares', () => {
  // Above this the caps above say enough; the bytes would only take time.
  const small = shares.cases.filter(
    ({ size, total, required }, index) =>
      (size * total) / required < 2e6 && affordable((size * total) / required, index),
  )

  it(`gives the bytes of the shares of ${small.length} files as upstream stores them`, async () => {
    for (const one of small) {
      const { cap, shares: made } = await encodeToShares(
        uploadableFromBytes(stretch(fromHex(one.seed), one.size)),
        {
          codec,
          convergence: fromHex(one.convergence),
          encoding: {
            requiredShares: one.required,
            totalShares: one.total,
            maxSegmentSize: one.segmentSize,
          },
          layoutVersion: one.layoutVersion,
        },
      )
      expect(cap.format()).toBe(one.cap)
      const hashes = [...made]
        .toSorted(([a], [b]) => a - b)
        .map(([, bytes]) => defaultCrypto.sha256(bytes))
      expect(toHex(defaultCrypto.sha256(...hashes))).toBe(one.sharesHash)
      expect(made.get(0)?.length).toBe(one.shareSize)
    }
  }, 60_000)
})

describe('createImmutableNode', () => {
  it("reads upstream's shares of either layout", async () => {
    for (const { kept, shareSize, cap, seed, size } of shares.cases) {
      if (kept === undefined) continue
      const bytes = await loadBytes(kept.file)
      const data = new Map(
        kept.shareNumbers.map((share, index) => [
          share,
          bytes.slice(index * shareSize, (index + 1) * shareSize),
        ]),
      )
      expect(toHex(await read(chkCap(cap), data))).toBe(toHex(stretch(fromHex(seed), size)))
    }
  }, 20_000)

  it('reads shares that upstream 1.2.0 stored', async () => {
    const data = new Map(
      oldShares.shares.map(({ shareNumber, data: bytes }) => [shareNumber, fromHex(bytes)]),
    )
    expect(toHex(await read(chkCap(oldShares.cap), data))).toBe(oldShares.plaintext)
  })
})
