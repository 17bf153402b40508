import type { CodecProvider, ICodecEncoder } from '@lafs/codec-interface'
import {
  blockHashPrefix,
  crypttextHasher,
  crypttextSegmentHashPrefix,
  sameBytes,
  uriExtensionHash,
} from '@lafs/crypto'
import type { CryptoProvider, TaggedHasher } from '@lafs/crypto'
import type {
  EncoderParameters,
  EncodingResult,
  IEncoder,
  IEncryptedUploadable,
  ProgressListener,
  ProgressOptions,
  Shareholder,
  UriExtensionData,
} from '@lafs/filesystem-interface'
import { BadCiphertextHashError, UploadUnhappinessError } from '@lafs/filesystem-interface'
import { HashTree } from '@lafs/hashtree'
import { HASH_SIZE } from '@lafs/storage-interface'
import type { IStorageBucketWriter, OperationOptions } from '@lafs/storage-interface'
import { shareHashOrder } from '@lafs/storage-protocol/layout'
import { ChkVerifierCap, packUriExtension, unpackUriExtension } from '@lafs/uri'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import { interruptible, within } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { endlessGeometry, fileGeometry } from './geometry.ts'
import type { FileGeometry } from './geometry.ts'
import { SegmentPool, shortened } from './segment-pool.ts'
import type { SegmentMemory } from './segment-pool.ts'
import { failureMessage, serversOfHappiness, sharesByServer } from './happiness.ts'
import { sourceChanged } from './key.ts'
import { ResumptionError } from './resume/resumption.ts'
import { afterSilence } from './silence.ts'

/** Segments that may be on their way through the encoder at once. */
const SEGMENTS_IN_FLIGHT = 3
/** A shareholder that does not take a write is given up when none of them has taken any for so long. */
const WRITE_TIMEOUT_MS = 120_000
/** How long the end of a failed upload waits for servers to drop what they hold. */
const ABORT_TIMEOUT_MS = 5000

/** What does an encoder's arithmetic, and tells it the time. */
export interface EncoderDependencies {
  readonly codec: CodecProvider
  readonly crypto: CryptoProvider
  readonly clock: Clock
}

/** Options of {@link createEncoder}. */
export interface EncoderOptions {
  /**
   * The URI extension block of the file, which is there already: some shares of it are to be made
   * anew. They get this very block, and are given up before the first one is closed if the hashes in
   * it are not theirs; and there is nothing left to do once every shareholder has failed.
   */
  readonly uriExtension?: Uint8Array | undefined
  /** Told the hash of each segment before a block of it is sent; when it rejects the upload fails. */
  readonly beforeSending?: ((segment: number, hash: Uint8Array) => Promise<void>) | undefined
  /**
   * Whether shareholders keep what they have got when the upload fails so, for another try. Default:
   * they drop it.
   */
  readonly keepsShares?: ((error: unknown) => boolean) | undefined
}

/** Ciphertext whose size is known once it has been read. */
export type EndlessCrypttext = Pick<
  IEncryptedUploadable,
  'encodingParameters' | 'storageIndex' | 'readEncrypted'
>

/** What {@link encodeEndless} needs besides what any encoder does. */
export interface EndlessRun extends ProgressOptions {
  readonly shareholders: ReadonlyMap<number, Shareholder>
  readonly servermap: ReadonlyMap<number, ReadonlySet<string>>
  /** Tells a shareholder what its share is like, after its blocks and before its hashes. */
  readonly settle: (
    writer: IStorageBucketWriter,
    geometry: FileGeometry,
    options: OperationOptions,
  ) => Promise<void>
}

/**
 * Encodes ciphertext of unknown size, which is at least one byte, in segments of the size that the
 * parameters say. Otherwise as {@link createEncoder}.
 */
export async function encodeEndless(
  crypttext: EndlessCrypttext,
  dependencies: EncoderDependencies,
  run: EndlessRun,
): Promise<EncodingResult> {
  const geometry = endlessGeometry(crypttext.encodingParameters)
  return new Encoding(crypttext, geometry, dependencies, run).run()
}

