import type { DownloadEvents, ICheckResults, IDeepCheckResults } from '@lafs/filesystem-interface'
import { monitored } from '@lafs/dirnode'
import { createMemoryStore } from '@lafs/share-store-memory'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { createStorageServer } from '@lafs/storage-server'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { parseCapStrict } from '@lafs/uri'
import type { GatewayRequest } from '../src/exchange.ts'
import { checkResultsPage, operationPage, statisticsPage, storagePage } from '../src/pages/index.ts'
import { exact, html, visible } from '../src/pages/html.ts'
import { contentAddress, directoryAddress, query, rootOf } from '../src/pages/links.ts'
import { shareMap } from '../src/pages/share-map.ts'
import { duration, nameText, percent, plainName, shorten, size } from '../src/pages/text.ts'
import { timeline } from '../src/pages/timeline.ts'
import { perServer } from '../src/pages/timings.ts'
import { parseQuery, requestArguments } from '../src/request/arguments.ts'
import { form, useWeb } from './web.ts'

const HTML = { accept: 'text/html' }
const temporary = mkdtempSync(join(tmpdir(), 'lafs-pages-'))
const blacklistFile = join(temporary, 'access.blacklist')
const web = useWeb({ blacklistFile })
afterAll(() => rm(temporary, { recursive: true }))

function at(cap: string, ...path: readonly string[]): string {
  return `/uri/${[cap, ...path].map(encodeURIComponent).join('/')}`
}

async function folder(): Promise<string> {
  return (await web.put('/uri?t=mkdir')).text
}

describe('html', () => {
  it.each([
    ['<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    [`" onload='x'`, '&quot; onload=&#39;x&#39;'],
    ['a&amp;b', 'a&amp;amp;b'],
    ['a\0b', 'a[U+0000]b'],
    ['a\u{202E}gnp.exe', 'a[U+202E]gnp.exe'],
    ['\u2066a\u2069', '[U+2066]a[U+2069]'],
    ['zero\u200Bwidth', 'zero[U+200B]width'],
    ['👩\u200D👧', '👩\u200D👧'],
    ['two\nlines', 'two&#10;lines'],
  ])('writes %j as %j', (text, markup) => {
    expect(html`${text}`.markup).toBe(markup)
    expect(html`<p title="${text}">`.markup).toBe(`<p title="${markup}">`)
  })

  it('keeps markup, and leaves out what is not there', () => {
    const inner = html`<b>${'&'}</b>`
    expect(html`${inner}${undefined}${false}${null}${0}${['a', inner]}`.markup).toBe(
      '<b>&amp;</b>0a<b>&amp;</b>',
    )
  })

  it('writes values exactly where they must come back', () => {
    expect(html`<input value="${exact('a\u202E"\n')}" />`.markup).toBe(
      '<input value="a\u202E&quot;&#10;" />',
    )
  })

  it('shows everything that cannot be seen', () => {
    const unseen = Array.from({ length: 0x10000 }, (_, code) => String.fromCodePoint(code)).filter(
      (character) => visible(character) !== character,
    )
    // Control characters but tab and line feed, and what stands for direction and no width.
    expect(unseen).toHaveLength(63 + 22)
  })
})

describe('names', () => {
  it('stand apart from the direction of their surroundings', () => {
    expect(nameText('אבג.txt').markup).toBe('<bdi>אבג.txt</bdi>')
  })

  it('show line breaks and tabs', () => {
    expect(plainName('a\nb\tc')).toBe('a[U+000A]b[U+0009]c')
  })

  it('are cut where they are long', () => {
    const shown = plainName('x'.repeat(65_536))
    expect(shown.length).toBeLessThan(250)
    expect(shown).toContain('(65,536 characters)')
    expect(shorten('😀😀😀', 2)).toBe('😀…')
  })
})

describe('numbers for people', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [999, '999 bytes'],
    [1000, '1.00 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [12_345_678, '12.3 MB'],
    [Number.MAX_SAFE_INTEGER, '9.01 PB'],
  ])('%i bytes are %s', (bytes, text) => expect(size(bytes)).toBe(text))

  it.each([
    [0, '0 ms'],
    [0.5, '500 µs'],
    [12.345, '12.3 ms'],
    [1500, '1.5 s'],
    [119_000, '119 s'],
    [600_000, '10 min'],
    [7_200_000, '2 hours'],
    [864_000_000, '10 days'],
  ])('%d ms are %s', (milliseconds, text) => expect(duration(milliseconds)).toBe(text))

  it('parts are never more than all', () => {
    expect([percent(-1), percent(0.999), percent(1), percent(2)]).toEqual([
      '0%',
      '99%',
      '100%',
      '100%',
    ])
  })
})

