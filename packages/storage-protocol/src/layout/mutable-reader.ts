import { BadShareError } from '@lafs/filesystem-interface'
import {
  HASH_SIZE,
  type IStorageServer,
  type OperationOptions,
  type ShareNumber,
  type StorageIndex,
} from '@lafs/storage-interface'
import {
  blockSpan,
  MUTABLE_HEADER_MAX,
  type MutableSection,
  type MutableSectionName,
  type MutableShareHeader,
  parseMutableHeader,
  parseShareHashChain,
} from './mutable-layout.ts'

/** The sections that a {@link MutableShareReader} keeps once it has them: all but the blocks. */
export type LoadableSection = Exclude<MutableSectionName, 'shareData'>

/** What a {@link MutableShareReader} reads from, and what is known already. */
export interface MutableShareReaderOptions {
  readonly server: Pick<IStorageServer, 'slotReadv'>
  readonly storageIndex: StorageIndex
  readonly shareNumber: ShareNumber
  /** The beginning of the share, from its first byte on; kept. */
  readonly prefetched?: Uint8Array | undefined
  /** Whether `prefetched` is the whole share: what it does not hold is not asked for. */
  readonly complete?: boolean | undefined
  /** The header, where it is known; else it is read. */
  readonly header?: MutableShareHeader | undefined
}

/** One block of a share and the salt of its segment. Views; they belong to the caller. */
export interface MutableBlock {
  readonly block: Uint8Array
  readonly salt: Uint8Array
  /** What the block's leaf is the hash of: in MDMF the salt and the block, in SDMF the block. */
  readonly hashed: Uint8Array
}

/** Options of {@link MutableShareReader.blocks}. */
export interface ReadBlocksOptions extends OperationOptions {
  /** Sections to read in the same request, and to keep. */
  readonly alsoLoad?: Iterable<LoadableSection> | undefined
}

/**
 * Reads the parts of one mutable share. Nothing is verified but that the header makes sense.
 *
 * What the prefetched bytes hold costs no request, and a section is asked for once. Every method
 * rejects with {@link BadShareError} `SHARE_BAD` when the header makes no sense or the share ends too
 * early (`SHARE_UNKNOWN_VERSION` for another version byte), and with what the server says.
 *
 * @see allmydata.mutable.layout.MDMFSlotReadProxy
 */
export interface MutableShareReader {
  readonly shareNumber: ShareNumber
  header(options?: OperationOptions): Promise<MutableShareHeader>
  /** The public key, as DER. */
  verificationKey(options?: OperationOptions): Promise<Uint8Array>
  signature(options?: OperationOptions): Promise<Uint8Array>
  /** The private key, as DER, encrypted with the write key. */
  encryptedPrivateKey(options?: OperationOptions): Promise<Uint8Array>
  /** Hashes of 32 bytes by their number in the share hash tree; the share's own leaf is not there. */
  shareHashChain(options?: OperationOptions): Promise<Map<number, Uint8Array>>
  /** Every node of this share's block hash tree, root first. */
  blockHashTree(options?: OperationOptions): Promise<Uint8Array[]>
  /** Reads several sections in one request and keeps them. */
  load(sections: Iterable<LoadableSection>, options?: OperationOptions): Promise<void>
  /**
   * The blocks of the segments `first` to `last`, both included, in one request.
   *
   * @throws RangeError when there are no such segments.
   */
  blocks(first: number, last: number, options?: ReadBlocksOptions): Promise<MutableBlock[]>
  /** Whether {@link blocks} of these segments costs no request. */
  holdsBlocks(first: number, last: number): boolean
}

/** What is read when only the header is asked for: most shares have all but their blocks in it. */
const READ_AHEAD_SIZE = 4096
/** Spans with fewer bytes than this between them are read as one: a request costs more than they. */
const MERGE_GAP = 4096

/** Makes a reader of one share. It sends nothing before it is asked for something. */
export function createMutableShareReader(options: MutableShareReaderOptions): MutableShareReader {
  return new SlotReader(options)
}

class SlotReader implements MutableShareReader {
  readonly shareNumber: ShareNumber
  readonly #server: Pick<IStorageServer, 'slotReadv'>
  readonly #storageIndex: StorageIndex
  readonly #sections = new Map<LoadableSection, Uint8Array>()
  #prefetched: Uint8Array
  #complete: boolean
  #header: MutableShareHeader | undefined

  constructor(options: MutableShareReaderOptions) {
    this.shareNumber = options.shareNumber
    this.#server = options.server
    this.#storageIndex = options.storageIndex
    this.#prefetched = options.prefetched ?? new Uint8Array(0)
    this.#complete = options.complete ?? false
    this.#header = options.header
  }