/**
 * An encoder for one file: ciphertext in, shares and the verify cap out.
 *
 * Segments go through in a pipeline of bounded length: while the blocks of one are hashed (on other
 * threads, where the crypto provider has them) and sent, the next one is read and encoded.
 *
 * @throws RangeError when the parameters make no sense.
 * @see allmydata.immutable.encode.Encoder
 */
export function createEncoder(
  uploadable: IEncryptedUploadable,
  dependencies: EncoderDependencies,
  encoderOptions: EncoderOptions = {},
): IEncoder {
  const { encodingParameters, storageIndex, size } = uploadable
  const geometry = fileGeometry({ ...encodingParameters, size })
  const parameters: EncoderParameters = {
    storageIndex,
    requiredShares: geometry.requiredShares,
    happyShares: encodingParameters.happyShares,
    totalShares: geometry.totalShares,
    segmentCount: geometry.segmentCount,
    segmentSize: geometry.segmentSize,
    blockSize: geometry.blockSize,
    shareSize: geometry.shareDataSize,
    serializedParams: codecParams(geometry, geometry.segmentSize),
  }
  return {
    parameters,
    start: (shareholders, servermap, options = {}) =>
      new Encoding(uploadable, geometry, dependencies, {
        ...encoderOptions,
        ...options,
        shareholders,
        servermap,
      }).run(),
  }
}

function codecParams(geometry: FileGeometry, dataSize: number): string {
  return `${dataSize}-${geometry.requiredShares}-${geometry.totalShares}`
}

/** The URI extension block of a file, given the hashes that only encoding it yields. */
function uriExtensionData(
  geometry: FileGeometry,
  hashes: Pick<UriExtensionData, 'crypttext_root_hash' | 'share_root_hash'> & {
    readonly crypttext_hash: Uint8Array
  },
): UriExtensionData {
  return {
    codec_name: 'crs',
    codec_params: codecParams(geometry, geometry.segmentSize),
    tail_codec_params: codecParams(geometry, geometry.tailBlockSize * geometry.requiredShares),
    size: geometry.size,
    segment_size: geometry.segmentSize,
    num_segments: geometry.segmentCount,
    needed_shares: geometry.requiredShares,
    total_shares: geometry.totalShares,
    ...hashes,
  }
}

/**
 * Checks that a file's URI extension block is one of the shares that were made.
 *
 * @throws {@link BadCiphertextHashError} when it is not: no shares can be made that fit it.
 */
function assertSameRoots(made: UriExtensionData, block: Uint8Array): void {
  const stored = unpackUriExtension(block)
  for (const name of ['crypttext_root_hash', 'share_root_hash'] as const) {
    if (sameBytes(made[name], stored[name])) continue
    throw new BadCiphertextHashError(
      `the file was badly encoded: the ${name} of its URI extension block is not that of its shares`,
    )
  }
}

/** Bytes of a file's URI extension block, known before the file is encoded. */
export function uriExtensionSize(geometry: FileGeometry): number {
  const hash = new Uint8Array(HASH_SIZE)
  const hashes = { crypttext_hash: hash, crypttext_root_hash: hash, share_root_hash: hash }
  return packUriExtension(uriExtensionData(geometry, hashes)).length
}

/** What one run of an encoder is about. With `settle` the size of the file is not known yet. */
interface EncodingRun extends EncoderOptions, ProgressOptions {
  readonly settle?: EndlessRun['settle']
  readonly shareholders: ReadonlyMap<number, Shareholder>
  readonly servermap: ReadonlyMap<number, ReadonlySet<string>>
}

