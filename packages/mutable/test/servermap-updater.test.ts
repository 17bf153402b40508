import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { type CryptoProvider, defaultCrypto } from '@lafs/crypto'
import type { IServermapUpdaterStatus, Progress, ServermapMode } from '@lafs/filesystem-interface'
import { createMemoryStore } from '@lafs/share-store-memory'
import { type IStorageServer, StorageError } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { alwaysFail, flipBit, stall, truncate, virtualClock, withFault } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import type { MutableFile } from '../src/file.ts'
import { slotSecrets } from '../src/keys.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { updateServermap } from '../src/servermap/updater.ts'
import {
  createTestGrid,
  type FileOptions,
  loadRecordings,
  type Placement,
  placedShare,
  type Recordings,
  type TestGrid,
  type TestServer,
  testFile,
} from './servermap-grid.ts'

const MODES: readonly ServermapMode[] = [
  'MODE_READ',
  'MODE_WRITE',
  'MODE_ANYTHING',
  'MODE_CHECK',
  'MODE_REPAIR',
]

let recordings: Recordings
beforeAll(async () => {
  recordings = await loadRecordings()
})

interface Scene extends TestGrid {
  readonly file: MutableFile
  readonly map: ServerMap
}

/** Ten servers with these shares. */
function scene(
  placements: readonly Placement[],
  options: FileOptions & {
    readonly servers?: number
    readonly wrap?: (server: IStorageServer, index: number) => IStorageServer
  } = {},
): Scene {
  const grid = createTestGrid(options.servers ?? 10, options.wrap)
  for (const placement of placements) put(grid, placement)
  return { ...grid, file: testFile(recordings.cap, grid, options), map: new ServerMap() }
}

function put(grid: TestGrid, placement: Placement): void {
  serverOf(grid, placement[0]).shares.set(placement[1], placedShare(recordings, placement))
}

function serverOf(grid: TestGrid, index: number): TestServer {
  const server = grid.servers[index]
  if (server === undefined) throw new Error(`no server ${index}`)
  return server
}

/** One share of a version on each of these servers. */
const spread = (version: string, servers: readonly number[] = TEN): Placement[] =>
  servers.map((server) => [server, server % 10, version])
const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
/** Looks often, and as long as a slow machine may take for a signature. */
const PATIENT = { interval: 1, timeout: 20_000 }
const forever = (): Promise<never> => new Promise(() => {})
const idsOf = (servers: readonly number[]): Set<string> =>
  new Set(servers.map((index) => `v0-${String(index).padStart(3, '0')}`))

