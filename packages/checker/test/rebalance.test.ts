import { sameBytes } from '@lafs/crypto'
import type { IStorageServer } from '@lafs/storage-interface'
import { StorageError } from '@lafs/storage-interface'
import { breakingLine, virtualClock, withFault } from '@lafs/testing'
import type { OperationName } from '@lafs/testing'
import { createCheckable, planRebalance, rebalance } from '@lafs/checker'
import { parseCapStrict } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createRebalanceGrid, FILES } from './rebalance-grid.ts'
import type { RebalanceGrid, SmallFile } from './rebalance-grid.ts'

const HALF_AN_HOUR_MS = 30 * 60 * 1000
const CROWDED = [[0], [0], [0]]
const SPREAD = ['0/0', '1/1', '2/2']

const movesOf = ({ moves }: Awaited<ReturnType<typeof planRebalance>>): string[] =>
  moves.map(({ shareNumber, from, to }) => `${shareNumber} ${from.slice(-1)}>${to.slice(-1)}`)

function serverAt(grid: RebalanceGrid, number: number): RebalanceGrid['servers'][number] {
  const server = grid.servers[number]
  if (server === undefined) throw new RangeError(`no server ${number}`)
  return server
}

/** Something is done around the operations of these names, or all. */
function around(
  grid: RebalanceGrid,
  number: number,
  names: readonly OperationName[],
  act: <T>(operation: () => Promise<T>) => Promise<T>,
): void {
  serverAt(grid, number).over = (storage) =>
    withFault(storage, (name, operation) => (names.includes(name) ? act(operation) : operation()))
}

async function planAndRebalance(grid: RebalanceGrid) {
  const plan = await planRebalance(grid.file.cap, grid.context)
  return rebalance(grid.file.cap, plan, grid.context)
}

/** How many good copies of each share there are. */
function copies(standing: readonly string[]): number[] {
  const good = standing.filter((place) => !place.endsWith('?'))
  return [0, 1, 2].map((share) => good.filter((place) => place.endsWith(`/${share}`)).length)
}

const damaged = ({ shares }: SmallFile, share: number, at: number): Uint8Array => {
  const bytes = shares.get(share)?.slice() ?? new Uint8Array()
  const place = at < 0 ? bytes.length + at : at
  bytes[place] = (bytes[place] ?? 0) ^ 1
  return bytes
}

describe.each(FILES)('the plan for $name', (file) => {
  it('spreads what is crowded', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    expect(movesOf(plan)).toEqual(['1 0>1', '2 0>2'])
    expect(plan).toMatchObject({ happinessBefore: 1, happinessAfter: 3 })
    const cap = parseCapStrict(file.cap)
    expect(plan.storageIndex).toEqual('storageIndex' in cap ? cap.storageIndex : undefined)
    const weaker = await planRebalance(cap.verifyCap() ?? '', grid.context)
    expect(weaker).toEqual(plan)
  })

  it('is empty where shares are spread, and the check agrees', async () => {
    const grid = await createRebalanceGrid(file, [[1], [0], [3]])
    const plan = await planRebalance(file.cap, grid.context)
    expect(plan).toMatchObject({ moves: [], happinessBefore: 3, happinessAfter: 3 })
    const results = await createCheckable(file.cap, grid.context).check()
    expect(results?.needsRebalancing).toBe(false)
  })

  it('is empty where there are no shares', async () => {
    const grid = await createRebalanceGrid(file, [])
    expect(await planRebalance(file.cap, grid.context)).toMatchObject({ moves: [] })
  })

  it('leaves out servers that take no shares, have no room, or say nothing', async () => {
    const grid = await createRebalanceGrid(file, CROWDED, { serverCount: 6, readonly: [2] })
    serverAt(grid, 1).permitted = false
    const gone = (): Promise<never> =>
      Promise.reject(new StorageError('STORAGE_UNREACHABLE', 'gone'))
    around(grid, 3, ['getBuckets', 'slotReadv'], gone)
    around(grid, 4, ['getVersion'], gone)
    expect(movesOf(await planRebalance(file.cap, grid.context))).toEqual(['1 0>5'])
  })

  it('ends with the reason of a signal', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(planRebalance(file.cap, grid.context, { signal })).rejects.toThrow('enough')
  })
})

