import { PassThrough } from 'node:stream'
import type { Progress } from '@lafs/filesystem-interface'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { backupLine, formatBytes, progressBar, progressLine, surveyLine } from '../src/progress.ts'
import { watchUpload } from '../src/upload-progress.ts'
import type { WebApi } from '../src/web-api.ts'
import type { WebContext } from '../src/web-command.ts'

describe('backupLine', () => {
  it.each([
    [0, 0, 'backing up  0 of 400   0 B sent'],
    [100, 2_000_000, 'backing up  100 of 400   10/s   0:30 left   2.00 MB sent'],
  ])('shows %d of 400 targets, and bytes', (done, bytes, line) => {
    expect(backupLine({ done, total: 400, bytes }, 10_000)).toBe(line)
  })
})

describe('progressLine', () => {
  it('shows amount, rate and remaining time', () => {
    expect(progressLine({ phase: 'pushing', done: 25e6, total: 100e6 }, 1000)).toBe(
      'pushing     ━━━━━━──────────────────  25%   25.0 MB of 100 MB   25.0 MB/s   0:03 left',
    )
  })

  it.each([
    [{ phase: 'placing', done: 2, total: 10 }, 'placing     2 of 10'],
    [{ phase: 'downloading', done: 5, total: undefined }, 'downloading 5 B'],
    [{ phase: 'verifying', done: 3, total: 12 }, 'verifying   3 of 12   3.0/s   0:03 left'],
    [{ phase: 'traversing', done: 4000, total: undefined }, 'traversing  4000   4000/s'],
    [{ phase: 'traversing', done: 0, total: undefined }, 'traversing  0'],
    [{ phase: 'hashing', done: 0, total: 0 }, `hashing     ${'━'.repeat(24)} 100%   0 B of 0 B`],
  ] as const)('copes with %j', (progress, line) => {
    expect(progressLine(progress, 1000)).toBe(line)
  })

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [99_960, '100 kB'],
    [999_600, '1.00 MB'],
    [12_345_678, '12.3 MB'],
    [5e12, '5.00 TB'],
    [5e15, '5000 TB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})

describe('surveyLine', () => {
  it.each([
    [
      { part: 0.25, buckets: 10, shares: 500 },
      1000,
      'surveying    25%   500 shares   500/s   0:03 left',
    ],
    [{ part: 0, buckets: 0, shares: 0 }, 1000, 'surveying     0%   0 shares'],
    [{ part: 1, buckets: 1, shares: 1 }, 0, 'surveying   100%   1 shares'],
  ])('shows %j', (progress, elapsedMs, line) => {
    expect(surveyLine(progress, elapsedMs)).toBe(line)
  })
})

function draw(isTTY: boolean, quiet: boolean): string {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 100 })
  let nowMs = 0
  const bar = progressBar(stream, { now: () => nowMs, quiet })
  for (let done = 0; done <= 100; done++) {
    bar.update({ phase: 'pushing', done, total: 100 })
    nowMs += 10
  }
  bar.end()
  return String(stream.read() ?? '')
}

describe('progressBar', () => {
  it('says nothing where nobody looks', () => {
    expect(draw(false, false)).toBe('')
    expect(draw(true, true)).toBe('')
  })

  it('draws ten times a second on a terminal, shows the end and wipes it', () => {
    const lines = draw(true, false).split('\r\u001B[2K').slice(1)
    expect(lines).toHaveLength(12)
    expect(lines.at(-2)).toContain('100%')
    expect(lines.at(-1)).toBe('')
  })

  it('goes on when the clock is put back', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 100 })
    const times = [1e9, 1e9, 1000, 1050, 1100]
    const bar = progressBar(stream, { now: () => times.shift() ?? 0 })
    for (let done = 1; done <= 5; done++) bar.update({ phase: 'pushing', done, total: 100 })
    const shown = String(stream.read()).match(/\d+(?=%)/g)
    expect(shown).toEqual(['1', '3', '5'])
  })
})

describe('watchUpload', () => {
  afterEach(() => vi.useRealTimers())

  const uploads = (part: number): object => ({
    active: [
      { type: 'download', 'total-size': 100, progress: 1 },
      { type: 'upload', 'total-size': 99, 'progress-encode-push': 1 },
      { type: 'upload', 'total-size': 100, 'progress-encode-push': part },
    ],
  })

  /** What is shown of an upload, and how often the gateway is asked about it. */
  async function watched(isTTY: boolean, answers: readonly unknown[]): Promise<unknown> {
    vi.useFakeTimers()
    const shown: string[] = []
    let asked = 0
    const api: Pick<WebApi, 'request'> = {
      request: () => {
        const body = new TextEncoder().encode(JSON.stringify(answers[asked++] ?? null))
        const pieces = (async function* () {
          await Promise.resolve()
          yield body
        })()
        return Promise.resolve({ status: 200, headers: new Map(), body: pieces })
      },
    }
    const stderr = Object.assign(new PassThrough(), { isTTY })
    const web = { api, quiet: false, terminal: { stderr } } as unknown as WebContext
    const bar = {
      update: ({ phase, done }: Progress) => shown.push(`${phase} ${done}`),
      end: () => undefined,
    }
    const watch = watchUpload(web, bar)
    watch.update({ phase: 'hashing', done: 50, total: 100 })
    await vi.advanceTimersByTimeAsync(1000)
    watch.update({ phase: 'hashing', done: 100, total: 100 })
    await vi.advanceTimersByTimeAsync(1000)
    watch.end()
    await vi.advanceTimersByTimeAsync(1000)
    return { shown, asked }
  }

  it('asks the gateway once it has all of it', async () => {
    const answers = [uploads(0.25), 'nonsense', uploads(0.5)]
    expect(await watched(true, answers)).toEqual({
      shown: ['hashing 50', 'hashing 100', 'pushing 25', 'pushing 50'],
      asked: 3,
    })
  })

  it('asks nobody where nobody looks', async () => {
    expect(await watched(false, [])).toEqual({ shown: ['hashing 50', 'hashing 100'], asked: 0 })
  })
})
