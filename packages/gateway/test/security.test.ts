import { describe, expect, it } from 'vitest'
import { censorTarget } from '../src/security.ts'
import { form, useWeb } from './web.ts'
import type { Answered } from './web.ts'

const lines: string[] = []
const web = useWeb({ allowedHosts: ['Nas.Example'], log: (line) => lines.push(line) })

const put = (headers: Record<string, string>): Promise<Answered> =>
  web.ask('PUT', '/uri', { headers, body: 'x' })

describe('the name that a request goes to', () => {
  it.each([
    'localhost',
    'localhost:3456',
    'LOCALHOST.',
    'node.localhost:1',
    '127.0.0.1:3456',
    '192.168.1.7',
    '[::1]:3456',
    '[::1]',
    'nas.example:3456',
  ])('may be %s', async (host) => {
    expect((await web.get('/uri', { host })).status).toBe(400)
  })

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil.localhost.example',
    'xlocalhost',
    'nas.example.evil',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    'localhost:x',
    'localhost:123456',
    '[evil]',
    '[dead]',
    '[127.0.0.1]',
    '2130706433',
    '',
  ])('may not be %j', async (host) => {
    const refused = await web.get('/', { host })
    expect(refused.status).toBe(403)
    expect((await put({ host })).status).toBe(403)
  })
})

describe('a change', () => {
  const host = '127.0.0.1:3456'
  it.each<[what: string, headers: Record<string, string>]>([
    ['a program', {}],
    ['a program that names the host', { host }],
    ['a page of this node', { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }],
    ['a page of this node, in an old browser', { host, origin: `http://${host}` }],
    ['a page behind a proxy that speaks TLS', { host, origin: `https://${host}` }],
    ['somebody at the address bar', { host, 'sec-fetch-site': 'none' }],
  ])('may be asked for by %s', async (_what, headers) => {
    expect((await put(headers)).status).toBe(200)
  })

  it.each<[what: string, headers: Record<string, string>]>([
    ['another site', { host, 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' }],
    ['another port', { host, 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' }],
    ['another site, in an old browser', { host, origin: 'http://evil.example' }],
    ['another port, in an old browser', { host, origin: 'http://127.0.0.1:1' }],
    ['a name that begins like this one', { host, origin: `http://${host}.evil.example` }],
    ['a page without an origin, as hostile files are', { host, origin: 'null' }],
    ['a page that goes to no name', { origin: 'http://evil.example' }],
    ['another scheme', { host, origin: `file://${host}` }],
    ['nonsense', { host, 'sec-fetch-site': 'x' }],
  ])('may not be asked for by %s', async (_what, headers) => {
    const refused = await put(headers)
    expect([refused.status, refused.text]).toEqual([
      403,
      'A page of another site asked for this change, so it was not made.',
    ])
    const sent = { ...form({ t: 'mkdir' }) }
    const posted = await web.ask('POST', '/uri', {
      ...sent,
      headers: { ...sent.headers, ...headers },
    })
    expect(posted.status).toBe(403)
    expect((await web.ask('DELETE', '/uri/x/y', { headers })).status).toBe(403)
    expect((await web.ask('PATCH', '/uri/x/y', { headers })).status).toBe(403)
  })

  it('is no reading, which others may link to', async () => {
    const headers = { host, 'sec-fetch-site': 'cross-site' }
    expect((await web.get('/uri/URI:LIT:me', headers)).status).toBe(200)
  })
})

it('says with everything that it is not to be framed, guessed at or told of', async () => {
  for (const target of [
    '/',
    '/uri',
    '/nowhere',
    '/uri/URI:LIT:me',
    '/uri/URI:LIT:me?t=json',
    '/?t=json',
  ]) {
    const { headers } = await web.get(target)
    expect(headers.get('x-frame-options')).toBe('DENY')
    // Forms of pages would have no origin without any.
    const isPage = headers.get('content-type')?.startsWith('text/html') === true
    expect(headers.get('referrer-policy')).toBe(isPage ? 'same-origin' : 'no-referrer')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  }
})

describe('a log', () => {
  it('hears of each request, without what may be secret in it', async () => {
    lines.length = 0
    await web.get('/uri/URI:LIT:me?t=json&filename=secret')
    await web.put('/uri?format=foo', 'x')
    expect(lines).toEqual([
      'web: GET /uri/[CENSORED]?t=json&filename=[CENSORED] 200',
      'web: PUT /uri?format=foo 400',
    ])
  })

  it.each([
    ['/uri/URI:DIR2:secret/name?t=json', '/uri/[CENSORED]?t=json'],
    ['/cap/secret', '/cap/[CENSORED]'],
    ['//uri/secret', '/uri/[CENSORED]'],
    ['/file/secret/name', '/file/[CENSORED]'],
    ['/named/secret', '/named/[CENSORED]'],
    ['/operations/secret?output=json', '/operations/[CENSORED]?output=json'],
    ['/uri?uri=secret&t=json', '/uri?uri=[CENSORED]&t=json'],
    ['/uri?private-key=secret', '/uri?private-key=[CENSORED]'],
    ['/uri?to_dir=secret&%75ri=secret', '/uri?to_dir=[CENSORED]&[CENSORED]=[CENSORED]'],
    ['/uri?secret', '/uri?[CENSORED]'],
    ['/uri?t=URI:DIR2:secret', '/uri?t=[CENSORED]'],
    ['/uri?t=URI%3ADIR2%3Asecret&save=true', '/uri?t=[CENSORED]&save=true'],
    ['/uri?a=b?uri=secret', '/uri?a=[CENSORED]'],
    ['/uri/\nsecret', '/uri/[CENSORED]'],
    ['/?t=json', '/?t=json'],
    ['/URI:DIR2:secret', '/[CENSORED]'],
    ['/%75ri/secret', '/[CENSORED]'],
    ['http://localhost/uri/secret', '/[CENSORED]'],
    ['/status/URI:LIT:me', '/status/[CENSORED]'],
    ['', '/[CENSORED]'],
    ['*', '/[CENSORED]'],
    ['/statistics', '/statistics'],
    ['/status/down-1', '/status/down-1'],
    ['/static/a/secret', '/static/[CENSORED]'],
  ])('of %j', (target, told) => {
    expect(censorTarget(target)).toBe(told)
  })
})
