import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDiskStore } from '@lafs/share-store-disk'
import type { IShareStore } from '@lafs/storage-interface'
import { same } from '@lafs/testing'
import { bundleWorker, runAndKill } from '@lafs/testing/killed'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLeaseChecker } from '../src/care/lease-checker.ts'
import { crawlerStates, judgeShares } from '../src/index.ts'
import { AHEAD_MS, killData, killIndex, killPolicy, versionData } from './kill-data.ts'
import { runCycles, Stepper } from './stepper.ts'

const kills = 12
const seed = 20261123
/** The moment counts from the first line, or from the first of a word: each is seen at least once. */
const words = ['', 'c', '', 'e', '', 'r', '', 'm']

let work: string
let worker: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'lafs-kill-'))
  worker = await bundleWorker(join(import.meta.dirname, 'kill-worker.ts'), join(work, 'bundle'))
}, 60_000)
afterAll(async () => {
  await rm(work, { recursive: true, force: true })
})

async function readShare(
  store: IShareStore,
  storageIndex: Uint8Array,
  n: number,
): Promise<Uint8Array> {
  const share = await store.open(storageIndex, n)
  try {
    return await share.read(0, share.length)
  } finally {
    await share.close()
  }
}

/** What lines of one word say of files, each with the rest of its last line. */
const saidOf = (lines: readonly string[], word: string): Map<number, number> =>
  new Map(
    lines
      .map((line) => line.split(' '))
      .filter(([first]) => first === word)
      .map(([, file, rest]) => [Number(file), Number(rest)]),
  )

/** Everything that was acknowledged is there, and whatever is there is whole. */
async function verify(store: IShareStore, lines: readonly string[], start: number): Promise<void> {
  const cancelled = saidOf(lines, 'c')
  for (const file of saidOf(lines, 'k').keys()) {
    const shares = [...(await store.shares(killIndex('k', file))).keys()]
    expect([file, shares.includes(0), file % 4 === 0 || shares.includes(1)]).toEqual([
      file,
      true,
      true,
    ])
    if (cancelled.has(file)) expect([file, shares]).toEqual([file, [0]])
  }
  for (const file of saidOf(lines, 'r').keys())
    expect([file, (await store.leases(killIndex('r', file), 0)).length > 0]).toEqual([file, true])
  for (let file = start; file < start + 150; file += 1)
    for (const kind of ['k', 'o', 'r'])
      for (const [n, found] of await store.shares(killIndex(kind, file))) {
        const data = await readShare(store, killIndex(kind, file), n)
        expect([kind, file, found, same(data, killData(file))]).toEqual([
          kind,
          file,
          'immutable',
          true,
        ])
      }
  for (const [file, version] of saidOf(lines, 'm'))
    for (const n of [0, 1]) {
      const data = await readShare(store, killIndex('m', file), n)
      const found = new DataView(data.buffer, data.byteOffset).getUint32(0)
      expect(found).toBeGreaterThanOrEqual(version)
      expect(same(data, versionData(found))).toBe(true)
    }
}

describe(`a storage server killed ${kills} times (seed ${seed})`, () => {
  it('loses nothing acknowledged, and serves nothing half-written', async () => {
    const folder = join(work, 'storage')
    let random = seed
    const all: string[] = []
    for (let round = 0; round < kills; round += 1) {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
      const start = round * 1000
      const lines = await runAndKill(worker, [folder, String(start)], {
        word: words[round % words.length],
        delayMs: random >>> 24,
      })
      const store = await createDiskStore({ folder })
      expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
      expect(await readdir(join(folder, 'journal'))).toEqual([])
      await verify(store, lines, start)
      for await (const { verdict, storageIndex } of judgeShares(store, killPolicy))
        expect([storageIndex, verdict]).not.toEqual([storageIndex, 'damaged'])
      await store.close()
      all.push(...lines)
    }
    for (const word of ['k', 'o', 'r', 'c', 'm', 'e'])
      expect([word, saidOf(all, word).size > 0]).toEqual([word, true])

    // What the last process left is continued: the next cycle takes all that is old, and no more.
    const store = await createDiskStore({ folder })
    const stepper = new Stepper((Date.now() + AHEAD_MS) / 1000)
    expect((await crawlerStates(store)).leaseHistory).toBeDefined()
    const checker = await openLeaseChecker(stepper.context(store), killPolicy)
    await runCycles(stepper, checker, 2)
    for (const file of saidOf(all, 'o').keys())
      if (file % 2 === 1)
        expect([file, await store.shareNumbers(killIndex('o', file))]).toEqual([file, []])
    for (const [kind, word] of ['kk', 'rr', 'mm'])
      for (const file of saidOf(all, word ?? '').keys())
        expect([kind, file, (await store.shareNumbers(killIndex(kind ?? '', file)))[0]]).toEqual([
          kind,
          file,
          0,
        ])
    await store.close()
  }, 120_000)
})
