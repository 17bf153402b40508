import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gather, multipartBoundary, readMultipart } from '../src/request/multipart.ts'

async function* cut(body: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    yield body.slice(at, at + size)
    at += size
  }
  yield body.slice(at)
}

const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

async function readAll(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): Promise<[name: string, fileName: string | undefined, content: string][]> {
  const parts: [string, string | undefined, string][] = []
  for await (const { name, fileName, content } of readMultipart(body, boundary)) {
    parts.push([name, fileName, Buffer.from(await gather(content, 1e9)).toString('latin1')])
  }
  return parts
}

const read = (text: string, boundary = 'B'): ReturnType<typeof readAll> =>
  readAll(cut(latin1(text), [7, 1, 1]), boundary)

const part = (head: string, content: string): string =>
  `--B\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n`

describe('a form', () => {
  it('gives its parts whatever pieces it comes in', async () => {
    const bytes = fc.string({ unit: fc.constantFrom('\r', '\n', '-', 'B', 'x', '\xFF', '\0') })
    const name = fc.stringMatching(/^[a-z]{1,8}$/)
    const entry = fc.tuple(name, fc.option(name, { nil: undefined }), bytes)
    await fc.assert(
      fc.asyncProperty(fc.array(entry), fc.array(fc.nat({ max: 40 })), async (parts, sizes) => {
        const boundary = '--QQ--BB'
        const text = parts
          .map(([field, file, content]) => {
            const fileName = file === undefined ? '' : `; filename="${file}"`
            return `--${boundary}\r\ncontent-disposition: form-data; name="${field}"${fileName}\r\n\r\n${content}\r\n`
          })
          .join('')
        const body = latin1(`${text}--${boundary}--\r\n`)
        expect(await readAll(cut(body, sizes), boundary)).toEqual(parts)
      }),
      { seed: 5, numRuns: 200 },
    )
  })

  it.each<[what: string, head: string, name: string, fileName: string | undefined]>([
    ['plain', 'name="a"', 'a', undefined],
    ['without quotes', 'name=a; filename=b.txt', 'a', 'b.txt'],
    ['without a file chosen', 'name="a"; filename=""', 'a', ''],
    ['with quotes, as browsers write them', 'name="a"; filename="x%22y"', 'a', 'x"y'],
    ['with quotes, as programs write them', 'name="a"; filename="x\\"y"', 'a', 'x"y'],
    ['in UTF-8', 'name="a"; filename="\xC3\xA9"', 'a', 'é'],
    ['in no UTF-8', 'name="a"; filename="\xE9"', 'a', 'é'],
    ['with the parameters the other way round', 'filename="b"; name="a"', 'a', 'b'],
    ['with a semicolon in it', 'name="a"; filename="x; name=y"', 'a', 'x; name=y'],
    ['with further headers', 'name="a"\r\nContent-Type: text/plain', 'a', undefined],
  ])('has names %s', async (_what, head, name, fileName) => {
    expect(await read(`${part(head, 'x')}--B--`)).toEqual([[name, fileName, 'x']])
  })

  it('has text before and after it passed over', async () => {
    const text = `hello\r\n${part('name="a"', 'x')}--B--\r\nbye`
    expect(await read(text)).toEqual([['a', undefined, 'x']])
  })

  it('has parts passed over that nobody reads', async () => {
    const names: string[] = []
    const text = `${part('name="a"', 'x'.repeat(100))}${part('name="b"', 'y')}--B--`
    for await (const { name } of readMultipart(cut(latin1(text), [30, 30]), 'B')) names.push(name)
    expect(names).toEqual(['a', 'b'])
  })

  it('lets go of its source when its reader leaves', async () => {
    let left = false
    const source = (async function* () {
      try {
        yield latin1(part('name="a"', 'x'))
        yield latin1('--B--')
      } finally {
        left = true
      }
    })()
    for await (const _ of readMultipart(source, 'B')) break
    expect(left).toBe(true)
  })

  it.each<[what: string, text: string, message: string]>([
    ['empty', '', 'the form ended before its last boundary'],
    ['without an end', part('name="a"', 'x'), 'the form ended before its last boundary'],
    ['cut in a head', '--B\r\nContent-Dispo', 'the form ended before its last boundary'],
    ['with a part without a name', `${part('', 'x')}--B--`, 'a part of the form has no name'],
    ['with a part without a head', '--B\r\n\r\nx\r\n--B--', 'a part of the form has no name'],
    [
      'with too long a head',
      part(`name="${'n'.repeat(20_000)}"`, ''),
      'the head of a part is too long',
    ],
    ['with too many parts', part('name="a"', '').repeat(1002), 'the form has too many parts'],
  ])('%s is refused', async (_what, text, message) => {
    await expect(read(text)).rejects.toThrow(message)
  })
})

describe('a content type', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data; charset=utf-8; boundary="a b"', 'a b'],
    ['application/json', undefined],
    ['multipart/form-datax; boundary=a', undefined],
  ])('%s', (contentType, boundary) => {
    expect(multipartBoundary(contentType)).toBe(boundary)
  })

  it('of a form has a boundary', () => {
    expect(() => multipartBoundary('multipart/form-data')).toThrow('the form has no boundary')
  })
})

it('gathers no more than it is told to', async () => {
  await expect(gather(cut(new Uint8Array(11), [5, 5]), 10)).rejects.toThrow('at most 10 bytes')
  expect(await gather(cut(new Uint8Array(10), [5]), 10)).toEqual(new Uint8Array(10))
})
