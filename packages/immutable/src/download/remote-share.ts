import { blockHashPrefix } from '@lafs/crypto'
import { CorruptShareError } from '@lafs/filesystem-interface'
import { IncompleteHashTree, isHashTreeError } from '@lafs/hashtree'
import { HASH_SIZE, isStorageError } from '@lafs/storage-interface'
import type { IServer, RIBucketReader } from '@lafs/storage-interface'
import {
  CHK_HEADER_SIZE_MAX,
  CHK_URI_EXTENSION_SIZE_LIMIT,
  chkAllocatedSize,
  hashTreeNodeCount,
  parseChkHeader,
  parseHashes,
  parseShareHashes,
  parseUriExtensionSize,
  planChkLayout,
  SHARE_HASH_ENTRY_SIZE,
} from '@lafs/storage-protocol/layout'
import type { ChkLayout } from '@lafs/storage-protocol/layout'
import { sameBytes } from '@lafs/crypto'
import { segmentSizes, shareShape } from '../geometry.ts'
import type { FileKnowledge } from './file-knowledge.ts'
import { windowOf, windowSpans } from './hash-windows.ts'
import { guessGeometry, WHOLE_SHARE_SIZE, wholeShareSize } from './read-ahead.ts'

/** Hash sections of up to this many bytes come with the first reads of a share. */
const EAGER_HASHES_SIZE = 1024 * 1024

interface Chunk {
  readonly offset: number
  readonly bytes: Uint8Array
  /** Whether the share ended within the read that gave these bytes. */
  readonly reachesEnd: boolean
}

/** Blocks that follow one another, from one read. */
export interface Run {
  /** Of each segment, or undefined where it is damaged. */
  readonly blocks: readonly (Uint8Array | undefined)[]
  /** What they are parts of, where nobody else looks at it. */
  readonly memory: Uint8Array | undefined
}

/** A share whose header, URI extension block and share hash chain have been checked. */
interface PreparedShare {
  readonly layout: ChkLayout
  readonly blockTree: IncompleteHashTree
}

/**
 * One share on one server. Everything that it gives has been checked up to the cap.
 *
 * Damage in its header, its URI extension block or one of its hash trees makes a share unusable as a
 * whole; damage in a block, that block alone. Either is reported to the server.
 *
 * @see allmydata.immutable.downloader.share.Share
 */
export class RemoteShare {
  readonly server: IServer
  readonly shareNumber: number
  /** How long the server takes to answer a small question. */
  readonly answerMs: number
  /** Why the share cannot be used, if it cannot. */
  failure: unknown
  /** Whether the failure is damage, which does not go away. */
  corrupt = false
  /** Whether it is known to be damaged somewhere, and its server knows. */
  suspect = false
  /** Whether it was found before the latest read began. */
  foundBefore = false
  /** Whether its server let us wait too long the last time. */
  overdue = false
  /** Segments whose block is damaged. */
  readonly badSegments: Set<number> = new Set()
  readonly #bucket: RIBucketReader
  readonly #file: FileKnowledge
  #chunks: Chunk[] = []
  #prepared: Promise<PreparedShare> | undefined
  readonly #blockHashes = new Map<number, Promise<void>>()

  constructor(
    file: FileKnowledge,
    server: IServer,
    shareNumber: number,
    bucket: RIBucketReader,
    answerMs: number,
  ) {
    this.#file = file
    this.server = server
    this.shareNumber = shareNumber
    this.#bucket = bucket
    this.answerMs = answerMs
  }

  /** As upstream writes a share in its messages. */
  get label(): string {
    return `Share(sh${this.shareNumber}-on-${this.server.name})`
  }