describe.each(FILES.slice(1))('the plan for $name', (file) => {
  it('leaves out servers with bad shares and with shares of other versions', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    await grid.put(1, 1, damaged(file, 1, 1))
    expect(movesOf(await planRebalance(file.cap, grid.context))).toEqual(['1 0>2', '2 0>3'])
  })
})

describe('the plan for what is stored nowhere', () => {
  it('is empty, and so is what comes of it', async () => {
    const [file] = FILES
    if (file === undefined) throw new Error('expected a file')
    const { context } = await createRebalanceGrid(file, [])
    const plan = await planRebalance('URI:LIT:krugkidfnzsc4', context)
    expect(plan.moves).toEqual([])
    expect(await rebalance('URI:LIT:krugkidfnzsc4', plan, context)).toEqual([])
  })
})

describe.each(FILES)('rebalancing $name', (file) => {
  it('moves shares whole, and leaves nothing behind', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const outcomes = await planAndRebalance(grid)
    expect(outcomes).toMatchObject([
      { error: undefined, oldShareReleased: true },
      { error: undefined, oldShareReleased: true },
    ])
    expect(await grid.standing()).toEqual(SPREAD)
    const results = await createCheckable(file.cap, grid.context).check({ verify: true })
    expect(results).toMatchObject({ healthy: true, needsRebalancing: false, happiness: 3 })
    expect(await planAndRebalance(grid)).toEqual([])
  })

  it('tells how far it is', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    const seen: number[] = []
    await rebalance(file.cap, plan, grid.context, {
      onProgress: ({ phase, done, total }) => {
        if (phase === 'verifying' && total === 2) seen.push(done)
      },
    })
    expect(seen.filter((done, index) => done !== seen[index - 1])).toEqual([0, 1, 2])
  })

  it('copies nothing that is not good', async () => {
    const grid = await createRebalanceGrid(file, [[0], [0], [0]].slice(0, 1))
    await grid.put(0, 1, damaged(file, 1, file.blockAt))
    await grid.put(0, 2)
    const advised: unknown[] = []
    serverAt(grid, 0).over = (storage) =>
      withFault(storage, (name, operation) => {
        if (/adviseCorruptShare/.test(name)) advised.push(name)
        return operation()
      })
    const outcomes = await planAndRebalance(grid)
    const failed = outcomes.filter(({ error }) => error !== undefined)
    expect(failed).toMatchObject([
      { move: { shareNumber: 1 }, error: { code: 'SHARE_CORRUPT' }, oldShareReleased: false },
    ])
    expect(await grid.standing()).toEqual(['0/0', '0/1?', '2/2'])
    expect(advised.length).toBeGreaterThan(0)
  })

  it('keeps the old share where the new one is corrupted on its way, and takes that away', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    serverAt(grid, 1).over = corruptingWrites
    const outcomes = await planAndRebalance(grid)
    expect(outcomes).toMatchObject([
      { error: { code: 'SHARE_CORRUPT' }, oldShareReleased: false },
      { error: undefined, oldShareReleased: true },
    ])
    expect(await grid.standing()).toEqual(['0/0', '0/1', '2/2'])
  })

  it('keeps the old share where the new one cannot be read as it is', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    serverAt(grid, 1).over = (storage) => corruptingReads(storage)
    const outcomes = await rebalance(file.cap, plan, grid.context)
    expect(outcomes.map(({ error }) => error === undefined)).toEqual([false, true])
    const standing = await grid.standing()
    expect(standing).toContain('0/1')
    expect(copies(standing).every((count) => count >= 1)).toBe(true)
  })

  it('keeps the old share beside one that was there before', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    await grid.put(1, 1)
    const outcomes = await rebalance(file.cap, plan, grid.context)
    expect(outcomes).toMatchObject([
      { error: undefined, oldShareReleased: false },
      { error: undefined, oldShareReleased: true },
    ])
    expect(await grid.standing()).toEqual(['0/0', '0/1', '1/1', '2/2'])
  })

  it('leaves a bad share alone that was there before', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    await grid.put(1, 1, damaged(file, 1, file.blockAt))
    const [first] = await rebalance(file.cap, plan, grid.context)
    expect(first).toMatchObject({ error: { code: 'SHARE_CORRUPT' }, oldShareReleased: false })
    expect(await grid.standing()).toEqual(['0/0', '0/1', '1/1?', '2/2'])
  })

  it('says which server is not there any more, or has no such share', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const { storageIndex } = await planRebalance(file.cap, grid.context)
    const plan = {
      storageIndex,
      happinessBefore: 1,
      happinessAfter: 1,
      moves: [
        { shareNumber: 1, from: 'v0-000', to: 'v0-999', reason: '' },
        { shareNumber: 1, from: 'v0-003', to: 'v0-001', reason: '' },
      ],
    }
    expect(await rebalance(file.cap, plan, grid.context)).toMatchObject([
      { error: { code: 'STORAGE_UNREACHABLE' }, oldShareReleased: false },
      { error: { code: 'STORAGE_NO_SUCH_SHARE' }, oldShareReleased: false },
    ])
    expect(await grid.standing()).toEqual(['0/0', '0/1', '0/2'])
  })

  it('refuses the plan of another file', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    const other = { ...plan, storageIndex: new Uint8Array(16) }
    await expect(rebalance(file.cap, other, grid.context)).rejects.toThrow(RangeError)
  })

  it('stops when its signal fires, between two moves at the latest', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    const controller = new AbortController()
    const working = rebalance(file.cap, plan, grid.context, {
      signal: controller.signal,
      onProgress: ({ total, done }) => {
        if (total === 2 && done === 1) controller.abort(new Error('enough'))
      },
    })
    await expect(working).rejects.toThrow('enough')
    expect(await grid.standing()).toEqual(['0/0', '0/2', '1/1'])
  })
})

