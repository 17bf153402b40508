import type { FailureLine, StatsLine } from '@lafs/checker'
import { describe, expect, it } from 'vitest'
import { jsonLines } from '../src/json-lines.ts'

type Line = FailureLine | StatsLine

function stats(number: number): Line {
  return { type: 'stats', stats: number } as unknown as Line
}

function failure(name: string): Line {
  return {
    path: ['sub', name],
    type: 'failure',
    'storage-index': '',
    error: 'MUTABLE_UNRECOVERABLE',
    message: 'no version can be read',
  }
}

/** The pieces of an answer with these lines, between which time goes by where there is none. */
async function pieces(lines: readonly (Line | undefined)[]): Promise<string[]> {
  const source = (async function* () {
    for (const line of lines) {
      if (line === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
      else yield line
    }
  })()
  const { body } = jsonLines(source)
  const found: string[] = []
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    found.push(new TextDecoder().decode(piece))
  }
  return found
}

describe('lines', () => {
  it('that come together are sent together', async () => {
    expect(await pieces([stats(1), stats(2), undefined, stats(3)])).toEqual([
      '{"type": "stats", "stats": 1}\n{"type": "stats", "stats": 2}\n',
      '{"type": "stats", "stats": 3}\n',
    ])
  })

  it('do not wait for ever for others', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => stats(index))
    const found = await pieces(many)
    expect(found.join('')).toBe(many.map((_, at) => `{"type": "stats", "stats": ${at}}\n`).join(''))
    expect(found.length).toBeGreaterThan(3)
    for (const piece of found) expect(piece.length).toBeLessThan(64 * 1024 + 100)
  })

  it('may be none', async () => {
    expect(await pieces([])).toEqual([])
    expect(await pieces([undefined])).toEqual([])
  })

  it('are in ASCII', async () => {
    expect((await pieces([failure('größe')]))[0]).toMatch(/^[\n -~]*$/)
  })

  it('are followed by one that tells what failed', async () => {
    const [text = ''] = await pieces([failure('a'), stats(1), failure('b')])
    expect(text.split('\n').slice(3)).toEqual([
      'ERROR: MUTABLE_UNRECOVERABLE(no version can be read) at "sub/a"; 2 in all could not be read or checked',
      '',
    ])
  })
})

it('a reader that leaves ends the source', async () => {
  let ended = false
  const source = (async function* () {
    try {
      for (;;) {
        yield stats(0)
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    } finally {
      ended = true
    }
  })()
  for await (const piece of jsonLines(source).body as AsyncIterable<Uint8Array>) {
    expect(piece.length).toBeGreaterThan(0)
    break
  }
  expect(ended).toBe(true)
})

it('what goes wrong in the source reaches the reader', async () => {
  const source = (async function* (): AsyncGenerator<Line> {
    yield stats(0)
    throw new Error('no such luck')
  })()
  const reading = (async () => {
    for await (const piece of jsonLines(source).body as AsyncIterable<Uint8Array>) void piece
  })()
  await expect(reading).rejects.toThrow('no such luck')
})

it('what goes wrong after the reader has left is nobody’s', async () => {
  let fail = (_error: Error): void => {}
  const source = (async function* (): AsyncGenerator<Line> {
    // A piece of its own.
    yield failure('x'.repeat(2 ** 16))
    await new Promise((_resolve, reject) => {
      fail = reject
    })
  })()
  const body = (jsonLines(source).body as AsyncGenerator<Uint8Array>)[Symbol.asyncIterator]()
  await body.next()
  const left = body.return(undefined)
  fail(new Error('too late'))
  await left
  // A rejection that nobody has taken would be told of by now.
  await new Promise((resolve) => setTimeout(resolve, 1))
})
