import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { same } from '@lafs/testing'
import { bundleWorker, runAndKill } from '@lafs/testing/killed'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDiskStore } from '../src/index.ts'
import { crashIndex, crashLease, immutableData, mutableData, patchedVersion } from './crash-data.ts'

const kills = 25
const seed = 20261122

let work: string
let worker: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'lafs-crash-'))
  worker = await bundleWorker(join(import.meta.dirname, 'crash-worker.ts'), join(work, 'bundle'))
}, 60_000)
afterAll(async () => {
  await rm(work, { recursive: true, force: true })
})

type Store = Awaited<ReturnType<typeof createDiskStore>>

async function readShare(store: Store, storageIndex: Uint8Array, n: number): Promise<Uint8Array> {
  const share = await store.open(storageIndex, n)
  const data = await share.read(0, share.length)
  await share.close()
  return data
}

/** Whether what a line says has settled is there. */
async function isKept(store: Store, line: string): Promise<boolean> {
  const [what, file, share] = line.split(' ')
  const index = crashIndex('i', Number(file))
  if (what === 'i') {
    const data = await readShare(store, index, Number(share))
    return same(data, immutableData(Number(file), Number(share)))
  }
  return what === 'm' || what === 'p' || (await store.leases(index, 0)).length === 6
}

/** The version of a mutable share, which must be whole; -1 when it is not there. */
async function versionOf(store: Store, file: number, n: number): Promise<number> {
  const index = crashIndex('m', file)
  if (!(await store.shares(index)).has(n)) return -1
  const data = await readShare(store, index, n)
  const version = new DataView(data.buffer, data.byteOffset).getUint32(0)
  expect(same(data, mutableData(version))).toBe(true)
  expect((await store.leases(index, n)).length).toBeGreaterThan(0)
  return version
}

describe(`killed ${kills} times (seed ${seed})`, () => {
  it('leaves every share absent or whole, and keeps what has settled', async () => {
    const folder = join(work, 'store')
    let random = seed
    let version = 0
    let settled = 0
    for (let round = 0; round < kills; round += 1) {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0
      const lines = await runAndKill(worker, [folder, String(version)], {
        delayMs: (random >>> 24) % 40,
      })
      const store = await createDiskStore({ folder })
      expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
      settled += lines.length

      for (const line of lines) expect([line, await isKept(store, line)]).toEqual([line, true])
      for (let file = version; file < version + 400; file += 2) {
        const index = crashIndex('i', file)
        for (const n of (await store.shares(index)).keys()) {
          expect(same(await readShare(store, index, n), immutableData(file, n))).toBe(true)
          const before = (await store.leases(index, n)).length
          await store.addLease(index, n, crashLease('z'), Infinity)
          expect((await store.leases(index, n)).length).toBe(before + 1)
          expect(same(await readShare(store, index, n), immutableData(file, n))).toBe(true)
        }
      }
      let newest = version
      for (const file of [0, 1]) {
        const acknowledged = lines.filter((line) => line.startsWith(`m ${file} `))
        const last = Number(acknowledged.at(-1)?.split(' ')[2] ?? -1)
        for (const n of [0, 1]) {
          const found = await versionOf(store, file, n)
          expect(found).toBeGreaterThanOrEqual(last)
          newest = Math.max(newest, found)
        }
      }
      const patchedLines = lines.filter((line) => line.startsWith('p 2 '))
      const patched = crashIndex('m', 2)
      if (patchedLines.length > 0 || (await store.shares(patched)).size > 0) {
        const found = patchedVersion(await readShare(store, patched, 0))
        expect(found).toBeGreaterThanOrEqual(Number(patchedLines.at(-1)?.split(' ')[2] ?? 0))
        expect(await readdir(join(folder, 'journal'))).toEqual([])
      }
      version = newest + 1000
      await store.close()
    }
    expect(settled).toBeGreaterThan(kills)
  }, 120_000)
})
