import {
  blockLength,
  blockSpan,
  growMutableShareLayout,
  hashTreeNodeCount,
  MDMF_DATA_OFFSET,
  MUTABLE_HEADER_MAX,
  numberOfSegments,
  packCheckstring,
  packMutableHeader,
  packMutablePrefix,
  packShareHashChain,
  parseCheckstring,
  parseMutableHeader,
  parseShareHashChain,
  planMutableShareLayout,
} from '@lafs/storage-protocol/layout'
import type {
  MutableShareLayout,
  MutableSharePrefix,
  MutableShareSizes,
} from '@lafs/storage-protocol/layout'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const keySizes = {
  verificationKeySize: 294,
  signatureSize: 256,
  encryptedPrivateKeySize: 1218,
  shareHashChainSize: 4 * 34,
}
const sdmf: MutableSharePrefix = {
  version: 0,
  sequenceNumber: 5,
  rootHash: new Uint8Array(32).fill(6),
  salt: new Uint8Array(16).fill(7),
  requiredShares: 3,
  totalShares: 10,
  segmentSize: 102,
  dataLength: 100,
}
const mdmf: MutableSharePrefix = {
  ...sdmf,
  version: 1,
  salt: undefined,
  segmentSize: 30,
}

const layoutOf = (fields: MutableSharePrefix): MutableShareLayout =>
  planMutableShareLayout({ ...fields, ...keySizes })
const headerOf = (fields: MutableSharePrefix): Uint8Array =>
  packMutableHeader({ ...fields, ...layoutOf(fields) })

describe('planMutableShareLayout', () => {
  it('packs the sections of SDMF', () => {
    const { sections, shareEnd } = layoutOf(sdmf)
    expect(sections).toEqual({
      verificationKey: { offset: 107, end: 401 },
      signature: { offset: 401, end: 657 },
      shareHashChain: { offset: 657, end: 793 },
      blockHashTree: { offset: 793, end: 825 },
      shareData: { offset: 825, end: 859 },
      encryptedPrivateKey: { offset: 859, end: 2077 },
    })
    expect(shareEnd).toBe(2077)
  })

  it('leaves room before the blocks of MDMF', () => {
    const { sections, shareEnd } = layoutOf(mdmf)
    expect(MDMF_DATA_OFFSET).toBe(2167)
    expect(sections).toEqual({
      encryptedPrivateKey: { offset: 123, end: 1341 },
      shareHashChain: { offset: 1341, end: 1477 },
      signature: { offset: 1477, end: 1733 },
      verificationKey: { offset: 1733, end: 2027 },
      shareData: { offset: 2167, end: 2167 + 3 * 26 + 20 },
      blockHashTree: { offset: 2265, end: 2265 + 7 * 32 },
    })
    expect(shareEnd).toBe(2489)
  })

  const good: MutableShareSizes = { ...mdmf, ...keySizes }
  it.each<[string, Partial<MutableShareSizes>, string]>([
    ['no k', { requiredShares: 0 }, 'k in [1, 10], got 0'],
    ['k above N', { requiredShares: 11 }, 'k in [1, 10], got 11'],
    ['half a share', { requiredShares: 1.5 }, 'k in [1, 10], got 1.5'],
    ['N above 255', { totalShares: 256 }, 'N in [1, 255], got 256'],
    ['no N', { totalShares: 0 }, 'N in [1, 255], got 0'],
    ['a negative length', { dataLength: -1 }, 'a data length below 2^53, got -1'],
    ['a length of 2^53', { dataLength: 2 ** 53 }, 'a data length below 2^53'],
    ['a segment size of 31', { segmentSize: 31 }, 'a multiple of 3, below 2^53, got 31'],
    ['a negative segment size', { segmentSize: -3 }, 'a multiple of 3, below 2^53, got -3'],
    ['no segment size', { segmentSize: 0 }, 'a segment size above 0, got 0'],
    ['SDMF of two segments', { version: 0 }, 'one segment of 100 bytes, got 30'],
    ['salts beyond 2^53', { segmentSize: 3, dataLength: 2 ** 52 }, 'blocks below 2^53 bytes'],
    ['keys without room', { verificationKeySize: 500 }, 'of 2110 bytes, room for 2044'],
    ['a tree beyond 2^53', { segmentSize: 3, dataLength: 3 * (2 ** 48 + 1) }, 'sizes above 2^53'],
  ])('refuses %s', (_, change, message) => {
    const plan = (): unknown => planMutableShareLayout({ ...good, ...change })
    expect(plan).toThrow(RangeError)
    expect(plan).toThrow(message)
  })
})

