import { describe, expect, it } from 'vitest'
import { form, useWeb } from './web.ts'
import type { Answered } from './web.ts'

// Statuses, texts and JSON are those that upstream's gateway gave to the same requests, except where
// it failed with a status of 500 or did not answer at all.

const web = useWeb()

const LIT = 'URI:LIT:nbswy3dp'

type NodeJson = [type: string, facts: Record<string, unknown>]

function at(cap: string, ...path: readonly string[]): string {
  return `/uri/${[cap, ...path].map(encodeURIComponent).join('/')}`
}

/** A new directory. */
async function directory(): Promise<string> {
  return (await web.put('/uri?t=mkdir')).text
}

async function facts(target: string): Promise<Record<string, unknown>> {
  const [, found] = (await web.get(`${target}?t=json`)).json() as NodeJson
  return found
}

/** The children of a directory: the first cap of each. */
async function children(target: string): Promise<Record<string, unknown>> {
  const entries = Object.entries((await facts(target))['children'] as Record<string, NodeJson>)
  return Object.fromEntries(
    entries.map(([name, [, child]]) => [name, child['rw_uri'] ?? child['ro_uri']]),
  )
}

function told({ status, text }: Answered): [status: number, text: string] {
  return [status, text]
}

function link(target: string, name: string, cap: string, more = ''): Promise<Answered> {
  return web.post(
    `${target}?t=uri&name=${encodeURIComponent(name)}&uri=${encodeURIComponent(cap)}${more}`,
  )
}

describe('GET of a directory', () => {
  it('GET DIR?t=json lists it, key for key as upstream does', async () => {
    const root = at(await directory())
    await link(root, 'lit', LIT)
    const mutable = await web.put(`${root}/sdmf?format=SDMF`, 'x')
    await web.put(`${root}/sub?t=mkdir`)
    await link(root, 'future', 'ro.x-future')
    // A listing knows the size of a mutable file as long as somebody holds its node.
    const held = web.client.createNodeFromUri(mutable.text)
    await web.get(`${at(mutable.text)}?t=json`)
    const answer = await web.get(`${root}?t=json`)
    expect(answer.headers.get('content-type')).toBe('text/plain')
    const [type, found] = answer.json() as [string, Record<string, unknown>]
    expect(held.size).toBe(1)
    expect(type).toBe('dirnode')
    const tahoe = { linkcrtime: expect.any(Number), linkmotime: expect.any(Number) }
    const metadata = { tahoe }
    const caps = (write: string): object => ({
      rw_uri: expect.stringMatching(`^URI:${write}:`),
      ro_uri: expect.stringMatching(`^URI:${write}-RO:`),
      verify_uri: expect.stringMatching(`^URI:${write}-Verifier:`),
    })
    expect(found).toEqual({
      mutable: true,
      ...caps('DIR2'),
      children: {
        lit: ['filenode', { mutable: false, format: 'CHK', size: 5, metadata, ro_uri: LIT }],
        sdmf: [
          'filenode',
          {
            mutable: true,
            format: 'SDMF',
            size: 1,
            metadata,
            rw_uri: expect.stringMatching('^URI:SSK:'),
            ro_uri: expect.stringMatching('^URI:SSK-RO:'),
            verify_uri: expect.stringMatching('^URI:SSK-Verifier:'),
          },
        ],
        sub: ['dirnode', { mutable: true, metadata, ...caps('DIR2') }],
        future: ['unknown', { metadata, ro_uri: 'ro.x-future' }],
      },
    })
  })

  it('GET DIR?t=uri, GET DIR?t=readonly-uri give its caps', async () => {
    const cap = await directory()
    expect(told(await web.get(`${at(cap)}?t=uri`))).toEqual([200, cap])
    const readCap = (await facts(at(cap)))['ro_uri']
    expect(told(await web.get(`${at(cap)}?t=readonly-uri`))).toEqual([200, readCap])
    expect(told(await web.get(`${at(String(readCap))}?t=uri`))).toEqual([200, readCap])
    expect((await facts(at(String(readCap))))['rw_uri']).toBeUndefined()
  })

  it('tells programs that have an immutable one that it is still the same', async () => {
    const file = (
      await web.put('/uri', 'a file that is long enough for shares of its own.. '.repeat(2))
    ).text
    const body = JSON.stringify({ x: ['filenode', { ro_uri: file }] })
    const cap = (await web.post('/uri?t=mkdir-immutable', body)).text
    expect(cap).toMatch(/^URI:DIR2-CHK:/)
    const answer = await web.get(`${at(cap)}?t=json`)
    const tag = answer.headers.get('etag') ?? ''
    expect(tag).toMatch(/^"DIR:[a-z2-7]{26}-json"$/)
    const again = await web.get(`${at(cap)}?t=json`, { 'if-none-match': tag })
    expect([again.status, again.text]).toEqual([304, ''])
    const other = await web.get(`${at(cap)}?t=uri`, { 'if-none-match': tag })
    expect([other.status, other.text]).toEqual([200, cap])
  })

  it('GET DIR, GET DIR?t=info, GET DIR?t=rename-form are pages for people', async () => {
    const root = at(await directory())
    for (const query of ['', '?t=info', '?t=rename-form&name=x']) {
      const answer = await web.get(root + query)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        200,
        'text/html; charset=utf-8',
      ])
    }
  })

  it('says as JSON that it cannot be read', async () => {
    const lost = `URI:DIR2:${'a'.repeat(26)}:${'a'.repeat(52)}`
    const answer = await web.get(`${at(lost)}?t=json`)
    expect(answer.status).toBe(410)
    expect(answer.json()).toEqual({ error: expect.stringMatching(/^UnrecoverableFileError: /) })
  })

  it('answers HEAD without a body', async () => {
    const answer = await web.ask('HEAD', `${at(await directory())}?t=json`)
    expect([answer.status, answer.text]).toEqual([200, ''])
  })
})

