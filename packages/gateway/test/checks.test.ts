import { toBase32 } from '@lafs/crypto'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import { beforeAll, describe, expect, it } from 'vitest'
import { useWeb } from './web.ts'
import type { Answered } from './web.ts'

// A tree with every kind of object, checked and walked through in every way that there is. Keys and
// their order are upstream's, as its gateway gave them for such a tree.

const web = useWeb()
const hurt = useWeb({}, 1)

const HTML = 'text/html; charset=utf-8'

let root: string
let rootStorageIndex: string

beforeAll(async () => {
  const cap = (await web.put('/uri?t=mkdir')).text
  root = `/uri/${encodeURIComponent(cap)}`
  await web.put(`${root}/a.txt`, 'hello')
  await web.put(`${root}/b.bin`, new Uint8Array(3000))
  await web.put(`${root}/m.bin?format=MDMF`, 'mutable')
  await web.put(`${root}/sub/s.bin?format=SDMF`, 'mutable')
  await web.post(`${root}?t=uri&name=future&uri=ro.x-future`)
  rootStorageIndex = toBase32(nodeOf(cap).storageIndex ?? new Uint8Array())
})

function nodeOf(cap: string) {
  const node = web.client.createNodeFromUri(cap)
  if (!isDirectoryNode(node)) throw new TypeError('expected a directory')
  return node
}

const COUNTS = {
  'count-happiness': 3,
  'count-shares-good': 3,
  'count-shares-needed': 3,
  'count-shares-expected': 3,
  'count-good-share-hosts': 3,
  'count-corrupt-shares': 0,
  'list-corrupt-shares': [],
  'servers-responding': expect.any(Array),
  sharemap: expect.any(Object),
  'count-wrong-shares': 0,
  'count-recoverable-versions': 1,
  'count-unrecoverable-versions': 0,
  healthy: true,
  recoverable: true,
}

const STATS = {
  'api-version': 1,
  'count-immutable-files': 1,
  'count-mutable-files': 2,
  'count-literal-files': 1,
  'count-files': 4,
  'count-directories': 2,
  'count-unknown': 1,
  'size-immutable-files': 3000,
  'size-literal-files': 5,
  'size-directories': expect.any(Number),
  'largest-directory': expect.any(Number),
  'largest-directory-children': 5,
  'largest-immutable-file': 3000,
  'size-files-histogram': [
    [4, 10, 1],
    [1001, 3162, 1],
  ],
}

const HEALTHY = { 'storage-index': expect.any(String), summary: 'Healthy', results: COUNTS }

/** The names of the fields of an answer, in their order. */
function keysOf(answer: Answered): string[] {
  return Object.keys(answer.json() as object)
}

