import type { ICodecDecoder } from '@lafs/codec-interface'
import { NotCapableError } from '@lafs/filesystem-interface'
import type { ReadOptions } from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { numberOfSegments } from '@lafs/storage-protocol/layout'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import { decodeSegment, decryptInPlace, segmentsOf } from './decode-segments.ts'
import type { SegmentSpan } from './decode-segments.ts'
import type { MutableFile } from '../file.ts'
import type { UpdateBasis } from '../publish/update.ts'
import { RetrieveStatus } from './status.ts'
import type { ServerMap } from '../servermap/server-map.ts'
import type { SaltedBlock } from './share-verifier.ts'
import type { VersionInfo } from '../servermap/version-info.ts'
import { VersionShares } from './version-shares.ts'

/** Bytes of segments on their way, or fetched ahead of the reader, unless one alone is larger. */
const WINDOW_MAX = 4 * 1024 * 1024
/** The same at first: on a slow link more would keep the first piece waiting. */
const WINDOW_MIN = 512 * 1024
/** Requests that a window is cut into, so that one is on its way while another is worked on. */
const BATCHES_PER_WINDOW = 4
/** The window grows after a batch that took less than this, and shrinks after four times as much. */
const FAST_BATCH_MS = 1000

/** A span of a file, in bytes. */
interface ByteSpan {
  readonly offset: number
  readonly size: number
}

/** One version of a file while it is read. */
interface Retrieval {
  readonly file: MutableFile
  readonly readkey: Uint8Array
  readonly version: VersionInfo
  readonly shares: VersionShares
  readonly status: RetrieveStatus
  readonly decoder: ICodecDecoder
}

/**
 * The plaintext of a version, or of a span of it, in order; every block is checked up to the signed
 * root hash. Nothing is fetched before the first piece is asked for, and at most a few megabytes are
 * ahead of the reader; leaving the loop ends the requests.
 *
 * A share that is damaged, cannot be had or does not answer is marked as bad in the servermap, its
 * server is told if it is damaged, and another one takes its place.
 *
 * @param options - the span; what lies past the end is left out.
 * @returns pieces of any size, each of which belongs to the caller.
 * @throws {@link FilesystemError} `DOWNLOAD_NOT_ENOUGH_SHARES`; `NODE_NOT_CAPABLE` without a read
 *   key; RangeError for an offset or a size that is none.
 * @see allmydata.mutable.retrieve.Retrieve.download
 */
export function retrieve(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  options: ReadOptions = {},
): AsyncIterable<Uint8Array> {
  const span = clip(version.size, options)
  const readkey = readkeyOf(file)
  return {
    [Symbol.asyncIterator]: () => {
      const cancellation = new Cancellation(options.signal)
      const pieces = runRetrieval({ file, map, version, readkey, cancellation }, (retrieval) =>
        readSpan(retrieval, span, options),
      )
      return {
        next: () => pieces.next(),
        return: async () => {
          // First the signal: a generator that waits for a server would not hear of its return.
          cancellation.abort(new Error('the reader has left'))
          cancellation.dispose()
          await pieces.return(undefined).catch(() => {})
          return { done: true, value: undefined }
        },
      }
    },
  }
}

/**
 * What a change of a part of a file needs of the version before: the plaintext of the segment that
 * the change begins in, where there is one, and of the one that it ends in, where old bytes follow
 * it there; and the block hashes of every share whose hashes could be had and are right.
 *
 * @param span.offset - in `[0, version.size]`.
 * @param span.length - bytes to be written, at least 1.
 * @throws as {@link retrieve} does.
 * @see allmydata.mutable.filenode.MutableFileVersion._do_update_update
 */
