import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import type { IShareStore } from '@lafs/storage-interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDiskStore } from '../src/index.ts'
import { Journal } from '../src/journal.ts'
import { PlannedChange } from '../src/planned-change.ts'
import { BytesInMemory } from '../src/share-bytes.ts'
import {
  crashIndex,
  crashLease,
  enabler,
  patchedVersion,
  patches,
  PATCHED_SIZE,
} from './crash-data.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const change = (position: number, before: string, after: string) => ({
  position,
  before: bytes(before),
  after: bytes(after),
})

let folder: string
beforeEach(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'lafs-journal-'))
})
afterEach(async () => {
  await fs.rm(folder, { recursive: true, force: true })
})

/** A journal and a file that it may change. */
async function journalWithFile(content: string): Promise<Journal> {
  await fs.writeFile(join(folder, 'file'), content)
  const journal = new Journal(join(folder, 'journal'), folder)
  await journal.recover()
  return journal
}
const content = (): Promise<string> => fs.readFile(join(folder, 'file'), 'utf8')
const entries = (): Promise<string[]> => fs.readdir(join(folder, 'journal'))

describe('a change that is planned', () => {
  it('holds no more than it may', async () => {
    const plan = new PlannedChange(new BytesInMemory(bytes('aabbcccc')), 4)
    await plan.write(1, [bytes('A'), bytes('BBB')])
    expect([plan.written, plan.isTooLarge]).toEqual([4, false])
    expect(await plan.readUpTo(0, 99)).toEqual(bytes('aABBBccc'))
    await expect(plan.write(0, [bytes('x')])).rejects.toThrow(RangeError)
    expect(plan.isTooLarge).toBe(true)
  })
})

describe('the journal', () => {
  const changes = [change(0, 'aa', 'AA'), change(4, 'cccc', 'CCCC')]

  it('changes a file in place and forgets it', async () => {
    const journal = await journalWithFile('aabbcccc')
    const entry = await journal.begin('file', changes)
    expect(await content()).toBe('aabbcccc')
    expect(await entries()).toHaveLength(1)
    await entry.commit()
    await entry.discard()
    expect([await content(), await entries()]).toEqual(['AAbbCCCC', []])
  })

  it('forgets a change that is given up', async () => {
    const journal = await journalWithFile('aabbcccc')
    await (await journal.begin('file', changes)).discard()
    expect([await content(), await entries()]).toEqual(['aabbcccc', []])
  })

  it.each([
    ['not begun', 'aabbcccc', 'aabbcccc'],
    ['begun', 'AAbbcccc', 'AAbbCCCC'],
    ['begun at its end', 'aabbCCCC', 'AAbbCCCC'],
    ['torn within a span', 'AabbCcCc', 'AAbbCCCC'],
    ['done', 'AAbbCCCC', 'AAbbCCCC'],
    ['changed by somebody else since', 'AAbbcxcc', 'AAbbcxcc'],
    ['cut by somebody else since', 'AAbbcc', 'AAbbcc'],
  ])('a change that was %s is made whole by the next start, or let be', async (_, found, after) => {
    const journal = await journalWithFile('aabbcccc')
    await journal.begin('file', changes)
    await fs.writeFile(join(folder, 'file'), found)
    await new Journal(join(folder, 'journal'), folder).recover()
    expect([await content(), await entries()]).toEqual([after, []])
  })

  it('an entry that was cut, or is of another kind, changes nothing', async () => {
    const journal = await journalWithFile('aabbcccc')
    await journal.begin('file', changes)
    const [name = ''] = await entries()
    const path = join(folder, 'journal', name)
    const whole = await fs.readFile(path)
    await fs.writeFile(join(folder, 'file'), 'AAbbcccc')
    for (const damaged of [
      whole.subarray(0, -1),
      whole.subarray(0, 20),
      new Uint8Array(),
      whole.map((byte, index) => (index === 60 ? byte ^ 1 : byte)),
    ]) {
      await fs.writeFile(path, damaged)
      await new Journal(join(folder, 'journal'), folder).recover()
      expect([await content(), await entries()]).toEqual(['AAbbcccc', []])
    }
  })

  it('finishes what it can read, and stays out of the way of the rest', async () => {
    const journal = await journalWithFile('aabbcccc')
    await fs.mkdir(join(folder, 'journal', '7'))
    await journal.begin('file', changes)
    await fs.writeFile(join(folder, 'file'), 'AAbbcccc')
    const next = new Journal(join(folder, 'journal'), folder)
    await next.recover()
    expect([await content(), await entries()]).toEqual(['AAbbCCCC', ['7']])
    await next.begin('file', changes)
    expect(await entries()).toEqual(['7', '8'])
  })

  it('lets a file go that is not there any more', async () => {
    const journal = await journalWithFile('aabbcccc')
    await journal.begin('file', changes)
    await fs.rm(join(folder, 'file'))
    await new Journal(join(folder, 'journal'), folder).recover()
    expect(await entries()).toEqual([])
  })
})

