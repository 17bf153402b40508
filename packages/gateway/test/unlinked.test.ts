import { noise } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { form, useWeb } from './web.ts'
import type { Answered } from './web.ts'

const web = useWeb()
const q = encodeURIComponent
const place = ({ status, text }: Answered): [number, string] => [status, text]

describe('PUT /uri', () => {
  it('uploads a file, equal ones to equal caps', async () => {
    const data = noise(5_000_000)
    const first = await web.put('/uri', data)
    expect(first.status).toBe(200)
    expect(first.text).toMatch(/^URI:CHK:/)
    expect((await web.put('/uri', data)).text).toBe(first.text)
    const uploaded = await web.client.upload(data)
    expect(uploaded.uri).toBe(first.text)
  })

  it('with a random key where that is asked for', async () => {
    const data = noise(100_000)
    const cap = (await web.put('/uri', data)).text
    const sent = { headers: { 'content-length': '100000' }, body: data }
    for (const target of ['/uri?random-key=true', '/uri?random-key=1']) {
      const other = await web.ask('PUT', target, sent)
      expect([other.status, other.text === cap]).toEqual([200, false])
      const got = await web.get(`/uri/${q(other.text)}`)
      expect(Buffer.from(got.bytes).equals(data)).toBe(true)
    }
    expect((await web.put('/uri?random-key=true', data)).text).not.toBe(cap)
    const posted = form({ file: ['x', data], t: 'upload', when_done: '%(uri)s' })
    const page = await web.ask('POST', '/uri?random-key=true', posted)
    expect(decodeURIComponent(page.headers.get('location') ?? '')).toMatch(/^URI:CHK:/)
    expect(decodeURIComponent(page.headers.get('location') ?? '')).not.toBe(cap)
    const short = { headers: { 'content-length': '100001' }, body: data }
    expect((await web.ask('PUT', '/uri?random-key=true', short)).status).toBe(400)
  })

  it.each(['SDMF', 'MDMF', 'sdmf'])('makes a mutable file: %s', async (format) => {
    const cap = (await web.put(`/uri?format=${format}`, 'one')).text
    expect(cap).toMatch(format === 'MDMF' ? /^URI:MDMF:/ : /^URI:SSK:/)
    expect((await web.get(`/uri/${q(cap)}`)).text).toBe('one')
  })

  it.each<[method: string, target: string, status: number]>([
    ['PUT', '/uri?format=foo', 400],
    ['PUT', '/uri?t=bad', 400],
    ['PUT', '/uri?t=upload', 400],
    ['PUT', '/uri?mutable=x', 400],
    ['PUT', '/uri?random-key=x', 400],
    ['POST', '/uri?t=bad', 400],
    ['DELETE', '/uri', 501],
    ['PATCH', '/uri', 501],
  ])('%s %s is refused', async (method, target, status) => {
    expect((await web.ask(method, target, { body: 'x' })).status).toBe(status)
  })
})

describe('GET /uri', () => {
  it('redirects to a cap, with the other arguments', async () => {
    const cap = (await web.put('/uri', noise(100))).text
    const to = await web.get(`/uri?uri=${q(cap)}&t=json&filename=a%20b`)
    expect([to.status, to.headers.get('location')]).toEqual([
      302,
      `uri/${q(cap)}?t=json&filename=a+b`,
    ])
    expect((await web.get(`/cap?uri=${q(cap)}`)).headers.get('location')).toBe(`cap/${q(cap)}`)
    const slash = await web.get(`/uri/?uri=${q(cap)}`)
    expect([slash.status, slash.headers.get('location')]).toEqual([302, `../uri?uri=${q(cap)}`])
  })

  it.each(['', '?uri=', '?uri=garbage', '?uri=../../x', '?uri=http:%2F%2Fexample.org'])(
    'refuses %j',
    async (query) => {
      expect((await web.get(`/uri${query}`)).status).toBe(400)
    },
  )
})

describe('PUT /uri?t=mkdir, POST /uri?t=mkdir', () => {
  it.each(['PUT', 'POST'])('%s makes a directory', async (method) => {
    const made = await web.ask(method, '/uri?t=mkdir')
    expect(made.text).toMatch(/^URI:DIR2:/)
    expect((await web.ask(method, '/uri?t=mkdir&format=mdmf')).text).toMatch(/^URI:DIR2-MDMF:/)
    expect((await web.ask(method, '/uri?t=mkdir&format=chk')).status).toBe(400)
    expect((await web.ask(method, '/uri?t=mkdir&private-key=AAAA')).status).toBe(400)
  })

  it('goes to it where that is asked for', async () => {
    const sent = form({ t: 'mkdir', redirect_to_result: 'true' })
    const made = await web.ask('POST', '/uri', sent)
    expect([made.status, made.headers.get('location')?.slice(0, 13)]).toEqual([
      303,
      'uri/URI%3ADIR',
    ])
    expect((await web.post('/uri?t=mkdir&redirect_to_result=x')).status).toBe(400)
  })

  it('takes no children', async () => {
    expect(place(await web.post('/uri?t=mkdir', '{}'))).toEqual([
      400,
      't=mkdir does not accept children=, try t=mkdir-with-children instead',
    ])
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await web.ask('POST', '/uri?t=mkdir', { headers, body: '{"x":1}' })).status).toBe(400)
    expect((await web.ask('POST', '/uri?t=mkdir', { headers, body: 'a=b' })).status).toBe(200)
  })
})