describe('POST DIR?t=mkdir, PUT DIR?t=mkdir', () => {
  it('makes a directory under a name', async () => {
    const root = at(await directory())
    const made = await web.post(`${root}?t=mkdir&name=a`)
    expect(made.text).toMatch(/^URI:DIR2:/)
    expect(await children(root)).toEqual({ a: made.text })
  })

  it('answers for the directory itself without a name', async () => {
    const cap = await directory()
    for (const request of [
      '?t=mkdir',
      '?t=mkdir&name=',
      '?t=mkdir-immutable',
      '?t=mkdir-with-children',
    ]) {
      expect(told(await web.post(at(cap) + request))).toEqual([200, cap])
    }
    expect(told(await web.put(`${at(cap)}?t=mkdir`))).toEqual([200, cap])
    expect(await children(at(cap))).toEqual({})
  })

  it('makes directories of the format that is asked for', async () => {
    const root = at(await directory())
    const formats = { MDMF: /^URI:DIR2-MDMF:/, sdmf: /^URI:DIR2:/, CHK: /^URI:DIR2:/ }
    for (const [format, cap] of Object.entries(formats)) {
      expect((await web.post(`${root}?t=mkdir&name=${format}&format=${format}`)).text).toMatch(cap)
    }
    const withChildren = '?t=mkdir-with-children&name=w&format=mdmf'
    expect((await web.post(root + withChildren, '{}')).text).toMatch(/^URI:DIR2-MDMF:/)
  })

  it('replaces a child unless that is forbidden', async () => {
    const root = at(await directory())
    const first = await web.post(`${root}?t=mkdir&name=a`)
    const refused = await web.post(`${root}?t=mkdir&name=a&replace=false`)
    expect(told(refused)).toEqual([
      409,
      'There was already a child by that name, and you asked me to not replace it.',
    ])
    const second = await web.post(`${root}?t=mkdir&name=a`)
    expect(second.text).not.toBe(first.text)
    expect(await children(root)).toEqual({ a: second.text })
    for (const t of ['mkdir-with-children', 'mkdir-immutable']) {
      expect((await web.post(`${root}?t=${t}&name=a`, '{}')).status).toBe(409)
    }
  })

  it('makes the directories on a path once, for all that ask at the same time', async () => {
    const root = at(await directory())
    const names = ['a', 'b', 'c']
    const put = await Promise.all(names.map((name) => web.put(`${root}/new/deep/${name}`, name)))
    expect(put.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(Object.keys(await children(`${root}/new/deep`)).toSorted()).toEqual(names)
    const made = await Promise.all(names.map(() => web.put(`${root}/made?t=mkdir`)))
    expect(new Set(made.map(({ text }) => text)).size).toBe(1)
  })

  it('makes the directories on a path', async () => {
    const root = at(await directory())
    const made = await web.put(`${root}/p1/p2?t=mkdir`)
    expect((await web.post(`${root}/p1/p2?t=mkdir`)).text).toBe(made.text)
    expect((await web.put(`${root}/p1/p2/?t=mkdir`)).text).toBe(made.text)
    const below = await web.post(`${root}/p1/p3?t=mkdir&name=q`)
    expect(await children(`${root}/p1/p3`)).toEqual({ q: below.text })
  })

  it('takes its arguments from a form, and sends the reader on', async () => {
    const root = at(await directory())
    const fields = { t: 'mkdir', name: 'größe', when_done: '.' }
    const answer = await web.ask('POST', root, form(fields))
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '.'])
    expect(Object.keys(await children(root))).toEqual(['größe'])
  })

  it('POST DIR?t=mkdir-with-children, POST DIR?t=mkdir-immutable give it children', async () => {
    const root = at(await directory())
    const other = await directory()
    const body = JSON.stringify({
      lit: ['filenode', { ro_uri: LIT, metadata: { color: 'red' } }],
      größe: ['dirnode', { rw_uri: other }],
      unknown: ['unknown', { ro_uri: 'x-future' }],
    })
    await web.post(`${root}?t=mkdir-with-children&name=new`, body)
    const found = (await facts(`${root}/new`))['children'] as Record<string, NodeJson>
    expect(found['lit']?.[1]['metadata']).toEqual({ color: 'red' })
    expect(found['größe']?.[1]['rw_uri']).toBe(other)
    expect(found['unknown']?.[1]['ro_uri']).toBe('ro.x-future')
    const immutable = await web.post(
      `${root}/deep/new?t=mkdir-immutable`,
      JSON.stringify({ lit: ['filenode', { ro_uri: LIT }] }),
    )
    expect(immutable.text).toMatch(/^URI:DIR2-LIT:/)
    expect(await facts(`${root}/deep/new`)).toEqual({
      mutable: false,
      ro_uri: immutable.text,
      children: {
        lit: ['filenode', { mutable: false, format: 'CHK', size: 5, metadata: {}, ro_uri: LIT }],
      },
    })
  })

  it.each([
    ['no JSON', '{bad', /JSON/],
    ['a list', '[]', /children/],
    ['a number', '3', /children/],
    ['a child that is a number', '{"a":3}', /\ba\b/],
    ['a child without facts', '{"a":["filenode"]}', /\ba\b/],
    ['a cap that is a number', '{"a":["filenode",{"ro_uri":3}]}', /ro_uri/],
    ['metadata that is a number', `{"a":["f",{"ro_uri":"${LIT}","metadata":3}]}`, /metadata/],
    ['a cap that nobody knows', '{"a":["f",{"rw_uri":"x-future"}]}', /^MustNotBeUnknownRWError/],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), /utf-8/],
  ])('refuses %s', async (_, body, message) => {
    const root = at(await directory())
    for (const t of ['mkdir-with-children&name=n', 'mkdir-immutable&name=n', 'set_children']) {
      const answer = await web.post(`${root}?t=${t}`, body)
      expect([t, answer.status]).toEqual([t, 400])
      expect(answer.text).toMatch(message)
    }
    expect(await children(root)).toEqual({})
  })

  it('refuses what may change in an immutable directory', async () => {
    const cap = await directory()
    const body = JSON.stringify({ d: ['dirnode', { rw_uri: cap }] })
    const answer = await web.post(`${at(cap)}?t=mkdir-immutable&name=n`, body)
    expect(answer.status).toBe(400)
    expect(answer.text).toMatch(/^MustBeDeepImmutableError: .*\bd\b/)
  })

  it.each([
    ['?t=mkdir&name=x&format=bogus', 'Unknown format: bogus, I know CHK, SDMF, MDMF'],
    ['?t=mkdir&name=x&replace=only-files', "invalid boolean argument: 'only-files'"],
    ['?t=mkdir&name=x&replace=maybe', "invalid boolean argument: 'maybe'"],
    ['?t=mkdir&name=%FF', 'name: I expected text in utf-8, and got other bytes'],
  ])('refuses %s', async (query, message) => {
    const root = at(await directory())
    expect(told(await web.post(root + query))).toEqual([400, message])
  })
})

