import { blockHash, defaultCrypto } from '@lafs/crypto'
import {
  blockSpan,
  createMdmfSlotWriter,
  createMutableShareReader,
  createSdmfSlotWriter,
  numberOfSegments,
  packMutableHeader,
  parseCheckstring,
  parseMutableHeader,
  planMutableShareLayout,
} from '@lafs/storage-protocol/layout'
import type {
  MutableShareHeader,
  MutableSectionName,
  MutableSlotWriterOptions,
} from '@lafs/storage-protocol/layout'
import { fromHex, loadBytes, loadVectors, stretch, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { chainFor, slotHolding, treeOver, written } from './mutable-slot.ts'

/** Where upstream's names for offsets stand in a header of ours. */
const offsetNames: Record<string, (header: MutableShareHeader) => number> = {
  signature: ({ sections }) => sections.signature.offset,
  share_hash_chain: ({ sections }) => sections.shareHashChain.offset,
  block_hash_tree: ({ sections }) => sections.blockHashTree.offset,
  share_data: ({ sections }) => sections.shareData.offset,
  enc_privkey: ({ sections }) => sections.encryptedPrivateKey.offset,
  verification_key: ({ sections }) => sections.verificationKey.offset,
  verification_key_end: ({ sections }) => sections.verificationKey.end,
  EOF: ({ shareEnd }) => shareEnd,
}

function upstreamOffsets(
  header: MutableShareHeader,
  names: Record<string, number>,
): Record<string, number | undefined> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, offsetNames[name]?.(header)]))
}

const target = {
  server: {
    slotTestvAndReadvAndWritev: () => Promise.reject(new Error('nothing is to be sent')),
  },
  storageIndex: new Uint8Array(16),
  secrets: {
    writeEnabler: new Uint8Array(32),
    renewSecret: new Uint8Array(32),
    cancelSecret: new Uint8Array(32),
  },
}

interface LayoutCase {
  readonly format: 'sdmf' | 'mdmf'
  readonly required: number
  readonly total: number
  readonly shareNumber: number
  readonly size: number
  readonly segmentSize: number
  readonly sequenceNumber: number
  /** Of the verifying key, the signature and the encrypted signing key. */
  readonly keySizes: [number, number, number]
  readonly error?: string
  readonly signable: string
  readonly checkstring: string
  readonly offsets: Record<string, number>
  readonly tests: [number, number, string][]
  readonly newLength: null
  readonly shareSize: number
  readonly share: string
}

const { cases: layouts } = await loadVectors<{ cases: LayoutCase[] }>('mutable/layout')
const text = (seed: string, size: number): Uint8Array =>
  stretch(new TextEncoder().encode(seed), size)

/** A share of the parts that upstream's slot writer was given. */
function writeParts(the: LayoutCase): ReturnType<typeof createSdmfSlotWriter> {
  const options: MutableSlotWriterOptions = {
    ...target,
    shareNumber: the.shareNumber,
    sequenceNumber: the.sequenceNumber,
    requiredShares: the.required,
    totalShares: the.total,
    segmentSize: the.segmentSize,
    dataLength: the.size,
  }
  const sdmf = createSdmfSlotWriter(options)
  const writer = the.format === 'sdmf' ? sdmf : createMdmfSlotWriter(options)
  const segments = the.size === 0 ? 0 : Math.ceil(the.size / the.segmentSize)
  for (let segment = 0; segment < segments; segment++) {
    const length = Math.min(the.segmentSize, the.size - segment * the.segmentSize)
    const block = text(`block ${segment}. `, Math.ceil(length / the.required))
    writer.putBlock(block, segment, text(`salt ${segment}. `, 16))
  }
  sdmf.putSalt(text('salt 0. ', 16))
  const leaves = Array.from({ length: segments }, (_, segment) => text(`leaf ${segment}. `, 32))
  const shares = treeOver(
    Array.from({ length: the.total }, (_, share) => text(`share ${share}. `, 32)),
  )
  writer.putEncryptedPrivateKey(text('encrypted key. ', the.keySizes[2]))
  writer.putBlockHashes(treeOver(leaves))
  writer.putShareHashes(chainFor(shares, the.shareNumber))
  writer.putRootHash(shares[0] ?? new Uint8Array())
  writer.putSignature(text('signature. ', the.keySizes[1]))
  writer.putVerificationKey(text('verifying key. ', the.keySizes[0]))
  return Object.assign(writer, { putSalt: () => {} })
}

