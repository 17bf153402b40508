import { beforeAll, describe, expect, it } from 'vitest'
import { useWeb } from './web.ts'

// Upstream answers 410 where the numbers of a cap do not fit what the servers hold.

const web = useWeb()

/** A file and a directory of which the servers hold three shares, any three of which will do. */
const caps = new Map<string, string>()

beforeAll(async () => {
  const file = (await web.put('/uri', new Uint8Array(5000).fill(7))).text
  caps.set('file', file)
  const child = ['filenode', { ro_uri: file }]
  const children = JSON.stringify({ a: child, b: child, c: child })
  caps.set('directory', (await web.post('/uri?t=mkdir-immutable', children)).text)
})

describe.each([
  ['file', ''],
  ['directory', '?t=json'],
  ['directory', '/a'],
])('a cap of a %s whose numbers were altered, asked for %j', (kind, query) => {
  it.each([
    ['k', [-1, 0, 0]],
    ['k and n', [-1, -1, 0]],
    ['n', [0, 1, 0]],
    ['a size that is too large by one', [0, 0, 1]],
    ['a size that is too small by one', [0, 0, -1]],
    ['a size of a terabyte', [0, 0, 1e12]],
    ['a size of nothing', [0, 0, -Infinity]],
  ] as const)('is gone: %s', async (_, changes) => {
    const parts = (caps.get(kind) ?? '').split(':')
    const numbers = parts
      .slice(-3)
      .map((text, index) => Math.max(0, Number(text) + (changes[index] ?? 0)))
    const altered = [...parts.slice(0, -3), ...numbers].join(':')
    const answer = await web.get(`/uri/${encodeURIComponent(altered)}${query}`)
    expect([answer.status, answer.text]).toEqual([
      410,
      expect.stringMatching(/(?:UnableToFetchCriticalDownloadData|NotEnoughShares)Error: /),
    ])
  })
})