describe('POST DIR?t=uri, PUT DIR?t=uri', () => {
  it('links a cap under a name', async () => {
    const cap = await directory()
    const root = at(cap)
    expect(told(await link(root, 'a', LIT))).toEqual([200, LIT])
    expect(told(await link(root, 'b', ` ${cap}\n`))).toEqual([200, cap])
    expect(told(await link(root, 'c', 'ro.x-future'))).toEqual([200, 'ro.x-future'])
    expect(await children(root)).toEqual({ a: LIT, b: cap, c: 'ro.x-future' })
  })

  it('takes names in other encodings', async () => {
    const root = at(await directory())
    await web.post(`${root}?t=uri&name=%E9&_charset=latin1&uri=${LIT}`)
    expect(await children(root)).toEqual({ é: LIT })
    const answer = await web.post(`${root}?t=uri&name=%E9&_charset=nope&uri=${LIT}`)
    expect(answer.status).toBe(400)
  })

  it('replaces what it may', async () => {
    const cap = await directory()
    const root = at(cap)
    await link(root, 'a', LIT)
    expect((await link(root, 'a', LIT, '&replace=false')).status).toBe(409)
    expect((await link(root, 'a', cap, '&replace=only-files')).status).toBe(200)
    expect((await link(root, 'a', LIT, '&replace=only-files')).status).toBe(409)
    expect(await children(root)).toEqual({ a: cap })
  })

  it('puts a cap in the place of a directory', async () => {
    const root = at(await directory())
    await web.put(`${root}/d?t=mkdir`)
    expect((await web.put(`${root}/d?t=uri&replace=false`, LIT)).status).toBe(409)
    expect((await web.put(`${root}/d?t=uri&replace=only-files`, LIT)).status).toBe(409)
    expect(told(await web.put(`${root}/d?t=uri`, LIT))).toEqual([200, LIT])
    expect(await children(root)).toEqual({ d: LIT })
    expect((await web.put(`${root}?t=uri`, LIT)).status).toBe(400)
  })

  it.each([
    ['?t=uri', 'set-uri requires a uri'],
    ['?t=uri&name=a', 'set-uri requires a uri'],
    [`?t=uri&uri=${LIT}`, 'set-uri requires a name'],
    [`?t=uri&name=a&uri=${LIT}&replace=bogus`, "invalid replace= argument: 'bogus'"],
  ])('refuses %s', async (query, message) => {
    expect(told(await web.post(at(await directory()) + query))).toEqual([400, message])
  })

  it('refuses caps that nobody knows, and does not repeat them', async () => {
    const root = at(await directory())
    for (const cap of ['x-future', 'URI:CHK:bad', 'URI:SSK:abc:def']) {
      const answer = await link(root, 'a', cap)
      expect(answer.status).toBe(400)
      expect(answer.text).not.toContain(cap)
    }
  })
})

