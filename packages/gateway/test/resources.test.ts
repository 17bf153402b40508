import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { GatewayResponse } from '../src/index.ts'
import { useWeb, whole } from './web.ts'

const folder = mkdtempSync(join(tmpdir(), 'lafs-test-'))
afterAll(() => rmSync(folder, { recursive: true }))
const staticFolder = join(folder, 'static')
mkdirSync(join(staticFolder, 'sub'), { recursive: true })
writeFileSync(join(folder, 'secret'), 'secret')
writeFileSync(join(staticFolder, 'page.html'), '<p>page')
writeFileSync(join(staticFolder, 'sub', 'index.html'), 'index')
writeFileSync(join(staticFolder, 'large.bin'), new Uint8Array(1_000_000).fill(1))
// Where there is no such command, there is nothing by that name.
spawnSync('mkfifo', [join(staticFolder, 'pipe')])
symlinkSync(join(folder, 'secret'), join(staticFolder, 'link'))
symlinkSync(join(staticFolder, 'page.html'), join(staticFolder, 'own-link.html'))

const web = useWeb({ staticFolder, apiAuthToken: 'the-token\n' })

describe('GET /static/*', () => {
  it('gives the files of the folder', async () => {
    const page = await web.get('/static/page.html')
    expect([page.status, page.text, page.headers.get('content-type')]).toEqual([
      200,
      '<p>page',
      'text/html',
    ])
    expect((await web.get('/static/large.bin')).bytes.length).toBe(1_000_000)
    expect((await web.get('/static/sub/')).text).toBe('index')
    expect((await web.get('/static/own-link.html')).status).toBe(200)
    const head = await web.ask('HEAD', '/static/large.bin')
    expect([head.bytes.length, head.headers.get('content-length')]).toEqual([0, '1000000'])
    const bare = await web.get('/static/sub')
    expect([bare.status, bare.headers.get('location')]).toEqual([302, 'sub/'])
  })

  it('gives what it has announced of a file that changes meanwhile', async () => {
    const changing = join(staticFolder, 'changing')
    const announced = async (): Promise<GatewayResponse> => {
      writeFileSync(changing, new Uint8Array(300_000))
      return web.gateway.handle({
        method: 'GET',
        target: '/static/changing',
        headers: new Map(),
        body: (async function* () {})(),
        signal: new AbortController().signal,
      })
    }
    const grown = await announced()
    appendFileSync(changing, 'more')
    expect((await whole(grown.body)).length).toBe(300_000)
    const shrunk = await announced()
    truncateSync(changing, 299_999)
    await expect(whole(shrunk.body)).rejects.toThrow('shorter')
  })

  it.each([
    '/static/../secret',
    '/static/%2e%2e/secret',
    '/static/..%2Fsecret',
    '/static/sub/../../secret',
    '/static/%2Fetc/passwd',
    '/static//page.html',
    '/static/link',
    '/static/nowhere',
    '/static/pipe',
    '/static/page.html/x',
    '/static/page.html%00',
    '/static/..%5Csecret',
    '/static/',
    `/static/${'x'.repeat(5000)}`,
  ])('gives nothing else: %.40s', async (target) => {
    expect((await web.get(target)).status).toBe(404)
  })
})

describe('GET /private/*, POST /private/*, PUT /private/*, DELETE /private/*', () => {
  it.each<[authorization: string | undefined, status: number]>([
    [undefined, 401],
    ['', 401],
    ['tahoe-lafs', 401],
    ['tahoe-lafs ', 401],
    ['tahoe-lafs the-toke', 401],
    ['Basic the-token', 401],
    ['tahoe-lafs the-token', 501],
    ['Tahoe-LAFS the-token', 501],
  ])('with the authorization %j is %i', async (authorization, status) => {
    const headers = authorization === undefined ? {} : { authorization }
    for (const target of ['/private/logs/v1', '/private/', '/private']) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const refused = await web.ask(method, target, { headers })
        expect(refused.status).toBe(status)
        expect(refused.headers.has('www-authenticate')).toBe(status === 401)
      }
    }
  })
})

describe('GET /assets/:name, GET /icon.png, GET /favicon.ico', () => {
  it('give what the pages are made with', async () => {
    for (const target of ['/assets/app.css', '/assets/app.js', '/icon.png', '/favicon.ico']) {
      expect([target, (await web.get(target)).status]).toEqual([target, 200])
    }
    expect((await web.get('/assets/constructor')).status).toBe(404)
    expect((await web.get('/assets/..%2Fpackage.json')).status).toBe(404)
  })
})

it.each([
  ['GET', '/nowhere', 404],
  ['GET', '/storage-plugins/x', 404],
  ['GET', 'nowhere', 400],
  ['GET', '', 400],
  ['OPTIONS', '*', 400],
  ['GET', '/%FF', 400],
  ['GET', 'http://localhost/nowhere', 404],
  ['POST', '/static/x', 405],
  ['BREW', '/static/x', 501],
])('answers %s %s with %i', async (method, target, status) => {
  expect((await web.ask(method, target)).status).toBe(status)
})