describe('POST DIR?t=check, POST FILE?t=check', () => {
  it.each(['', '/b.bin', '/m.bin', '/sub/s.bin'])(
    'tells of an object as JSON (%s)',
    async (path) => {
      for (const how of ['', '&verify=true', '&add-lease=on']) {
        const answer = await web.post(`${root}${path}?t=check&output=JSON${how}`)
        expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain'])
        const found = answer.json() as { results: object }
        expect(found).toEqual(HEALTHY)
        expect(Object.keys(found.results)).toEqual(Object.keys(COUNTS))
      }
    },
  )

  it('tells of a repair', async () => {
    const answer = await web.post(`${root}/b.bin?t=check&output=json&repair=true`)
    expect(answer.json()).toEqual({
      'storage-index': expect.any(String),
      'repair-attempted': false,
      'repair-successful': false,
      'pre-repair-results': HEALTHY,
      'post-repair-results': HEALTHY,
    })
  })

  it('has little to tell of what is stored nowhere, repaired or not', async () => {
    for (const how of ['', '&repair=true', '&verify=true']) {
      const answer = await web.post(`${root}/a.txt?t=check&output=json${how}`)
      expect(answer.json()).toEqual({ 'storage-index': '', results: { healthy: true } })
    }
  })

  it('shows pages to people', async () => {
    for (const how of ['', '&repair=true', '&output=html', '&return_to=.']) {
      for (const path of ['', '/a.txt', '/b.bin']) {
        const answer = await web.post(`${root}${path}?t=check${how}`)
        expect([answer.status, answer.headers.get('content-type')]).toEqual([200, HTML])
      }
    }
  })

  it('sends the reader of a form on', async () => {
    const answer = await web.post(`${root}/b.bin?t=check&output=json&when_done=.`)
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '.'])
  })

  it.each([
    ['verify=maybe', "invalid boolean argument: 'maybe'"],
    ['repair=2', "invalid boolean argument: '2'"],
    ['add-lease=', "invalid boolean argument: ''"],
    ['output=text', "Unknown output value: 'text'"],
  ])('refuses %s', async (query, message) => {
    for (const path of ['', '/b.bin']) {
      const answer = await web.post(`${root}${path}?t=check&${query}`)
      expect([answer.status, answer.text]).toEqual([400, message])
    }
  })

  it('POST UNKNOWN checks what a verify cap names, and nothing else', async () => {
    const manifest = await web.post(`${root}?t=stream-manifest`)
    const caps = manifest.text
      .split('\n')
      .flatMap((line) => /"verifycap": "([^"]+)"/.exec(line)?.[1] ?? [])
    expect(caps.map((cap) => cap.split(':')[1])).toEqual(
      expect.arrayContaining(['CHK-Verifier', 'DIR2-Verifier', 'MDMF-Verifier', 'SSK-Verifier']),
    )
    for (const cap of caps) {
      const target = `/uri/${encodeURIComponent(cap)}`
      const answer = await web.post(`${target}?t=check&output=json&verify=true`)
      expect(answer.json()).toEqual(HEALTHY)
      expect((await web.post(`${target}?t=check`)).headers.get('content-type')).toBe(HTML)
      expect((await web.post(`${target}?t=mkdir`)).status).toBe(405)
    }
    for (const target of [`${root}/future`, '/uri/x-future']) {
      const answer = await web.post(`${target}?t=check`)
      expect([answer.status, answer.text]).toEqual([405, 'I only allow GET, HEAD, DELETE here.'])
    }
  })

  it('makes no directories on a path that leads nowhere', async () => {
    const answer = await web.post(`${root}/nosuch/dir?t=check`)
    expect([answer.status, answer.text]).toEqual([404, 'No such child: nosuch'])
  })
})

