import { createCheckable } from '@lafs/checker'
import type { CheckOptions, ICheckResults, Progress } from '@lafs/filesystem-interface'
import { createMutableNode } from '@lafs/mutable'
import { StorageError } from '@lafs/storage-interface'
import { Dir2Cap, Dir2MdmfCap, SskCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { damaged, fieldsOf } from './damage.ts'
import { clientOf, createMutableGrid, recordedFile, serverAt } from './grid.ts'
import type { MutableGrid, RecordedFile, Shares } from './grid.ts'

const SDMF = await recordedFile('sdmf-3-10-131072-5000')
const MDMF = await recordedFile('mdmf-3-10-1000-9999')
const TEN = Array.from({ length: 10 }, (_, index) => index)
const NAMES = TEN.map((index) => `v0-00${index}`)

async function checked(grid: MutableGrid, options?: CheckOptions): Promise<ICheckResults> {
  const results = await createCheckable(grid.cap, grid.context).check(options)
  if (results === undefined) throw new TypeError('expected results')
  return results
}

function some({ shares }: RecordedFile, count: number): Shares {
  return new Map([...shares].filter(([share]) => share < count))
}

/** Puts a version on the servers whose shares are read in several requests. */
async function enlarge(grid: MutableGrid): Promise<void> {
  await createMutableNode(grid.cap, clientOf(grid)).overwrite(new Uint8Array(200_000))
}

async function summaryOf(grid: MutableGrid): Promise<string> {
  const map = await createMutableNode(grid.cap, grid.context).servermap('MODE_CHECK')
  return map.bestRecoverableVersion()?.summary ?? ''
}

describe.each([SDMF, MDMF])('a check of $name', (file) => {
  it('tells all there is to tell of a healthy file', async () => {
    const grid = await createMutableGrid(file)
    const version = await summaryOf(grid)
    for (const verify of [false, true]) {
      expect(await checked(grid, { verify })).toEqual({
        storageIndex: grid.cap.storageIndex,
        storageIndexString: expect.stringMatching(/^[a-z2-7]{26}$/),
        uri: grid.cap.format(),
        healthy: true,
        recoverable: true,
        needsRebalancing: false,
        happiness: 10,
        requiredShares: 3,
        totalShares: 10,
        goodShareCount: 10,
        wrongShareCount: 0,
        corruptShares: [],
        incompatibleShares: [],
        serversResponding: new Set(NAMES),
        goodShareHostCount: 10,
        recoverableVersionCount: 1,
        unrecoverableVersionCount: 0,
        sharemap: new Map(TEN.map((share) => [`${version}-sh${share}`, new Set([NAMES[share]])])),
        summary: 'Healthy',
        report: [`Recoverable Versions: 10*${version}`, `Best Recoverable Version: ${version}`],
      })
    }
    expect(grid.writes()).toBe(0)
  })

  it('tells of a file that is not there', async () => {
    const grid = await createMutableGrid({ ...file, shares: new Map() })
    for (const verify of [false, true]) {
      expect(await checked(grid, { verify })).toMatchObject({
        healthy: false,
        recoverable: false,
        needsRebalancing: false,
        happiness: 0,
        requiredShares: 3,
        totalShares: 10,
        goodShareCount: 0,
        goodShareHostCount: 0,
        sharemap: new Map(),
        summary: 'Unhealthy: no versions are recoverable',
        report: ['Unhealthy: no versions are recoverable'],
      })
    }
  })

  it('tells of a file with too few shares', async () => {
    const version = await summaryOf(await createMutableGrid(file))
    const grid = await createMutableGrid({ ...file, shares: some(file, 1) })
    expect(await checked(grid)).toMatchObject({
      healthy: false,
      recoverable: false,
      goodShareCount: 1,
      recoverableVersionCount: 0,
      unrecoverableVersionCount: 1,
      summary: 'Unhealthy: some versions are unrecoverable no versions are recoverable',
      report: [
        `Unrecoverable Versions: 1*${version}`,
        'Unhealthy: some versions are unrecoverable',
        'Unhealthy: no versions are recoverable',
      ],
    })
  })

  it('counts shares once and servers once', async () => {
    const grid = await createMutableGrid(file, { serverFor: (share) => Math.floor(share / 2) })
    await grid.put(7, 0, file.shares.get(0))
    expect(await checked(grid)).toMatchObject({
      healthy: true,
      needsRebalancing: true,
      happiness: 6,
      goodShareCount: 10,
      goodShareHostCount: 6,
      report: [expect.stringMatching(/^Recoverable Versions: 11\*/), expect.any(String)],
    })
  })

  it('asks for leases where they are wanted', async () => {
    const grid = await createMutableGrid(file)
    const leases = (): number =>
      grid.servers.flatMap(({ messages }) => messages).filter((name) => name === 'addLease').length
    await checked(grid)
    expect(leases()).toBe(0)
    for (const cap of [grid.cap, grid.cap.verifyCap()]) {
      await createCheckable(cap, grid.context).check({ addLease: true })
    }
    expect(leases()).toBe(20)
    serverAt(grid.servers, 3).onMessage = async (name, run) => {
      if (name === 'addLease') throw new StorageError('STORAGE_UNREACHABLE', 'no')
      return run()
    }
    expect(await checked(grid, { addLease: true })).toMatchObject({ healthy: true })
  })

  it('asks each server once, and small shares are verified with that', async () => {
    const grid = await createMutableGrid(file)
    await checked(grid)
    expect(grid.servers.map(({ messages }) => messages.length)).toEqual(TEN.map(() => 1))
    await checked(grid, { verify: true })
    expect(grid.servers.map(({ messages }) => messages.length)).toEqual(TEN.map(() => 2))
  })

  it('has told servers of corrupt shares', async () => {
    const grid = await createMutableGrid(file)
    for (const server of grid.servers) {
      server.onMessage = async (_name, run) => {
        for (let turn = 0; turn < 50; turn++) await Promise.resolve()
        return run()
      }
    }
    const share = file.shares.get(4) ?? new Uint8Array()
    const span = fieldsOf(share).get('last block') ?? { offset: 0, end: 0 }
    await grid.put(4, 4, damaged(share, span, 'zero'))
    await checked(grid, { verify: true })
    const told = (): number[] => grid.servers.map(({ advisories }) => advisories.length)
    expect(told()).toEqual(TEN.map((index) => (index === 4 ? 1 : 0)))
    await grid.put(4, 4, share)
    const version = fieldsOf(share).get('sequence number') ?? { offset: 0, end: 0 }
    await grid.put(7, 7, damaged(file.shares.get(7) ?? share, version, 'zero'))
    await checked(grid)
    expect(told()).toEqual(TEN.map((index) => (index === 4 || index === 7 ? 1 : 0)))
  })

  it('lists a corrupt share of which there is a good copy', async () => {
    const grid = await createMutableGrid(file, { serverCount: 11 })
    const share = file.shares.get(4) ?? new Uint8Array()
    const span = fieldsOf(share).get('first block') ?? { offset: 0, end: 0 }
    await grid.put(10, 4, damaged(share, span, 'zero'))
    expect(await checked(grid, { verify: true })).toMatchObject({
      healthy: false,
      goodShareCount: 10,
      corruptShares: [{ serverId: 'v0-010', shareNumber: 4 }],
      summary: 'Unhealthy: Corrupt Shares: v0-010-sh4',
    })
  })

  it('says which servers answered, and which shares could not be read', async () => {
    const grid = await createMutableGrid(file)
    serverAt(grid.servers, 2).onMessage = async () => {
      throw new StorageError('STORAGE_UNREACHABLE', 'away')
    }
    const results = await checked(grid, { verify: true })
    expect(results).toMatchObject({ healthy: false, goodShareCount: 9, corruptShares: [] })
    expect(results.serversResponding).toEqual(new Set(NAMES.filter((name) => name !== 'v0-002')))
    serverAt(grid.servers, 2).onMessage = (_name, run) => run()
    await enlarge(grid)
    let reads = 0
    serverAt(grid.servers, 2).onMessage = async (_name, run) => {
      if (reads++ > 0) throw new StorageError('STORAGE_UNREACHABLE', 'away')
      return run()
    }
    const again = await checked(grid, { verify: true })
    expect(again).toMatchObject({
      healthy: false,
      goodShareCount: 9,
      corruptShares: [],
      serversResponding: new Set(NAMES),
      summary: 'Unhealthy: 9 shares (enc 3-of-10) Unreadable Shares: v0-002-sh2',
    })
    expect(again.report.slice(-2)).toEqual(['Unreadable Shares:', ' v0-002-sh2: away'])
  })

  it('gives up servers that do not answer', async () => {
    const due = new Set<() => void>()
    const after = (_delayMs: number, callback: () => void): (() => void) => {
      due.add(callback)
      return () => due.delete(callback)
    }
    const grid = await createMutableGrid(file, { context: { clock: { nowMs: () => 0, after } } })
    serverAt(grid.servers, 6).onMessage = () => new Promise(() => {})
    const checking = checked(grid)
    await expect.poll(() => due.size).toBe(1)
    for (const callback of due) callback()
    const results = await checking
    expect(results).toMatchObject({ healthy: false, goodShareCount: 9 })
    expect(results.serversResponding.has('v0-006')).toBe(false)
  })

  it('tells how far it is', async () => {
    const grid = await createMutableGrid(file)
    const seen: Progress[] = []
    await checked(grid, { verify: true, onProgress: (progress) => seen.push(progress) })
    expect(seen.map(({ phase }) => phase)).toContain('locating')
    expect(seen.filter(({ phase }) => phase === 'verifying').map(({ done }) => done)).toEqual([
      0,
      ...TEN.map((index) => index + 1),
    ])
  })

  it('ends with the reason of the signal', async () => {
    const grid = await createMutableGrid(file)
    const reason = new Error('enough')
    await expect(checked(grid, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const stop = new AbortController()
    for (const server of grid.servers) {
      server.onMessage = () => {
        stop.abort(reason)
        return new Promise(() => {})
      }
    }
    await expect(checked(grid, { signal: stop.signal })).rejects.toBe(reason)
  })
})

it('waits for the edits of its node', async () => {
  const grid = await createMutableGrid(SDMF)
  const node = createMutableNode(grid.cap, grid.context)
  const writing = node.overwrite(new Uint8Array(5))
  const results = await createCheckable(node, grid.context).check()
  await writing
  expect(results).toMatchObject({ healthy: true, wrongShareCount: 0 })
  expect(
    [...(results?.sharemap.keys() ?? [])].every((name) => String(name).startsWith('seq2-')),
  ).toBe(true)
})

it('verifies the next best version where the best one is lost', async () => {
  const grid = await createMutableGrid(MDMF)
  await createMutableNode(grid.cap, clientOf(grid)).overwrite(new Uint8Array(9999).fill(1))
  const newer = await grid.stored()
  for (const share of TEN) {
    const [older, now] = [MDMF.shares.get(share), newer.get(`${share}/${share}`)]
    const there = share < 5 ? older : now
    if (there === undefined) throw new TypeError('expected a share')
    // Two good shares are left of each version.
    const span = fieldsOf(there).get('last block') ?? { offset: 0, end: 0 }
    await grid.put(share, share, share % 5 < 2 ? there : damaged(there, span, 'zero'))
  }
  const results = await checked(grid, { verify: true })
  expect(results).toMatchObject({ recoverable: false, unrecoverableVersionCount: 2 })
  expect(results.corruptShares.map(({ shareNumber }) => shareNumber)).toEqual([2, 3, 4, 7, 8, 9])
})

it('verifies what a writer has put there meanwhile', async () => {
  const grid = await createMutableGrid(MDMF)
  await enlarge(grid)
  const contents = new Uint8Array(190_000).fill(1)
  let messages = 0
  for (const server of grid.servers) {
    server.onMessage = async (_name, run) => {
      messages += 1
      if (messages === 11) {
        await createMutableNode(grid.cap, clientOf(grid)).overwrite(contents)
      }
      return run()
    }
  }
  const results = await checked(grid, { verify: true })
  expect(messages).toBeGreaterThan(20)
  expect(results).toMatchObject({ healthy: true, corruptShares: [], goodShareCount: 10 })
  expect([...results.sharemap.keys()].every((name) => String(name).startsWith('seq3-'))).toBe(true)
})

it.each([SDMF, MDMF])(
  'checks the directory that is kept in $name, by any of its caps',
  async (file) => {
    const grid = await createMutableGrid({ ...file, shares: some(file, 9) })
    const directory = grid.cap instanceof SskCap ? new Dir2Cap(grid.cap) : new Dir2MdmfCap(grid.cap)
    for (const cap of [directory, directory.readCap(), directory.verifyCap()]) {
      const results = await createCheckable(cap.format(), grid.context).check({ verify: true })
      expect(results).toMatchObject({ uri: cap.format(), healthy: false, goodShareCount: 9 })
    }
    const mended = await createCheckable(directory.format(), grid.context).checkAndRepair()
    expect(mended).toMatchObject({
      repairSuccessful: true,
      postRepairResults: { uri: directory.format(), healthy: true },
    })
  },
)
