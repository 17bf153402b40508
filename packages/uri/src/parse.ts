import { HASH_SIZE, KEY_SIZE } from '@lafs/crypto'
import {
  MustBeDeepImmutableError,
  MustBeReadonlyError,
  type CapConstraintError,
} from '@lafs/filesystem-interface'
import {
  Dir2Cap,
  Dir2ChkCap,
  Dir2ChkVerifierCap,
  Dir2LitCap,
  Dir2MdmfCap,
  Dir2MdmfReadCap,
  Dir2MdmfVerifierCap,
  Dir2ReadCap,
  Dir2VerifierCap,
  type FileCap,
} from './directory-caps.ts'
import { UriError, isUriError } from './errors.ts'
import { base32Field, numberField, splitFields } from './fields.ts'
import { ChkCap, ChkVerifierCap, LitCap, type ChkParameters } from './immutable-caps.ts'
import {
  MdmfCap,
  MdmfReadCap,
  MdmfVerifierCap,
  SskCap,
  SskReadCap,
  SskVerifierCap,
} from './mutable-caps.ts'
import { ALLEGED_IMMUTABLE_PREFIX, ALLEGED_READONLY_PREFIX, UnknownCap } from './unknown-cap.ts'

/** Every cap of a directory. */
export type DirectoryCapOfAnyKind =
  | Dir2Cap
  | Dir2ReadCap
  | Dir2VerifierCap
  | Dir2ChkCap
  | Dir2ChkVerifierCap
  | Dir2LitCap
  | Dir2MdmfCap
  | Dir2MdmfReadCap
  | Dir2MdmfVerifierCap

/** Every cap that can be used. */
export type KnownCap = FileCap | DirectoryCapOfAnyKind

/** Every cap: a union that `kind` tells apart. */
export type Cap = KnownCap | UnknownCap

/** Where a cap comes from. */
export interface ParseCapOptions {
  /** Whether it stands in a deep-immutable place, so that a cap of a mutable object is refused. */
  readonly deepImmutable?: boolean
  /** The entry of the directory that it stands in; told by the error. */
  readonly name?: string
}

/** One kind of cap: how it starts, and the least that its place must allow. */
interface CapSyntax {
  readonly prefix: string
  readonly requires?: 'mutable' | 'writeable'
  /** What the error calls the kind when the place does not allow it. */
  readonly description?: string
  /** Makes the cap from what follows the prefix; undefined for a kind that is known by name only. */
  readonly parse?: (body: string) => KnownCap
}

function chkParameters(kind: string, fields: readonly (string | undefined)[]): ChkParameters {
  const [hash, k, n, size] = fields
  const parameters = {
    uriExtensionHash: base32Field(`${kind} cap: UEB hash`, hash, HASH_SIZE),
    requiredShares: numberField(`${kind} cap: k`, k),
    totalShares: numberField(`${kind} cap: n`, n),
    size: numberField(`${kind} cap: size`, size),
  }
  const { requiredShares, totalShares } = parameters
  if (requiredShares < 1 || requiredShares > totalShares || totalShares > 256) {
    throw new UriError(
      'URI_BAD_SHARE_COUNTS',
      `${kind} cap: expected 1 <= k <= n <= 256, got k = ${requiredShares}, n = ${totalShares}`,
    )
  }
  return parameters
}

function chk(body: string): ChkCap {
  const [key, ...rest] = splitFields('CHK', body, 5)
  const keyBytes = base32Field('CHK cap: key', key, KEY_SIZE)
  return new ChkCap({ key: keyBytes, ...chkParameters('CHK', rest) })
}

/** Whatever follows the digits of the size is dropped: upstream's expression is open at its end. */
function chkVerifier(body: string): ChkVerifierCap {
  const [index, hash, k, n, size = ''] = body.split(':')
  const digits = /^[0-9]*/.exec(size)?.[0]
  const storageIndex = base32Field('CHK-Verifier cap: storage index', index, KEY_SIZE)
  const parameters = chkParameters('CHK-Verifier', [hash, k, n, digits])
  return new ChkVerifierCap({ storageIndex, ...parameters })
}

function lit(body: string): LitCap {
  return new LitCap(base32Field('LIT cap: data', body))
}

/** The 16-byte secret or index and the fingerprint of an SDMF cap: two fields, no more. */
function sdmfFields(kind: string, body: string): [Uint8Array, Uint8Array] {
  const [secret, fingerprint] = splitFields(kind, body, 2)
  return [
    base32Field(`${kind} cap: first field`, secret, KEY_SIZE),
    base32Field(`${kind} cap: fingerprint`, fingerprint, HASH_SIZE),
  ]
}

/** As {@link sdmfFields}, but MDMF caps may have more fields, which are dropped. */
function mdmfFields(kind: string, body: string): [Uint8Array, Uint8Array] {
  return sdmfFields(kind, body.split(':').slice(0, 2).join(':'))
}

