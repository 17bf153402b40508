import { describe, expect, it } from 'vitest'
import { MemoryTurns } from '../../src/immutable/memory-turns.ts'

/** Begins works of these sizes; each goes on until it is ended. */
function begin(turns: MemoryTurns, sizes: readonly number[]) {
  const under: number[] = []
  const ends: (() => void)[] = []
  const works = sizes.map((size, index) =>
    turns.run(size, async () => {
      under.push(index)
      await new Promise<void>((resolve) => {
        ends[index] = resolve
      })
      under.splice(under.indexOf(index), 1)
      if (index === 1) throw new Error('went wrong')
      return index
    }),
  )
  const settled = async (): Promise<number[]> => {
    await new Promise((resolve) => setTimeout(resolve, 0))
    return under
  }
  return { outcomes: Promise.allSettled(works), settled, end: (index: number) => ends[index]?.() }
}

describe('works that hold memory', () => {
  it('begin as long as there is room, and when others end', async () => {
    const { outcomes, settled, end } = begin(new MemoryTurns(10), [4, 4, 4, 2, 10])
    expect(await settled()).toEqual([0, 1, 3])
    end(0)
    expect(await settled()).toEqual([1, 3, 2])
    end(1)
    expect(await settled()).toEqual([3, 2])
    end(2)
    end(3)
    expect(await settled()).toEqual([4])
    end(4)
    expect((await outcomes).map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      false,
      true,
      true,
      true,
    ])
  })

  it('are done alone where they are too large', async () => {
    const { outcomes, settled, end } = begin(new MemoryTurns(10), [11, 1, 11])
    expect(await settled()).toEqual([0])
    end(0)
    expect(await settled()).toEqual([1])
    end(1)
    expect(await settled()).toEqual([2])
    end(2)
    await outcomes
  })
})