describe('a change in place', () => {
  const base = { ...mdmf, ...layoutOf(mdmf) }

  it('moves the block hash tree alone', () => {
    const { sections, shareEnd } = growMutableShareLayout(base, { ...mdmf, dataLength: 121 })
    expect(sections).toEqual({
      ...base.sections,
      shareData: { offset: 2167, end: 2167 + 4 * 26 + 17 },
      blockHashTree: { offset: 2288, end: 2288 + 15 * 32 },
    })
    expect(shareEnd).toBe(2288 + 480)
  })

  it.each([
    ['of SDMF', { ...sdmf, ...layoutOf(sdmf) }, sdmf],
    ['to SDMF', base, { ...mdmf, version: 0 as const, segmentSize: 102 }],
    ['of k', base, { ...mdmf, requiredShares: 5 }],
    ['of N', base, { ...mdmf, totalShares: 11 }],
    ['of the segment size', base, { ...mdmf, segmentSize: 60 }],
    ['to fewer bytes', base, { ...mdmf, dataLength: 99 }],
    ['to no number of bytes', base, { ...mdmf, dataLength: Number.NaN }],
  ])('refuses a change %s', (_, from, to) => {
    expect(() => growMutableShareLayout(from, to)).toThrow(RangeError)
  })
})

describe('the blocks', () => {
  it('stand with their salts in MDMF', () => {
    const place = { ...mdmf, ...layoutOf(mdmf) }
    expect(numberOfSegments(mdmf)).toBe(4)
    expect([0, 1, 3].map((segment) => blockSpan(place, segment))).toEqual([
      { offset: 2167, saltLength: 16, length: 10 },
      { offset: 2193, saltLength: 16, length: 10 },
      { offset: 2245, saltLength: 16, length: 4 },
    ])
  })

  it('are one without its salt in SDMF, and none of an empty file', () => {
    const place = { ...sdmf, ...layoutOf(sdmf) }
    expect(blockSpan(place, 0)).toEqual({ offset: 825, saltLength: 0, length: 34 })
    expect(numberOfSegments({ ...sdmf, dataLength: 0, segmentSize: 0 })).toBe(0)
    expect(numberOfSegments({ ...mdmf, dataLength: 0 })).toBe(0)
  })

  it.each([-1, 4, 0.5, Number.NaN])('have no segment %d', (segment) => {
    expect(() => blockSpan({ ...mdmf, ...layoutOf(mdmf) }, segment)).toThrow(RangeError)
    expect(() => blockLength(mdmf, segment)).toThrow(RangeError)
  })
})

/** A good header with one number changed: `size` bytes at `at`. */
function changed(fields: MutableSharePrefix, at: number, size: 1 | 4 | 8, value: bigint | number) {
  const bytes = headerOf(fields)
  const view = new DataView(bytes.buffer)
  if (size === 8) view.setBigUint64(at, BigInt(value))
  else if (size === 4) view.setUint32(at, Number(value))
  else view.setUint8(at, Number(value))
  return bytes
}

