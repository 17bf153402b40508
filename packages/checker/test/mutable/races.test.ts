import { createCheckable } from '@lafs/checker'
import { sameBytes } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import { createMutableNode } from '@lafs/mutable'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import { breakingLine } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { clientOf, createMutableGrid, recordedFile } from './grid.ts'
import type { MutableGrid, RecordedFile, Shares } from './grid.ts'

const SDMF = await recordedFile('sdmf-3-10-131072-5000')
const MDMF = await recordedFile('mdmf-3-10-1000-9999')

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

async function contents(grid: MutableGrid): Promise<string> {
  return text(await createMutableNode(grid.cap, clientOf(grid)).downloadBestVersion())
}

/** The shares of two versions of a file that say `one` and `two`. */
async function versionsOf(file: RecordedFile): Promise<{ old: Shares; now: Shares }> {
  const grid = await createMutableGrid(file)
  const versions: Shares[] = []
  for (const data of ['one', 'two']) {
    await createMutableNode(grid.cap, grid.context).overwrite(bytes(data))
    const stored = [...(await grid.stored())]
    versions.push(new Map(stored.map(([place, share]) => [Number(place.split('/')[1]), share])))
  }
  const [old = new Map(), now = new Map()] = versions
  return { old, now }
}

/** Four shares of the newer version, five of the older one, and one that is not there. */
async function damagedGrid(file: RecordedFile, { old, now }: Versions): Promise<MutableGrid> {
  const shares = [...now.keys()].filter((share) => share < 9)
  const placed = shares.map((share) => [share, (share < 4 ? now : old).get(share)] as const)
  const known = placed.flatMap(([share, data]) =>
    data === undefined ? [] : [[share, data] as const],
  )
  return createMutableGrid({ ...file, shares: new Map(known) })
}

type Versions = Awaited<ReturnType<typeof versionsOf>>

/** Mends what is left of a file, whatever it takes. */
async function expectMended(grid: MutableGrid): Promise<void> {
  const checkable = createCheckable(grid.cap, clientOf(grid))
  const before = await checkable.check({ verify: true })
  if (before === undefined) throw new TypeError('expected results')
  expect(await checkable.repair(before, { force: true })).toEqual({ successful: true })
  expect(await checkable.check({ verify: true })).toMatchObject({ healthy: true })
}