describe('addresses', () => {
  it.each([
    ['/', './'],
    ['/status', './'],
    ['/status/up-1?x=/y', '../'],
    ['/uri/URI%3ADIR2/a%2Fb/', '../../../'],
    ['http://127.0.0.1/uri/x', '../'],
  ])('lead from %s to the root by %s', (target, root) => {
    expect(rootOf({ target } as GatewayRequest)).toBe(root)
  })

  it('hold any name', () => {
    expect(directoryAddress('./', ['URI:DIR2:x', 'a/b', '?#%', '\n\0'])).toBe(
      './uri/URI%3ADIR2%3Ax/a%2Fb/%3F%23%25/%0A%00/',
    )
    expect(query({ t: 'unlink', name: 'a&b=\u{D800}', page: undefined })).toBe(
      '?t=unlink&name=a%26b%3D%EF%BF%BD',
    )
  })

  it('name a file unless browsers would take its name for a way up', () => {
    expect(contentAddress('./', 'URI:CHK:x', 'a b')).toBe('./file/URI%3ACHK%3Ax/@@named=/a%20b')
    expect(contentAddress('./', 'URI:CHK:x', '..')).toBe('./file/URI%3ACHK%3Ax')
  })
})

describe('every page', () => {
  it('runs and loads nothing but the node’s own, and is kept by no cache', async () => {
    const cap = await folder()
    await web.put(at(cap, 'a'), 'hello')
    const targets = [
      '/',
      '/status',
      '/statistics',
      '/storage',
      '/helper_status',
      `${at(cap)}/`,
      `${at(cap)}/?t=info`,
      `${at(cap, 'a')}?t=info`,
      `${at(cap)}/?t=rename-form&name=a`,
      '/no/such/page',
    ]
    for (const target of targets) {
      const { headers, text } = await web.get(target, HTML)
      expect({ target, ...Object.fromEntries(headers) }).toMatchObject({
        target,
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        'cache-control': 'no-store',
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
      })
      // The policy forbids these, so that they would do nothing.
      expect(text).not.toMatch(/ style=| on[a-z]+=|https?:\/\//)
      for (const [link] of text.matchAll(/<a [^>]*file\/URI[^>]*>/g))
        expect(link).toContain('rel="noreferrer"')
      const title = /<title>([^<]*)/.exec(text)?.[1]
      expect(title).toMatch(/ · LAFS$/)
      expect(title).not.toContain('URI:')
    }
  })
})

describe('the page of a folder', () => {
  it('shows what names look like, and makes nothing of them', async () => {
    const cap = await folder()
    const names = ['<img src=x>', '"', 'a\u202Eb', 'c\nd', '..']
    for (const name of names)
      await web.post(`${at(cap)}?t=uri&name=${encodeURIComponent(name)}&uri=URI:LIT:nbswy3dp`)
    const { text } = await web.get(`${at(cap)}/`, HTML)
    expect(text).toContain('<bdi>&lt;img src=x&gt;</bdi>')
    expect(text).toContain('<bdi>&quot;</bdi>')
    expect(text).toContain('<bdi>a[U+202E]b</bdi>')
    expect(text).toContain('?t=unlink&amp;name=c%0Ad')
    expect(text).not.toContain('<img src=x')
    expect(text).not.toContain('\u202E')
    // The address of a child of this name would lead elsewhere.
    expect(text).not.toMatch(/href="[^"]*\/\.\.["?]/)
  })

  it('links files in a way that does not tell them of the folder', async () => {
    const cap = await folder()
    await web.put(at(cap, 'page.html'), '<script>')
    const { text } = await web.get(`${at(cap)}/`, HTML)
    const [, address] = /class="name" href="([^"]*)"/.exec(text) ?? []
    expect(address).toMatch(/^\.\.\/\.\.\/file\/URI%3ALIT%3A[a-z0-9]+\/@@named=\/page\.html$/)
  })

  it('sorts, finds and turns pages', async () => {
    const cap = await folder()
    const children = Object.fromEntries(
      Array.from({ length: 501 }, (_, index) => [
        `file ${index}`,
        ['filenode', { ro_uri: index === 7 ? 'URI:LIT:nbswy3dp' : 'URI:LIT:' }],
      ]),
    )
    await web.post(`${at(cap)}?t=set_children`, JSON.stringify(children))
    const shown = async (more: string): Promise<string[]> => {
      const { text } = await web.get(`${at(cap)}/${more}`, HTML)
      return [...text.matchAll(/class="name"[^>]*><bdi>([^<]*)/g)].map(([, name]) => name ?? '')
    }
    expect((await shown('')).slice(0, 3)).toEqual(['file 0', 'file 1', 'file 2'])
    expect(await shown('?page=2')).toEqual(['file 500'])
    expect(await shown('?page=99')).toEqual(['file 500'])
    expect(await shown('?page=-1')).toHaveLength(500)
    expect(await shown('?page=2&order=descending')).toEqual(['file 0'])
    expect((await shown('?sort=size&order=descending'))[0]).toBe('file 7')
    expect(await shown('?find=FILE%2033')).toEqual([
      'file 33',
      ...Array.from({ length: 10 }, (_, index) => `file 33${index}`),
    ])
    expect(await shown('?find=%3Cb%3E')).toEqual([])
  })

  it('says what the operator forbids, and does not lead there', async () => {
    const cap = await folder()
    await web.put(at(cap, 'bad'), 'x'.repeat(100))
    const facts = (await web.get(`${at(cap, 'bad')}?t=json`)).json() as [
      string,
      { verify_uri: string },
    ]
    const { storageIndex } = parseCapStrict(facts[1].verify_uri)
    await writeFile(blacklistFile, `${toBase32(storageIndex ?? new Uint8Array())} <dull>\n`)
    const { text } = await web.get(`${at(cap)}/`, HTML)
    await rm(blacklistFile)
    expect(text).toContain('&lt;dull&gt;')
    expect(text).toContain('<s><bdi>bad</bdi></s>')
    expect(text).not.toContain('@@named=/bad')
  })

  it('offers nothing that a read-only key cannot do', async () => {
    const cap = await folder()
    await web.put(at(cap, 'a'), 'hello')
    const readonly = (await web.get(`${at(cap)}?t=readonly-uri`)).text
    const { text } = await web.get(`${at(readonly)}/`, HTML)
    expect(text).toContain('Read-only')
    expect(text).not.toMatch(/t=(?:upload|mkdir|uri|unlink|rename-form)/)
    expect(text).not.toContain(cap)
  })
})