/** One run of an encoder. */
class Encoding {
  readonly #uploadable: EndlessCrypttext
  #geometry: FileGeometry
  readonly #settle: EndlessRun['settle'] | undefined
  readonly #crypto: CryptoProvider
  readonly #clock: Clock
  readonly #codec: ICodecEncoder
  readonly #shareholders: Map<number, Shareholder>
  readonly #servermap: Map<number, Set<string>>
  readonly #uriExtension: Uint8Array | undefined
  readonly #beforeSending: EncoderOptions['beforeSending']
  readonly #keepsShares: EncoderOptions['keepsShares']
  /** Shareholders that were given up and may be of use to another try. */
  readonly #givenUp: IStorageBucketWriter[] = []
  readonly #onProgress: ProgressListener | undefined
  readonly #cancellation: Cancellation
  readonly #pool: SegmentPool
  readonly #crypttextHasher: TaggedHasher
  readonly #crypttextHashes: Uint8Array[] = []
  /** By share number, then segment. */
  readonly #blockHashes: Uint8Array[][]
  /** How often a shareholder has done what it was to do. */
  #answerCount = 0
  #encodingMs = 0
  #sendingMs = 0
  #pushed = 0

  constructor(
    uploadable: EndlessCrypttext,
    geometry: FileGeometry,
    { codec, crypto, clock }: EncoderDependencies,
    run: EncodingRun,
  ) {
    const { shareholders, servermap, uriExtension, signal, onProgress } = run
    this.#uploadable = uploadable
    this.#geometry = geometry
    this.#settle = run.settle
    this.#crypto = crypto
    this.#clock = clock
    this.#codec = codec.createEncoder({
      requiredShares: geometry.requiredShares,
      maxShares: geometry.totalShares,
    })
    this.#shareholders = new Map(shareholders)
    this.#servermap = new Map([...servermap].map(([share, ids]) => [share, new Set(ids)]))
    this.#uriExtension = uriExtension
    this.#beforeSending = run.beforeSending
    this.#keepsShares = run.keepsShares
    this.#onProgress = onProgress
    this.#cancellation = new Cancellation(signal)
    this.#pool = new SegmentPool(geometry)
    this.#crypttextHasher = crypttextHasher(crypto)
    this.#blockHashes = Array.from({ length: geometry.totalShares }, () => [])
  }

  async run(): Promise<EncodingResult> {
    const startMs = this.#clock.nowMs()
    try {
      await this.#pushSegments()
      const hashingMs = this.#clock.nowMs()
      const result = await this.#finish()
      for (const writer of this.#givenUp) void this.#abort(writer)
      const endMs = this.#clock.nowMs()
      return {
        ...result,
        timings: {
          cumulativeEncodingMs: this.#encodingMs,
          cumulativeSendingMs: this.#sendingMs,
          hashesAndCloseMs: endMs - hashingMs,
          totalEncodeAndPushMs: endMs - startMs,
        },
      }
    } catch (error) {
      this.#cancellation.abort(error)
      if (this.#keepsShares?.(error) !== true) {
        const writers = [...this.#shareholders.values()].map(({ writer }) => writer)
        await Promise.all([...writers, ...this.#givenUp].map((writer) => this.#abort(writer)))
      }
      throw error
    } finally {
      this.#cancellation.dispose()
    }
  }

  async #pushSegments(): Promise<void> {
    const total = this.#settle === undefined ? this.#geometry.size : undefined
    this.#onProgress?.({ phase: 'pushing', done: 0, total })
    const inFlight: Promise<void>[] = []
    let previous: Promise<void> = Promise.resolve()
    for await (const memory of this.#segments()) {
      const { size } = memory
      const encoded = this.#encode(memory)
      // A segment may be queued to the servers once the one before it is; not once it has arrived.
      const queued = Promise.all([encoded, previous]).then(([blocks]) => this.#send(memory, blocks))
      previous = queued.then(() => {})
      const arrived = queued.then(async (sending) => {
        await sending.arrived
        this.#pushed += size
        this.#onProgress?.({ phase: 'pushing', done: this.#pushed, total })
      })
      // What fails meanwhile is seen when its turn to be awaited comes.
      for (const promise of [previous, arrived]) promise.catch(() => {})
      inFlight.push(arrived)
      if (inFlight.length >= SEGMENTS_IN_FLIGHT) await inFlight.shift()
    }
    await Promise.all(inFlight)
  }

  /** The segments of the ciphertext, the last one padded with zeros. */
  async *#segments(): AsyncGenerator<SegmentMemory> {
    const { size, segmentSize, segmentCount, requiredShares } = this.#geometry
    const { signal } = this.#cancellation
    let memory = this.#pool.take(0)
    let filled = 0
    let total = 0
    // A piece that ends within the segment is made in its place there.
    const allocate = (length: number): Uint8Array =>
      length <= memory.size - filled
        ? memory.crypttext.subarray(filled, filled + length)
        : new Uint8Array(length)
    const pieces = this.#uploadable.readEncrypted({ pieceSize: segmentSize, signal, allocate })
    for await (const piece of interruptible(pieces, signal)) {
      total += piece.length
      if (total > size) throw sourceChanged(size, total)
      this.#crypttextHasher.update(piece)
      for (let at = 0; at < piece.length;) {
        const part = piece.subarray(at, at + memory.size - filled)
        if (part.buffer !== memory.crypttext.buffer) memory.crypttext.set(part, filled)
        filled += part.length
        at += part.length
        if (filled < memory.size) continue
        yield memory
        filled = 0
        if (memory.segment + 1 < segmentCount) memory = this.#pool.take(memory.segment + 1)
      }
    }
    if (this.#settle === undefined) {
      if (total !== size) throw sourceChanged(size, total)
      return
    }
    this.#geometry = fileGeometry({ ...this.#geometry, size: total })
    if (filled > 0) yield shortened(memory, filled, requiredShares)
    else memory.release()
  }

  /** The n blocks of a segment. */
  async #encode({ segment, size, crypttext, parity }: SegmentMemory): Promise<Uint8Array[]> {
    const startMs = this.#clock.nowMs()
    const { requiredShares } = this.#geometry
    const blockSize = crypttext.length / requiredShares
    const input = Array.from({ length: requiredShares }, (_, index) =>
      crypttext.subarray(index * blockSize, (index + 1) * blockSize),
    )
    const [blocks, [segmentHash]] = await Promise.all([
      this.#codec.encode(input, { into: parity }),
      this.#crypto.sha256dMany(crypttextSegmentHashPrefix, [crypttext.subarray(0, size)]),
    ])
    if (segmentHash !== undefined) {
      this.#crypttextHashes[segment] = segmentHash
      await this.#beforeSending?.(segment, segmentHash)
    }
    this.#encodingMs += this.#clock.nowMs() - startMs
    return blocks
  }

  /** Queues the blocks of a segment to their servers, and hashes them meanwhile. */
  #send(
    { segment, release }: SegmentMemory,
    blocks: readonly Uint8Array[],
  ): { readonly arrived: Promise<unknown> } {
    const startMs = this.#clock.nowMs()
    let users = 1 + this.#shareholders.size
    const onReleased = (): void => {
      users -= 1
      if (users === 0) release()
    }
    const hashed = this.#crypto.sha256dMany(blockHashPrefix, blocks).then((hashes) => {
      for (const [share, hash] of hashes.entries()) {
        const list = this.#blockHashes[share]
        if (list !== undefined) list[segment] = hash
      }
      onReleased()
    })
    const sent = this.#each(`segnum=${segment}`, (writer, share, options) =>
      writer.putBlock(segment, blocks[share] ?? new Uint8Array(), { ...options, onReleased }),
    ).then(() => {
      this.#sendingMs += this.#clock.nowMs() - startMs
    })
    return { arrived: Promise.all([hashed, sent]) }
  }

  /** Computes and sends the hash trees and the URI extension block, and closes the shares. */
  async #finish(): Promise<Omit<EncodingResult, 'timings'>> {
    const { requiredShares, totalShares, size } = this.#geometry
    const crypttextTree = new HashTree(this.#crypttextHashes, this.#crypto)
    const blockTrees = this.#blockHashes.map((hashes) => new HashTree(hashes, this.#crypto))
    const shareTree = new HashTree(
      blockTrees.map((tree) => tree.root),
      this.#crypto,
    )
    const data = uriExtensionData(this.#geometry, {
      crypttext_hash: this.#crypttextHasher.digest(),
      crypttext_root_hash: crypttextTree.root,
      share_root_hash: shareTree.root,
    })
    const block = this.#uriExtension ?? packUriExtension(data)
    const settle = this.#settle
    if (settle !== undefined) {
      const geometry = this.#geometry
      await this.#each('size', (writer, _share, options) => settle(writer, geometry, options))
    }
    if (this.#uriExtension !== undefined) assertSameRoots(data, this.#uriExtension)
    await this.#each('hashes', async (writer, share, options) => {
      const order = shareHashOrder(totalShares, share)
      const chain = new Map(order.map((node) => [node, shareTree.nodes[node] ?? new Uint8Array()]))
      await writer.putCrypttextHashes(crypttextTree.nodes, options)
      await writer.putBlockHashes(blockTrees[share]?.nodes ?? [], options)
      await writer.putShareHashes(chain, options)
      await writer.putUriExtension(block, options)
    })
    let closed = 0
    const total = this.#shareholders.size
    this.#onProgress?.({ phase: 'closing', done: closed, total })
    await this.#each('close', async (writer, _share, options) => {
      await writer.close(options)
      this.#onProgress?.({ phase: 'closing', done: ++closed, total })
    })
    const hash = uriExtensionHash(block, this.#crypto)
    const storageIndex = this.#uploadable.storageIndex
    const verifyCap = new ChkVerifierCap({
      storageIndex,
      uriExtensionHash: hash,
      requiredShares,
      totalShares,
      size,
    })
    return {
      verifyCap,
      uriExtensionHash: hash,
      uriExtensionData: data,
      sharesPlaced: new Set(this.#shareholders.keys()),
    }
  }

  /** Does something with every shareholder at once, and drops those that fail. */
  async #each(
    where: string,
    act: (
      writer: IStorageBucketWriter,
      shareNumber: number,
      options: { readonly signal: AbortSignal },
    ) => Promise<void>,
  ): Promise<void> {
    const clock: Clock = {
      nowMs: () => this.#clock.nowMs(),
      after: (delayMs, callback) =>
        afterSilence(this.#clock, delayMs, () => this.#answerCount, callback),
    }
    await Promise.all(
      [...this.#shareholders].map(async ([share, holder]) => {
        try {
          await this.#cancellation.run((signal) =>
            within(act(holder.writer, share, { signal }), {
              clock,
              delayMs: WRITE_TIMEOUT_MS,
              timeout: () => new Error(`no answer within ${WRITE_TIMEOUT_MS / 1000} seconds`),
              signal,
            }),
          )
          this.#answerCount += 1
        } catch (error) {
          this.#cancellation.signal.throwIfAborted()
          if (error instanceof ResumptionError) throw error
          this.#drop(share, holder, where, error)
        }
      }),
    )
  }

  /** Goes on without a shareholder, if the others make us happy enough. */
  #drop(share: number, holder: Shareholder, where: string, error: unknown): void {
    if (this.#shareholders.get(share) !== holder) return
    this.#shareholders.delete(share)
    if (this.#keepsShares === undefined) void this.#abort(holder.writer)
    else this.#givenUp.push(holder.writer)
    const servers = this.#servermap.get(share)
    servers?.delete(holder.serverId)
    if (servers?.size === 0) this.#servermap.delete(share)
    const { happyShares } = this.#uploadable.encodingParameters
    const happiness = serversOfHappiness(this.#servermap)
    const useless =
      this.#uriExtension === undefined
        ? this.#servermap.size < this.#geometry.requiredShares
        : this.#shareholders.size === 0
    if (happiness >= happyShares && !useless) return
    const message = failureMessage({
      peerCount: sharesByServer(this.#servermap).size,
      requiredShares: this.#geometry.requiredShares,
      happyShares,
      happiness,
    })
    const why = error instanceof Error ? error.message : String(error)
    throw new UploadUnhappinessError(`${message}: ${where}: ${why}`, {
      cause: error,
      errors: [error],
      happiness,
      happyShares,
    })
  }

  #abort(writer: IStorageBucketWriter): Promise<void> {
    return within(writer.abort(), {
      clock: this.#clock,
      delayMs: ABORT_TIMEOUT_MS,
      timeout: () => new Error('no answer to an abort'),
    }).catch(() => {})
  }
}