describe('a slot writer', () => {
  const named = layouts.map(
    (the) => [`${the.format} ${the.required}/${the.total}, ${the.size} bytes`, the] as const,
  )

  it.each(named.filter(([, { error }]) => error === undefined))(
    'writes what upstream writes: %s',
    (_, the) => {
      const writer = writeParts(the)
      expect(toHex(writer.signable())).toBe(the.signable)
      expect(toHex(writer.checkstring())).toBe(the.checkstring)
      const { test, write, newLength } = writer.testWriteVectors()
      expect(test.map(({ offset, size, specimen }) => [offset, size, toHex(specimen)])).toEqual(
        the.tests,
      )
      expect(newLength ?? null).toBe(the.newLength)
      const share = written(new Uint8Array(), write)
      expect(share.length).toBe(the.shareSize)
      expect(toHex(defaultCrypto.sha256(share))).toBe(the.share)
      const header = parseMutableHeader(share)
      expect(upstreamOffsets(header, the.offsets)).toEqual(the.offsets)
      // The header and what touches it, and in MDMF what follows the room for keys.
      expect(write.length).toBeLessThanOrEqual(the.format === 'sdmf' ? 1 : 2)
    },
  )

  it.each(named.filter(([, { error }]) => error !== undefined))(
    'refuses what upstream refuses: %s',
    (_, the) => {
      expect(() => writeParts(the).testWriteVectors()).toThrow(RangeError)
    },
  )
})

interface Kept {
  readonly file: string
  readonly shareNumbers: number[]
  readonly sizes: number[]
}

interface Version {
  readonly size: number
  readonly salts: string[]
  readonly sequenceNumber: number
  readonly rootHash: string
  readonly segmentSize: number
  readonly signature: string
  readonly signedPrefix: string
  readonly offsets: Record<string, number>
  readonly kept?: Kept
}

interface FirstVersion extends Version {
  readonly format: 'sdmf' | 'mdmf'
  readonly required: number
  readonly total: number
  readonly key: number
}

const { cases } = await loadVectors<{ cases: FirstVersion[] }>('mutable/shares')
const { keys } = await loadVectors<{
  keys: { verifyingKey: string; encryptedPrivateKey: string }[]
}>('mutable/keys')

async function keptShares({ file, sizes }: Kept): Promise<Uint8Array[]> {
  const bytes = await loadBytes(file)
  let at = 0
  return sizes.map((size) => bytes.subarray(at, (at += size)))
}

/** Everything but the blocks of a share, by whoever holds it. */
async function partsOf(share: Uint8Array): Promise<{
  readonly header: MutableShareHeader
  readonly reader: ReturnType<typeof createMutableShareReader>
}> {
  const reader = createMutableShareReader({
    server: slotHolding(new Uint8Array()).server,
    storageIndex: new Uint8Array(16),
    shareNumber: 0,
    prefetched: share,
    complete: true,
  })
  return { header: await reader.header(), reader }
}

/** Puts all parts of a share but its blocks. */
async function putParts(
  writer: ReturnType<typeof createMdmfSlotWriter>,
  { header, reader }: Awaited<ReturnType<typeof partsOf>>,
): Promise<void> {
  writer.putRootHash(header.rootHash)
  writer.putSignature(await reader.signature())
  writer.putShareHashes(await reader.shareHashChain())
  writer.putBlockHashes(await reader.blockHashTree())
}

describe.each(
  cases
    .filter(({ kept }) => kept !== undefined)
    .map((the) => [`${the.format} ${the.required}/${the.total} ${the.size}`, the] as const),
)('the shares of %s bytes that upstream wrote', (_, the) => {
  it('have the header that upstream reads', async () => {
    for (const share of await keptShares(the.kept ?? expect.unreachable())) {
      const { header } = await partsOf(share)
      const { format, required, total, size, segmentSize, sequenceNumber } = the
      expect(header).toMatchObject({
        version: format === 'sdmf' ? 0 : 1,
        sequenceNumber,
        requiredShares: required,
        totalShares: total,
        segmentSize,
        dataLength: size,
        shareEnd: share.length,
      })
      expect(toHex(header.rootHash)).toBe(the.rootHash)
      expect(header.salt && toHex(header.salt)).toBe(format === 'sdmf' ? the.salts[0] : undefined)
      expect(toHex(header.prefix)).toBe(the.signedPrefix)
      expect(upstreamOffsets(header, the.offsets)).toEqual(the.offsets)
      expect(parseCheckstring(header.checkstring)).toEqual({
        version: header.version,
        sequenceNumber,
        rootHash: header.rootHash,
        salt: header.salt,
      })
      const headerSize = format === 'sdmf' ? 107 : 123
      expect(packMutableHeader(header)).toEqual(share.slice(0, headerSize))
    }
  })

  it('read back, part by part, and are planned and written alike', async () => {
    const key = keys[the.key] ?? expect.unreachable()
    for (const share of await keptShares(the.kept ?? expect.unreachable())) {
      const { header, reader } = await partsOf(share)
      expect(toHex(await reader.signature())).toBe(the.signature)
      expect(toHex(await reader.verificationKey())).toBe(key.verifyingKey)
      expect(toHex(await reader.encryptedPrivateKey())).toBe(key.encryptedPrivateKey)
      const segments = numberOfSegments(header)
      const blocks = await reader.blocks(0, segments - 1)
      expect(blocks.map(({ salt }) => toHex(salt))).toEqual(the.salts.slice(0, segments))
      const tree = await reader.blockHashTree()
      expect(tree).toEqual(treeOver(blocks.map(({ hashed }) => blockHash(hashed))))

      const size = (name: MutableSectionName): number =>
        header.sections[name].end - header.sections[name].offset
      expect(
        planMutableShareLayout({
          ...header,
          verificationKeySize: size('verificationKey'),
          signatureSize: size('signature'),
          encryptedPrivateKeySize: size('encryptedPrivateKey'),
          shareHashChainSize: size('shareHashChain'),
        }),
      ).toEqual({ sections: header.sections, shareEnd: header.shareEnd })
      const options = { ...target, ...header, shareNumber: 0 }
      const sdmf = createSdmfSlotWriter(options)
      const writer = header.version === 0 ? sdmf : createMdmfSlotWriter(options)
      await putParts(writer, { header, reader })
      if (header.salt !== undefined) sdmf.putSalt(header.salt)
      writer.putVerificationKey(await reader.verificationKey())
      writer.putEncryptedPrivateKey(await reader.encryptedPrivateKey())
      for (const [segment, { block, salt }] of blocks.entries()) {
        writer.putBlock(block, segment, salt)
      }
      expect(written(new Uint8Array(), writer.testWriteVectors().write)).toEqual(share)
    }
  })
})