describe('streams', () => {
  const PATHS = [[], ['future'], ['a.txt'], ['b.bin'], ['m.bin'], ['sub'], ['sub', 's.bin']]
  const TYPES = ['directory', 'unknown', 'file', 'file', 'file', 'directory', 'file']

  async function lines(query: string): Promise<Record<string, unknown>[]> {
    const answer = await web.post(`${root}?${query}`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain;charset=utf-8',
    ])
    expect(answer.text.endsWith('\n')).toBe(true)
    return answer.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  it('POST DIR?t=stream-manifest lists all that can be reached', async () => {
    const found = await lines('t=stream-manifest')
    expect(found.at(-1)).toEqual({ type: 'stats', stats: STATS })
    const objects = found.slice(0, -1)
    expect(objects.map(({ path }) => path)).toEqual(PATHS)
    expect(objects.map(({ type }) => type)).toEqual(TYPES)
    for (const object of objects) {
      const keys = ['path', 'cap', 'type', 'verifycap', 'repaircap', 'storage-index']
      expect(Object.keys(object)).toEqual(keys)
    }
  })

  it('POST DIR?t=stream-deep-check checks all that can be reached', async () => {
    for (const how of ['', '&verify=true', '&add-lease=true']) {
      const found = await lines(`t=stream-deep-check${how}`)
      expect(found.at(-1)).toEqual({ type: 'stats', stats: STATS })
      expect(found.slice(0, -1).map(({ path }) => path)).toEqual(PATHS)
      expect(found.filter((line) => 'check-results' in line)).toHaveLength(PATHS.length)
      expect(found[3]).toMatchObject({ path: ['b.bin'], 'check-results': HEALTHY })
    }
    const found = await lines('t=stream-deep-check&repair=true')
    expect(found[0]).toMatchObject({
      'check-and-repair-results': { 'repair-attempted': false, 'pre-repair-results': HEALTHY },
    })
  })

  it('go on where a directory cannot be read, and say so at the end', async () => {
    const lost = `URI:DIR2:${'a'.repeat(26)}:${'b'.repeat(51)}a`
    const outer = `/uri/${encodeURIComponent((await web.put('/uri?t=mkdir')).text)}`
    await web.post(`${outer}?t=uri&name=lost&uri=${encodeURIComponent(lost)}`)
    await web.put(`${outer}/z?t=mkdir`)
    for (const t of ['stream-manifest', 'stream-deep-check']) {
      const { text } = await web.post(`${outer}?t=${t}`)
      const all = text.trimEnd().split('\n')
      expect(all.pop()).toMatch(/^ERROR: MUTABLE_UNRECOVERABLE\(.+\) at "lost"$/)
      const found = all.map((line) => JSON.parse(line) as { type: string; path?: string[] })
      expect(found.map(({ type }) => type)).toEqual([
        'directory',
        'directory',
        'failure',
        'directory',
        'stats',
      ])
      expect(text).not.toMatch(/ERROR:.*URI:/)
    }
  })

  it('end when their reader leaves', async () => {
    const response = await web.gateway.handle({
      method: 'POST',
      target: `${root}?t=stream-deep-check`,
      headers: new Map(),
      body: (async function* () {})(),
      signal: new AbortController().signal,
    })
    const { body } = response
    if (body instanceof Uint8Array) throw new TypeError('expected a stream')
    let pieces = 0
    for await (const piece of body) {
      expect(piece.length).toBeGreaterThan(0)
      pieces++
      break
    }
    expect(pieces).toBe(1)
  })

  it('refuse what is no boolean', async () => {
    const answer = await web.post(`${root}?t=stream-deep-check&verify=foo`)
    expect([answer.status, answer.text]).toEqual([400, "invalid boolean argument: 'foo'"])
  })
})

/** Lets timers and sockets have their turn: asking alone would keep them from it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Starts an operation, and waits until it is over. @returns its address. */
async function start(t: string, handle: string): Promise<string> {
  const started = await web.post(`${root}?t=${t}&ophandle=${handle}`)
  expect(started.status).toBe(302)
  const location = started.headers.get('location') ?? ''
  const address = new URL(location, `http://localhost${root}`).pathname
  expect(address).toBe(`/operations/${handle}`)
  for (;;) {
    const answer = await web.get(`${address}?output=json`)
    if ((answer.json() as { finished: boolean }).finished) return address
    await turn()
  }
}

