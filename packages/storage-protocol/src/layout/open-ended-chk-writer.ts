import { StorageError } from '@lafs/storage-interface'
import type {
  IStorageBucketWriter,
  OperationOptions,
  PutBlockOptions,
  RIBucketWriter,
} from '@lafs/storage-interface'
import { chkAllocatedSize, packChkHeader, planChkLayout } from './chk-layout.ts'
import type { ChkLayout, ChkShareShape } from './chk-layout.ts'
import { ChkBucketWriter, WRITE_BATCH_SIZE } from './chk-writer.ts'

/** Where blocks begin in the layout with 8-byte numbers, which has room for shares of any size. */
const DATA_OFFSET = 68
/** A share whose room is used up gets as much again, but no more than this. */
const GROWTH_MAX: number = 1024 * 1024 * 1024

/** How an {@link OpenEndedChkWriter} writes. */
export interface OpenEndedChkWriterOptions {
  /** Bytes that the bucket was allocated with. */
  readonly allocatedSize: number
  /** As in {@link ChkBucketWriterOptions}. */
  readonly batchSize?: number
  readonly firstBatchSize?: number
}

/**
 * Writes one immutable share whose size is not known before its last block onto an open-ended bucket.
 * It is as {@link ChkBucketWriter} otherwise, but for the order: the header comes last.
 */
export class OpenEndedChkWriter implements IStorageBucketWriter {
  readonly #bucket: RIBucketWriter
  readonly #batchSize: number
  #nextBatchSize: number
  #allocatedSize: number
  #pieces: Uint8Array[] = []
  /** To be told when the pieces are not needed any more. */
  #releases: (() => void)[] = []
  #pending = 0
  #sent = 0
  #lastWrite: Promise<void> = Promise.resolve()
  /** What takes the hashes, from the moment that the size is known. */
  #tail: ChkBucketWriter | undefined

  constructor(bucket: RIBucketWriter, options: OpenEndedChkWriterOptions) {
    this.#bucket = bucket
    this.#allocatedSize = options.allocatedSize
    this.#batchSize = options.batchSize ?? WRITE_BATCH_SIZE
    this.#nextBatchSize = options.firstBatchSize ?? this.#batchSize
  }

  /** Blocks come in order; all but the last one are of one size. */
  putBlock(_segmentIndex: number, block: Uint8Array, options?: PutBlockOptions): Promise<void> {
    if (this.#tail !== undefined) throw new RangeError('chk writer: a block after the size was set')
    this.#pieces.push(block)
    this.#pending += block.length
    if (options?.onReleased) this.#releases.push(options.onReleased)
    return this.#pending >= this.#nextBatchSize ? this.#flush(options) : Promise.resolve()
  }

  /**
   * Sets the shape of the share, once all blocks are there.
   *
   * @throws RangeError when they are not what it says.
   */
  async settle(shape: ChkShareShape, options?: OperationOptions): Promise<void> {
    const layout = planChkLayout(shape, 2)
    if (this.#sent + this.#pending !== shape.dataSize) {
      const got = this.#sent + this.#pending
      throw new RangeError(`chk writer: expected ${shape.dataSize} bytes of blocks, got ${got}`)
    }
    await this.#flush(options)
    const size = chkAllocatedSize(layout, shape.uriExtensionSize)
    await this.#resize(size, true, options)
    this.#tail = new ChkBucketWriter(this.#tailBucket(layout), shape, {
      version: 2,
      batchSize: this.#batchSize,
      blocksWritten: true,
    })
  }

  putCrypttextHashes(hashes: readonly Uint8Array[], options?: OperationOptions): Promise<void> {
    return this.#settled().putCrypttextHashes(hashes, options)
  }

  putBlockHashes(hashes: readonly Uint8Array[], options?: OperationOptions): Promise<void> {
    return this.#settled().putBlockHashes(hashes, options)
  }

  putShareHashes(
    hashes: ReadonlyMap<number, Uint8Array>,
    options?: OperationOptions,
  ): Promise<void> {
    return this.#settled().putShareHashes(hashes, options)
  }

  putUriExtension(block: Uint8Array, options?: OperationOptions): Promise<void> {
    return this.#settled().putUriExtension(block, options)
  }

  close(options?: OperationOptions): Promise<void> {
    return this.#settled().close(options)
  }

  async abort(options?: OperationOptions): Promise<void> {
    this.#pieces = []
    for (const release of this.#releases.splice(0)) release()
    await this.#bucket.abort(options)
  }

  #settled(): ChkBucketWriter {
    if (this.#tail === undefined) throw new RangeError('chk writer: the size is not known yet')
    return this.#tail
  }

  /** Writes the header before the share is closed: a server takes it for whole with the last byte. */
  #tailBucket(layout: ChkLayout): RIBucketWriter {
    const bucket = this.#bucket
    return {
      write: (offset, pieces, options) => bucket.write(offset, pieces, options),
      close: async (options) => {
        await bucket.write(0, [packChkHeader(layout)], options)
        await bucket.close(options)
      },
      abort: (options) => bucket.abort(options),
    }
  }

  #flush(options?: OperationOptions): Promise<void> {
    const pieces = this.#pieces
    const begin = this.#sent
    const size = this.#pending
    this.#pieces = []
    this.#sent += size
    this.#pending = 0
    this.#nextBatchSize = this.#batchSize
    if (pieces.length > 0) {
      const releases = this.#releases.splice(0)
      this.#lastWrite = this.#lastWrite
        .then(async () => {
          await this.#makeRoom(DATA_OFFSET + begin + size, options)
          await this.#bucket.write(DATA_OFFSET + begin, pieces, options)
        })
        .finally(() => {
          for (const release of releases) release()
        })
    }
    return this.#lastWrite
  }

  async #makeRoom(size: number, options: OperationOptions | undefined): Promise<void> {
    const allocated = this.#allocatedSize
    if (size <= allocated) return
    await this.#resize(Math.max(size, allocated + Math.min(allocated, GROWTH_MAX)), false, options)
  }

  async #resize(
    size: number,
    final: boolean,
    options: OperationOptions | undefined,
  ): Promise<void> {
    const resizing = this.#bucket.resize?.(size, { ...options, final })
    if (resizing === undefined) {
      throw new StorageError('STORAGE_NOT_SUPPORTED', 'the size of the upload cannot be changed')
    }
    await resizing
    this.#allocatedSize = size
  }
}