  /** Reads and checks all that every block depends upon. Done once. */
  prepare(): Promise<PreparedShare> {
    this.#prepared ??= this.#guard(() => this.#prepare()).catch((error: unknown) => {
      this.#prepared = undefined
      throw error
    })
    return this.#prepared
  }

  /** The blocks of segments that follow one another, in one read, each one checked. */
  async getBlocks(firstSegment: number, count: number): Promise<Run> {
    const { layout, blockTree } = await this.prepare()
    const { geometry } = this.#file.known()
    const last = firstSegment + count - 1
    const window = windowOf(geometry.segmentCount, firstSegment)
    return this.#guard(async () => {
      const sizes = Array.from(
        { length: count },
        (_, index) => segmentSizes(geometry, firstSegment + index).blockSize,
      )
      const offset = layout.offsets.data + firstSegment * geometry.blockSize
      const runSize = (count - 1) * geometry.blockSize + (sizes.at(-1) ?? 0)
      const kept = this.#cached(offset, runSize)
      const [bytes] = await Promise.all([
        kept ?? this.#get(offset, runSize, 'blocks'),
        this.#loadBlockHashes(layout, blockTree, window),
        this.#loadCrypttextHashes(layout, window),
      ])
      // What was read ahead of the hashes has been used. A small share is kept whole.
      this.#chunks = this.#chunks.filter(
        ({ offset: at, bytes: { length } }) => at === 0 && length <= WHOLE_SHARE_SIZE,
      )
      const blocks = sizes.map((size, index) =>
        bytes.subarray(index * geometry.blockSize, index * geometry.blockSize + size),
      )
      const hashes = await this.#file.crypto.sha256dMany(blockHashPrefix, blocks)
      const checked = blocks.map((block, index) => {
        const segment = firstSegment + index
        const expected = blockTree.leaf(segment)
        const hash = hashes[index]
        if (expected !== undefined && hash !== undefined && sameBytes(hash, expected)) return block
        if (!this.badSegments.has(segment)) {
          this.badSegments.add(segment)
          const begin = layout.offsets.data + segment * geometry.blockSize
          this.#report(begin, begin + block.length, `bad hash of block ${segment} of 0..${last}`)
        }
        return undefined
      })
      return { blocks: checked, memory: kept === undefined ? bytes : undefined }
    })
  }

  /** The windows of blocks that one read may span without needing hashes of another window. */
  sameWindow(a: number, b: number): boolean {
    const { segmentCount } = this.#file.known().geometry
    return windowOf(segmentCount, a) === windowOf(segmentCount, b)
  }

  async #prepare(): Promise<PreparedShare> {
    this.#chunks = []
    await this.#readAhead()
    const layout = parseChkHeader(await this.#peek(0, CHK_HEADER_SIZE_MAX))
    const { offsets, fieldSize } = layout
    const chainSize = offsets.uriExtension - offsets.shareHashes
    if (chainSize > hashTreeNodeCount(this.#file.cap.totalShares) * SHARE_HASH_ENTRY_SIZE) {
      throw this.#damage(offsets.shareHashes, offsets.uriExtension, 'share hash chain too long')
    }
    const tailSize = chainSize + fieldSize + CHK_URI_EXTENSION_SIZE_LIMIT
    await this.#fetchTail(layout, tailSize)
    const tail = await this.#peek(offsets.shareHashes, tailSize)
    const size = parseUriExtensionSize(tail.subarray(chainSize), fieldSize)
    const begin = chainSize + fieldSize
    if (tail.length < begin + size) {
      throw this.#damage(offsets.uriExtension, offsets.uriExtension + fieldSize + size, 'cut short')
    }
    const block = tail.subarray(begin, begin + size)
    const end = offsets.uriExtension + fieldSize + size
    if (!this.#file.learn(block)) {
      throw this.#damage(offsets.uriExtension, end, 'bad hash of the URI extension block')
    }
    const { shareTree } = this.#file.known()
    // Where other shares, or the cap itself, have told the root, the chain is not needed.
    if (shareTree.leaf(this.shareNumber) === undefined) {
      const chain = parseShareHashes(tail.subarray(0, chainSize))
      this.#check(offsets.shareHashes, offsets.uriExtension, 'share hash chain', () =>
        shareTree.setHashes({ hashes: chain }),
      )
    }
    const root = shareTree.leaf(this.shareNumber)
    if (root === undefined) {
      throw this.#damage(offsets.shareHashes, offsets.uriExtension, 'share hash chain incomplete')
    }
    const { geometry } = this.#file.known()
    const blockTree = new IncompleteHashTree(geometry.segmentCount, this.#file.crypto)
    blockTree.setHashes({ hashes: new Map([[0, root]]) })
    return { layout, blockTree }
  }

  /**
   * Reads what the share most likely has where: the header, and the hashes and the URI extension
   * block at its end. A guess that is wrong costs one more round trip.
   */
  async #readAhead(): Promise<void> {
    const geometry = this.#file.uriExtension?.geometry ?? guessGeometry(this.#file.cap)
    const whole = wholeShareSize(geometry)
    if (whole !== undefined) {
      await this.#fetch(0, whole)
      return
    }
    const guess = planChkLayout(shareShape(geometry, CHK_URI_EXTENSION_SIZE_LIMIT))
    const end = chkAllocatedSize(guess, CHK_URI_EXTENSION_SIZE_LIMIT)
    const begin = this.#tailBegin(guess)
    await Promise.all([this.#fetch(0, CHK_HEADER_SIZE_MAX), this.#fetch(begin, end - begin)])
  }

  /** Where the part of a share begins that is worth reading at once with its end. */
  #tailBegin({ offsets }: ChkLayout): number {
    const wanted = this.#file.hasAllCrypttextHashes
      ? offsets.blockHashes
      : offsets.crypttextHashTree
    return offsets.uriExtension - wanted <= EAGER_HASHES_SIZE ? wanted : offsets.shareHashes
  }

  /** Reads the end of the share, unless the guess was right and it is there. */
  async #fetchTail(layout: ChkLayout, size: number): Promise<void> {
    if (this.#cached(layout.offsets.shareHashes, size) !== undefined) return
    const begin = this.#tailBegin(layout)
    await this.#fetch(begin, layout.offsets.shareHashes - begin + size)
  }

  #loadBlockHashes(layout: ChkLayout, tree: IncompleteHashTree, window: number): Promise<void> {
    const { blockHashes, shareHashes } = layout.offsets
    const loaded = this.#blockHashes.get(window)
    if (loaded !== undefined) return loaded
    const loading = this.#loadTree('block hashes', blockHashes, shareHashes, tree, window)
    this.#blockHashes.set(window, loading)
    loading.catch(() => this.#blockHashes.delete(window))
    return loading
  }

  async #loadCrypttextHashes(layout: ChkLayout, window: number): Promise<void> {
    const { crypttextTree, crypttextWindows } = this.#file.known()
    if (crypttextWindows.has(window)) return
    const { crypttextHashTree, blockHashes } = layout.offsets
    await this.#loadTree('crypttext hashes', crypttextHashTree, blockHashes, crypttextTree, window)
    crypttextWindows.add(window)
  }

  /** Reads one window of a hash tree and checks it up to the root. */
  async #loadTree(
    name: string,
    begin: number,
    end: number,
    tree: IncompleteHashTree,
    window: number,
  ): Promise<void> {
    if (end - begin < tree.nodeCount * HASH_SIZE) throw this.#damage(begin, end, `${name} missing`)
    const hashes = new Map<number, Uint8Array>()
    await Promise.all(
      windowSpans(tree.leafCount, window).map(async ({ first, count }) => {
        const bytes = await this.#get(begin + first * HASH_SIZE, count * HASH_SIZE, name)
        for (const [index, hash] of parseHashes(bytes).entries()) hashes.set(first + index, hash)
      }),
    )
    this.#check(begin, end, name, () => tree.setHashes({ hashes }))
  }

  #cached(offset: number, size: number): Uint8Array | undefined {
    const chunk = this.#chunks.find(
      (one) =>
        one.offset <= offset &&
        (offset + size <= one.offset + one.bytes.length ||
          (one.reachesEnd && offset <= one.offset + one.bytes.length)),
    )
    return chunk?.bytes.subarray(offset - chunk.offset, offset - chunk.offset + size)
  }

  async #fetch(offset: number, size: number): Promise<void> {
    const bytes = await this.#read(offset, size)
    this.#chunks.push({ offset, bytes, reachesEnd: bytes.length < size })
  }

  /** Up to `size` bytes: fewer where the share ends. */
  async #peek(offset: number, size: number): Promise<Uint8Array> {
    return this.#cached(offset, size) ?? (await this.#read(offset, size))
  }

  /** Exactly `size` bytes, or the share is cut short. */
  async #get(offset: number, size: number, name: string): Promise<Uint8Array> {
    const bytes = await this.#peek(offset, size)
    if (bytes.length === size) return bytes
    throw this.#damage(offset, offset + size, `${name} cut short to ${bytes.length} bytes`)
  }

  async #read(offset: number, size: number): Promise<Uint8Array> {
    const { events, requests, line } = this.#file
    const event = events.blockRequest(this.server.serverId, this.shareNumber, offset, size)
    const arrived = line.begin(size, events.nowMs)
    let bytes: Uint8Array
    try {
      bytes = await requests.run((signal) => this.#bucket.read(offset, size, { signal }))
      event.success = true
      event.responseSize = bytes.length
      this.#file.answerCount += 1
    } catch (error) {
      event.success = false
      throw error
    } finally {
      event.finishMs = events.nowMs
      arrived(event.responseSize ?? 0, event.finishMs)
    }
    if (bytes.length > size) {
      throw this.#damage(offset, offset + size, 'the server sent more than was asked for')
    }
    return bytes
  }

  #check(begin: number, end: number, name: string, act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!isHashTreeError(error)) throw error
      throw this.#damage(begin, end, `${name}: ${error.message}`)
    }
  }

  /** Marks the share as unusable when something fails, and tells its server of damage. */
  async #guard<T>(act: () => Promise<T>): Promise<T> {
    const { signal } = this.#file.requests
    try {
      return await act()
    } catch (error) {
      signal.throwIfAborted()
      if (this.#file.fatal === undefined) {
        // A share that was given up for its silence may turn out to be damaged when it answers.
        this.failure ??= error
        const badHeader = isStorageError(error, 'STORAGE_BAD_SHARE')
        if (badHeader && !this.corrupt) this.#report(0, CHK_HEADER_SIZE_MAX, error.message)
        if (badHeader || error instanceof CorruptShareError) this.corrupt = true
      }
      throw error
    }
  }

  #damage(begin: number, end: number, what: string): CorruptShareError {
    if (!this.corrupt) this.#report(begin, end, what)
    this.corrupt = true
    const { server, shareNumber } = this
    return new CorruptShareError(`${this.label}: ${what}`, {
      serverId: server.serverId,
      shareNumber,
    })
  }

  #report(begin: number, end: number, what: string): void {
    this.#file.problems.set(this.server.serverId, what)
    if (this.suspect) return
    const reason = `corruption in share[${begin}-${end}): ${what}`
    void this.#bucket.adviseCorruptShare(reason).catch(() => {})
  }
}
