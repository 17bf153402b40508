import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PathRoute } from '../src/routes/route.ts'
import { DIRECTORIES, FILES, PATHS, PLACEHOLDERS, UNKNOWN, UNLINKED } from '../src/routes/table.ts'
import { form, useWeb } from './web.ts'

// Whatever is asked, the gateway answers, and knows why: 500 would be a failure of its own.

const web = useWeb({ staticFolder: '/nowhere', blacklistFile: '/nowhere' })
const q = encodeURIComponent

const STRANGE = [
  '',
  '..',
  '/',
  '%',
  '%2F',
  '\0',
  '\uFFFD',
  '\u202E',
  '💾',
  'true',
  'false',
  'only-files',
  'json',
  'JSON',
  '-1',
  '0',
  '1e3',
  'NaN',
  '99999999999999999999',
  'SDMF',
  'CHK',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
  '{"a":["filenode",{"ro_uri":"URI:LIT:me"}]}',
  '{"__proto__":["filenode",{}]}',
  '[',
  'javascript:1',
  'http://127.0.0.1/',
]
const HEADERS: readonly [string, string][] = [
  ['range', 'bytes=0-'],
  ['range', 'bytes=-1'],
  ['range', 'x'],
  ['if-none-match', '*'],
  ['accept', 'text/html'],
  ['content-range', 'x'],
  ['content-length', '7'],
  ['authorization', 'tahoe-lafs x'],
  ['content-type', 'multipart/form-data'],
  ['content-type', 'multipart/form-data; boundary=----boundary-7a'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['host', '127.0.0.1'],
]

/** Every row, with what it stands for; those that take away what others ask about are left out. */
function rows(): { readonly label: string; readonly route: Omit<PathRoute, 'handle'> }[] {
  const tables = { FILE: FILES, DIR: DIRECTORIES, NAME: PLACEHOLDERS, UNKNOWN, '/uri': UNLINKED }
  const ofTables = Object.entries(tables).flatMap(([path, { routes }]) =>
    routes.map((route) => ({ ...route, path })),
  )
  return [...ofTables, ...PATHS]
    .filter(({ method, t }) => method !== 'DELETE' && !/^(?:delete|unlink|rename|relink)$/.test(t))
    .map((route) => ({ label: `${route.method} ${route.path} ${route.t}`, route }))
}

describe('any request', () => {
  it('is answered, whatever its arguments are', async () => {
    const root = (await web.post('/uri?t=mkdir')).text
    const fixed = (await web.post('/uri?t=mkdir-immutable')).text
    const at = `/uri/${q(root)}`
    const file = (await web.put(`${at}/file.txt`, 'x'.repeat(100))).text
    const mutable = (await web.put(`${at}/mutable?format=SDMF`, 'x')).text
    const readonly = (await web.get(`${at}?t=readonly-uri`)).text
    await web.put(`${at}/sub/deep`, 'x')
    const addresses: Readonly<Record<string, readonly string[]>> = {
      FILE: [
        `${at}/file.txt`,
        `${at}/mutable`,
        `/uri/${q(file)}`,
        `/uri/${q(mutable)}`,
        `/file/${q(file)}/x`,
      ],
      DIR: [at, `${at}/sub/`, `/uri/${q(fixed)}`, `/uri/${q(readonly)}`, `/cap/${q(root)}`],
      NAME: [
        `${at}/new`,
        `${at}/sub/new/other`,
        `/uri/${q(readonly)}/new`,
        `/uri/${q(fixed)}/new`,
        `${at}/`,
      ],
      UNKNOWN: ['/uri/garbage', '/uri/garbage/x', '/uri/ro.x', `/uri/${q('URI:CHK:x')}`],
    }
    const strange = fc.oneof(
      fc.constantFrom(...STRANGE, root, file, 'file.txt', 'sub', 'new'),
      fc.string({ maxLength: 20 }),
    )
    const request = fc.constantFrom(...rows()).chain(({ label, route }) =>
      fc.record({
        label: fc.constant(label),
        method: fc.constantFrom(route.method, ...(route.method === 'GET' ? ['HEAD'] : [])),
        target: fc
          .tuple(
            fc.constantFrom(...(addresses[route.path] ?? [route.path])),
            fc.array(strange, { minLength: 3, maxLength: 3 }),
          )
          .map(([path, parts]) => path.replaceAll(/:\w+|\*/g, () => escapeAny(parts.pop() ?? ''))),
        t: fc.constant(route.t === '*' ? '' : route.t),
        args: fc.array(fc.tuple(fc.constantFrom(...route.args, '_charset'), strange), {
          maxLength: 4,
        }),
        headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 2 }),
        body: fc.oneof(strange, fc.constant(form({ file: ['x', 'y'], name: 'z' }).body)),
      }),
    )
    const answered = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(request, async ({ label, method, target, t, args, headers, body }) => {
        const query = [['t', t], ...args].map((pair) => pair.map(escapeAny).join('=')).join('&')
        const { status, text } = await web.ask(method, `${target}?${query}`, {
          headers: Object.fromEntries(headers),
          body,
        })
        answered.set(label, (answered.get(label) ?? 0) + 1)
        expect([status === 500 ? text : '', method, target, query]).toEqual([
          '',
          method,
          target,
          query,
        ])
      }),
      { seed: 9, numRuns: 1500 },
    )
    // Each row had its turns.
    expect(rows().filter(({ label }) => (answered.get(label) ?? 0) < 3)).toEqual([])
  })
})

/** Percent-encoded, halves of characters too. */
function escapeAny(text: string): string {
  return q(text.replaceAll(/\p{Cs}/gu, '?'))
}
