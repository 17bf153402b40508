import type { IReadable } from '@lafs/filesystem-interface'
import { WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { booleanArgument } from '../request/arguments.ts'
import { contentTypeOf } from './content-type.ts'
import type { FileExchange } from '../context.ts'

/** Of a file, in bytes; `last` is inclusive. */
interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * What the content of files may do in a browser: be shown, with pictures and styles of its own grid.
 * It runs no script, sends no form and belongs to no origin, so that it can read nothing.
 */
const CONTENT_POLICY =
  "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; frame-ancestors 'none'"

/** Answers with the content of a file, or one range of it. */
export async function sendContent(
  exchange: FileExchange,
  headers: readonly (readonly [string, string])[],
): Promise<GatewayResponse> {
  const { node, request } = exchange
  const { signal } = request
  const content = await node.bestReadableVersion({ signal })
  const range = requestedRange(exchange, content.size, headers.length > 0 ? headers[0]?.[1] : '')
  const { first, last } = range ?? { first: 0, last: content.size - 1 }
  const size = last - first + 1
  const all = [
    ...headers,
    ...describeContent(exchange),
    ['accept-ranges', 'bytes'],
    ['content-length', String(size)],
    ...(range === undefined
      ? []
      : [['content-range', `bytes ${first}-${last}/${content.size}`] as const]),
  ] as const
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD') return { status, headers: all, body: new Uint8Array(0) }
  return { status, headers: all, body: await begun(content, first, size, signal) }
}

function describeContent({ args, name }: FileExchange): (readonly [name: string, value: string])[] {
  const fileName = args.get('filename') ?? name ?? 'unknown'
  const { type, encoding } = contentTypeOf(fileName)
  const save = booleanArgument(args, 'save')
  return [
    ['content-type', type],
    ...(encoding === undefined ? [] : [['content-encoding', encoding] as const]),
    ['content-security-policy', CONTENT_POLICY],
    ...(save ? [['content-disposition', attachment(fileName)] as const] : []),
  ]
}

/** @see RFC 6266 */
function attachment(fileName: string): string {
  const plain = /^[\x20\x21\x23-\x5B\x5D-\x7E]*$/.test(fileName)
  if (plain) return `attachment; filename="${fileName}"`
  const ascii = fileName.replaceAll(/[^\x20\x21\x23-\x5B\x5D-\x7E]/gu, '_')
  const encoded = encodeURIComponent(fileName).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  )
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

/**
 * The first range that is asked for; undefined for the whole file, which is also what a header gets
 * that makes no sense.
 *
 * @param tag - of what stands there, for `If-Range`.
 * @throws {@link WebError} 416.
 */
function requestedRange(
  { request }: FileExchange,
  size: number,
  tag: string | undefined,
): ByteRange | undefined {
  const header = request.headers.get('range')
  const condition = request.headers.get('if-range')
  if (header === undefined || (condition !== undefined && condition !== tag)) return undefined
  const range = parseRanges(header, size)
  if (range === undefined) return undefined
  if (range.first >= size) {
    throw new WebError(416, 'First beyond end of file', [['content-range', `bytes */${size}`]])
  }
  return { first: Math.max(0, range.first), last: Math.min(range.last, size - 1) }
}

/** The first of the ranges of a header; undefined where one of them makes no sense. */
export function parseRanges(header: string, size: number): ByteRange | undefined {
  const list = /^bytes=(.*)$/.exec(header)?.[1]
  if (list === undefined) return undefined
  const ranges = list.split(',').map((text): ByteRange | undefined => {
    const found = /^(\d*)\s*-\s*(\d*)$/.exec(text.trim())
    const [, from = '', to = ''] = found ?? []
    if (from === '' && to === '') return undefined
    const first = from === '' ? size - Number(to) : Number(from)
    const last = from === '' || to === '' ? size - 1 : Number(to)
    return last < first ? undefined : { first, last }
  })
  return ranges.includes(undefined) ? undefined : ranges[0]
}

/**
 * The content from here on, once its first piece is there: what cannot be read has its own status.
 * What comes in one piece is given whole.
 */
async function begun(
  content: IReadable,
  offset: number,
  size: number,
  signal: AbortSignal,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const pieces = content.read({ offset, size, signal })[Symbol.asyncIterator]()
  const begin = await pieces.next()
  if (begin.done === true) return new Uint8Array(0)
  if (begin.value.length === size) {
    await pieces.next()
    return begin.value
  }
  let first: Promise<IteratorResult<Uint8Array>> | undefined = Promise.resolve(begin)
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    const result = first ?? pieces.next()
    first = undefined
    return result
  }
  const leave = async (): Promise<IteratorResult<Uint8Array>> => {
    await pieces.return?.()
    return { done: true, value: undefined }
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
}
