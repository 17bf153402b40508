import { isIP } from 'node:net'
import { WebError } from './errors.ts'
import type { GatewayRequest, GatewayResponse } from './exchange.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Turns away what a page of another site makes a browser send: requests to a name that somebody else
 * made point here, and requests that change something. Programs say neither where they come from
 * nor, in this process, where they go to, and pass.
 *
 * @param allowedHosts - names beside localhost and addresses in numbers.
 * @throws {@link WebError} 403.
 */
export function refuseForeign(request: GatewayRequest, allowedHosts: readonly string[]): void {
  const { headers, method } = request
  const host = headers.get('host')
  if (host !== undefined && !isOwnHost(host, allowedHosts)) {
    throw new WebError(
      403,
      'This node does not go by that name. Use localhost or its address in numbers, or have its operator allow the name (LAFS_ALLOWED_HOSTS).',
    )
  }
  if (SAFE_METHODS.has(method)) return
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const foreign =
    site === undefined
      ? origin !== undefined && !isOriginOf(origin, host)
      : site !== 'same-origin' && site !== 'none'
  if (foreign) {
    throw new WebError(403, 'A page of another site asked for this change, so it was not made.')
  }
}

function isOwnHost(host: string, allowedHosts: readonly string[]): boolean {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host)
  if (found === null) return false
  const [, inBrackets, bare = ''] = found
  if (inBrackets !== undefined) return isIP(inBrackets) === 6
  const name = bare.toLowerCase().replace(/\.$/, '')
  return (
    isIP(name) === 4 ||
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    allowedHosts.some((allowed) => allowed.toLowerCase() === name)
  )
}

function isOriginOf(origin: string, host: string | undefined): boolean {
  const lower = origin.toLowerCase()
  return (
    host !== undefined &&
    /^https?:\/\//.test(lower) &&
    lower.replace(/^https?:\/\//, '') === host.toLowerCase()
  )
}

const HEADERS: readonly (readonly [name: string, value: string])[] = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
  ['x-frame-options', 'DENY'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
]

/** The response with what keeps browsers from telling or doing too much, where it does not say so itself. */
export function secured(response: GatewayResponse): GatewayResponse {
  const present = new Set(response.headers.map(([name]) => name))
  const added = HEADERS.filter(([name]) => !present.has(name))
  return { ...response, headers: [...response.headers, ...added] }
}

/** Arguments whose values may be told. Others may be caps, keys or names. */
const TOLD_ARGUMENTS: ReadonlySet<string> = new Set([
  't',
  'format',
  'mutable',
  'replace',
  'offset',
  'output',
  'save',
  'verify',
  'repair',
  'add-lease',
  'random-key',
  'retain-for',
  'release-after-complete',
])

/** Where a path may begin. */
const TOLD_PLACES =
  /^\/+(uri|cap|file|named|operations|static|private|status|statistics|storage|helper_status|report_incident|assets|storage-plugins)?(\/.*)?$/s

function censorPath(path: string): string {
  const found = TOLD_PLACES.exec(path)
  if (found === null) return '/[CENSORED]'
  const [, place = '', rest = ''] = found
  const told = rest === '' || (/^(?:status|assets)$/.test(place) && /^\/[\w.-]{0,40}$/.test(rest))
  return `/${place}${told ? rest : '/[CENSORED]'}`
}

/** The target of a request for logs: without caps, names and whatever else may be secret. */
export function censorTarget(target: string): string {
  const [path = '', ...query] = target.split('?')
  const shown = censorPath(path)
  if (query.length === 0) return shown
  const args = query
    .join('?')
    .split('&')
    .map((argument) => {
      const at = argument.indexOf('=')
      if (at < 0) return '[CENSORED]'
      const name = argument.slice(0, at)
      // A cap that stands where it does not belong has colons, or what escapes them.
      if (TOLD_ARGUMENTS.has(name) && /^[\w.-]{0,40}$/.test(argument.slice(at + 1))) return argument
      return `${/^[\w-]{1,40}$/.test(name) ? name : '[CENSORED]'}=[CENSORED]`
    })
  return `${shown}?${args.join('&')}`
}
