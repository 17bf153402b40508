import { describe, expect, it } from 'vitest'
import { noise } from '@lafs/testing'
import { form, useWeb } from './web.ts'
import type { Answered } from './web.ts'

const web = useWeb()

const q = encodeURIComponent

/** A new directory. @returns its address. */
async function directory(): Promise<string> {
  return `/uri/${q((await web.post('/uri?t=mkdir')).text)}`
}

const place = ({ status, text }: Answered): [number, string] => [status, text]

describe('GET FILE', () => {
  it('gives the content, whatever its size', async () => {
    for (const size of [0, 1, 55, 56, 131_072, 1_500_000]) {
      const data = noise(size)
      const cap = (await web.put('/uri', data)).text
      const got = await web.get(`/uri/${q(cap)}`)
      expect(got.status).toBe(200)
      expect(Buffer.from(got.bytes).equals(data)).toBe(true)
      expect(got.headers.get('content-length')).toBe(String(size))
    }
  })

  it('says by the name what it is, and keeps it from doing anything', async () => {
    const root = await directory()
    await web.put(`${root}/page.html`, '<script>1</script>')
    const { headers } = await web.get(`${root}/page.html`)
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/html',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'accept-ranges': 'bytes',
    })
    const cap = (await web.put('/uri', '<script>1</script>')).text
    for (const name of ['a.html', 'a.svg', 'a.xml', 'a.xhtml', 'a.pdf', 'a.js', 'a', 'a.html.gz']) {
      const policy = (await web.get(`/file/${q(cap)}/${name}`)).headers.get(
        'content-security-policy',
      )
      expect(policy).toMatch(/^sandbox; default-src 'none';/)
      expect(policy).not.toMatch(/script|allow/)
    }
  })

  it('goes by another name where it is asked to, and can be saved', async () => {
    const cap = (await web.put('/uri', 'text')).text
    const saved = async (name: string): Promise<string | undefined> =>
      (await web.get(`/uri/${q(cap)}?save=true&filename=${q(name)}`)).headers.get(
        'content-disposition',
      )
    expect(await saved('a b.txt')).toBe('attachment; filename="a b.txt"')
    expect(await saved('é"\r\n\\.txt')).toBe(
      `attachment; filename="_____.txt"; filename*=UTF-8''%C3%A9%22%0D%0A%5C.txt`,
    )
    const shown = await web.get(`/uri/${q(cap)}?filename=x.png`)
    expect(shown.headers.get('content-type')).toBe('image/png')
    expect(shown.headers.has('content-disposition')).toBe(false)
    const bad = await web.get(`/uri/${q(cap)}?save=maybe`)
    expect(place(bad)).toEqual([400, "invalid boolean argument: 'maybe'"])
  })

  it('gives one range', async () => {
    const data = noise(300_000)
    const cap = q((await web.put('/uri', data)).text)
    const range = (text: string): Promise<Answered> => web.get(`/uri/${cap}`, { range: text })
    const middle = await range('bytes=100000-200000')
    expect(middle.status).toBe(206)
    expect(middle.headers.get('content-range')).toBe('bytes 100000-200000/300000')
    expect(Buffer.from(middle.bytes).equals(data.subarray(100_000, 200_001))).toBe(true)
    const end = await range('bytes=-5')
    expect(end.headers.get('content-range')).toBe('bytes 299995-299999/300000')
    expect(end.bytes).toEqual(new Uint8Array(data.subarray(-5)))
    expect((await range('bytes=5-1')).status).toBe(200)
    const beyond = await range('bytes=300000-300001')
    expect(place(beyond)).toEqual([416, 'First beyond end of file'])
    expect(beyond.headers.get('content-range')).toBe('bytes */300000')
  })

  it('knows what the reader has', async () => {
    const cap = q((await web.put('/uri', noise(100))).text)
    const { headers } = await web.get(`/uri/${cap}`)
    const tag = headers.get('etag') ?? ''
    expect(tag).toMatch(/^"[a-z2-7]{26}-"$/)
    for (const known of [tag, tag.slice(1, -1), `W/${tag}`, `"x", ${tag}`, '*']) {
      const again = await web.get(`/uri/${cap}`, { 'if-none-match': known })
      expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', tag])
    }
    expect((await web.get(`/uri/${cap}`, { 'if-none-match': '"x"' })).status).toBe(200)
    expect((await web.get(`/uri/${cap}?t=uri`, { 'if-none-match': tag })).status).toBe(200)
    const range = { range: 'bytes=0-1' }
    expect((await web.get(`/uri/${cap}`, { ...range, 'if-range': tag })).status).toBe(206)
    expect((await web.get(`/uri/${cap}`, { ...range, 'if-range': '"x"' })).status).toBe(200)
  })

  it('without a body for HEAD, which is for the content alone', async () => {
    const cap = q((await web.put('/uri', noise(1000))).text)
    const head = await web.ask('HEAD', `/uri/${cap}`)
    expect([head.status, head.bytes.length, head.headers.get('content-length')]).toEqual([
      200,
      0,
      '1000',
    ])
    expect((await web.ask('HEAD', `/uri/${cap}?t=json`)).status).toBe(400)
    const range = await web.ask('HEAD', `/uri/${cap}`, { headers: { range: 'bytes=0-9' } })
    expect([range.status, range.headers.get('content-length')]).toEqual([206, '10'])
  })

  it('tells what is wrong before it begins', async () => {
    const cap = (await web.put('/uri', noise(1000))).text
    const other = cap.replace(/^URI:CHK:[a-z2-7]{26}/, `URI:CHK:${'a'.repeat(26)}`)
    const lost = await web.get(`/uri/${q(other)}`)
    expect([lost.status, lost.text.split(':')[0]]).toEqual([410, 'NoSharesError'])
    expect(lost.text).not.toContain('URI:')
    const page = await web.get(`/uri/${q(other)}`, { accept: 'text/html,*/*' })
    expect([page.status, page.headers.get('content-type')?.slice(0, 9)]).toEqual([410, 'text/html'])
  })

  it('has no other operations, and nothing below it', async () => {
    const cap = q((await web.put('/uri', noise(100))).text)
    expect(place(await web.get(`/uri/${cap}?t=bad`))).toEqual([400, 'GET file: bad t=bad'])
    expect(place(await web.put(`/uri/${cap}?t=bad`))).toEqual([400, 'PUT to a file: bad t=bad'])
    expect(place(await web.post(`/uri/${cap}`))).toEqual([400, 'POST to file: bad t='])
    expect(place(await web.get(`/uri/${cap}/x`))).toEqual([400, "Files have no children named 'x'"])
    expect((await web.put(`/uri/${cap}/x`)).status).toBe(409)
    expect(place(await web.ask('PATCH', `/uri/${cap}`))).toEqual([
      501,
      "I don't know how to treat a PATCH request.",
    ])
  })
})

