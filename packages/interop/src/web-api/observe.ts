import type { Roles } from './roles.ts'
import type { Comparison } from './scenario.ts'
import type { WebRequest, WebResponse } from './web-exchange.ts'

/** What counts of an answer, by aspect: `status`, `type`, `body` and the headers that matter. */
export type Observation = Readonly<Record<string, unknown>>

/** Headers that programs go by; a gateway may send more. */
const HEADERS = [
  'accept-ranges',
  'content-disposition',
  'content-encoding',
  'content-range',
  'etag',
  'referrer-policy',
  'x-frame-options',
]

const OF_FILES = new Set(['accept-ranges', 'content-range', 'etag'])

/** Values of JSON that differ from one moment, process or machine to the next: only their type counts. */
const PASSING = new Set([
  'available_space',
  'elapsed-time',
  'last_received_data',
  'linkcrtime',
  'linkmotime',
])

/** Arrays of JSON whose order says nothing, since they are made of sets. */
const UNORDERED = new Set(['servers', 'servers-responding', 'storage-index', 'verifycaps'])

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/**
 * What counts of an answer, with names in place of values.
 *
 * @param webUrl - the address of the gateway.
 */
export function observe(
  request: WebRequest,
  response: WebResponse,
  webUrl: string,
  how: Comparison,
  kept: Roles,
): Observation {
  const roles = how === 'any-server' ? anyServer(kept) : kept
  const { status, headers } = response
  const observed: Record<string, unknown> = { status }
  for (const name of HEADERS) {
    const value = headers.get(name)
    // A failure says nothing of the file that could not be had.
    if (value !== undefined && (status < 400 || !OF_FILES.has(name))) {
      observed[name] = roles.strip(value)
    }
  }
  const location = headers.get('location')
  if (location !== undefined)
    observed['location'] = roles.strip(whole(location, new URL(request.target, webUrl)))
  if (status >= 300 && status < 400) return observed
  const type = (headers.get('content-type') ?? '').toLowerCase().replaceAll(' ', '')
  // Without a body, its length is the only sign of a file.
  if (request.method === 'HEAD' && status < 300 && !type.startsWith('text/html')) {
    observed['content-length'] = headers.get('content-length')
  }
  const text = decode(response.body)
  const page = type.startsWith('text/html') && /<html/i.test(text)
  observed['type'] = type
  if (status >= 400) {
    observed['body'] = roles.strip(page ? messageIn(text) : messageOf(text))
  } else if (how !== 'status' && !page) {
    // What is inside of a page is for people.
    observed['body'] = bodyOf(response.body, type, how, roles)
  }
  return observed
}

/** The same roles, and all servers have one name. */
function anyServer(roles: Roles): Roles {
  const strip = (text: string): string =>
    roles.strip(text).replaceAll(SERVER_ID, '<server>').replaceAll(ROOT_HASH, '$1<hash>')
  return { ...roles, strip }
}

/** How results name a server, and the version of a mutable file. */
const ROOT_HASH = /(\bseq\d+-)[a-z2-7]{4}\b/g
const SERVER_ID = /\bv0-[a-z2-7]{52}\b/g

/** The address that a redirect leads to, wherever it is told from. */
function whole(location: string, url: URL): string {
  const { href } = new URL(location, url)
  try {
    return decodeURIComponent(href)
  } catch {
    return href
  }
}

/** The text of a failure that is no page: `{"error": text}` where JSON was asked for. */
function messageOf(text: string): string {
  const [value, ...more] = jsonIn(text) ?? []
  const isObject = more.length === 0 && typeof value === 'object' && value !== null
  return isObject && 'error' in value ? `error: ${String(value.error)}` : text.trim()
}

/** The text of a page that says what is wrong. */
function messageIn(page: string): string {
  if (/Traceback|class="frames"/.test(page)) return 'a traceback'
  const heading = /<h1>([^<]*)<\/h1>/.exec(page)?.[1] ?? ''
  const below = page
    .replace(/^[\s\S]*<\/h1>/, '')
    .replaceAll(/<[^>]*>/g, '')
    .trim()
  // Upstream has the text in one of the two places.
  return (below === 'no details' ? heading : below)
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll(/&quot;|&#34;/g, '"')
    .replaceAll(/&#x27;|&#39;/g, "'")
    .replaceAll('&amp;', '&')
    .trim()
}

function bodyOf(body: Uint8Array, type: string, how: Comparison, roles: Roles): unknown {
  if (!/^(text|application\/(json|openmetrics))/.test(type)) {
    return Buffer.from(body).toString('latin1')
  }
  const text = decode(body)
  const values = jsonIn(text)
  if (values === undefined) return how === 'shape' ? linesWithoutNumbers(text) : roles.strip(text)
  if (how === 'shape') return values.map(shape)
  return values.map((value) => named(value, '', roles))
}

function linesWithoutNumbers(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/ [\d.e+-]+$/, ''))
  return lines.filter((line) => !LATE.test(line))
}

/** Figures that a node has only after some minutes. */
const LATE = /min_avg$/

/** A text as one JSON value or as one in each line. */
function jsonIn(text: string): unknown[] | undefined {
  for (const pieces of [[text], text.trim().split('\n')]) {
    try {
      return pieces.map((piece): unknown => JSON.parse(piece))
    } catch {
      // Not in this way.
    }
  }
  return undefined
}

/**
 * JSON with names for values, its keys in order. The size of a mutable file is told while the gateway
 * remembers it, which is chance.
 */
function named(value: unknown, key: string, roles: Roles): unknown {
  if (PASSING.has(key)) return `<${value === null ? 'null' : typeof value}>`
  if (typeof value === 'string') return roles.strip(value)
  if (Array.isArray(value)) {
    const items = value.map((item) => named(item, '', roles))
    return UNORDERED.has(key) ? items.toSorted(byText) : items
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
    .filter(([name]) => name !== 'size' || !('mutable' in value && value.mutable === true))
    .map(([name, item]) => [roles.strip(name), named(item, name, roles)] as const)
    .toSorted(byText)
  return Object.fromEntries(entries)
}

function byText(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

/** The keys of JSON and the types of its values; an array is as its first item. */
function shape(value: unknown): unknown {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.slice(0, 1).map(shape)
  if (typeof value !== 'object') return typeof value
  const entries = Object.entries(value)
    .filter(([name]) => !LATE.test(name))
    .map(([name, item]) => [name, shape(item)] as const)
  return Object.fromEntries(entries.toSorted(byText))
}
