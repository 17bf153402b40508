import { createCheckable } from '@lafs/checker'
import { blockHash, concatBytes } from '@lafs/crypto'
import { HashTree } from '@lafs/hashtree'
import type { CheckerContext } from '@lafs/checker'
import type { ICheckAndRepairResults, ICheckResults, Progress } from '@lafs/filesystem-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { parseChkHeader, parseShareHashes } from '@lafs/storage-protocol/layout'
import { virtualClock } from '@lafs/testing'
import { ChkCap, parseCapStrict } from '@lafs/uri'
import { fromHex, loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import {
  answerOnce,
  asked,
  createGrid,
  encodeFile,
  forge,
  hang,
  sharesOn,
  spread,
  store,
} from './grid.ts'
import type { EncodedFile, TestGrid, TestServer } from './grid.ts'

const file = await encodeFile(5000)
const { cap } = file
const { storageIndex } = cap

async function checkAndRepair(
  { context }: { readonly context: CheckerContext },
  verify = true,
  signal?: AbortSignal,
): Promise<ICheckAndRepairResults> {
  const checkable = createCheckable(cap.verifyCap(), context)
  const results = await checkable.checkAndRepair({
    verify,
    ...(signal && { signal }),
  })
  if (results === undefined) throw new Error('expected results')
  return results
}

async function verified({ context }: TestGrid, of: ChkCap = cap): Promise<ICheckResults> {
  const results = await createCheckable(of, context).check({ verify: true })
  if (results === undefined) throw new Error('expected results')
  return results
}

/** The file with some of its shares changed or gone (undefined). */
function changed(
  changes: Record<number, Uint8Array | undefined>,
  of: EncodedFile = file,
): EncodedFile {
  const shares = [...of.shares].flatMap(([share, bytes]) => {
    const left = share in changes ? changes[share] : bytes
    return left === undefined ? [] : [[share, left] as const]
  })
  return { ...of, shares: new Map(shares) }
}

function without(shares: readonly number[], of: EncodedFile = file): EncodedFile {
  return changed(Object.fromEntries(shares.map((share) => [share, undefined])), of)
}

function shareOf(of: EncodedFile, share: number): Uint8Array {
  const bytes = of.shares.get(share)
  if (bytes === undefined) throw new Error(`no share ${share}`)
  return bytes
}

/** A share with one bit of its first block wrong. */
function damaged(share: number, of: EncodedFile = file): Uint8Array {
  const bytes = shareOf(of, share).slice()
  const at = parseChkHeader(bytes).offsets.data
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes
}

async function shareNumbers(server: TestServer | undefined): Promise<number[]> {
  if (server === undefined) return []
  return [...(await sharesOn(server, storageIndex)).keys()].toSorted((a, b) => a - b)
}

/** Expects every share of every server to be as the encoder makes it, and no upload to be left open. */
async function expectGoodShares(grid: TestGrid, except: readonly string[] = []): Promise<void> {
  for (const server of grid.servers) {
    if (except.includes(server.id)) continue
    for (const [share, bytes] of await sharesOn(server, storageIndex)) {
      expect(bytes).toEqual(file.shares.get(share))
    }
  }
}

describe('repair', () => {
  it('makes what is missing, byte for byte, and nothing else', async () => {
    const grid = await createGrid(10)
    await spread(grid, without([1, 4, 5, 6, 7, 8, 9]))
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: true })
    expect(results.preRepairResults).toMatchObject({ healthy: false, goodShareCount: 3 })
    expect(results.postRepairResults).toMatchObject({
      healthy: true,
      recoverable: true,
      needsRebalancing: false,
      happiness: 10,
      goodShareCount: 10,
      goodShareHostCount: 10,
      wrongShareCount: 0,
      corruptShares: [],
      incompatibleShares: [],
      recoverableVersionCount: 1,
      unrecoverableVersionCount: 0,
      summary: 'healthy',
      report: [],
    })
    expect(results.postRepairResults.uri).toBe(cap.verifyCap().format())
    expect(results.postRepairResults.serversResponding.size).toBe(10)
    for (const server of grid.servers) expect(await shareNumbers(server)).toHaveLength(1)
    await expectGoodShares(grid)
    expect(await verified(grid)).toMatchObject({ healthy: true, happiness: 10 })
    const allocations = grid.servers.map(
      ({ requests }) => requests.filter((name) => name === 'allocateBuckets').length,
    )
    expect(allocations).toEqual([0, 1, 0, 0, 1, 1, 1, 1, 1, 1])
  })

  it('of a healthy file changes nothing', async () => {
    const grid = await createGrid(10)
    await spread(grid, file)
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: false, repairSuccessful: false })
    expect(results.postRepairResults).toBe(results.preRepairResults)
    const checkable = createCheckable(cap, grid.context)
    expect(await checkable.repair(results.preRepairResults)).toEqual({ successful: true })
    expect(grid.servers.flatMap(({ requests }) => requests)).not.toContain('allocateBuckets')
  })

  it('wants the results of the same file', async () => {
    const grid = await createGrid(10)
    const other = await encodeFile(5000, { seed: 2 })
    await spread(grid, other)
    const results = await verified(grid, other.cap)
    expect(results).toMatchObject({ healthy: true })
    await expect(createCheckable(cap, grid.context).repair(results)).rejects.toThrow(RangeError)
  })

  it('makes again what is corrupt, elsewhere, and leaves the corrupt share where it is', async () => {
    const grid = await createGrid(12)
    await spread(grid, changed({ 0: damaged(0), 1: damaged(1) }))
    const results = await checkAndRepair(grid)
    expect(results.preRepairResults.corruptShares).toHaveLength(2)
    expect(results).toMatchObject({ repairSuccessful: true })
    expect(results.postRepairResults).toMatchObject({ healthy: true, happiness: 10 })
    expect(results.postRepairResults.corruptShares).toEqual(results.preRepairResults.corruptShares)
    expect(await shareNumbers(grid.servers[0])).toEqual([0])
    expect(await shareNumbers(grid.servers[10])).toEqual([0])
    expect(await shareNumbers(grid.servers[11])).toEqual([1])
    const told = grid.servers.map(
      ({ requests }) => requests.filter((name) => name === 'reader.adviseCorruptShare').length,
    )
    expect(told).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    // The repair does not read again what the verification has found to be corrupt.
    for (const { requests } of grid.servers.slice(0, 2)) {
      expect(requests.filter((name) => name === 'reader.read')).toHaveLength(1)
    }
    await expectGoodShares(grid, ['v0-000', 'v0-001'])
  })

  it('puts no share where a corrupt one of its number stands, even on a small grid', async () => {
    const grid = await createGrid(3)
    const bad = damaged(0)
    await spread(grid, changed({ 0: bad }))
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairSuccessful: true })
    expect((await sharesOn(grid.servers[0] as TestServer, storageIndex)).get(0)).toEqual(bad)
    const holders = results.postRepairResults.sharemap.get(0) ?? new Set()
    expect([...holders]).toHaveLength(1)
    expect(holders.has('v0-000')).toBe(false)
    expect(await verified(grid)).toMatchObject({ healthy: true, goodShareCount: 10 })
  })

  it('cannot heal a corrupt share on the only server', async () => {
    const grid = await createGrid(1)
    await spread(grid, changed({ 0: damaged(0), 9: undefined }))
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results.postRepairResults).toMatchObject({ healthy: false, goodShareCount: 9 })
    expect(results.postRepairResults.summary).toBe('not healthy')
    expect(results.postRepairResults.report).toEqual([
      'the repair was not completed: no server takes share 0 of 10',
    ])
  })

  it('counts a doubled share once and leaves both copies', async () => {
    const grid = await createGrid(5)
    await spread(grid, without([9]))
    await store(grid.servers[4] as TestServer, storageIndex, new Map([[0, shareOf(file, 0)]]))
    const results = await checkAndRepair(grid)
    expect(results.preRepairResults).toMatchObject({ goodShareCount: 9, healthy: false })
    expect(results).toMatchObject({ repairSuccessful: true })
    expect(results.postRepairResults.sharemap.get(0)).toEqual(new Set(['v0-000', 'v0-004']))
    expect(await verified(grid)).toMatchObject({ healthy: true, happiness: 5 })
  })

  it('fills servers that hold nothing first', async () => {
    const grid = await createGrid(10)
    const few = { ...grid, servers: grid.servers.slice(0, 5) }
    await spread(few, without([0, 3]))
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairSuccessful: true })
    expect([...(results.postRepairResults.sharemap.get(0) ?? [])]).toEqual(['v0-005'])
    expect([...(results.postRepairResults.sharemap.get(3) ?? [])]).toEqual(['v0-006'])
    expect(results.postRepairResults).toMatchObject({ happiness: 7, needsRebalancing: true })
  })

  it('goes around servers that are readonly, full or not permitted', async () => {
    const grid = await createGrid(8, { readonly: [0, 1, 2] })
    for (const server of grid.servers.slice(3)) {
      const mine = [...file.shares].filter(([share]) => share === Number(server.id.slice(-1)))
      await store(server, storageIndex, new Map(mine))
    }
    const refusing = grid.servers[3]
    if (refusing !== undefined) refusing.uploadPermitted = false
    const results = await checkAndRepair(grid)
    expect(results.preRepairResults).toMatchObject({ goodShareCount: 5 })
    expect(results).toMatchObject({ repairSuccessful: true })
    for (const index of [0, 1, 2]) expect(await shareNumbers(grid.servers[index])).toEqual([])
    expect(await shareNumbers(grid.servers[3])).toEqual([3])
    expect(await verified(grid)).toMatchObject({ healthy: true, happiness: 5 })
  })

  it('spreads over servers that have room for a share or two', async () => {
    const grid = await createGrid(8)
    await spread({ ...grid, servers: grid.servers.slice(0, 3) }, without([3, 4, 5, 6, 7, 8]))
    for (const [index, room] of [0, 0, 0, 2, 0, 1, 0, 3].entries()) {
      const server = grid.servers[index]
      if (server !== undefined) server.room = room
    }
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairSuccessful: true })
    const counts = await Promise.all(grid.servers.slice(3).map((one) => shareNumbers(one)))
    expect(counts.map(({ length }) => length)).toEqual([2, 0, 1, 0, 3])
    expect(await verified(grid)).toMatchObject({ healthy: true, happiness: 6 })
  })

  it('does what it can where there is room for some shares only', async () => {
    const grid = await createGrid(5)
    await spread({ ...grid, servers: grid.servers.slice(0, 3) }, without([3, 4, 5, 6]))
    for (const server of grid.servers) server.room = server.id === 'v0-004' ? 2 : 0
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results.postRepairResults).toMatchObject({ healthy: false, goodShareCount: 8 })
    expect(await verified(grid)).toMatchObject({ healthy: false, goodShareCount: 8 })
    await expectGoodShares(grid)
  })

  it('does what it can where no server takes anything', async () => {
    const grid = await createGrid(3, { readonly: [1, 2] })
    const some = [...file.shares].filter(([share]) => share < 3)
    await store(grid.servers[0] as TestServer, storageIndex, new Map(some))
    const closed = grid.servers[0]
    if (closed !== undefined) closed.uploadPermitted = false
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results.postRepairResults).toMatchObject({ healthy: false, recoverable: true })
    expect(results.postRepairResults.report).toEqual([
      'the repair was not completed: no server takes share 3, 4, 5, 6, 7, 8, 9 of 10',
    ])
  })

  it('of a file that cannot be recovered leaves nothing behind', async () => {
    const grid = await createGrid(10)
    await spread(grid, without([2, 3, 4, 5, 6, 7, 8, 9]))
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results.postRepairResults).toMatchObject({
      healthy: false,
      recoverable: false,
      goodShareCount: 2,
      recoverableVersionCount: 0,
      unrecoverableVersionCount: 1,
    })
    expect(results.postRepairResults.report[0]).toMatch(/^the repair was not completed: /)
    for (const server of grid.servers.slice(2)) expect(await shareNumbers(server)).toEqual([])
  })

  it('puts together what is good of corrupt shares where nothing else is left', async () => {
    const grid = await createGrid(10)
    const bad = (share: number, block: number): Uint8Array => {
      const bytes = shareOf(file, share).slice()
      const at = parseChkHeader(bytes).offsets.data + block * 334
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return bytes
    }
    const gone = Object.fromEntries([4, 5, 6, 7, 8, 9].map((share) => [share, undefined]))
    await spread(grid, changed({ 0: bad(0, 0), 1: bad(1, 1), 2: bad(2, 2), 3: bad(3, 4), ...gone }))
    const results = await checkAndRepair(grid)
    expect(results.preRepairResults).toMatchObject({ goodShareCount: 0, recoverable: false })
    expect(results.preRepairResults.corruptShares).toHaveLength(4)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: true })
    expect(await verified(grid)).toMatchObject({ healthy: true, goodShareCount: 10 })
    const told = grid.servers.map(
      ({ requests }) => requests.filter((name) => name === 'reader.adviseCorruptShare').length,
    )
    // By the two verifications, and not by the repair between them.
    expect(told).toEqual([2, 2, 2, 2, 0, 0, 0, 0, 0, 0])
  })

  it('needs no share hash chain where there is one share only', async () => {
    const single = await encodeFile(5000, { required: 1, total: 1 })
    const bytes = shareOf(single, 0).slice()
    const { offsets } = parseChkHeader(bytes)
    bytes[offsets.shareHashes] = 1
    const grid = await createGrid(2)
    await spread(grid, { cap: single.cap, shares: new Map([[0, bytes]]) })
    const results = await createCheckable(single.cap, grid.context).checkAndRepair({ verify: true })
    expect(results?.preRepairResults).toMatchObject({ recoverable: false })
    expect(results).toMatchObject({ repairSuccessful: true })
    const made = await sharesOn(grid.servers[1] as TestServer, single.cap.storageIndex)
    expect(made.get(0)).toEqual(single.shares.get(0))
  })

  it('counts what reading proves to be corrupt as missing', async () => {
    const grid = await createGrid(12)
    // A check without a look believes in the first two shares; the repair reads them, since it knows
    // of no others.
    await spread(grid, changed({ 0: damaged(0), 1: damaged(1), 9: undefined }))
    const [zero, one] = grid.servers as [TestServer, TestServer]
    answerOnce(
      grid.servers.slice(2),
      () =>
        asked(zero, 'getBuckets') === 1 ||
        [zero, one].every((server) => asked(server, 'reader.adviseCorruptShare') > 0),
    )
    const results = await checkAndRepair(grid, false)
    expect(results.preRepairResults).toMatchObject({ goodShareCount: 9, corruptShares: [] })
    expect(results).toMatchObject({ repairSuccessful: true })
    expect(results.postRepairResults.corruptShares.map(({ shareNumber }) => shareNumber)).toEqual([
      0, 1,
    ])
    expect(await verified(grid)).toMatchObject({ healthy: true, goodShareCount: 10 })
  })

  it('counts a share that turned up since the check only when it is good', async () => {
    const grid = await createGrid(2)
    await spread(grid, without([0, 1]))
    const checkable = createCheckable(cap, grid.context)
    const before = await checkable.check({ verify: true })
    await store(grid.servers[0] as TestServer, storageIndex, new Map([[0, shareOf(file, 0)]]))
    await store(grid.servers[0] as TestServer, storageIndex, new Map([[1, damaged(1)]]))
    await store(grid.servers[1] as TestServer, storageIndex, new Map([[1, damaged(1)]]))
    const repaired = await checkable.repair(before as ICheckResults)
    expect(repaired).toEqual({ successful: false })
    const [zero] = grid.servers
    expect((await sharesOn(zero as TestServer, storageIndex)).get(0)).toEqual(file.shares.get(0))
  })

  it('tells how far it is', async () => {
    const grid = await createGrid(10)
    await spread(grid, without([0]))
    const seen: Progress[] = []
    await createCheckable(cap, grid.context).checkAndRepair({
      onProgress: (progress) => seen.push(progress),
    })
    const last = new Map(seen.map((progress) => [progress.phase, progress]))
    expect(last.get('repairing')).toEqual({ phase: 'repairing', done: 5000, total: 5000 })
    expect(last.get('closing')).toEqual({ phase: 'closing', done: 1, total: 1 })
    expect(last.get('placing')).toEqual({ phase: 'placing', done: 10, total: 10 })
  })

  it('adds our lease to the shares that it makes', async () => {
    const grid = await createGrid(10)
    await spread(grid, without([0]))
    const results = await checkAndRepair(grid)
    expect(results.repairSuccessful).toBe(true)
    expect(await shareNumbers(grid.servers[0])).toEqual([0])
    // Only who knows the secret can let go of the lease, and with it of the share.
    const [known] = grid.context.broker.knownServers()
    if (known === undefined) throw new Error('expected a server')
    const { cancelSecret } = leaseSecretsOf(storageIndex, grid.context)(known)
    await grid.servers[0]?.backend.cancelLease(storageIndex, 0, cancelSecret)
    expect(await shareNumbers(grid.servers[0])).toEqual([])
  })
})

