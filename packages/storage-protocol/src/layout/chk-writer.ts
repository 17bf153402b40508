import type {
  IStorageBucketWriter,
  OperationOptions,
  PutBlockOptions,
  RIBucketWriter,
} from '@lafs/storage-interface'
import { HASH_SIZE } from '@lafs/storage-interface'
import {
  chkAllocatedSize,
  hashTreeNodeCount,
  packChkHeader,
  planChkLayout,
  SHARE_HASH_ENTRY_SIZE,
  writeField,
} from './chk-layout.ts'
import type { ChkLayout, ChkLayoutVersion, ChkShareShape } from './chk-layout.ts'

/** How many bytes a {@link ChkBucketWriter} gathers before it sends them, unless told otherwise. */
export const WRITE_BATCH_SIZE: number = 1024 * 1024

/** How a {@link ChkBucketWriter} writes. */
export interface ChkBucketWriterOptions {
  /** Bytes to gather before a write; default {@link WRITE_BATCH_SIZE}. */
  readonly batchSize?: number
  /**
   * Bytes to gather before the first write; default: `batchSize`. Writers of one file that differ in
   * it send by turns, and not all at once.
   */
  readonly firstBatchSize?: number
  /** Which layout to write; default: the first one that the share fits into. */
  readonly version?: ChkLayoutVersion
  /** Whether the blocks are there already, and the header is somebody else's to write. */
  readonly blocksWritten?: boolean
}

const ZEROS = new Uint8Array(64 * 1024)

/**
 * Writes one immutable share onto a bucket, from its first byte to its last.
 *
 * Blocks are kept by reference until enough are there for one large write, and released when that has
 * ended. Writes to one bucket go out one after the other. A `put…`
 * that fills a batch settles when that batch has arrived, the one of the URI extension block when
 * everything has, and any other at once.
 *
 * @throws RangeError when a section has not the size that the shape says, or is out of turn.
 * @see allmydata.immutable.layout.WriteBucketProxy
 */
export class ChkBucketWriter implements IStorageBucketWriter {
  readonly layout: ChkLayout
  /** Bytes of the whole share. */
  readonly allocatedSize: number
  readonly #bucket: RIBucketWriter
  readonly #shape: ChkShareShape
  readonly #batchSize: number
  #nextBatchSize: number
  #pieces: Uint8Array[] = []
  /** To be told when the pieces are not needed any more. */
  #releases: (() => void)[] = []
  #pending = 0
  #sent = 0
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(bucket: RIBucketWriter, shape: ChkShareShape, options: ChkBucketWriterOptions = {}) {
    this.#bucket = bucket
    this.#shape = shape
    this.#batchSize = options.batchSize ?? WRITE_BATCH_SIZE
    this.#nextBatchSize = options.firstBatchSize ?? this.#batchSize
    this.layout = planChkLayout(shape, options.version)
    this.allocatedSize = chkAllocatedSize(this.layout, shape.uriExtensionSize)
    if (options.blocksWritten === true) this.#sent = this.layout.offsets.plaintextHashTree
    else this.#queue(packChkHeader(this.layout))
  }

  putBlock(segmentIndex: number, block: Uint8Array, options?: PutBlockOptions): Promise<void> {
    const { blockSize, dataSize, segmentCount } = this.#shape
    const last = segmentIndex === segmentCount - 1
    const size = last ? dataSize - blockSize * (segmentCount - 1) : blockSize
    this.#expect(this.layout.offsets.data + segmentIndex * blockSize, block.length, size)
    this.#queue(block)
    if (options?.onReleased) this.#releases.push(options.onReleased)
    return this.#flushIfFull(options)
  }

  putCrypttextHashes(hashes: readonly Uint8Array[], options?: OperationOptions): Promise<void> {
    const size = hashTreeNodeCount(this.#shape.segmentCount) * HASH_SIZE
    this.#expect(this.layout.offsets.plaintextHashTree, hashes.length * HASH_SIZE, size)
    for (let at = 0; at < size; at += ZEROS.length) this.#queue(ZEROS.subarray(0, size - at))
    this.#queue(joinHashes(hashes))
    return this.#flushIfFull(options)
  }

  putBlockHashes(hashes: readonly Uint8Array[], options?: OperationOptions): Promise<void> {
    const size = hashTreeNodeCount(this.#shape.segmentCount) * HASH_SIZE
    this.#expect(this.layout.offsets.blockHashes, hashes.length * HASH_SIZE, size)
    this.#queue(joinHashes(hashes))
    return this.#flushIfFull(options)
  }

  putShareHashes(
    hashes: ReadonlyMap<number, Uint8Array>,
    options?: OperationOptions,
  ): Promise<void> {
    const bytes = new Uint8Array(hashes.size * SHARE_HASH_ENTRY_SIZE)
    const size = this.#shape.shareHashCount * SHARE_HASH_ENTRY_SIZE
    this.#expect(this.layout.offsets.shareHashes, bytes.length, size)
    const view = new DataView(bytes.buffer)
    let at = 0
    for (const [node, hash] of hashes) {
      view.setUint16(at, node)
      bytes.set(hash, at + 2)
      at += SHARE_HASH_ENTRY_SIZE
    }
    this.#queue(bytes)
    return this.#flushIfFull(options)
  }

  putUriExtension(block: Uint8Array, options?: OperationOptions): Promise<void> {
    this.#expect(this.layout.offsets.uriExtension, block.length, this.#shape.uriExtensionSize)
    const length = new Uint8Array(this.layout.fieldSize)
    writeField(new DataView(length.buffer), 0, this.layout.fieldSize, block.length)
    this.#queue(length)
    this.#queue(block)
    return this.#flush(options)
  }

  async close(options?: OperationOptions): Promise<void> {
    if (this.#sent + this.#pending !== this.allocatedSize) {
      const held = this.#sent + this.#pending
      throw new RangeError(`chk writer: closed after ${held} of ${this.allocatedSize} bytes`)
    }
    await this.#lastWrite
    await this.#bucket.close(options)
  }

  async abort(options?: OperationOptions): Promise<void> {
    this.#pieces = []
    for (const release of this.#releases.splice(0)) release()
    await this.#bucket.abort(options)
  }

  #expect(offset: number, size: number, expectedSize: number): void {
    const at = this.#sent + this.#pending
    if (offset !== at) {
      throw new RangeError(`chk writer: a section for offset ${offset} came at ${at}`)
    }
    if (size !== expectedSize) {
      throw new RangeError(`chk writer: expected a section of ${expectedSize} bytes, got ${size}`)
    }
  }

  #queue(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#pending += bytes.length
  }

  #flushIfFull(options?: OperationOptions): Promise<void> {
    return this.#pending >= this.#nextBatchSize ? this.#flush(options) : Promise.resolve()
  }

  #flush(options?: OperationOptions): Promise<void> {
    const pieces = this.#pieces
    const offset = this.#sent
    this.#pieces = []
    this.#sent += this.#pending
    this.#pending = 0
    this.#nextBatchSize = this.#batchSize
    if (pieces.length > 0) {
      const releases = this.#releases.splice(0)
      this.#lastWrite = this.#lastWrite
        .then(() => this.#bucket.write(offset, pieces, options))
        .finally(() => {
          for (const release of releases) release()
        })
    }
    return this.#lastWrite
  }
}

function joinHashes(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_SIZE)
  for (const [index, hash] of hashes.entries()) bytes.set(hash, index * HASH_SIZE)
  return bytes
}