describe('parseMutableHeader', () => {
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'a version byte, got nothing'],
    ['SDMF cut short', headerOf(sdmf).subarray(0, 106), 'of SDMF of 107 bytes, got 106'],
    ['MDMF cut short', headerOf(mdmf).subarray(0, 122), 'of MDMF of 123 bytes, got 122'],
    ['a sequence number of 2^53', changed(sdmf, 1, 8, 2n ** 53n), 'a sequence number below 2^53'],
    ['a greatest sequence number', changed(mdmf, 1, 8, 2n ** 64n - 1n), 'below 2^53, got 18446'],
    ['no k in SDMF', changed(sdmf, 57, 1, 0), 'k in [1, 10], got 0'],
    ['no k in MDMF', changed(mdmf, 41, 1, 0), 'k in [1, 10], got 0'],
    ['k above N in SDMF', changed(sdmf, 57, 1, 11), 'k in [1, 10], got 11'],
    ['k above N in MDMF', changed(mdmf, 41, 1, 11), 'k in [1, 10], got 11'],
    ['no N in SDMF', changed(sdmf, 58, 1, 0), 'N in [1, 255], got 0'],
    ['no N in MDMF', changed(mdmf, 42, 1, 0), 'N in [1, 255], got 0'],
    ['a huge segment size', changed(sdmf, 59, 8, 2n ** 63n), 'a segment size below 2^53'],
    ['a segment size that k does not divide', changed(mdmf, 43, 8, 31), 'a multiple of 3'],
    ['no segment size', changed(mdmf, 43, 8, 0), 'a segment size above 0'],
    ['SDMF of two segments', changed(sdmf, 59, 8, 99), 'one segment of 100 bytes, got 99'],
    ['a huge SDMF file', changed(sdmf, 67, 8, 2n ** 53n), 'a data length below 2^53'],
    ['a huge MDMF file', changed(mdmf, 51, 8, 2n ** 64n - 1n), 'a data length below 2^53'],
    [
      'salts beyond 2^53',
      changed({ ...mdmf, segmentSize: 3 }, 51, 8, 2n ** 52n),
      'blocks below 2^53 bytes',
    ],
    ['more data than blocks in SDMF', changed(sdmf, 67, 8, 103), 'one segment of 103 bytes'],
    ['more segments than hashes', changed(mdmf, 51, 8, 121), 'blockHashTree of 480 bytes, got 224'],
    ['more data than room', changed(mdmf, 51, 8, 104), 'shareData of 99 bytes, got 98'],

    ['SDMF’s signature in the header', changed(sdmf, 75, 4, 106), 'verificationKey to end at 107'],
    ['no verification key in SDMF', changed(sdmf, 75, 4, 107), 'verificationKey of 1 to 16384'],
    ['SDMF’s signature after its chain', changed(sdmf, 75, 4, 658), 'signature to end at 658'],
    ['no signature in SDMF', changed(sdmf, 75, 4, 657), 'signature of 1 to 16384 bytes, got 0'],
    ['SDMF’s chain after its tree', changed(sdmf, 79, 4, 794), 'shareHashChain to end at 794'],
    ['half an entry of SDMF’s chain', changed(sdmf, 79, 4, 658), 'of 34 bytes, got 135 bytes'],
    ['SDMF’s tree after its data', changed(sdmf, 83, 4, 826), 'blockHashTree to end at 826'],
    ['two chains in SDMF', changed(sdmf, 83, 4, 793 + 34), 'blockHashTree to end at 827'],
    ['a small tree in SDMF', changed(sdmf, 87, 4, 824), 'blockHashTree of 32 bytes, got 31'],
    ['SDMF’s data after its key', changed(sdmf, 87, 4, 860), 'shareData to end at 860'],
    ['too little data in SDMF', changed(sdmf, 91, 8, 858), 'shareData of 34 bytes, got 33'],
    ['SDMF’s key after its end', changed(sdmf, 91, 8, 2078), 'encryptedPrivateKey to end at 2078'],
    ['no key in SDMF', changed(sdmf, 91, 8, 2077), 'encryptedPrivateKey of 1 to 16384'],
    ['SDMF’s key beyond 2^53', changed(sdmf, 91, 8, 2n ** 53n), 'offset of encryptedPrivateKey'],
    ['an end of SDMF beyond 2^53', changed(sdmf, 99, 8, 2n ** 60n), 'the end of the share below'],
    ['a key of a gigabyte', changed(sdmf, 99, 8, 2 ** 30), 'encryptedPrivateKey of 1 to 16384'],

    ['MDMF’s key in the header', changed(mdmf, 59, 8, 122), 'encryptedPrivateKey at 123 or later'],
    [
      'no key in MDMF',
      changed(mdmf, 59, 8, 1341),
      'encryptedPrivateKey of 1 to 16384 bytes, got 0',
    ],
    [
      'MDMF’s key after its chain',
      changed(mdmf, 59, 8, 1342),
      'encryptedPrivateKey to end at 1342',
    ],
    ['MDMF’s chain beyond 2^53', changed(mdmf, 67, 8, 2n ** 53n), 'the offset of shareHashChain'],
    [
      'MDMF’s chain after its signature',
      changed(mdmf, 67, 8, 1478),
      'shareHashChain to end at 1478',
    ],
    ['half an entry of MDMF’s chain', changed(mdmf, 67, 8, 1340), 'of 34 bytes, got 137 bytes'],
    ['MDMF’s signature after its key', changed(mdmf, 75, 8, 1734), 'signature to end at 1734'],
    ['no signature in MDMF', changed(mdmf, 83, 8, 1477), 'signature of 1 to 16384 bytes, got 0'],
    ['MDMF’s key after its end', changed(mdmf, 83, 8, 2028), 'verificationKey to end at 2028'],
    ['a key that ends before it begins', changed(mdmf, 91, 8, 1732), 'verificationKey to end at'],
    ['no verification key in MDMF', changed(mdmf, 91, 8, 1733), 'verificationKey of 1 to 16384'],
    ['a key that runs into the data', changed(mdmf, 91, 8, 2168), 'shareData at 2168 or later'],
    ['MDMF’s data in its key', changed(mdmf, 99, 8, 2026), 'shareData at 2027 or later'],
    ['too little data in MDMF', changed(mdmf, 99, 8, 2168), 'shareData of 98 bytes, got 97'],
    ['MDMF’s tree before its data', changed(mdmf, 107, 8, 2166), 'shareData to end at 2167'],
    ['MDMF’s tree after its end', changed(mdmf, 107, 8, 2490), 'blockHashTree to end at 2490'],
    ['a large tree in MDMF', changed(mdmf, 115, 8, 2521), 'blockHashTree of 224 bytes, got 256'],
    ['an end of MDMF beyond 2^53', changed(mdmf, 115, 8, 2n ** 64n - 1n), 'the end of the share'],
  ])('refuses %s', (_, bytes, message) => {
    const parse = (): unknown => parseMutableHeader(bytes)
    expect(parse).toThrow(expect.objectContaining({ name: 'BadShareError', code: 'SHARE_BAD' }))
    expect(parse).toThrow(message)
  })

  it.each([2, 3, 255])('does not know version %d', (version) => {
    const bytes = new Uint8Array(200).fill(version)
    const unknown = { name: 'UnknownVersionError', code: 'SHARE_UNKNOWN_VERSION' }
    expect(() => parseMutableHeader(bytes)).toThrow(expect.objectContaining(unknown))
    expect(() => parseCheckstring(bytes)).toThrow(`expected version 0 or 1, got ${version}`)
  })

  it('takes what upstream takes: gaps, more data than blocks, segments larger than the file', () => {
    const gap = changed(mdmf, 59, 8, 130)
    expect(parseMutableHeader(gap).sections.encryptedPrivateKey).toEqual({ offset: 130, end: 1341 })
    const roomy = layoutOf({ ...sdmf, segmentSize: 300 }).sections
    expect(roomy.shareData).toEqual({ offset: 825, end: 859 })
    const longer = new DataView(changed(sdmf, 91, 8, 869).buffer)
    longer.setBigUint64(99, 2087n)
    const { sections } = parseMutableHeader(new Uint8Array(longer.buffer))
    expect(sections.shareData).toEqual({ offset: 825, end: 869 })
  })

  it.each([
    ['SDMF', sdmf, 'encryptedPrivateKey'],
    ['MDMF', mdmf, 'blockHashTree'],
  ] as const)('refuses sections of %s that no writer puts so far apart', (_, fields, last) => {
    const { sections, shareEnd } = layoutOf(fields)
    const moved = (far: number): Uint8Array => {
      const { offset, end } = sections[last]
      const apart = { ...sections, [last]: { offset: offset + far, end: end + far } }
      return packMutableHeader({ ...fields, sections: apart, shareEnd: shareEnd + far })
    }
    expect(parseMutableHeader(moved(300)).shareEnd).toBe(shareEnd + 300)
    for (const far of [2167, 2 ** 30])
      expect(() => parseMutableHeader(moved(far))).toThrow('at most 2167 bytes around')
  })

  it('takes a chain of as many entries as the largest tree has nodes, and no longer one', () => {
    const withChain = (entries: number): Uint8Array => {
      const layout = planMutableShareLayout({
        ...sdmf,
        ...keySizes,
        shareHashChainSize: entries * 34,
      })
      return packMutableHeader({ ...sdmf, ...layout })
    }
    expect(parseMutableHeader(withChain(511)).sections.shareHashChain.end).toBe(657 + 511 * 34)
    expect(() => parseMutableHeader(withChain(512))).toThrow('got 17408 bytes')
  })

  it('keeps nothing of the memory that it read', () => {
    const bytes = headerOf(sdmf)
    const header = parseMutableHeader(bytes)
    bytes.fill(0)
    expect(header.prefix).toEqual(packMutablePrefix(sdmf))
    expect(header.rootHash).toEqual(sdmf.rootHash)
    expect(header.salt).toEqual(sdmf.salt)
    expect(header.checkstring).toEqual(packCheckstring(sdmf))
  })

  it('takes any bytes without another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), fc.nat(2), (bytes, version) => {
        bytes.set([version].slice(0, bytes.length))
        try {
          parseMutableHeader(bytes)
        } catch (error) {
          expect(error).toHaveProperty('code', expect.stringMatching(/^SHARE_/))
        }
      }),
      { seed: 1 },
    )
  })

  it('takes a good header with any one byte changed, or says which field is bad', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(sdmf, mdmf),
        fc.nat(MUTABLE_HEADER_MAX - 1),
        fc.nat(255),
        (fields, at, byte) => {
          const bytes = headerOf(fields)
          bytes[Math.min(at, bytes.length - 1)] = byte
          try {
            const { sections, shareEnd } = parseMutableHeader(bytes)
            const all = Object.values(sections).toSorted((a, b) => a.offset - b.offset)
            expect(all.every(({ offset, end }) => offset <= end && end <= shareEnd)).toBe(true)
          } catch (error) {
            expect(error).toHaveProperty('code', expect.stringMatching(/^SHARE_/))
          }
        },
      ),
      { seed: 2, numRuns: 500 },
    )
  })
})

