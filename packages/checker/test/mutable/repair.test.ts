import type { CodecProvider } from '@lafs/codec-interface'
import { createCheckable } from '@lafs/checker'
import type { Checkable } from '@lafs/checker'
import { sameBytes } from '@lafs/crypto'
import type { ICheckResults, IMutableFileNode } from '@lafs/filesystem-interface'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import type { ShareNumber } from '@lafs/storage-interface'
import { MDMF_VERSION, StorageError } from '@lafs/storage-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import type { MutableShareHeader } from '@lafs/storage-protocol/layout'
import { fromHex, loadVectors, stretch } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import {
  createMutableGrid,
  recordedFile,
  recordedFiles,
  recordedHistories,
  serverAt,
} from './grid.ts'
import type { MutableGrid, RecordedFile, Shares } from './grid.ts'

const files = await recordedFiles()
const histories = await recordedHistories()
const SDMF = await recordedFile('sdmf-3-10-131072-5000')
const MDMF = await recordedFile('mdmf-3-10-1000-9999')

function checkableOn(grid: MutableGrid): Checkable {
  return createCheckable(grid.cap, grid.context)
}

async function checked(grid: MutableGrid, verify = false): Promise<ICheckResults> {
  const results = await checkableOn(grid).check({ verify })
  if (results === undefined) throw new TypeError('expected results')
  return results
}

/** A check and a repair that must succeed. */
async function mended(grid: MutableGrid, verify = false): Promise<void> {
  const results = await checkableOn(grid).checkAndRepair({ verify })
  expect(results).toMatchObject({
    repairAttempted: true,
    repairSuccessful: true,
    preRepairResults: { healthy: false },
    postRepairResults: { healthy: true, summary: 'Healthy' },
  })
  expect(await checked(grid, true)).toMatchObject({ healthy: true, corruptShares: [] })
}

function headerOf(shares: Shares): MutableShareHeader {
  const [share = new Uint8Array()] = shares.values()
  return parseMutableHeader(share)
}

/**
 * Where shares are that are not, byte for byte, the one of their number. Upstream leaves bytes of a
 * longer version behind the end of a shorter one.
 */
function differing(stored: ReadonlyMap<string, Uint8Array>, expected: Shares): string[] {
  const { shareEnd } = headerOf(expected)
  return [...stored].flatMap(([place, bytes]) => {
    const share = expected.get(Number(place.split('/')[1]))
    if (share === undefined || sameBytes(bytes, share)) return []
    return sameBytes(bytes, share.subarray(0, shareEnd)) ? [] : [place]
  })
}

/** Each share that was recorded is there as it was recorded, and no other version of any. */
async function expectWhole(grid: MutableGrid, shares: Shares): Promise<void> {
  const stored = await grid.stored()
  expect(differing(stored, shares)).toEqual([])
  const numbers = new Set([...stored.keys()].map((place) => Number(place.split('/')[1])))
  for (const number of shares.keys()) expect(numbers.has(number)).toBe(true)
}

function keep(shares: Shares, wanted: (share: ShareNumber) => boolean): Shares {
  return new Map([...shares].filter(([share]) => wanted(share)))
}

