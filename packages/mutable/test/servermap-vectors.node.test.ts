import { beforeAll, describe, expect, it } from 'vitest'
import { type CryptoProvider, defaultCrypto } from '@lafs/crypto'
import { StorageError } from '@lafs/storage-interface'
import { ServerMap } from '../src/servermap/server-map.ts'
import { updateServermap } from '../src/servermap/updater.ts'
import {
  createTestGrid,
  loadRecordings,
  placedShare,
  type RecordedCase,
  type RecordedUpdate,
  type Recordings,
  testFile,
} from './servermap-grid.ts'

/** Settles once nothing moves any more: no promise of its own, and no work of the crypto provider. */
interface Stillness {
  readonly crypto: CryptoProvider
  readonly reached: () => Promise<void>
}

function stillness(): Stillness {
  const work = { busy: 0 }
  const counted = async <T>(promise: Promise<T>): Promise<T> => {
    work.busy += 1
    try {
      return await promise
    } finally {
      work.busy -= 1
    }
  }
  const crypto: CryptoProvider = Object.assign(Object.create(defaultCrypto) as CryptoProvider, {
    aesCtrInPlace: (...args: Parameters<CryptoProvider['aesCtrInPlace']>) =>
      counted(defaultCrypto.aesCtrInPlace(...args)),
    importRsaSigningKey: (der: Uint8Array) => counted(defaultCrypto.importRsaSigningKey(der)),
    importRsaVerifyingKey: async (der: Uint8Array) => {
      const key = await counted(defaultCrypto.importRsaVerifyingKey(der))
      return {
        der: key.der,
        verify: (signature: Uint8Array, message: Uint8Array) =>
          counted(key.verify(signature, message)),
      }
    },
  })
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    crypto,
    reached: async () => {
      do await turn()
      while (work.busy > 0)
      await turn()
    },
  }
}

const listed = (entries: Iterable<readonly (string | number)[]>): string =>
  [...entries]
    .map((entry) => entry.join('/'))
    .toSorted()
    .join(' ')
/** The same entries in another order. */
const sorted = (text: string): string => text.split(' ').toSorted().join(' ')

/** Makes the updates of a case over the same grid, and compares each with what upstream made. */
async function replay(recordings: Recordings, recorded: RecordedCase): Promise<void> {
  const { crypto, reached } = stillness()
  const grid = createTestGrid(recorded.servers)
  const waiting = new Map<number, () => void>()
  for (const server of grid.servers) {
    server.gate = async (shareNumbers) => {
      if (shareNumbers.length > 0) return
      await new Promise<void>((resolve) => waiting.set(server.index, resolve))
      if (recorded.failing.includes(server.index)) {
        throw new StorageError('STORAGE_UNREACHABLE', 'broken')
      }
    }
  }
  for (const placement of recorded.shares) {
    const share = placedShare(recordings, placement)
    grid.servers[placement[0]]?.shares.set(placement[1], share)
  }
  const authority = recorded.writeable ? 'write' : 'read'
  const file = testFile(recordings.cap, grid, { authority, crypto })
  const names = new Map(
    [...recordings.versions].map(([name, [share]]) => [share?.subarray(0, 41).join(), name]),
  )
  const nameOf = ({ header }: { header: { prefix: Uint8Array } }): string =>
    names.get(header.prefix.subarray(0, 41).join()) ?? 'unknown'
  const map = new ServerMap()
  for (const update of recorded.updates) {
    waiting.clear()
    // Upstream guesses, or was told, the encoding; here the update before this one may have learnt it.
    const [requiredShares, totalShares] = recorded.encoding ?? [3, 10]
    file.encoding = { requiredShares, totalShares }
    const { steps, initial } = await transcript(recorded, update, { waiting, reached }, () =>
      updateServermap(file, map, update.mode),
    )
    if (goesOn(update) && steps.length > update.steps.length) {
      const asked = update.steps.slice(0, -1)
      expect({ initial, steps: steps.slice(0, asked.length) }).toEqual({ initial, steps: asked })
      expect(steps.at(-1)).toHaveLength(1)
      return
    }
    if (!update.asksTwice) expect({ initial, steps }).toEqual(pick(update))
    const found = {
      recoverable: map.recoverableVersions().map(nameOf).toSorted(),
      unrecoverable: map.unrecoverableVersions().map(nameOf).toSorted(),
      newer: map.unrecoverableNewerVersions().map(nameOf).toSorted(),
      best: [map.bestRecoverableVersion()].flatMap((best) => (best ? [nameOf(best)] : [])),
      known: listed(
        [...map.shares()].map((share) => [
          Number(share.server.serverId.slice(3)),
          share.shareNumber,
          nameOf(share.version),
        ]),
      ),
      bad: listed(
        [...map.knownBadShares()].map((share) => [
          Number(share.server.serverId.slice(3)),
          share.shareNumber,
        ]),
      ),
      unreachable: [...map.unreachableServers].map((id) => Number(id.slice(3))).toSorted(ascending),
      advised: listed([...new Set(grid.advised)].map((one) => [one])),
      needsMerge: map.needsMerge(),
      highestSequenceNumber: map.highestSequenceNumber(),
      privateKey: file.signingKey !== undefined,
    }
    const { mode: _mode, initial: _initial, steps: _steps, asksTwice: _twice, ...rest } = update
    expect(found).toEqual({
      ...rest,
      known: sorted(update.known),
      bad: sorted(update.bad),
      advised: sorted(update.advised),
    })
  }
}

