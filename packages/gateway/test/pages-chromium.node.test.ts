/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serveGateway } from '../src/index.ts'
import type { GatewayListener } from '../src/index.ts'
import { useWeb } from './web.ts'

const executablePath = process.env['LAFS_CHROMIUM'] ?? '/usr/bin/chromium'
const absent = !existsSync(executablePath)
if (absent) console.warn(`skipped: there is no Chromium at ${executablePath} (LAFS_CHROMIUM)`)

/** Nothing here takes longer unless it never happens. */
const PATIENCE_MS = 10_000

describe.skipIf(absent)('pages in Chromium', () => {
  const web = useWeb({ allowedHosts: ['nas.example'] })
  const hurt = useWeb({}, 1)
  let browser: Browser
  let listener: GatewayListener

  beforeAll(async () => {
    listener = await serveGateway(web.gateway, { port: 0 })
    browser = await chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--host-resolver-rules=MAP *.example 127.0.0.1',
      ],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await listener?.close()
  })

  /** Runs with a page of its own, on which nothing may go wrong. */
  async function withPage(
    options: BrowserContextOptions,
    run: (page: Page) => Promise<void>,
  ): Promise<void> {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE_MS)
    const wrong: string[] = []
    page.on('pageerror', (error) => wrong.push(error.message))
    page.on('console', (message) => {
      // A refusal that a test asks for is written to the console, too.
      const refused = message.text().endsWith('a status of 409 (Conflict)')
      if (message.type() === 'error' && !refused) wrong.push(message.text())
    })
    try {
      await run(page)
      expect(wrong).toEqual([])
    } finally {
      await context.close()
    }
  }

  const PLAIN = { javaScriptEnabled: false }

  /** Opens the menu of an entry, or the first one. */
  async function openMenu(page: Page, name = ''): Promise<void> {
    await page.locator('details.menu > summary', { hasText: name }).first().click()
  }

  async function folder(): Promise<string> {
    return (await web.put('/uri?t=mkdir')).text
  }

  function at(cap: string, ...path: readonly string[]): string {
    return `${listener.url}uri/${[cap, ...path].map(encodeURIComponent).join('/')}`
  }

  async function put(cap: string, name: string, content: string): Promise<void> {
    await web.put(at(cap, name).slice(listener.url.length - 1), content)
  }

  async function names(cap: string): Promise<string[]> {
    const [, { children }] = (await web.get(`/uri/${encodeURIComponent(cap)}?t=json`)).json() as [
      string,
      { children: object },
    ]
    return Object.keys(children).toSorted()
  }

  it('do everything without a script', async () => {
    await withPage(PLAIN, async (page) => {
      await page.goto(listener.url)
      await expect
        .poll(() => page.getByRole('status').first().innerText())
        .toContain('Your grid is well')
      await page.getByRole('button', { name: 'Make a folder' }).click()
      const cap = decodeURIComponent(/uri\/([^/]*)/.exec(page.url())?.[1] ?? '')

      const make = async (name: string): Promise<void> => {
        await page.getByText('New folder').click()
        await page.getByLabel('Name', { exact: true }).fill(name)
        await page.getByRole('button', { name: 'Make the folder' }).click()
      }
      await make('sub')
      await make('sub')
      expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('That did not work')
      await page.goBack()

      const store = async (name: string, content: string, replace: boolean): Promise<void> => {
        await page.getByText('Store a file').click()
        const file = { name, mimeType: 'text/plain', buffer: Buffer.from(content) }
        await page.getByLabel('File', { exact: true }).setInputFiles(file)
        await page.getByLabel('Replace a file').first().setChecked(replace)
        await page.getByRole('button', { name: 'Store', exact: true }).click()
      }
      await store('letter.txt', 'Dear Ada', false)
      expect(await names(cap)).toEqual(['letter.txt', 'sub'])
      await store('letter.txt', 'other', false)
      expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('That did not work')
      await page.goBack()
      await store('letter.txt', 'Dear Bob', true)

      await openMenu(page, 'letter.txt')
      await page.getByRole('link', { name: 'Rename or move' }).click()
      await page.getByLabel('New name').fill('note.txt')
      await page.getByRole('button', { name: 'Rename' }).click()
      expect(await names(cap)).toEqual(['note.txt', 'sub'])

      // A file is put in the place of a file, never of a folder.
      await web.put(at(cap, 'sub', 'note.txt').slice(listener.url.length - 1) + '?t=mkdir')
      await openMenu(page, 'note.txt')
      await page.getByRole('link', { name: 'Rename or move' }).click()
      await page.getByLabel('Folder nearby').selectOption({ label: 'sub' })
      await page.getByLabel('Replace a file').first().check()
      await page.getByRole('button', { name: 'Move', exact: true }).click()
      expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('That did not work')
      await page.goto(at(cap, ''))
      await web.ask('DELETE', at(cap, 'sub', 'note.txt').slice(listener.url.length - 1))

      await openMenu(page, 'note.txt')
      await page.getByRole('link', { name: 'Rename or move' }).click()
      await page.getByLabel('Folder nearby').selectOption({ label: 'sub' })
      await page.getByRole('button', { name: 'Move', exact: true }).click()
      expect(await names(cap)).toEqual(['sub'])
      await page.getByRole('link', { name: 'sub' }).click()
      expect(await page.getByRole('navigation', { name: 'Folders above' }).innerText()).toMatch(
        /Top folder\s*sub/,
      )

      await page.getByRole('link', { name: 'note.txt' }).click()
      expect(await page.locator('body').innerText()).toBe('Dear Bob')
      await page.goBack()
      await openMenu(page, 'note.txt')
      await page.getByText('Remove…').click()
      await page.getByRole('button', { name: 'Remove note.txt' }).click()
      expect(await page.getByText('This folder is empty').count()).toBe(1)
    })
  })

  it('remove what has a hostile name', async () => {
    const cap = await folder()
    const hostile = ['<img src=x onerror=alert(1)>', 'a\nb\0c', '..', 'a\u202Eb', '"&\'']
    for (const name of hostile)
      await web.post(
        `/uri/${encodeURIComponent(cap)}?t=uri&name=${encodeURIComponent(name)}&uri=URI:LIT:nbswy3dp`,
      )
    expect(await names(cap)).toHaveLength(hostile.length)
    await withPage(PLAIN, async (page) => {
      for (let left = hostile.length; left > 0; left--) {
        await page.goto(`${at(cap)}/`)
        await openMenu(page)
        await page.getByText('Remove…').first().click()
        await page.getByRole('button', { name: 'Remove' }).first().click()
        expect(await names(cap)).toHaveLength(left - 1)
      }
    })
  })

  it('store files that are dropped, and ask where a name is taken', async () => {
    const cap = await folder()
    await put(cap, 'b.txt', 'old')
    await withPage({}, async (page) => {
      await page.goto(`${at(cap)}/`)
      const files = await page.evaluateHandle(() => {
        const transfer = new DataTransfer()
        transfer.items.add(new File(['new'], 'a.txt'))
        transfer.items.add(new File(['x'.repeat(300_000)], 'b.txt'))
        return transfer
      })
      await page.dispatchEvent('#files', 'dragover', { dataTransfer: files })
      expect(await page.locator('#files.dragging').count()).toBe(1)
      await page.dispatchEvent('#files', 'drop', { dataTransfer: files })
      await page.getByRole('dialog').getByRole('button', { name: 'Keep both' }).click()
      await page.getByRole('link', { name: 'b (2).txt' }).waitFor()
      expect(await page.locator('#uploads .said').allInnerTexts()).toEqual(['Stored', 'Stored'])
      await expect.poll(() => page.locator('#announcer').innerText()).toBe('2 of 2 files stored')
    })
    expect(await names(cap)).toEqual(['a.txt', 'b (2).txt', 'b.txt'])
  })

  it('store chosen files, and one that stands in no folder', async () => {
    const cap = await folder()
    const [first, second] = ['one.txt', 'two.txt'].map((name) => ({
      name,
      mimeType: 'text/plain',
      buffer: Buffer.from(name.repeat(100)),
    }))
    if (first === undefined || second === undefined) throw new Error('two files')
    await withPage({}, async (page) => {
      await page.goto(`${at(cap)}/`)
      await page.getByText('Store a file').click()
      await page.getByLabel('File', { exact: true }).setInputFiles([first, second])
      await page.getByRole('button', { name: 'Store', exact: true }).click()
      await page.getByRole('link', { name: 'two.txt' }).waitFor()
      expect(await names(cap)).toEqual(['one.txt', 'two.txt'])

      await page.goto(listener.url)
      await page.getByLabel('File', { exact: true }).setInputFiles(first)
      await page.getByRole('button', { name: 'Store', exact: true }).click()
      const key = page.getByRole('textbox', { name: 'Key', exact: true })
      expect(await key.inputValue()).toMatch(/^URI:CHK:/)
    })
  })

  it('let a file read nothing and reach nobody', async () => {
    const cap = await folder()
    const secret = (await web.put('/uri', 'x'.repeat(100))).text
    const hostile = `<script>
      document.title = 'ran'
      fetch('/uri/${encodeURIComponent(secret)}').then((r) => r.text()).then((t) => (document.title = t))
      new Image().src = '/status?' + encodeURIComponent(document.referrer + location)
    </script><form action="/uri?t=mkdir" method="post"><button>go</button></form><p>shown</p>`
    await put(cap, 'evil.html', hostile)
    await put(
      cap,
      'evil.svg',
      `<svg xmlns="http://www.w3.org/2000/svg">${hostile.slice(0, hostile.indexOf('</script>') + 9)}</svg>`,
    )
    const context = await browser.newContext()
    try {
      const page = await context.newPage()
      page.setDefaultTimeout(PATIENCE_MS)
      for (const name of ['evil.html', 'evil.svg']) {
        await page.goto(`${at(cap)}/`)
        const asked = new Map<string, string | undefined>()
        page.removeAllListeners('request')
        page.on('request', (request) => asked.set(request.url(), request.headers()['referer']))
        await page.getByRole('link', { name }).click()
        await page.waitForLoadState()
        expect(page.url()).not.toContain(encodeURIComponent(cap))
        // Only the browser itself asks for more: an icon.
        const more = [...asked.keys()].filter(
          (url) => url !== page.url() && !/icon\.(?:ico|svg)$/.test(url),
        )
        expect(more).toEqual([])
        expect(asked.has(page.url())).toBe(true)
        expect(asked.get(page.url())).toBeUndefined()
        expect(await page.title()).not.toBe('ran')
      }
    } finally {
      await context.close()
    }
  })

  it('go by a name that the operator allows, and change nothing for another site', async () => {
    const { port } = new URL(listener.url)
    const cap = await folder()
    const context = await browser.newContext(PLAIN)
    try {
      const page = await context.newPage()
      page.setDefaultTimeout(PATIENCE_MS)
      // Over plain HTTP and by a name, browsers do not say which site a request comes from.
      await page.goto(`http://nas.example:${port}/`)
      await page.getByRole('button', { name: 'Make a folder' }).click()
      expect(page.url()).toMatch(/\/uri\/URI%3ADIR2/)
      for (const [policy, target] of [
        ['no-referrer', listener.url],
        ['unsafe-url', listener.url],
        ['no-referrer', `http://nas.example:${port}/`],
      ] as const) {
        await page.route('http://evil.example/', (route) =>
          route.fulfill({
            contentType: 'text/html',
            headers: { 'referrer-policy': policy },
            body: `<form action="${target}uri/${encodeURIComponent(cap)}?t=mkdir&name=x" method="post"><button>go</button></form>`,
          }),
        )
        await page.goto('http://evil.example/')
        await page.getByRole('button').click()
        await page.waitForURL(`${target}**`)
        expect(await page.locator('body').innerText()).toContain('another site asked for this')
      }
      const rebound = await page.goto(`http://evil.example:${port}/`)
      expect(rebound?.status()).toBe(403)
    } finally {
      await context.close()
    }
    expect(await names(cap)).toEqual([])
  })

  it('work with the keyboard alone', async () => {
    const cap = await folder()
    await put(cap, 'a.txt', 'hello')
    await withPage({}, async (page) => {
      await page.goto(`${at(cap)}/`)
      const focused = (): Promise<string> =>
        page.evaluate(
          () => document.activeElement?.textContent?.trim().replaceAll(/\s+/g, ' ') ?? '',
        )
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Skip to the content')
      await page.keyboard.press('Enter')
      const seen = []
      for (let presses = 0; presses < 12 && !seen.at(-1)?.startsWith('Actions for'); presses++) {
        await page.keyboard.press('Tab')
        seen.push(await focused())
      }
      expect(seen).toEqual([
        'Home',
        'Store a file',
        'New folder',
        'Add by key',
        'Share',
        'Check',
        'Name ▴',
        'Size',
        'Changed',
        'a.txt',
        'Actions for a.txt⋯',
      ])
      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Details and sharing')
      await page.keyboard.press('Escape')
      expect(await focused()).toBe('Actions for a.txt⋯')
      expect(await page.locator('details.menu[open]').count()).toBe(0)
    })
  })

  it('keep themselves up to date while somebody looks', async () => {
    await withPage({}, async (page) => {
      await page.goto(`${listener.url}status`)
      expect(await page.getByText('4.32 kB').count()).toBe(0)
      await web.put('/uri', 'y'.repeat(4321))
      await page.getByText('4.32 kB').waitFor()
    })
  })

  describe('of a folder that has lost pieces', () => {
    let hurtListener: GatewayListener
    let cap: string

    beforeAll(async () => {
      hurtListener = await serveGateway(hurt.gateway, { port: 0 })
      cap = encodeURIComponent((await hurt.put('/uri?t=mkdir')).text)
      await hurt.put(`/uri/${cap}/a.txt`, 'x'.repeat(1000))
      await hurt.grid.servers[0]?.stop()
    })
    afterAll(() => hurtListener?.close())

    it('repair all of it, without a script', async () => {
      await withPage(PLAIN, async (page) => {
        /** What stands on the page of an operation, once it is over. */
        const outcome = async (): Promise<string> => {
          await expect
            .poll(
              async () => {
                await page.reload()
                return page.getByText('It goes on', { exact: true }).count()
              },
              { timeout: PATIENCE_MS },
            )
            .toBe(0)
          return page.locator('main').innerText()
        }
        await page.goto(`${hurtListener.url}uri/${cap}/?t=info`)
        await page.getByRole('button', { name: 'Check everything in it' }).click()
        expect(await outcome()).toMatch(
          /2 of 2 files and folders are not whole.*makes the missing and damaged pieces anew/s,
        )
        const [address, content] = [page.url(), await page.content()]
        expect(decodeURIComponent(content)).not.toContain('URI:')
        await page.getByRole('button', { name: 'Repair all' }).click()
        expect(page.url()).toBe(`${address}-repair`)
        expect(await outcome()).toMatch(/All is well.*Repaired\s+2/s)
        expect(await page.getByRole('button', { name: 'Repair all' }).count()).toBe(0)
      })
    })
  })

  it('are for everyone: names, headings, contrast, and no wider than a phone', async () => {
    const cap = await folder()
    await put(cap, 'a.txt', 'x'.repeat(1000))
    await put(cap, 'long'.repeat(60), 'hello')
    const targets = [
      '',
      'status',
      'statistics',
      'storage',
      `${at(cap)}/`,
      `${at(cap)}/?t=info`,
      `${at(cap, 'a.txt')}?t=info`,
      `${at(cap)}/?t=rename-form&name=a.txt`,
    ]
    await withPage({ viewport: { width: 320, height: 640 } }, async (page) => {
      const check = async (name: string): Promise<void> => {
        // Everything that is folded away is looked at, too.
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) {
            details.removeAttribute('name')
            details.open = true
          }
        })
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
          const faults = await page.evaluate(findFaults)
          expect({ name, colorScheme, faults }).toEqual({ name, colorScheme, faults: [] })
        }
      }
      for (const target of targets) {
        await page.goto(new URL(target, listener.url).href)
        await check(target)
      }
      await page.goto(`${at(cap, 'a.txt')}?t=info`)
      await page.getByRole('button', { name: 'Check now' }).click()
      await page.locator('svg.shares').waitFor()
      await check('check')
      await page.goto(`${at(cap)}/?t=info`)
      await page.getByRole('button', { name: 'Check everything' }).click()
      await page.getByText('All is well').waitFor()
      await check('deep check')
    })
  })
})

