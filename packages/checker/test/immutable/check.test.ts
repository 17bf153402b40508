import { createCheckable } from '@lafs/checker'
import type { CheckTarget } from '@lafs/checker'
import type { CheckOptions, ICheckResults, Progress } from '@lafs/filesystem-interface'
import { createImmutableNode } from '@lafs/immutable'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { virtualClock } from '@lafs/testing'
import { ChkCap, Dir2ChkCap, LitCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createGrid, encodeFile, hang, noise, spread, store } from './grid.ts'
import type { TestGrid, TestServer } from './grid.ts'

const file = await encodeFile(5000)
const { cap, shares } = file
const { storageIndex } = cap

async function check(
  { context }: TestGrid,
  options: CheckOptions = {},
  target: CheckTarget = cap,
): Promise<ICheckResults> {
  const results = await createCheckable(target, context).check(options)
  if (results === undefined) throw new Error('expected results')
  return results
}

function server({ servers }: TestGrid, index: number): TestServer {
  const found = servers[index]
  if (found === undefined) throw new Error(`no server ${index}`)
  return found
}

/** A grid that holds some of the shares. */
async function gridWith(numbers: readonly number[], count = 10): Promise<TestGrid> {
  const grid = await createGrid(count)
  const some = [...shares].filter(([share]) => numbers.includes(share))
  await spread(grid, { cap, shares: new Map(some) })
  return grid
}

const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const modes = [{ verify: false }, { verify: true }]

describe.each(modes)('a check with $verify for verify', (mode) => {
  it('of a whole file finds it healthy', async () => {
    const grid = await gridWith(all)
    const results = await check(grid, mode)
    expect(results).toEqual({
      storageIndex,
      storageIndexString: cap.verifyCap().format().split(':')[2],
      uri: cap.verifyCap().format(),
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
      serversResponding: new Set(grid.servers.map(({ id }) => id)),
      goodShareHostCount: 10,
      recoverableVersionCount: 1,
      unrecoverableVersionCount: 0,
      sharemap: new Map(all.map((share) => [share, new Set([server(grid, share).id])])),
      summary: 'Healthy',
      report: [],
    })
  })

  it.each([
    [[], false],
    [[4, 7], false],
    [[1, 4, 7], true],
    [[0, 1, 2, 3, 4, 5, 6, 7, 8], true],
  ])('of shares %j alone says how many there are', async (numbers, recoverable) => {
    const results = await check(await gridWith(numbers), mode)
    expect(results).toMatchObject({
      healthy: false,
      recoverable,
      happiness: numbers.length,
      goodShareCount: numbers.length,
      goodShareHostCount: numbers.length,
      recoverableVersionCount: recoverable ? 1 : 0,
      unrecoverableVersionCount: recoverable ? 0 : 1,
      summary: `Not Healthy: ${numbers.length} shares (enc 3-of-10)`,
      report: [],
    })
    expect([...results.sharemap.keys()]).toEqual(numbers)
    expect(results.serversResponding.size).toBe(10)
  })

  it('counts copies once, and tells of both', async () => {
    const grid = await gridWith(all)
    await store(server(grid, 3), storageIndex, new Map([[0, shares.get(0) ?? noise(1)]]))
    const results = await check(grid, mode)
    expect(results).toMatchObject({ healthy: true, goodShareCount: 10, goodShareHostCount: 10 })
    expect(results.sharemap.get(0)).toEqual(new Set(['v0-000', 'v0-003']))
  })

  it('finds shares that crowd few servers healthy, and in need of rebalancing', async () => {
    const grid = await createGrid(10)
    await spread({ ...grid, servers: grid.servers.slice(0, 2) }, file)
    const results = await check(grid, mode)
    expect(results).toMatchObject({
      healthy: true,
      needsRebalancing: true,
      happiness: 2,
      goodShareHostCount: 2,
    })
    for (const one of grid.servers.slice(2)) one.uploadPermitted = false
    expect(await check(grid, mode)).toMatchObject({ needsRebalancing: false })
  })

  it('leaves out servers that are not connected, fail or never answer', async () => {
    const clock = virtualClock()
    const grid = await createGrid(10, { clock })
    await spread(grid, file)
    server(grid, 0).connected = false
    server(grid, 1).before = () => {
      throw new Error('out of order')
    }
    server(grid, 2).before = (_, signal) => hang(signal)
    const results = await clock.run(check(grid, mode), 20_000)
    expect(results).toMatchObject({ healthy: false, goodShareCount: 7 })
    expect([...results.serversResponding].toSorted()).toEqual(
      grid.servers.slice(3).map(({ id }) => id),
    )
    expect(results.report).toEqual(['v0-001: out of order', 'v0-002: no answer within 15 seconds'])
  })

  it('does not count shares whose numbers are past the end', async () => {
    const grid = await gridWith(all)
    await store(server(grid, 0), storageIndex, new Map([[10, noise(100)]]))
    const results = await check(grid, mode)
    expect(results).toMatchObject({ healthy: true, goodShareCount: 10 })
    expect(results.report).toEqual(['v0-000: share 10 of a file of 10'])
  })

  it('adds or renews our lease where there are shares, and only then', async () => {
    const grid = await gridWith([0, 1, 2])
    await check(grid, mode)
    expect(grid.servers.flatMap(({ requests }) => requests)).not.toContain('addLease')
    server(grid, 2).before = (name) => {
      if (name === 'addLease') throw new Error('no leases today')
    }
    const results = await check(grid, { ...mode, addLease: true })
    const asked = grid.servers.map(
      ({ requests }) => requests.filter((name) => name === 'addLease').length,
    )
    expect(asked).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    expect(results).toMatchObject({ goodShareCount: 3 })
    expect(results.report).toEqual(['v0-002: no lease could be added: no leases today'])
    // Letting go of the lease that came with the share leaves it there: ours holds it.
    const { backend } = server(grid, 0)
    await backend.cancelLease(storageIndex, 0, new Uint8Array(32))
    expect([...(await backend.listShares('immutable', storageIndex))]).toEqual([0])
    const known = grid.context.broker.knownServers()[0]
    if (known === undefined) throw new Error('no servers')
    const { cancelSecret } = leaseSecretsOf(storageIndex, grid.context)(known)
    await backend.cancelLease(storageIndex, 0, cancelSecret)
    expect([...(await backend.listShares('immutable', storageIndex))]).toEqual([])
  })

  it('ends with the reason of its signal, at any message', async () => {
    for (let nth = 0; ; nth++) {
      const grid = await gridWith([0, 1, 2], 3)
      const controller = new AbortController()
      let messages = 0
      for (const one of grid.servers) {
        one.before = async (_, signal) => {
          if (messages++ === nth) controller.abort(new Error('enough'))
          signal?.throwIfAborted()
        }
      }
      const checking = check(grid, { ...mode, signal: controller.signal, addLease: true })
      const ended = await checking.then(
        () => true,
        () => false,
      )
      if (ended) {
        expect(messages).toBeLessThanOrEqual(nth)
        expect(nth).toBeGreaterThan(5)
        return
      }
      await expect(checking).rejects.toThrow('enough')
    }
  })

  it('asks nobody when the signal has aborted before', async () => {
    const grid = await gridWith(all)
    const signal = AbortSignal.abort(new Error('never mind'))
    await expect(check(grid, { ...mode, signal })).rejects.toThrow('never mind')
    expect(grid.servers.flatMap(({ requests }) => requests)).toEqual([])
  })
})