/** One bit of what is written is wrong on its way. */
function corruptingWrites(storage: IStorageServer): IStorageServer {
  const flip = (data: Uint8Array): Uint8Array =>
    data.map((byte, at) => (at === 300 ? byte ^ 1 : byte))
  return {
    ...storage,
    allocateBuckets: async (...args) => {
      const { alreadyGot, writers } = await storage.allocateBuckets(...args)
      const wrapped = [...writers].map(
        ([share, writer]) =>
          [
            share,
            {
              write: (offset: number, pieces: readonly Uint8Array[]) =>
                writer.write(offset, pieces.map(flip)),
              close: () => writer.close(),
              abort: () => writer.abort(),
            },
          ] as const,
      )
      return { alreadyGot, writers: new Map(wrapped) }
    },
    slotTestvAndReadvAndWritev: (storageIndex, secrets, vectors, ...rest) => {
      const changed = [...vectors].map(([share, one]) => {
        const write = one.write.map(({ offset, data }) => ({ offset, data: flip(data) }))
        return [share, { ...one, write }] as const
      })
      return storage.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(changed), ...rest)
    },
  }
}

/** One bit of what is read is wrong. */
function corruptingReads(storage: IStorageServer): IStorageServer {
  const flip = (data: Uint8Array): Uint8Array =>
    data.map((byte, at) => (at === 300 ? byte ^ 1 : byte))
  return {
    ...withFault(storage, async (name, operation) => {
      const result = await operation()
      if (name === 'reader.read' && result instanceof Uint8Array) {
        return flip(result) as typeof result
      }
      return result
    }),
    slotReadv: async (...args) => {
      const found = await storage.slotReadv(...args)
      return new Map([...found].map(([share, reads]) => [share, reads.map(flip)]))
    },
  }
}

