import type { ICodecDecoder } from '@lafs/codec-interface'
import { crypttextSegmentHashPrefix, sameBytes, takeMemory } from '@lafs/crypto'
import { BadCiphertextHashError } from '@lafs/filesystem-interface'
import type { ProgressListener } from '@lafs/filesystem-interface'
import { segmentSizes } from '../geometry.ts'
import type { Block } from './block-runs.ts'
import type { FileState } from './file-state.ts'
import { SegmentFetcher } from './segment-fetcher.ts'

/** Segments that may be on their way at once: one to hand out, the others ahead of the reader. */
const SEGMENTS_IN_FLIGHT = 4
/** Bytes of all segments on their way, unless a single one is larger. */
const IN_FLIGHT_SIZE = 24 * 1024 * 1024

/** One piece of ciphertext, and where it stands in the file. */
export interface CrypttextPiece {
  readonly offset: number
  readonly bytes: Uint8Array
}

export interface CrypttextSpan {
  readonly offset: number
  /** At least 1; the span ends within the file. */
  readonly size: number
  readonly signal: AbortSignal
  readonly onProgress?: ProgressListener | undefined
  readonly onServers?: ((serverIds: ReadonlySet<string>) => void) | undefined
}

/**
 * The ciphertext of a span of a file, checked, a piece a segment; at most a few segments are fetched
 * ahead of the reader.
 *
 * @throws {@link FilesystemError} `DOWNLOAD_NO_SHARES`, `DOWNLOAD_NOT_ENOUGH_SHARES`,
 *   `DOWNLOAD_BAD_CIPHERTEXT_HASH`, `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE`.
 * @see allmydata.immutable.downloader.segmentation.Segmentation
 */
export async function* readCrypttext(
  file: FileState,
  span: CrypttextSpan,
): AsyncGenerator<CrypttextPiece> {
  const { offset, size, signal, onProgress } = span
  const fetcher = new SegmentFetcher(file, signal)
  onProgress?.({ phase: 'locating', done: file.shares.length, total: undefined })
  await fetcher.ready()
  onProgress?.({ phase: 'locating', done: file.shares.length, total: undefined })
  const { segmentSize } = file.known().geometry
  const last = Math.floor((offset + size - 1) / segmentSize)
  const depth = Math.max(1, Math.min(SEGMENTS_IN_FLIGHT, Math.floor(IN_FLIGHT_SIZE / segmentSize)))
  const inFlight: Promise<Uint8Array>[] = []
  let next = Math.floor(offset / segmentSize)
  let done = 0
  onProgress?.({ phase: 'downloading', done, total: size })
  for (let segment = next; segment <= last; segment++) {
    while (next <= last && inFlight.length < depth) {
      const fetched = fetchSegment(file, fetcher, next++, last)
      fetched.catch(() => {})
      inFlight.push(fetched)
    }
    const crypttext = await inFlight.shift()
    if (crypttext === undefined) return
    const begin = Math.max(offset - segment * segmentSize, 0)
    const bytes = crypttext.subarray(begin, offset + size - segment * segmentSize)
    span.onServers?.(fetcher.serversUsed)
    yield { offset: segment * segmentSize + begin, bytes }
    done += bytes.length
    onProgress?.({ phase: 'downloading', done, total: size })
  }
}

/** One segment of ciphertext, with what happens to it in the log. */
async function fetchSegment(
  file: FileState,
  fetcher: SegmentFetcher,
  segment: number,
  lastSegment: number,
): Promise<Uint8Array> {
  const { events } = file
  const event = events.segment(segment)
  event.activeMs = event.startMs
  try {
    const crypttext = await checkedSegment(file, fetcher, segment, lastSegment, (decodeMs) => {
      event.decodeMs = decodeMs
    })
    event.success = true
    event.segmentOffset = segment * file.known().geometry.segmentSize
    event.segmentSize = crypttext.length
    return crypttext
  } catch (error) {
    event.success = false
    throw error
  } finally {
    event.finishMs = events.nowMs
  }
}

/** One segment of ciphertext: its blocks fetched and decoded, its hash checked. */
async function checkedSegment(
  file: FileState,
  fetcher: SegmentFetcher,
  segment: number,
  lastSegment: number,
  onDecoded: (decodeMs: number) => void,
): Promise<Uint8Array> {
  const blocks = await fetcher.blocks(segment, lastSegment)
  const { geometry, crypttextTree } = file.known()
  const { size, blockSize } = segmentSizes(geometry, segment)
  const startMs = file.clock.nowMs()
  const padded = await decode(file.decoder, blocks, blockSize)
  for (const block of blocks.values()) block.release()
  onDecoded(file.clock.nowMs() - startMs)
  const crypttext = padded.subarray(0, size)
  const [hash] = await file.crypto.sha256dMany(crypttextSegmentHashPrefix, [crypttext])
  const expected = crypttextTree.leaf(segment)
  if (hash === undefined || expected === undefined || !sameBytes(hash, expected)) {
    throw new BadCiphertextHashError(`hash failure in ciphertext_hash_tree: segnum=${segment}`)
  }
  return crypttext
}

/** The input blocks in one array: those that are missing are decoded into their places. */
async function decode(
  decoder: ICodecDecoder,
  blocks: ReadonlyMap<number, Block>,
  blockSize: number,
): Promise<Uint8Array> {
  // Never a block itself: what is returned will be decrypted where it stands.
  const segment = takeMemory(decoder.requiredShares * blockSize)
  const places = Array.from({ length: decoder.requiredShares }, (_, index) =>
    segment.subarray(index * blockSize, (index + 1) * blockSize),
  )
  const missing = places.filter((_, index) => !blocks.has(index))
  for (const [index, place] of places.entries()) {
    const block = blocks.get(index)
    if (block !== undefined) place.set(block.bytes)
  }
  if (missing.length > 0) {
    const given = [...blocks.values()].map(({ bytes }) => bytes)
    await decoder.decode(given, [...blocks.keys()], { into: missing })
  }
  return segment
}