export async function fetchUpdateSegments(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  {
    offset,
    length,
    signal,
  }: OperationOptions & { readonly offset: number; readonly length: number },
): Promise<UpdateBasis> {
  const readkey = readkeyOf(file)
  const cancellation = new Cancellation(signal)
  const touched = segmentsOf(version.segmentSize, offset, length)
  const wanted = new Set<number>()
  if (touched.first < numberOfSegments(version.header)) wanted.add(touched.first)
  if (offset + length < version.size) wanted.add(touched.last)
  const steps = runRetrieval(
    { file, map, version, readkey, cancellation },
    async function* (retrieval) {
      const [segments, blockHashes] = await Promise.all([
        Promise.all([...wanted].map((segment) => wholeSegment(retrieval, segment))),
        allBlockHashes(retrieval),
      ])
      yield { segments: new Map(segments), blockHashes }
    },
  )
  let basis: UpdateBasis = { segments: new Map(), blockHashes: new Map() }
  for await (const found of steps) basis = found
  return basis
}

/** Runs what reads a version, with the status and the end of requests that belong to it. */
async function* runRetrieval<T>(
  what: {
    readonly file: MutableFile
    readonly map: ServerMap
    readonly version: VersionInfo
    readonly readkey: Uint8Array
    readonly cancellation: Cancellation
  },
  read: (retrieval: Retrieval) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const { file, map, version, readkey, cancellation } = what
  cancellation.signal.throwIfAborted()
  const { requiredShares, totalShares } = version
  const status = new RetrieveStatus(file, version)
  file.context.history?.addRetrieve(status)
  let outcome: Parameters<RetrieveStatus['end']>[0] = 'Stopped'
  try {
    const shares = new VersionShares(file, map, version, { status, cancellation })
    const decoder = file.context.codec.createDecoder({ requiredShares, maxShares: totalShares })
    yield* read({ file, readkey, version, shares, status, decoder })
    outcome = 'Finished'
  } catch (error) {
    outcome = 'Failed'
    throw error
  } finally {
    status.end(outcome)
    cancellation.abort(new Error('the retrieval has ended'))
    cancellation.dispose()
  }
}

async function* readSpan(
  retrieval: Retrieval,
  span: ByteSpan,
  { onProgress }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const { status } = retrieval
  let done = 0
  onProgress?.({ phase: 'downloading', done, total: span.size })
  if (span.size === 0) return
  for await (const pieces of readBatches(retrieval, span)) {
    for (const piece of pieces) {
      yield piece
      done += piece.length
      status.progress = done / span.size
      onProgress?.({ phase: 'downloading', done, total: span.size })
    }
  }
}

/** The pieces of a span, some segments at a time, fetched a window ahead. */
async function* readBatches(retrieval: Retrieval, span: ByteSpan): AsyncGenerator<Uint8Array[]> {
  const { segmentSize } = retrieval.version
  const { first, last } = segmentsOf(segmentSize, span.offset, span.size)
  const inFlight: { readonly count: number; readonly batch: Promise<Batch> }[] = []
  let window = WINDOW_MIN
  let ahead = 0
  let next = first
  while (next <= last || inFlight.length > 0) {
    while (next <= last) {
      const most = Math.floor(window / BATCHES_PER_WINDOW / segmentSize)
      const count = Math.min(Math.max(1, most), last - next + 1)
      if (inFlight.length > 0 && (ahead + count) * segmentSize > window) break
      const batch = fetchBatch(retrieval, { first: next, last: next + count - 1 }, span)
      batch.catch(() => {})
      inFlight.push({ count, batch })
      next += count
      ahead += count
    }
    const oldest = inFlight.shift()
    if (oldest === undefined) return
    const { pieces, elapsedMs } = await oldest.batch
    ahead -= oldest.count
    if (elapsedMs < FAST_BATCH_MS) window = Math.min(WINDOW_MAX, window * 2)
    else if (elapsedMs > 4 * FAST_BATCH_MS) window = Math.max(WINDOW_MIN, window / 2)
    yield pieces
  }
}

/** The part of a span that some segments hold. */
interface Batch {
  /** One a segment. */
  readonly pieces: Uint8Array[]
  readonly elapsedMs: number
}

async function fetchBatch(
  retrieval: Retrieval,
  segments: SegmentSpan,
  span: ByteSpan,
): Promise<Batch> {
  const { clock } = retrieval.file.context
  const startedMs = clock.nowMs()
  const blocks = await fetchBlocks(retrieval, segments)
  const elapsedMs = clock.nowMs() - startedMs
  const pieces: Promise<Uint8Array>[] = []
  for (let segment = segments.first; segment <= segments.last; segment++) {
    pieces.push(rebuild(retrieval, segment, blocksOf(blocks, segment - segments.first), span))
  }
  return { pieces: await Promise.all(pieces), elapsedMs }
}

