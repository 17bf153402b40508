import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { fromHex, stretch, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { publish } from '../src/publish/publish.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { mutableUploadableFromBytes } from '../src/uploadable.ts'
import { allShares, createServers, decode, fileOn, recorded, updateOn } from './publish-grid.ts'

/** A provider that draws the recorded salts. */
function drawing(salts: readonly string[]): { crypto: CryptoProvider; left: string[] } {
  const left = [...salts]
  const randomBytes = (size: number): Uint8Array => {
    const salt = fromHex(left.shift() ?? '')
    expect(salt.length).toBe(size)
    return salt
  }
  return { crypto: { ...defaultCrypto, randomBytes }, left }
}

/** What the vectors say of shares, from ours. */
function described(
  shares: ReadonlyMap<number, Uint8Array>,
  like: { readonly shares?: readonly string[] },
): object {
  const all = [...shares.values()]
  const joined = defaultCrypto.sha256(...all)
  return {
    numbers: [...shares.keys()],
    shareSizes: [...new Set(all.map(({ length }) => length))],
    sharesHash: toHex(joined),
    ...(like.shares === undefined
      ? {
          shareHashes: all
            .slice(0, 10)
            .map((share) => toHex(defaultCrypto.sha256(share)).slice(0, 16)),
        }
      : { shares: all.map(toHex) }),
  }
}

function expected(recordedCase: {
  readonly totalShares: number
  readonly shareSize: number
  readonly sharesHash: string
  readonly shares?: readonly string[]
  readonly shareHashes?: readonly string[]
}): object {
  const { totalShares, shareSize, sharesHash, shares, shareHashes } = recordedCase
  return {
    numbers: Array.from({ length: totalShares }, (_, share) => share),
    shareSizes: [shareSize],
    sharesHash,
    ...(shares === undefined ? { shareHashes } : { shares }),
  }
}

const seed = fromHex(recorded.seed)
const patchSeed = fromHex(recorded.patchSeed)

describe("upstream's shares of first versions, byte for byte", () => {
  it.each(recorded.cases)('$format, $size bytes, $requiredShares of $totalShares', async (one) => {
    const servers = await createServers(one.totalShares)
    const { crypto, left } = drawing(one.salts)
    const signed: string[] = []
    const file = await fileOn(servers, {
      ...one,
      version: one.format === 'MDMF' ? 1 : 0,
      crypto,
      sign: async (message) => {
        signed.push(toHex(message))
        return fromHex(recorded.signature)
      },
    })
    await publish(file, new ServerMap(), mutableUploadableFromBytes(stretch(seed, one.size)))
    expect(left).toEqual([])
    expect(signed).toEqual([one.signed])
    expect(described(await allShares(servers, file), one)).toEqual(expected(one))
  })
})

describe("upstream's shares after changes in place, byte for byte", () => {
  it.each(recorded.patches)(
    '$length bytes at $offset of $size, $requiredShares of $totalShares',
    async (one) => {
      const servers = await createServers(one.totalShares)
      const before = stretch(seed, one.size)
      const sign = async (): Promise<Uint8Array> => fromHex(recorded.signature)
      // The salts of the first version are the same numbers' hashes as those of the second one.
      let drawn = 0
      const salts = {
        ...defaultCrypto,
        randomBytes: () =>
          defaultCrypto.sha256(new TextEncoder().encode(`salt ${drawn++}`)).slice(0, 16),
      }
      const file = await fileOn(servers, { ...one, version: 1, crypto: salts, sign })
      await publish(file, new ServerMap(), mutableUploadableFromBytes(before))
      drawn = 0
      const data = stretch(patchSeed, one.length)
      await updateOn(servers, file, one.offset, data)
      const shares = await allShares(servers, file)
      const after = new Uint8Array(Math.max(one.size, one.offset + one.length))
      after.set(before)
      after.set(data, one.offset)
      expect(toHex(defaultCrypto.sha256(await decode(file, shares)))).toBe(
        toHex(defaultCrypto.sha256(after)),
      )
      expect(described(shares, one)).toEqual(expected(one))
    },
  )
})
