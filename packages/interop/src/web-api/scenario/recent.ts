import { get, put } from '../scenario.ts'
import type { WebGroup } from '../scenario.ts'

const TEXT = 'what was done last is told in order. '.repeat(5000)

const numbers = (kind: string) => [
  get(`/status/${kind}-0`),
  get(`/status/${kind}-1`),
  get(`/status/${kind}-0?t=bogus`),
]

/** Requests to a gateway that has done nothing yet, since it numbers what it does. */
export const recentGroups: readonly WebGroup[] = [
  {
    name: 'what was done last',
    steps: [
      get('/status?t=json', { id: 'before anything' }),
      put('/uri', { id: 'put', body: TEXT, keep: 'recent' }),
      put('/uri', { id: 'put a literal', body: 'x', keep: 'recent-literal' }),
      get('/uri/<recent>', { id: 'get' }),
      get('/uri/<recent>', { id: 'get a range', headers: { range: 'bytes=100000-100009' } }),
      get('/uri/<recent-literal>', { id: 'get a literal' }),
      put('/uri?format=SDMF', { id: 'put a mutable file', body: TEXT, keep: 'recent-mutable' }),
      get('/uri/<recent-mutable>', { id: 'get a mutable file' }),
      get('/status?t=json', { compare: 'exact' }),
      ...['up', 'down', 'publish', 'retrieve', 'mapupdate'].flatMap(numbers),
      get('/status/down-0/event_json', { compare: 'shape' }),
      get('/status/down-1/event_json', { compare: 'shape' }),
      get('/status/up-0/event_json'),
      get('/statistics?t=json', { id: 'statistics', compare: 'shape' }),
    ],
  },
]
