import { describe, expect, it } from 'vitest'
import { contentTypeOf } from '../src/routes/content-type.ts'
import { parseRanges } from '../src/routes/file-content.ts'

describe('a range of 100 bytes', () => {
  // As upstream's FileDownloader.parse_range_header has it: what makes no sense is passed over.
  it.each<[header: string, range: [first: number, last: number] | undefined]>([
    ['bytes=0-9', [0, 9]],
    ['bytes=0-', [0, 99]],
    ['bytes=99-', [99, 99]],
    ['bytes=50-1000', [50, 1000]],
    ['bytes=-10', [90, 99]],
    ['bytes=-1000', [-900, 99]],
    ['bytes=200-300', [200, 300]],
    ['bytes= 1 - 2 ', [1, 2]],
    ['bytes=1-2,5-6', [1, 2]],
    ['bytes=1-2, 6-5', undefined],
    ['bytes=100-', undefined],
    ['bytes=9-1', undefined],
    ['bytes=-0', undefined],
    ['bytes=-', undefined],
    ['bytes=', undefined],
    ['bytes=a-b', undefined],
    ['bytes=1', undefined],
    ['bytes=1-2-3', undefined],
    ['bytes=0x1-2', undefined],
    ['items=1-2', undefined],
    ['bytes 1-2', undefined],
    ['', undefined],
  ])('%s', (header, range) => {
    expect(parseRanges(header, 100)).toEqual(range && { first: range[0], last: range[1] })
  })

  it('of an empty file is none', () => {
    expect(parseRanges('bytes=0-', 0)).toBeUndefined()
  })
})

describe('a file', () => {
  // As twisted.web.static.getTypeAndEncoding says.
  it.each<[name: string, type: string, encoding?: string]>([
    ['a.txt', 'text/plain'],
    ['A.HTML', 'text/html'],
    ['a.tar', 'application/x-tar'],
    ['a.tar.gz', 'application/x-tar', 'gzip'],
    ['a.gz', 'text/plain', 'gzip'],
    ['a.html.bz2', 'text/html', 'bzip2'],
    ['a.svg', 'image/svg+xml'],
    ['a.js', 'text/javascript'],
    ['a.b.png', 'image/png'],
    ['noending', 'text/plain'],
    ['.png', 'text/plain'],
    ['a.', 'text/plain'],
    ['a.constructor', 'text/plain'],
    ['', 'text/plain'],
    ['a.png/b', 'text/plain'],
    ['b/.png', 'image/png'],
    ['b/a.tar.gz', 'application/x-tar', 'gzip'],
    ['a.gz/.png', 'image/png'],
    ['..png', 'image/png'],
    ['\u{1F4BE}.png', 'image/png'],
  ])('named %j is %s', (name, type, encoding) => {
    expect(contentTypeOf(name)).toEqual({ type, encoding })
  })
})

it('keeps nobody waiting over what is long and makes no sense', () => {
  // A pattern that begins anew at each character would take minutes.
  expect(contentTypeOf(`${'.a'.repeat(200_000)}/`).type).toBe('text/plain')
  expect(parseRanges(`bytes=${' '.repeat(400_000)}x`, 100)).toBeUndefined()
})
