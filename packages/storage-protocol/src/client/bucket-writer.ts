import {
  type ByteRange,
  DataTooLargeError,
  type OperationOptions,
  type ResizeOptions,
  type RIBucketWriter,
  type ShareNumber,
  StorageError,
  type StorageIndex,
} from '@lafs/storage-interface'
import { decodeRequired, encodeResize } from '../messages/index.ts'
import { formatContentRange } from '../ranges.ts'
import { badResponse, decodeResponse, type MakeCall, refusal } from './calls.ts'

/** The upload of one share over HTTP. */
export class HttpBucketWriter implements RIBucketWriter {
  readonly #makeCall: MakeCall
  readonly #upload: {
    readonly storageIndex: StorageIndex
    readonly shareNumber: ShareNumber
    readonly secrets: readonly (readonly ['upload-secret', Uint8Array])[]
  }
  #allocatedSize: number
  #state: 'open' | 'complete' | 'ended' = 'open'

  constructor(
    makeCall: MakeCall,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    uploadSecret: Uint8Array,
    allocatedSize: number,
  ) {
    this.#makeCall = makeCall
    this.#upload = { storageIndex, shareNumber, secrets: [['upload-secret', uploadSecret]] }
    this.#allocatedSize = allocatedSize
  }

  async write(
    offset: number,
    pieces: readonly Uint8Array[],
    options?: OperationOptions,
  ): Promise<void> {
    if (this.#state === 'ended') throw this.#ended()
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const range = { begin: offset, end: offset + size }
    if (!Number.isSafeInteger(range.end) || offset < 0) {
      throw new StorageError('STORAGE_BAD_RANGE', `an offset of ${offset}`)
    }
    if (range.end > this.#allocatedSize) {
      const { shareNumber } = this.#upload
      throw new DataTooLargeError('past the allocated size of the share', { shareNumber })
    }
    // A range of HTTP cannot be empty.
    if (size === 0) return
    await this.#send(range, pieces, options)
  }

  /**
   * Writes the first bytes once more, and learns which spans the server still wants.
   *
   * @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE` when it does not know the upload.
   */
  async resume(firstBytes: Uint8Array, options?: OperationOptions): Promise<readonly ByteRange[]> {
    const range = { begin: 0, end: firstBytes.length }
    const missing = await this.#send(range, [firstBytes], options, 'STORAGE_NO_SUCH_SHARE')
    if (missing.every(({ begin, end }) => begin < end && end <= this.#allocatedSize)) return missing
    throw badResponse('spans that do not lie within the share', 200)
  }

  async #send(
    range: ByteRange,
    pieces: readonly Uint8Array[],
    options: OperationOptions | undefined,
    codeOf404: 'STORAGE_UPLOAD_ENDED' | 'STORAGE_NO_SUCH_SHARE' = 'STORAGE_UPLOAD_ENDED',
  ): Promise<readonly ByteRange[]> {
    const headers = [['content-range', formatContentRange(range)]] as const
    const call = { ...this.#upload, route: 'writeShare', headers, pieces } as const
    const response = await this.#makeCall(call, options)
    if (response.status === 404) throw this.#ended(404, codeOf404)
    if (response.status !== 200 && response.status !== 201) {
      throw refusal(response, this.#upload.shareNumber)
    }
    const missing = decodeResponse(response, decodeRequired)
    // The server commits the share by itself with the write that completes it.
    if (response.status === 201) this.#state = 'complete'
    return missing
  }

  async resize(size: number, { final, signal }: ResizeOptions): Promise<void> {
    if (this.#state === 'ended') throw this.#ended()
    const { shareNumber } = this.#upload
    const message = encodeResize({ size, final })
    const call = { ...this.#upload, route: 'resizeUpload', message } as const
    const response = await this.#makeCall(call, signal && { signal })
    if (response.status === 404) throw this.#ended(404)
    if (response.status === 400) {
      const why = 'the server does not change the size so'
      throw new StorageError('STORAGE_BAD_RANGE', why, { status: 400, shareNumber })
    }
    if (response.status !== 200 && response.status !== 201) throw refusal(response, shareNumber)
    decodeResponse(response, decodeRequired)
    this.#allocatedSize = size
    if (response.status === 201) this.#state = 'complete'
  }

  /** Settles at once: a share is committed by the write that completes it. */
  async close(): Promise<void> {
    if (this.#state === 'open') {
      throw new StorageError(
        'STORAGE_BAD_RANGE',
        'the share cannot be closed before all of it has been written',
        { shareNumber: this.#upload.shareNumber },
      )
    }
    if (this.#state === 'ended') throw this.#ended()
    this.#state = 'ended'
  }

  async abort(options?: OperationOptions): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    const response = await this.#makeCall({ ...this.#upload, route: 'abortUpload' }, options)
    const { status } = response
    // 404 and 405: dropped, or completed, meanwhile.
    if (status === 200 || status === 404 || status === 405) return
    throw status < 300 ? badResponse(`the status ${status}`, status) : refusal(response)
  }

  #ended(
    status?: number,
    code: 'STORAGE_UPLOAD_ENDED' | 'STORAGE_NO_SUCH_SHARE' = 'STORAGE_UPLOAD_ENDED',
  ): StorageError {
    const { shareNumber } = this.#upload
    return new StorageError(code, 'the upload has ended', { status, shareNumber })
  }
}
