import type {
  IStorageBucketReader,
  OperationOptions,
  RIBucketReader,
} from '@lafs/storage-interface'
import { StorageError } from '@lafs/storage-interface'
import {
  CHK_HEADER_SIZE_MAX,
  parseChkHeader,
  parseHashes,
  parseShareHashes,
  parseUriExtensionSize,
} from './chk-layout.ts'
import type { ChkLayout } from './chk-layout.ts'

/** A section of hashes above this many bytes is not read in one go: 16 MiB, or 2^18 segments. */
export const HASH_SECTION_SIZE_LIMIT: number = 16 * 1024 * 1024

/**
 * Reads the sections of an immutable share from a bucket, in either layout. The header is read once,
 * by the first method that needs it.
 *
 * @see allmydata.immutable.layout.ReadBucketProxy
 */
export class ChkBucketReader implements IStorageBucketReader {
  readonly #bucket: RIBucketReader
  #header: Promise<ChkLayout> | undefined

  constructor(bucket: RIBucketReader) {
    this.#bucket = bucket
  }

  /** The header of the share, checked. */
  layout(options?: OperationOptions): Promise<ChkLayout> {
    this.#header ??= this.#bucket
      .read(0, CHK_HEADER_SIZE_MAX, options)
      .then((bytes) => parseChkHeader(bytes))
      .catch((error: unknown) => {
        this.#header = undefined
        throw error
      })
    return this.#header
  }

  async getBlock(
    segmentIndex: number,
    blockSize: number,
    size: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    const { offsets } = await this.layout(options)
    const begin = offsets.data + segmentIndex * blockSize
    return this.#section('block', begin, begin + size, options)
  }

  async getCrypttextHashes(options?: OperationOptions): Promise<Uint8Array[]> {
    const { offsets } = await this.layout(options)
    return parseHashes(
      await this.#section(
        'crypttext hashes',
        offsets.crypttextHashTree,
        offsets.blockHashes,
        options,
      ),
    )
  }

  async getBlockHashes(options?: OperationOptions): Promise<Uint8Array[]> {
    const { offsets } = await this.layout(options)
    return parseHashes(
      await this.#section('block hashes', offsets.blockHashes, offsets.shareHashes, options),
    )
  }

  async getShareHashes(options?: OperationOptions): Promise<Map<number, Uint8Array>> {
    const { offsets } = await this.layout(options)
    return parseShareHashes(
      await this.#section('share hashes', offsets.shareHashes, offsets.uriExtension, options),
    )
  }

  async getUriExtension(options?: OperationOptions): Promise<Uint8Array> {
    const { fieldSize, offsets } = await this.layout(options)
    const length = await this.#bucket.read(offsets.uriExtension, fieldSize, options)
    const begin = offsets.uriExtension + fieldSize
    const size = parseUriExtensionSize(length, fieldSize)
    return this.#section('URI extension', begin, begin + size, options)
  }

  async #section(
    name: string,
    begin: number,
    end: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    const size = end - begin
    if (name !== 'block' && size > HASH_SECTION_SIZE_LIMIT) {
      throw new StorageError('STORAGE_BAD_SHARE', `chk share: ${name} of ${size} bytes`)
    }
    const bytes = await this.#bucket.read(begin, size, options)
    if (bytes.length !== size) {
      throw new StorageError(
        'STORAGE_BAD_SHARE',
        `chk share: expected ${name} of ${size} bytes, got ${bytes.length}`,
      )
    }
    return bytes
  }
}
