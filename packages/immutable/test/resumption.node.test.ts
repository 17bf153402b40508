import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultCrypto, toBase32 } from '@lafs/crypto'
import { encodeToShares, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import type { UploadJournal, UploadJournalEntry } from '@lafs/immutable'
import { createUploadJournal } from '@lafs/immutable/node'
import { StorageError } from '@lafs/storage-interface'
import type { IStorageServer, RIBucketWriter, RIStorageServer } from '@lafs/storage-interface'
import { planChkLayout } from '@lafs/storage-protocol/layout'
import { breakingLine, virtualClock } from '@lafs/testing'
import type { BreakingLine } from '@lafs/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fileGeometry, shareShape } from '../src/geometry.ts'
import { Resumption } from '../src/resume/resumption.ts'
import { noise } from './grid.ts'
import { codec, createResumeGrid, encoding, holds, secrets } from './resume-grid.ts'

const data = noise(6 * encoding.maxSegmentSize + 17)
const { convergence } = secrets
const { cap, shares } = await encodeToShares(uploadableFromBytes(data), {
  codec,
  convergence,
  encoding,
})
if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
const { storageIndex } = cap
const hash = new Uint8Array(32).fill(7)

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-journal-'))
})
afterEach(() => rm(folder, { recursive: true }))

function entryWith(own: Partial<UploadJournalEntry>): UploadJournalEntry {
  return {
    seed: new Uint8Array(32),
    interrupted: true,
    placed: new Map(),
    segmentHash: () => hash,
    place: async () => {},
    record: async () => {},
    renew: async () => {},
    close: async () => {},
    ...own,
  }
}

async function open(journal: UploadJournal): Promise<UploadJournalEntry> {
  const entry = await journal.open(storageIndex)
  if (entry === undefined) throw new Error('expected an entry')
  return entry
}

/** The segments that an entry knows. */
function noted(entry: UploadJournalEntry): number[] {
  return [0, 1, 2, 3].filter((segment) => entry.segmentHash(segment) !== undefined)
}

it('opens what is on a server by a secret that no other server knows', () => {
  const geometry = fileGeometry({ ...encoding, size: 1000, segmentSize: 1000 })
  const layout = planChkLayout(shareShape(geometry, 100))
  const tools = { crypto: defaultCrypto, clock: virtualClock() }
  const secret = (server: string, seed = 1): string => {
    const entry = entryWith({ seed: new Uint8Array(32).fill(seed) })
    return toBase32(new Resumption(entry, layout, geometry, tools).secretOn(server))
  }
  expect(secret('v0-a')).toBe(secret('v0-a'))
  expect(new Set([secret('v0-a'), secret('v0-b'), secret('v0-a', 2)]).size).toBe(3)
})

it('tells a server that has everything for now that it is still there', async () => {
  const geometry = fileGeometry({ ...encoding, size: 10_000, segmentSize: 1000 })
  const shape = shareShape(geometry, 100)
  const layout = planChkLayout(shape)
  const clock = virtualClock()
  const resumption = new Resumption(entryWith({}), layout, geometry, {
    crypto: defaultCrypto,
    clock,
  })
  const written: [offset: number, size: number][] = []
  const bucket: RIBucketWriter = {
    write: async (offset, pieces) => {
      written.push([offset, pieces.reduce((sum, piece) => sum + piece.length, 0)])
    },
    close: async () => {},
    abort: async () => {},
  }
  const { data: begin, plaintextHashTree: end } = layout.offsets
  const writer = resumption.writer(bucket, [{ begin: end, end: end + 1000 }])
  for (let segment = 0; segment < 4; segment++) {
    await resumption.check(segment, hash)
    await writer.write(begin + segment * geometry.blockSize, [new Uint8Array(geometry.blockSize)])
    await clock.elapse(2 * 60_000)
  }
  const header = resumption.firstBytes.length
  expect(written).toEqual([[0, header]])
  await writer.write(end, [hash])
  expect(written).toEqual([
    [0, header],
    [end, 32],
  ])
})

