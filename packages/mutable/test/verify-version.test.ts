import { defaultCrypto } from '@lafs/crypto'
import type { Progress } from '@lafs/filesystem-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import type { MutableSectionName } from '@lafs/storage-protocol/layout'
import { alwaysFail, stall, virtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { verifyVersion } from '../src/retrieve/verify-version.ts'
import { createRecordedGrid, recordedFile, recordedFiles, writtenFile } from './recorded-grid.ts'
import type { GridOptions, RecordedGrid } from './recorded-grid.ts'

const files = await recordedFiles()
const SDMF = 'sdmf-3-10-131072-5000'
const MDMF = 'mdmf-3-10-1000-9999'

/** What a verification finds: the number of each bad share and what is wrong with it. */
async function verify(grid: RecordedGrid): Promise<string[]> {
  const failed = await verifyVersion(grid.file, grid.map, grid.version)
  return failed.map(({ shareNumber, error }) => `${shareNumber}: ${(error as Error).message}`)
}

/** Flips a bit of share 4 in the middle of a section. */
function flipping(name: MutableSectionName): NonNullable<GridOptions['damage']> {
  return (bytes, share) => {
    if (share !== 4) return bytes
    const { offset, end } = parseMutableHeader(bytes).sections[name]
    const flipped = bytes.slice()
    const at = Math.floor((offset + end) / 2)
    flipped[at] = (flipped[at] ?? 0) ^ 1
    return flipped
  }
}

describe('verifying a version', () => {
  it.each(files)(
    "finds nothing wrong with upstream's $name, whatever the cap",
    async (recorded) => {
      for (const authority of ['write', 'read', 'verify'] as const) {
        const grid = await createRecordedGrid(recorded, { authority })
        expect(await verify(grid)).toEqual([])
        expect(grid.statuses[0]).toMatchObject({ status: 'Finished', active: false, progress: 1 })
      }
    },
  )

  it.each([
    [SDMF, 'verificationKey', /pubkey doesn't match fingerprint/],
    [SDMF, 'signature', /signature is invalid/],
    [SDMF, 'shareHashChain', /corrupt hashes/],
    [SDMF, 'blockHashTree', /corrupt hashes/],
    [SDMF, 'shareData', /block hash tree failure/],
    [SDMF, 'encryptedPrivateKey', /invalid privkey/],
    [MDMF, 'verificationKey', /pubkey doesn't match fingerprint/],
    [MDMF, 'signature', /signature is invalid/],
    [MDMF, 'shareHashChain', /corrupt hashes/],
    [MDMF, 'blockHashTree', /block hash tree failure/],
    [MDMF, 'shareData', /block hash tree failure/],
    [MDMF, 'encryptedPrivateKey', /invalid privkey/],
  ] as const)('of %s finds a flipped bit in the %s', async (name, section, message) => {
    const recorded = await recordedFile(name)
    const damage = flipping(section)
    for (const authority of ['write', 'verify'] as const) {
      const grid = await createRecordedGrid(recorded, { damage, authority })
      const seen = authority === 'write' || section !== 'encryptedPrivateKey'
      const found = await verify(grid)
      expect(found).toEqual(seen ? [expect.stringMatching(message)] : [])
      expect(found.every((text) => text.startsWith('4: '))).toBe(true)
      expect([...grid.map.badShares.keys()]).toEqual(seen ? ['v0-004'] : [])
    }
  })

  it('compares private keys where the right one is known', async () => {
    const recorded = await recordedFile(MDMF)
    const grid = await createRecordedGrid(recorded, { damage: flipping('encryptedPrivateKey') })
    const [good] = recorded.shares.values()
    const { offset, end } = parseMutableHeader(good ?? new Uint8Array(0)).sections
      .encryptedPrivateKey
    grid.file.encryptedPrivateKey = good?.slice(offset, end)
    expect(await verify(grid)).toEqual([expect.stringMatching(/^4: .*invalid privkey/)])
  })

  it('looks at every block of every share, in requests of several', async () => {
    const plaintext = Uint8Array.from({ length: 1_000_000 }, (_, index) => index & 255)
    const written = await writtenFile(plaintext, { requiredShares: 2, totalShares: 3 })
    const [bytes] = written.shares.values()
    const header = parseMutableHeader(bytes ?? new Uint8Array(0))
    const stride = header.segmentSize / 2 + 16
    for (const segment of [0, 3, 7]) {
      const at = header.sections.shareData.offset + segment * stride + 5
      const damage = (share: Uint8Array, number: number): Uint8Array =>
        number === 2 ? share.map((byte, index) => (index === at ? byte ^ 4 : byte)) : share
      const grid = await createRecordedGrid(written, { damage })
      expect(await verify(grid)).toHaveLength(1)
      expect(grid.requests.length).toBeLessThan(3 * 6)
    }
  })

  it('tells servers of damaged shares, and counts those that cannot be read', async () => {
    const grid = await createRecordedGrid(await recordedFile(SDMF), {
      damage: flipping('shareData'),
      wrap: (server, index) => {
        if (index === 7) return { ...server, slotReadv: async () => new Map() }
        return index === 2 ? alwaysFail(server) : server
      },
    })
    const found = await verify(grid)
    expect(found).toEqual([
      '2: the connection was dropped on purpose',
      expect.stringMatching(/^4: share 4: block hash tree failure/),
      expect.stringMatching(/^7: /),
    ])
    await expect.poll(() => grid.advisories).toEqual([expect.stringMatching(/^4 4: /)])
  })

  it('tells a server once, however often the share is looked at', async () => {
    const { advisories, ...grid } = await createRecordedGrid(await recordedFile(SDMF), {
      damage: flipping('shareData'),
    })
    expect(await verifyVersion(grid.file, grid.map.copy(), grid.version)).toHaveLength(1)
    expect(await verifyVersion(grid.file, grid.map, grid.version)).toHaveLength(1)
    expect(advisories).toEqual([expect.stringMatching(/^4 4: /)])
  })

  it('gives up servers that do not answer', async () => {
    const clock = virtualClock()
    const grid = await createRecordedGrid(await recordedFile(MDMF), {
      authority: 'verify',
      clock,
      wrap: (server, index) => (index === 1 ? stall(server) : server),
    })
    // WebCrypto takes its time in threads, which virtual time does not wait for.
    grid.file.verifyingKey = { der: new Uint8Array(0), verify: async () => true }
    expect(await clock.run(verify(grid), 120_000)).toEqual([expect.stringMatching(/^1: no answer/)])
  })

  it('knows a signature of another version', async () => {
    const grid = await createRecordedGrid(await recordedFile(MDMF))
    const other = await defaultCrypto.generateRsaKey()
    grid.file.verifyingKey = other.verifyingKey
    expect(await verify(grid)).toHaveLength(10)
  })

  it('tells how far it has come', async () => {
    const { file, map, version } = await createRecordedGrid(await recordedFile('sdmf-2-3-131072-1'))
    const seen: Progress[] = []
    await verifyVersion(file, map, version, { onProgress: (progress) => seen.push(progress) })
    expect(seen.map(({ done }) => done)).toEqual([0, 1, 2, 3])
    expect(seen.every(({ phase, total }) => phase === 'verifying' && total === 3)).toBe(true)
  })

  it('ends with the reason of the signal', async () => {
    const { file, map, version, statuses } = await createRecordedGrid(await recordedFile(MDMF), {
      wrap: (server) => stall(server),
    })
    const controller = new AbortController()
    const verifying = verifyVersion(file, map, version, { signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(verifying).rejects.toBe(reason)
    expect(map.badShares.size).toBe(0)
    expect(statuses[0]).toMatchObject({ status: 'Failed', active: false })
    await expect(verifyVersion(file, map, version, { signal: controller.signal })).rejects.toBe(
      reason,
    )
  })
})
