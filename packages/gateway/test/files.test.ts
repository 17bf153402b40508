import { describe, expect, it } from 'vitest'
import { form, useWeb } from './web.ts'

const web = useWeb()

describe('PUT /uri', () => {
  it('uploads a file, which GET gives back', async () => {
    const data = new Uint8Array(100_000).fill(3)
    const put = await web.put('/uri', data)
    expect(put.text).toMatch(/^URI:CHK:/)
    const got = await web.get(`/uri/${encodeURIComponent(put.text)}`)
    expect(got.status).toBe(200)
    expect(got.bytes).toEqual(data)
  })
})

describe('a directory', () => {
  it('takes files on paths that it makes', async () => {
    const made = await web.post('/uri?t=mkdir')
    expect(made.text).toMatch(/^URI:DIR2:/)
    const root = `/uri/${encodeURIComponent(made.text)}`
    const put = await web.put(`${root}/a/b/c.txt`, 'hello, this is a text')
    expect([put.status, put.text.slice(0, 8)]).toEqual([201, 'URI:LIT:'])
    const got = await web.get(`${root}/a/b/c.txt`)
    expect(got.text).toBe('hello, this is a text')
    expect(got.headers.get('content-type')).toBe('text/plain')
    expect((await web.get(`${root}/a/x`)).text).toBe('No such child: x')
    const again = await web.ask(
      'POST',
      '/uri?t=upload&when_done=/x/%25(uri)s',
      form({ file: ['n', 'abc'] }),
    )
    expect([again.status, again.headers.get('location')]).toEqual([302, '/x/URI%3ALIT%3Amfrgg'])
  })
})
