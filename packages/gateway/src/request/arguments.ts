import { Buffer } from 'node:buffer'
import type { Overwrite } from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import { badRequest } from '../errors.ts'

/** What a request asks for in its query and, where it has one, in its form. */
export interface RequestArguments {
  /**
   * The first value of a name, the query before the form; undefined where it is not there.
   *
   * @param charset - what its bytes are in. Default: UTF-8.
   * @throws {@link WebError} 400 for bytes that are no text in it.
   */
  get(name: string, charset?: string): string | undefined
  /** Every value of a name, those of the query first. */
  all(name: string): readonly string[]
  /** Each name and value of the query, in the order in which they stand there. */
  query(): Iterable<readonly [name: string, value: string]>
}

/** The values of each name, as bytes. */
export type ArgumentValues = ReadonlyMap<string, readonly Uint8Array[]>

/** The arguments of a query and of a form. */
export function requestArguments(query: ArgumentValues, form?: ArgumentValues): RequestArguments {
  return {
    get: (name, charset) => {
      const value = query.get(name)?.[0] ?? form?.get(name)?.[0]
      return value && decodeText(value, name, charset)
    },
    all: (name) =>
      [...(query.get(name) ?? []), ...(form?.get(name) ?? [])].map((value) =>
        decodeText(value, name),
      ),
    *query() {
      for (const [name, values] of query) {
        for (const value of values) yield [name, decodeText(value, name)]
      }
    },
  }
}

/**
 * Reads a query, or a form that is written like one. What has no `=` is passed over; `;` separates
 * as `&` does.
 *
 * @param text - as it was sent: one character a byte.
 */
export function parseQuery(text: string): Map<string, Uint8Array[]> {
  const values = new Map<string, Uint8Array[]>()
  for (const item of text.split(/[&;]/)) {
    const at = item.indexOf('=')
    if (at < 0) continue
    const name = new TextDecoder().decode(unquote(item.slice(0, at)))
    const value = unquote(item.slice(at + 1))
    const others = values.get(name)
    if (others === undefined) values.set(name, [value])
    else others.push(value)
  }
  return values
}

/** Percent-encoding and pluses undone; a `%` that begins no byte stands for itself. */
function unquote(text: string): Uint8Array {
  return percentDecode(text.replaceAll('+', ' '))
}

/** The bytes of percent-encoded text; a `%` that begins no byte stands for itself. */
export function percentDecode(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const hex = text[at] === '%' ? text.slice(at + 1, at + 3) : ''
    if (/^[0-9a-f]{2}$/i.test(hex)) {
      bytes[length++] = Number.parseInt(hex, 16)
      at += 2
    } else {
      bytes[length++] = text.charCodeAt(at)
    }
  }
  return bytes.subarray(0, length)
}

/** @throws {@link WebError} 400 where the bytes are no text, or nobody knows the charset. */
export function decodeText(bytes: Uint8Array, what: string, charset = 'utf-8'): string {
  // For the web, Latin-1 is another encoding than for programs.
  if (/^(?:iso[-_]?8859[-_]1|latin[-_]?1)$/i.test(charset)) {
    return Buffer.from(bytes).toString('latin1')
  }
  let decoder
  try {
    decoder = new TextDecoder(charset.replaceAll('_', '-'), { fatal: true, ignoreBOM: true })
  } catch {
    throw badRequest('unknown _charset: I expected the name of an encoding, such as utf-8')
  }
  try {
    return decoder.decode(bytes)
  } catch {
    throw badRequest(`${what}: I expected text in ${decoder.encoding}, and got other bytes`)
  }
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['t', true],
  ['1', true],
  ['on', true],
  ['false', false],
  ['f', false],
  ['0', false],
  ['off', false],
])

/** What is asked for with `t`; empty for nothing. */
export function operationArgument(args: RequestArguments): string {
  return (args.get('t') ?? '').trim()
}

/** An argument that is true or false. @throws {@link WebError} 400 for anything else. */
export function booleanArgument(args: RequestArguments, name: string, fallback = false): boolean {
  const text = args.get(name)
  if (text === undefined) return fallback
  const value = BOOLEANS.get(text.toLowerCase())
  if (value === undefined) throw badRequest(`invalid boolean argument: ${quoteValue(text)}`)
  return value
}

/** `replace`: whether a child that is there may be replaced. Default: it may. */
export function replaceArgument(args: RequestArguments): Overwrite {
  const text = args.get('replace') ?? 'true'
  if (text.toLowerCase() === 'only-files') return 'only-files'
  const value = BOOLEANS.get(text.toLowerCase())
  if (value === undefined) throw badRequest(`invalid replace= argument: ${quoteValue(text)}`)
  return value
}

/** The formats of files. */
export type FileFormat = 'CHK' | 'SDMF' | 'MDMF'

/** `format`, or `mutable=true` for SDMF; undefined where neither is asked for. */
export function formatArgument(args: RequestArguments): FileFormat | undefined {
  const text = args.get('format')
  if (text === undefined || text === '')
    return booleanArgument(args, 'mutable') ? 'SDMF' : undefined
  const format = text.toUpperCase()
  if (format === 'CHK' || format === 'SDMF' || format === 'MDMF') return format
  throw badRequest(`Unknown format: ${text}, I know CHK, SDMF, MDMF`)
}

/** The version of a mutable format; undefined for CHK and where none is asked for. */
export function mutableVersion(format: FileFormat | undefined): number | undefined {
  if (format === undefined || format === 'CHK') return undefined
  return format === 'SDMF' ? SDMF_VERSION : MDMF_VERSION
}

/** An argument that is text in the encoding that `_charset` names, as the fields of forms are. */
export function textArgument(args: RequestArguments, name: string): string | undefined {
  return args.get(name, args.get('_charset') ?? 'utf-8')
}

/**
 * `private-key`, the RSA key of a new mutable file: DER of PKCS #8 in base64 of either alphabet. What
 * is none is found out where the file is made.
 */
export function privateKeyArgument(args: RequestArguments): Uint8Array | undefined {
  const text = args.get('private-key')
  return text === undefined ? undefined : new Uint8Array(Buffer.from(text, 'base64url'))
}

/** A value as an error tells it: cut where it is long. */
function quoteValue(text: string): string {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text
  return `'${shown.replaceAll(/\p{Cc}/gu, '?')}'`
}