interface OldShares {
  cap: string
  plaintext: string
  shares: { shareNumber: number; data: string }[]
}
const oldShares = await loadVectors<OldShares>('chk/old-shares')

describe('repair of an old file', () => {
  it('copies the URI extension block with the fields that nobody writes any more', async () => {
    const old = forge(file, (fields) => {
      fields['plaintext_hash'] = new Uint8Array(32).fill(1)
      fields['plaintext_root_hash'] = new Uint8Array(32).fill(2)
      fields['x_of_some_future'] = Uint8Array.of(1, 2, 3)
      fields['codec_name'] = undefined
    })
    const grid = await createGrid(10)
    await spread(grid, without([0, 3, 9], old))
    const results = await createCheckable(old.cap, grid.context).checkAndRepair()
    expect(results).toMatchObject({ repairSuccessful: true })
    for (const share of [0, 3, 9]) {
      const made = await sharesOn(grid.servers[share] as TestServer, old.cap.storageIndex)
      expect(made.get(share)).toEqual(old.shares.get(share))
    }
    expect(await verified(grid, old.cap)).toMatchObject({ healthy: true, goodShareCount: 10 })
  })

  it('whose URI extension block no shares can fit stores nothing', async () => {
    const bad = forge(file, (fields) => {
      fields['share_root_hash'] = new Uint8Array(32)
    })
    const grid = await createGrid(10)
    await spread(grid, without([0], bad))
    const before = await createCheckable(bad.cap, grid.context).check()
    const results = await createCheckable(bad.cap, grid.context).checkAndRepair()
    expect(before).toMatchObject({ goodShareCount: 9 })
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(await shareNumbers(grid.servers[0])).toEqual([])
  })

  it('of upstream 1.0 gives what upstream has made', async () => {
    const old = parseCapStrict(oldShares.cap) as ChkCap
    const grid = await createGrid(10)
    const all = new Map(
      oldShares.shares.map(({ shareNumber, data }) => [shareNumber, fromHex(data)]),
    )
    const shares = new Map([...all].filter(([share]) => share >= 5))
    await spread(grid, { cap: old, shares })
    const results = await createCheckable(old.verifyCap(), grid.context).checkAndRepair({
      verify: true,
    })
    expect(results).toMatchObject({ repairSuccessful: true })
    expect(await verified(grid, old)).toMatchObject({ healthy: true, goodShareCount: 10 })
    for (const share of [0, 1, 2, 3, 4]) {
      const server = grid.servers[share] as TestServer
      const made = (await sharesOn(server, old.storageIndex)).get(share) ?? new Uint8Array()
      const before = all.get(share) ?? new Uint8Array()
      const { offsets } = parseChkHeader(made)
      const { shareHashes, uriExtension } = offsets
      expect(made.subarray(0, shareHashes)).toEqual(before.subarray(0, shareHashes))
      // The order of these entries was another one.
      const chain = (bytes: Uint8Array): Map<number, Uint8Array> =>
        parseShareHashes(bytes.subarray(shareHashes, uriExtension))
      expect(chain(made)).toEqual(chain(before))
      expect(made.subarray(uriExtension)).toEqual(before.subarray(uriExtension, made.length))
    }
  })
})