function ssk(body: string): SskCap {
  const [writekey, fingerprint] = sdmfFields('SSK', body)
  return new SskCap({ writekey, fingerprint })
}

function sskRead(body: string): SskReadCap {
  const [readkey, fingerprint] = sdmfFields('SSK-RO', body)
  return new SskReadCap({ readkey, fingerprint })
}

function sskVerifier(body: string): SskVerifierCap {
  const [storageIndex, fingerprint] = sdmfFields('SSK-Verifier', body)
  return new SskVerifierCap({ storageIndex, fingerprint })
}

function mdmf(body: string): MdmfCap {
  const [writekey, fingerprint] = mdmfFields('MDMF', body)
  return new MdmfCap({ writekey, fingerprint })
}

function mdmfRead(body: string): MdmfReadCap {
  const [readkey, fingerprint] = mdmfFields('MDMF-RO', body)
  return new MdmfReadCap({ readkey, fingerprint })
}

function mdmfVerifier(body: string): MdmfVerifierCap {
  const [storageIndex, fingerprint] = mdmfFields('MDMF-Verifier', body)
  return new MdmfVerifierCap({ storageIndex, fingerprint })
}

const syntaxes: readonly CapSyntax[] = [
  { prefix: 'URI:CHK:', parse: chk },
  { prefix: 'URI:CHK-Verifier:', parse: chkVerifier },
  { prefix: 'URI:LIT:', parse: lit },
  {
    prefix: 'URI:SSK:',
    requires: 'writeable',
    description: 'URI:SSK file writecap',
    parse: ssk,
  },
  {
    prefix: 'URI:SSK-RO:',
    requires: 'mutable',
    description: 'URI:SSK-RO readcap to a mutable file',
    parse: sskRead,
  },
  { prefix: 'URI:SSK-Verifier:', parse: sskVerifier },
  {
    prefix: 'URI:MDMF:',
    requires: 'writeable',
    description: 'URI:MDMF file writecap',
    parse: mdmf,
  },
  {
    prefix: 'URI:MDMF-RO:',
    requires: 'mutable',
    description: 'URI:MDMF-RO readcap to a mutable file',
    parse: mdmfRead,
  },
  { prefix: 'URI:MDMF-Verifier:', parse: mdmfVerifier },
  {
    prefix: 'URI:DIR2:',
    requires: 'writeable',
    description: 'URI:DIR2 directory writecap',
    parse: (body) => new Dir2Cap(ssk(body)),
  },
  {
    prefix: 'URI:DIR2-RO:',
    requires: 'mutable',
    description: 'URI:DIR2-RO readcap to a mutable directory',
    parse: (body) => new Dir2ReadCap(sskRead(body)),
  },
  { prefix: 'URI:DIR2-Verifier:', parse: (body) => new Dir2VerifierCap(sskVerifier(body)) },
  { prefix: 'URI:DIR2-CHK:', parse: (body) => new Dir2ChkCap(chk(body)) },
  {
    prefix: 'URI:DIR2-CHK-Verifier:',
    parse: (body) => new Dir2ChkVerifierCap(chkVerifier(body)),
  },
  { prefix: 'URI:DIR2-LIT:', parse: (body) => new Dir2LitCap(lit(body)) },
  {
    prefix: 'URI:DIR2-MDMF:',
    requires: 'writeable',
    description: 'URI:DIR2-MDMF directory writecap',
    parse: (body) => new Dir2MdmfCap(mdmf(body)),
  },
  {
    prefix: 'URI:DIR2-MDMF-RO:',
    requires: 'mutable',
    description: 'URI:DIR2-MDMF-RO readcap to a mutable directory',
    parse: (body) => new Dir2MdmfReadCap(mdmfRead(body)),
  },
  {
    prefix: 'URI:DIR2-MDMF-Verifier:',
    parse: (body) => new Dir2MdmfVerifierCap(mdmfVerifier(body)),
  },
  // Upstream's own stand-ins for caps of the future: they are refused where their names forbid them.
  {
    prefix: 'x-tahoe-future-test-writeable:',
    requires: 'writeable',
    description: 'x-tahoe-future-test-writeable: testing cap',
  },
  {
    prefix: 'x-tahoe-future-test-mutable:',
    requires: 'mutable',
    description: 'x-tahoe-future-test-mutable: testing cap',
  },
]

/** What a place and a prefix allow, and the cap without the prefix. */
function stripAllegedPrefix(
  text: string,
  deepImmutable: boolean,
): { body: string; mutable: boolean; writeable: boolean } {
  if (text.startsWith(ALLEGED_IMMUTABLE_PREFIX)) {
    const body = text.slice(ALLEGED_IMMUTABLE_PREFIX.length)
    return { body, mutable: false, writeable: false }
  }
  if (text.startsWith(ALLEGED_READONLY_PREFIX)) {
    const body = text.slice(ALLEGED_READONLY_PREFIX.length)
    return { body, mutable: !deepImmutable, writeable: false }
  }
  return { body: text, mutable: !deepImmutable, writeable: !deepImmutable }
}