describe('updateServermap', () => {
  it.each(['1', 'mdmf', '2-of-4'])(
    'learns all that a writer needs from one request a server: %s',
    async (version) => {
      const { file, map, reads } = scene(spread(version, version === '2-of-4' ? [0, 1, 2, 3] : TEN))
      expect(await updateServermap(file, map, 'MODE_WRITE')).toBe(map)
      expect(reads.map(({ server }) => server).toSorted((a, b) => a - b)).toEqual(TEN)
      const best = map.bestRecoverableVersion()
      expect(file.version).toBe(version === 'mdmf' ? 1 : 0)
      expect(file.encoding).toEqual({
        requiredShares: version === '2-of-4' ? 2 : 3,
        totalShares: version === '2-of-4' ? 4 : 10,
      })
      expect(file.size).toBe(best?.size)
      expect(file.signingKey?.verifyingKey.der).toEqual(file.verifyingKey?.der)
      expect(file.encryptedPrivateKey?.length).toBeGreaterThan(1000)
      expect(map.lastUpdateMode).toBe('MODE_WRITE')
      expect(map.problems).toEqual([])
    },
  )

  it.each(['MODE_READ', 'MODE_WRITE'] as const)(
    '%s looks on where somebody knows of a newer version',
    async (mode) => {
      const newer: Placement[] = [4, 20, 24].map((server, share) => [server, share, '2'])
      const { file, map, reads } = scene([...spread('1', [0, 1, 2, 3]), ...newer], { servers: 25 })
      await updateServermap(file, map, mode)
      expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(2)
      expect(reads).toHaveLength(25)
    },
  )

  it('asks the first servers for whole small shares, and the others for what proves a version', async () => {
    const { file, map, reads, servers } = scene(spread('1'))
    await updateServermap(file, map, 'MODE_READ')
    const sizes = reads.map(({ size }) => size)
    expect(sizes.slice(0, 3)).toEqual([16_384, 16_384, 16_384])
    expect(new Set(sizes.slice(3))).toEqual(new Set([4000]))
    const [share] = map.shares()
    if (share === undefined) throw new Error('no share')
    const reader = map.readerFor(share.server, share.shareNumber)
    const before = reads.length
    expect((await reader?.blocks(0, 0))?.length).toBe(1)
    expect(await reader?.encryptedPrivateKey()).toHaveLength(1218)
    expect(reads.length).toBe(before)
    expect(servers.length).toBe(10)
  })

  it.each([
    { what: 'that fits', size: 90_000, version: 0, expected: 40_500 },
    { what: 'that is large', size: 900_000, version: 0, expected: 4000 },
    { what: 'that is tiny', size: 10, version: 0, expected: 4000 },
    { what: 'of segments', size: 90_000, version: 1, expected: 40_500 },
  ])('reads as much as the share of a known file has: $what', async (known) => {
    const { file, map, reads } = scene([])
    file.size = known.size
    file.version = known.version
    file.encoding = { requiredShares: 3, totalShares: 10 }
    await updateServermap(file, map, 'MODE_WRITE')
    expect(reads[0]?.size).toBe(known.expected)
    expect(reads[3]?.size).toBe(4000)
  })

  it.each(['read', 'verify'] as const)(
    'needs no more authority than a %s cap has',
    async (authority) => {
      for (const mode of MODES) {
        const { file, map } = scene(spread('1'), { authority })
        await updateServermap(file, map, mode)
        expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(1)
        expect(file.signingKey).toBeUndefined()
        expect(map.problems).toEqual([])
      }
    },
  )

  it('shows its write enabler only to write', async () => {
    for (const mode of MODES) {
      const asked: string[] = []
      const { file, map } = scene(spread('1'), {
        wrap: (server) =>
          withFault(server, (name, operation) => {
            asked.push(name)
            return operation()
          }),
      })
      await updateServermap(file, map, mode)
      const name = mode === 'MODE_WRITE' ? 'slotTestvAndReadvAndWritev' : 'slotReadv'
      expect(new Set(asked)).toEqual(new Set([name]))
    }
  })

  it('reads a server that knows another write enabler', async () => {
    const error = new StorageError('STORAGE_BAD_WRITE_ENABLER', 'another one')
    const { file, map } = scene(spread('1'), {
      wrap: (server) => alwaysFail(server, { only: ['slotTestvAndReadvAndWritev'] }, error),
    })
    await updateServermap(file, map, 'MODE_WRITE')
    expect(map.sharesOf(map.bestRecoverableVersion() ?? expect.fail()).length).toBe(10)
    expect(map.unreachableServers.size).toBe(0)
  })

  it('checks the signature of a version once', async () => {
    const { crypto, verified } = countingCrypto()
    const { file, map } = scene([...spread('1', [0, 1, 2, 3, 4]), ...spread('2', [5, 6, 7])], {
      crypto,
    })
    await updateServermap(file, map, 'MODE_CHECK')
    expect(verified()).toBe(2)
    expect([...map.shares()].length).toBe(8)
  })

  it('works over real servers', async () => {
    const transport = memoryTransport()
    const grid = createTestGrid(10)
    const storages: IStorageServer[] = []
    for (const _ of TEN) {
      const backend = createStorageServer({ store: createMemoryStore() })
      const { announcement } = await transport.serve(backend)
      storages.push((await transport.connect(announcement)).storageServer)
    }
    const file = testFile(recordings.cap, grid)
    for (const [index, storage] of storages.entries()) {
      const { server } = serverOf(grid, index)
      Object.assign(server, { storageServer: async () => storage })
      const data = placedShare(recordings, [index, index, '1'])
      const writes = new Map([[index, { test: [], write: [{ offset: 0, data }] }]])
      await storage.slotTestvAndReadvAndWritev(
        file.storageIndex,
        slotSecrets(file, server),
        writes,
        [],
      )
    }
    for (const mode of MODES) {
      const map = await updateServermap(file, new ServerMap(), mode, { addLease: true })
      expect(map.problems).toEqual([])
      expect(map.bestRecoverableVersion()?.size).toBe(9)
    }
    expect(file.signingKey).toBeDefined()
  })
})

