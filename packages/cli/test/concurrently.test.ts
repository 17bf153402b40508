import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { allEnded, concurrencyLimit } from '../src/cp/concurrently.ts'
import { copyProgress } from '../src/cp/copy-progress.ts'

describe('concurrencyLimit', () => {
  it('keeps to the limit, and to the order', async () => {
    const limit = concurrencyLimit(2)
    const begun: number[] = []
    let running = 0
    let most = 0
    const outcomes = [5, 1, 4, 2, 3].map((turns) =>
      limit(async () => {
        begun.push(turns)
        running += 1
        most = Math.max(most, running)
        for (let turn = 0; turn < turns; turn++) await nextTurn()
        running -= 1
        return turns * 10
      }),
    )
    expect(await allEnded(outcomes)).toEqual([50, 10, 40, 20, 30])
    expect(begun).toEqual([5, 1, 4, 2, 3])
    expect(most).toBe(2)
  })

  it('begins nothing more after a failure, and lets what is under way end', async () => {
    const limit = concurrencyLimit(2)
    const ended: number[] = []
    const outcomes = [0, 1, 2, 3, 4].map((item) =>
      limit(async () => {
        await nextTurn()
        if (item === 1) throw new Error('one')
        await nextTurn()
        ended.push(item)
      }),
    )
    await expect(allEnded(outcomes)).rejects.toThrow('one')
    expect(ended).toEqual([0])
    await expect(limit(() => Promise.resolve(1))).rejects.toThrow('one')
  })

  it('has room again after the work is done', async () => {
    const limit = concurrencyLimit(1)
    for (const item of [1, 2, 3]) expect(await limit(() => Promise.resolve(item))).toBe(item)
  })
})

describe('copyProgress', () => {
  it('shows one file at a time, and counts all', () => {
    const shown: number[] = []
    const told: string[] = []
    const progress = copyProgress(
      (message) => told.push(message),
      ({ done }) => shown.push(done),
      { files: 2, directories: 1 },
    )
    const [first, second] = [progress.file(), progress.file()]
    first.update({ phase: 'pushing', done: 1, total: 2 })
    second.update({ phase: 'pushing', done: 10, total: 20 })
    first.done()
    second.update({ phase: 'pushing', done: 20, total: 20 })
    second.done()
    progress.directoryDone()
    expect(shown).toEqual([1, 20])
    expect(told).toEqual([
      '1/2 files, 0/1 directories',
      '2/2 files, 0/1 directories',
      '1/1 directories',
    ])
  })
})