describe('rebalancing a mutable file', () => {
  const [, sdmf, mdmf] = FILES
  it.each([sdmf, mdmf])('needs a write cap', async (file) => {
    if (file === undefined) throw new Error('expected a file')
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    const cap = parseCapStrict(file.cap)
    for (const weaker of [cap.readCap(), cap.verifyCap() ?? '']) {
      await expect(rebalance(weaker, plan, grid.context)).rejects.toMatchObject({
        code: 'REPAIR_REQUIRES_WRITECAP',
      })
    }
  })

  it.each([sdmf, mdmf])(
    'leaves alone what another writer has put there meanwhile',
    async (file) => {
      if (file === undefined) throw new Error('expected a file')
      const grid = await createRebalanceGrid(file, CROWDED)
      const plan = await planRebalance(file.cap, grid.context)
      const newer = damaged(file, 1, 8)
      // Between the read of the new share and the deletion of the old one.
      around(grid, 1, ['slotReadv'], async (operation) => {
        const read = await operation()
        if ((await grid.standing()).includes('1/1')) await grid.put(0, 1, newer)
        return read
      })
      const [first] = await rebalance(file.cap, plan, grid.context)
      expect(first).toMatchObject({ error: undefined, oldShareReleased: false })
      expect(await grid.standing()).toEqual(['0/0', '0/1?', '1/1', '2/2'])
    },
  )
})

describe('rebalancing an immutable file', () => {
  const [file] = FILES
  if (file === undefined) throw new Error('expected a file')

  it('copies what was verified, whatever its server says of the size afterwards', async () => {
    const grid = await createRebalanceGrid(file, [[0], [0], [2]])
    const { length } = file.shares.get(0) ?? []
    let reads = 0
    around(grid, 0, ['reader.read'], async (operation) => {
      const result = await operation()
      // The end of the share is 4 GB away, once it has been verified.
      if (reads++ > 0 && result instanceof Uint8Array && result.length > 36) {
        result.set([0xff, 0xff, 0xff, 0], 32)
      }
      return result
    })
    const sizes: number[] = []
    serverAt(grid, 1).over = (storage) => ({
      ...withFault(storage, (_, operation) => operation()),
      allocateBuckets: (storageIndex, request, options) => {
        sizes.push(request.allocatedSize)
        return storage.allocateBuckets(storageIndex, request, options)
      },
    })
    const [outcome] = await planAndRebalance(grid)
    expect(sizes).toEqual([length])
    expect(outcome?.error).toMatchObject({ code: 'SHARE_CORRUPT' })
    expect(await grid.standing()).toEqual(['0/0', '0/1', '2/2'])
  })

  it('leaves the old share to its lease where the server cannot let go of that', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    around(grid, 0, ['cancelLease'], () =>
      Promise.reject(new StorageError('STORAGE_NOT_SUPPORTED', 'no such thing')),
    )
    const outcomes = await planAndRebalance(grid)
    expect(outcomes).toMatchObject([
      { error: undefined, oldShareReleased: false },
      { error: undefined, oldShareReleased: false },
    ])
    expect(await grid.standing()).toEqual(['0/0', '0/1', '0/2', '1/1', '2/2'])
    expect(await planAndRebalance(grid)).toEqual([])
  })

  it('leaves the old share to those who have other leases on it', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    const other = { renewSecret: new Uint8Array(32), cancelSecret: new Uint8Array(32) }
    await serverAt(grid, 0).storage.addLease(plan.storageIndex, other)
    const outcomes = await rebalance(file.cap, plan, grid.context)
    expect(outcomes).toMatchObject([
      { error: undefined, oldShareReleased: false },
      { error: undefined, oldShareReleased: false },
    ])
  })

  it('gives back the room that it has reserved when it is stopped', async () => {
    const grid = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, grid.context)
    const controller = new AbortController()
    let aborted = 0
    around(grid, 1, ['writer.write'], (operation) => {
      controller.abort(new Error('enough'))
      return operation()
    })
    const before = serverAt(grid, 1).over
    serverAt(grid, 1).over = (storage) =>
      withFault(before(storage), (name, operation) => {
        if (name === 'writer.abort') aborted += 1
        return operation()
      })
    const working = rebalance(file.cap, plan, grid.context, { signal: controller.signal })
    await expect(working).rejects.toThrow('enough')
    expect(aborted).toBe(1)
    expect(await grid.standing()).toEqual(['0/0', '0/1', '0/2'])
  })
})