describe('the private key', () => {
  it('is asked for where it did not come with the first bytes', async () => {
    const { file, map, reads } = scene(spread('1-of-2', [0, 1]))
    await updateServermap(file, map, 'MODE_WRITE')
    expect(file.signingKey).toBeDefined()
    const more = reads.filter(({ shareNumbers }) => shareNumbers.length > 0)
    expect(more.length).toBeLessThanOrEqual(2)
    for (const { size } of more) expect(size).toBe(1218)
  })

  it('is asked for in two places at once, and elsewhere when it is not there', async () => {
    const damaged = TEN.slice(0, 4).map((server): Placement => [
      server,
      0,
      '1-of-2',
      'flip',
      17_700,
    ])
    const grid = scene([...damaged, [4, 1, '1-of-2'], [5, 1, '1-of-2']])
    let open = 0
    let most = 0
    for (const server of grid.servers) {
      server.gate = async (shareNumbers) => {
        if (shareNumbers.length === 0) return
        open += 1
        most = Math.max(most, open)
        await new Promise((resolve) => setTimeout(resolve, 1))
        open -= 1
      }
    }
    await updateServermap(grid.file, grid.map, 'MODE_REPAIR')
    expect(most).toBe(2)
    expect(grid.file.signingKey).toBeDefined()
    expect(grid.map.bestRecoverableVersion()).toBeDefined()
    expect(grid.map.badShares.size).toBe(0)
  })

  it('is not waited for where no share has it', async () => {
    const damaged = TEN.map((server): Placement => [server, server, '1', 'flip', 1000])
    const { file, map } = scene(damaged)
    await updateServermap(file, map, 'MODE_WRITE')
    expect(file.signingKey).toBeUndefined()
    expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(1)
    expect(map.problems.length).toBe(10)
  })

  it('is not asked for when it is known', async () => {
    const grid = scene(spread('1-of-2', [0, 1]))
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    const { signingKey } = grid.file
    grid.reads.length = 0
    await updateServermap(grid.file, new ServerMap(), 'MODE_WRITE')
    expect(grid.reads.every(({ shareNumbers }) => shareNumbers.length === 0)).toBe(true)
    expect(grid.file.signingKey).toBe(signingKey)
  })

  it('comes from another server when one stalls', async () => {
    const clock = virtualClock()
    const grid = scene([...spread('1-of-2', [0, 1]), [2, 0, '1-of-2']], { clock })
    for (const index of [0, 1]) {
      serverOf(grid, index).gate = (numbers) => (numbers.length > 0 ? forever() : undefined)
    }
    await clock.run(updateServermap(grid.file, grid.map, 'MODE_WRITE'), 11_000)
    expect(grid.file.signingKey).toBeDefined()
  })
})