interface Changed {
  readonly name: string
  readonly versions: (Version & {
    readonly do: 'create' | 'overwrite' | 'update'
    readonly requests: {
      readonly shareNumber: number
      readonly tests: [number, number, string][]
      readonly writes: [number, number, string][]
    }[]
  })[]
}

const { cases: changed } = await loadVectors<{ cases: Changed[] }>('mutable/versions')
const steps = changed.flatMap(({ name, versions }) =>
  versions.slice(1).map((after, index) => ({
    name: `${name} ${after.sequenceNumber}`,
    before: versions[index] ?? expect.unreachable(),
    after,
  })),
)

describe.each(
  steps.filter(({ name, after }) => name.startsWith('mdmf') && after.do === 'update' && after.kept),
)('upstream’s change in place $name', ({ before, after }) => {
  it('is what a slot writer with a base makes of the blocks that upstream wrote', async () => {
    const kept = after.kept ?? expect.unreachable()
    const oldShares = await keptShares(before.kept ?? expect.unreachable())
    for (const [index, share] of (await keptShares(kept)).entries()) {
      const old = oldShares[index] ?? expect.unreachable()
      const base = parseMutableHeader(old)
      const parts = await partsOf(share)
      const { header, reader } = parts
      const shareNumber = kept.shareNumbers[index] ?? expect.unreachable()
      const request = after.requests.find((one) => one.shareNumber === shareNumber)
      const upstream = request?.writes.map(([offset, length]) => ({ offset, length })) ?? []
      const writer = createMdmfSlotWriter({ ...target, ...header, shareNumber, base })
      writer.setCheckstring(base.checkstring)
      await putParts(writer, parts)
      let putCount = 0
      for (let segment = 0; segment < numberOfSegments(header); segment++) {
        const { offset } = blockSpan(header, segment)
        if (!upstream.some((write) => write.offset === offset)) continue
        const [block] = await reader.blocks(segment, segment)
        if (block) writer.putBlock(block.block, segment, block.salt)
        putCount++
      }
      expect(putCount).toBe(after.salts.length)
      const { test, write } = writer.testWriteVectors()
      expect(test.map(({ offset, size, specimen }) => [offset, size, toHex(specimen)])).toEqual(
        request?.tests,
      )
      expect(written(old, write)).toEqual(share)
      const sum = write.reduce((bytes, { data }) => bytes + data.length, 0)
      expect(sum).toBeLessThan(upstream.reduce((bytes, { length }) => bytes + length, 0))
    }
  })
})

describe('a share that another version was larger before', () => {
  it.each(steps.filter(({ after }) => after.do === 'overwrite' && after.kept))(
    'reads as its header says: $name',
    async ({ after }) => {
      for (const share of await keptShares(after.kept ?? expect.unreachable())) {
        const { header, reader } = await partsOf(share)
        expect(header.dataLength).toBe(after.size)
        expect(header.shareEnd).toBeLessThanOrEqual(share.length)
        expect(toHex(header.prefix)).toBe(after.signedPrefix)
        expect(toHex(await reader.signature())).toBe(after.signature)
      }
    },
  )
})

describe('a share from before MDMF', () => {
  it('reads', async () => {
    const { shares, plaintext } = await loadVectors<{
      shares: { data: string }[]
      plaintext: string
    }>('mutable/old-shares')
    for (const { data } of shares) {
      const share = fromHex(data)
      const { header, reader } = await partsOf(share)
      expect(header).toMatchObject({
        version: 0,
        dataLength: plaintext.length / 2,
        shareEnd: share.length,
      })
      const [only] = await reader.blocks(0, 0)
      const [root] = await reader.blockHashTree()
      expect(blockHash(only?.hashed ?? new Uint8Array())).toEqual(root)
    }
  })
})