it('a small mutable share takes more writes than a call takes arguments', async () => {
  const store = await createDiskStore({ folder })
  const index = crashIndex('m', 2)
  const writes = Array.from({ length: 200_000 }, (_, i) => ({
    offset: i % 1000,
    data: Uint8Array.of(5),
  }))
  const changes = new Map([[0, { writes }]])
  await store.writeSlot(index, enabler, changes, crashLease('a'), Infinity)
  const share = await store.open(index, 0)
  expect(await share.read(0, 2000)).toEqual(new Uint8Array(1000).fill(5))
  await store.close()
})

describe('a large mutable share of which little changes', () => {
  const index = crashIndex('m', 2)
  const write = (store: IShareStore, offset: number, data: Uint8Array): Promise<void> =>
    store.writeSlot(
      index,
      enabler,
      new Map([[0, { writes: [{ offset, data }] }]]),
      crashLease('a'),
      Infinity,
    )
  const span = async (store: IShareStore, offset: number, size: number): Promise<Uint8Array> => {
    const share = await store.open(index, 0)
    const found = await share.read(offset, size)
    await share.close()
    return found
  }
  const file = async (): Promise<{ ino: number; size: number }> => {
    const found = await fs.readdir(join(folder, 'shares'), { recursive: true })
    const name = found.find((each) => each.endsWith('/0') || each.endsWith('\\0')) ?? ''
    const { ino, size } = await fs.stat(join(folder, 'shares', name))
    return { ino, size }
  }

  it('is copied for many writes, each of which would be looked at for each other', async () => {
    const store = await createDiskStore({ folder })
    await write(store, 0, new Uint8Array(PATCHED_SIZE))
    const first = await file()
    const writes = Array.from({ length: 1001 }, (_, i) => ({ offset: i, data: Uint8Array.of(5) }))
    const changes = new Map([[0, { writes }]])
    await store.writeSlot(index, enabler, changes, crashLease('a'), Infinity)
    expect((await file()).ino).not.toBe(first.ino)
    expect(await span(store, 0, 1002)).toEqual(new Uint8Array(1002).fill(5, 0, 1001))
    await store.close()
  })

  it('is copied where the journal has enough of other shares of the write', async () => {
    const store = await createDiskStore({ folder })
    const all = (data: Uint8Array): Promise<void> => {
      const writes = [{ offset: 0, data }]
      const changes = new Map([0, 1, 2, 3, 4, 5].map((n) => [n, { writes }]))
      return store.writeSlot(index, enabler, changes, crashLease('a'), Infinity)
    }
    const inodes = async (): Promise<number[]> => {
      const name = toBase32(index)
      const at = join(folder, 'shares', name.slice(0, 2), name)
      const found = [0, 1, 2, 3, 4, 5].map((n) => fs.stat(join(at, String(n))))
      return (await Promise.all(found)).map(({ ino }) => ino)
    }
    await all(new Uint8Array(6_500_000))
    const first = await inodes()
    await all(new Uint8Array(1_500_000).fill(5))
    const second = await inodes()
    expect(second.map((ino, n) => ino === first[n])).toEqual([true, true, true, true, true, false])
    for (const n of [0, 5]) {
      const share = await store.open(index, n)
      expect(await share.read(1_499_998, 4)).toEqual(Uint8Array.of(5, 5, 0, 0))
      await share.close()
    }
    await store.close()
  })

  it('stays the same file, grows in place, and is copied for a reader or a great change', async () => {
    const store = await createDiskStore({ folder })
    await write(store, 0, new Uint8Array(PATCHED_SIZE))
    const first = await file()
    for (const { offset, data } of patches(7)) await write(store, offset, data)
    expect(await file()).toEqual(first)
    const share = await store.open(index, 0)
    expect(patchedVersion(await share.read(0, share.length))).toBe(7)

    await write(store, 0, new Uint8Array(1000))
    expect(patchedVersion(await share.read(0, share.length))).toBe(7)
    await share.close()
    const second = await file()
    expect(second.ino).not.toBe(first.ino)

    await write(store, PATCHED_SIZE, new Uint8Array(500).fill(1))
    const third = await file()
    expect(third).toEqual({ ino: second.ino, size: second.size + 500 })
    expect((await store.leases(index, 0)).length).toBe(1)

    await write(store, 0, new Uint8Array(PATCHED_SIZE / 2))
    const fourth = await file()
    expect(fourth.ino).not.toBe(third.ino)
    expect(await span(store, PATCHED_SIZE, 500)).toEqual(new Uint8Array(500).fill(1))

    await store.addLease(index, 0, crashLease('z'), Infinity)
    for (const who of ['c', 'd', 'e']) await store.addLease(index, 0, crashLease(who), Infinity)
    await write(store, 0, new Uint8Array(PATCHED_SIZE + 501).fill(3))
    expect((await file()).ino).not.toBe(fourth.ino)
    expect((await store.leases(index, 0)).length).toBe(5)
    expect(await span(store, PATCHED_SIZE - 1, 999)).toEqual(new Uint8Array(502).fill(3))
    await store.close()
  })
})