describe('the page about a file', () => {
  it('gives its key, and the weaker ones of a folder first', async () => {
    const cap = await folder()
    const { text } = await web.get(`${at(cap)}?t=info`, HTML)
    const readonly = (await web.get(`${at(cap)}?t=readonly-uri`)).text
    expect(text.indexOf(readonly)).toBeGreaterThan(0)
    expect(text.indexOf(`value="${cap}"`)).toBeGreaterThan(text.indexOf(`value="${readonly}"`))
  })

  it('says why something is not known', async () => {
    const { status, text } = await web.get(`${at('ro.URI:FUTURE:x')}?t=info`, HTML)
    expect(status).toBe(200)
    expect(text).toContain('does not know what this is')
    expect(text).toContain('value="ro.URI:FUTURE:x"')
  })
})

describe('the page about a key that opens nothing', () => {
  it('offers a check to one that only checks', async () => {
    const cap = (await web.put('/uri', 'x'.repeat(100))).text
    const [, { verify_uri: verifier }] = (await web.get(`${at(cap)}?t=json`)).json() as [
      string,
      { verify_uri: string },
    ]
    const { text } = await web.get(`${at(verifier)}?t=info`, HTML)
    expect(text).toContain('This key only checks')
    expect(text).toContain(`action="../uri/${encodeURIComponent(verifier)}?t=check"`)
    expect((await web.post(`${at(verifier)}?t=check`)).text).toContain('3 of 3 pieces were found')
  })

  it('says that one is not whole', async () => {
    const { text } = await web.get(`${at('URI:CHK:aaaa')}?t=info`, HTML)
    expect(text).toContain('This key is not whole')
    expect(text).not.toContain('t=check')
  })
})