/** The file as a faulty encoder would make it: the last share is of other data than the rest. */
function badlyEncoded(): EncodedFile {
  const count = 5
  const shares = new Map([...file.shares].map(([share, bytes]) => [share, bytes.slice()]))
  const last = shareOf({ ...file, shares }, 9)
  const { offsets } = parseChkHeader(last)
  last.fill(7, offsets.data, offsets.plaintextHashTree)
  const blocks = Array.from({ length: count }, (_, index) => {
    const begin = offsets.data + 334 * index
    return last.subarray(begin, Math.min(begin + 334, offsets.plaintextHashTree))
  })
  const tree = new HashTree(blocks.map((block) => blockHash(block)))
  for (const [node, hash] of tree.nodes.entries()) last.set(hash, offsets.blockHashes + 32 * node)
  const roots = [...shares.values()].map((bytes) =>
    bytes.slice(offsets.blockHashes, offsets.blockHashes + 32),
  )
  const shareTree = new HashTree(roots)
  for (const bytes of shares.values()) {
    const view = new DataView(bytes.buffer)
    for (let at = offsets.shareHashes; at < offsets.uriExtension; at += 34) {
      bytes.set(shareTree.nodes[view.getUint16(at)] ?? new Uint8Array(), at + 2)
    }
  }
  return forge({ ...file, shares }, (fields) => {
    fields['share_root_hash'] = shareTree.root
  })
}