describe('GET /operations/:handle, GET /operations/:handle/:storageIndex', () => {
  it('POST DIR?t=start-manifest lists all that can be reached', async () => {
    const address = await start('start-manifest', 'manifest')
    const answer = await web.get(`${address}?output=json`)
    const found = answer.json() as Record<string, unknown[]>
    expect(keysOf(answer)).toEqual([
      'stats',
      'finished',
      'origin',
      'manifest',
      'verifycaps',
      'storage-index',
    ])
    expect(found).toMatchObject({ stats: STATS, finished: true, origin: rootStorageIndex })
    expect(found['manifest']).toHaveLength(7)
    expect(found['verifycaps']).toHaveLength(5)
    expect(found['storage-index']).toHaveLength(5)
    const text = (await web.get(`${address}?output=text`)).text.split('\n')
    expect(text[0]).toBe('finished: yes')
    expect(text[1]).toMatch(/^ URI:DIR2:/)
    expect(text).toContain('a.txt URI:LIT:nbswy3dp')
    expect(text.find((line) => line.startsWith('sub/s.bin URI:SSK:'))).toBeDefined()
  })

  it('POST DIR?t=start-deep-size sums up sizes', async () => {
    const address = await start('start-deep-size', 'size')
    const found = (await web.get(`${address}?output=json`)).json()
    expect(found).toEqual({ finished: true, size: STATS })
    const stats = (found as { size: { 'size-directories': number } }).size
    const text = `finished: yes\nsize: ${3000 + stats['size-directories']}\n`
    expect((await web.get(`${address}?output=text`)).text).toBe(text)
    // Programs that ask for no form have got text from upstream.
    expect((await web.get(address)).text).toBe(text)
    const page = await web.get(address, { accept: 'text/html' })
    expect(page.headers.get('content-type')).toBe(HTML)
  })

  it('POST DIR?t=start-deep-stats counts and sums up', async () => {
    const address = await start('start-deep-stats', 'stats')
    for (const query of ['', '?output=json', '?output=text', '?output=xyz']) {
      expect((await web.get(address + query)).json()).toEqual({ ...STATS, finished: true })
    }
    const page = await web.get(address, { accept: 'text/html' })
    expect(page.headers.get('content-type')).toBe(HTML)
  })

  it('POST DIR?t=start-deep-check checks all that can be reached', async () => {
    const address = await start('start-deep-check', 'check')
    const answer = await web.get(`${address}?output=json`)
    expect(answer.json()).toEqual({
      finished: true,
      'root-storage-index': rootStorageIndex,
      'count-objects-checked': 5,
      'count-objects-healthy': 5,
      'count-objects-unhealthy': 0,
      'count-corrupt-shares': 0,
      'list-corrupt-shares': [],
      'list-unhealthy-files': [],
      stats: STATS,
    })
    expect((await web.get(address)).headers.get('content-type')).toBe(HTML)
    const one = await web.get(`${address}/${rootStorageIndex}?output=json`)
    expect(one.json()).toEqual(HEALTHY)
    const page = await web.get(`${address}/${rootStorageIndex}`)
    expect(page.headers.get('content-type')).toBe(HTML)
    for (const name of ['a'.repeat(26), 'bad', '!']) {
      const none = await web.get(`${address}/${name}`)
      expect([none.status, none.text]).toEqual([404, `No detailed results for SI ${name}`])
    }
  })

  it('check and repair all that can be reached', async () => {
    const address = await start('start-deep-check&repair=true', 'repair')
    const answer = await web.get(`${address}?output=json`)
    expect(answer.json()).toEqual({
      finished: true,
      'root-storage-index': rootStorageIndex,
      'count-objects-checked': 5,
      'count-objects-healthy-pre-repair': 5,
      'count-objects-unhealthy-pre-repair': 0,
      'count-objects-healthy-post-repair': 5,
      'count-objects-unhealthy-post-repair': 0,
      'count-repairs-attempted': 0,
      'count-repairs-successful': 0,
      'count-repairs-unsuccessful': 0,
      'count-corrupt-shares-pre-repair': 0,
      'count-corrupt-shares-post-repair': 0,
      'list-corrupt-shares': [],
      'list-remaining-corrupt-shares': [],
      'list-unhealthy-files': [],
      stats: STATS,
    })
    expect((await web.get(address)).headers.get('content-type')).toBe(HTML)
    const one = await web.get(`${address}/${rootStorageIndex}?output=json`)
    expect(one.json()).toMatchObject({ 'pre-repair-results': HEALTHY })
  })

  it('can have any name, and say how their state is wanted', async () => {
    const handle = encodeURIComponent('a/b é')
    const started = await web.post(`${root}?t=start-deep-stats&ophandle=${handle}&output=json`)
    expect(started.headers.get('location')).toBe(`../operations/${handle}?output=json`)
    expect((await web.get(`/operations/${handle}`)).status).toBe(200)
    const below = await web.post(`${root}/sub/?t=start-deep-stats&ophandle=below`)
    expect(below.headers.get('location')).toBe('../../../operations/below')
  })

  it('POST /operations/:handle?t=cancel ends an operation', async () => {
    await web.post(`${root}?t=start-deep-check&ophandle=cancelled`)
    const answer = await web.post('/operations/cancelled?t=cancel&output=json')
    expect(answer.json()).toMatchObject({ finished: false, 'root-storage-index': rootStorageIndex })
    expect((await web.get('/operations/cancelled')).status).toBe(404)
    const again = await web.post('/operations/cancelled?t=cancel')
    expect([again.status, again.text]).toEqual([404, "unknown/expired handle 'cancelled'"])
  })

  it('POST /operations/:handle, POST /operations/:handle/:storageIndex answer as GET does', async () => {
    const address = await start('start-deep-check', 'posted')
    for (const path of ['', `/${rootStorageIndex}`]) {
      const got = await web.get(`${address}${path}?output=json`)
      const posted = await web.post(`${address}${path}?output=json`)
      expect([posted.status, posted.text]).toEqual([200, got.text])
    }
  })

  it('are forgotten after they are over, where that is asked for', async () => {
    const address = await start('start-manifest', 'released')
    const answer = await web.get(`${address}?output=json&release-after-complete=true`)
    expect(answer.json()).toMatchObject({ finished: true })
    expect((await web.get(address)).status).toBe(404)
  })

  it('stay, where the question for them made no sense', async () => {
    const address = await start('start-manifest', 'asked')
    const queries = [
      'output=xyz&release-after-complete=true',
      'release-after-complete=maybe',
      'retain-for=abc&release-after-complete=true',
      'retain-for=-5',
      'retain-for=1e3',
      `retain-for=${'9'.repeat(30)}`,
    ]
    for (const query of queries) {
      expect([query, (await web.get(`${address}?${query}`)).status]).toEqual([query, 400])
    }
    expect((await web.get(address)).status).toBe(200)
    expect((await web.get(`${address}?retain-for=0`)).status).toBe(200)
    expect((await web.get(address)).status).toBe(404)
  })

  it('answer with what went wrong', async () => {
    const lost = `/uri/URI%3ADIR2%3A${'a'.repeat(26)}%3A${'a'.repeat(52)}`
    await web.post(`${lost}?t=start-manifest&ophandle=lost`)
    for (;;) {
      const answer = await web.get('/operations/lost?output=json')
      await turn()
      if (answer.status === 200) continue
      expect(answer.status).toBe(410)
      expect(answer.text).toMatch(/^UnrecoverableFileError: /)
      break
    }
  })

  describe('where something below could not be read', () => {
    let outer: string

    beforeAll(async () => {
      const lost = `URI:DIR2:${'a'.repeat(26)}:${'b'.repeat(51)}a`
      outer = `/uri/${encodeURIComponent((await web.put('/uri?t=mkdir')).text)}`
      await web.post(`${outer}?t=uri&name=lost&uri=${encodeURIComponent(lost)}`)
    })

    it('a check tells of it', async () => {
      await web.post(`${outer}?t=start-deep-check&ophandle=partly`)
      for (;;) {
        const found = (await web.get('/operations/partly?output=json')).json() as object
        await turn()
        if (!('finished' in found && found.finished === true)) continue
        expect(found).toMatchObject({
          'count-objects-checked': 2,
          'count-objects-unhealthy': 1,
          'list-unhealthy-files': [[['lost'], { results: { recoverable: false } }]],
          'list-failures': [[['lost'], 'UnrecoverableFileError', expect.any(String)]],
        })
        break
      }
    })

    it.each(['manifest', 'deep-size', 'deep-stats'])(
      'a %s is no outcome for programs',
      async (kind) => {
        await web.post(`${outer}?t=start-${kind}&ophandle=lost-${kind}`)
        const address = `/operations/lost-${kind}`
        let answer = await web.get(`${address}?output=json`)
        while (answer.status === 200) {
          await turn()
          answer = await web.get(`${address}?output=json`)
        }
        expect(answer.status).toBe(410)
        expect(answer.text).toMatch(/^UnrecoverableFileError: .*\n\nThat was at lost\.$/s)
        const text = await web.get(`${address}?output=text`)
        expect(text.status).toBe(410)
        const page = await web.get(address, { accept: 'text/html' })
        expect([page.status, page.headers.get('content-type')]).toEqual([200, HTML])
      },
    )
  })

  it.each(['start-deep-check', 'start-manifest', 'start-deep-size', 'start-deep-stats'])(
    '%s needs a handle, and arguments that make sense',
    async (t) => {
      for (const query of ['', '&ophandle=']) {
        const answer = await web.post(`${root}?t=${t}${query}`)
        expect([answer.status, answer.text]).toEqual([400, 'slow operation requires ophandle='])
      }
      const answer = await web.post(`${root}?t=${t}&ophandle=never&retain-for=soon`)
      expect([answer.status, answer.text]).toEqual([
        400,
        "retain-for= must be a number of seconds, got 'soon'",
      ])
      expect((await web.get('/operations/never')).status).toBe(404)
    },
  )

  it('are known by no other name', async () => {
    expect((await web.get('/operations/nope')).text).toBe("unknown/expired handle 'nope'")
    expect((await web.get('/operations')).status).toBe(404)
    expect((await web.get('/operations/')).status).toBe(404)
  })
})