describe('DELETE DIR, POST DIR?t=delete, POST DIR?t=unlink', () => {
  it('DELETE UNKNOWN, and of anything else, unlinks, as POST by name does', async () => {
    const root = at(await directory())
    for (const name of ['a', 'b', 'c', 'd']) await link(root, name, LIT)
    const sub = await web.put(`${root}/sub?t=mkdir`)
    await link(root, 'future', 'ro.x-future')
    expect(told(await web.ask('DELETE', `${root}/a`))).toEqual([200, LIT])
    expect(told(await web.ask('DELETE', `${root}/sub`))).toEqual([200, sub.text])
    expect(told(await web.ask('DELETE', `${root}/future`))).toEqual([200, 'ro.x-future'])
    expect(told(await web.post(`${root}?t=delete&name=b`))).toEqual([200, 'thing unlinked'])
    const answer = await web.post(`${root}?t=unlink&name=c&when_done=..`)
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '..'])
    expect(Object.keys(await children(root))).toEqual(['d'])
  })

  it('says that there is no such child', async () => {
    const root = at(await directory())
    expect(told(await web.ask('DELETE', `${root}/x/y`))).toEqual([404, 'No such child: x'])
    expect(told(await web.post(`${root}?t=unlink&name=x`))).toEqual([404, 'No such child: x'])
    expect((await web.post(`${root}?t=unlink`)).status).toBe(404)
    expect((await web.ask('DELETE', root)).status).toBe(400)
  })
})

