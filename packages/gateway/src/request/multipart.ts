import { Buffer } from 'node:buffer'
import { badRequest, WebError } from '../errors.ts'

/** One part of a form. */
export interface FormPart {
  readonly name: string
  /** Undefined where the part is no file; empty where a form was sent without choosing one. */
  readonly fileName: string | undefined
  /** To be read before the next part is asked for; what is not read is passed over. */
  readonly content: AsyncIterable<Uint8Array>
}

/** Of the head of one part, in bytes. */
const HEAD_SIZE_MAX = 16 * 1024
const PART_COUNT_MAX = 1000

/** The boundary that a content type names; undefined where it is no multipart/form-data. */
export function multipartBoundary(contentType: string): string | undefined {
  if (!/^multipart\/form-data\s*(?:;|$)/i.test(contentType)) return undefined
  const found = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType)
  const boundary = found?.[1] ?? found?.[2]
  if (boundary === undefined) throw badRequest('the form has no boundary in its content type')
  return boundary
}

/**
 * The parts of a form as they come.
 *
 * @throws {@link WebError} 400 where it is malformed or ends early.
 * @see RFC 7578
 */
export async function* readMultipart(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<FormPart, void, undefined> {
  const scanner = new Scanner(body)
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  try {
    await pass(scanner.until(delimiter))
    for (let count = 0; ; count++) {
      if (await scanner.startsWith('--')) return
      if (count === PART_COUNT_MAX) throw badRequest('the form has too many parts')
      const { name, fileName } = readHead(await scanner.head())
      const content = scanner.until(delimiter)
      yield { name, fileName, content }
      await pass(content)
    }
  } finally {
    await scanner.close()
  }
}

async function pass(content: AsyncIterable<Uint8Array>): Promise<void> {
  // Where the reader has taken all of it, there is nothing left to come.
  for await (const _ of content);
}

/** Cuts a stream of bytes where delimiters stand. */
class Scanner {
  readonly #source: AsyncIterator<Uint8Array>
  /** What has come and is not used. A line feed that is not there makes the first boundary like all. */
  #held: Buffer = Buffer.from('\r\n')

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#source.next()
    if (done === true) throw badRequest('the form ended before its last boundary')
    const piece = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
  }

  /** What stands before the delimiter, which is taken away with it. Reads on where it was left. */
  until(delimiter: Buffer): AsyncIterable<Uint8Array> {
    let over = false
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      while (!over) {
        const at = this.#held.indexOf(delimiter)
        const size = at < 0 ? this.#held.length - delimiter.length + 1 : at
        const value = size > 0 ? plain(this.#held.subarray(0, size)) : undefined
        over = at >= 0
        if (over) this.#held = this.#held.subarray(at + delimiter.length)
        else if (size > 0) this.#held = this.#held.subarray(size)
        if (value !== undefined) return { done: false, value }
        if (!over) await this.#more()
      }
      return { done: true, value: undefined }
    }
    return { [Symbol.asyncIterator]: () => ({ next }) }
  }

  async startsWith(text: string): Promise<boolean> {
    while (this.#held.length < text.length) await this.#more()
    return this.#held.subarray(0, text.length).equals(Buffer.from(text))
  }

  /** The lines up to the empty one. */
  async head(): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf('\r\n\r\n')
      if (at >= 0 && at <= HEAD_SIZE_MAX) {
        const head = this.#held.subarray(0, at)
        this.#held = this.#held.subarray(at + 4)
        return head
      }
      if (this.#held.length > HEAD_SIZE_MAX) throw badRequest('the head of a part is too long')
      await this.#more()
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }
}

function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function readHead(head: Buffer): Pick<FormPart, 'name' | 'fileName'> {
  const line = /(?:^|\r\n)content-disposition:([^\r]*)/i.exec(head.toString('latin1'))?.[1] ?? ''
  const name = parameter(line, 'name')
  if (name === undefined) throw badRequest('a part of the form has no name')
  return { name, fileName: parameter(line, 'filename') }
}

/** A parameter of a Content-Disposition, as browsers write it: `"` is `%22` or `\\"` in it. */
function parameter(line: string, name: string): string | undefined {
  const found = new RegExp(
    `;\\s*${name}=(?:"((?:[^"\\\\]|\\\\[^"]|\\\\")*)"|([^\\s;]*))`,
    'i',
  ).exec(line)
  const text = found?.[1]?.replaceAll(/\\(["\\])/g, '$1').replaceAll('%22', '"') ?? found?.[2]
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'latin1')
  const decoded = bytes.toString('utf8')
  return decoded.includes('\uFFFD') ? text : decoded
}

/** The whole of something that should be short. @throws {@link WebError} 413 where it is not. */
export async function gather(
  content: AsyncIterable<Uint8Array>,
  sizeMax: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of content) {
    size += piece.length
    if (size > sizeMax) throw new WebError(413, `I expected at most ${sizeMax} bytes there`)
    pieces.push(piece)
  }
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : plain(Buffer.concat(pieces, size))
}
