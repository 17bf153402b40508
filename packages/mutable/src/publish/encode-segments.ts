import type { ICodecEncoder } from '@lafs/codec-interface'
import { blockHashPrefix, sskReadkeyDataHash } from '@lafs/crypto'
import { SALT_SIZE } from '@lafs/storage-interface'
import { blockSpan } from '@lafs/storage-protocol/layout'
import type { MutableShareLayout, MutableShareShape } from '@lafs/storage-protocol/layout'
import type { MutableContext } from '../file.ts'
import type { PublishStatus } from './status.ts'

/** Bytes of contents that are read, encrypted, encoded and hashed at a time, at least one segment. */
const WINDOW_SIZE = 1024 * 1024
/** Windows that may be on their way through codec and hash at once. */
const WINDOWS_IN_FLIGHT = 3

/** Some segments to encode. */
export interface SegmentsToEncode {
  readonly shape: MutableShareShape & Pick<MutableShareLayout, 'sections'>
  /** The first segment to encode, and the last one. */
  readonly first: number
  readonly last: number
  /** 16 bytes, a secret. */
  readonly readkey: Uint8Array
  /** Puts the contents of a segment into `memory`; asked for one segment after the other. */
  readonly fill: (memory: Uint8Array, segment: number) => Promise<void>
  /**
   * For each share, where its blocks of these segments go, with the salts of MDMF before them: as
   * long as they are together.
   */
  readonly regions: readonly Uint8Array[]
  readonly signal?: AbortSignal | undefined
}

/** What encoding segments gives besides the bytes in the regions. */
export interface EncodedSegments {
  /** By share number, then by segment from the first one on. */
  readonly blockHashes: readonly (readonly Uint8Array[])[]
  /** The salt of the last segment, if there is one: that of an SDMF file. */
  readonly lastSalt: Uint8Array | undefined
}

/** A segment on its way. */
interface SegmentAtWork {
  readonly crypttext: Uint8Array
  readonly salt: Uint8Array
  /** Where its place in each region begins and ends, and where the block begins within it. */
  readonly offset: number
  readonly blockOffset: number
  readonly end: number
}

/**
 * Encrypts and encodes segments, straight into the memory of their shares, and hashes the blocks.
 * While one window of segments is encoded and hashed (on other threads, where codec and crypto
 * provider have them) the next one is read.
 *
 * @see allmydata.mutable.publish.Publish._encode_segment, _push_segment
 */
export async function encodeSegments(
  segments: SegmentsToEncode,
  context: Pick<MutableContext, 'codec' | 'crypto' | 'clock'>,
  status: PublishStatus,
): Promise<EncodedSegments> {
  const { shape, first, last, regions, signal } = segments
  const encoder = context.codec.createEncoder({
    requiredShares: shape.requiredShares,
    maxShares: shape.totalShares,
  })
  const blockHashes: Uint8Array[][] = regions.map(() => [])
  const perWindow = Math.max(1, Math.floor(WINDOW_SIZE / shape.segmentSize))
  const windowSize = Math.min(perWindow, last - first + 1) * shape.segmentSize
  // Of one window after the other: fresh memory costs more time than the arithmetic on it.
  const scratch = new Uint8Array(Math.max(0, windowSize))
  const inFlight: Promise<void>[] = []
  let lastSalt: Uint8Array | undefined
  for (let start = first; start <= last; start += perWindow) {
    signal?.throwIfAborted()
    const end = Math.min(start + perWindow - 1, last)
    const startMs = context.clock.nowMs()
    const window = await encryptWindow(segments, start, end, scratch, context.crypto)
    const encryptedMs = context.clock.nowMs()
    status.timings.encryptMs = (status.timings.encryptMs ?? 0) + encryptedMs - startMs
    lastSalt = window.at(-1)?.salt ?? lastSalt
    const encoded = encodeWindow(window, segments, encoder, context.crypto).then((hashes) => {
      for (const [share, list] of blockHashes.entries()) {
        for (const [index, hash] of (hashes[share] ?? []).entries())
          list[start - first + index] = hash
      }
      status.timings.encodeMs = (status.timings.encodeMs ?? 0) + context.clock.nowMs() - encryptedMs
    })
    // What fails meanwhile is seen when its turn to be awaited comes.
    encoded.catch(() => {})
    inFlight.push(encoded)
    if (inFlight.length >= WINDOWS_IN_FLIGHT) await inFlight.shift()
  }
  await Promise.all(inFlight)
  return { blockHashes, lastSalt }
}

/** Reads and encrypts the segments from `start` to `end`, and puts them into the first k shares. */
async function encryptWindow(
  { shape, first, readkey, fill, regions }: SegmentsToEncode,
  start: number,
  end: number,
  scratch: Uint8Array,
  crypto: MutableContext['crypto'],
): Promise<SegmentAtWork[]> {
  const { requiredShares, segmentSize, dataLength } = shape
  const base = blockSpan(shape, first).offset
  const window: SegmentAtWork[] = []
  const encrypting: Promise<void>[] = []
  for (let segment = start; segment <= end; segment++) {
    const span = blockSpan(shape, segment)
    const begin = (segment - start) * segmentSize
    const crypttext = scratch.subarray(begin, begin + requiredShares * span.length)
    const size = Math.min(segmentSize, dataLength - segment * segmentSize)
    const contents = crypttext.subarray(0, size)
    // What follows the contents is padding.
    crypttext.fill(0, size)
    await fill(contents, segment)
    const salt = crypto.randomBytes(SALT_SIZE)
    const encrypted = crypto.aesCtrInPlace(sskReadkeyDataHash(salt, readkey, crypto), contents)
    // What fails meanwhile is seen once the window is read.
    encrypted.catch(() => {})
    encrypting.push(encrypted)
    const offset = span.offset - base
    const blockOffset = offset + span.saltLength
    window.push({ crypttext, salt, offset, blockOffset, end: blockOffset + span.length })
  }
  await Promise.all(encrypting)
  for (const { crypttext, blockOffset, end: blockEnd } of window) {
    const blockSize = blockEnd - blockOffset
    for (let share = 0; share < requiredShares; share++) {
      const block = crypttext.subarray(share * blockSize, (share + 1) * blockSize)
      regions[share]?.set(block, blockOffset)
    }
  }
  return window
}

/**
 * Makes the other n - k shares' blocks of a window and hashes all of them.
 *
 * The code works on each column of bytes by itself, so one call encodes the whole window: the blocks
 * lie one after the other in each share. What it makes of the places of salts is overwritten.
 */
async function encodeWindow(
  window: readonly SegmentAtWork[],
  { shape, regions }: SegmentsToEncode,
  encoder: ICodecEncoder,
  crypto: MutableContext['crypto'],
): Promise<Uint8Array[][]> {
  const spans = regions.map((region) => region.subarray(window[0]?.offset, window.at(-1)?.end))
  const { requiredShares } = shape
  await encoder.encode(spans.slice(0, requiredShares), { into: spans.slice(requiredShares) })
  const messages: Uint8Array[] = []
  for (const region of regions) {
    for (const { salt, offset, blockOffset, end } of window) {
      if (blockOffset > offset) region.set(salt, offset)
      // With its salt before it in MDMF; alone in SDMF.
      messages.push(region.subarray(offset, end))
    }
  }
  const hashes = await crypto.sha256dMany(blockHashPrefix, messages)
  return regions.map((_, share) => hashes.slice(share * window.length, (share + 1) * window.length))
}