/** Any header that a writer may make. */
const prefixes: fc.Arbitrary<MutableSharePrefix> = fc
  .record({
    version: fc.constantFrom<0 | 1>(0, 1),
    totalShares: fc.integer({ min: 1, max: 255 }),
    requiredFraction: fc.double({ min: 0, max: 1, noNaN: true }),
    blockSize: fc.integer({ min: 1, max: 100_000 }),
    dataLength: fc.nat(10_000_000),
    sequenceNumber: fc.maxSafeNat(),
    hash: fc.uint8Array({ minLength: 48, maxLength: 48 }),
  })
  .map(
    ({ version, totalShares, requiredFraction, blockSize, dataLength, sequenceNumber, hash }) => {
      const requiredShares = Math.max(1, Math.round(requiredFraction * totalShares))
      const segment = version === 0 ? dataLength : blockSize
      return {
        version,
        requiredShares,
        totalShares,
        segmentSize: Math.ceil(segment / requiredShares) * requiredShares,
        dataLength,
        sequenceNumber,
        rootHash: hash.subarray(0, 32),
        salt: version === 0 ? hash.subarray(32) : undefined,
      }
    },
  )

describe('any header', () => {
  it('reads back as it was packed', () => {
    fc.assert(
      fc.property(prefixes, fc.nat(8), (fields, chain) => {
        const sizes = { ...keySizes, shareHashChainSize: chain * 34 }
        const layout = planMutableShareLayout({ ...fields, ...sizes })
        const bytes = packMutableHeader({ ...fields, ...layout })
        const { prefix, checkstring, ...header } = parseMutableHeader(bytes)
        expect(header).toEqual({ ...fields, ...layout })
        expect(prefix).toEqual(packMutablePrefix(fields))
        expect(checkstring).toEqual(packCheckstring(fields))
        const { version, sequenceNumber, rootHash, salt } = fields
        expect(parseCheckstring(checkstring)).toEqual({ version, sequenceNumber, rootHash, salt })
      }),
      { seed: 3 },
    )
  })

  it('has blocks that fill the share’s data and hold the file', () => {
    fc.assert(
      fc.property(prefixes, (fields) => {
        const place = { ...fields, ...planMutableShareLayout({ ...fields, ...keySizes }) }
        const { shareData, blockHashTree } = place.sections
        const segments = numberOfSegments(fields)
        let at = shareData.offset
        let held = 0
        for (let segment = 0; segment < Math.min(segments, 200); segment++) {
          const { offset, saltLength, length } = blockSpan(place, segment)
          expect(offset).toBe(at)
          at += saltLength + length
          held += length * fields.requiredShares
        }
        if (segments <= 200) {
          expect(at).toBe(shareData.end)
          expect(held).toBeGreaterThanOrEqual(fields.dataLength)
          expect(held - fields.dataLength).toBeLessThan(fields.requiredShares)
        }
        expect(blockHashTree.end - blockHashTree.offset).toBe(hashTreeNodeCount(segments) * 32)
      }),
      { seed: 4 },
    )
  })
})

