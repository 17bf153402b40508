import {
  HASH_SIZE,
  type IMutableSlotWriter,
  type IStorageServer,
  MDMF_VERSION,
  type OperationOptions,
  type ReadTestWriteResult,
  SALT_SIZE,
  SDMF_VERSION,
  type ShareNumber,
  type SlotSecrets,
  type StorageIndex,
  type TestWriteVectors,
  type WriteVector,
} from '@lafs/storage-interface'
import {
  blockLength,
  blockSpan,
  growMutableShareLayout,
  MUTABLE_SECTION_ORDER,
  type MutableSectionName,
  type MutableShareHeader,
  type MutableShareLayout,
  type MutableSharePrefix,
  type MutableShareShape,
  numberOfSegments,
  packCheckstring,
  packMutableHeader,
  packMutablePrefix,
  packShareHashChain,
  planMutableShareLayout,
} from './mutable-layout.ts'

/** Which share of which version to write, and where. Sizes are bytes. */
export interface MutableSlotWriterOptions {
  readonly server: Pick<IStorageServer, 'slotTestvAndReadvAndWritev'>
  readonly storageIndex: StorageIndex
  readonly secrets: SlotSecrets
  readonly shareNumber: ShareNumber
  readonly sequenceNumber: number
  readonly requiredShares: number
  readonly totalShares: number
  readonly segmentSize: number
  readonly dataLength: number
}

/** Options of {@link createMdmfSlotWriter}. */
export interface MdmfSlotWriterOptions extends MutableSlotWriterOptions {
  /**
   * The header of the share as it stands, to change it in place: blocks that stay and the keys need
   * not be put, and are not sent.
   */
  readonly base?: MutableShareHeader | undefined
}

/** Writes an SDMF share. */
export interface SdmfSlotWriter extends IMutableSlotWriter {
  /** The salt of an empty file, which has no block that could bring one. */
  putSalt(salt: Uint8Array): void
}

/**
 * Makes a writer of a whole SDMF share.
 *
 * @see allmydata.mutable.layout.SDMFSlotWriteProxy
 */
export function createSdmfSlotWriter(options: MutableSlotWriterOptions): SdmfSlotWriter {
  return new SlotWriter(SDMF_VERSION, options, undefined)
}

/**
 * Makes a writer of an MDMF share, whole or, with a base, in place.
 *
 * A change in place writes the header, the share hash chain, the signature, the blocks that were put
 * and the block hash tree. What moves is that tree alone, so a share can grow; it cannot shrink.
 *
 * @throws RangeError when the base cannot become the new version in place.
 * @see allmydata.mutable.layout.MDMFSlotWriteProxy
 */
export function createMdmfSlotWriter(options: MdmfSlotWriterOptions): IMutableSlotWriter {
  return new SlotWriter(MDMF_VERSION, options, options.base)
}

interface SaltedBlock {
  readonly block: Uint8Array
  readonly salt: Uint8Array
}

const KEYS: ReadonlySet<MutableSectionName> = new Set(['verificationKey', 'encryptedPrivateKey'])

class SlotWriter implements SdmfSlotWriter {
  readonly #options: MutableSlotWriterOptions
  readonly #shape: MutableShareShape
  readonly #base: MutableShareHeader | undefined
  readonly #blocks = new Map<number, SaltedBlock>()
  readonly #sections = new Map<MutableSectionName, Uint8Array>()
  #specimen: Uint8Array = new Uint8Array(0)
  #rootHash: Uint8Array | undefined
  #salt: Uint8Array | undefined

