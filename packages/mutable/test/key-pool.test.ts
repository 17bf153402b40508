import type { RsaSigningKey } from '@lafs/crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKeyPool } from '../src/key-pool.ts'

/** A key that is only itself: the number of its making. */
interface NumberedKey extends RsaSigningKey {
  readonly number: number
}

/** Makes keys when told to, and counts how many are being made. */
function createForge(): {
  generateRsaKey(): Promise<NumberedKey>
  finish(): Promise<void>
  fail(error: Error): Promise<void>
  readonly begun: number
  readonly busy: number
} {
  const making: { resolve(key: NumberedKey): void; reject(error: Error): void }[] = []
  let begun = 0
  const settled = async (): Promise<void> => {
    await vi.advanceTimersByTimeAsync(0)
  }
  return {
    generateRsaKey: () => {
      begun += 1
      return new Promise<NumberedKey>((resolve, reject) => making.push({ resolve, reject }))
    },
    finish: () => {
      const number = begun - making.length
      const verifyingKey = { der: new Uint8Array(), verify: async () => false }
      const sign = async (): Promise<Uint8Array> => new Uint8Array()
      making.shift()?.resolve({ number, der: new Uint8Array(), verifyingKey, sign })
      return settled()
    },
    fail: (error) => {
      making.shift()?.reject(error)
      return settled()
    },
    get begun() {
      return begun
    },
    get busy() {
      return making.length
    },
  }
}

describe('a key pool', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('makes nothing before a key is asked for', async () => {
    const forge = createForge()
    createKeyPool({ crypto: forge, size: 2 })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(forge.begun).toBe(0)
  })

  it('makes keys ahead, one at a time, once one has been taken', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge, size: 2 })
    const first = pool.take()
    expect(forge.busy).toBe(1)
    await forge.finish()
    expect(await first).toMatchObject({ number: 0 })
    expect(forge.busy).toBe(0)
    await vi.advanceTimersByTimeAsync(1000)
    expect(forge.busy).toBe(1)
    await forge.finish()
    expect(forge.busy).toBe(1)
    await forge.finish()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(forge.begun).toBe(3)
    expect(await pool.take()).toMatchObject({ number: 1 })
    expect(await pool.take()).toMatchObject({ number: 2 })
  })

  it('makes keys ahead when told to', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge, size: 1 })
    pool.prepare()
    await vi.advanceTimersByTimeAsync(0)
    await forge.finish()
    expect(forge.begun).toBe(1)
    expect(await pool.take()).toMatchObject({ number: 0 })
  })

  it('gives each of many takers a key of its own, in their order, two made at once', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge, size: 0 })
    const taken = Array.from({ length: 5 }, () => pool.take())
    for (let number = 0; number < 5; number++) {
      expect(forge.busy).toBe(Math.min(2, 5 - number))
      await forge.finish()
    }
    expect(await Promise.all(taken)).toMatchObject(
      Array.from({ length: 5 }, (_, number) => ({ number })),
    )
    await vi.advanceTimersByTimeAsync(10_000)
    expect(forge.begun).toBe(5)
  })

  it('keeps the key that somebody stopped waiting for', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge, size: 1 })
    const stop = new AbortController()
    const taken = pool.take(stop.signal)
    stop.abort(new Error('enough'))
    await expect(taken).rejects.toThrow('enough')
    await forge.finish()
    expect(await pool.take()).toMatchObject({ number: 0 })
    await expect(pool.take(stop.signal)).rejects.toThrow('enough')
  })

  it('tells those who wait why there is no key, and tries again for the next', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge })
    const outcome = Promise.allSettled([pool.take()])
    await forge.fail(new Error('no luck'))
    expect(await outcome).toMatchObject([{ reason: { message: 'no luck' } }])
    const next = pool.take()
    await forge.finish()
    expect(await next).toMatchObject({ number: 1 })
  })

  it('goes on after a failure that nobody waited for', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge })
    pool.prepare()
    await vi.advanceTimersByTimeAsync(0)
    await forge.fail(new Error('no luck'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(forge.begun).toBe(1)
    const next = pool.take()
    await forge.finish()
    expect(await next).toMatchObject({ number: 1 })
  })

  it('gives and makes nothing once it is closed', async () => {
    const forge = createForge()
    const pool = createKeyPool({ crypto: forge })
    const outcome = Promise.allSettled([pool.take()])
    pool.close()
    expect(await outcome).toMatchObject([{ reason: { code: 'OPERATION_CANCELLED' } }])
    await forge.finish()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(forge.begun).toBe(1)
    await expect(pool.take()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
    pool.prepare()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(forge.begun).toBe(1)
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses the size %d', (size) => {
    expect(() => createKeyPool({ crypto: createForge(), size })).toThrow(RangeError)
  })
})
