import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { form, useWeb } from './web.ts'

// Whatever is asked of a directory, of an operation or of the node itself is answered, with a status
// that says whose fault it is; and names are only names, whatever they look like.

const web = useWeb()

const LIT = 'URI:LIT:nbswy3dp'

let cap: string
let root: string

beforeAll(async () => {
  cap = (await web.put('/uri?t=mkdir')).text
  root = `/uri/${encodeURIComponent(cap)}`
  await web.post(`${root}?t=uri&name=a&uri=${LIT}`)
})

describe('names', () => {
  it.each([
    ['the way up', '..'],
    ['here', '.'],
    ['a slash', 'a/b'],
    ['only slashes', '//'],
    ['an encoded slash', 'a%2Fb'],
    ['a backslash', 'a\\b'],
    ['NUL', 'a\0b'],
    ['line feeds', 'a\r\nb: c'],
    ['an escape sequence', '\u001B[31mred'],
    ['text from right to left', '\u202Egpj.exe'],
    ['markup', '<script>alert(1)</script>'],
    ['quotes', '"\'`&'],
    ['a question mark and a hash', 'a?t=json#b'],
    ['pluses and spaces', ' a + b '],
    ['beyond the basic plane', '\u{1F980}'],
    ['64 kB', 'x'.repeat(65_536)],
    ['a name of the language', '__proto__'],
  ])('may be anything: %s', async (_, name) => {
    const target = `${root}/${encodeURIComponent(name)}`
    const put = await web.post(
      `${root}?t=set_children`,
      `{${JSON.stringify(name)}: ["f", {"ro_uri": "${LIT}"}]}`,
    )
    expect([put.status, put.text]).toEqual([200, 'Okay so I did it.'])
    const json = await web.get(`${root}?t=json`)
    expect(json.text).toMatch(/^[\n -~]*$/)
    const [, { children }] = json.json() as [string, { children: object }]
    expect(Object.keys(children).toSorted()).toEqual([name, 'a'].toSorted())
    const page = await web.get(root)
    expect([page.status, page.text.includes('<script>alert')]).toEqual([200, false])
    expect((await web.get(`${target}?t=uri`)).text).toBe(LIT)
    const manifest = await web.post(`${root}?t=stream-manifest`)
    expect(manifest.text).toMatch(/^[\n -~]*$/)
    expect(manifest.text.split('\n')).toHaveLength(5)
    const gone = await web.ask('DELETE', target)
    expect([gone.status, gone.text]).toEqual([200, LIT])
    const again = await web.post(`${root}?t=unlink&name=${encodeURIComponent(name)}`)
    expect(again.status).toBe(404)
    expect(again.text.length).toBeLessThan(1000)
    expect(again.text).not.toMatch(/[\p{Cc}\u202E]/u)
  })

  it('that differ in their composition alone are one', async () => {
    await web.post(`${root}?t=uri&name=${encodeURIComponent('u\u0308')}&uri=${LIT}`)
    expect((await web.get(`${root}/${encodeURIComponent('ü')}?t=uri`)).text).toBe(LIT)
    expect((await web.post(`${root}?t=unlink&name=%C3%BC`)).status).toBe(200)
  })

  it.each([
    ['half a surrogate pair', '{"\\ud800": ["f", {"ro_uri": "URI:LIT:nbswy3dp"}]}'],
    ['nothing', '{"": ["f", {"ro_uri": "URI:LIT:nbswy3dp"}]}'],
  ])('may not be %s', async (_, body) => {
    expect((await web.post(`${root}?t=set_children`, body)).status).toBe(400)
    expect((await web.post(`${root}?t=mkdir-with-children&name=n`, body)).status).toBe(400)
  })

  it('in metadata come back as they were', async () => {
    const metadata = { __proto__: null, 'a\0b': ['\u202E', { nested: null }], n: 1.5e300 }
    const body = JSON.stringify({ meta: ['f', { ro_uri: LIT, metadata }] })
    await web.post(`${root}?t=set_children`, body)
    const [, found] = (await web.get(`${root}/meta?t=json`)).json() as [
      string,
      { metadata: object },
    ]
    expect(found.metadata).toMatchObject({ 'a\0b': metadata['a\0b'], n: 1.5e300 })
    await web.post(`${root}?t=unlink&name=meta`)
  })
})

const NAMES = ['name', 'uri', 'from_name', 'to_name', 'to_dir', 'replace', 'format', 'mutable']
const OPERATION_NAMES = ['ophandle', 'retain-for', 'release-after-complete', 'output', '_charset']
const CHECK_NAMES = ['verify', 'repair', 'add-lease', 'private-key', 'when_done', 'return_to']

const ACTIONS = [
  '',
  ' json',
  '\0',
  ...'json uri readonly-uri info rename-form mkdir mkdir-with-children JSON'.split(' '),
  ...'mkdir-immutable upload delete unlink rename relink set_children check'.split(' '),
  ...'start-deep-check stream-deep-check start-manifest start-deep-size cancel'.split(' '),
  ...'start-deep-stats stream-manifest openmetrics status'.split(' '),
]

const PATHS = ['', '/', '/a', '/a/b', '//', '/new/one', '/..', '/%00', '/%FF', '/%E2%80%AE']

const value = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'new',
    '..',
    'true',
    'only-files',
    'json',
    'h',
    '-1',
    '1e3',
    LIT,
    'URI:',
  ),
  fc.constantFrom('utf-16', '%FF', '%00', 'x-future', 'ro.x', 'SDMF', 'CHK', 'javascript:x', '//x'),
  fc.string().map(encodeURIComponent),
)
const argument = fc.tuple(fc.constantFrom(...NAMES, ...OPERATION_NAMES, ...CHECK_NAMES), value)

const body = fc.oneof(
  fc.constantFrom(
    '',
    '{}',
    '[]',
    'null',
    '{"a":null}',
    '{"a":[]}',
    `{"b":["f",{"ro_uri":"${LIT}"}]}`,
  ),
  fc.json(),
  fc.string(),
)

describe('requests without sense', () => {
  it.each([
    ['a directory', () => PATHS.map((path) => root + path)],
    ['operations', () => ['/operations', '/operations/h', '/operations/h/aaaa', '/operations/%00']],
    [
      'the node',
      () => ['/', '/status', '/status/up-0', '/statistics', '/storage', '/helper_status'],
    ],
  ])('to %s are answered', async (_, targets) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD'),
        fc.constantFrom(...targets()),
        fc.constantFrom(...ACTIONS),
        fc.array(argument, { maxLength: 4 }),
        body,
        fc.boolean(),
        async (method, target, t, args, content, asForm) => {
          const query = args.map(([name, text]) => `${name}=${text}`)
          const sent =
            asForm && method === 'POST'
              ? form({ ...Object.fromEntries(args), t, file: ['f', content] })
              : { body: content }
          const address = `${target}?${[`t=${encodeURIComponent(t)}`, ...query].join('&')}`
          const answer = await web.ask(method, address, sent)
          expect([200, 201, 302, 303, 400, 404, 405, 409, 410, 501]).toContain(answer.status)
          if (answer.status >= 400) expect(answer.text).not.toContain(cap)
        },
      ),
      { seed: 7, numRuns: 150, endOnFailure: true },
    )
    // It goes on.
    expect((await web.get(`${root}?t=json`)).status).toBe(200)
  })
})
