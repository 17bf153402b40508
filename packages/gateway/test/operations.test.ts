import { monitored } from '@lafs/dirnode'
import type { DeepStatsResults, IMonitor } from '@lafs/filesystem-interface'
import { virtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { createOperationHandles } from '../src/operations.ts'
import type { OperationHandles, OperationMonitor } from '../src/operations.ts'

// Goal: handles live as long as upstream's, and never without bound. Time is virtual.

const DAY_MS = 24 * 60 * 60 * 1000

/** An operation that goes on until the test ends it. */
function operation(): OperationMonitor & {
  end(): Promise<void>
  break(error: Error): Promise<void>
} {
  let resolve: (status: DeepStatsResults) => void = () => {}
  let reject: (reason: Error) => void = () => {}
  const outcome = new Promise<DeepStatsResults>((...settle) => {
    ;[resolve, reject] = settle
  })
  const monitor: IMonitor<DeepStatsResults> = monitored(undefined, async ({ signal }) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    return outcome
  })
  return {
    kind: 'deep-stats',
    monitor,
    end: async () => {
      resolve({ failures: [] } as unknown as DeepStatsResults)
      await monitor.whenDone()
    },
    break: async (error) => {
      reject(error)
      await monitor.whenDone().catch(() => {})
    },
  }
}

describe('a handle', () => {
  it('is kept for as long as its operation takes', async () => {
    const { clock, handles } = table()
    handles.add('h', operation())
    await clock.elapse(100 * DAY_MS)
    expect(handles.get('h')).toMatchObject({ kind: 'deep-stats', handle: 'h', startedMs: 0 })
  })

  it('is kept for four days after the end of its operation', async () => {
    const { clock, handles } = table()
    const started = operation()
    handles.add('h', started)
    await clock.elapse(1000)
    await started.end()
    await clock.elapse(4 * DAY_MS - 1)
    expect(handles.get('h')).toBeDefined()
    await clock.elapse(1)
    expect(handles.get('h')).toBeUndefined()
  })

  it('is kept for as long again as the operation took, where that was longer', async () => {
    const { clock, handles } = table()
    const started = operation()
    handles.add('h', started)
    await clock.elapse(10 * DAY_MS)
    await started.end()
    await clock.elapse(10 * DAY_MS - 1)
    expect(handles.get('h')).toBeDefined()
    await clock.elapse(1)
    expect(handles.get('h')).toBeUndefined()
  })

  it('is kept for one day once somebody has the outcome', async () => {
    const { clock, handles } = table()
    const started = operation()
    handles.add('h', started)
    await started.end()
    await clock.elapse(3 * DAY_MS)
    handles.collected('h')
    await clock.elapse(DAY_MS - 1)
    expect(handles.get('h')).toBeDefined()
    await clock.elapse(1)
    expect(handles.get('h')).toBeUndefined()
  })

  it('is kept as long as its user has said, counted from the start', async () => {
    const { clock, handles } = table()
    const started = operation()
    handles.add('h', started, 60)
    await started.end()
    await clock.elapse(59_999)
    expect(handles.get('h')).toBeDefined()
    await clock.elapse(1)
    expect(handles.get('h')).toBeUndefined()
  })

  it('is kept as long as its user says later, even years', async () => {
    const { clock, handles } = table()
    handles.add('h', operation(), 1)
    handles.retain('h', 1000 * 24 * 60 * 60)
    await clock.elapse(1000 * DAY_MS - 1)
    expect(handles.get('h')).toBeDefined()
    await clock.elapse(1)
    expect(handles.get('h')).toBeUndefined()
  })

  it('is waited for in steps that a timer can take', () => {
    const delays: number[] = []
    const handles = createOperationHandles({
      nowMs: () => 0,
      after: (delayMs) => {
        delays.push(delayMs)
        return () => {}
      },
    })
    handles.add('h', operation(), 365 * 24 * 60 * 60)
    expect(delays.length).toBeGreaterThan(0)
    // From here on timers of Node end at once.
    expect(Math.max(...delays)).toBeLessThan(2 ** 31)
  })

  it('leaves nothing to wait for when it is gone', async () => {
    let timers = 0
    const clock = virtualClock()
    const handles = createOperationHandles({
      nowMs: () => clock.nowMs(),
      after: (delayMs, callback) => {
        timers++
        const stop = clock.after(delayMs, callback)
        return () => {
          timers--
          stop()
        }
      },
    })
    handles.add('h', operation(), 3600)
    handles.add('i', operation(), 7200)
    handles.retain('i', 10)
    expect(timers).toBe(1)
    handles.release('h')
    handles.release('i')
    expect(timers).toBe(0)
  })

  it('can be given again; the operation before it goes on', async () => {
    const { handles } = table()
    const [first, second] = [operation(), operation()]
    handles.add('h', first)
    handles.add('h', second)
    expect(handles.get('h')?.monitor).toBe(second.monitor)
    expect(first.monitor.cancelled).toBe(false)
    await first.end()
    expect(handles.get('h')?.monitor.finished).toBe(false)
  })

  it('is forgotten when it is released', () => {
    const { handles } = table()
    handles.add('h', operation())
    handles.release('h')
    expect(handles.get('h')).toBeUndefined()
    handles.retain('h', 5)
    handles.collected('h')
    expect(handles.get('h')).toBeUndefined()
  })
})

it('tells what went wrong', async () => {
  const { handles } = table()
  const started = operation()
  handles.add('h', started)
  expect(handles.get('h')?.failure).toBeUndefined()
  const error = new Error('no such luck')
  await started.break(error)
  expect(handles.get('h')?.failure).toEqual({ error })
})

describe('too many operations', () => {
  it('drop the oldest outcome', async () => {
    const { handles } = table()
    const finished = operation()
    handles.add('running', operation())
    handles.add('oldest', finished)
    await finished.end()
    for (let index = 0; index < 998; index++) handles.add(`h${index}`, finished)
    expect(handles.get('oldest')).toBeDefined()
    handles.add('one more', operation())
    expect(handles.get('oldest')).toBeUndefined()
    expect(handles.get('running')).toBeDefined()
    expect(handles.get('h0')).toBeDefined()
  })

  it('are refused where all of them are under way', () => {
    const { handles } = table()
    for (let index = 0; index < 1000; index++) handles.add(`h${index}`, operation())
    const refused = operation()
    expect(() => handles.add('one more', refused)).toThrow(
      'too many operations are under way: 1000',
    )
    expect(refused.monitor.cancelled).toBe(true)
  })

  it('count even where their handles are given again', () => {
    const { handles } = table()
    for (let index = 0; index < 1000; index++) handles.add('h', operation())
    expect(() => handles.add('h', operation())).toThrow('too many operations')
  })
})

it('cancels what is under way when it is closed', async () => {
  const { handles } = table()
  const [known, forgotten, finished] = [operation(), operation(), operation()]
  handles.add('a', known)
  handles.add('b', forgotten)
  handles.release('b')
  handles.add('c', finished)
  await finished.end()
  handles.close()
  expect([known, forgotten, finished].map(({ monitor }) => monitor.cancelled)).toEqual([
    true,
    true,
    false,
  ])
})

function table(): { clock: ReturnType<typeof virtualClock>; handles: OperationHandles } {
  const clock = virtualClock()
  return { clock, handles: createOperationHandles(clock) }
}
