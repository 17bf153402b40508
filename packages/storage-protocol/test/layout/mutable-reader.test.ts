import {
  createMdmfSlotWriter,
  createMutableShareReader,
  createSdmfSlotWriter,
  parseMutableHeader,
} from '@lafs/storage-protocol/layout'
import type { MutableShareReader, MutableShareReaderOptions } from '@lafs/storage-protocol/layout'
import { describe, expect, it } from 'vitest'
import { slotHolding, treeOver, written } from './mutable-slot.ts'

const leaves = Array.from({ length: 6 }, (_, index) => new Uint8Array(32).fill(50 + index))
const tree = treeOver(leaves)
const chain = new Map([
  [2, new Uint8Array(32).fill(2)],
  [9, new Uint8Array(32).fill(9)],
])
const key = new Uint8Array(1200).fill(10)
const signature = new Uint8Array(256).fill(11)
const verificationKey = new Uint8Array(290).fill(12)
const storageIndex = new Uint8Array(16)

/** A share of 6 blocks of 3000 bytes, or of one. */
function makeShare(version: 0 | 1): Uint8Array {
  const options = {
    server: {
      slotTestvAndReadvAndWritev: () => Promise.reject(new Error('nothing is to be sent')),
    },
    storageIndex,
    secrets: {
      writeEnabler: new Uint8Array(32),
      renewSecret: new Uint8Array(32),
      cancelSecret: new Uint8Array(32),
    },
    shareNumber: 7,
    sequenceNumber: 1,
    requiredShares: 1,
    totalShares: 10,
    segmentSize: version === 0 ? 18000 : 3000,
    dataLength: 18000,
  }
  const writer = version === 0 ? createSdmfSlotWriter(options) : createMdmfSlotWriter(options)
  const size = options.segmentSize
  for (let segment = 0; segment < options.dataLength / size; segment++) {
    writer.putBlock(new Uint8Array(size).fill(20 + segment), segment, new Uint8Array(16).fill(30))
  }
  writer.putBlockHashes(version === 0 ? [new Uint8Array(32)] : tree)
  writer.putShareHashes(chain)
  writer.putEncryptedPrivateKey(key)
  writer.putVerificationKey(verificationKey)
  writer.putRootHash(new Uint8Array(32).fill(13))
  writer.putSignature(signature)
  return written(new Uint8Array(), writer.testWriteVectors().write)
}

const shares = { 0: makeShare(0), 1: makeShare(1) }

function readerOf(
  share: Uint8Array,
  options: Partial<MutableShareReaderOptions> = {},
): {
  readonly reader: MutableShareReader
  readonly requests: (readonly { offset: number; size: number }[])[]
} {
  const { server, requests } = slotHolding(share)
  const reader = createMutableShareReader({ server, storageIndex, shareNumber: 7, ...options })
  return { reader, requests }
}

describe.each([0, 1] as const)('a reader of a share of version %d', (version) => {
  const share = shares[version]
  const header = parseMutableHeader(share)

  it('reads the header with what is near it, and nothing twice', async () => {
    const { reader, requests } = readerOf(share)
    expect(await reader.header()).toEqual(header)
    expect(await reader.header()).toBe(await reader.header())
    expect(await reader.verificationKey()).toEqual(verificationKey)
    expect(await reader.signature()).toEqual(signature)
    expect(await reader.shareHashChain()).toEqual(chain)
    expect(requests).toEqual([[{ offset: 0, size: 4096 }]])
  })

  it('gives every section', async () => {
    const { reader } = readerOf(share, { header })
    expect(await reader.encryptedPrivateKey()).toEqual(key)
    expect(await reader.verificationKey()).toEqual(verificationKey)
    expect(await reader.signature()).toEqual(signature)
    expect(await reader.shareHashChain()).toEqual(chain)
    expect(await reader.blockHashTree()).toEqual(version === 0 ? [new Uint8Array(32)] : tree)
  })

  it('asks for nothing that it was given', async () => {
    const prefetched = share.slice(0, 4000)
    const { reader, requests } = readerOf(share, { prefetched })
    expect(await reader.header()).toEqual(header)
    await reader.load(['verificationKey', 'signature', 'shareHashChain'])
    expect(requests).toEqual([])
    await reader.load(['encryptedPrivateKey', 'blockHashTree', 'signature'])
    await reader.load(['blockHashTree', 'encryptedPrivateKey'])
    const far = version === 0 ? 'encryptedPrivateKey' : 'blockHashTree'
    const { offset, end } = header.sections[far]
    expect(requests).toEqual([[{ offset, size: end - offset }]])
  })

  it('does not go on with a share that is given whole and cut short', async () => {
    const cut = share.slice(0, -1)
    const { reader, requests } = readerOf(share, { prefetched: cut, complete: true })
    const last = version === 0 ? reader.encryptedPrivateKey() : reader.blockHashTree()
    await expect(last).rejects.toMatchObject({ code: 'SHARE_BAD', shareNumber: 7 })
    const nothing = readerOf(share, { prefetched: share.slice(0, 80), complete: true })
    await expect(nothing.reader.header()).rejects.toMatchObject({ code: 'SHARE_BAD' })
    expect([...requests, ...nothing.requests]).toEqual([])
  })

  it('tells a share that ends too early', async () => {
    const { reader } = readerOf(share.slice(0, -1), { header })
    const last = version === 0 ? reader.encryptedPrivateKey() : reader.blockHashTree()
    await expect(last).rejects.toMatchObject({ code: 'SHARE_BAD' })
    await expect(last).rejects.toThrow(
      `mutable share 7: expected ${share.length} bytes, got ${share.length - 1}`,
    )
    const headless = readerOf(share.slice(0, 100))
    await expect(headless.reader.header()).rejects.toMatchObject({ code: 'SHARE_BAD' })
  })

  it('tells a share that the server does not have', async () => {
    const { server } = slotHolding(share)
    const reader = createMutableShareReader({ server, storageIndex, shareNumber: 8 })
    await expect(reader.header()).rejects.toThrow('mutable share 8: the server does not have it')
    await expect(reader.blocks(0, 0)).rejects.toMatchObject({ code: 'SHARE_BAD', shareNumber: 8 })
  })

  it('reads a share that is not as long as what it asks for', async () => {
    const small = share.slice(0, 3000)
    const { reader, requests } = readerOf(small)
    expect((await reader.header()).shareEnd).toBe(share.length)
    await expect(reader.blocks(0, 0)).rejects.toMatchObject({ code: 'SHARE_BAD' })
    expect(requests).toHaveLength(1)
  })

  it('hands on what the server says, and its signal', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const refused = new Error('no')
    const server: MutableShareReaderOptions['server'] = {
      slotReadv: (_index, _numbers, _vectors, options) => {
        signals.push(options?.signal)
        return Promise.reject(refused)
      },
    }
    const reader = createMutableShareReader({ server, storageIndex, shareNumber: 7 })
    const { signal } = new AbortController()
    await expect(reader.blocks(0, 0, { signal })).rejects.toBe(refused)
    await expect(reader.signature({ signal })).rejects.toBe(refused)
    expect(signals).toEqual([signal, signal])
  })
})