describe('POST /uri?t=open, a key that somebody typed,', () => {
  it.each([
    ['URI:LIT:nbswy3dp', 'uri/URI%3ALIT%3Anbswy3dp?t=info'],
    ['  http://localhost:3456/uri/URI%3ALIT%3Anbswy3dp ', 'uri/URI%3ALIT%3Anbswy3dp?t=info'],
    ['URI:DIR2-LIT:', 'uri/URI%3ADIR2-LIT%3A/'],
    ['URI:DIR2-LIT:/a/b/', 'uri/URI%3ADIR2-LIT%3A/a/b?t=info'],
    ['URI:FUTURE:x', 'uri/URI%3AFUTURE%3Ax?t=info'],
  ])('leads from %j to %s', async (uri, end) => {
    const { status, headers } = await web.ask('POST', '/uri?t=open', form({ uri }))
    expect([status, headers.get('location')]).toEqual([303, `./${end}`])
  })

  it.each(['', 'hello', 'URI:CHK:x', 'URI:DIR2:aaaa', 'javascript:alert(1)', '//example.org'])(
    'refuses %j',
    async (uri) => {
      const { status, headers } = await web.ask('POST', '/uri?t=open', form({ uri }))
      expect([status, headers.get('location')]).toEqual([400, undefined])
    },
  )
})

describe('pictures', () => {
  const context = { client: { broker: { nicknameFor: () => '<b>', knownServers: () => [] } } }
  const picture = (map: Parameters<typeof shareMap>[1]): string =>
    shareMap(context as unknown as Parameters<typeof shareMap>[0], map).markup

  it('show good, old and damaged shares', () => {
    const markup = picture({
      sharemap: new Map([
        ['seq3-abcd-sh0', new Set(['v0-aaaa'])],
        ['seq2-abcd-sh1', new Set(['v0-bbbb'])],
      ]),
      corruptShares: [{ serverId: 'v0-cccc', storageIndex: new Uint8Array(16), shareNumber: 2 }],
    })
    expect(markup.match(/<circle class="good"/g)).toHaveLength(1)
    expect(markup.match(/<circle class="other"/g)).toHaveLength(1)
    expect(markup.match(/<path class="corrupt"/g)).toHaveLength(1)
    expect(markup).toContain('1 good piece on 3 servers')
    expect(markup).toContain('&lt;b&gt;')
    expect(markup).not.toContain('<b>')
  })

  it('say where there is nothing', () => {
    expect(picture({ sharemap: new Map() })).toContain('No server has any piece')
  })

  it('put what overlaps on lanes of its own, and give the same as a table', () => {
    const events: DownloadEvents = {
      reads: [
        {
          startMs: 1000,
          finishMs: undefined,
          offset: 0,
          size: 9,
          bytesReturned: 5,
          decryptMs: 1,
          pausedMs: 0,
        },
      ],
      segments: [],
      shareQueries: [
        { startMs: 1000, finishMs: 1010, serverId: 'v0-aaaa', success: true, shareNumbers: [1, 4] },
      ],
      blockRequests: [1005, 1006].map((startMs) => ({
        startMs,
        finishMs: startMs + 10,
        serverId: 'v0-aaaa',
        shareNumber: 1,
        offset: 0,
        size: 10,
        success: startMs === 1005,
        responseSize: 10,
      })),
    }
    const { markup } = timeline(context as unknown as Parameters<typeof timeline>[0], events)
    const tops = [...markup.matchAll(/<rect\s+class="(?:query|block|failed)"[^>]*?y="(\d+)"/g)].map(
      ([, y]) => y,
    )
    expect(new Set(tops).size).toBe(3)
    expect(markup).toContain('has pieces 1, 4')
    expect(markup).toContain('goes on')
    expect(markup).toContain('>failed<')
  })
})