describe('shares that are worth nothing', () => {
  it.each([
    { name: 'a signature that is not the owner’s', damage: ['flip', 500], code: 'SHARE_CORRUPT' },
    { name: 'another sequence number', damage: ['flip', 8], code: 'SHARE_CORRUPT' },
    { name: 'another root hash', damage: ['flip', 20], code: 'SHARE_CORRUPT' },
    { name: 'another salt', damage: ['flip', 50], code: 'SHARE_CORRUPT' },
    { name: 'a version that is not known', damage: ['unknown', 0], code: 'SHARE_UNKNOWN_VERSION' },
    { name: 'half a header', damage: ['cut', 60], code: 'SHARE_BAD' },
    { name: 'nothing', damage: ['cut', 0], code: 'SHARE_BAD' },
    { name: 'half a signature', damage: ['cut', 500], code: 'SHARE_BAD' },
    { name: 'a share that ends too early', damage: ['cut', 300], code: 'SHARE_BAD' },
  ] as const)('are noted with what they begin with: $name', async ({ damage, code }) => {
    const bad: Placement = [0, 0, '1', ...damage]
    const grid = scene([bad, ...spread('1', TEN.slice(1))])
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    const { server } = serverOf(grid, 0)
    expect(grid.map.badShares).toEqual(new Map([['v0-000', new Set([0])]]))
    expect(grid.map.versionOn(server, 0)).toBeUndefined()
    const bytes = placedShare(recordings, bad)
    expect(grid.map.checkstringOn(server, 0)).toEqual(bytes.slice(0, 75))
    expect(grid.map.problems).toMatchObject([{ code }])
    expect(grid.advised).toEqual(['0/0'])
    expect(grid.map.reachableServers.has('v0-000')).toBe(true)
    expect(grid.map.sharesOf(grid.map.bestRecoverableVersion() ?? expect.fail()).length).toBe(9)
    await updateServermap(grid.file, grid.map, 'MODE_CHECK', { thorough: true })
    expect(grid.advised).toEqual(['0/0'])
  })

  it.each([
    { name: 'signature', at: 500 },
    { name: 'public key', at: 200 },
  ])('are as good as others to a check where another one has a good $name', async ({ at }) => {
    const bad: Placement = [0, 0, '1', 'flip', at]
    const grid = scene([bad, ...spread('1', TEN.slice(1))])
    for (const thorough of [true, false]) {
      const map = new ServerMap()
      const file = { ...grid.file, verifyingKey: undefined }
      await updateServermap(file, map, 'MODE_CHECK', { thorough })
      const version = map.bestRecoverableVersion() ?? expect.fail()
      expect(map.sharesOf(version)).toHaveLength(thorough ? 10 : 9)
      expect(map.badShares.size).toBe(thorough ? 0 : 1)
      if (thorough) expect(grid.advised).toEqual(['0/0'])
    }
    const alone = scene([bad, [1, 1, '1', 'flip', at]])
    await updateServermap(alone.file, alone.map, 'MODE_CHECK', { thorough: true })
    expect(alone.map.versionMap().size).toBe(0)
  })

  it('stay so to a check when they were known to be before', async () => {
    const grid = scene(spread('1'))
    await updateServermap(grid.file, grid.map, 'MODE_CHECK', { thorough: true })
    const version = grid.map.bestRecoverableVersion() ?? expect.fail()
    const { server } = serverOf(grid, 3)
    grid.map.markBadShare(server, 3, version.header.checkstring)
    await updateServermap(grid.file, grid.map, 'MODE_CHECK', { thorough: true })
    expect(grid.map.sharesOf(version)).toHaveLength(9)
    expect(grid.map.badShares.size).toBe(1)
  })

  it('are those of another file', async () => {
    const grid = scene(spread('1'))
    const file = { ...grid.file, fingerprint: new Uint8Array(32).fill(1) }
    for (const mode of MODES) {
      const map = await updateServermap(file, new ServerMap(), mode)
      expect(map.versionMap().size).toBe(0)
      expect(map.badShares.size).toBe(10)
      expect(map.problems).toMatchObject(TEN.map(() => ({ code: 'SHARE_CORRUPT' })))
    }
    expect(file.verifyingKey).toBeUndefined()
  })

  it('are those with a number that the file does not have', async () => {
    const grid = scene(spread('1'))
    serverOf(grid, 0).shares.set(10, placedShare(recordings, [0, 0, '1']))
    serverOf(grid, 0).shares.set(255, placedShare(recordings, [0, 0, '1']))
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    expect(grid.map.badShares).toEqual(new Map([['v0-000', new Set([10, 255])]]))
    expect([...grid.map.sharesOnServer('v0-000').keys()]).toEqual([0])
  })

  it('are found whatever bit of what is signed is wrong', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('1', 'mdmf'), fc.nat(8 * 59 - 1), async (version, bit) => {
        const grid = scene(spread(version), {
          wrap: (server, index) => (index < 3 ? flipBit(server, bit) : server),
        })
        await updateServermap(grid.file, grid.map, 'MODE_CHECK')
        expect(grid.map.badShares.size).toBe(3)
        expect([...grid.map.versionMap().keys()].length).toBe(1)
      }),
      { numRuns: 60, seed: 7 },
    )
  })

  it('stay bad once somebody found out, until they are replaced', async () => {
    const grid = scene(spread('1'))
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    const { server } = serverOf(grid, 2)
    const { checkstring } = grid.map.versionOn(server, 2)?.header ?? expect.fail()
    grid.map.markBadShare(server, 2, checkstring)
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    expect(grid.map.badShares).toEqual(new Map([['v0-002', new Set([2])]]))
    put(grid, [2, 2, '2'])
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    expect(grid.map.badShares.size).toBe(0)
    expect(grid.map.versionOn(server, 2)?.sequenceNumber).toBe(2)
  })

  it('leave their servers out of account where shares end', async () => {
    const grid = scene(spread('1'), { servers: 20 })
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    const { server } = serverOf(grid, 4)
    const { checkstring } = grid.map.versionOn(server, 4)?.header ?? expect.fail()
    grid.map.markBadShare(server, 4, checkstring)
    grid.reads.length = 0
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    expect(new Set(grid.reads.map((read) => read.server)).size).toBeLessThan(20)
  })

  it('are reported to servers that may not want to know', async () => {
    const grid = scene([[0, 0, '1', 'flip', 8], ...spread('1', TEN.slice(1))], {
      wrap: (server) => alwaysFail(server, { only: ['adviseCorruptShare'] }),
    })
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    await new Promise((resolve) => setTimeout(resolve, 1))
    expect(grid.map.badShares.size).toBe(1)
    expect(grid.map.problems.length).toBe(1)
  })

  it('are forgotten when they are gone, as good ones are', async () => {
    const grid = scene([[0, 0, '1', 'flip', 8], ...spread('1', TEN.slice(1))])
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    serverOf(grid, 0).shares.clear()
    serverOf(grid, 1).shares.clear()
    serverOf(grid, 2).gate = () => {
      throw new StorageError('STORAGE_UNREACHABLE', 'gone')
    }
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    expect(grid.map.badShares.size).toBe(0)
    const numbers = [...grid.map.shares()].map(({ shareNumber }) => shareNumber)
    expect(numbers.toSorted((a, b) => a - b)).toEqual(TEN.slice(2))
  })
})

