import { describe, expect, it } from 'vitest'
import { OperationQueue } from '../src/operation-queue.ts'

/** Operations that end when they are told to, and what happened so far. */
function createStage(): {
  readonly log: string[]
  act(name: string): () => Promise<string>
  end(name: string): Promise<void>
  fail(name: string): Promise<void>
} {
  const log: string[] = []
  const acts = new Map<string, { resolve(name: string): void; reject(error: Error): void }>()
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
  return {
    log,
    act: (name) => () => {
      log.push(name)
      return new Promise((resolve, reject) => acts.set(name, { resolve, reject }))
    },
    end: (name) => {
      acts.get(name)?.resolve(name)
      return settled()
    },
    fail: (name) => {
      acts.get(name)?.reject(new Error(name))
      return settled()
    },
  }
}

describe('a queue of operations', () => {
  it('runs looks side by side, and edits alone, in the order of asking', async () => {
    const queue = new OperationQueue()
    const stage = createStage()
    const outcomes = Promise.all([
      queue.look(stage.act('look 1'), {}),
      queue.look(stage.act('look 2'), {}),
      queue.edit(stage.act('edit 1'), {}),
      queue.edit(stage.act('edit 2'), {}),
      queue.look(stage.act('look 3'), {}),
      queue.look(stage.act('look 4'), {}),
    ])
    await stage.end('none')
    expect(stage.log).toEqual(['look 1', 'look 2'])
    await stage.end('look 2')
    expect(stage.log).toHaveLength(2)
    await stage.end('look 1')
    expect(stage.log.slice(2)).toEqual(['edit 1'])
    await stage.end('edit 1')
    expect(stage.log.slice(3)).toEqual(['edit 2'])
    await stage.end('edit 2')
    expect(stage.log.slice(4)).toEqual(['look 3', 'look 4'])
    await stage.end('look 3')
    await stage.end('look 4')
    expect(await outcomes).toEqual(['look 1', 'look 2', 'edit 1', 'edit 2', 'look 3', 'look 4'])
  })

  it('goes on after a failure, and after an operation that throws at once', async () => {
    const queue = new OperationQueue()
    const stage = createStage()
    const outcomes = Promise.allSettled([
      queue.edit(stage.act('edit 1'), {}),
      queue.edit(() => {
        throw new Error('at once')
      }, {}),
      queue.look(stage.act('look 1'), {}),
      queue.edit(stage.act('edit 2'), {}),
    ])
    await stage.end('none')
    await stage.fail('edit 1')
    await stage.fail('look 1')
    await stage.end('edit 2')
    expect((await outcomes).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ])
  })

  it('gives up what waits as soon as its signal fires; the others keep their order', async () => {
    const queue = new OperationQueue()
    const stage = createStage()
    const stop = new AbortController()
    const first = queue.edit(stage.act('edit 1'), {})
    const given = Promise.allSettled([
      queue.edit(stage.act('edit 2'), { signal: stop.signal }),
      queue.look(stage.act('look 1'), { signal: stop.signal }),
    ])
    const last = queue.edit(stage.act('edit 3'), {})
    await stage.end('none')
    const reason = new Error('enough')
    stop.abort(reason)
    expect(await given).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ])
    await stage.end('none')
    expect(stage.log).toEqual(['edit 1'])
    await stage.end('edit 1')
    expect(stage.log).toEqual(['edit 1', 'edit 3'])
    await stage.end('edit 3')
    expect([await first, await last]).toEqual(['edit 1', 'edit 3'])
    await expect(queue.look(stage.act('look 2'), { signal: stop.signal })).rejects.toBe(reason)
    expect(stage.log).toHaveLength(2)
  })
})
