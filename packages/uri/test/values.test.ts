import { isFilesystemError } from '@lafs/filesystem-interface'
import {
  ChkCap,
  ChkVerifierCap,
  LitCap,
  MdmfCap,
  SskCap,
  SskReadCap,
  SskVerifierCap,
  UnknownCap,
  capTextFromInput,
  parseCap,
  parseCapStrict,
  wrapDirnodeCap,
  type FileCap,
} from '@lafs/uri'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const seed = 1

const bytes = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size })

const chkParameters = fc
  .record({
    key: bytes(16),
    uriExtensionHash: bytes(32),
    shares: fc.tuple(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 1, max: 256 })),
    size: fc.maxSafeNat(),
  })
  .map(({ shares, ...rest }) => ({
    ...rest,
    requiredShares: Math.min(...shares),
    totalShares: Math.max(...shares),
  }))

const fileCaps: fc.Arbitrary<FileCap> = fc.oneof(
  chkParameters.map((parameters) => new ChkCap(parameters)),
  chkParameters.map((parameters) => new ChkCap(parameters).verifyCap()),
  fc.uint8Array({ maxLength: 60 }).map((data) => new LitCap(data)),
  fc
    .record({ writekey: bytes(16), fingerprint: bytes(32) })
    .chain((parameters) =>
      fc
        .constantFrom(new SskCap(parameters), new MdmfCap(parameters))
        .chain((cap) => fc.constantFrom<FileCap>(cap, cap.readCap(), cap.verifyCap())),
    ),
)

describe('a cap', () => {
  it('comes back from its text', () => {
    fc.assert(
      fc.property(fileCaps, (cap) => {
        const again = parseCapStrict(cap.format())
        expect(again).toEqual(cap)
        expect(again.format()).toBe(cap.format())
        if (cap.kind.endsWith('verifier')) return
        const directory = wrapDirnodeCap(cap)
        expect(parseCapStrict(directory.format())).toEqual(directory)
      }),
      { seed, numRuns: 300 },
    )
  })

  it('comes back from any text, byte for byte, as an unknown one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', 'ro.', 'imm.'), (text, p) => {
        const cap = parseCap(`${p}x:${text}`)
        expect(cap.kind).toBe('unknown')
        expect(cap.format()).toBe(`${p}x:${text}`)
      }),
      { seed },
    )
  })

  it('keeps bytes that are no text', () => {
    const input = Uint8Array.of(0xef, 0xbb, 0xbf, 0xff, 0x00, 0x80)
    const cap = parseCap(input)
    expect(cap.kind === 'unknown' && cap.bytes).toEqual(input)
    expect(parseCap(new TextEncoder().encode('URI:LIT:ae')).kind).toBe('lit')
  })

  it('never gives more authority than it has', () => {
    fc.assert(
      fc.property(fileCaps, (cap) => {
        const reader = cap.readCap()
        expect(reader.readonly).toBe(true)
        expect(reader.readCap()).toBe(reader)
        const verifier = cap.verifyCap()
        expect(verifier === undefined).toBe(cap.kind === 'lit')
        expect(verifier?.verifyCap()).toBe(verifier)
        expect(verifier?.readCap()).toBe(verifier)
        expect(verifier?.storageIndex).toEqual(cap.storageIndex)
      }),
      { seed },
    )
  })

  it('cannot be changed, nor through what it was made from', () => {
    const key = new Uint8Array(16)
    const cap = new ChkCap({
      key,
      uriExtensionHash: new Uint8Array(32),
      requiredShares: 1,
      totalShares: 1,
      size: 0,
    })
    key.fill(1)
    expect(cap.key).toEqual(new Uint8Array(16))
    expect(Object.isFrozen(cap)).toBe(true)
    expect(Object.isFrozen(wrapDirnodeCap(cap))).toBe(true)
    expect(Object.isFrozen(cap.verifyCap())).toBe(true)
  })

  it('shows its secret in format() alone', () => {
    const inspect = Symbol.for('nodejs.util.inspect.custom')
    fc.assert(
      fc.property(fileCaps, (file) => {
        const caps = file.kind.endsWith('verifier') ? [file] : [file, wrapDirnodeCap(file)]
        for (const cap of caps) {
          const inspected = String(Reflect.apply(Reflect.get(cap, inspect), cap, []))
          for (const shown of [String(cap), JSON.stringify({ cap }), inspected]) {
            expect(shown).toContain(`<${cap.kind} cap`)
            expect(shown.length).toBeLessThan(50)
          }
        }
      }),
      { seed },
    )
    const secret = 'ro.lafs://secret'
    expect(`${String(parseCap(secret))} ${JSON.stringify(parseCap(secret))}`).not.toMatch('secret')
  })
})

