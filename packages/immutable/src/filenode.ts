import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { UnableToFetchCriticalDownloadDataError } from '@lafs/filesystem-interface'
import type {
  IImmutableFileNode,
  OperationHistory,
  Progress,
  ProgressOptions,
  ReadOptions,
} from '@lafs/filesystem-interface'
import type { IStorageBroker } from '@lafs/storage-interface'
import type { ChkCap, ChkVerifierCap, LitCap } from '@lafs/uri'
import { concatBytes } from '@lafs/crypto'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { FileState } from './download/file-state.ts'
import { readCrypttext } from './download/read.ts'
import { DownloadStatus } from './status.ts'

/** What a node reads its file with. Without a `crypto` it takes the platform's. */
export interface ImmutableNodeOptions {
  readonly broker: IStorageBroker
  readonly codec: CodecProvider
  readonly crypto?: CryptoProvider | undefined
  readonly clock?: Clock | undefined
  /** Hears of the node's download as its first read begins; the status is live. */
  readonly history?: Pick<OperationHistory, 'addDownload' | 'addRead'> | undefined
}

/**
 * A file node over a CHK or LIT cap. Making it does no I/O; a CHK node remembers the shares and the
 * hashes that its reads have found.
 *
 * @see allmydata.immutable.filenode.ImmutableFileNode; allmydata.immutable.literal.LiteralFileNode
 */
export function createImmutableNode(
  cap: ChkCap | LitCap,
  options: ImmutableNodeOptions,
): IImmutableFileNode {
  return cap.kind === 'lit' ? new LitNode(cap) : new ChkNode(cap, options)
}

/** What LIT and CHK nodes have in common. */
abstract class ImmutableNode implements IImmutableFileNode {
  readonly kind = 'immutable-file'
  readonly readonly = true
  readonly mutable = false
  readonly unknown = false
  readonly allowedInImmutableDirectory = true
  readonly writeUri = undefined
  abstract readonly cap: ChkCap | LitCap

  abstract read(options?: ReadOptions): AsyncIterable<Uint8Array>

  get readCap(): ChkCap | LitCap {
    return this.cap
  }

  get verifyCap(): ChkVerifierCap | undefined {
    return this.cap.verifyCap()
  }

  get repairCap(): ChkVerifierCap | undefined {
    return this.cap.verifyCap()
  }

  get uri(): string {
    return this.cap.format()
  }

  get readonlyUri(): string {
    return this.cap.format()
  }

  get storageIndex(): Uint8Array | undefined {
    return this.cap.storageIndex
  }

  get size(): number {
    return this.cap.size
  }

  raiseError(): void {}

  async currentSize(): Promise<number> {
    return this.size
  }

  async sizeOfBestVersion(): Promise<number> {
    return this.size
  }

  async bestReadableVersion(): Promise<IImmutableFileNode> {
    return this
  }

  downloadBestVersion(options?: ProgressOptions): Promise<Uint8Array> {
    return this.downloadToData(options)
  }

  async downloadToData(options: ProgressOptions = {}): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.read(options)) pieces.push(piece)
    return concatBytes(pieces)
  }
}

class LitNode extends ImmutableNode {
  readonly cap: LitCap

  constructor(cap: LitCap) {
    super()
    this.cap = cap
  }

  async *read(options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    options.signal?.throwIfAborted()
    const { offset, size } = clip(this.size, options)
    if (size > 0) yield this.cap.data.slice(offset, offset + size)
  }
}

class ChkNode extends ImmutableNode {
  readonly cap: ChkCap
  readonly #crypto: CryptoProvider
  readonly #file: FileState | undefined
  readonly #status: DownloadStatus
  readonly #history: ImmutableNodeOptions['history']
  #known = false

  constructor(cap: ChkCap, options: ImmutableNodeOptions) {
    super()
    this.cap = cap
    const { broker, codec, crypto = defaultCrypto, clock = systemClock } = options
    this.#crypto = crypto
    if (cap.size > 0) this.#file = new FileState(cap.verifyCap(), { broker, codec, crypto, clock })
    this.#history = options.history
    this.#status = new DownloadStatus(cap.storageIndex, cap.size, clock, this.#file?.events)
  }

  read(options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const span = clip(this.size, options)
    return {
      [Symbol.asyncIterator]: () => {
        const reading = new Cancellation(options.signal)
        const pieces = this.#pieces(span, reading, options)
        return {
          next: () => pieces.next(),
          return: async () => {
            // First the signal: a generator that waits for a server would not hear of its return.
            reading.abort(new Error('the reader has left'))
            reading.dispose()
            await pieces.return(undefined).catch(() => {})
            return { done: true, value: undefined }
          },
        }
      },
    }
  }

  async *#pieces(
    span: Span,
    reading: Cancellation,
    options: ReadOptions,
  ): AsyncGenerator<Uint8Array> {
    try {
      reading.signal.throwIfAborted()
      this.#history?.addRead?.(span.size)
      if (this.#file === undefined) {
        throw new UnableToFetchCriticalDownloadDataError(
          'the cap says that the file is empty, but files of so few bytes are in their caps',
        )
      }
      if (span.size > 0) yield* this.#download(this.#file, span, reading, options)
    } finally {
      reading.dispose()
    }
  }

  async *#download(
    file: FileState,
    { offset, size }: Span,
    reading: Cancellation,
    { onProgress }: ReadOptions,
  ): AsyncGenerator<Uint8Array> {
    if (!this.#known) this.#history?.addDownload(this.#status)
    this.#known = true
    const status = this.#status
    const progress = (update: Progress): void => {
      status.follow(update)
      onProgress?.(update)
    }
    file.acquire()
    status.begin()
    const { events } = file
    const event = events.read(offset, size)
    let outcome = 'Stopped'
    try {
      const pieces = readCrypttext(file, {
        offset,
        size,
        signal: reading.signal,
        onProgress: progress,
        onServers: (ids) => status.used(ids),
      })
      for await (const piece of pieces) {
        const fetchedMs = events.nowMs
        await this.#crypto.aesCtrInPlace(this.cap.key, piece.bytes, { offset: piece.offset })
        const handedOutMs = events.nowMs
        event.decryptMs += handedOutMs - fetchedMs
        // The piece is the reader's once it is handed out.
        event.bytesReturned += piece.bytes.length
        yield piece.bytes
        event.pausedMs += events.nowMs - handedOutMs
      }
      outcome = 'Finished'
    } catch (error) {
      outcome = 'Failed'
      throw error
    } finally {
      event.finishMs = events.nowMs
      status.end(outcome, file)
      // However it ended: nobody wants what is still fetched ahead.
      reading.abort(new Error('the read has ended'))
      file.release()
    }
  }
}

interface Span {
  readonly offset: number
  readonly size: number
}

/** The span of a file that a reader gets: what lies within it. */
function clip(fileSize: number, options: ReadOptions): Span {
  const { offset = 0, size = fileSize } = options
  for (const [name, value] of [
    ['offset', offset],
    ['size', size],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`expected ${name} to be a safe integer >= 0, got ${value}`)
    }
  }
  return { offset, size: Math.max(0, Math.min(size, fileSize - offset)) }
}
