import { createCheckable } from '@lafs/checker'
import { sameBytes } from '@lafs/crypto'
import type { ICheckResults } from '@lafs/filesystem-interface'
import { createMutableNode } from '@lafs/mutable'
import { packMutableHeader, parseMutableHeader } from '@lafs/storage-protocol/layout'
import type { MutableReadCap, MutableVerifierCap, MutableWriteCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { damaged, DAMAGES, fieldsOf } from './damage.ts'
import type { Damage } from './damage.ts'
import { createMutableGrid, recordedFile, recordedFiles } from './grid.ts'
import type { MutableGrid, RecordedFile } from './grid.ts'

/**
 * How a damaged share looks: to a check already like one that is not there (`lost`), or like one of
 * another version (`other`); to a verification alone (`corrupt`), or to that of one who can write
 * (`writers`). One good signature is enough for a check, of all shares of a version.
 */
type Verdict = 'lost' | 'other' | 'corrupt' | 'writers'

/** By field; those that are not there look lost, however they are damaged. */
const VERDICTS: Readonly<Record<string, Readonly<Record<string, Verdict | undefined>>>> = {
  'sdmf-3-10-131072-5000': {
    'offset of private key, flip the last bit': 'other',
    'end of share, flip the last bit': 'other',
    'public key': 'corrupt',
    'public key, truncate': 'lost',
    signature: 'corrupt',
    'signature, truncate': 'lost',
    'first number of the share hash chain': 'corrupt',
    'first hash of the share hash chain': 'corrupt',
    'last hash of the share hash chain': 'corrupt',
    'root of the block hash tree': 'corrupt',
    'last node of the block hash tree': 'corrupt',
    'first block': 'corrupt',
    'last block': 'corrupt',
    'private key': 'writers',
    'private key, truncate': 'corrupt',
  },
  'mdmf-3-10-1000-9999': {
    'offset of share data, flip the last bit': 'other',
    'public key': 'corrupt',
    'public key, truncate': 'lost',
    signature: 'corrupt',
    'signature, truncate': 'lost',
    'first number of the share hash chain': 'corrupt',
    'first number of the share hash chain, truncate': 'lost',
    'first hash of the share hash chain': 'corrupt',
    'first hash of the share hash chain, truncate': 'lost',
    'last hash of the share hash chain': 'corrupt',
    'last hash of the share hash chain, truncate': 'lost',
    'root of the block hash tree': 'corrupt',
    'last node of the block hash tree': 'corrupt',
    'salt of the first block': 'corrupt',
    'first block': 'corrupt',
    'salt of the last block': 'corrupt',
    'last block': 'corrupt',
    'private key': 'writers',
    'private key, truncate': 'lost',
  },
}

function verdictOn(file: RecordedFile, field: string, damage: Damage): Verdict {
  const verdicts = VERDICTS[file.name] ?? {}
  return verdicts[`${field}, ${damage}`] ?? verdicts[field] ?? 'lost'
}

async function checked(
  grid: MutableGrid,
  verify: boolean,
  cap: MutableWriteCap | MutableReadCap | MutableVerifierCap = grid.cap,
): Promise<ICheckResults> {
  const results = await createCheckable(cap.format(), grid.context).check({ verify })
  if (results === undefined) throw new TypeError('expected results')
  return results
}

const HEALTHY = { healthy: true, goodShareCount: 10, wrongShareCount: 0, corruptShares: [] }
const LOST = {
  ...HEALTHY,
  healthy: false,
  goodShareCount: 9,
  summary: expect.stringMatching(/^Unhealthy: .*9 shares \(enc 3-of-10\)/),
}

/** What a check, a verification, and one of somebody who cannot write must say of share 9. */
function expectationsFor(grid: MutableGrid, verdict: Verdict): object[] {
  const { storageIndex } = grid.cap
  const locator = { serverId: 'v0-009', storageIndex, shareNumber: 9 }
  const corrupt = {
    ...LOST,
    corruptShares: [locator],
    report: expect.arrayContaining(['Corrupt Shares:', expect.stringMatching(/^ v0-009-sh9: /)]),
  }
  const other = { ...LOST, wrongShareCount: 1, unrecoverableVersionCount: 1 }
  switch (verdict) {
    case 'lost':
      return [LOST, LOST, LOST]
    case 'other':
      return [other, other, other]
    case 'corrupt':
      return [HEALTHY, corrupt, corrupt]
    case 'writers':
      return [HEALTHY, corrupt, HEALTHY]
  }
}

async function download(grid: MutableGrid): Promise<Uint8Array> {
  return createMutableNode(grid.cap, grid.context).downloadBestVersion()
}

/** Whether each share is, byte for byte, what upstream wrote. */
async function isWhole(grid: MutableGrid, file: RecordedFile): Promise<boolean> {
  const stored = await grid.stored()
  return [...file.shares].every(([share, bytes]) => {
    const found = stored.get(`${share}/${share}`)
    return found !== undefined && sameBytes(found, bytes)
  })
}

const files = await Promise.all(Object.keys(VERDICTS).map(recordedFile))
const wholeFiles = (await recordedFiles()).filter(
  ({ shares, name }) => shares.size === Number(name.split('-')[2]),
)
const shareOf = (file: RecordedFile, share: number): Uint8Array =>
  file.shares.get(share) ?? new Uint8Array()
const cases = files.flatMap((file) =>
  [...fieldsOf(shareOf(file, 9)).keys()].map((field) => [file.name, field, file] as const),
)

describe('a share with damage', () => {
  it.each(cases)('%s: to its %s has the right verdict', async (_, field, file) => {
    const share = shareOf(file, 9)
    const span = fieldsOf(share).get(field) ?? { offset: 0, end: 0 }
    for (const damage of DAMAGES) {
      const bytes = damaged(share, span, damage)
      if (bytes === undefined) continue
      const grid = await createMutableGrid(file)
      await grid.put(9, 9, bytes)
      const [check, verify, verifyOnly] = expectationsFor(grid, verdictOn(file, field, damage))
      expect(await checked(grid, false)).toMatchObject(check ?? {})
      expect(await checked(grid, true)).toMatchObject(verify ?? {})
      expect(await checked(grid, true, grid.cap.verifyCap())).toMatchObject(verifyOnly ?? {})
    }
  })

  it.each(cases)('%s: to its %s is mended', async (_, field, file) => {
    const share = shareOf(file, 9)
    const span = fieldsOf(share).get(field) ?? { offset: 0, end: 0 }
    for (const damage of ['flip the last bit', 'truncate'] as const) {
      const grid = await createMutableGrid(file)
      await grid.put(9, 9, damaged(share, span, damage))
      const results = await createCheckable(grid.cap, grid.context).checkAndRepair({ verify: true })
      expect(results).toMatchObject({
        repairSuccessful: true,
        postRepairResults: { ...HEALTHY, summary: 'Healthy' },
      })
      expect(await isWhole(grid, file)).toBe(true)
      expect(grid.writes()).toBe(1)
    }
  })
})

describe('seven shares with damage', () => {
  it.each(cases)(
    '%s: to their %s leave the file readable, and are mended',
    async (_, field, file) => {
      const grid = await createMutableGrid(file)
      for (const number of [0, 1, 3, 4, 6, 7, 9]) {
        const share = shareOf(file, number)
        const span = fieldsOf(share).get(field) ?? { offset: 0, end: 0 }
        await grid.put(number, number, damaged(share, span, 'flip the last bit'))
      }
      expect(await download(grid)).toEqual(file.plaintext)
      const before = await checked(grid, true)
      expect(before).toMatchObject({ healthy: false, recoverable: true })
      expect(before.goodShareCount).toBe(3)
      const results = await createCheckable(grid.cap, grid.context).checkAndRepair({ verify: true })
      expect(results).toMatchObject({ repairSuccessful: true })
      expect(await isWhole(grid, file)).toBe(true)
    },
  )
})

describe('damage to every share', () => {
  it.each(files)('$name: to its signed part leaves nothing to be recovered', async (file) => {
    const grid = await createMutableGrid(file)
    for (const [number, share] of file.shares) {
      const span = fieldsOf(share).get('root hash') ?? { offset: 0, end: 0 }
      await grid.put(number, number, damaged(share, span, 'flip the last bit'))
    }
    for (const verify of [false, true]) {
      expect(await checked(grid, verify)).toMatchObject({
        healthy: false,
        recoverable: false,
        goodShareCount: 0,
        summary: 'Unhealthy: no versions are recoverable',
      })
    }
  })

  it.each(files)('$name: to its blocks is seen by a verification alone', async (file) => {
    const grid = await createMutableGrid(file)
    for (const [number, share] of file.shares) {
      const fields = fieldsOf(share)
      const span = fields.get(number < 8 ? 'first block' : 'last block') ?? { offset: 0, end: 0 }
      await grid.put(number, number, damaged(share, span, 'flip the last bit'))
    }
    expect(await checked(grid, false)).toMatchObject(HEALTHY)
    const results = await checked(grid, true)
    expect(results).toMatchObject({ healthy: false, recoverable: false, goodShareCount: 0 })
    expect(results.corruptShares.map(({ shareNumber }) => shareNumber)).toEqual([
      ...file.shares.keys(),
    ])
    expect(results.report.slice(-10)).toEqual(
      [...file.shares.keys()].map((share) =>
        expect.stringMatching(new RegExp(`^ v0-00${share}-sh${share}: block hash tree failure: `)),
      ),
    )
  })
})

describe('parts that are far apart', () => {
  it.each(files)('$name: are not what shares are made like', async (file) => {
    const grid = await createMutableGrid(file)
    // As many servers as it takes to give the file may lie: nobody has signed where its parts are.
    for (const number of [0, 1, 2]) await grid.put(number, number, stretched(shareOf(file, number)))
    await grid.put(9, 9, undefined)
    const before = await checked(grid, true)
    expect(before).toMatchObject({ healthy: false, recoverable: true, goodShareCount: 6 })
    const results = await createCheckable(grid.cap, grid.context).checkAndRepair({ verify: true })
    expect(results).toMatchObject({ repairSuccessful: true })
    expect(await isWhole(grid, file)).toBe(true)
    expect(await download(grid)).toEqual(file.plaintext)
  })
})

/** A share that says the same with its last section far behind the others. */
function stretched(share: Uint8Array): Uint8Array {
  const header = parseMutableHeader(share)
  const { sections, shareEnd } = header
  const last =
    sections.encryptedPrivateKey.end === shareEnd ? 'encryptedPrivateKey' : 'blockHashTree'
  const { offset, end } = sections[last]
  // Of two versions that differ in this alone the best one is the one whose places come later as text.
  const far = 990_000 - offset
  const moved = { ...sections, [last]: { offset: offset + far, end: end + far } }
  const apart = new Uint8Array(share.length + far)
  apart.set(share.subarray(0, offset))
  apart.set(share.subarray(offset), offset + far)
  apart.set(packMutableHeader({ ...header, sections: moved, shareEnd: shareEnd + far }))
  return apart
}

describe('what is no damage', () => {
  it.each(files)('$name: bytes behind the end of a share', async (file) => {
    const grid = await createMutableGrid(file)
    const share = shareOf(file, 9)
    const grown = new Uint8Array(share.length + 100).fill(1)
    grown.set(share)
    await grid.put(9, 9, grown)
    expect(await checked(grid, true)).toMatchObject(HEALTHY)
  })

  it('bytes of the room between the sections of MDMF', async () => {
    const file = await recordedFile('mdmf-3-10-1000-9999')
    const share = shareOf(file, 9)
    const { verificationKey, shareData } = parseMutableHeader(share).sections
    expect(shareData.offset).toBeGreaterThan(verificationKey.end)
    const grid = await createMutableGrid(file)
    await grid.put(
      9,
      9,
      share.map((byte, at) => (at === shareData.offset - 1 ? 1 : byte)),
    )
    expect(await checked(grid, true)).toMatchObject(HEALTHY)
  })
})

describe("upstream's files", () => {
  it.each(wholeFiles)('$name: are healthy to every cap', async (file) => {
    const grid = await createMutableGrid(file)
    for (const cap of [grid.cap, grid.cap.readCap(), grid.cap.verifyCap()]) {
      for (const verify of [false, true]) {
        expect(await checked(grid, verify, cap)).toMatchObject({
          healthy: true,
          recoverable: true,
          summary: 'Healthy',
          goodShareCount: file.shares.size,
          uri: cap.format(),
        })
      }
    }
    expect(grid.writes()).toBe(0)
  })
})