describe('an unknown cap', () => {
  it('is its own read cap only where it says that it is one', () => {
    expect(parseCap('ro.future').readCap().format()).toBe('ro.future')
    expect(parseCap('imm.future').readCap().format()).toBe('imm.future')
    const writeable = parseCap('future')
    expect(() => writeable.readCap()).toThrow(expect.objectContaining({ code: 'NODE_NOT_CAPABLE' }))
    expect(() => writeable.readCap()).toThrow(/^(?!.*future)/s)
    expect(writeable.verifyCap()).toBeUndefined()
    expect(writeable.storageIndex).toBeUndefined()
  })

  it('tells what it alleges', () => {
    const alleged = ['future', 'ro.future', 'imm.future'].map((text) => new UnknownCap(text))
    expect(alleged.map((cap) => [cap.readonly, cap.mutable])).toEqual([
      [false, true],
      [true, true],
      [true, false],
    ])
    expect(isFilesystemError(alleged[0]?.error)).toBe(false)
  })
})

describe('making a cap', () => {
  const uriExtensionHash = new Uint8Array(32)
  const good = { uriExtensionHash, requiredShares: 3, totalShares: 10, size: 100 }
  const key = new Uint8Array(16)
  const fingerprint = new Uint8Array(32)

  it.each<[string, () => unknown]>([
    ['a short key', () => new ChkCap({ ...good, key: new Uint8Array(15) })],
    ['a long hash', () => new ChkCap({ ...good, key, uriExtensionHash: new Uint8Array(33) })],
    ['k = 0', () => new ChkCap({ ...good, key, requiredShares: 0 })],
    ['k > n', () => new ChkCap({ ...good, key, requiredShares: 11 })],
    ['n > 256', () => new ChkCap({ ...good, key, totalShares: 257 })],
    ['half a share', () => new ChkCap({ ...good, key, requiredShares: 2.5 })],
    ['a negative size', () => new ChkCap({ ...good, key, size: -1 })],
    ['an unsafe size', () => new ChkCap({ ...good, key, size: 2 ** 53 })],
    ['a short index', () => new ChkVerifierCap({ ...good, storageIndex: new Uint8Array(0) })],
    ['a long write key', () => new SskCap({ writekey: new Uint8Array(17), fingerprint })],
    ['a short read key', () => new SskReadCap({ readkey: new Uint8Array(15), fingerprint })],
    ['a short fingerprint', () => new SskReadCap({ readkey: key, fingerprint: key })],
    ['a long index', () => new SskVerifierCap({ storageIndex: fingerprint, fingerprint })],
  ])('refuses %s', (_, make) => {
    expect(make).toThrow(RangeError)
  })
})

describe('capTextFromInput', () => {
  const cap = 'URI:DIR2:aaaa:bbbb'
  it.each([
    [cap, cap],
    [`  ${cap}\n`, cap],
    ['URI%3ADIR2%3Aaaaa%3Abbbb', cap],
    ['ro.URI%3aDIR2%3aaaaa%3abbbb', `ro.${cap}`],
    [`http://127.0.0.1:3456/uri/${cap}`, cap],
    ['https://gateway.example/uri/URI%3ADIR2%3Aaaaa%3Abbbb?t=json#x', cap],
    [`http://127.0.0.1:3456/uri/${cap}/sub/file.txt`, `${cap}/sub/file.txt`],
    [`http://127.0.0.1:3456/file/URI%3ALIT%3Aae`, 'URI:LIT:ae'],
    ['http://127.0.0.1:3456/uri/URI%3ALIT%', 'URI%3ALIT%'],
    ['http://127.0.0.1:3456/status', 'http://127.0.0.1:3456/status'],
    ['future%3Acap', 'future%3Acap'],
    ['', ''],
  ])('makes %j into %j', (input, text) => {
    expect(capTextFromInput(input)).toBe(text)
  })
})