describe('blocks', () => {
  const header = parseMutableHeader(shares[1])

  it('come many at a time, with their salts', async () => {
    const { reader, requests } = readerOf(shares[1], { header })
    const blocks = await reader.blocks(1, 4)
    expect(blocks.map(({ block }) => block)).toEqual(
      [21, 22, 23, 24].map((byte) => new Uint8Array(3000).fill(byte)),
    )
    expect(blocks.every(({ salt }) => salt.join() === new Uint8Array(16).fill(30).join())).toBe(
      true,
    )
    expect(blocks[0]?.hashed).toEqual(shares[1].slice(2167 + 3016, 2167 + 2 * 3016))
    expect(requests).toEqual([[{ offset: 2167 + 3016, size: 4 * 3016 }]])
  })

  it('come with sections in one request, which are kept', async () => {
    const { reader, requests } = readerOf(shares[1], { header })
    const [first] = await reader.blocks(0, 0, {
      alsoLoad: ['shareHashChain', 'blockHashTree', 'shareHashChain'],
    })
    expect(first?.block).toEqual(new Uint8Array(3000).fill(20))
    expect(await reader.shareHashChain()).toEqual(chain)
    expect(await reader.blockHashTree()).toEqual(tree)
    // The chain and the block lie close to each other, the tree does not.
    const { shareHashChain, blockHashTree } = header.sections
    const near = { offset: shareHashChain.offset, size: 2167 + 3016 - shareHashChain.offset }
    const far = { offset: blockHashTree.offset, size: 15 * 32 }
    expect(requests).toEqual([[near, far]])
  })

  it('come in part from what is held', async () => {
    const prefetched = shares[1].slice(0, 2167 + 2 * 3016 + 100)
    const { reader, requests } = readerOf(shares[1], { header, prefetched })
    expect(reader.holdsBlocks(0, 1)).toBe(true)
    expect(reader.holdsBlocks(0, 2)).toBe(false)
    const blocks = await reader.blocks(0, 2)
    expect(blocks.map(({ block }) => block[0])).toEqual([20, 21, 22])
    expect(requests).toEqual([[{ offset: 2167 + 2 * 3016, size: 3016 }]])
  })

  it('are one, with the salt of the header, in SDMF', async () => {
    const { reader, requests } = readerOf(shares[0], { prefetched: shares[0], complete: true })
    expect(reader.holdsBlocks(0, 0)).toBe(false)
    const [only] = await reader.blocks(0, 0)
    expect(only?.block).toEqual(new Uint8Array(18000).fill(20))
    expect(only?.hashed).toEqual(only?.block)
    expect(only?.salt).toEqual(new Uint8Array(16).fill(30))
    expect(reader.holdsBlocks(0, 0)).toBe(true)
    expect(requests).toEqual([])
  })

  it('are those of segments that there are', async () => {
    const { reader } = readerOf(shares[1], { header })
    await expect(reader.blocks(5, 6)).rejects.toThrow(RangeError)
    await expect(reader.blocks(-1, 0)).rejects.toThrow(RangeError)
    expect(await reader.blocks(0, -1)).toEqual([])
  })
})
