import { sameBytes, taggedPairHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { FilesystemErrorCode, Shareholder } from '@lafs/filesystem-interface'
import { isStorageError } from '@lafs/storage-interface'
import type {
  ByteRange,
  OperationOptions,
  RIBucketWriter,
  ShareNumber,
} from '@lafs/storage-interface'
import { packChkHeader } from '@lafs/storage-protocol/layout'
import type { ChkLayout } from '@lafs/storage-protocol/layout'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { FileGeometry } from '../geometry.ts'
import type { UploadJournalEntry } from './upload-journal.ts'

/** Bytes of an upload secret. */
const UPLOAD_SECRET_SIZE = 20
/** A server that gets nothing for so long is told that we are still there. Upstream's wait 30 minutes. */
const SIGN_OF_LIFE_MS = 5 * 60_000

/** The failures after which there is nothing to take up again. */
const ENDS: ReadonlySet<FilesystemErrorCode> = new Set([
  'UPLOAD_CANCELLED',
  'UPLOAD_SOURCE_CHANGED',
])

/**
 * What a server holds of an interrupted upload is not what would be sent now: the data has changed
 * while it was uploaded. The upload has to begin anew.
 */
export class ResumptionError extends Error {
  override name = 'ResumptionError'
}

/** An upload that an entry of a journal goes along with. */
export class Resumption {
  readonly entry: UploadJournalEntry
  /** The bytes that each share begins with. */
  readonly firstBytes: Uint8Array
  readonly #layout: ChkLayout
  readonly #geometry: FileGeometry
  readonly #crypto: CryptoProvider
  readonly #clock: Clock
  /** Segments that an earlier upload has sent, and whose ciphertext is the same today. */
  readonly #same = new Set<number>()
  /** Whether the journal has failed to take down what another upload would have to know. */
  #lost = false
  #ended = false

  constructor(
    entry: UploadJournalEntry,
    layout: ChkLayout,
    geometry: FileGeometry,
    { crypto, clock }: { readonly crypto: CryptoProvider; readonly clock: Clock },
  ) {
    this.entry = entry
    this.firstBytes = packChkHeader(layout)
    this.#layout = layout
    this.#geometry = geometry
    this.#crypto = crypto
    this.#clock = clock
  }

  /** What opens our uploads of this file on a server, and on no other. */
  secretOn(serverId: string): Uint8Array {
    const { seed } = this.entry
    const name = new TextEncoder().encode(serverId)
    const tag = 'lafs_upload_secret_v1'
    return taggedPairHash(tag, seed, name, UPLOAD_SECRET_SIZE, this.#crypto)
  }

  /**
   * Notes who takes the shares. A journal that fails does not keep the upload from going on: there is
   * nothing to take up again then.
   */
  async place(shareholders: ReadonlyMap<ShareNumber, Shareholder>): Promise<void> {
    const placed = new Map<string, Set<ShareNumber>>()
    for (const [share, { serverId }] of shareholders) {
      placed.set(serverId, (placed.get(serverId) ?? new Set()).add(share))
    }
    try {
      await this.entry.place(placed)
    } catch {
      this.#lost = true
    }
  }

  /** From here on nothing more is noted: what is still under way belongs to a run that is over. */
  end(): void {
    this.#ended = true
  }

  /** Whether servers should keep what they hold of an upload that ends with this error. */
  keeps(error: unknown): boolean {
    const changed = error instanceof ResumptionError
    const over = isFilesystemError(error) && ENDS.has(error.code)
    return !this.#lost && !changed && !over
  }

  /**
   * Whether what an earlier run has left of a share on a server can be built upon: it was that run's
   * own, and what it sent is known.
   *
   * Servers that take no part in one run are out: what they hold was sent before that, maybe of other
   * data than those of the hashes.
   */
  canUse(serverId: string, share: ShareNumber, missing: readonly ByteRange[]): boolean {
    return this.entry.placed.get(serverId)?.has(share) === true && this.#knows(missing)
  }

  /**
   * Whether all blocks that a server holds, in full or in part, are of segments whose hash is known.
   * They are not when the end of a journal was lost in a power cut.
   */
  #knows(missing: readonly ByteRange[]): boolean {
    const { data, plaintextHashTree } = this.#layout.offsets
    const { blockSize } = this.#geometry
    return heldRanges(missing, data, plaintextHashTree).every(({ begin, end }) => {
      const last = Math.floor((end - 1 - data) / blockSize)
      for (let segment = Math.floor((begin - data) / blockSize); segment <= last; segment++) {
        if (this.entry.segmentHash(segment) === undefined) return false
      }
      return true
    })
  }

  /**
   * To be called with the hash of each segment before a block of it is sent.
   *
   * @throws {@link ResumptionError} when another ciphertext was sent for it.
   */
  async check(segment: number, hash: Uint8Array): Promise<void> {
    if (this.#ended) throw new Error('the upload has ended')
    const known = this.entry.segmentHash(segment)
    if (known === undefined) {
      // Blocks of a segment without a hash are not built upon, so that this may fail.
      if (!this.#lost) await this.entry.record(segment, hash).catch(() => {})
    } else if (sameBytes(known, hash)) this.#same.add(segment)
    else throw new ResumptionError(`segment ${segment} differs from what was uploaded before`)
  }

  /** A writer that sends what is missing, and the blocks that the server holds only if they changed. */
  writer(bucket: RIBucketWriter, missing: readonly ByteRange[]): RIBucketWriter {
    const { data, plaintextHashTree } = this.#layout.offsets
    const held = heldRanges(missing, data, plaintextHashTree)
    let heardMs = this.#clock.nowMs()
    const send = async (
      offset: number,
      pieces: readonly Uint8Array[],
      options: OperationOptions | undefined,
    ): Promise<void> => {
      heardMs = this.#clock.nowMs()
      try {
        await bucket.write(offset, pieces, options)
      } catch (cause) {
        if (!isStorageError(cause, 'STORAGE_CONFLICTING_WRITE')) throw cause
        throw new ResumptionError('a server holds other bytes', { cause })
      }
    }
    return {
      write: async (offset, pieces, options) => {
        const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
        for (const { begin, end } of this.#toSend({ begin: offset, end: offset + size }, held)) {
          await send(begin, cut(pieces, begin - offset, end - offset), options)
        }
        if (this.#clock.nowMs() - heardMs < SIGN_OF_LIFE_MS) return
        await send(0, [this.firstBytes], options)
      },
      close: (options) => bucket.close(options),
      abort: (options) => bucket.abort(options),
    }
  }

  /** The parts of a write that are not held, or not of a segment that is the same. */
  #toSend(write: ByteRange, held: readonly ByteRange[]): ByteRange[] {
    const { blockSize } = this.#geometry
    const { data } = this.#layout.offsets
    const parts: ByteRange[] = []
    let begin = write.begin
    const keep = (end: number): void => {
      if (end > begin) parts.push({ begin, end })
    }
    for (const range of held) {
      let at = Math.max(range.begin, write.begin)
      const last = Math.min(range.end, write.end)
      while (at < last) {
        const segment = Math.floor((at - data) / blockSize)
        const next = Math.min(last, data + (segment + 1) * blockSize)
        if (this.#same.has(segment)) {
          keep(at)
          begin = next
        }
        at = next
      }
    }
    keep(write.end)
    return parts
  }
}

/** What is held of `[begin, end)` when these ranges are missing. */
function heldRanges(missing: readonly ByteRange[], begin: number, end: number): ByteRange[] {
  const held: ByteRange[] = []
  let at = begin
  for (const gap of missing.toSorted((a, b) => a.begin - b.begin)) {
    if (gap.begin > at) held.push({ begin: at, end: Math.min(gap.begin, end) })
    at = Math.max(at, gap.end)
    if (at >= end) return held
  }
  held.push({ begin: at, end })
  return held
}

/** The bytes `[begin, end)` of pieces that follow one another, as views. */
function cut(pieces: readonly Uint8Array[], begin: number, end: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = 0
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, begin - at), Math.max(0, end - at))
    if (part.length > 0) parts.push(part)
    at += piece.length
  }
  return parts
}