describe('POST /operations/:handle?t=repair', () => {
  let folder: string

  beforeAll(async () => {
    folder = `/uri/${encodeURIComponent((await hurt.put('/uri?t=mkdir')).text)}`
    for (const name of ['a', 'b']) await hurt.put(`${folder}/${name}`, name.repeat(1000))
    await hurt.grid.servers[0]?.stop()
  })

  /** What has come of an operation, once it is over. */
  async function outcome(handle: string): Promise<unknown> {
    for (;;) {
      const answer = (await hurt.get(`/operations/${handle}?output=json`)).json()
      if ((answer as { finished: boolean }).finished) return answer
      await turn()
    }
  }

  it('repairs what a deep check was of, once at a time', async () => {
    await hurt.post(`${folder}?t=start-deep-check&ophandle=h`)
    expect(await outcome('h')).toMatchObject({ 'count-objects-unhealthy': 3 })
    const started = await Promise.all([
      hurt.post('/operations/h?t=repair'),
      hurt.post('/operations/h?t=repair&output=json'),
    ])
    expect(started.map(({ status, headers }) => [status, headers.get('location')])).toEqual([
      [302, '../operations/h-repair'],
      [302, '../operations/h-repair?output=json'],
    ])
    expect(await outcome('h-repair')).toMatchObject({
      'count-objects-unhealthy-pre-repair': 3,
      'count-repairs-attempted': 3,
      'count-repairs-successful': 3,
    })
    await hurt.post('/operations/h?t=repair')
    expect(await outcome('h-repair')).toMatchObject({ 'count-objects-unhealthy-pre-repair': 0 })
  })

  it('is for deep checks alone', async () => {
    await hurt.post(`${folder}?t=start-deep-stats&ophandle=stats`)
    const answer = await hurt.post('/operations/stats?t=repair')
    expect([answer.status, answer.text]).toEqual([400, 'only what a deep check was of is repaired'])
    expect((await hurt.post('/operations/none?t=repair')).status).toBe(404)
    expect((await hurt.get('/operations/stats-repair')).status).toBe(404)
  })
})