describe('several versions', () => {
  it('are told apart: a share that was rolled back', async () => {
    const { file, map } = scene([[0, 0, '1'], ...spread('2', TEN.slice(1))])
    await updateServermap(file, map, 'MODE_READ')
    expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(2)
    expect(map.unrecoverableNewerVersions()).toEqual([])
    expect(map.summarizeVersions()).toMatch(/^1\*seq1-.{4}\/\d\*seq2-.{4}$/)
  })

  it('are looked for as long as a newer one cannot be read', async () => {
    const { file, map, reads } = scene([[0, 0, '2'], ...spread('1', TEN.slice(1))], { servers: 25 })
    await updateServermap(file, map, 'MODE_READ')
    expect(reads.length).toBe(25)
    expect(map.unrecoverableNewerVersions().map(({ sequenceNumber }) => sequenceNumber)).toEqual([
      2,
    ])
    expect(file.size).toBe(9)
  })

  it('replace one another on a server between two updates', async () => {
    const grid = scene(spread('1'))
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    for (const placement of spread('2')) put(grid, placement)
    await updateServermap(grid.file, grid.map, 'MODE_WRITE')
    expect(grid.map.summarizeVersions()).toMatch(/^10\*seq2-/)
    const [share] = grid.map.shares()
    if (share === undefined) throw new Error('no share')
    const reader = grid.map.readerFor(share.server, share.shareNumber)
    expect((await reader?.header())?.sequenceNumber).toBe(2)
  })
})