describe('GET FILE?t=json, GET FILE?t=uri, GET FILE?t=readonly-uri', () => {
  it('of an immutable file', async () => {
    const cap = (await web.put('/uri', noise(100))).text
    const at = `/uri/${q(cap)}`
    const json = await web.get(`${at}?t=json`)
    expect(json.headers.get('content-type')).toBe('text/plain')
    expect(json.headers.get('etag')).toMatch(/-json"$/)
    expect(json.text).toMatch(/^\[\n "filenode",\n \{\n {2}"mutable": false,\n/)
    expect(json.json()).toEqual([
      'filenode',
      {
        mutable: false,
        format: 'CHK',
        size: 100,
        ro_uri: cap,
        verify_uri: expect.stringMatching(/^URI:CHK-Verifier:/),
      },
    ])
    expect((await web.get(`${at}?t=uri`)).text).toBe(cap)
    expect((await web.get(`${at}?t=readonly-uri`)).text).toBe(cap)
  })

  it('of a mutable file in a directory', async () => {
    const root = await directory()
    const cap = (await web.put(`${root}/m?format=MDMF`, 'four')).text
    expect(cap).toMatch(/^URI:MDMF:/)
    expect((await web.get(`${root}/m?t=json`)).json()).toEqual([
      'filenode',
      {
        mutable: true,
        format: 'MDMF',
        size: 4,
        ro_uri: expect.stringMatching(/^URI:MDMF-RO:/),
        rw_uri: cap,
        verify_uri: expect.stringMatching(/^URI:MDMF-Verifier:/),
        metadata: { tahoe: { linkcrtime: expect.any(Number), linkmotime: expect.any(Number) } },
      },
    ])
    expect((await web.get(`${root}/m?t=uri`)).text).toBe(cap)
    expect((await web.get(`${root}/m?t=readonly-uri`)).text).toMatch(/^URI:MDMF-RO:/)
    expect((await web.get(`${root}/m`)).headers.has('etag')).toBe(false)
  })
})

describe('GET FILE?t=info', () => {
  it('is a page', async () => {
    const cap = q((await web.put('/uri', noise(100))).text)
    const page = await web.get(`/uri/${cap}?t=info`)
    expect([page.status, page.headers.get('content-type')?.slice(0, 9)]).toEqual([200, 'text/html'])
  })
})

describe('PUT NAME', () => {
  it('links a file there, and makes the directories before it', async () => {
    const root = await directory()
    const put = await web.put(`${root}/a/b%2Fc/d.txt`, 'hello')
    expect([put.status, put.headers.get('content-type')]).toEqual([201, 'text/plain;charset=utf-8'])
    expect((await web.get(`${root}/a/b%2Fc/d.txt`)).text).toBe('hello')
    expect(place(await web.get(`${root}/a/b/c`))).toEqual([404, 'No such child: b'])
  })

  it.each(['SDMF', 'MDMF'])('of the format %s', async (format) => {
    const root = await directory()
    const cap = (await web.put(`${root}/m?format=${format.toLowerCase()}`, 'one')).text
    expect(cap).toMatch(format === 'SDMF' ? /^URI:SSK:/ : /^URI:MDMF:/)
    expect((await web.get(`${root}/m`)).text).toBe('one')
  })

  it.each<[what: string, path: string, status: number, text: string | RegExp]>([
    ['an unknown format', '/x?format=foo', 400, 'Unknown format: foo, I know CHK, SDMF, MDMF'],
    ['an unclear replace', '/x?replace=foo', 400, "invalid replace= argument: 'foo'"],
    ['an unclear mutable', '/x?mutable=foo', 400, "invalid boolean argument: 'foo'"],
    ['a double slash', '/x//y', 400, /^The webapi does not allow empty pathname components/],
    ['a bad key', '/x?format=SDMF&private-key=AAAA', 400, /RSA key/],
    [
      'a name that is no text',
      '/%FF',
      400,
      'the path: I expected text in utf-8, and got other bytes',
    ],
    ['another operation', '/x?t=bad', 404, 'No such child: x'],
  ])('refuses %s', async (_what, path, status, text) => {
    const root = await directory()
    const refused = await web.put(`${root}${path}`, 'hello')
    expect(refused.status).toBe(status)
    expect(refused.text).toMatch(text)
    expect((await web.get(`${root}/x`)).status).toBe(404)
  })

  it('takes any name', async () => {
    const root = await directory()
    const names = ['..', '.', 'a\0b', '\u202Ecod.txt', 'x'.repeat(2000), '%2F', '\r\n', 'é', '💾']
    for (const name of names) {
      expect((await web.put(`${root}/${q(name)}`, name)).status).toBe(201)
      expect((await web.get(`${root}/${q(name)}`)).text).toBe(name)
    }
  })

  it('refuses a part of a file, and a read-only directory', async () => {
    const root = await directory()
    const sent = { headers: { 'content-range': 'bytes 0-1/2' }, body: 'ab' }
    expect(place(await web.ask('PUT', `${root}/x`, sent))).toEqual([
      501,
      'Content-Range in PUT not yet supported',
    ])
    const readonly = q((await web.get(`${root}?t=readonly-uri`)).text)
    expect((await web.put(`/uri/${readonly}/x`, 'a')).status).toBe(400)
    expect((await web.put(`/uri/${readonly}/y/x`, 'a')).status).toBe(400)
  })
})

describe('PUT FILE', () => {
  it('replaces an immutable file, unless that may not be', async () => {
    const root = await directory()
    await web.put(`${root}/x`, 'one')
    expect((await web.put(`${root}/x`, 'two')).status).toBe(200)
    expect((await web.get(`${root}/x`)).text).toBe('two')
    expect(place(await web.put(`${root}/x?replace=false`, 'three'))).toEqual([
      409,
      'There was already a child by that name, and you asked me to not replace it.',
    ])
    expect((await web.put(`${root}/x?replace=only-files`, 'four')).status).toBe(200)
    const part = { headers: { 'content-range': 'bytes 0-0/4' }, body: 'x' }
    expect((await web.ask('PUT', `${root}/x`, part)).status).toBe(501)
    expect(place(await web.put(`${root}/x?offset=1`, 'y'))).toEqual([
      400,
      'PUT to a file: append operation invoked on an immutable cap',
    ])
    expect(place(await web.put(`${root}/x/y`, 'z'))).toEqual([
      409,
      "Unable to create directory 'x': a file was in the way",
    ])
    expect((await web.get(`${root}/x`)).text).toBe('four')
  })

  it('takes writes into a mutable one that come together, by whatever name', async () => {
    const root = await directory()
    for (const format of ['SDMF', 'MDMF']) {
      const file = `${root}/${format}`
      const cap = (await web.put(`${file}?format=${format}`, '........')).text
      const writes = Array.from('abcdefgh', async (letter, offset) => {
        const target = offset % 2 === 0 ? file : `/uri/${q(cap)}`
        return (await web.put(`${target}?offset=${offset}`, letter)).status
      })
      // One that is refused is in nobody's way.
      writes.push(web.put(`${file}?offset=99`, 'x').then(({ status }) => status))
      expect(await Promise.all(writes)).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 400])
      expect((await web.get(file)).text).toBe('abcdefgh')
    }
  })

  it('takes writes into a mutable one that come together with new contents for it', async () => {
    const root = await directory()
    for (const format of ['SDMF', 'MDMF']) {
      const file = `${root}/${format}`
      await web.put(`${file}?format=${format}`, '........')
      const writes = Array.from('abcdefgh', async (letter, offset) => {
        const query = offset % 2 === 0 ? `?offset=${offset}` : ''
        return (await web.put(`${file}${query}`, letter.repeat(8))).status
      })
      expect(await Promise.all(writes)).toEqual([200, 200, 200, 200, 200, 200, 200, 200])
    }
  })

  it('replaces the content of a mutable one, or writes into it', async () => {
    const root = await directory()
    const cap = (await web.put(`${root}/m?format=MDMF`, 'hello world')).text
    for (const [query, body, content] of [
      ['', 'hello', 'hello'],
      ['?offset=5', ' there', 'hello there'],
      ['?offset=0', 'J', 'Jello there'],
      ['?offset=%2B1', 'u', 'Jullo there'],
    ] as const) {
      expect(place(await web.put(`${root}/m${query}`, body))).toEqual([200, cap])
      expect((await web.get(`/uri/${q(cap)}`)).text).toBe(content)
    }
    for (const [query, text] of [
      ['?offset=-1', 'PUT to a mutable file: Invalid offset'],
      ['?offset=x', 'PUT to a file: offset= must be a whole number'],
      ['?offset=1.5', 'PUT to a file: offset= must be a whole number'],
      ['?offset=', 'PUT to a file: offset= must be a whole number'],
      ['?offset=99999999999999999999', 'PUT to a file: offset= must be a whole number'],
    ] as const) {
      expect(place(await web.put(`${root}/m${query}`, 'x'))).toEqual([400, text])
    }
    const readonly = q((await web.get(`${root}/m?t=readonly-uri`)).text)
    expect(place(await web.put(`/uri/${readonly}`, 'x'))).toEqual([
      400,
      'PUT to a mutable file: replace or update requested with read-only cap',
    ])
    for (const offset of [12, 1000]) {
      expect(place(await web.put(`${root}/m?offset=${offset}`, 'x'))).toEqual([
        400,
        'PUT to a mutable file: offset= is past the end, at 11',
      ])
    }
    const part = { headers: { 'content-range': 'bytes 0-0/11' }, body: 'x' }
    expect((await web.ask('PUT', `${root}/m`, part)).status).toBe(501)
    expect((await web.get(`${root}/m`)).text).toBe('Jullo there')
  })

  it('needs a directory for an immutable file', async () => {
    const cap = q((await web.put('/uri', noise(100))).text)
    expect((await web.put(`/uri/${cap}`, 'x')).status).toBe(400)
    expect((await web.put(`/uri/${cap}?t=uri`, 'x')).status).toBe(400)
    expect((await web.ask('DELETE', `/uri/${cap}`)).status).toBe(400)
  })
})

describe('PUT NAME?t=uri, PUT FILE?t=uri', () => {
  it('links a cap', async () => {
    const root = await directory()
    const cap = (await web.put('/uri', noise(100))).text
    expect(place(await web.put(`${root}/x?t=uri`, cap))).toEqual([200, cap])
    const other = (await web.put('/uri', noise(200))).text
    expect((await web.put(`${root}/x?t=uri&replace=false`, other)).status).toBe(409)
    expect((await web.get(`${root}/x?t=uri`)).text).toBe(cap)
    expect(place(await web.put(`${root}/x?t=uri`, `${other}\n`))).toEqual([200, other])
    expect((await web.get(`${root}/x?t=uri`)).text).toBe(other)
  })

  it.each(['', 'garbage', 'URI:CHK:bad', '\xFF'])('refuses %j', async (body) => {
    const root = await directory()
    const refused = await web.put(`${root}/x?t=uri`, new Uint8Array(Buffer.from(body, 'latin1')))
    expect(refused.status).toBe(400)
    expect((await web.get(`${root}/x`)).status).toBe(404)
  })
})

describe('PUT NAME?t=mkdir, POST NAME?t=mkdir', () => {
  it.each(['PUT', 'POST'])('%s makes a directory, and those before it', async (method) => {
    const root = await directory()
    const made = await web.ask(method, `${root}/a/b?t=mkdir`)
    expect(place(made)).toEqual([200, (await web.get(`${root}/a/b?t=uri`)).text])
    const named = await web.ask('POST', `${root}/c?t=mkdir&name=d`)
    expect(named.text).toBe((await web.get(`${root}/c/d?t=uri`)).text)
  })
})

describe('POST NAME?t=mkdir-with-children, POST NAME?t=mkdir-immutable', () => {
  it('make a directory with what the body lists', async () => {
    const root = await directory()
    const cap = (await web.put('/uri', 'child')).text
    const body = JSON.stringify({ x: ['filenode', { ro_uri: cap, metadata: { mine: 1 } }] })
    const plain = await web.post(`${root}/p?t=mkdir-with-children`, body)
    expect(plain.text).toMatch(/^URI:DIR2:/)
    const fixed = await web.post(`${root}/i?t=mkdir-immutable`, body)
    expect(fixed.text).toMatch(/^URI:DIR2-(?:CHK|LIT):/)
    for (const name of ['p', 'i']) {
      expect((await web.get(`${root}/${name}/x`)).text).toBe('child')
    }
    expect((await web.get(`${root}/p/x?t=json`)).json()).toMatchObject([
      'filenode',
      { metadata: { mine: 1 } },
    ])
  })

  it.each<[what: string, body: string]>([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a child that is no pair', '{"x":["filenode"]}'],
    ['a child without facts', '{"x":["filenode",null]}'],
    ['a cap that is no text', '{"x":["filenode",{"ro_uri":1}]}'],
    ['metadata that is no object', '{"x":["filenode",{"ro_uri":"URI:LIT:me","metadata":[]}]}'],
    ['a cap that is none', '{"x":["filenode",{"rw_uri":"garbage"}]}'],
  ])('refuse %s', async (_what, body) => {
    const root = await directory()
    const refused = await web.post(`${root}/x?t=mkdir-with-children`, body)
    expect(refused.status).toBe(400)
    expect((await web.get(`${root}/x`)).status).toBe(404)
  })

  it('refuse what is mutable where nothing may be', async () => {
    const root = await directory()
    const cap = (await web.get(`${root}?t=uri`)).text
    const body = JSON.stringify({ x: ['dirnode', { rw_uri: cap }] })
    const refused = await web.post(`${root}/x?t=mkdir-immutable`, body)
    expect([refused.status, refused.text.split(':')[0]]).toEqual([400, 'MustBeDeepImmutableError'])
  })
})

describe('POST FILE?t=upload', () => {
  it('replaces a file by that of a form', async () => {
    const root = await directory()
    await web.put(`${root}/x`, 'one')
    const sent = form({ t: 'upload', file: ['ignored', 'two'] })
    expect((await web.ask('POST', `${root}/x`, sent)).status).toBe(200)
    expect((await web.get(`${root}/x`)).text).toBe('two')
    const done = form({ file: ['', 'three'], when_done: '../' })
    const redirected = await web.ask('POST', `${root}/x?t=upload`, done)
    expect([redirected.status, redirected.headers.get('location')]).toEqual([302, '../'])
    expect((await web.ask('POST', `${root}/x?t=upload&replace=0`, done)).status).toBe(409)
    expect((await web.get(`${root}/x`)).text).toBe('three')
  })

  it('replaces the content of a mutable file', async () => {
    const cap = (await web.put('/uri?format=SDMF', 'one')).text
    const sent = form({ file: ['', 'two'] })
    expect(place(await web.ask('POST', `/uri/${q(cap)}?t=upload`, sent))).toEqual([200, cap])
    expect((await web.get(`/uri/${q(cap)}`)).text).toBe('two')
  })

  it.each([
    ['no form', {}],
    ['a form without a file', form({ x: 'y' })],
    [
      'a form that ends early',
      { ...form({ file: ['', 'x'] }), body: form({ file: ['', 'x'] }).body.slice(0, -9) },
    ],
    [
      'a form like a query',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'file=x' },
    ],
  ])('refuses %s', async (_what, sent) => {
    const root = await directory()
    await web.put(`${root}/x`, 'one')
    expect((await web.ask('POST', `${root}/x?t=upload`, sent)).status).toBe(400)
    expect((await web.get(`${root}/x`)).text).toBe('one')
  })
})