describe('the page of a check', () => {
  const found: ICheckResults = {
    storageIndex: new Uint8Array(16),
    storageIndexString: 'aaaaa',
    uri: 'URI:CHK-Verifier:x',
    healthy: false,
    recoverable: true,
    needsRebalancing: false,
    happiness: 2,
    requiredShares: 1,
    totalShares: 3,
    goodShareCount: 2,
    wrongShareCount: 0,
    corruptShares: [{ serverId: 'v0-bad', storageIndex: new Uint8Array(16), shareNumber: 2 }],
    incompatibleShares: [],
    serversResponding: new Set(['v0-good', 'v0-bad']),
    goodShareHostCount: 1,
    recoverableVersionCount: 1,
    unrecoverableVersionCount: 0,
    sharemap: new Map([
      [0, new Set(['v0-good'])],
      [1, new Set(['v0-good'])],
    ]),
    summary: 'Not <Healthy>',
    report: ['line'],
  }
  const page = async (results: ICheckResults | undefined, asked = ''): Promise<string> => {
    const broker = {
      nicknameFor: (id: string) => `<${id}>`,
      knownServers: () => [{ serverId: 'v0-away' }],
      serversForStorageIndex: () => [],
    }
    const exchange = {
      request: { target: '/uri/URI%3ACHK%3Ax?t=check' },
      path: ['uri', 'URI:CHK:x'],
      args: requestArguments(parseQuery(asked)),
      context: { node: { nickname: '', version: 'v' }, client: { broker } },
    }
    const { body } = await checkResultsPage(exchange as never, results)
    return new TextDecoder().decode(body as Uint8Array)
  }

  it('says how bad it is, where the shares are, and offers to repair', async () => {
    const text = await page(found)
    expect(text).toContain('Readable, but not whole')
    expect(text).toContain('2 of 3 pieces were found; any 1 are enough to read it')
    expect(text).toContain('action="../uri/URI%3ACHK%3Ax?t=check&amp;repair=true"')
    expect(text).toContain('<bdi>&lt;v0-bad&gt;</bdi>')
    expect(text).toMatch(/v0-away[^]*?role="cell"[^]*?>none<[^]*?>no</)
    expect(text).toContain('Not &lt;Healthy&gt;')
  })

  it('offers to repair what a look at every byte has found by another one', async () => {
    const text = await page({ ...found, recoverable: false }, 'verify=true')
    expect(text).toContain('?t=check&amp;repair=true&amp;verify=true"')
  })

  it('offers no repair where nothing is wrong, or nothing is stored', async () => {
    const whole = await page({ ...found, healthy: true, goodShareCount: 3 })
    expect(whole).toContain('Healthy')
    expect(whole).not.toContain('repair=true')
    expect(await page(undefined)).toContain('its key holds all of it')
    expect(await page({ ...found, recoverable: false })).toContain('Cannot be read now')
  })
})