/** A share with a bit of its last block flipped. */
function withBadBlock(shares: Shares, number: ShareNumber): Uint8Array {
  const copy = (shares.get(number) ?? new Uint8Array()).slice()
  const at = parseMutableHeader(copy).sections.shareData.end - 1
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

function nodeOn(grid: MutableGrid): IMutableFileNode {
  return createMutableNode(grid.cap, grid.context)
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

/** The shares of the versions that a file comes to have as it is overwritten with these texts. */
async function publishedVersions(file: RecordedFile, texts: readonly string[]): Promise<Shares[]> {
  const grid = await createMutableGrid(file)
  const versions: Shares[] = []
  for (const contents of texts) {
    await nodeOn(grid).overwrite(bytes(contents))
    versions.push(await sharesOn(grid))
  }
  return versions
}

async function sharesOn(grid: MutableGrid): Promise<Shares> {
  return new Map(
    [...(await grid.stored())].map(([place, data]) => [Number(place.split('/')[1]), data]),
  )
}

/** The shares of the servers, each of the version that `versionFor` its number says. */
async function mixed(
  file: RecordedFile,
  versionFor: (share: ShareNumber) => Shares | undefined,
): Promise<MutableGrid> {
  const shares = new Map<ShareNumber, Uint8Array>()
  for (const share of file.shares.keys()) {
    const data = versionFor(share)?.get(share)
    if (data !== undefined) shares.set(share, data)
  }
  return createMutableGrid({ ...file, shares })
}

describe.each([SDMF, MDMF])('a repair of $name', (file) => {
  it('does not take a corrupt share for the one that was to stand in its place', async () => {
    const grid = await createMutableGrid(file)
    await grid.put(4, 4, withBadBlock(file.shares, 4))
    const stubborn = serverAt(grid.servers, 4)
    stubborn.onMessage = async (name, run) => {
      const answer = await run()
      if (name === 'write') await grid.put(4, 4, withBadBlock(file.shares, 4))
      return answer
    }
    const results = await checkableOn(grid).checkAndRepair({ verify: true })
    expect(results).toMatchObject({
      repairAttempted: true,
      repairSuccessful: false,
      postRepairResults: { healthy: false, goodShareCount: 9, corruptShares: [{ shareNumber: 4 }] },
    })
  })

  it('still tells of the corrupt shares where nothing can be mended', async () => {
    const shares = keep(file.shares, (share) => share < 3)
    const grid = await createMutableGrid({ ...file, shares })
    await grid.put(1, 1, withBadBlock(file.shares, 1))
    const results = await checkableOn(grid).checkAndRepair({ verify: true })
    expect(results).toMatchObject({
      repairSuccessful: false,
      postRepairResults: { recoverable: false, corruptShares: [{ shareNumber: 1 }] },
    })
    expect(results?.postRepairResults.goodShareCount).toBe(results?.preRepairResults.goodShareCount)
  })
})

describe('repairing missing shares', () => {
  it.each([SDMF, MDMF])(
    'counts none of $name that its server has taken and dropped',
    async (file) => {
      const grid = await createMutableGrid({
        ...file,
        shares: keep(file.shares, (one) => one !== 4),
      })
      const forgetful = serverAt(grid.servers, 4)
      forgetful.onMessage = async (name, run) => {
        const answer = await run()
        if (name === 'write') await grid.put(4, 4, undefined)
        return answer
      }
      const results = await checkableOn(grid).checkAndRepair()
      expect(results).toMatchObject({
        repairAttempted: true,
        repairSuccessful: false,
        postRepairResults: { healthy: false, recoverable: true, goodShareCount: 9 },
      })
      expect(results?.postRepairResults.report).toContain(
        'Unhealthy: best version has only 9 shares (encoding is 3-of-10)',
      )
    },
  )

  it.each(files.filter(({ name }) => !name.includes('-1-1-')))(
    "makes those of upstream's $name again, byte for byte",
    async (file) => {
      const { requiredShares } = headerOf(file.shares)
      const numbers = [...file.shares.keys()]
      const kept = [
        numbers.slice(0, requiredShares),
        numbers.slice(-requiredShares),
        numbers.length === 10
          ? numbers.filter((share) => share !== 1)
          : numbers.slice(0, requiredShares),
      ]
      for (const some of kept) {
        const shares = keep(file.shares, (share) => some.includes(share))
        const grid = await createMutableGrid({ ...file, shares })
        await mended(grid)
        await expectWhole(grid, file.shares)
        expect(await nodeOn(grid).downloadBestVersion()).toEqual(file.plaintext)
      }
    },
  )

  it.each(
    histories.flatMap(({ name, cap, versions }) =>
      versions.map((shares, index) => ({ name, cap, shares, number: index + 1 })),
    ),
  )("makes those of version $number of upstream's $name again", async ({ cap, shares }) => {
    const { requiredShares } = headerOf(shares)
    const kept = keep(shares, (share) => share < requiredShares)
    const grid = await createMutableGrid({ cap, shares: kept })
    await mended(grid)
    await expectWhole(grid, shares)
  })
})

describe.each([SDMF, MDMF])('repairing $name', (file) => {
  it('writes what is missing and nothing else', async () => {
    const shares = keep(file.shares, (share) => ![2, 5, 8].includes(share))
    const grid = await createMutableGrid({ ...file, shares })
    await mended(grid)
    expect(grid.writes()).toBe(3)
    expect([...(await grid.stored()).keys()]).toHaveLength(10)
  })

  it('writes nothing to a healthy file', async () => {
    const grid = await createMutableGrid(file)
    const results = await checkableOn(grid).checkAndRepair({ verify: true })
    expect(results).toMatchObject({ repairAttempted: false, repairSuccessful: false })
    expect(results?.postRepairResults).toBe(results?.preRepairResults)
    const check = await checked(grid)
    for (const force of [false, true]) {
      expect(await checkableOn(grid).repair(check, { force })).toEqual({ successful: true })
    }
    expect(grid.writes()).toBe(0)
    await expectWhole(grid, file.shares)
  })

  it('finds corrupt shares on its way, and replaces them where they are', async () => {
    const grid = await createMutableGrid({ ...file, shares: keep(file.shares, (n) => n < 8) })
    for (const number of [0, 2]) await grid.put(number, number, withBadBlock(file.shares, number))
    const before = await checked(grid)
    expect(before).toMatchObject({ goodShareCount: 8, corruptShares: [] })
    expect(await checkableOn(grid).repair(before)).toEqual({ successful: true })
    expect(await checked(grid, true)).toMatchObject({ healthy: true })
    await expectWhole(grid, file.shares)
    expect(grid.writes()).toBe(4)
  })

  it('looks again at what a check called corrupt', async () => {
    const grid = await createMutableGrid(file)
    for (const number of [1, 4]) await grid.put(number, number, withBadBlock(file.shares, number))
    const before = await checked(grid, true)
    expect(before.corruptShares).toHaveLength(2)
    await grid.put(4, 4, file.shares.get(4))
    expect(await checkableOn(grid).repair(before)).toEqual({ successful: true })
    expect(grid.writes()).toBe(1)
    expect(serverAt(grid.servers, 1).messages).toContain('write')
    await expectWhole(grid, file.shares)
  })

  it('puts the newest version in the place of older ones', async () => {
    const [v1, v2, v3] = await publishedVersions(file, ['one', 'two', 'three'])
    const grid = await mixed(file, (share) => (share < 4 ? v3 : share < 8 ? v2 : v1))
    const before = await checked(grid)
    expect(before).toMatchObject({
      recoverableVersionCount: 2,
      unrecoverableVersionCount: 1,
      wrongShareCount: 6,
      goodShareCount: 4,
    })
    expect(before.summary).toBe(
      'Unhealthy: some versions are unrecoverable multiple versions are recoverable 4 shares (enc 3-of-10)',
    )
    await mended(grid)
    await expectWhole(grid, v3 ?? new Map())
    expect(grid.writes()).toBe(6)
    expect(text(await nodeOn(grid).downloadBestVersion())).toBe('three')
  })

  it('replaces old copies of shares that are good elsewhere', async () => {
    const [v1, v2] = await publishedVersions(file, ['one', 'two'])
    const grid = await createMutableGrid({ ...file, shares: v2 ?? new Map() }, { serverCount: 13 })
    for (const share of [0, 1, 2]) await grid.put(10 + share, share, v1?.get(share))
    expect(await checked(grid)).toMatchObject({ recoverableVersionCount: 2, goodShareCount: 10 })
    await mended(grid)
    expect(grid.writes()).toBe(3)
    await expectWhole(grid, v2 ?? new Map())
  })

  it('refuses rivals of the same number unless forced', async () => {
    const [base] = await publishedVersions(file, ['base'])
    const grown = { ...file, shares: base ?? new Map() }
    const [a] = await publishedVersions(grown, ['a'])
    const [b] = await publishedVersions(grown, ['b'])
    for (const count of [5, 1]) {
      const grid = await mixed(file, (share) => (share < count ? a : b))
      const before = await checked(grid)
      const stored = await grid.stored()
      const refused = checkableOn(grid).repair(before)
      await expect(refused).rejects.toMatchObject({ code: 'REPAIR_MUST_FORCE' })
      await expect(refused).rejects.toThrow(
        count === 5
          ? 'There were multiple recoverable versions with identical seqnums, so force=True must be passed to the repair() operation'
          : 'identical seqnums',
      )
      await expect(checkableOn(grid).checkAndRepair()).rejects.toMatchObject({
        code: 'REPAIR_MUST_FORCE',
      })
      expect(await grid.stored()).toEqual(stored)
      expect(grid.writes()).toBe(0)
      const seen = await nodeOn(grid).servermap('MODE_CHECK')
      const best = seen.bestRecoverableVersion()
      if (best === undefined) throw new TypeError('expected a version')
      const contents = text(await nodeOn(grid).downloadVersion(seen, best))
      expect(await checkableOn(grid).repair(before, { force: true })).toEqual({ successful: true })
      const map = await nodeOn(grid).servermap('MODE_CHECK')
      expect(map.recoverableVersions()).toHaveLength(1)
      expect(map.unrecoverableVersions()).toHaveLength(0)
      expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(best.sequenceNumber + 1)
      expect(text(await nodeOn(grid).downloadBestVersion())).toBe(contents)
    }
  })

  it('refuses to drop a newer version that cannot be recovered unless forced', async () => {
    const [v1, v2] = await publishedVersions(file, ['one', 'two'])
    const grid = await mixed(file, (share) => (share < 2 ? v2 : v1))
    const before = await checked(grid)
    const refused = checkableOn(grid).repair(before)
    await expect(refused).rejects.toThrow(
      'There were unrecoverable newer versions, so force=True must be passed to the repair() operation',
    )
    expect(grid.writes()).toBe(0)
    expect(await checkableOn(grid).repair(before, { force: true })).toEqual({ successful: true })
    const map = await nodeOn(grid).servermap('MODE_CHECK')
    expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(
      headerOf(v2 ?? new Map()).sequenceNumber + 1,
    )
    expect(text(await nodeOn(grid).downloadBestVersion())).toBe('one')
  })

  it('does not take an older version for the best because newer shares are corrupt', async () => {
    const [v1, v2] = await publishedVersions(file, ['one', 'two'])
    for (const bad of [[1], [0, 1, 2]]) {
      const grid = await mixed(file, (share) => (share < 3 ? v2 : v1))
      for (const share of bad) await grid.put(share, share, withBadBlock(v2 ?? new Map(), share))
      for (const verify of [false, true]) {
        await expect(checkableOn(grid).checkAndRepair({ verify })).rejects.toMatchObject({
          code: 'REPAIR_MUST_FORCE',
        })
      }
      expect(grid.writes()).toBe(0)
      const before = await checked(grid)
      expect(await checkableOn(grid).repair(before, { force: true })).toEqual({ successful: true })
      const best = (await nodeOn(grid).servermap('MODE_CHECK')).bestRecoverableVersion()
      expect(best?.sequenceNumber).toBe(headerOf(v2 ?? new Map()).sequenceNumber + 1)
      expect(text(await nodeOn(grid).downloadBestVersion())).toBe('one')
    }
  })

  it.each([0, 1, 2])('cannot, with %i shares', async (count) => {
    const shares = keep(file.shares, (share) => share < count)
    const grid = await createMutableGrid({ ...file, shares })
    const results = await checkableOn(grid).checkAndRepair()
    expect(results).toMatchObject({
      repairAttempted: true,
      repairSuccessful: false,
      preRepairResults: { healthy: false, recoverable: false, requiredShares: 3, totalShares: 10 },
      postRepairResults: { healthy: false, recoverable: false },
    })
    const before = await checked(grid)
    for (const force of [false, true]) {
      expect(await checkableOn(grid).repair(before, { force })).toEqual({ successful: false })
    }
    expect(grid.writes()).toBe(0)
  })

  it('writes nothing where the shares that it makes do not fit those that are signed', async () => {
    const { codec } = (await createMutableGrid(file)).context
    const wrong: CodecProvider = {
      ...codec,
      createDecoder: (parameters) => codec.createDecoder(parameters),
      createEncoder: (parameters) => {
        const encoder = codec.createEncoder(parameters)
        return {
          ...encoder,
          encode: async (...args) =>
            (await encoder.encode(...args)).map((block) => block.map((byte) => byte ^ 1)),
        }
      },
    }
    for (const share9 of [undefined, withBadBlock(file.shares, 9)]) {
      const grid = await createMutableGrid(file, { context: { codec: wrong } })
      await grid.put(9, 9, share9)
      const repair = checkableOn(grid).checkAndRepair({ verify: true })
      await expect(repair).rejects.toThrow('do not fit the root hash')
      expect(grid.writes()).toBe(0)
    }
  })

  it('leaves shares alone whose numbers are past the end', async () => {
    const grid = await createMutableGrid(file)
    const rubbish = new Uint8Array(2000).fill(1)
    await grid.put(9, 9, undefined)
    await grid.put(3, 10, rubbish)
    await mended(grid)
    expect((await grid.stored()).get('3/10')).toEqual(rubbish)
  })

  it('does with the servers that there are', async () => {
    const grid = await createMutableGrid(
      { ...file, shares: keep(file.shares, (share) => share < 4) },
      { serverCount: 5 },
    )
    await mended(grid)
    const perServer = Array.from({ length: 5 }, () => 0)
    for (const place of (await grid.stored()).keys()) {
      const server = Number(place.split('/')[0])
      perServer[server] = (perServer[server] ?? 0) + 1
    }
    expect(perServer).toEqual([2, 2, 2, 2, 2])
    await expectWhole(grid, file.shares)
  })

  it('goes on to other servers where some fail or refuse', async () => {
    const grid = await createMutableGrid(
      { ...file, shares: keep(file.shares, (share) => share < 5) },
      { serverCount: 12 },
    )
    for (const number of [5, 6]) {
      serverAt(grid.servers, number).onMessage = async (name, run) => {
        if (name === 'write') throw new StorageError('STORAGE_UNREACHABLE', 'away')
        return run()
      }
    }
    serverAt(grid.servers, 7).permitted = false
    await mended(grid)
    const holders = new Set([...(await grid.stored()).keys()].map((place) => place.split('/')[0]))
    for (const number of ['5', '6', '7']) expect(holders.has(number)).toBe(false)
    expect(holders.size).toBe(9)
    await expectWhole(grid, file.shares)
  })

  it('leaves what nobody takes', async () => {
    const grid = await createMutableGrid({ ...file, shares: keep(file.shares, (n) => n < 5) })
    for (const one of grid.servers) one.permitted = false
    await grid.put(2, 2, withBadBlock(file.shares, 2))
    const results = await checkableOn(grid).checkAndRepair({ verify: true })
    expect(results).toMatchObject({
      repairAttempted: true,
      repairSuccessful: false,
      preRepairResults: { goodShareCount: 4 },
      postRepairResults: { healthy: false, goodShareCount: 5, corruptShares: [] },
    })
    expect(grid.writes()).toBe(1)
  })

  it('tells of corrupt shares that stay', async () => {
    const grid = await createMutableGrid(file)
    await grid.put(2, 2, withBadBlock(file.shares, 2))
    serverAt(grid.servers, 2).onMessage = async (name, run) => {
      if (name === 'write') throw new StorageError('STORAGE_UNREACHABLE', 'away')
      return run()
    }
    const results = await checkableOn(grid).checkAndRepair({ verify: true })
    expect(results?.postRepairResults).toMatchObject({
      healthy: false,
      corruptShares: [{ serverId: 'v0-002', shareNumber: 2 }],
      goodShareCount: 10,
    })
    expect(results?.repairSuccessful).toBe(false)
  })

  it('tells of shares that can be read and stay corrupt', async () => {
    const grid = await createMutableGrid(file, { serverCount: 10 })
    const share = file.shares.get(4) ?? new Uint8Array()
    const { end } = parseMutableHeader(share).sections.encryptedPrivateKey
    await grid.put(
      4,
      4,
      share.map((byte, at) => (at === end - 1 ? byte ^ 1 : byte)),
    )
    for (const server of grid.servers) {
      server.onMessage = async (name, run) => {
        if (name === 'write') throw new StorageError('STORAGE_NO_SPACE', 'full')
        return run()
      }
    }
    const results = await checkableOn(grid).checkAndRepair({ verify: true })
    expect(results).toMatchObject({
      repairAttempted: true,
      repairSuccessful: false,
      postRepairResults: { healthy: false, goodShareCount: 9 },
    })
    expect(results?.postRepairResults.corruptShares.map(({ shareNumber }) => shareNumber)).toEqual([
      4,
    ])
  })

  it('takes a write cap', async () => {
    const grid = await createMutableGrid({ ...file, shares: keep(file.shares, (n) => n > 0) })
    for (const cap of [grid.cap.readCap(), grid.cap.verifyCap()]) {
      const checkable = createCheckable(cap, grid.context)
      const results = await checkable.checkAndRepair({ verify: true })
      expect(results).toMatchObject({
        repairAttempted: false,
        repairSuccessful: false,
        preRepairResults: { healthy: false, goodShareCount: 9 },
        postRepairResults: { healthy: false, goodShareCount: 9 },
      })
      await expect(checkable.repair(await checked(grid))).rejects.toMatchObject({
        code: 'REPAIR_REQUIRES_WRITECAP',
      })
    }
    expect(grid.writes()).toBe(0)
  })

  it('takes the private key from somewhere', async () => {
    const spoil = (share: Uint8Array): Uint8Array => {
      const copy = share.slice()
      const { offset } = parseMutableHeader(copy).sections.encryptedPrivateKey
      copy[offset] = (copy[offset] ?? 0) ^ 1
      return copy
    }
    const shares = new Map(
      [...keep(file.shares, (share) => share < 9)].map(([n, one]) => [n, spoil(one)]),
    )
    const grid = await createMutableGrid({ ...file, shares })
    await expect(checkableOn(grid).checkAndRepair()).rejects.toMatchObject({
      code: 'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
    })
    expect(grid.writes()).toBe(0)
    expect(await nodeOn(grid).downloadBestVersion()).toEqual(file.plaintext)
    await grid.put(4, 4, file.shares.get(4))
    await mended(grid, true)
    await expectWhole(grid, file.shares)
  })

  it('claims no health where every signature is bad', async () => {
    const spoil = (share: Uint8Array): Uint8Array => {
      const copy = share.slice()
      const { offset } = parseMutableHeader(copy).sections.signature
      copy[offset] = (copy[offset] ?? 0) ^ 1
      return copy
    }
    const shares = new Map([...file.shares].map(([n, one]) => [n, spoil(one)]))
    const grid = await createMutableGrid({ ...file, shares })
    for (const verify of [false, true]) {
      const before = await checked(grid, verify)
      expect(before).toMatchObject({ healthy: false, recoverable: false })
      const { successful } = await checkableOn(grid).repair(before)
      expect(successful).toBe(false)
    }
  })

  it('waits for the edits of its node, and they for it', async () => {
    const grid = await createMutableGrid({ ...file, shares: keep(file.shares, (n) => n < 6) })
    const node = nodeOn(grid)
    const checkable = createCheckable(node, grid.context)
    const before = await checked(grid)
    const [, repaired] = await Promise.all([
      node.overwrite(bytes('first')),
      checkable.repair(before),
      node.modify(() => bytes('second')),
    ])
    expect(repaired).toEqual({ successful: true })
    expect(text(await nodeOn(grid).downloadBestVersion())).toBe('second')
    expect(await checked(grid, true)).toMatchObject({ healthy: true })
  })

  it('ends with the reason of the signal', async () => {
    const grid = await createMutableGrid({ ...file, shares: keep(file.shares, (n) => n < 6) })
    const before = await checked(grid)
    const reason = new Error('enough')
    await expect(
      checkableOn(grid).repair(before, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
    const stop = new AbortController()
    for (const one of grid.servers) {
      one.onMessage = async (name, run) => {
        if (name !== 'write') return run()
        stop.abort(reason)
        return new Promise(() => {})
      }
    }
    await expect(checkableOn(grid).repair(before, { signal: stop.signal })).rejects.toBe(reason)
  })
})

it('refuses the results of another file', async () => {
  const [one, other] = [await createMutableGrid(SDMF), await createMutableGrid(MDMF)]
  const results = { ...(await checked(one)), storageIndex: new Uint8Array(16) }
  await expect(checkableOn(other).repair(results)).rejects.toThrow(RangeError)
})

it('makes more shares than memory should hold at once in several passes', async () => {
  const { keys } = await loadVectors<{ keys: { signingKey: string }[] }>('mutable/keys')
  const size = 8 * 1024 * 1024
  const empty = await createMutableGrid({ ...MDMF, shares: new Map() })
  const contents = stretch(bytes('large'), size)
  const node = await createMutableFile(contents, {
    context: { ...empty.context, encoding: { requiredShares: 1, totalShares: 10 } },
    keyPool: { take: () => Promise.reject(new Error('expected no key to be taken')) },
    privateKey: fromHex(keys[0]?.signingKey ?? ''),
    version: MDMF_VERSION,
  })
  const storageIndex = node.storageIndex ?? new Uint8Array()
  const everything = { offset: 0, size: 2 ** 30 }
  const { storage } = serverAt(empty.servers, 4)
  const [[number, [share = new Uint8Array()]] = [0, []]] = await storage.slotReadv(
    storageIndex,
    [],
    [everything],
  )
  const grid = await createMutableGrid({ cap: node.uri, shares: new Map([[number, share]]) })
  await mended(grid)
  // One for the map, and two times eight megabytes of blocks.
  const reads = serverAt(grid.servers, number).messages.filter((name) => name === 'slotReadv')
  expect(reads.length).toBeGreaterThan(16)
  expect((await grid.stored()).size).toBe(10)
  expect(sameBytes(await nodeOn(grid).downloadBestVersion(), contents)).toBe(true)
})