describe.each([
  { file: SDMF, lastArrives: true },
  { file: MDMF, lastArrives: false },
])('a repair of $file.name', ({ file, lastArrives }) => {
  it('may be killed at every message, and another one goes on', async () => {
    const versions = await versionsOf(file)
    let repairs = 0
    for (let count = 0; ; count++) {
      const grid = await damagedGrid(file, versions)
      const line = breakingLine(count, { lastArrives })
      const context = clientOf(grid, (storage) => line.over(storage))
      await createCheckable(grid.cap, context)
        .checkAndRepair()
        .catch((error: unknown) => {
          if (!isFilesystemError(error)) throw error
        })
      for (const [place, share] of await grid.stored()) {
        const { old, now } = versions
        const number = Number(place.split('/')[1])
        const whole = [old, now].some((shares) =>
          sameBytes(share, shares.get(number) ?? share.slice(1)),
        )
        expect(whole).toBe(true)
      }
      expect(await contents(grid)).toBe('two')
      if (!line.broken) break
      await createCheckable(grid.cap, clientOf(grid)).checkAndRepair()
      for (const [place, share] of await grid.stored()) {
        expect(sameBytes(share, versions.now.get(Number(place.split('/')[1])) ?? share)).toBe(true)
      }
      expect((await grid.stored()).size).toBeGreaterThanOrEqual(10)
      repairs += 1
    }
    expect(repairs).toBeGreaterThan(20)
  })

  it('mends what a writer leaves that is killed at any message', async () => {
    let [refused, kept, replaced] = [0, 0, 0]
    for (let count = 0; ; count++) {
      const grid = await createMutableGrid(file)
      const line = breakingLine(count, { lastArrives })
      const writer = createMutableNode(
        grid.cap,
        clientOf(grid, (storage) => line.over(storage)),
      )
      await writer.overwrite(bytes('newer')).catch((error: unknown) => {
        if (!isFilesystemError(error)) throw error
      })
      if (!line.broken) break
      const before = await contents(grid)
      await createCheckable(grid.cap, clientOf(grid))
        .checkAndRepair({ verify: true })
        .catch((error: unknown) => {
          if (!isFilesystemError(error, 'REPAIR_MUST_FORCE')) throw error
          refused += 1
        })
      const after = await contents(grid)
      await expectMended(grid)
      expect(await contents(grid)).toBe(after)
      // What could not be read for want of looking everywhere may come to light.
      expect([before, 'newer']).toContain(after)
      if (after === 'newer') replaced += 1
      else kept += 1
    }
    expect(refused).toBeGreaterThan(0)
    expect(kept).toBeGreaterThan(0)
    expect(replaced).toBeGreaterThan(0)
  })

  it('gives way to a writer who comes between, at every message', async () => {
    const versions = await versionsOf(file)
    let [given, repaired] = [0, 0]
    for (let count = 0; ; count++) {
      const grid = await damagedGrid(file, versions)
      const checkable = createCheckable(grid.cap, grid.context)
      const before = await checkable.check()
      if (before === undefined) throw new TypeError('expected results')
      let messages = 0
      for (const server of grid.servers) {
        server.onMessage = async (_name, run) => {
          if (messages++ !== count) return run()
          const writer = createMutableNode(grid.cap, clientOf(grid))
          const answer = lastArrives ? await run() : undefined
          await writer.overwrite(bytes('newer'))
          return answer ?? run()
        }
      }
      const [outcome] = await Promise.allSettled([checkable.repair(before)])
      for (const server of grid.servers) server.onMessage = (_name, run) => run()
      if (messages <= count) break
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'MUTABLE_UNCOORDINATED_WRITE' })
        given += 1
      } else repaired += 1
      expect(await contents(grid)).toBe('newer')
      await expectMended(grid)
      expect(await contents(grid)).toBe('newer')
    }
    expect(given).toBeGreaterThan(5)
    expect(repaired).toBeGreaterThan(0)
  })

  it('and another one at the same time come to the same', async () => {
    const versions = await versionsOf(file)
    const grid = await damagedGrid(file, versions)
    const outcomes = await Promise.all(
      [1, 2, 3].map(() => createCheckable(grid.cap, clientOf(grid)).checkAndRepair()),
    )
    for (const outcome of outcomes) expect(outcome).toMatchObject({ repairSuccessful: true })
    for (const [place, share] of await grid.stored()) {
      expect(
        sameBytes(share, versions.now.get(Number(place.split('/')[1])) ?? share.slice(1)),
      ).toBe(true)
    }
    expect(
      parseMutableHeader((await grid.stored()).get('9/9') ?? new Uint8Array()).sequenceNumber,
    ).toBe(3)
  })

  it('and a writer at the same time lose nothing', async () => {
    const versions = await versionsOf(file)
    for (let round = 0; round < 5; round++) {
      const grid = await damagedGrid(file, versions)
      const repairing = createCheckable(grid.cap, clientOf(grid)).checkAndRepair()
      const writer = createMutableNode(grid.cap, clientOf(grid))
      for (let turn = 0; turn < round * 20; turn++) await Promise.resolve()
      const overwrite = (): Promise<unknown> => writer.overwrite(bytes('newer'))
      const [repair, write] = await Promise.allSettled([
        repairing,
        overwrite().catch(overwrite).catch(overwrite),
      ])
      if (repair.status === 'rejected') expect(isFilesystemError(repair.reason)).toBe(true)
      if (write.status === 'rejected') {
        expect(write.reason).toMatchObject({ code: 'MUTABLE_UNCOORDINATED_WRITE' })
      }
      const now = await contents(grid)
      expect(write.status === 'fulfilled' ? ['newer'] : ['two', 'newer']).toContain(now)
      await expectMended(grid)
      expect(await contents(grid)).toBe(now)
    }
  })
})
