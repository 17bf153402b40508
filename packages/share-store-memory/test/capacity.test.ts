import { isStorageError } from '@lafs/storage-interface'
import type { SlotChange } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../src/index.ts'

const index = new Uint8Array(16)
const secret = new Uint8Array(32)
const lease = { ownerNumber: 1, renewSecret: secret, cancelSecret: secret, expiresAtSeconds: 1 }
const change = (size: number): SlotChange => ({
  writes: [{ offset: 0, data: new Uint8Array(size) }],
  newLength: size,
})

async function isFull(promise: Promise<unknown>): Promise<boolean> {
  try {
    await promise
    return false
  } catch (error) {
    if (isStorageError(error, 'STORAGE_NO_SPACE')) return true
    throw error
  }
}

describe('a memory store of 100 bytes', () => {
  it('counts what it holds', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const available = async (): Promise<number> => (await store.space())?.available ?? -1
    const one = await store.createImmutable(index, 0, 60, lease)
    expect(await available()).toBe(40)
    expect(await isFull(store.createImmutable(index, 1, 41, lease))).toBe(true)
    await one.discard()
    expect(await available()).toBe(100)
    const two = await store.createImmutable(index, 0, 50, lease)
    await two.commit()
    await store.delete(index, 0)
    expect(await available()).toBe(100)
  })

  it('takes all shares of a slot or none', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const write = (...sizes: number[]): Promise<void> =>
      store.writeSlot(index, secret, new Map(sizes.map((size, n) => [n, change(size)])), lease, 0)
    expect(await isFull(write(60, 41))).toBe(true)
    expect((await store.shares(index)).size).toBe(0)
    await write(60, 40)
    await write(10, 40)
    expect((await store.space())?.available).toBe(50)
    await write(0, 0)
    expect((await store.space())?.available).toBe(100)
  })

  it('takes more writes than a call takes arguments', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const writes = Array.from({ length: 200_000 }, () => ({ offset: 9, data: Uint8Array.of(5) }))
    await store.writeSlot(index, secret, new Map([[0, { writes }]]), lease, 0)
    expect((await store.space())?.available).toBe(90)
  })

  it('refuses more memory than there is', async () => {
    const store = createMemoryStore()
    expect(await isFull(store.createImmutable(index, 0, 2 ** 52, lease))).toBe(true)
  })
})
