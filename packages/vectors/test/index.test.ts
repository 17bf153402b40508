import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, loadBytes, loadVectors, stretch, toHex } from '@lafs/vectors'

interface ShareCase {
  size: number
  seed: string
  plaintextHash: string
  shareSize: number
  shareHashes: string[]
  kept?: { file: string; shareNumbers: number[] }
}

interface MutableCase {
  shareHashes: string[]
  kept?: { file: string; shareNumbers: number[]; sizes: number[] }
}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

describe('stretch', () => {
  it('makes the plaintexts whose hashes were recorded', async () => {
    const { cases } = await loadVectors<{ cases: ShareCase[] }>('chk/shares')
    expect(cases.length).toBeGreaterThan(100)
    for (const { seed, size, plaintextHash } of cases) {
      expect(sha256(stretch(fromHex(seed), size))).toBe(plaintextHash)
    }
  })

  it('cuts a seed that is longer than the plaintext', () => {
    expect(toHex(stretch(fromHex('0a0b0c'), 2))).toBe('0a0b')
  })
})

describe('loadBytes', () => {
  it('gives kept shares that have the recorded hashes', async () => {
    const { cases } = await loadVectors<{ cases: ShareCase[] }>('chk/shares')
    for (const { shareSize, shareHashes, kept } of cases) {
      if (kept === undefined) continue
      const all = await loadBytes(kept.file)
      expect(all.length).toBe(shareSize * kept.shareNumbers.length)
      const hashes = kept.shareNumbers.map((_, i) =>
        sha256(all.subarray(i * shareSize, (i + 1) * shareSize)).slice(0, 16),
      )
      expect(hashes).toEqual(kept.shareNumbers.map((number) => shareHashes[number]))
    }
  })

  it('gives kept shares of mutable files, which differ in size', async () => {
    const { cases } = await loadVectors<{ cases: MutableCase[] }>('mutable/shares')
    const kept = cases.flatMap((one) => (one.kept === undefined ? [] : [{ ...one, ...one.kept }]))
    expect(kept.length).toBeGreaterThan(30)
    for (const { file, shareNumbers, sizes, shareHashes } of kept) {
      const all = await loadBytes(file)
      let offset = 0
      const hashes = sizes.map((size) =>
        sha256(all.subarray(offset, (offset += size))).slice(0, 16),
      )
      expect(offset).toBe(all.length)
      expect(hashes).toEqual(shareNumbers.map((number) => shareHashes[number]))
    }
  })

  it('rejects a file that is not there', async () => {
    await expect(loadBytes('chk/no-such.share')).rejects.toThrow('no-such.share')
  })
})

describe('fromHex', () => {
  it('is undone by toHex', () => {
    expect(fromHex('00ff7f')).toEqual(Uint8Array.of(0, 255, 127))
    expect(toHex(Uint8Array.of(0, 255, 127))).toBe('00ff7f')
  })
})