  async header(options?: OperationOptions): Promise<MutableShareHeader> {
    if (this.#header !== undefined) return this.#header
    const held = tryParse(this.#prefetched, this.#complete)
    if (held !== undefined) return (this.#header = held)
    const [bytes] = await this.#request([{ offset: 0, end: READ_AHEAD_SIZE }], options)
    const header = parseMutableHeader(bytes ?? this.#prefetched)
    if (bytes !== undefined && bytes.length > this.#prefetched.length) {
      this.#prefetched = bytes
      this.#complete = bytes.length < READ_AHEAD_SIZE
    }
    return (this.#header = header)
  }

  verificationKey(options?: OperationOptions): Promise<Uint8Array> {
    return this.#section('verificationKey', options)
  }

  signature(options?: OperationOptions): Promise<Uint8Array> {
    return this.#section('signature', options)
  }

  encryptedPrivateKey(options?: OperationOptions): Promise<Uint8Array> {
    return this.#section('encryptedPrivateKey', options)
  }

  async shareHashChain(options?: OperationOptions): Promise<Map<number, Uint8Array>> {
    return parseShareHashChain(await this.#section('shareHashChain', options))
  }

  async blockHashTree(options?: OperationOptions): Promise<Uint8Array[]> {
    const bytes = await this.#section('blockHashTree', options)
    return Array.from({ length: bytes.length / HASH_SIZE }, (_, index) =>
      bytes.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE),
    )
  }

  async load(sections: Iterable<LoadableSection>, options?: OperationOptions): Promise<void> {
    const header = await this.header(options)
    const missing = this.#missing(sections)
    const parts = await this.#read(
      missing.map((name) => header.sections[name]),
      options,
    )
    this.#keep(missing, parts)
  }

  async blocks(first: number, last: number, options?: ReadBlocksOptions): Promise<MutableBlock[]> {
    const header = await this.header(options)
    const spans = blockSpans(header, first, last)
    const missing = this.#missing(options?.alsoLoad ?? [])
    const wanted = [...spans, ...missing.map((name) => header.sections[name])]
    const parts = await this.#read(wanted, options)
    this.#keep(missing, parts.slice(spans.length))
    return parts.slice(0, spans.length).map((hashed) => {
      if (header.salt !== undefined) return { block: hashed, salt: header.salt, hashed }
      const { saltLength } = blockSpan(header, first)
      return { block: hashed.subarray(saltLength), salt: hashed.subarray(0, saltLength), hashed }
    })
  }

  holdsBlocks(first: number, last: number): boolean {
    if (this.#header === undefined) return false
    return blockSpans(this.#header, first, last).every((span) => this.#holds(span))
  }

  async #section(name: LoadableSection, options?: OperationOptions): Promise<Uint8Array> {
    await this.load([name], options)
    const bytes = this.#sections.get(name)
    if (bytes === undefined) throw new Error(`${name} was loaded and is not there`)
    return bytes
  }

  #missing(sections: Iterable<LoadableSection>): LoadableSection[] {
    return [...new Set(sections)].filter((name) => !this.#sections.has(name))
  }

  #keep(names: readonly LoadableSection[], parts: readonly Uint8Array[]): void {
    for (const [index, name] of names.entries()) {
      const bytes = parts[index]
      // A copy, or it would keep the blocks alive that came with it.
      if (bytes !== undefined) this.#sections.set(name, bytes.slice())
    }
  }

  #holds(span: MutableSection): boolean {
    return this.#complete || span.end <= this.#prefetched.length
  }

  /** The bytes of each span, all of them: from what is held, and the rest from the server. */
  async #read(spans: readonly MutableSection[], options?: OperationOptions): Promise<Uint8Array[]> {
    const absent = spans.filter((span) => span.end > span.offset && !this.#holds(span))
    const merged = mergeSpans(absent)
    const answers = merged.length === 0 ? [] : await this.#request(merged, options)
    return spans.map((span) => {
      const index = merged.findIndex(({ offset, end }) => offset <= span.offset && span.end <= end)
      const held = index === -1 || this.#holds(span)
      const from = held ? 0 : (merged[index]?.offset ?? 0)
      const source = held ? this.#prefetched : (answers[index] ?? this.#prefetched)
      const bytes = source.subarray(span.offset - from, span.end - from)
      if (bytes.length !== span.end - span.offset) {
        throw this.#bad(`expected ${span.end} bytes, got ${from + source.length}`)
      }
      return bytes
    })
  }

  async #request(
    spans: readonly MutableSection[],
    options?: OperationOptions,
  ): Promise<readonly Uint8Array[]> {
    const vectors = spans.map(({ offset, end }) => ({ offset, size: end - offset }))
    const answer = await this.#server.slotReadv(
      this.#storageIndex,
      [this.shareNumber],
      vectors,
      options,
    )
    const parts = answer.get(this.shareNumber)
    if (parts?.length !== spans.length) throw this.#bad('the server does not have it')
    return parts
  }

  #bad(message: string): BadShareError {
    const { shareNumber } = this
    return new BadShareError(`mutable share ${shareNumber}: ${message}`, { shareNumber })
  }
}

/** The header, if these bytes hold it whole; when they are all there is, they must. */
function tryParse(bytes: Uint8Array, complete: boolean): MutableShareHeader | undefined {
  return complete || bytes.length >= MUTABLE_HEADER_MAX ? parseMutableHeader(bytes) : undefined
}

function blockSpans(header: MutableShareHeader, first: number, last: number): MutableSection[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const { offset, saltLength, length } = blockSpan(header, first + index)
    return { offset, end: offset + saltLength + length }
  })
}

/** As few spans as hold all of these, in ascending order. */
function mergeSpans(spans: readonly MutableSection[]): MutableSection[] {
  const merged: MutableSection[] = []
  for (const span of spans.toSorted((a, b) => a.offset - b.offset)) {
    const last = merged.at(-1)
    if (last !== undefined && span.offset - last.end < MERGE_GAP) {
      merged[merged.length - 1] = { offset: last.offset, end: Math.max(last.end, span.end) }
    } else {
      merged.push(span)
    }
  }
  return merged
}