describe('DELETE FILE', () => {
  it('unlinks it', async () => {
    const root = await directory()
    const cap = (await web.put(`${root}/x`, 'one')).text
    expect(place(await web.ask('DELETE', `${root}/x`))).toEqual([200, cap])
    expect(place(await web.ask('DELETE', `${root}/x`))).toEqual([404, 'No such child: x'])
    expect(place(await web.ask('DELETE', `${root}/a/x`))).toEqual([404, 'No such child: a'])
  })
})

describe('GET /file/CAP/NAME', () => {
  it('is a file by any name', async () => {
    const cap = q((await web.put('/uri', noise(100))).text)
    for (const path of ['x.png', '@@named=/x.png', 'a/b/x.png']) {
      for (const root of ['/file', '/named']) {
        const got = await web.get(`${root}/${cap}/${path}`)
        expect([got.status, got.headers.get('content-type')]).toEqual([200, 'image/png'])
      }
    }
    expect((await web.get(`/file/${cap}`)).headers.get('content-type')).toBe('text/plain')
    expect(place(await web.put(`/file/${cap}/x`))).toEqual([
      400,
      '/file can only be used with GET or HEAD',
    ])
    const none = [404, '/file must be followed by a file-cap and a name']
    expect(place(await web.get('/file'))).toEqual(none)
    expect(place(await web.get('/file/'))).toEqual(none)
    const root = await directory()
    expect((await web.get(root.replace('/uri/', '/file/'))).status).toBe(400)
    expect((await web.get('/file/garbage/x')).text).not.toContain('garbage')
  })
})
