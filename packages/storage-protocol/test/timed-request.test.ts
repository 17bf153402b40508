import { Cancellation, timedRequest } from '../src/waiting/index.ts'
import { virtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'

const late = new Error('late')

/** A request that says nothing, and what its signal says. */
function silence(): { request: (signal: AbortSignal) => Promise<never>; reasons: unknown[] } {
  const reasons: unknown[] = []
  const request = (signal: AbortSignal): Promise<never> => {
    signal.addEventListener('abort', () => reasons.push(signal.reason))
    return new Promise(() => {})
  }
  return { request, reasons }
}

describe('a request with a limit', () => {
  const limitOn = (clock: ReturnType<typeof virtualClock>) =>
    ({ clock, delayMs: 1000, timeout: () => late }) as const

  it('gives what it came to in time, and its signal never fires', async () => {
    const clock = virtualClock()
    const signals: AbortSignal[] = []
    const outcome = timedRequest(new Cancellation(), limitOn(clock), async (signal) => {
      signals.push(signal)
      return 7
    })
    expect(await clock.run(outcome, 2000)).toBe(7)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  })

  it('is ended with the error that its caller gets when it takes too long', async () => {
    const clock = virtualClock()
    const { request, reasons } = silence()
    const outcome = timedRequest(new Cancellation(), limitOn(clock), request)
    await expect(clock.run(outcome, 2000)).rejects.toBe(late)
    expect(clock.nowMs()).toBe(1000)
    expect(reasons).toEqual([late])
  })

  it('ends at once with what it belongs to', async () => {
    const clock = virtualClock()
    const { request, reasons } = silence()
    const cancellation = new Cancellation()
    const outcome = timedRequest(cancellation, limitOn(clock), request)
    const reason = new Error('enough')
    cancellation.abort(reason)
    await expect(clock.run(outcome, 2000)).rejects.toBe(reason)
    expect(clock.nowMs()).toBe(0)
    expect(reasons).toEqual([reason])
  })
})
