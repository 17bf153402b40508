import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inOrder } from '../../src/deep/in-order.ts'
import { hang, settle } from './tree.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number++) yield number
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = []
  for await (const item of items) gathered.push(item)
  return gathered
}

/** Work that is done when the test says so. */
function handwork() {
  const begun: number[] = []
  const finish = new Map<number, () => void>()
  const work = (item: number): Promise<number> => {
    begun.push(item)
    return new Promise((resolve) => {
      finish.set(item, () => resolve(item * 10))
    })
  }
  return { begun, finish, work }
}

describe('working on many items at one time', () => {
  it('gives the outcomes in the order of the items, whatever is done first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(5), { maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        async (turns, atOnce) => {
          let running = 0
          let most = 0
          const work = async (item: number): Promise<number> => {
            most = Math.max(most, ++running)
            for (let turn = 0; turn < (turns[item] ?? 0); turn++) await Promise.resolve()
            running--
            return item
          }
          const outcomes = await all(inOrder(() => numbers(turns.length), work, { atOnce }))
          expect(outcomes).toEqual(turns.map((_, index) => index))
          expect(most).toBeLessThanOrEqual(atOnce)
        },
      ),
      { seed: 3, numRuns: 100 },
    )
  })

  it('begins nothing before somebody asks, and no more than so many at once', async () => {
    const { begun, finish, work } = handwork()
    const outcomes = inOrder(() => numbers(100), work, { atOnce: 3 })
    await settle()
    expect(begun).toEqual([])
    const first = outcomes.next()
    await settle()
    expect(begun).toEqual([0, 1, 2])
    // One that is slow does not keep others from being worked on.
    finish.get(2)?.()
    finish.get(1)?.()
    await settle()
    expect(begun).toEqual([0, 1, 2, 3, 4])
    finish.get(0)?.()
    expect(await first).toEqual({ done: false, value: 0 })
    await outcomes.return(undefined)
    const soFar = begun.length
    for (const end of finish.values()) end()
    await settle()
    expect(begun.length).toBe(soFar)
  })

  it('is held by a reader that is slow, and by an item that is', async () => {
    const begun: number[] = []
    const work = async (item: number, signal: AbortSignal): Promise<number> => {
      begun.push(item)
      if (item === 5) await hang(signal)
      return item
    }
    const outcomes = inOrder(() => numbers(1000), work, { atOnce: 4 })
    await outcomes.next()
    await settle()
    // One has been read, and four for each that is worked on wait.
    expect(begun.length).toBe(1 + 16)
    for (let item = 1; item < 5; item++) await outcomes.next()
    const stuck = outcomes.next()
    await settle()
    expect(begun.length).toBe(5 + 16)
    void outcomes.return(undefined)
    stuck.catch(() => {})
  })

  it('throws what goes wrong in its turn', async () => {
    const work = async (item: number): Promise<number> => {
      if (item === 2) throw new RangeError('two')
      return item
    }
    const outcomes = inOrder(() => numbers(5), work, { atOnce: 5 })
    expect((await outcomes.next()).value).toBe(0)
    expect((await outcomes.next()).value).toBe(1)
    await expect(outcomes.next()).rejects.toThrow('two')
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })

    async function* breaking(): AsyncGenerator<number> {
      yield 1
      throw new RangeError('no more')
    }
    const broken = inOrder(breaking, async (item) => item, { atOnce: 5 })
    expect((await broken.next()).value).toBe(1)
    await expect(broken.next()).rejects.toThrow('no more')
  })

  it('ends the work and the source when nobody reads any more', async () => {
    const signals: AbortSignal[] = []
    let sourceEnded = false
    async function* source(signal: AbortSignal): AsyncGenerator<number> {
      try {
        yield* numbers(3)
        await hang(signal)
      } finally {
        sourceEnded = true
      }
    }
    const work = async (item: number, signal: AbortSignal): Promise<number> => {
      signals.push(signal)
      if (item > 0) await hang(signal)
      return item
    }
    for await (const outcome of inOrder(source, work, { atOnce: 5 })) {
      expect(outcome).toBe(0)
      await settle()
      break
    }
    await settle()
    expect(signals.slice(1).map(({ aborted }) => aborted)).toEqual([true, true])
    expect(sourceEnded).toBe(true)
  })

  it('ends at once with the reason of the signal, whatever hangs', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const forever = (): Promise<number> => new Promise(() => {})
    const outcomes = all(inOrder(() => numbers(3), forever, { atOnce: 2, signal }))
    await settle()
    controller.abort(new RangeError('enough'))
    await expect(outcomes).rejects.toThrow('enough')
    const late = inOrder(() => numbers(3), forever, { atOnce: 2, signal })
    await expect(late.next()).rejects.toThrow('enough')
  })
})