describe('POST /uri?t=mkdir-with-children, POST /uri?t=mkdir-immutable', () => {
  it('make a directory with what the body lists, however that is announced', async () => {
    const cap = (await web.put('/uri', 'child')).text
    const body = JSON.stringify({ é: ['filenode', { ro_uri: cap }] })
    for (const headers of [{}, { 'content-type': 'application/x-www-form-urlencoded' }]) {
      const plain = await web.ask('POST', '/uri?t=mkdir-with-children', { headers, body })
      expect(plain.text).toMatch(/^URI:DIR2:/)
      expect((await web.get(`/uri/${q(plain.text)}/${q('é')}`)).text).toBe('child')
    }
    const fixed = await web.post('/uri?t=mkdir-immutable&redirect_to_result=true', body)
    expect([fixed.status, fixed.headers.get('location')?.slice(0, 14)]).toEqual([
      303,
      'uri/URI%3ADIR2',
    ])
    expect((await web.post('/uri?t=mkdir-immutable')).text).toMatch(/^URI:DIR2-LIT:/)
    expect((await web.post('/uri?t=mkdir-with-children', '[1]')).status).toBe(400)
    const sent = form({ x: 'y' })
    expect((await web.ask('POST', '/uri?t=mkdir-with-children', sent)).status).toBe(400)
  })
})

describe('POST /uri, POST /uri?t=upload', () => {
  it('upload the file of a form, wherever it stands there', async () => {
    const expected = (await web.put('/uri', 'hello')).text
    for (const sent of [
      form({ when_done: '/done?%(uri)s', file: ['x', 'hello'] }),
      form({ file: ['x', 'hello'], t: 'upload', when_done: '/done?%(uri)s' }),
      form({ file: 'hello', when_done: '/done?%(uri)s' }),
    ]) {
      const done = await web.ask('POST', '/uri', sent)
      expect([done.status, done.headers.get('location')]).toEqual([302, `/done?${q(expected)}`])
    }
    const page = await web.ask('POST', '/uri', form({ file: ['x', 'hello'] }))
    expect([page.status, page.text.includes(expected)]).toEqual([200, true])
    const mutable = await web.ask('POST', '/uri?format=sdmf', form({ file: ['x', 'hello'] }))
    expect(mutable.text).toMatch(/^URI:SSK:/)
  })

  it.each([
    ['/a?b#c', '/a?b#c'],
    ['..', '..'],
    ['http://127.0.0.1:1/x', 'http://127.0.0.1:1/x'],
    ['/é \r\nset-cookie: a', '/%C3%A9%20%0D%0Aset-cookie:%20a'],
  ])('and go on to %j', async (target, location) => {
    const done = await web.ask('POST', `/uri?when_done=${q(target)}`, form({ file: ['', 'x'] }))
    expect([done.status, done.headers.get('location')]).toEqual([302, location])
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', 'FILE:///etc/passwd'])(
    'and do not go on to %s',
    async (target) => {
      const done = await web.ask('POST', `/uri?when_done=${q(target)}`, form({ file: ['', 'x'] }))
      expect(done.status).toBe(400)
    },
  )

  it('refuse several files, and fields that are too long', async () => {
    const one = form({ file: ['a', 'x'] }).body
    const sent = { ...form({ file: ['a', 'x'] }), body: Buffer.concat([one.subarray(0, -21), one]) }
    expect(
      (await web.ask('POST', '/uri', { ...sent, body: new Uint8Array(sent.body) })).status,
    ).toBe(400)
    const long = form({ file: ['a', 'x'], when_done: 'x'.repeat(5_000_000) })
    expect((await web.ask('POST', '/uri', long)).status).toBe(413)
  })
})

describe('POST /uri?t=open', () => {
  it('goes to the page of a cap that stands in no address', async () => {
    const cap = (await web.post('/uri?t=mkdir')).text
    const sent = form({ t: 'open', uri: cap })
    const to = await web.ask('POST', '/uri', sent)
    expect([to.status, to.headers.get('location')?.includes(q(cap))]).toEqual([303, true])
  })
})