it('finds no share of a file fit whose cap says more bytes than shares can hold', async () => {
  const grid = await createGrid(1)
  const { key, uriExtensionHash } = cap
  const size = Number.MAX_SAFE_INTEGER
  const altered = new ChkCap({ key, uriExtensionHash, requiredShares: 1, totalShares: 1, size })
  await store(server(grid, 0), altered.storageIndex, new Map([[0, noise(100, 1)]]))
  const results = await check(grid, { verify: true }, altered)
  expect(results).toMatchObject({ recoverable: false, incompatibleShares: [{ shareNumber: 0 }] })
})

describe('what can be checked', () => {
  it('is a read cap, a verify cap, their texts, a node, and a directory of one', async () => {
    const grid = await gridWith(all)
    const targets: CheckTarget[] = [
      cap,
      cap.verifyCap(),
      cap.format(),
      cap.verifyCap().format(),
      createImmutableNode(cap, { broker: grid.context.broker, codec: grid.context.codec }),
      new Dir2ChkCap(cap),
    ]
    for (const target of targets) {
      expect(await check(grid, { verify: true }, target)).toMatchObject({
        healthy: true,
        uri: cap.verifyCap().format(),
      })
    }
  })

  it('is nothing of a LIT file, which needs no servers', async () => {
    const { context } = await createGrid(0)
    const checkable = createCheckable(new LitCap(noise(10)), context)
    expect(await checkable.check({ verify: true })).toBeUndefined()
    expect(await checkable.checkAndRepair()).toBeUndefined()
  })
})

describe('a plain check', () => {
  it('reads nothing', async () => {
    const grid = await gridWith(all)
    await check(grid)
    expect(new Set(grid.servers.flatMap(({ requests }) => requests))).toEqual(
      new Set(['getBuckets']),
    )
  })
})