describe('servers that stall', () => {
  it.each(MODES)('are out of reach after ten seconds: %s', async (mode) => {
    const clock = virtualClock()
    const { file, map } = scene(spread('1'), {
      clock,
      wrap: (server, index) => (index < 7 ? stall(server) : server),
    })
    await clock.run(updateServermap(file, map, mode), 10_000)
    expect(clock.nowMs()).toBe(10_000)
    // A reader does not wait for the rest of them.
    const stalled =
      mode === 'MODE_READ' || mode === 'MODE_ANYTHING' ? [0, 1, 2] : [0, 1, 2, 3, 4, 5, 6]
    for (const id of idsOf(stalled)) expect(map.unreachableServers).toContain(id)
    expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(1)
    expect(map.problems.length).toBe(map.unreachableServers.size)
    for (const problem of map.problems) expect(problem).toMatchObject({ code: 'STORAGE_TIMEOUT' })
  })

  it('are out of reach even when they ignore that nobody waits any more', async () => {
    const clock = virtualClock()
    const grid = scene(spread('1'), { clock })
    for (const server of grid.servers) server.gate = forever
    await clock.run(updateServermap(grid.file, grid.map, 'MODE_WRITE'), 10_000)
    expect(grid.map.unreachableServers.size).toBe(10)
  })

  it('hear that nobody waits any more', async () => {
    const clock = virtualClock()
    const grid = scene(spread('1'), { clock })
    const reasons: unknown[] = []
    serverOf(grid, 0).gate = (_, options) => {
      options?.signal?.addEventListener('abort', () => reasons.push(options.signal?.reason))
      return forever()
    }
    await clock.run(updateServermap(grid.file, grid.map, 'MODE_CHECK'), 10_000)
    expect(reasons).toMatchObject([{ code: 'STORAGE_TIMEOUT' }])
  })

  it('are waited for no longer where they had shares before', async () => {
    const clock = virtualClock()
    const grid = scene(spread('1'), { clock })
    await updateServermap(grid.file, grid.map, 'MODE_READ')
    const [known] = grid.map.servers()
    serverOf(grid, Number(known?.serverId.slice(3))).gate = forever
    await clock.run(updateServermap(grid.file, grid.map, 'MODE_READ'), 10_000)
    expect(clock.nowMs()).toBe(10_000)
    expect(grid.map.unreachableServers).toEqual(new Set([known?.serverId]))
    expect(grid.map.bestRecoverableVersion()).toBeDefined()
  })

  it('do not hold up those that read where others suffice', async () => {
    const clock = virtualClock()
    const { file, map } = scene(spread('1'), {
      clock,
      wrap: (server, index) => (index < 2 ? stall(server) : server),
    })
    await clock.run(updateServermap(file, map, 'MODE_READ'), 0)
    expect(map.bestRecoverableVersion()).toBeDefined()
    expect(map.unreachableServers.size).toBe(0)
    await clock.elapse(20_000)
    expect(map.unreachableServers.size).toBe(0)
    expect(map.problems).toEqual([])
  })
})

describe('answers that come too late', () => {
  it('change nothing, good or bad', async () => {
    const late: (() => void)[] = []
    const grid = scene(spread('1'))
    for (const index of [0, 1, 2]) {
      serverOf(grid, index).gate = async () => {
        await new Promise<void>((resolve) => late.push(resolve))
        if (index === 1) throw new StorageError('STORAGE_UNREACHABLE', 'too late')
        if (index === 2) serverOf(grid, 2).shares.set(2, new Uint8Array(3))
      }
    }
    await updateServermap(grid.file, grid.map, 'MODE_READ')
    const before = grid.map.copy()
    for (const answer of late) answer()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(late.length).toBe(3)
    expect(grid.map.summarizeVersions()).toBe(before.summarizeVersions())
    expect(grid.map.reachableServers).toEqual(before.reachableServers)
    expect(grid.map.unreachableServers.size).toBe(0)
    expect(grid.map.problems).toEqual([])
    expect(grid.advised).toEqual([])
  })
})