describe('POST DIR?t=rename, POST DIR?t=relink', () => {
  it('give a child another name, with its metadata', async () => {
    const root = at(await directory())
    const body = JSON.stringify({ a: ['filenode', { ro_uri: LIT, metadata: { color: 'red' } }] })
    await web.post(`${root}?t=set_children`, body)
    expect(told(await web.post(`${root}?t=rename&from_name=a&to_name=b`))).toEqual([
      200,
      'thing moved',
    ])
    expect(told(await web.post(`${root}?t=relink&from_name=%20b%20&to_name=c`))).toEqual([
      200,
      'thing moved',
    ])
    const found = (await facts(root))['children'] as Record<string, NodeJson>
    expect(Object.keys(found)).toEqual(['c'])
    expect(found['c']?.[1]['metadata']).toMatchObject({ color: 'red' })
    await web.post(`${root}?t=rename&from_name=c&to_name=c`)
    expect(await children(root)).toEqual({ c: LIT })
  })

  it('take the child that is called so with its spaces, where there is one', async () => {
    const root = at(await directory())
    for (const name of ['a', ' a', ' b']) await web.put(`${root}/${encodeURIComponent(name)}`, name)
    const rename = (query: string): Promise<Answered> => web.post(`${root}?t=rename&${query}`)
    expect((await rename('from_name=%20a&to_name=c')).status).toBe(200)
    expect((await rename('from_name=%20b&to_name=b')).status).toBe(200)
    expect(Object.keys(await children(root)).toSorted()).toEqual(['a', 'b', 'c'])
    expect((await web.get(`${root}/c`)).text).toBe(' a')
  })

  it('move a child to another directory, by a cap and a path', async () => {
    const [from, to] = [await directory(), await directory()]
    await web.put(`${at(to)}/x/y?t=mkdir`)
    for (const name of ['a', 'b', 'c']) await link(at(from), name, LIT)
    const relink = (query: string): Promise<Answered> => web.post(`${at(from)}?t=relink&${query}`)
    expect((await relink(`from_name=a&to_dir=${encodeURIComponent(to)}`)).status).toBe(200)
    expect(
      (await relink(`from_name=b&to_dir=${encodeURIComponent(`${to}/x/y`)}&to_name=z`)).status,
    ).toBe(200)
    expect(Object.keys(await children(at(to)))).toEqual(['a', 'x'])
    expect(await children(`${at(to)}/x/y`)).toEqual({ z: LIT })
    expect(await children(at(from))).toEqual({ c: LIT })
    expect((await relink(`from_name=c&to_name=d&to_dir=${encodeURIComponent(from)}`)).status).toBe(
      200,
    )
    expect(await children(at(from))).toEqual({ d: LIT })
  })

  it('leave a directory where it is that was to go into itself', async () => {
    const cap = await directory()
    const root = at(cap)
    const inner = (await web.put(`${root}/sub/inner?t=mkdir`)).text
    const sub = (await web.get(`${root}/sub?t=uri`)).text
    await link(root, 'other', sub)
    const relink = (name: string, to: string): Promise<Answered> =>
      web.post(`${root}?t=relink&from_name=${name}&to_name=x&to_dir=${encodeURIComponent(to)}`)
    const refused = [400, 'a directory cannot be moved into itself']
    for (const to of [
      sub,
      `${sub}/inner`,
      `${cap}/sub`,
      `${cap}/sub/inner`,
      `${cap}/other/inner`,
    ]) {
      expect(told(await relink('sub', to))).toEqual(refused)
    }
    expect(Object.keys(await children(root))).toEqual(['other', 'sub'])
    expect(Object.keys(await children(at(sub)))).toEqual(['inner'])
    // What has a way of its own there can go.
    expect((await relink('other', inner)).status).toBe(200)
  })

  it('replace what they may', async () => {
    const root = at(await directory())
    for (const name of ['a', 'b']) await link(root, name, LIT)
    await web.put(`${root}/sub?t=mkdir`)
    const rename = (query: string): Promise<Answered> =>
      web.post(`${root}?t=rename&from_name=a&${query}`)
    expect((await rename('to_name=b&replace=false')).status).toBe(409)
    expect((await rename('to_name=sub&replace=only-files')).status).toBe(409)
    expect((await rename('to_name=b&replace=only-files')).status).toBe(200)
    expect(Object.keys(await children(root))).toEqual(['b', 'sub'])
  })

  it.each([
    ['?t=rename', 400, 'to_name= is required for rename'],
    ['?t=rename&to_name=b', 400, 'from_name= is required'],
    ['?t=rename&from_name=a&to_name=b&to_dir=x', 400, 'to_dir= is not valid for rename'],
    ['?t=rename&from_name=a/b&to_name=b', 400, 'from_name= may not contain a slash'],
    ['?t=rename&from_name=a&to_name=b/c', 400, 'to_name= may not contain a slash'],
    ['?t=rename&from_name=a&to_name=', 400, 'to_name= may not be empty'],
    ['?t=rename&from_name=a&to_name=b&replace=x', 400, "invalid replace= argument: 'x'"],
    ['?t=rename&from_name=nosuch&to_name=b', 404, 'No such child: nosuch'],
    ['?t=relink', 400, 'from_name= is required'],
    ['?t=relink&from_name=a&to_dir=', 400, 'to_dir is not a directory'],
    ['?t=relink&from_name=a&to_dir=bogus', 400, 'to_dir is not a directory'],
    [`?t=relink&from_name=a&to_dir=${LIT}`, 400, 'to_dir is not a directory'],
  ])('refuse %s', async (query, status, message) => {
    const root = at(await directory())
    await link(root, 'a', LIT)
    expect(told(await web.post(root + query))).toEqual([status, message])
    expect(await children(root)).toEqual({ a: LIT })
  })

  it('refuse paths that lead nowhere, or to a file', async () => {
    const cap = await directory()
    await link(at(cap), 'a', LIT)
    const relink = (path: string): Promise<Answered> =>
      web.post(`${at(cap)}?t=relink&from_name=a&to_dir=${encodeURIComponent(cap + path)}`)
    expect(told(await relink('/nosuch'))).toEqual([404, 'No such child: nosuch'])
    expect(told(await relink('/a'))).toEqual([400, 'to_dir is not a directory'])
  })
})