describe('a verification', () => {
  it('reads a small share in one piece', async () => {
    const grid = await gridWith(all)
    await check(grid, { verify: true })
    for (const { requests } of grid.servers) expect(requests).toEqual(['getBuckets', 'reader.read'])
  })

  it('reads a large share in large pieces', async () => {
    const large = await encodeFile(5_000_000, { required: 1, total: 2, segmentSize: 131_072 })
    const grid = await createGrid(2)
    await spread(grid, large)
    const sizes: number[] = []
    server(grid, 0).onRead = (bytes) => {
      sizes.push(bytes.length)
      return bytes
    }
    expect(await check(grid, { verify: true }, large.cap)).toMatchObject({ healthy: true })
    expect(sizes.filter((size) => size === 1_048_576)).toHaveLength(4)
    // Beside them the rest, the header, the hashes, and those where they would be with larger segments.
    expect(sizes).toHaveLength(8)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(5_030_000)
  })

  it('reads the header and the hashes of a large share at once', async () => {
    const large = await encodeFile(3_000_000, { required: 1, total: 1, segmentSize: 1_048_576 })
    const grid = await createGrid(1)
    await spread(grid, large)
    expect(await check(grid, { verify: true }, large.cap)).toMatchObject({ healthy: true })
    const reads = server(grid, 0).requests.filter((name) => name === 'reader.read')
    expect(reads).toHaveLength(5)
  })

  it('reads a large share with tiny segments', async () => {
    const tiny = await encodeFile(3000, { required: 3, total: 4, segmentSize: 3 })
    const grid = await createGrid(4)
    await spread(grid, tiny)
    expect(await check(grid, { verify: true }, tiny.cap)).toMatchObject({ healthy: true })
  })

  it('reads huge blocks piece by piece', async () => {
    const huge = await encodeFile(10_000_000, { required: 1, total: 2, segmentSize: 9_000_000 })
    const grid = await createGrid(2)
    await spread(grid, huge)
    let largest = 0
    for (const one of grid.servers) {
      one.onRead = (bytes) => {
        largest = Math.max(largest, bytes.length)
        return bytes
      }
    }
    expect(await check(grid, { verify: true }, huge.cap)).toMatchObject({ healthy: true })
    expect(largest).toBe(4 * 1024 * 1024)
    server(grid, 1).onRead = (bytes) => (bytes.length < 1_000_000 ? bytes.fill(7, -1) : bytes)
    expect(await check(grid, { verify: true }, huge.cap)).toMatchObject({
      corruptShares: [{ shareNumber: 1 }],
    })
  })

  it('gives up a share whose server fails or falls silent, and does not call it corrupt', async () => {
    const clock = virtualClock()
    const grid = await createGrid(10, { clock })
    await spread(grid, file)
    server(grid, 1).before = (name) => {
      if (name === 'reader.read') throw new Error('out of order')
    }
    server(grid, 2).before = (name, signal) => (name === 'reader.read' ? hang(signal) : undefined)
    const results = await clock.run(check(grid, { verify: true }), 70_000)
    expect(results).toMatchObject({
      goodShareCount: 8,
      corruptShares: [],
      incompatibleShares: [],
    })
    expect(results.serversResponding.size).toBe(10)
    expect(results.report).toEqual([
      'share 1 on v0-001 is unreachable: out of order',
      'share 2 on v0-002 is unreachable: no answer within 60 seconds',
    ])
    expect(server(grid, 1).requests).not.toContain('reader.adviseCorruptShare')
  })

  it.each<readonly [string, (bytes: Uint8Array) => Uint8Array]>([
    ['more than was asked for', (bytes) => new Uint8Array(bytes.length + 5000)],
    ['what was asked for and more', (bytes) => Uint8Array.from([...bytes, ...noise(5000)])],
    ['nothing', () => new Uint8Array()],
    ['zeros', (bytes) => new Uint8Array(bytes.length)],
    ['noise', (bytes) => noise(bytes.length)],
    ['less', (bytes) => bytes.subarray(0, -1)],
  ])('is not fooled by a server that gives %s', async (_, onRead) => {
    const grid = await gridWith(all)
    server(grid, 5).onRead = onRead
    const results = await check(grid, { verify: true })
    expect(results).toMatchObject({ goodShareCount: 9, recoverable: true })
    const bad = [...results.corruptShares, ...results.incompatibleShares]
    expect(bad.map(({ serverId, shareNumber }) => [serverId, shareNumber])).toEqual([['v0-005', 5]])
  })

  it('says of a bad share what is wrong, and does not wait long for its server to hear it', async () => {
    const clock = virtualClock()
    const grid = await createGrid(10, { clock })
    await spread(grid, file)
    server(grid, 5).onRead = (bytes) => bytes.fill(1, 40, 41)
    server(grid, 5).before = (name, signal) =>
      name === 'reader.adviseCorruptShare' ? hang(signal) : undefined
    const results = await clock.run(check(grid, { verify: true }), 6000)
    expect(results.report).toEqual([
      'share 5 on v0-005 is corrupt: corruption in share[36-370): bad hash of block 0',
    ])
  })

  it('tells how far it is', async () => {
    const grid = await gridWith(all)
    const seen: Progress[] = []
    await check(grid, { verify: true, onProgress: (progress) => seen.push(progress) })
    expect(seen.filter(({ phase }) => phase === 'locating')).toEqual([
      { phase: 'locating', done: 0, total: undefined },
      { phase: 'locating', done: 10, total: 10 },
    ])
    const verifying = seen.filter(({ phase }) => phase === 'verifying')
    expect(verifying.map(({ done }) => done)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(verifying.every(({ total }) => total === 10)).toBe(true)
  })
})