describe('the pages of numbers', () => {
  it.each([
    [[8, 6], '8 ms, 6 ms'],
    [[9, 8, 7, 6, 5, 4, 3, 2, 1], '9 answers in 1 ms to 9 ms, half of them within 5 ms'],
  ])('tell how long a server took to answer: %j', (durations, told) => {
    const context = { client: { broker: { nicknameFor: () => 'near' } } }
    const { markup } = perServer(context as never, new Map([['v0-a', durations]]))
    expect(markup).toContain(told)
  })

  it('draw how long operations take, and show every number', async () => {
    const exchange = {
      request: { target: '/statistics' },
      context: { node: { nickname: '', version: 'v' } },
    }
    const stats = {
      'node.uptime': 7200,
      'storage_server.disk_total': 1000,
      'storage_server.disk_used': 250,
      'storage_server.disk_avail': 500,
      'storage_server.latencies.read.samplesize': 20,
      'storage_server.latencies.read.mean': 0.002,
      'storage_server.latencies.read.10_0_percentile': 0.001,
      'storage_server.latencies.read.50_0_percentile': 0.002,
      'storage_server.latencies.read.90_0_percentile': 0.004,
      'storage_server.latencies.write.samplesize': 1,
      'storage_server.latencies.write.mean': null,
    }
    const { body } = await statisticsPage(exchange as never, { stats, counters: { 'a<b': 1 } })
    const text = new TextDecoder().decode(body as Uint8Array)
    expect(text.match(/class="median"/g)).toHaveLength(1)
    expect(text.match(/class="range"/g)).toHaveLength(1)
    expect(text).toContain('Used: 250 bytes')
    expect(text).toContain('Free, not for shares: 250 bytes')
    expect(text).toContain('2 hours ago')
    expect(text).toContain('a&lt;b')
  })

  it('show how a storage server stands', async () => {
    const storage = createStorageServer({ store: createMemoryStore(), readonly: true })
    try {
      await storage.startCrawlers()
      const exchange = {
        request: { target: '/storage' },
        context: { node: { nickname: '', version: 'v' }, storage, clock: systemClock },
      }
      const { body } = await storagePage(exchange as never)
      const text = new TextDecoder().decode(body as Uint8Array)
      expect(text).toContain('It takes no new shares')
      expect(text).toContain('not counted yet')
      expect(text).toContain('next round in 5 min')
    } finally {
      await storage.close()
    }
  })
})

describe('the page of a long operation', () => {
  const results: IDeepCheckResults = {
    rootStorageIndexString: 'abc',
    counters: {
      countObjectsChecked: 2,
      countObjectsHealthy: 1,
      countObjectsUnhealthy: 1,
      countObjectsUnrecoverable: 1,
      countCorruptShares: 0,
    },
    corruptShares: [],
    allResults: () => [
      [
        ['<i>'],
        {
          healthy: false,
          recoverable: false,
          storageIndex: new Uint8Array(16),
          requiredShares: 3,
          totalShares: 10,
          goodShareCount: 2,
        } as ICheckResults,
      ],
    ],
    resultsForStorageIndex: () => undefined,
    stats: {
      countFiles: 1,
      sizeFilesHistogram: [[1, 3, 1]],
    } as unknown as IDeepCheckResults['stats'],
    failures: [{ path: ['x'], error: new Error('away') }],
  }

  it('keeps itself up to date until the operation is over', async () => {
    let finish: ((results: IDeepCheckResults) => void) | undefined
    const monitor = monitored<IDeepCheckResults>(undefined, async (own) => {
      own.setStatus(results)
      return new Promise((resolve) => {
        finish = resolve
      })
    })
    await vi.waitUntil(() => finish !== undefined)
    const page = async (): Promise<string> => {
      const exchange = {
        request: { target: '/operations/h' },
        path: ['operations', 'h'],
        context: { node: { nickname: 'n', version: 'v' }, clock: { nowMs: () => 5000 } },
      }
      const { body } = await operationPage(exchange as never, {
        kind: 'deep-check',
        handle: 'h',
        startedMs: 0,
        monitor,
        startRepair: () => expect.fail('nobody has asked'),
        failure: undefined,
      })
      return new TextDecoder().decode(body as Uint8Array)
    }
    const running = await page()
    expect(running).toContain('http-equiv="refresh"')
    expect(running).toContain('data-running')
    expect(running).toContain('t=cancel')
    expect(running).toContain('<bdi>&lt;i&gt;</bdi>')
    expect(running).toContain('1 of 2 files and folders is not readable now')
    expect(running).toContain('away')
    finish?.(results)
    await monitor.whenDone()
    const over = await page()
    expect(over).not.toContain('http-equiv="refresh"')
    expect(over).not.toContain('t=cancel')
  })
})
