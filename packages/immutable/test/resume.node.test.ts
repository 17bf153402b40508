import { rmSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { toBase32 } from '@lafs/crypto'
import { UploadCancelledError } from '@lafs/filesystem-interface'
import type { IUploadable } from '@lafs/filesystem-interface'
import { encodeToShares, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import { createUploadJournal } from '@lafs/immutable/node'
import { breakingLine } from '@lafs/testing'
import type { BreakingLine } from '@lafs/testing'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { noise, same } from './grid.ts'
import { codec, createResumeGrid, encoding, holds, read, secrets } from './resume-grid.ts'
import type { ResumeGrid, Sent } from './resume-grid.ts'

const { convergence } = secrets
/** Twenty segments and some bytes: each share takes three or four writes. */
const data = noise(20 * encoding.maxSegmentSize + 1001)
const made = await encodeToShares(uploadableFromBytes(data), { codec, convergence, encoding })
const { cap, shares } = made
if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
const { storageIndex } = cap
const entryName = toBase32(storageIndex)
const shareSize = shares.get(0)?.length ?? 0
const headerSize = 36
/** Where the blocks of a share end; hashes follow. */
const blocksEnd = headerSize + Math.ceil(data.length / encoding.requiredShares)

const folders: string[] = []
let folder = ''
let grid: ResumeGrid
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-journal-'))
  folders.push(folder)
  grid = await createResumeGrid()
})
afterAll(async () => {
  for (const each of folders) await rm(each, { recursive: true, force: true })
})

/** Reads other data in the second pass than the key was made of, as of a file that changes meanwhile. */
function changing(later: Uint8Array): IUploadable {
  let passes = 0
  return {
    size: data.length,
    read: (options) => uploadableFromBytes(passes++ === 0 ? data : later).read(options),
    close: async () => {},
  }
}

/** Uploads over a line that breaks, if it does, as a process of its own would. */
async function upload(
  line?: BreakingLine,
  source: IUploadable = uploadableFromBytes(data),
  away?: ReadonlySet<number>,
): Promise<string> {
  const journal = createUploadJournal(folder)
  const { uri } = await uploadImmutable(source, grid.options(journal, line, away))
  return uri
}

async function interrupted(
  messages: number,
  source?: IUploadable,
  away?: ReadonlySet<number>,
): Promise<void> {
  await expect(upload(breakingLine(messages), source, away)).rejects.toMatchObject({
    code: 'UPLOAD_UNHAPPINESS',
  })
}

/** How many bytes of blocks were sent more than once. */
function sentAgain(sent: readonly Sent[]): number {
  let again = 0
  for (const share of shares.keys()) {
    const seen = new Set<number>()
    for (const { offset, size } of sent.filter((one) => one.share === share)) {
      const begin = Math.max(offset, headerSize)
      // Every kilobyte counts as one that begins in it.
      for (let at = Math.ceil(begin / 1024); at * 1024 < Math.min(offset + size, blocksEnd); at++) {
        if (seen.has(at)) again += 1024
        seen.add(at)
      }
    }
  }
  return again
}

async function messagesOfUpload(): Promise<number> {
  const line = breakingLine(Infinity)
  const other = await createResumeGrid()
  await uploadImmutable(uploadableFromBytes(data), other.options(undefined, line))
  return line.messageCount
}
const messageCount = await messagesOfUpload()
/** Versions, listings and allocations: no block is sent before. */
const firstWrite = 9