describe('repair of a file that was badly encoded', () => {
  it('makes no share that would not fit the others', async () => {
    const bad = badlyEncoded()
    const grid = await createGrid(10)
    await spread(grid, without([0], bad))
    // The share of other data fits its roots: only where others are read is the ciphertext good.
    const [zero, odd] = [grid.servers[0], grid.servers[9]] as [TestServer, TestServer]
    answerOnce([odd], () => asked(zero, 'getBuckets') < 3)
    const before = await verified(grid, bad.cap)
    expect(before).toMatchObject({ goodShareCount: 9, corruptShares: [] })
    const results = await createCheckable(bad.cap, grid.context).checkAndRepair({ verify: true })
    expect(asked(zero, 'getBuckets')).toBe(3)
    odd.before = undefined
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results?.postRepairResults.report).toEqual([
      'the repair was not completed: the file was badly encoded: the share_root_hash of its URI extension block is not that of its shares',
    ])
    for (const server of grid.servers) {
      const there = await sharesOn(server, bad.cap.storageIndex)
      for (const [share, bytes] of there) expect(bytes).toEqual(bad.shares.get(share))
    }
    expect(await verified(grid, bad.cap)).toEqual(before)
  })
})

describe('repair while servers fail', () => {
  it('gives up a server that takes no data, and soon', async () => {
    const large = await encodeFile(12_000_000, { required: 1, total: 2, segmentSize: 131_072 })
    const grid = await createGrid(2)
    await spread(grid, { ...large, shares: new Map([[0, shareOf(large, 0)]]) })
    const [holder, taker] = grid.servers as [TestServer, TestServer]
    taker.before = (name) => {
      if (name === 'writer.write') throw new Error('out of order')
    }
    holder.room = 0
    let read = 0
    holder.onRead = (bytes) => {
      read += bytes.length
      return bytes
    }
    const results = await createCheckable(large.cap, grid.context).checkAndRepair()
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results?.postRepairResults.report).toEqual([
      'the repair was not completed: no server takes share 1 of 2',
    ])
    expect(read).toBeLessThan(11_000_000)
    expect(taker.requests.filter((name) => name === 'allocateBuckets')).toHaveLength(1)
  })

  it('counts no share that its server has taken and dropped', async () => {
    const grid = await createGrid(3)
    const [holder, forgetful, spare] = grid.servers as [TestServer, TestServer, TestServer]
    await store(holder, storageIndex, new Map([...file.shares].filter(([share]) => share < 6)))
    for (const server of [holder, spare]) server.room = 0
    forgetful.onWriter = (writer) => ({
      write: async () => {},
      close: () => writer.abort(),
      abort: () => writer.abort(),
    })
    const results = await checkAndRepair(grid)
    expect(results).toMatchObject({ repairAttempted: true, repairSuccessful: false })
    expect(results.postRepairResults).toMatchObject({
      healthy: false,
      goodShareCount: 6,
      goodShareHostCount: 1,
      needsRebalancing: false,
      report: [
        'share 6 on v0-001 is not there',
        'share 7 on v0-001 is not there',
        'share 8 on v0-001 is not there',
        'share 9 on v0-001 is not there',
        'the repair was not completed: no server takes share 6, 7, 8, 9 of 10',
      ],
    })
    // Another one that has room gets them.
    spare.room = 4
    forgetful.requests.length = 0
    const again = await checkAndRepair(grid)
    expect(again).toMatchObject({ repairSuccessful: true })
    expect(again.postRepairResults.report).toEqual([
      'share 6 on v0-001 is not there',
      'share 8 on v0-001 is not there',
    ])
    expect(await shareNumbers(spare)).toEqual([6, 7, 8, 9])
    expect(forgetful.requests.filter((name) => name === 'allocateBuckets')).toHaveLength(1)
  })

  it.each([
    ['the first byte', 0, 1],
    ['the end', 5000, 600_000],
  ])('counts no share that its server has spoilt from %s on', async (_, from, length) => {
    const large = await encodeFile(1_000_000, { required: 2, total: 3, segmentSize: 20_000 })
    const grid = await createGrid(4)
    await spread(grid, without([2], large))
    const spoiler = grid.servers[2] as TestServer
    spoiler.onWriter = (writer) => ({
      write: async (offset, pieces, options) => {
        const bytes = concatBytes(pieces)
        bytes.fill(0xff, Math.max(0, from - offset), Math.max(0, from + length - offset))
        await writer.write(offset, [bytes], options)
      },
      close: () => writer.close(),
      abort: () => writer.abort(),
    })
    grid.servers.slice(0, 2).forEach((server) => {
      server.room = 0
    })
    const { cap: verifyCap } = large
    const results = await createCheckable(verifyCap, grid.context).checkAndRepair()
    expect(results).toMatchObject({ repairSuccessful: true })
    const { sharemap, corruptShares, report } = results?.postRepairResults ?? {}
    expect(sharemap?.get(2)).toEqual(new Set(['v0-003']))
    expect(report?.[0]).toMatch(/^share 2 on v0-002 is /)
    expect(corruptShares?.length ?? 0).toBe(from === 0 ? 0 : 1)
    expect(await verified(grid, verifyCap)).toMatchObject({ goodShareCount: 3 })
  })

  it('reads little of what it has stored', async () => {
    const large = await encodeFile(12_000_000, { required: 1, total: 2, segmentSize: 131_072 })
    const grid = await createGrid(2)
    await spread(grid, without([1], large))
    const taker = grid.servers[1] as TestServer
    let read = 0
    taker.onRead = (bytes) => {
      read += bytes.length
      return bytes
    }
    const results = await createCheckable(large.cap, grid.context).checkAndRepair()
    expect(results).toMatchObject({ repairSuccessful: true })
    expect(read).toBeGreaterThan(100_000)
    expect(read).toBeLessThan(600_000)
  })

  it('comes back to a server that was silent before, when no other is left', async () => {
    const grid = await createGrid(3)
    const [first, second, third] = grid.servers as [TestServer, TestServer, TestServer]
    await store(first, storageIndex, new Map([...file.shares].filter(([share]) => share < 4)))
    first.room = 0
    second.room = 2
    third.before = (name) => {
      if (name === 'getBuckets') throw new Error('later, please')
    }
    const before = (await createCheckable(cap, grid.context).check()) as ICheckResults
    expect(before.serversResponding).toEqual(new Set(['v0-000', 'v0-001']))
    third.before = undefined
    expect(await createCheckable(cap, grid.context).repair(before)).toEqual({ successful: true })
    expect(await shareNumbers(second)).toHaveLength(2)
    expect(await shareNumbers(third)).toHaveLength(4)
  })

  /** A server that fails from its nth message of the repair on, by throwing or by silence. */
  async function repairWithDying(
    dying: number,
    nth: number,
    how: 'throws' | 'hangs' | 'loses answers',
  ): Promise<{ grid: TestGrid; results: ICheckAndRepairResults; messages: number }> {
    const clock = virtualClock()
    const grid = await createGrid(7, { clock })
    await spread({ ...grid, servers: grid.servers.slice(0, 5) }, without([0, 5, 1]))
    const before = await createCheckable(cap, grid.context).check({ verify: true })
    const server = grid.servers[dying] as TestServer
    let messages = 0
    const isDead = (): boolean => messages > nth
    server.before = (name, signal) => {
      if (!name.endsWith('abort')) messages += 1
      if (how === 'loses answers' || !isDead()) return undefined
      if (how === 'hangs') return hang(signal)
      throw new Error('the server has died')
    }
    server.after = () => {
      if (how === 'loses answers' && isDead()) throw new Error('the answer is lost')
    }
    const checkable = createCheckable(cap, grid.context)
    const repairing = checkable.repair(before as ICheckResults)
    const { successful } = await clock.run(repairing, 3_600_000)
    server.before = undefined
    server.after = undefined
    server.connected = false
    const preRepairResults = before as ICheckResults
    const postRepairResults = await verified(grid)
    return {
      grid,
      messages,
      results: {
        storageIndex,
        storageIndexString: '',
        repairAttempted: true,
        repairSuccessful: successful,
        preRepairResults,
        postRepairResults,
      },
    }
  }

  it.each(['throws', 'hangs', 'loses answers'] as const)(
    'ends healthy without a new server that %s at any message',
    async (how) => {
      for (let nth = 0; ; nth++) {
        const { grid, results, messages } = await repairWithDying(5, nth, how)
        await expectGoodShares(grid, ['v0-005'])
        if (messages <= nth) {
          // It lived to the end; without it some of the shares that it took are gone.
          expect(results.repairSuccessful).toBe(true)
          expect(nth).toBeGreaterThan(2)
          return
        }
        expect(results.repairSuccessful).toBe(true)
        expect(results.postRepairResults).toMatchObject({ healthy: true, goodShareCount: 10 })
      }
    },
  )

  it.each(['throws', 'hangs'] as const)(
    'gets over a server that holds good shares and %s at any message',
    async (how) => {
      for (let nth = 0; ; nth++) {
        const { grid, results, messages } = await repairWithDying(2, nth, how)
        await expectGoodShares(grid)
        expect(results.repairSuccessful).toBe(true)
        // Shares 2 and 7 are on the dead server: they count as the check has seen them.
        expect(results.postRepairResults.goodShareCount).toBe(8)
        if (messages <= nth) return
      }
    },
  )

  it('leaves nothing open when it is cancelled, at any message', async () => {
    for (let nth = 0; ; nth++) {
      const grid = await createGrid(5)
      await spread(grid, without([0, 1, 2]))
      const controller = new AbortController()
      let messages = 0
      // So that there is a second round of asking for room.
      const [full] = grid.servers
      if (full !== undefined) full.room = 0
      for (const server of grid.servers) {
        server.before = () => {
          if (messages++ === nth) controller.abort(new Error('enough'))
        }
      }
      const repairing = checkAndRepair(grid, true, controller.signal)
      if (
        await repairing.then(
          () => true,
          () => false,
        )
      ) {
        expect(messages).toBeLessThanOrEqual(nth)
        expect(nth).toBeGreaterThan(20)
        return
      }
      await expect(repairing).rejects.toThrow('enough')
      await new Promise((resolve) => setTimeout(resolve, 0))
      await expectGoodShares(grid)
      for (const server of grid.servers) {
        server.before = undefined
        // Room that is still reserved could not be reserved once more.
        const numbers = new Set([0, 1, 2])
        const { alreadyGot, writers } = await server.backend.allocateBuckets(storageIndex, {
          renewSecret: new Uint8Array(32),
          cancelSecret: new Uint8Array(32),
          shareNumbers: numbers,
          allocatedSize: 10,
        })
        const there = [...alreadyGot].filter((share) => numbers.has(share))
        expect(there.length + writers.size).toBe(3)
      }
    }
  })
})

it.each([0, 1, 4999])('repairs nothing of a file whose cap says %i bytes', async (size) => {
  const grid = await createGrid(10)
  await spread(grid, without([3]))
  const { key, uriExtensionHash, requiredShares, totalShares } = cap
  const altered = new ChkCap({ key, uriExtensionHash, requiredShares, totalShares, size })
  const checkable = createCheckable(altered.verifyCap(), grid.context)
  const results = await checkable.checkAndRepair({ verify: true })
  expect(results?.repairSuccessful).toBe(false)
  expect((await verified(grid)).goodShareCount).toBe(9)
})
