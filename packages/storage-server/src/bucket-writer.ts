import { sameBytes } from '@lafs/crypto'
import { ConflictingWriteError, DataTooLargeError, StorageError } from '@lafs/storage-interface'
import type {
  ByteRange,
  IncomingShare,
  OperationOptions,
  ResizeOptions,
  ServedBucketWriter,
  ShareNumber,
} from '@lafs/storage-interface'
import { checkSpan } from './checks.ts'
import { KeyedQueue } from './queue.ts'
import { WrittenRanges } from './ranges.ts'
import type { OperationStatistics } from './statistics.ts'

/** Calls back once after a delay, unless the function that it returns is called before. */
export type Schedule = (callback: () => void, delayMs: number) => () => void

/** What a bucket writer needs of its server. */
export interface BucketWriterContext {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly schedule: Schedule
  /** After so long without a write the upload is abandoned: it stays while it is in nobody's way. */
  readonly idleTimeoutMs: number
  /** And no longer than this. */
  readonly keepAbandonedMs: number
  /** Whether there is room enough to keep what is abandoned. */
  readonly hasAmpleRoom: () => Promise<boolean>
  readonly statistics: OperationStatistics
  /** Changes the room that the share was promised; `written` bytes of it are in use. */
  readonly changeRoom: (from: number, to: number, written: number) => Promise<void>
  /** Runs a task in turn with other operations on its storage index. */
  readonly inTurn: (task: () => Promise<void>) => Promise<void>
  /** Called once, after the share has been committed or dropped, with the room it was promised. */
  readonly onEnd: (size: number) => void
}

/** One immutable share being uploaded: its ranges, its conflicts and its idleness. */
export class BucketWriter implements ServedBucketWriter {
  readonly shareNumber: ShareNumber
  #allocatedSize: number
  #isOpenEnded: boolean
  readonly #incoming: IncomingShare
  readonly #context: BucketWriterContext
  readonly #written = new WrittenRanges()
  readonly #queue = new KeyedQueue()
  readonly #end = new AbortController()
  #ending: Promise<void> | undefined
  #aborting: Promise<void> | undefined
  #hasGivenWay = false
  #lastWrite: number
  #cancelTimer: () => void

  constructor(
    incoming: IncomingShare,
    shareNumber: ShareNumber,
    allocatedSize: number,
    context: BucketWriterContext,
    isOpenEnded = false,
  ) {
    this.#incoming = incoming
    this.shareNumber = shareNumber
    this.#allocatedSize = allocatedSize
    this.#isOpenEnded = isOpenEnded
    this.#context = context
    this.#lastWrite = context.now()
    this.#cancelTimer = context.schedule(this.#checkIdle, context.idleTimeoutMs)
  }

  get allocatedSize(): number {
    return this.#allocatedSize
  }

  get isOpenEnded(): boolean {
    return this.#isOpenEnded
  }

  get ended(): AbortSignal {
    return this.#end.signal
  }

  /** Whether nobody has written for so long that another upload may take the place of this one. */
  get isAbandoned(): boolean {
    const { now, idleTimeoutMs } = this.#context
    return this.#ending === undefined && now() - this.#lastWrite >= idleTimeoutMs
  }

  /** Settles when an abort that is under way is done; at once when there is none. */
  async aborted(): Promise<void> {
    await this.#aborting?.catch(() => {})
  }

  requiredRanges(): readonly ByteRange[] {
    return this.#written.missing(this.allocatedSize)
  }

  async write(
    offset: number,
    pieces: readonly Uint8Array[],
    options?: OperationOptions,
  ): Promise<void> {
    options?.signal?.throwIfAborted()
    this.#assertGoingOn()
    this.#lastWrite = this.#context.now()
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    checkSpan('write', offset, length)
    const write = async (): Promise<void> => {
      this.#assertGoingOn()
      // Only now: a change of the size may have come before.
      const { allocatedSize, shareNumber } = this
      if (offset + length > allocatedSize)
        throw new DataTooLargeError(
          `${length} bytes at ${offset} reach past the ${allocatedSize} that were allocated`,
          { shareNumber },
        )
      await this.#checkConflicts(offset, pieces, offset + length)
      await this.#incoming.write(offset, pieces)
      this.#written.add(offset, offset + length)
    }
    await this.#context.statistics.measure('write', () => this.#inTurn(write))
  }

