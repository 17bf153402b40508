/**
 * Uploads that are interrupted again and again, of data that change meanwhile, with a journal that
 * loses its end, on servers that come and go: everything drawn from a seed. More of them:
 * `SEED_COUNT=1000 npx vitest run resume-simulation`; one again: `SEED=17 …`.
 */
import process from 'node:process'
import { encodeToShares, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import type { PlacedShares, UploadJournal, UploadJournalEntry } from '@lafs/immutable'
import type { IUploadable } from '@lafs/filesystem-interface'
import { breakingLine, seededRandom } from '@lafs/testing'
import type { SeededRandom } from '@lafs/testing'
import { expect, it } from 'vitest'
import { noise, same } from './grid.ts'
import { areGood, codec, createResumeGrid, encoding, read, secrets } from './resume-grid.ts'

const { convergence } = secrets
const size = 12 * encoding.maxSegmentSize + 17
const data = noise(size, 5)
const made = await encodeToShares(uploadableFromBytes(data), { codec, convergence, encoding })
const { cap, shares } = made
if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
const { storageIndex } = cap

/** A journal of one entry, in memory: what is on the disk when the process goes is what it holds. */
interface TestJournal extends UploadJournal {
  /** Whether there is anything to take up. */
  exists(): boolean
  lose(): void
  /** Forgets hashes, as a power cut may. */
  forget(random: SeededRandom): void
}

function testJournal(): TestJournal {
  let seed = 0
  let exists = false
  let placed: PlacedShares = new Map()
  const hashes = new Map<number, Uint8Array>()
  const lose = (): void => {
    exists = false
    placed = new Map()
    hashes.clear()
    seed += 1
  }
  const open = async (): Promise<UploadJournalEntry> => {
    const known = new Map(hashes)
    let interrupted = exists
    exists = true
    return {
      get seed() {
        return new Uint8Array(32).fill(seed)
      },
      get interrupted() {
        return interrupted
      },
      get placed() {
        return placed
      },
      segmentHash: (segment) => known.get(segment),
      place: async (reserved) => {
        placed = reserved
      },
      record: async (segment, hash) => {
        hashes.set(segment, hash.slice())
      },
      renew: async () => {
        lose()
        exists = true
        known.clear()
        interrupted = false
      },
      close: async (outcome) => {
        if (outcome === 'drop') lose()
      },
    }
  }
  const forget = (random: SeededRandom): void => {
    for (const segment of hashes.keys()) if (random.next() < 0.5) hashes.delete(segment)
  }
  return { open, exists: () => exists, lose, forget }
}

/** Reads the data in the first pass, and something else in the second. */
function changing(random: SeededRandom): IUploadable {
  const later = data.slice()
  const at = random.integer(size)
  later[at] = (later[at] ?? 0) ^ 1
  let passes = 0
  return {
    size,
    read: (options) => uploadableFromBytes(passes++ === 0 ? data : later).read(options),
    close: async () => {},
  }
}

const { SEED, SEED_COUNT = '16' } = process.env
const seeds = SEED === undefined ? [...Array(Number(SEED_COUNT)).keys()] : [Number(SEED)]

it('leaves good shares, whatever came before', async () => {
  let interruptions = 0
  let resumptions = 0
  for (const seed of seeds) {
    const random = seededRandom(seed)
    const grid = await createResumeGrid(4)
    const journal = testJournal()
    for (let session = random.integer(5); session >= 0; session--) {
      const isChanged = random.next() < 0.4
      // One that sends other data breaks off before a share of them is whole.
      const messages = random.integer(isChanged ? 14 : 26)
      const away = new Set(random.next() < 0.6 ? [random.integer(4)] : [])
      const line = breakingLine(messages, { lastArrives: random.next() < 0.5 })
      if (journal.exists()) resumptions += 1
      const source = isChanged ? changing(random) : uploadableFromBytes(data)
      await uploadImmutable(source, grid.options(journal, line, away)).catch(() => {
        interruptions += 1
      })
      if (random.next() < 0.3) journal.forget(random)
      if (random.next() < 0.1) journal.lose()
    }
    // What was left under secrets that nobody knows any more gives way by then.
    grid.elapse(31 * 60_000)
    const { uri } = await uploadImmutable(uploadableFromBytes(data), grid.options(journal))
    expect(uri, `seed ${seed}`).toBe(cap.format())
    // A share may have come to two servers.
    expect(await areGood(grid, storageIndex, shares), `seed ${seed}`).toBe(true)
    expect(same(await read(grid, uri), data), `seed ${seed}`).toBe(true)
    expect(journal.exists()).toBe(false)
  }
  if (SEED !== undefined) return
  expect(interruptions).toBeGreaterThan(seeds.length)
  expect(resumptions).toBeGreaterThan(seeds.length / 2)
})
