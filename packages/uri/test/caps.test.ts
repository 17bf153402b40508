import { isFilesystemError } from '@lafs/filesystem-interface'
import {
  hasUriPrefix,
  isUriError,
  parseCap,
  parseCapStrict,
  wrapDirnodeCap,
  type Cap,
  type KnownCap,
  type UriErrorCode,
} from '@lafs/uri'
import { loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'

interface CapVector {
  text: string
  deepImmutable: boolean
  class: string
  error?: string | null
  printed?: string
  readonly?: boolean
  mutable?: boolean
  readCap?: string
  verifyCap?: string | null
  storageIndex?: string | null
  fields?: Record<string, unknown>
}

interface CapVectors {
  caps: CapVector[]
  constrained: CapVector[]
  refused: CapVector[]
  taken: CapVector[]
  prefixes: { text: string; hasUriPrefix: boolean }[]
}

const vectors = await loadVectors<CapVectors>('uri/caps')

/** Upstream's class of each kind. */
const classes: Record<Cap['kind'], string> = {
  chk: 'CHKFileURI',
  'chk-verifier': 'CHKFileVerifierURI',
  lit: 'LiteralFileURI',
  ssk: 'WriteableSSKFileURI',
  'ssk-ro': 'ReadonlySSKFileURI',
  'ssk-verifier': 'SSKVerifierURI',
  mdmf: 'WriteableMDMFFileURI',
  'mdmf-ro': 'ReadonlyMDMFFileURI',
  'mdmf-verifier': 'MDMFVerifierURI',
  dir2: 'DirectoryURI',
  'dir2-ro': 'ReadonlyDirectoryURI',
  'dir2-verifier': 'DirectoryURIVerifier',
  'dir2-chk': 'ImmutableDirectoryURI',
  'dir2-chk-verifier': 'ImmutableDirectoryURIVerifier',
  'dir2-lit': 'LiteralDirectoryURI',
  'dir2-mdmf': 'MDMFDirectoryURI',
  'dir2-mdmf-ro': 'ReadonlyMDMFDirectoryURI',
  'dir2-mdmf-verifier': 'MDMFDirectoryURIVerifier',
  unknown: 'UnknownURI',
}

/** Upstream's error for each of ours. */
function errorName(error: unknown): string | null {
  if (error === undefined) return null
  return isUriError(error) ? 'BadURIError' : String(Reflect.get(Object(error), 'name'))
}

const hexOrNull = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined ? null : toHex(bytes)

function fieldsOf(cap: KnownCap, names: readonly string[]): Record<string, unknown> {
  const inner = 'fileCap' in cap ? cap.fileCap : cap
  return Object.fromEntries(
    names.map((name) => {
      const value: unknown = Reflect.get(inner, name)
      return [name, value instanceof Uint8Array ? toHex(value) : value]
    }),
  )
}

/** What we make of a text, in the words of the vectors. */
function described({ text, deepImmutable, fields = {} }: CapVector): CapVector {
  const cap = parseCap(text, { deepImmutable, name: 'child' })
  const what = { text, deepImmutable, class: classes[cap.kind] }
  if (cap.kind === 'unknown') {
    return { ...what, text: cap.format(), error: errorName(cap.error) }
  }
  return {
    ...what,
    printed: cap.format(),
    readonly: cap.readonly,
    mutable: cap.mutable,
    readCap: cap.readCap().format(),
    storageIndex: hexOrNull(cap.storageIndex),
    verifyCap: cap.verifyCap()?.format() ?? null,
    fields: fieldsOf(cap, Object.keys(fields)),
  }
}

/** Upstream reads these numbers; no file can have them, so the cap is malformed here. */
function numbersAreImpossible({ fields = {} }: CapVector): boolean {
  const { requiredShares: k = 1, totalShares: n = 1, size = 0 } = fields
  return Number(k) < 1 || Number(k) > Number(n) || Number(n) > 256 || Number(size) >= 2 ** 53
}

describe('caps', () => {
  it.each(vectors.caps)('are read, printed and attenuated as upstream does: $class', (vector) => {
    expect(described(vector)).toEqual(vector)
  })

  it.each(vectors.constrained)(
    'keep to their place as upstream does: $class of $text',
    (vector) => {
      expect(described(vector)).toEqual(vector)
    },
  )

  it('are unknown where they are to upstream, and kept as they are', () => {
    expect(vectors.refused.map(described)).toEqual(vectors.refused)
  })

  it('are let through where upstream lets them through', () => {
    const possible = vectors.taken.filter((vector) => !numbersAreImpossible(vector))
    expect(possible.map(described)).toEqual(possible)
    expect(possible.length).toBeGreaterThan(50)
  })

  it('are unknown with numbers that no file can have', () => {
    const impossible = vectors.taken.filter(numbersAreImpossible)
    expect(impossible.length).toBeGreaterThan(20)
    expect(impossible.map(described)).toEqual(
      impossible.map(({ text }) => ({
        text,
        deepImmutable: false,
        class: 'UnknownURI',
        error: 'BadURIError',
      })),
    )
  })

  it('are recognised by their start', () => {
    expect(vectors.prefixes.map(({ text }) => hasUriPrefix(text))).toEqual(
      vectors.prefixes.map((vector) => vector.hasUriPrefix),
    )
  })

  it('cover every kind', () => {
    const kinds = new Set(vectors.caps.map(({ text }) => parseCap(text).kind))
    expect([...kinds, 'unknown'].toSorted()).toEqual(Object.keys(classes).toSorted())
  })

  it('of a file wrap to those of its directory and back', () => {
    const byText = new Map<string, KnownCap>()
    for (const { text } of vectors.caps) byText.set(text, parseCapStrict(text))
    const directories = [...byText.values()].filter((cap) => 'fileCap' in cap)
    expect(directories.length).toBeGreaterThan(20)
    for (const directory of directories) {
      expect(byText.get(directory.fileCap.format())?.kind).toBe(directory.fileCap.kind)
      expect(directory.filenodeCap()).toBe(directory.fileCap)
    }
    const wrapped = directories.filter(({ kind }) => !kind.endsWith('verifier'))
    expect(wrapped.map((directory) => wrapDirnodeCap(directory.fileCap).format())).toEqual(
      wrapped.map((directory) => directory.format()),
    )
    const [verifier] = directories.filter(({ kind }) => kind.endsWith('verifier'))
    expect(() => verifier && wrapDirnodeCap(verifier.fileCap)).toThrow(TypeError)
  })
})

const key = 'a'.repeat(26)
const hash = 'a'.repeat(52)

describe('parseCapStrict', () => {
  it.each<[string, UriErrorCode]>([
    ['', 'URI_UNKNOWN_KIND'],
    ['URI:', 'URI_UNKNOWN_KIND'],
    ['URI:NEW:abc', 'URI_UNKNOWN_KIND'],
    ['uri:chk:', 'URI_UNKNOWN_KIND'],
    [` URI:LIT:`, 'URI_UNKNOWN_KIND'],
    ['ro.lafs://future', 'URI_UNKNOWN_KIND'],
    ['ro.ro.URI:LIT:', 'URI_UNKNOWN_KIND'],
    ['URI:CHK:', 'URI_BAD_FIELD_COUNT'],
    [`URI:CHK:${key}:${hash}:3:10`, 'URI_BAD_FIELD_COUNT'],
    [`URI:CHK:${key}:${hash}:3:10:100:`, 'URI_BAD_FIELD_COUNT'],
    [`URI:SSK:${key}`, 'URI_BAD_FIELD_COUNT'],
    [`URI:SSK:${key}:${hash}:3`, 'URI_BAD_FIELD_COUNT'],
    [`URI:DIR2:${key}:${hash}:3`, 'URI_BAD_FIELD_COUNT'],
    [`URI:MDMF:${key}`, 'URI_BAD_FIELD_COUNT'],
    [`URI:CHK:${key}a:${hash}:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key.slice(1)}:${hash}:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key.slice(1)}b:${hash}:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key.slice(1)}c:${hash}:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key.slice(1)}1:${hash}:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key.toUpperCase()}:${hash}:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key}:${hash.slice(1)}i:3:10:100`, 'URI_BAD_BASE32'],
    [`URI:CHK-Verifier:${key}:${hash}x:3:10:100`, 'URI_BAD_BASE32'],
    ['URI:CHK-Verifier:', 'URI_BAD_BASE32'],
    ['URI:LIT:a', 'URI_BAD_BASE32'],
    ['URI:LIT:ac', 'URI_BAD_BASE32'],
    ['URI:LIT:a e', 'URI_BAD_BASE32'],
    ['URI:DIR2-LIT:ae:', 'URI_BAD_BASE32'],
    [`URI:MDMF-RO:${key}:${hash}x:3:10`, 'URI_BAD_BASE32'],
    [`URI:CHK:${key}:${hash}::10:100`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:-3:10:100`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:3:1e1:100`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:3:10:0x10`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:3:10: 100`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:3:10:9007199254740992`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:3:10:${'9'.repeat(5000)}`, 'URI_BAD_NUMBER'],
    [`URI:CHK-Verifier:${key}:${hash}:3:10:junk`, 'URI_BAD_NUMBER'],
    [`URI:CHK:${key}:${hash}:0:10:100`, 'URI_BAD_SHARE_COUNTS'],
    [`URI:CHK:${key}:${hash}:11:10:100`, 'URI_BAD_SHARE_COUNTS'],
    [`URI:CHK:${key}:${hash}:3:257:100`, 'URI_BAD_SHARE_COUNTS'],
    [`URI:DIR2-CHK-Verifier:${key}:${hash}:0:0:0`, 'URI_BAD_SHARE_COUNTS'],
  ])('refuses %j with %s and quotes none of it', (text, code) => {
    const refusal = expect.objectContaining({ code, name: 'UriError' })
    expect(() => parseCapStrict(text)).toThrow(refusal)
    expect(() => parseCapStrict(text)).toThrow(/^(?!.*aaaa)/s)
  })

  it('says which constraint a cap breaks, and for which child', () => {
    const text = `URI:SSK:${key}:${hash}`
    expect(() => parseCapStrict(`imm.${text}`)).toThrow(
      expect.objectContaining({ code: 'URI_MUST_BE_DEEP_IMMUTABLE' }),
    )
    expect(() => parseCapStrict(`ro.${text}`, { name: 'notes' })).toThrow(
      expect.objectContaining({ code: 'URI_MUST_BE_READONLY', childName: 'notes' }),
    )
    const cap = parseCap(`ro.${text}`, { name: 'notes' })
    expect(cap.kind === 'unknown' && isFilesystemError(cap.error, 'URI_MUST_BE_READONLY')).toBe(
      true,
    )
  })
})