describe('packing', () => {
  it.each<[string, Partial<MutableSharePrefix>, string]>([
    ['a negative sequence number', { sequenceNumber: -1 }, 'a sequence number, got -1'],
    ['an unsafe sequence number', { sequenceNumber: 2 ** 53 }, 'a sequence number'],
    ['a short root hash', { rootHash: new Uint8Array(31) }, 'a root hash of 32 bytes, got 31'],
    ['a short salt', { salt: new Uint8Array(15) }, 'a salt of 16 bytes, got 15'],
    ['no salt', { salt: undefined }, 'a salt of 16 bytes, got 0'],
    ['a salt of MDMF', { version: 1 }, 'a salt of 0 bytes, got 16'],
    ['a share too many', { totalShares: 256 }, 'N in [1, 255], got 256'],
  ])('refuses %s', (_, change, message) => {
    expect(() => packMutablePrefix({ ...sdmf, ...change })).toThrow(RangeError)
    expect(() => packMutablePrefix({ ...sdmf, ...change })).toThrow(message)
  })
})

describe('parseCheckstring', () => {
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'a version byte, got nothing'],
    ['SDMF cut short', packCheckstring(sdmf).subarray(0, 56), 'of SDMF of 57 bytes, got 56'],
    ['MDMF cut short', packCheckstring(mdmf).subarray(0, 40), 'of MDMF of 41 bytes, got 40'],
    ['a huge sequence number', changed(mdmf, 1, 8, 2n ** 53n), 'a sequence number below 2^53'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseCheckstring(bytes)).toThrow(expect.objectContaining({ code: 'SHARE_BAD' }))
    expect(() => parseCheckstring(bytes)).toThrow(message)
  })
})

