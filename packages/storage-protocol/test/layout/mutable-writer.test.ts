import { createMemoryStore } from '@lafs/share-store-memory'
import {
  createMdmfSlotWriter,
  createMutableShareReader,
  createSdmfSlotWriter,
} from '@lafs/storage-protocol/layout'
import type {
  MdmfSlotWriterOptions,
  MutableShareReader,
  MutableSlotWriterOptions,
} from '@lafs/storage-protocol/layout'
import { createStorageServer } from '@lafs/storage-server'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { treeOver } from './mutable-slot.ts'

type Writer = ReturnType<typeof createSdmfSlotWriter>

const filled = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte)
const secrets = {
  writeEnabler: filled(32, 1),
  renewSecret: filled(32, 2),
  cancelSecret: filled(32, 3),
}
const storageIndex = filled(16, 4)
const root = filled(32, 5)

function optionsFor(version: 0 | 1): MutableSlotWriterOptions {
  return {
    server: createStorageServer({ store: createMemoryStore() }),
    storageIndex,
    secrets,
    shareNumber: 3,
    sequenceNumber: 1,
    requiredShares: 2,
    totalShares: 4,
    segmentSize: version === 0 ? 50 : 20,
    dataLength: 50,
  }
}

/** A writer of the version, with the part of SDMF for both. */
function writerOf(version: 0 | 1, options: MdmfSlotWriterOptions): Writer {
  if (version === 0) return createSdmfSlotWriter(options)
  return Object.assign(createMdmfSlotWriter(options), { putSalt: () => {} })
}

const parts: Record<string, (writer: Writer) => void> = {
  verificationKey: (writer) => writer.putVerificationKey(filled(294, 6)),
  signature: (writer) => writer.putSignature(filled(256, 7)),
  encryptedPrivateKey: (writer) => writer.putEncryptedPrivateKey(filled(1218, 8)),
  shareHashChain: (writer) => writer.putShareHashes(new Map([[1, filled(32, 9)]])),
  'the root hash': (writer) => writer.putRootHash(root),
}

function putAll(writer: Writer, version: 0 | 1, without?: string): void {
  for (const [name, put] of Object.entries(parts)) if (name !== without) put(writer)
  const sizes = version === 0 ? [25] : [10, 10, 5]
  if (without !== 'blockHashTree') writer.putBlockHashes(treeOver(sizes.map(() => root)))
  for (const [segment, size] of sizes.entries()) {
    const left = without === `the block of segment ${segment}` || without === 'the salt'
    if (!left) writer.putBlock(filled(size, 20 + segment), segment, filled(16, 10 + segment))
  }
}

describe.each([0, 1] as const)('a slot writer of version %d', (version) => {
  it.each([
    ...Object.keys(parts),
    'blockHashTree',
    version === 0 ? 'the salt' : 'the block of segment 0',
    ...(version === 0 ? [] : ['the block of segment 2']),
  ])('does not go without %s', (name) => {
    const writer = writerOf(version, optionsFor(version))
    putAll(writer, version, name)
    expect(() => writer.testWriteVectors()).toThrow(
      new RangeError(`mutable writer: ${name} was not put`),
    )
  })

  it.each<[string, (writer: Writer) => void]>([
    ['a block of another size', (w) => w.putBlock(filled(9, 0), 0, filled(16, 0))],
    ['a salt of another size', (w) => w.putBlock(filled(version ? 10 : 25, 0), 0, filled(15, 0))],
    ['a block too many', (w) => w.putBlock(filled(5, 0), version ? 3 : 1, filled(16, 0))],
    ['a block before the first', (w) => w.putBlock(filled(10, 0), -1, filled(16, 0))],
    ['a root hash of another size', (w) => w.putRootHash(filled(31, 0))],
    ['a block hash of another size', (w) => w.putBlockHashes([filled(33, 0)])],
    ['a share hash of another size', (w) => w.putShareHashes(new Map([[1, filled(1, 0)]]))],
  ])('refuses %s', (_, act) => {
    expect(() => act(writerOf(version, optionsFor(version)))).toThrow(RangeError)
  })

  it('refuses hashes that are not those of its blocks', () => {
    const writer = writerOf(version, optionsFor(version))
    putAll(writer, version)
    writer.putBlockHashes(treeOver(Array.from({ length: 5 }, () => root)))
    expect(() => writer.testWriteVectors()).toThrow('expected blockHashTree of')
  })

  it('writes when nothing stands there, then when what it says stands there, else not', async () => {
    const options = optionsFor(version)
    const first = writerOf(version, options)
    putAll(first, version)
    expect(await first.finishPublishing()).toEqual({ success: true, data: new Map() })
    const again = await first.finishPublishing()
    expect(again).toEqual({ success: false, data: new Map([[3, [first.checkstring()]]]) })

    const second = writerOf(version, { ...options, sequenceNumber: 2 })
    putAll(second, version)
    second.setCheckstring(first.checkstring())
    const done = await second.finishPublishing()
    expect(done).toEqual({ success: true, data: new Map([[3, [first.checkstring()]]]) })
    expect((await second.finishPublishing()).success).toBe(false)
    second.setCheckstring(new Uint8Array())
    expect((await second.finishPublishing()).success).toBe(false)
  })

  it('says what is to be signed once the root is known', () => {
    const writer = writerOf(version, optionsFor(version))
    expect(() => writer.signable()).toThrow(RangeError)
    putAll(writer, version)
    expect(writer.signable()).toHaveLength(version === 0 ? 75 : 59)
    expect(writer.signable().subarray(0, writer.checkstring().length)).toEqual(writer.checkstring())
  })
})