describe('an upload that was interrupted', () => {
  it.each([
    [false, 0],
    [true, firstWrite],
  ])(
    'goes on wherever it broke off, and sends no block twice (the last message arrives: %s)',
    async (lastArrives, least) => {
      for (let messages = least; messages < messageCount; messages++) {
        grid = await createResumeGrid()
        const line = breakingLine(messages, { lastArrives })
        const first = upload(line).catch(() => undefined)
        // The last messages are those that close shares: some are whole by then.
        if (messages < messageCount - 3) expect(await first).toBeUndefined()
        await first
        expect(await upload(), `${messages} messages`).toBe(cap.format())
        expect(await holds(grid, storageIndex, shares), `${messages} messages`).toBe(true)
        // Nothing that was recorded as sent was on its way when the line broke.
        expect(sentAgain(grid.sent), `${messages} messages`).toBe(0)
      }
      expect(await readdir(folder)).toEqual([])
    },
  )

  it('counts each byte that servers have got', async () => {
    await interrupted(firstWrite + 7)
    const arrived = grid.sent.splice(0)
    await upload()
    const sizeOf = (sent: readonly Sent[]): number => sent.reduce((sum, { size }) => sum + size, 0)
    // Besides: the header of each share, to ask what is missing.
    const held = sizeOf(arrived)
    const whole = 3 * shareSize
    expect(held).toBeGreaterThan(whole / 2)
    expect(sizeOf(grid.sent)).toBeLessThanOrEqual(whole - held + 3 * headerSize)
    expect(await holds(grid, storageIndex, shares)).toBe(true)
  })

  it('goes on after several interruptions', async () => {
    for (const messages of [12, 14, 13, 16]) await interrupted(messages)
    await upload()
    expect(await holds(grid, storageIndex, shares)).toBe(true)
  })

  it('is left by an aborted signal, and dropped by a cancelled one', async () => {
    for (const [reason, left] of [
      [new Error('Ctrl-C'), 2],
      [new UploadCancelledError(), 0],
    ] as const) {
      grid = await createResumeGrid()
      const controller = new AbortController()
      const journal = createUploadJournal(folder)
      const options = {
        ...grid.options(journal),
        signal: controller.signal,
        onProgress: ({ phase, done }: { phase: string; done: number }) => {
          if (phase === 'pushing' && done > data.length / 2) controller.abort(reason)
        },
      }
      await expect(uploadImmutable(uploadableFromBytes(data), options)).rejects.toBe(reason)
      expect(await readdir(folder)).toHaveLength(left)
      grid.sent.splice(0)
      await uploadImmutable(uploadableFromBytes(data), grid.options(undefined)).then(
        () => expect(left).toBe(0),
        () => expect(left).toBe(2),
      )
      await upload()
      expect(await holds(grid, storageIndex, shares)).toBe(true)
    }
  })

  it('begins anew where servers have forgotten', async () => {
    await interrupted(16)
    const [, second] = grid.backends
    await second?.close()
    const other = await createResumeGrid(4)
    const journal = createUploadJournal(folder)
    const { uri } = await uploadImmutable(uploadableFromBytes(data), other.options(journal))
    expect(uri).toBe(cap.format())
    expect(await holds(other, storageIndex, shares)).toBe(true)
  })

  it('is not built upon when the data was other than its key says', async () => {
    const later = data.slice()
    later[100] = (later[100] ?? 0) ^ 1
    await interrupted(16, changing(later))
    expect(await upload()).toBe(cap.format())
    expect(await holds(grid, storageIndex, shares)).toBe(true)
    expect(same(await read(grid, cap.format()), data)).toBe(true)
  })

  it('is not built upon beyond what the journal knows', async () => {
    const later = data.slice()
    later[100] = (later[100] ?? 0) ^ 1
    for (const size of [0, 32, 31, 64]) {
      grid = await createResumeGrid()
      await interrupted(16, changing(later))
      // As a power cut may leave it.
      await truncate(join(folder, `${entryName}.hashes`), size)
      await upload()
      expect(await holds(grid, storageIndex, shares), `${size} bytes`).toBe(true)
    }
  })

  it('is not built upon where what the journal knew is lost, and another one breaks off as well', async () => {
    const later = data.slice()
    later[100] = (later[100] ?? 0) ^ 1
    // Three servers are asked for their version and their shares, and then to take the upload up.
    for (let messages = 6; messages < 16; messages++) {
      grid = await createResumeGrid()
      await interrupted(16, changing(later))
      await truncate(join(folder, `${entryName}.hashes`), 0)
      await interrupted(messages)
      await upload()
      expect(await holds(grid, storageIndex, shares), `${messages} messages`).toBe(true)
    }
  })

  it('is not built upon by what a server holds that took no part meanwhile', async () => {
    const later = data.slice()
    later[100] = (later[100] ?? 0) ^ 1
    grid = await createResumeGrid(4)
    // Three servers get blocks of other data, and what the journal knew of them is lost.
    await interrupted(18, changing(later), new Set([3]))
    await truncate(join(folder, `${entryName}.hashes`), 0)
    // While the third one is away, the right data are sent to others.
    await interrupted(22, undefined, new Set([2]))
    expect((await stat(join(folder, `${entryName}.hashes`))).size).toBeGreaterThan(32 * 10)
    // Now its share goes there again.
    expect(await upload(undefined, undefined, new Set([3]))).toBe(cap.format())
    expect(await holds(grid, storageIndex, shares)).toBe(true)
  })

  it('begins anew when its record cannot be read', async () => {
    for (const text of [
      '',
      'null',
      '{}',
      '{"version":2}',
      '{"version":1,"process":{"pid":1,"started":""},"seed":"aaaa","placed":{}}',
      '{"version":1,"process":{"pid":"x","started":""},"seed":"","placed":{}}',
      '{"version":1,"process":{"pid":1,"started":""},"seed":"!","placed":{"v0-000":3}}',
    ]) {
      grid = await createResumeGrid()
      const path = join(folder, entryName)
      await writeFile(path, text)
      await utimes(path, 1000, 1000)
      // As old as that it is removed before it is looked at.
      const journal = createUploadJournal(folder)
      const other = await journal.open(new Uint8Array(16))
      await other?.close('drop')
      expect(await readdir(folder), `record ${text}`).toEqual([])
      await writeFile(path, text)
      const aMinuteAgo = Date.now() / 1000 - 60
      await utimes(path, aMinuteAgo, aMinuteAgo)
      await uploadImmutable(uploadableFromBytes(data), grid.options(journal))
      expect(await holds(grid, storageIndex, shares), `record ${text}`).toBe(true)
      expect(await readdir(folder), `record ${text}`).toEqual([])
    }
  })
})