describe('POST DIR?t=set_children, POST DIR?t=set-children', () => {
  it.each(['set_children', 'set-children'])('links many at once (t=%s)', async (t) => {
    const cap = await directory()
    const root = at(cap)
    const body = JSON.stringify({
      a: ['filenode', { ro_uri: LIT, metadata: { color: 'red' } }],
      b: ['dirnode', { rw_uri: cap }],
      c: ['unknown', { rw_uri: 'x-future', ro_uri: 'x-read' }],
      größe: ['filenode', { ro_uri: LIT }],
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await web.ask('POST', `${root}?t=${t}`, { headers, body })
    expect(told(answer)).toEqual([200, 'Okay so I did it.'])
    expect(await children(root)).toEqual({ a: LIT, b: cap, c: 'x-future', größe: LIT })
  })

  it('replaces what it may, all or nothing', async () => {
    const cap = await directory()
    const root = at(cap)
    const set = (entries: object, query = ''): Promise<Answered> =>
      web.post(`${root}?t=set_children${query}`, JSON.stringify(entries))
    await set({ file: ['f', { ro_uri: LIT }], dir: ['d', { rw_uri: cap }] })
    const both = {
      file: ['d', { rw_uri: cap }],
      dir: ['f', { ro_uri: LIT }],
      x: ['f', { ro_uri: LIT }],
    }
    expect((await set(both, '&replace=false')).status).toBe(409)
    expect((await set(both, '&replace=only-files')).status).toBe(409)
    expect(await children(root)).toEqual({ file: LIT, dir: cap })
    // What the documentation calls the argument is none.
    expect((await set(both, '&overwrite=false')).status).toBe(200)
    expect(await children(root)).toEqual({ file: cap, dir: LIT, x: LIT })
  })

  it('keeps what is noted beside a child that it replaces without metadata', async () => {
    const root = at(await directory())
    const noted = { a: ['f', { ro_uri: LIT, metadata: { color: 'red' } }] }
    await web.post(`${root}?t=set_children`, JSON.stringify(noted))
    await web.post(`${root}?t=set_children`, JSON.stringify({ a: ['f', { ro_uri: LIT }] }))
    const found = (await facts(root))['children'] as Record<string, NodeJson>
    expect(found['a']?.[1]['metadata']).toMatchObject({ color: 'red' })
  })

  it('refuses no body, and replace= of other values', async () => {
    const root = at(await directory())
    expect((await web.post(`${root}?t=set_children`)).status).toBe(400)
    expect(told(await web.post(`${root}?t=set_children&replace=zzz`, '{}'))).toEqual([
      400,
      "invalid replace= argument: 'zzz'",
    ])
  })
})

describe('POST DIR?t=upload', () => {
  it('takes the name from the form', async () => {
    const root = at(await directory())
    await web.ask('POST', root, form({ t: 'upload', file: ['one.txt', 'hello'] }))
    await web.ask('POST', root, form({ t: 'upload', name: 'two', file: ['x', 'hello'] }))
    await web.ask('POST', `${root}?t=upload&name=three`, form({ file: ['x', 'hello'], name: 'y' }))
    expect(await children(root)).toEqual({ 'one.txt': LIT, two: LIT, three: LIT })
  })

  it.each([
    ['no name', { t: 'upload', file: ['', 'x'] }, 'upload requires a name'],
    ['a name of spaces', { t: 'upload', name: '  ', file: [' ', 'x'] }, 'upload requires a name'],
    ['a name with a slash', { t: 'upload', file: ['a/b', 'x'] }, 'name= may not contain a slash'],
  ] as const)('refuses %s', async (_, fields, message) => {
    const root = at(await directory())
    expect(told(await web.ask('POST', root, form(fields)))).toEqual([400, message])
  })
})

describe('a read-only directory', () => {
  it('refuses every change', async () => {
    const cap = await directory()
    await link(at(cap), 'a', LIT)
    const root = at(String((await facts(at(cap)))['ro_uri']))
    const requests: [method: string, target: string, body?: string][] = [
      ['POST', `${root}?t=mkdir&name=n`],
      ['PUT', `${root}/n?t=mkdir`],
      ['PUT', `${root}/n`, 'x'],
      ['POST', `${root}?t=uri&name=n&uri=${LIT}`],
      ['PUT', `${root}/a?t=uri`, LIT],
      ['POST', `${root}?t=unlink&name=a`],
      ['DELETE', `${root}/a`],
      ['POST', `${root}?t=rename&from_name=a&to_name=b`],
      ['POST', `${at(cap)}?t=relink&from_name=a&to_name=b&to_dir=${root.slice(5)}`],
      ['POST', `${root}?t=set_children`, JSON.stringify({ b: ['f', { ro_uri: LIT }] })],
    ]
    for (const [method, target, body = ''] of requests) {
      const answer = await web.ask(method, target, { body })
      expect([target.replace(/.*\?/, ''), answer.status]).toEqual([target.replace(/.*\?/, ''), 400])
      expect(answer.text).toMatch(/read-only/)
    }
    expect(await children(at(cap))).toEqual({ a: LIT })
  })
})

describe('requests that nobody knows', () => {
  it.each([
    ['GET', '?t=foo', 'GET directory: bad t=foo'],
    ['PUT', '?t=foo', 'PUT to a directory'],
    ['PUT', '', 'PUT to a directory'],
    ['POST', '?t=foo', 'POST to a directory with bad t=foo'],
  ])('%s %s', async (method, query, message) => {
    const root = at(await directory())
    expect(told(await web.ask(method, root + query))).toEqual([400, message])
  })
})

describe('what this version does not know', () => {
  it('GET UNKNOWN?t=json tells it as it was found', async () => {
    const root = at(await directory())
    const tahoe = { linkcrtime: expect.any(Number), linkmotime: expect.any(Number) }
    await web.post(
      `${root}?t=set_children`,
      JSON.stringify({
        one: ['unknown', { ro_uri: 'x-read' }],
        two: ['unknown', { rw_uri: 'x-write', ro_uri: 'x-read' }],
      }),
    )
    expect((await web.get(`${root}/one?t=json`)).json()).toEqual([
      'unknown',
      { ro_uri: 'ro.x-read', metadata: { tahoe } },
    ])
    expect((await web.get(`${root}/two?t=json`)).json()).toEqual([
      'unknown',
      { ro_uri: 'ro.x-read', rw_uri: 'x-write', mutable: true, metadata: { tahoe } },
    ])
    const immutable = await web.post(
      '/uri?t=mkdir-immutable',
      JSON.stringify({ x: ['unknown', { ro_uri: 'imm.x-read' }] }),
    )
    expect((await web.get(`${at(immutable.text)}/x?t=json`)).json()).toEqual([
      'unknown',
      { ro_uri: 'imm.x-read', mutable: false, metadata: {} },
    ])
  })

  it.each([
    ['x-future', {}],
    ['ro.x-future', { ro_uri: 'ro.x-future' }],
    ['imm.x-future', { ro_uri: 'imm.x-future', mutable: false }],
    ['URI:CHK:bad', {}],
  ])('may be a bare cap: %s', async (cap, known) => {
    expect((await web.get(`${at(cap)}?t=json`)).json()).toEqual(['unknown', known])
  })

  it('GET UNKNOWN?t=info is a page, and there is nothing else', async () => {
    const answer = await web.get(`${at('ro.x-future')}?t=info`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ])
    expect((await web.get(`${at('ro.x-future')}?t=uri`)).status).toBe(400)
    expect((await web.post(`${at('ro.x-future')}?t=check`)).status).toBe(405)
    expect((await web.get(`${at('ro.x-future')}/x?t=json`)).status).toBe(404)
  })
})