  async resize(size: number, { final, signal }: ResizeOptions): Promise<void> {
    signal?.throwIfAborted()
    checkSpan('size', 0, size)
    this.#assertGoingOn()
    this.#lastWrite = this.#context.now()
    await this.#inTurn(async () => {
      this.#assertGoingOn()
      const { shareNumber } = this
      if (!this.#isOpenEnded) {
        throw new StorageError('STORAGE_BAD_RANGE', 'the size is final', { shareNumber })
      }
      if (this.#written.end > size) {
        const message = `bytes up to ${this.#written.end} have been written`
        throw new StorageError('STORAGE_BAD_RANGE', message, { shareNumber })
      }
      const before = this.#allocatedSize
      const { changeRoom } = this.#context
      // Room is asked for before the share grows, and given back after it has shrunk.
      if (size > before) await changeRoom(before, size, this.#written.size)
      try {
        await this.#incoming.resize(size)
      } catch (error) {
        if (size > before) await changeRoom(size, before, 0)
        throw error
      }
      if (size < before) await changeRoom(before, size, 0)
      this.#allocatedSize = size
      this.#isOpenEnded = !final
    })
  }

  async close(options?: OperationOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    this.#assertGoingOn()
    const close = async (): Promise<void> => {
      this.#assertGoingOn()
      if (this.#isOpenEnded) {
        const { shareNumber } = this
        throw new StorageError('STORAGE_BAD_RANGE', 'the size is not final yet', { shareNumber })
      }
      const [gap] = this.requiredRanges()
      if (gap !== undefined) {
        const message = `bytes ${gap.begin} to ${gap.end} of the share were never written`
        throw new StorageError('STORAGE_BAD_RANGE', message, { shareNumber: this.shareNumber })
      }
      this.#ending = this.#finish(() => this.#context.inTurn(() => this.#commit()))
      await this.#ending
      this.#context.statistics.count('bytes_added', this.allocatedSize)
    }
    await this.#context.statistics.measure('close', () => this.#inTurn(close))
  }

  async abort(options?: OperationOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#ending === undefined) {
      this.#context.statistics.count('abort')
      this.#aborting = this.#inTurn(() => this.#finish(() => this.#incoming.discard()))
      this.#ending = this.#aborting
    }
    // An abort after a close that failed is still harmless.
    await this.#ending.catch(() => {})
  }

  /** Drops the share, even while it waits for its turn to be committed: a slot has taken its place. */
  giveWay(): void {
    this.#hasGivenWay = true
    void this.abort()
  }

  async #commit(): Promise<void> {
    if (!this.#hasGivenWay) return this.#incoming.commit()
    await this.#incoming.discard()
    throw this.#ended()
  }

  /** Writes, the close and the abort of one share do not overlap. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    return this.#queue.run('', task)
  }

  async #finish(lastStep: () => Promise<void>): Promise<void> {
    this.#cancelTimer()
    try {
      await lastStep()
    } finally {
      this.#context.onEnd(this.#allocatedSize)
      this.#end.abort()
    }
  }

  #assertGoingOn(): void {
    if (this.#ending !== undefined) throw this.#ended()
  }

  #ended(): StorageError {
    const { shareNumber } = this
    return new StorageError('STORAGE_UPLOAD_ENDED', 'the upload has ended', { shareNumber })
  }

  async #checkConflicts(
    offset: number,
    pieces: readonly Uint8Array[],
    writeEnd: number,
  ): Promise<void> {
    for (const { begin, end } of this.#written.within(offset, writeEnd)) {
      const stored = await this.#incoming.read(begin, end - begin)
      if (sameBytes(stored, cut(pieces, begin - offset, end - offset))) continue
      const message = `bytes ${begin} to ${end} differ from those written before`
      throw new ConflictingWriteError(message, { shareNumber: this.shareNumber })
    }
  }

  readonly #checkIdle = (): void => {
    const { now, schedule, idleTimeoutMs } = this.#context
    const remaining = this.#lastWrite + idleTimeoutMs - now()
    if (remaining <= 0) void this.#reviewAbandoned()
    else this.#cancelTimer = schedule(this.#checkIdle, remaining)
  }

  /** Drops an abandoned upload that is too old, or takes room that others need; looks again later. */
  async #reviewAbandoned(): Promise<void> {
    const { now, schedule, idleTimeoutMs, keepAbandonedMs, hasAmpleRoom } = this.#context
    const isOld = now() - this.#lastWrite >= keepAbandonedMs
    const stays = !isOld && (await hasAmpleRoom().catch(() => false))
    if (this.#ending !== undefined) return
    // A write that came meanwhile has made it young again.
    if (stays || !this.isAbandoned) this.#cancelTimer = schedule(this.#checkIdle, idleTimeoutMs)
    else await this.abort()
  }
}

/** The bytes `[begin, end)` of pieces that follow one another. */
function cut(pieces: readonly Uint8Array[], begin: number, end: number): Uint8Array {
  const result = new Uint8Array(end - begin)
  let at = 0
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, begin - at), Math.max(0, end - at))
    result.set(part, Math.max(0, at - begin))
    at += piece.length
    if (at >= end) break
  }
  return result
}