describe('the signal', () => {
  it('stops an update before it begins', async () => {
    const { file, map, reads } = scene(spread('1'))
    const signal = AbortSignal.abort(new Error('no'))
    await expect(updateServermap(file, map, 'MODE_READ', { signal })).rejects.toThrow('no')
    expect(reads).toEqual([])
  })

  it.each(MODES)('stops it at any time, and no answer is taken after that: %s', async (mode) => {
    const controller = new AbortController()
    const { signal } = controller
    const late: (() => void)[] = []
    const ended: unknown[] = []
    const statuses: IServermapUpdaterStatus[] = []
    const grid = scene(spread('1'), { statuses })
    for (const server of grid.servers.slice(1)) {
      server.gate = (_, options) => {
        options?.signal?.addEventListener('abort', () => ended.push(options.signal?.reason))
        return new Promise<void>((resolve) => late.push(resolve))
      }
    }
    const update = updateServermap(grid.file, grid.map, mode, { signal })
    await vi.waitUntil(() => [...grid.map.shares()].length === 1, PATIENT)
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(update).rejects.toBe(reason)
    expect(ended.length).toBe(late.length)
    for (const answer of late) answer()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect([...grid.map.shares()].length).toBe(1)
    expect(grid.map.unreachableServers.size).toBe(0)
    expect(grid.map.lastUpdateMode).toBeUndefined()
    expect(statuses).toMatchObject([{ active: false, status: 'Stopped', mode }])
  })
})

describe('a signature', () => {
  it('that is looked at when an update is stopped leads to nothing', async () => {
    const controller = new AbortController()
    const verifications: ((good: boolean) => void)[] = []
    const crypto: CryptoProvider = Object.assign(Object.create(defaultCrypto) as CryptoProvider, {
      importRsaVerifyingKey: async (der: Uint8Array) => ({
        der,
        verify: () => new Promise<boolean>((resolve) => verifications.push(resolve)),
      }),
    })
    const { file, map, advised } = scene([...spread('1', [0]), ...spread('2', [1])], { crypto })
    const update = updateServermap(file, map, 'MODE_CHECK', { signal: controller.signal })
    await vi.waitUntil(() => verifications.length === 2, PATIENT)
    controller.abort(new Error('enough'))
    await expect(update).rejects.toThrow('enough')
    for (const [index, verified] of verifications.entries()) verified(index === 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect([...map.shares()]).toEqual([])
    expect(map.badShares.size).toBe(0)
    expect(map.problems).toEqual([])
    expect(advised).toEqual([])
  })
})

describe('leases', () => {
  it('are added on every server that is asked, if they are wanted', async () => {
    const grid = scene(spread('1'), { servers: 12 })
    await updateServermap(grid.file, grid.map, 'MODE_CHECK', { addLease: true })
    expect(grid.leased.toSorted((a, b) => a - b)).toEqual([...TEN, 10, 11])
    grid.leased.length = 0
    await updateServermap(grid.file, grid.map, 'MODE_CHECK')
    expect(grid.leased).toEqual([])
  })

  it('are there when the map is', async () => {
    const grid = scene(spread('1'))
    let added = 0
    for (const server of grid.servers) {
      server.leaseGate = async () => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        added += 1
      }
    }
    await updateServermap(grid.file, grid.map, 'MODE_CHECK', { addLease: true })
    expect(added).toBe(10)
  })

  it('are no reason to distrust a server when they cannot be had', async () => {
    const clock = virtualClock()
    const statuses: IServermapUpdaterStatus[] = []
    const grid = scene(spread('1'), { clock, statuses })
    serverOf(grid, 0).leaseGate = forever
    serverOf(grid, 1).leaseGate = () => {
      throw new StorageError('STORAGE_NO_SPACE', 'no room for leases')
    }
    const options = { addLease: true }
    await clock.run(updateServermap(grid.file, grid.map, 'MODE_CHECK', options), 10_000)
    expect(grid.map.unreachableServers.size).toBe(0)
    expect(grid.map.problems).toEqual([])
    expect([...grid.map.shares()].length).toBe(10)
    expect([...(statuses[0]?.problems.keys() ?? [])].toSorted()).toEqual(['v0-000', 'v0-001'])
  })
})