const ascending = (a: number, b: number): number => a - b
const pick = ({ initial, steps }: RecordedUpdate): unknown => ({ initial, steps })

/**
 * Whether a writer knows of a newer version than the one that it can read. Upstream's may stop there,
 * and writes over it; ours asks all servers.
 */
const goesOn = ({ mode, best, newer }: RecordedUpdate): boolean =>
  mode === 'MODE_WRITE' && best.length > 0 && newer.length > 0

/** Lets the servers answer one at a time, in the order of the case, until the update is done. */
async function transcript(
  { answering, servers }: RecordedCase,
  { steps: recorded }: RecordedUpdate,
  grid: { waiting: Map<number, () => void>; reached: () => Promise<void> },
  begin: () => Promise<unknown>,
): Promise<{ initial: number[]; steps: number[][] }> {
  const { waiting, reached } = grid
  const ranked = answering ?? Array.from({ length: servers }, (_, index) => index)
  const state = { over: false }
  const update = begin().finally(() => {
    state.over = true
  })
  await reached()
  const initial = [...waiting.keys()].toSorted(ascending)
  const steps: number[][] = []
  while (!state.over) {
    const server = ranked.find((one) => waiting.has(one))
    if (server === undefined || steps.length > recorded.length + servers) break
    const answer = waiting.get(server)
    const before = new Set(waiting.keys())
    waiting.delete(server)
    answer?.()
    await reached()
    steps.push([
      server,
      ...[...waiting.keys()].filter((one) => !before.has(one)).toSorted(ascending),
    ])
  }
  expect(state.over).toBe(true)
  await update
  return { initial, steps }
}

describe('updateServermap, beside upstream', () => {
  let recordings: Recordings
  beforeAll(async () => {
    recordings = await loadRecordings()
  })

  it('has cases of every mode', () => {
    const modes = recordings.cases.flatMap(({ updates }) => updates.map(({ mode }) => mode))
    expect(new Set(modes).size).toBe(5)
    expect(modes.length).toBeGreaterThan(300)
  })

  it.each(['chosen', 'random'])(
    'asks the same servers, stops at the same answer and finds the same: %s grids',
    async (kind) => {
      const isRandom = ({ name }: RecordedCase): boolean => name.startsWith('by chance')
      const cases = recordings.cases.filter((one) => isRandom(one) === (kind === 'random'))
      expect(cases.length).toBeGreaterThan(100)
      for (const recorded of cases) {
        try {
          await replay(recordings, recorded)
        } catch (cause) {
          const modes = recorded.updates.map(({ mode }) => mode).join(', ')
          throw new Error(`${recorded.name} (${modes})`, { cause })
        }
      }
    },
  )
})
