import type { GatewayRequest } from '../exchange.ts'
import type { Exchange } from '../context.ts'

// Addresses are relative, so that the pages work behind a proxy that puts them below a folder.

/** The way from a page to the root of the gateway, with a slash at the end. */
export function rootOf({ target }: GatewayRequest): string {
  const path = target.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0] ?? ''
  const depth = path.split('/').length - 2
  return depth > 0 ? '../'.repeat(depth) : './'
}

/** One part of a path; half a surrogate pair, which no address can hold, becomes U+FFFD. */
export function segment(text: string): string {
  return encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, '\u{FFFD}'))
}

/** Whether a name can stand in the path of an address: browsers resolve these two, however written. */
export function fitsIntoPath(name: string): boolean {
  return name !== '.' && name !== '..' && name !== ''
}

/** The address of a directory by its cap, or by that of another one and the path from there. */
export function directoryAddress(root: string, path: readonly string[]): string {
  return `${root}uri/${path.map((part) => `${segment(part)}/`).join('')}`
}

/** The address of what is said of an object. */
export function infoAddress(root: string, path: readonly string[]): string {
  return `${root}uri/${path.map(segment).join('/')}?t=info`
}

/**
 * The address of a file's content. It never leads through a directory: a page in the file would know
 * the directory's cap from its own address.
 */
export function contentAddress(root: string, cap: string, name?: string): string {
  const end = name !== undefined && fitsIntoPath(name) ? `/@@named=/${segment(name)}` : ''
  return `${root}file/${segment(cap)}${end}`
}

/** The path of this page below `/uri`: a cap and names. Empty where the page is not below it. */
export function pathBelowUri({ path }: Pick<Exchange, 'path'>): readonly string[] {
  const [kind, ...rest] = path
  if (kind !== 'uri' && kind !== 'cap') return []
  return rest.at(-1) === '' ? rest.slice(0, -1) : rest
}

/** A query from names and values, with the question mark. */
export function query(fields: Readonly<Record<string, string | number | undefined>>): string {
  const written = Object.entries(fields)
    .filter((field): field is [string, string | number] => field[1] !== undefined)
    .map(([name, value]) => `${name}=${segment(String(value))}`)
  return written.length === 0 ? '' : `?${written.join('&')}`
}
