import { FURL_SIZE_MAX, StorageError } from '@lafs/storage-interface'

/** Where and how one server of this protocol is reached. Holds a secret: never to be logged. */
export interface Nurl {
  /** `pb` for TCP, the others through an anonymity network. */
  readonly scheme: 'pb' | 'pb+tor' | 'pb+i2p'
  /** SHA-256 of the server's SubjectPublicKeyInfo, in base64url without padding: 43 characters. */
  readonly spkiHash: string
  /** A name or an address; IPv6 addresses without brackets. */
  readonly host: string
  readonly port: number
  /** The secret that lets a client in. */
  readonly swissnum: string
}

// scheme "://" hash "@" host [":" port] "/" swissnum "#v=1"
const PARTS =
  /^([a-z0-9+]+):\/\/([^@/]*)@(\[[^\]@/]*\]|[^:@/[\]]+)(?::([^:@/]*))?\/([^#]*)(?:#(.*))?$/
const SCHEMES: readonly Nurl['scheme'][] = ['pb', 'pb+tor', 'pb+i2p']
/** 32 bytes: 42 characters of six bits and one of four. */
const SPKI_HASH = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * Reads a NURL, `pb://HASH@HOST:PORT/SWISSNUM#v=1`.
 *
 * @throws {@link StorageError} `STORAGE_BAD_ANNOUNCEMENT`; its message never holds the text.
 * @see docs/specifications/url.rst of upstream
 */
export function parseNurl(text: string): Nurl {
  if (text.length > FURL_SIZE_MAX) throw bad(`more than ${FURL_SIZE_MAX} characters`)
  const match = PARTS.exec(text)
  if (match === null) throw bad('expected pb://HASH@HOST:PORT/SWISSNUM#v=1, got another form')
  const [, schemeText, spkiHash = '', host = '', port = '443', path = '', fragment] = match
  const scheme = SCHEMES.find((known) => known === schemeText)
  if (scheme === undefined) throw bad(`expected a scheme of ${SCHEMES.join(', ')}, got another`)
  if (fragment !== 'v=1') throw bad('expected the fragment v=1, got another or none')
  if (!SPKI_HASH.test(spkiHash)) throw bad('expected a hash of 43 base64url characters')
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    throw bad('expected a port from 1 to 65535')
  }
  return {
    scheme,
    spkiHash,
    host: host.startsWith('[') ? host.slice(1, -1) : host,
    port: Number(port),
    swissnum: decodeSwissnum(path),
  }
}

/** The text of a NURL. Holds a secret. */
export function formatNurl(nurl: Nurl): string {
  const host = nurl.host.includes(':') ? `[${nurl.host}]` : nurl.host
  const swissnum = encodeURIComponent(nurl.swissnum)
  return `${nurl.scheme}://${nurl.spkiHash}@${host}:${nurl.port}/${swissnum}#v=1`
}

function decodeSwissnum(path: string): string {
  if (path === '' || path.includes('/')) throw bad('expected one path segment, the swissnum')
  try {
    return decodeURIComponent(path)
  } catch {
    throw bad('a percent sign in the swissnum that encodes nothing')
  }
}

function bad(what: string): StorageError {
  return new StorageError('STORAGE_BAD_ANNOUNCEMENT', `NURL: ${what}`)
}
