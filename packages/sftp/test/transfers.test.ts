import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Transfers, TRANSFERS_MAX } from '../src/transfers.ts'
import type { Transfer } from '../src/transfers.ts'

/** Those that keep something now. */
const keeping = new Set<Transfer>()

class Kept implements Transfer {
  isUsed = false

  async use(): Promise<void> {
    if (this.isUsed) throw new Error('used twice at once')
    this.isUsed = true
    keeping.add(this)
    await Promise.resolve()
    if (keeping.size > TRANSFERS_MAX) throw new Error(`${keeping.size} at one time`)
    this.isUsed = false
  }

  async close(): Promise<void> {
    // Nothing hears an error from here.
    if (this.isUsed) keeping.add({ close: () => Promise.resolve() })
    keeping.delete(this)
    await Promise.resolve()
    throw new Error('told to nobody')
  }
}

it('lets those go that have rested longest', async () => {
  const transfers = new Transfers()
  const files = Array.from({ length: TRANSFERS_MAX + 2 }, () => new Kept())
  const use = async (index: number): Promise<void> => {
    const file = files[index]
    if (file !== undefined) await transfers.use(file, () => file.use())
  }
  for (let index = 0; index < TRANSFERS_MAX; index++) await use(index)
  await use(0)
  await use(TRANSFERS_MAX)
  await use(TRANSFERS_MAX + 1)
  expect([...keeping].map((file) => files.indexOf(file as Kept)).toSorted((a, b) => a - b)).toEqual(
    [0, 3, 4, 5, 6, 7, 8, 9],
  )
  for (const file of files) await transfers.end(file)
  expect(keeping.size).toBe(0)
})

it('goes on after work that fails', async () => {
  const transfers = new Transfers()
  const file = new Kept()
  const fail = (): Promise<never> => Promise.reject(new Error('no more'))
  for (let count = 0; count <= TRANSFERS_MAX; count++) {
    await expect(transfers.use(file, fail)).rejects.toThrow('no more')
    await expect(transfers.useOnce(fail)).rejects.toThrow('no more')
  }
  await Promise.all(
    Array.from({ length: 2 * TRANSFERS_MAX }, () => transfers.useOnce(() => Promise.resolve())),
  )
  await transfers.end(file)
})

it('has no more than so many at one time, whatever is used and ended in which order', async () => {
  const files = fc.array(fc.array(fc.constantFrom('use', 'once', 'end'), { maxLength: 8 }), {
    maxLength: 30,
  })
  const property = fc.asyncProperty(files, fc.scheduler(), async (plans, scheduler) => {
    const transfers = new Transfers()
    const follow = async (plan: readonly string[]): Promise<void> => {
      const file = new Kept()
      const work = (): Promise<void> => scheduler.schedule(file.use())
      for (const step of plan) {
        if (step === 'use') await transfers.use(file, () => file.use())
        else if (step === 'end') await transfers.end(file)
        else await transfers.useOnce(() => scheduler.schedule(Promise.resolve()))
        await scheduler.schedule(Promise.resolve())
      }
      await transfers.use(file, work)
      await transfers.end(file)
    }
    await scheduler.waitFor(Promise.all(plans.map(follow)))
    expect(keeping.size).toBe(0)
  })
  await fc.assert(property, { seed: 11, numRuns: 200 })
})