describe.each(FILES)('$name, whatever message is the last one of the client', (file) => {
  it('has as many good shares as before, and can be rebalanced by the next client', async () => {
    const whole = breakingLine(Infinity)
    const untouched = await createRebalanceGrid(file, CROWDED)
    for (const server of untouched.servers) server.over = (storage) => whole.over(storage)
    await planAndRebalance(untouched)
    expect(whole.messageCount).toBeGreaterThan(15)
    for (let last = 0; last < whole.messageCount; last++) {
      for (const lastArrives of [false, true]) {
        const clock = virtualClock()
        const grid = await createRebalanceGrid(file, CROWDED, { clock })
        const line = breakingLine(last, { lastArrives })
        for (const server of grid.servers) server.over = (storage) => line.over(storage)
        await planAndRebalance(grid)
        const standing = await grid.standing()
        const where = `message ${last}, ${lastArrives ? 'arrived' : 'lost'}: ${standing.join(' ')}`
        expect(
          standing.filter((place) => place.endsWith('?')),
          `at ${where}`,
        ).toEqual([])
        expect(
          copies(standing).every((count) => count >= 1),
          `at ${where}`,
        ).toBe(true)

        // Until then a server keeps the place of an upload that was begun.
        await clock.elapse(HALF_AN_HOUR_MS)
        for (const server of grid.servers) server.over = (storage) => storage
        const outcomes = await planAndRebalance(grid)
        expect(
          outcomes.every(({ error }) => error === undefined),
          `at ${where}`,
        ).toBe(true)
        expect(await planRebalance(file.cap, grid.context)).toMatchObject({ happinessBefore: 3 })
      }
    }
  })
})

describe.each(FILES)('$name, whatever single message fails', (file) => {
  it.each(['is lost', 'loses its answer', 'is never answered'] as const)('%s', async (kind) => {
    const count = breakingLine(Infinity)
    const untouched = await createRebalanceGrid(file, CROWDED)
    const plan = await planRebalance(file.cap, untouched.context)
    for (const server of untouched.servers) server.over = (storage) => count.over(storage)
    await rebalance(file.cap, plan, untouched.context)
    for (let bad = 0; bad < count.messageCount; bad++) {
      const clock = virtualClock()
      const grid = await createRebalanceGrid(file, CROWDED, { clock })
      let message = 0
      for (const server of grid.servers) {
        server.over = (storage) =>
          withFault(storage, async (_, operation) => {
            if (message++ !== bad) return operation()
            if (kind === 'is never answered') return new Promise(() => {})
            if (kind === 'loses its answer') await operation()
            throw new StorageError('STORAGE_UNREACHABLE', 'bad luck')
          })
      }
      const outcomes = await clock.run(rebalance(file.cap, plan, grid.context), 3_600_000)
      const standing = await grid.standing()
      const where = `message ${bad}: ${standing.join(' ')}`
      const failed = outcomes.filter(({ error }) => error !== undefined)
      // The shares of a mutable file are looked for once, for all moves.
      const looksFor = file.name !== 'CHK' && bad < grid.servers.length
      expect(failed.length, `at ${where}`).toBeLessThanOrEqual(looksFor ? 2 : 1)
      expect(
        standing.filter((place) => place.endsWith('?')),
        `at ${where}`,
      ).toEqual([])
      expect(
        copies(standing).every((copy) => copy >= 1),
        `at ${where}`,
      ).toBe(true)
      for (const { move, error, oldShareReleased } of outcomes) {
        const old = `${move.from.slice(-1)}/${move.shareNumber}`
        const moved = `${move.to.slice(-1)}/${move.shareNumber}`
        if (error === undefined) expect(standing, `at ${where}`).toContain(moved)
        else expect(standing, `at ${where}`).toContain(old)
        if (oldShareReleased) expect(standing, `at ${where}`).not.toContain(old)
      }
    }
  })
})

it('the files of these tests have what the tests need', () => {
  for (const { shares } of FILES) {
    const [first, second] = shares.values()
    expect(shares.size).toBe(3)
    expect(first?.length).toBeGreaterThan(301)
    expect(sameBytes(first ?? new Uint8Array(), second ?? new Uint8Array())).toBe(false)
  }
})