describe('an SDMF writer', () => {
  it('needs a salt for an empty file, and no block', async () => {
    const options = { ...optionsFor(0), segmentSize: 0, dataLength: 0 }
    const writer = createSdmfSlotWriter(options)
    for (const put of Object.values(parts)) put(writer)
    writer.putBlockHashes([root])
    expect(() => writer.testWriteVectors()).toThrow('the salt was not put')
    expect(() => writer.putSalt(filled(15, 0))).toThrow(RangeError)
    writer.putSalt(filled(16, 10))
    expect((await writer.finishPublishing()).success).toBe(true)
  })
})

/** Reads the share that a writer with these options wrote. */
function readerFor({ server }: MutableSlotWriterOptions): MutableShareReader {
  const slots = server as ReturnType<typeof createStorageServer>
  return createMutableShareReader({ server: slots, storageIndex, shareNumber: 3 })
}

describe('an MDMF writer with a base', () => {
  it('sends the blocks that were put and the hashes over them, and not the keys', async () => {
    const options = optionsFor(1)
    const first = writerOf(1, options)
    putAll(first, 1)
    await first.finishPublishing()
    const base = await readerFor(options).header()

    const next = { ...options, sequenceNumber: 2, dataLength: 61, base }
    const second = createMdmfSlotWriter(next)
    second.setCheckstring(base.checkstring)
    second.putBlock(filled(10, 32), 2, filled(16, 42))
    expect(() => second.testWriteVectors()).toThrow('shareHashChain was not put')
    second.putShareHashes(new Map([[1, filled(32, 19)]]))
    second.putRootHash(filled(32, 15))
    second.putSignature(filled(256, 17))
    second.putBlockHashes(treeOver([root, root, root, root]))
    expect(() => second.testWriteVectors()).toThrow('the block of segment 3 was not put')
    second.putBlock(filled(1, 33), 3, filled(16, 43))
    const { write } = second.testWriteVectors()
    const { blockHashTree, shareHashChain, shareData } = (await readerFor(options).header())
      .sections
    expect(blockHashTree.offset).toBe(shareData.offset + 26 + 26 + 21)
    expect(write.map(({ offset, data }) => [offset, data.length])).toEqual([
      [0, 123],
      [shareHashChain.offset, 34 + 256],
      [shareData.offset + 52, 26 + 17 + 7 * 32],
    ])
    expect((await second.finishPublishing()).success).toBe(true)

    const reader = readerFor(options)
    const header = await reader.header()
    expect(header).toMatchObject({ sequenceNumber: 2, dataLength: 61 })
    const blocks = await reader.blocks(0, 3)
    expect(blocks.map(({ block }) => [block.length, block[0]])).toEqual([
      [10, 20],
      [10, 21],
      [10, 32],
      [1, 33],
    ])
    expect(blocks.map(({ salt }) => salt[0])).toEqual([10, 11, 42, 43])
    expect(await reader.verificationKey()).toEqual(filled(294, 6))
    expect(await reader.encryptedPrivateKey()).toEqual(filled(1218, 8))
    expect(await reader.signature()).toEqual(filled(256, 17))
  })

  it('refuses what cannot be changed in place', async () => {
    const options = optionsFor(1)
    const first = writerOf(1, options)
    putAll(first, 1)
    await first.finishPublishing()
    const base = await readerFor(options).header()
    expect(() => createMdmfSlotWriter({ ...options, dataLength: 49, base })).toThrow(RangeError)
    expect(() => createMdmfSlotWriter({ ...options, segmentSize: 22, base })).toThrow(RangeError)
    const writer = createMdmfSlotWriter({ ...options, base })
    for (const put of Object.values(parts)) put(Object.assign(writer, { putSalt: () => {} }))
    writer.putBlockHashes(treeOver([root, root, root]))
    expect(writer.testWriteVectors().write.length).toBeGreaterThan(0)
    writer.putSignature(filled(257, 7))
    expect(() => writer.testWriteVectors()).toThrow('expected signature of 256 bytes, got 257')
  })
})

describe('any share', () => {
  it('reads back from a server as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<0 | 1>(0, 1),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(3000),
        fc.integer({ min: 1, max: 300 }),
        async (version, requiredShares, dataLength, blockSize) => {
          const segment = version === 0 ? dataLength : blockSize
          const segmentSize = Math.ceil(segment / requiredShares) * requiredShares
          const shape = { requiredShares, totalShares: 12, segmentSize, dataLength }
          const options = { ...optionsFor(version), ...shape }
          const writer = writerOf(version, options)
          const segments = dataLength === 0 ? 0 : Math.ceil(dataLength / segmentSize)
          const blocks = Array.from({ length: segments }, (_, index) => {
            const left = Math.min(segmentSize, dataLength - index * segmentSize)
            return filled(Math.ceil(left / requiredShares), index)
          })
          const tree = treeOver(blocks.map((_, index) => filled(32, index)))
          for (const put of Object.values(parts)) put(writer)
          writer.putBlockHashes(tree)
          writer.putSalt(filled(16, 1))
          for (const [index, block] of blocks.entries()) {
            writer.putBlock(block, index, filled(16, version === 0 ? 1 : index))
          }
          expect((await writer.finishPublishing()).success).toBe(true)
          const reader = readerFor(options)
          const header = await reader.header()
          expect(header).toMatchObject({ version, ...shape })
          expect(header.prefix).toEqual(writer.signable())
          expect(header.checkstring).toEqual(writer.checkstring())
          const read = await reader.blocks(0, segments - 1, { alsoLoad: ['blockHashTree'] })
          expect(read.map(({ block }) => block)).toEqual(blocks)
          expect(await reader.blockHashTree()).toEqual(tree)
        },
      ),
      { seed: 1, numRuns: 40 },
    )
  })
})