/**
 * The checked blocks of some segments, of k shares.
 *
 * @throws {@link NotEnoughSharesError} when too few shares are left; the reason of the signal.
 */
export function fetchBlocks(
  { version, shares, status }: Pick<Retrieval, 'version' | 'shares' | 'status'>,
  { first, last }: SegmentSpan,
): Promise<Map<number, SaltedBlock[]>> {
  status.status = `segment ${first}/${numberOfSegments(version.header) - 1} (fetching blocks)`
  return shares.gather({
    need: version.requiredShares,
    size: (last - first + 1) * version.segmentSize,
    act: (verifier, options) => verifier.blocks(first, last, options),
    holds: (share) => share.holds(first, last),
    segmentsDone: first,
  })
}

/** The blocks of one segment out of those of several. */
export function blocksOf(
  blocks: ReadonlyMap<number, readonly SaltedBlock[]>,
  index: number,
): Map<number, SaltedBlock> {
  const found = new Map<number, SaltedBlock>()
  for (const [shareNumber, ofShare] of blocks) {
    const block = ofShare[index]
    if (block !== undefined) found.set(shareNumber, block)
  }
  return found
}

/** The plaintext of that part of a segment which lies in the span. */
async function rebuild(
  { file, readkey, version, decoder, status }: Retrieval,
  segment: number,
  blocks: ReadonlyMap<number, SaltedBlock>,
  span: ByteSpan,
): Promise<Uint8Array> {
  const { clock, crypto } = file.context
  const startedMs = clock.nowMs()
  const { crypttext, salt } = await decodeSegment(decoder, blocks)
  const decodedMs = clock.nowMs()
  const position = segment * version.segmentSize
  const begin = Math.max(0, span.offset - position)
  const end = Math.min(
    version.segmentSize,
    version.size - position,
    span.offset + span.size - position,
  )
  const bytes = crypttext.subarray(begin, end)
  await decryptInPlace(crypto, { readkey, salt }, { bytes, offset: begin })
  status.timings.decodeMs += decodedMs - startedMs
  status.timings.decryptMs += clock.nowMs() - decodedMs
  return bytes
}

/** A segment and its plaintext. */
async function wholeSegment(retrieval: Retrieval, segment: number): Promise<[number, Uint8Array]> {
  const blocks = await fetchBlocks(retrieval, { first: segment, last: segment })
  const whole = { offset: 0, size: retrieval.version.size }
  return [segment, await rebuild(retrieval, segment, blocksOf(blocks, 0), whole)]
}

/** The leaves of the block hash tree of every share number for which some server has them right. */
async function allBlockHashes({ version, shares }: Retrieval): Promise<Map<number, Uint8Array[]>> {
  const segmentCount = numberOfSegments(version.header)
  const numbers = new Set(shares.all.map(({ shareNumber }) => shareNumber))
  const found = new Map<number, Uint8Array[]>()
  await Promise.all(
    [...numbers].map(async (shareNumber) => {
      const leaves = await shares.gatherOne(shareNumber, async (verifier, options) => {
        const tree = await verifier.blockTree(options)
        return Array.from({ length: segmentCount }, (_, segment) => tree.leaf(segment))
      })
      const known = leaves?.filter((leaf) => leaf !== undefined)
      if (known?.length === segmentCount) found.set(shareNumber, known)
    }),
  )
  return found
}

function readkeyOf({ readkey }: MutableFile): Uint8Array {
  if (readkey !== undefined) return readkey
  throw new NotCapableError('a verify cap does not tell what a file says')
}

/** The span that a reader gets: what lies within the file. */
function clip(fileSize: number, { offset = 0, size = fileSize }: ReadOptions): ByteSpan {
  for (const [name, value] of Object.entries({ offset, size })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`expected ${name} to be a safe integer >= 0, got ${value}`)
    }
  }
  return { offset, size: Math.max(0, Math.min(size, fileSize - offset)) }
}