describe('what others see of an update', () => {
  it('is a status that changes until it is over', async () => {
    const statuses: IServermapUpdaterStatus[] = []
    const clock = virtualClock()
    const grid = scene(spread('1'), { statuses, clock })
    serverOf(grid, 3).gate = () => clock.sleep(70)
    serverOf(grid, 4).gate = () => {
      throw new StorageError('STORAGE_UNREACHABLE', 'gone')
    }
    const update = updateServermap(grid.file, grid.map, 'MODE_WRITE')
    const [status] = statuses
    expect(status).toMatchObject({ active: true, progress: 0, mode: 'MODE_WRITE', startedMs: 0 })
    await clock.run(update, 100)
    expect(status).toMatchObject({
      active: false,
      progress: 1,
      status: 'Finished',
      finishedMs: 70,
      servermap: grid.map,
      storageIndex: grid.file.storageIndex,
      timings: { totalMs: 70 },
    })
    expect(status?.privateKeyFrom).toMatch(/^v0-00\d$/)
    expect(status?.timings.perServerMs?.get('v0-003')).toEqual([70])
    expect([...(status?.problems.keys() ?? [])]).toEqual(['v0-004'])
  })

  it('is progress from none to all shares', async () => {
    const heard: Progress[] = []
    const { file, map } = scene(spread('1'))
    await updateServermap(file, map, 'MODE_CHECK', { onProgress: (one) => heard.push(one) })
    expect(heard[0]).toEqual({ phase: 'locating', done: 0, total: undefined })
    expect(heard.at(-1)).toEqual({ phase: 'locating', done: 10, total: undefined })
    expect(heard.map(({ done }) => done)).toEqual(
      heard.map(({ done }) => done).toSorted((a, b) => a - b),
    )
  })
})

describe('servers that lie, fail and stall by chance', () => {
  it('never get a share into the map that its owner did not sign', async () => {
    const faults = fc.constantFrom('none', 'none', 'flip', 'cut', 'fail', 'stall')
    const grids = fc.array(fc.tuple(faults, fc.nat(8 * 2000), fc.constantFrom('1', '2')), {
      minLength: 10,
      maxLength: 10,
    })
    await fc.assert(
      fc.asyncProperty(grids, fc.constantFrom(...MODES), async (drawn, mode) => {
        const clock = virtualClock()
        const grid = scene(
          drawn.map(([, , version], server): Placement => [server, server, version]),
          {
            clock,
            wrap: (server, index) => {
              const [fault, number] = drawn[index] ?? ['none', 0]
              if (fault === 'flip') return flipBit(server, number)
              if (fault === 'cut') return truncate(server, number >> 3)
              if (fault === 'fail') return alwaysFail(server)
              return fault === 'stall' ? stall(server) : server
            },
          },
        )
        await clock.run(updateServermap(grid.file, grid.map, mode), 30_000)
        for (const { version, server } of grid.map.shares()) {
          const signed = recordings.versions.get(String(version.sequenceNumber))?.[0]
          expect(version.header.prefix).toEqual(signed?.slice(0, 75))
          const index = Number(server.serverId.slice(3))
          expect(['none', 'flip', 'cut']).toContain(drawn[index]?.[0])
        }
        if (mode === 'MODE_CHECK' || mode === 'MODE_REPAIR') {
          const honest = drawn.filter(([fault]) => fault === 'none').length
          expect([...grid.map.shares()].length).toBeGreaterThanOrEqual(honest)
        }
      }),
      { numRuns: 100, seed: 11 },
    )
  })
})

/** The usual provider; tells how many signatures it has looked at. */
function countingCrypto(): { crypto: CryptoProvider; verified: () => number } {
  let count = 0
  const crypto: CryptoProvider = Object.assign(Object.create(defaultCrypto) as CryptoProvider, {
    importRsaVerifyingKey: async (der: Uint8Array) => {
      const key = await defaultCrypto.importRsaVerifyingKey(der)
      return {
        der: key.der,
        verify: (signature: Uint8Array, message: Uint8Array) => {
          count += 1
          return key.verify(signature, message)
        },
      }
    },
  })
  return { crypto, verified: () => count }
}