/** The cap that a text stands for, the reason why it cannot be used, or undefined for unknown kinds. */
function interpret(
  text: string,
  { deepImmutable = false, name }: ParseCapOptions,
): KnownCap | UriError | CapConstraintError | undefined {
  const { body, mutable, writeable } = stripAllegedPrefix(text, deepImmutable)
  const syntax = syntaxes.find(({ prefix }) => body.startsWith(prefix))
  if (syntax === undefined) return undefined
  const { prefix, requires, description, parse } = syntax
  const details = { childName: name }
  if (requires !== undefined && !mutable) {
    return new MustBeDeepImmutableError(`${description} used in an immutable context`, details)
  }
  if (requires === 'writeable' && !writeable) {
    return new MustBeReadonlyError(`${description} used in a read-only context`, details)
  }
  try {
    // One newline at the end is let through, as upstream's expressions do.
    return parse?.(body.slice(prefix.length).replace(/\n$/, ''))
  } catch (error) {
    if (isUriError(error)) return error
    throw error
  }
}

function textOf(input: string | Uint8Array): string {
  return typeof input === 'string'
    ? input
    : new TextDecoder('utf-8', { ignoreBOM: true }).decode(input)
}

/**
 * The cap that a text stands for. What cannot be used becomes an {@link UnknownCap} that keeps the
 * text and, for a known kind, the error; nothing is refused.
 *
 * A prefix `ro.` or `imm.` is checked and dropped. Numbers that upstream reads and nothing can be
 * made of (k = 0, k > n, n > 256, a size beyond 2^53 - 1) make the cap unknown here.
 *
 * @param input - text, or bytes that are UTF-8 if they are a cap of a known kind.
 * @see allmydata.uri.from_string
 */
export function parseCap(input: string | Uint8Array, options: ParseCapOptions = {}): Cap {
  const found = interpret(textOf(input), options)
  if (found === undefined) return new UnknownCap(input)
  return found instanceof Error ? new UnknownCap(input, found) : found
}

/**
 * As {@link parseCap}, but refuses what cannot be used.
 *
 * @throws {@link UriError} with its codes, `URI_UNKNOWN_KIND` for caps of the future;
 *   `CapConstraintError` for a cap that its place or its prefix forbids.
 */
export function parseCapStrict(
  input: string | Uint8Array,
  options: ParseCapOptions = {},
): KnownCap {
  const found = interpret(textOf(input), options)
  if (found === undefined) {
    throw new UriError('URI_UNKNOWN_KIND', 'cap: expected a known kind, got something else')
  }
  if (found instanceof Error) throw found
  return found
}

/** Whether a text starts as caps do, perhaps after `ro.` or `imm.`. @see allmydata.uri.has_uri_prefix */
export function hasUriPrefix(text: string): boolean {
  return /^(?:ro\.|imm\.)?URI:/.test(text)
}

/**
 * The cap in what somebody typed or pasted: without space around it, without the
 * `http://…/uri/` of a gateway, with `%3A` and its like decoded.
 *
 * @returns the text for {@link parseCap}; a path after the cap stays.
 */
export function capTextFromInput(input: string): string {
  const trimmed = input.trim()
  const inGateway = /^https?:\/\/[^/]+\/(?:uri|file)\/([^?#]*)/i.exec(trimmed)?.[1]
  const quoted = inGateway ?? trimmed
  if (inGateway === undefined && !/^(?:ro\.|imm\.)?URI%3A/i.test(quoted)) return quoted
  try {
    return decodeURIComponent(quoted)
  } catch {
    return quoted
  }
}

/**
 * The cap of the directory whose table is in a file.
 *
 * @throws TypeError for a verify cap, which upstream wraps no more than this does.
 * @see allmydata.uri.wrap_dirnode_cap
 */
export function wrapDirnodeCap(fileCap: FileCap): DirectoryCapOfAnyKind {
  switch (fileCap.kind) {
    case 'ssk':
      return new Dir2Cap(fileCap)
    case 'ssk-ro':
      return new Dir2ReadCap(fileCap)
    case 'chk':
      return new Dir2ChkCap(fileCap)
    case 'lit':
      return new Dir2LitCap(fileCap)
    case 'mdmf':
      return new Dir2MdmfCap(fileCap)
    case 'mdmf-ro':
      return new Dir2MdmfReadCap(fileCap)
    case 'chk-verifier':
    case 'ssk-verifier':
    case 'mdmf-verifier':
      break
  }
  throw new TypeError(`directory cap: expected the cap of a file, got a ${fileCap.kind} cap`)
}