it('knows nothing of segments that were not noted, or under another seed', async () => {
  const journal = createUploadJournal(folder)
  // What an entry that was removed has left.
  await writeFile(join(folder, `${toBase32(storageIndex)}.hashes`), hash)
  const first = await open(journal)
  expect(first.interrupted).toBe(false)
  await first.record(2, hash)
  await first.close('keep')

  const second = await open(journal)
  expect(noted(second)).toEqual([2])
  expect(second.seed).toEqual(first.seed)
  await second.renew()
  expect([second.interrupted, noted(second)]).toEqual([false, []])
  expect(second.seed).not.toEqual(first.seed)
  await second.record(0, hash)
  await second.close('keep')

  const third = await open(journal)
  expect(third.seed).toEqual(second.seed)
  expect(noted(third)).toEqual([0])
  await third.close('drop')
})

it('builds nothing upon a record of a later version', async () => {
  const journal = createUploadJournal(folder)
  const path = join(folder, toBase32(storageIndex))
  const process = { pid: 2 ** 22 + 1, started: '' }
  for (const [version, interrupted] of [
    [1, true],
    [2, false],
  ] as const) {
    await writeFile(path, JSON.stringify({ version, process, seed: 'a'.repeat(52), placed: {} }))
    const aMinuteAgo = Date.now() / 1000 - 60
    await utimes(path, aMinuteAgo, aMinuteAgo)
    const entry = await open(journal)
    expect(entry.interrupted).toBe(interrupted)
    await entry.close('drop')
  }
})

it('notes no segment where it could not note who takes the shares', async () => {
  const grid = await createResumeGrid()
  const recorded: number[] = []
  const entry = entryWith({
    interrupted: false,
    segmentHash: () => undefined,
    place: () => Promise.reject(new Error('disk full')),
    record: async (segment) => {
      recorded.push(segment)
    },
  })
  const journal = { open: () => Promise.resolve(entry) }
  await uploadImmutable(uploadableFromBytes(data), grid.options(journal))
  expect(await holds(grid, storageIndex, shares)).toBe(true)
  expect(recorded).toEqual([])
})

it('begins anew where a server holds other bytes than are sent now', async () => {
  const grid = await createResumeGrid()
  const journal = createUploadJournal(folder)
  const breaking = uploadImmutable(
    uploadableFromBytes(data),
    grid.options(journal, breakingLine(12)),
  )
  await expect(breaking).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS' })
  let conflicts = 0
  const refusing = (server: IStorageServer): IStorageServer => ({
    ...server,
    resumeUpload: async (...request) => {
      const resumed = await server.resumeUpload?.(...request)
      if (resumed === undefined) throw new Error('expected a server that takes uploads up again')
      const write = async (): Promise<never> => {
        conflicts += 1
        throw new StorageError('STORAGE_CONFLICTING_WRITE', 'other bytes stand there')
      }
      return { ...resumed, writer: { ...resumed.writer, write } }
    },
  })
  const line: BreakingLine = { over: refusing, messageCount: 0, broken: false }
  const { uri } = await uploadImmutable(uploadableFromBytes(data), grid.options(journal, line))
  expect(conflicts).toBeGreaterThan(0)
  expect(uri).toBe(cap.format())
  expect(await holds(grid, storageIndex, shares)).toBe(true)
})

it('keeps what it has sent when too few servers are left, and gives back all else', async () => {
  const grid = await createResumeGrid(4)
  const journal = createUploadJournal(folder)
  for (const [line, away] of [
    [breakingLine(12), new Set([3])],
    [breakingLine(Infinity), new Set([1, 2])],
  ] as const) {
    const failing = uploadImmutable(uploadableFromBytes(data), grid.options(journal, line, away))
    await expect(failing).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS' })
  }
  const allocated = await Promise.all(
    grid.backends.map(async (backend) => {
      const server = backend as RIStorageServer & { getStats(): Promise<Map<string, number>> }
      return ((await server.getStats()).get('storage_server.allocated') ?? 0) > 0
    }),
  )
  expect(allocated).toEqual([true, true, true, false])
})
