import { mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { noise } from '@lafs/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { parseBlacklist } from '../src/blacklist.ts'
import { useWeb } from './web.ts'

const folder = mkdtempSync(join(tmpdir(), 'lafs-test-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'access.blacklist')
const web = useWeb({ blacklistFile: file })
const q = encodeURIComponent

let seconds = 1
function write(text: string): void {
  writeFileSync(file, text)
  seconds += 1
  utimesSync(file, seconds, seconds)
}

function storageIndexOf(cap: string): string {
  return toBase32(web.client.createNodeFromUri(cap).storageIndex ?? new Uint8Array())
}

describe('a blacklist', () => {
  it('forbids what it names, from when it does to when it does not', async () => {
    const dir = (await web.post('/uri?t=mkdir')).text
    const root = `/uri/${q(dir)}`
    const cap = (await web.put(`${root}/x`, noise(100))).text
    const sub = (await web.post(`${root}/sub?t=mkdir`)).text
    await web.put(`${root}/sub/y`, 'text')
    expect((await web.get(`${root}/x`)).status).toBe(200)

    write(`# why\n\n  ${storageIndexOf(cap)}  a reason \n${storageIndexOf(sub)} other\n`)
    for (const target of [`${root}/x`, `/uri/${q(cap)}`, `/file/${q(cap)}/x`]) {
      const refused = await web.get(target)
      expect([refused.status, refused.text]).toEqual([403, 'Access Prohibited: a reason'])
      expect((await web.ask('HEAD', target)).status).toBe(403)
    }
    for (const target of [`${root}/sub`, `${root}/sub?t=json`, `${root}/sub/y`, `/uri/${q(sub)}`]) {
      expect([target, (await web.get(target)).status]).toEqual([target, 403])
    }
    expect((await web.put(`${root}/sub/z`, 'x')).status).toBe(403)
    expect((await web.get(`${root}/x?t=uri`)).text).toBe(cap)
    expect((await web.get(`${root}/x?t=json`)).status).toBe(200)
    expect((await web.get(`${root}?t=json`)).status).toBe(200)

    expect((await web.put(`${root}/x`, 'other')).status).toBe(200)
    expect((await web.get(`${root}/x`)).text).toBe('other')
    await web.put(`${root}/x?t=uri`, cap)
    expect((await web.get(`${root}/x`)).status).toBe(403)

    rmSync(file)
    expect((await web.get(`${root}/x`)).status).toBe(200)
    write('')
    expect((await web.get(`${root}/sub/y`)).status).toBe(200)
    write(`${storageIndexOf(cap)} again`)
    expect((await web.ask('DELETE', `${root}/x`)).status).toBe(200)
  })

  it('that makes no sense forbids everything, and says where', async () => {
    const cap = (await web.put('/uri', noise(100))).text
    write(`${storageIndexOf(cap).slice(1)} reason`)
    for (let time = 0; time < 2; time++) {
      const refused = await web.get(`/uri/${q(cap)}`)
      expect([refused.status, refused.text]).toEqual([
        500,
        'Internal error: access.blacklist, line 1: expected a storage index in base32 and a reason',
      ])
    }
    rmSync(file)
  })

  it('that cannot be looked at forbids everything', async () => {
    const cap = (await web.put('/uri', noise(100))).text
    symlinkSync('access.blacklist', file)
    expect((await web.get(`/uri/${q(cap)}`)).status).toBe(500)
    rmSync(file)
    expect((await web.get(`/uri/${q(cap)}`)).status).toBe(200)
  })

  it.each([
    'abc',
    'a'.repeat(26),
    `${'a'.repeat(26)} `,
    `${'A'.repeat(26)} x`,
    `${'1'.repeat(26)} x`,
  ])('refuses the line %j', (line) => {
    expect(() => parseBlacklist(`#\n${line}\n`)).toThrow('access.blacklist, line 2: expected')
  })
})