describe('a share hash chain', () => {
  it('reads back in ascending order of its nodes, whatever order it came in', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(0xffff), { maxLength: 10 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (nodes, hash) => {
          const packed = packShareHashChain(new Map(nodes.map((node) => [node, hash])))
          const chain = parseShareHashChain(packed)
          expect([...chain.keys()]).toEqual(nodes.toSorted((a, b) => a - b))
          expect([...chain.values()].every((value) => value.join() === hash.join())).toBe(true)
          expect(packShareHashChain(chain)).toEqual(packed)
        },
      ),
      { seed: 5 },
    )
  })

  it.each([
    ['part of an entry', new Uint8Array(33), 'entries of 34 bytes in the shareHashChain, got 33'],
    ['a node twice', new Uint8Array(68), 'got node 0 twice'],
  ])('is not %s', (_, bytes, message) => {
    expect(() => parseShareHashChain(bytes)).toThrow(expect.objectContaining({ code: 'SHARE_BAD' }))
    expect(() => parseShareHashChain(bytes)).toThrow(message)
  })

  it.each([
    ['a hash of another size', 1, 31],
    ['a node past 2 bytes', 0x10000, 32],
    ['a negative node', -1, 32],
  ])('is not packed from %s', (_, node, size) => {
    const pack = (): unknown => packShareHashChain(new Map([[node, new Uint8Array(size)]]))
    expect(pack).toThrow(RangeError)
  })
})