/** Runs in the page: what somebody would stumble over. */
function findFaults(): string[] {
  const faults: string[] = []
  const root = document.documentElement
  if (root.scrollWidth > root.clientWidth) {
    const widest = [...document.querySelectorAll('*')].toSorted(
      (a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right,
    )
    faults.push(`wider than the screen: ${widest[0]?.outerHTML.slice(0, 200)}`)
  }
  if (root.lang === '') faults.push('no language')
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1')
  if (document.querySelectorAll('main').length !== 1) faults.push('not one main')
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: #${id}`)
  const outline = (element: Element): string => element.outerHTML.slice(0, 120)
  for (const control of document.querySelectorAll<HTMLInputElement>('input, select, textarea')) {
    const labelled = control.type === 'hidden' || (control.labels?.length ?? 0) > 0
    if (!labelled && !control.ariaLabel) faults.push(`no label: ${outline(control)}`)
  }
  for (const element of document.querySelectorAll(
    'a, button, summary, progress, svg[role=img], figure[tabindex], [role=group]',
  )) {
    const name = element.getAttribute('aria-label') ?? element.textContent ?? ''
    if (name.trim() === '') faults.push(`no name: ${outline(element)}`)
  }
  for (const image of document.querySelectorAll('img'))
    if (!image.hasAttribute('alt')) faults.push(`no alt: ${outline(image)}`)

  const channels = (color: string): number[] =>
    (/rgba?\(([^)]*)\)/.exec(color)?.[1] ?? '0,0,0,0').split(/[ ,/]+/).map(Number)
  const luminance = (color: number[]): number => {
    const [r = 0, g = 0, b = 0] = color.map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const groundOf = (element: Element | null): number[] => {
    if (element === null) return [255, 255, 255]
    const color = channels(getComputedStyle(element).backgroundColor)
    return (color[3] ?? 1) === 0 ? groundOf(element.parentElement) : color
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
    const element = text.parentElement
    if (element === null || (text.textContent ?? '').trim() === '') continue
    const { color, fill } = getComputedStyle(element)
    const inPicture = element.closest('svg') !== null
    const [a, b] = [luminance(channels(inPicture ? fill : color)), luminance(groundOf(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${outline(element)}`)
  }
  return faults
}