  constructor(
    version: 0 | 1,
    options: MutableSlotWriterOptions,
    base: MutableShareHeader | undefined,
  ) {
    const { requiredShares, totalShares, segmentSize, dataLength } = options
    this.#options = options
    this.#shape = { version, requiredShares, totalShares, segmentSize, dataLength }
    this.#base = base
    if (base !== undefined) growMutableShareLayout(base, this.#shape)
  }

  setCheckstring(checkstring: Uint8Array): void {
    this.#specimen = checkstring
  }

  checkstring(): Uint8Array {
    return packCheckstring(this.#prefix())
  }

  putBlock(block: Uint8Array, segmentIndex: number, salt: Uint8Array): void {
    expectSize('a block', block, blockLength(this.#shape, segmentIndex))
    expectSize('a salt', salt, SALT_SIZE)
    this.#blocks.set(segmentIndex, { block, salt })
    if (this.#shape.version === SDMF_VERSION) this.#salt = salt
  }

  putSalt(salt: Uint8Array): void {
    expectSize('a salt', salt, SALT_SIZE)
    this.#salt = salt
  }

  putEncryptedPrivateKey(key: Uint8Array): void {
    this.#sections.set('encryptedPrivateKey', key)
  }

  putBlockHashes(hashes: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(hashes.length * HASH_SIZE)
    for (const [index, hash] of hashes.entries()) {
      expectSize('a block hash', hash, HASH_SIZE)
      bytes.set(hash, index * HASH_SIZE)
    }
    this.#sections.set('blockHashTree', bytes)
  }

  putShareHashes(hashes: ReadonlyMap<number, Uint8Array>): void {
    this.#sections.set('shareHashChain', packShareHashChain(hashes))
  }

  putRootHash(rootHash: Uint8Array): void {
    expectSize('a root hash', rootHash, HASH_SIZE)
    this.#rootHash = rootHash
  }

  signable(): Uint8Array {
    return packMutablePrefix(this.#prefix())
  }

  putSignature(signature: Uint8Array): void {
    this.#sections.set('signature', signature)
  }

  putVerificationKey(key: Uint8Array): void {
    this.#sections.set('verificationKey', key)
  }

  testWriteVectors(): TestWriteVectors {
    const layout = this.#layout()
    const header = packMutableHeader({ ...this.#prefix(), ...layout })
    const write = [{ offset: 0, data: header }]
    for (const [name, data] of this.#sections) {
      const { offset, end } = layout.sections[name]
      expectSize(name, data, end - offset)
      write.push({ offset, data })
    }
    for (let segment = 0; segment < numberOfSegments(this.#shape); segment++) {
      const { offset, saltLength } = blockSpan({ ...this.#shape, ...layout }, segment)
      const put = this.#blocks.get(segment)
      if (put === undefined) {
        this.#expectUnchanged(segment)
        continue
      }
      if (saltLength > 0) write.push({ offset, data: put.salt })
      write.push({ offset: offset + saltLength, data: put.block })
    }
    // A server tells an empty share from none by a test of one byte more than it may have.
    const size = this.#specimen.length === 0 ? 1 : this.#specimen.length
    return { test: [{ offset: 0, size, specimen: this.#specimen }], write: joinAdjacent(write) }
  }

  finishPublishing(options?: OperationOptions): Promise<ReadTestWriteResult> {
    const { server, storageIndex, secrets, shareNumber } = this.#options
    const vectors = new Map([[shareNumber, this.testWriteVectors()]])
    const reads = [{ offset: 0, size: this.checkstring().length }]
    return server.slotTestvAndReadvAndWritev(storageIndex, secrets, vectors, reads, options)
  }

  #prefix(): MutableSharePrefix {
    if (this.#rootHash === undefined) throw missing('the root hash')
    if (this.#shape.version === SDMF_VERSION && this.#salt === undefined) throw missing('the salt')
    const { sequenceNumber } = this.#options
    return { ...this.#shape, sequenceNumber, rootHash: this.#rootHash, salt: this.#salt }
  }

  #layout(): MutableShareLayout {
    for (const name of MUTABLE_SECTION_ORDER[this.#shape.version]) {
      const needed = name !== 'shareData' && !(this.#base !== undefined && KEYS.has(name))
      if (needed && !this.#sections.has(name)) throw missing(name)
    }
    if (this.#base !== undefined) return growMutableShareLayout(this.#base, this.#shape)
    const sizeOf = (name: MutableSectionName): number => this.#sections.get(name)?.length ?? 0
    return planMutableShareLayout({
      ...this.#shape,
      verificationKeySize: sizeOf('verificationKey'),
      signatureSize: sizeOf('signature'),
      encryptedPrivateKeySize: sizeOf('encryptedPrivateKey'),
      shareHashChainSize: sizeOf('shareHashChain'),
    })
  }

  /** The block of a segment that was not put must stand in the base as it is. */
  #expectUnchanged(segment: number): void {
    const base = this.#base
    const stays =
      base !== undefined &&
      segment < numberOfSegments(base) &&
      blockLength(base, segment) === blockLength(this.#shape, segment)
    if (!stays) throw missing(`the block of segment ${segment}`)
  }
}

function missing(what: string): RangeError {
  return new RangeError(`mutable writer: ${what} was not put`)
}

function expectSize(what: string, bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) {
    throw new RangeError(`mutable writer: expected ${what} of ${size} bytes, got ${bytes.length}`)
  }
}

/** The same writes, by offset, those that touch as one: each costs a server a write of its own. */
function joinAdjacent(writes: readonly WriteVector[]): WriteVector[] {
  const runs: { offset: number; end: number; parts: WriteVector[] }[] = []
  const filled = writes.filter(({ data }) => data.length > 0)
  for (const write of filled.toSorted((a, b) => a.offset - b.offset)) {
    const end = write.offset + write.data.length
    const run = runs.at(-1)
    if (run !== undefined && run.end === write.offset) {
      run.end = end
      run.parts.push(write)
    } else {
      runs.push({ offset: write.offset, end, parts: [write] })
    }
  }
  return runs.map(({ offset, end, parts }) => {
    const data = new Uint8Array(end - offset)
    for (const part of parts) data.set(part.data, part.offset - offset)
    return { offset, data }
  })
}