describe('an upload that is remembered', () => {
  it('waits for another one of the same data', async () => {
    const journal = createUploadJournal(folder)
    const other = createUploadJournal(folder)
    const uploads = [journal, other, journal].map((one) =>
      uploadImmutable(uploadableFromBytes(data), grid.options(one)),
    )
    const results = await Promise.all(uploads)
    const pushed = results.map(({ pushedShares }) => pushedShares)
    expect(pushed.toSorted((a, b) => b - a)).toEqual([3, 0, 0])
    expect(sentAgain(grid.sent)).toBe(0)
    expect(await readdir(folder)).toEqual([])
  })

  it('gives up waiting when it is aborted', async () => {
    const journal = createUploadJournal(folder)
    const entry = await journal.open(storageIndex)
    const reason = new Error('no more')
    const waiting = journal.open(storageIndex, { signal: AbortSignal.timeout(1) })
    await expect(waiting).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(journal.open(storageIndex, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    await entry?.close('drop')
    const next = await journal.open(storageIndex)
    expect(next?.interrupted).toBe(false)
    await next?.close('drop')
  })

  it('goes on without a journal while another process has its entry, or when it fails', async () => {
    const record = (pid: number): string =>
      JSON.stringify({
        version: 1,
        process: { pid, started: '' },
        seed: 'a'.repeat(52),
        placed: {},
      })
    const journal = createUploadJournal(folder)
    await writeFile(join(folder, entryName), record(process.ppid))
    expect(await journal.open(storageIndex)).toBeUndefined()
    await uploadImmutable(uploadableFromBytes(data), grid.options(journal))
    expect(await holds(grid, storageIndex, shares)).toBe(true)
    expect(await readdir(folder)).toEqual([entryName])

    grid = await createResumeGrid()
    // No folder can be made where a file is.
    await rm(folder, { recursive: true })
    await writeFile(folder, '')
    await uploadImmutable(uploadableFromBytes(data), grid.options(journal))
    expect(await holds(grid, storageIndex, shares)).toBe(true)
  })

  it('leaves nothing to take up when its journal fails midway', async () => {
    const journal = createUploadJournal(folder)
    const controller = new AbortController()
    const removing = uploadImmutable(uploadableFromBytes(data), {
      ...grid.options(journal),
      signal: controller.signal,
      onProgress: ({ phase, done }) => {
        // The entry is open, and its record not yet rewritten.
        if (phase === 'placing') rmSync(folder, { recursive: true, force: true })
        if (phase === 'pushing' && done > data.length / 2) controller.abort()
      },
    })
    await expect(removing).rejects.toMatchObject({ name: 'AbortError' })
    await upload()
    expect(await holds(grid, storageIndex, shares)).toBe(true)
  })

  it('keeps its secrets from others, and forgets old ones', async () => {
    await interrupted(16)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    const names = await readdir(folder)
    expect(names.toSorted()).toEqual([entryName, `${entryName}.hashes`])
    for (const name of names) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
    const eightDaysAgo = Date.now() / 1000 - 8 * 24 * 60 * 60
    const openAnother = async (): Promise<void> => {
      const entry = await createUploadJournal(folder).open(new Uint8Array(16))
      await entry?.close('drop')
    }
    await utimes(join(folder, entryName), eightDaysAgo, eightDaysAgo)
    await openAnother()
    expect(await readdir(folder)).toHaveLength(2)
    await utimes(join(folder, `${entryName}.hashes`), eightDaysAgo, eightDaysAgo)
    await openAnother()
    expect(await readdir(folder)).toEqual([])
  })

  it('is not remembered under a key that does not come of the data', async () => {
    const journal = createUploadJournal(folder)
    for (const encryptionKey of ['random', new Uint8Array(16)] as const) {
      const source = uploadableFromBytes(data, { encryptionKey })
      await expect(
        uploadImmutable(source, grid.options(journal, breakingLine(14))),
      ).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS' })
      expect(await readdir(folder)).toEqual([])
    }
  })
})
