import { defaultCrypto, toBase32 } from '@lafs/crypto'
import { SDMF_VERSION } from '@lafs/storage-interface'
import type {
  CreateNodeOptions,
  IDirectoryNode,
  IFileNode,
  IFilesystemNode,
  IImmutableFileNode,
  IMutableFileNode,
  INodeMaker,
  InitialContents,
  IPublishStatus,
  IUploadable,
  IUploadResults,
  IURI,
  MutableModifier,
  NewChild,
  ReadOptions,
} from '@lafs/filesystem-interface'
import { UncoordinatedWriteError } from '@lafs/filesystem-interface'
import { ChkCap, LitCap, parseCap, SskCap, UnknownCap } from '@lafs/uri'
import type { Cap, MdmfCap, MdmfReadCap, SskReadCap } from '@lafs/uri'
import { createDirectoryNode, createUnknownNode, packChildren } from '../src/index.ts'

/** The largest content that goes into the cap itself. */
const LIT_SIZE_MAX = 55

/** Tries that one edit makes. */
const TRIES_MAX = 5

interface Slot {
  contents: Uint8Array
  revision: number
}

/** What happens between the reading and the writing of an edit. */
export type Interference =
  /** Another writer was faster. */
  | { readonly kind: 'other-writer'; readonly contents: Uint8Array }
  /** The write goes through, and the writer is told that it did not. */
  | { readonly kind: 'lost-answer' }

/**
 * A store of files by storage index, and the nodes of them: what directories need, and nothing of
 * how a real grid does it.
 */
export class MemoryGrid implements INodeMaker {
  readonly slots = new Map<string, Slot>()
  readonly immutables = new Map<string, Uint8Array>()
  /** Called before each write. */
  interfere: (storageIndex: string, attempt: number) => Interference | undefined = () => undefined
  /** The content of each write, in order. */
  readonly writes: Uint8Array[] = []
  /** Storage indexes of the files that were read, in order. */
  readonly reads: string[] = []
  /** Awaited by each read. */
  beforeRead: () => Promise<void> = async () => {}
  nowMs = 1_700_000_000_250
  #created = 0
  readonly #queues = new Map<string, Promise<unknown>>()

  readonly uploader = { upload: (source: IUploadable) => this.#upload(source) }

  createFromCap(
    writeCap: string | IURI | undefined,
    readCap?: string | IURI,
    options: CreateNodeOptions = {},
  ): IFilesystemNode {
    const strongest = writeCap || readCap
    if (!strongest) return createUnknownNode(undefined, undefined)
    const { name, deepImmutable = false } = options
    const cap =
      strongest instanceof UnknownCap
        ? strongest
        : parseCap(typeof strongest === 'string' ? strongest : strongest.format(), {
            deepImmutable,
            ...(name !== undefined && { name }),
          })
    return this.#knownNode(cap) ?? createUnknownNode(writeCap, readCap, options)
  }

  async createMutableFile(contents?: InitialContents): Promise<IMutableFileNode> {
    const node = new MemoryMutableFile(this, this.#freshCap())
    const initial = typeof contents === 'function' ? await contents(node) : contents
    this.put(node.cap, initial instanceof Uint8Array ? initial : new Uint8Array())
    return node
  }

  async createNewMutableDirectory(
    children: ReadonlyMap<string, NewChild> = new Map(),
  ): Promise<IDirectoryNode> {
    return this.directory(
      await this.createMutableFile((file) => packChildren(children, file.writekey)),
    )
  }

  async createImmutableDirectory(children: ReadonlyMap<string, NewChild>): Promise<IDirectoryNode> {
    const packed = await packChildren(children, undefined, { deepImmutable: true })
    return this.directory(new MemoryImmutableFile(this, this.store(packed)))
  }

  directory(file: IFileNode): IDirectoryNode {
    return createDirectoryNode(file, {
      nodeMaker: this,
      uploader: this.uploader,
      nowMs: () => this.nowMs,
    })
  }

  /** A directory over a cap, with this content. */
  directoryWith(cap: Cap, contents: Uint8Array): IDirectoryNode {
    this.put(cap, contents)
    const node = this.createFromCap(cap)
    if (node.kind !== 'directory') throw new TypeError('expected the cap of a directory')
    return node as IDirectoryNode
  }

  put(cap: Cap, contents: Uint8Array): void {
    const index = keyOf(cap)
    if (cap.mutable) this.slots.set(index, { contents, revision: 0 })
    else this.immutables.set(index, contents)
  }

  store(contents: Uint8Array): ChkCap | LitCap {
    if (contents.length <= LIT_SIZE_MAX) return new LitCap(contents)
    const hash = defaultCrypto.sha256(contents)
    const cap = new ChkCap({
      key: hash.subarray(0, 16),
      uriExtensionHash: hash,
      requiredShares: 3,
      totalShares: 10,
      size: contents.length,
    })
    this.put(cap, contents)
    return cap
  }

  /** Runs edits of one file one after another. */
  serialize<T>(index: string, edit: () => Promise<T>): Promise<T> {
    const result = (this.#queues.get(index) ?? Promise.resolve()).then(edit)
    this.#queues.set(
      index,
      result.catch(() => {}),
    )
    return result
  }

  #freshCap(): SskCap {
    const seed = defaultCrypto.sha256(new TextEncoder().encode(`file ${this.#created++}`))
    return new SskCap({ writekey: seed.subarray(0, 16), fingerprint: seed })
  }

  async #upload(source: IUploadable): Promise<IUploadResults> {
    const pieces: number[] = []
    for await (const piece of source.read()) pieces.push(...piece)
    const cap = this.store(Uint8Array.from(pieces))
    return { uri: cap.format() } as IUploadResults
  }

  #knownNode(cap: Cap): IFilesystemNode | undefined {
    switch (cap.kind) {
      case 'lit':
      case 'chk':
        return new MemoryImmutableFile(this, cap)
      case 'ssk':
      case 'ssk-ro':
      case 'mdmf':
      case 'mdmf-ro':
        return new MemoryMutableFile(this, cap)
      case 'dir2':
      case 'dir2-ro':
      case 'dir2-chk':
      case 'dir2-lit':
      case 'dir2-mdmf':
      case 'dir2-mdmf-ro': {
        const file = this.#knownNode(cap.filenodeCap())
        return file && this.directory(file as IFileNode)
      }
      case 'unknown':
      case 'chk-verifier':
      case 'ssk-verifier':
      case 'mdmf-verifier':
      case 'dir2-verifier':
      case 'dir2-chk-verifier':
      case 'dir2-mdmf-verifier':
        return undefined
    }
  }
}

function keyOf(cap: Cap): string {
  return toBase32(cap.storageIndex ?? new Uint8Array())
}

abstract class MemoryFile {
  readonly unknown = false
  readonly grid: MemoryGrid

  constructor(grid: MemoryGrid) {
    this.grid = grid
  }

  abstract readonly cap: Cap

  get readCap(): IURI {
    return this.cap.readCap()
  }

  get verifyCap(): IURI | undefined {
    return this.cap.verifyCap()
  }

  get repairCap(): IURI | undefined {
    return this.verifyCap
  }

  get uri(): string {
    return this.cap.format()
  }

  get readonlyUri(): string {
    return this.readCap.format()
  }

  get writeUri(): string | undefined {
    return this.cap.readonly ? undefined : this.uri
  }

  get storageIndex(): Uint8Array | undefined {
    return this.cap.storageIndex
  }

  get readonly(): boolean {
    return this.cap.readonly
  }

  get mutable(): boolean {
    return this.cap.mutable
  }

  get allowedInImmutableDirectory(): boolean {
    return !this.mutable
  }

  raiseError(): void {}
}

class MemoryImmutableFile extends MemoryFile implements IImmutableFileNode {
  readonly kind = 'immutable-file'
  readonly cap: ChkCap | LitCap

  constructor(grid: MemoryGrid, cap: ChkCap | LitCap) {
    super(grid)
    this.cap = cap
  }

  get size(): number {
    return this.cap.size
  }

  async currentSize(): Promise<number> {
    return this.size
  }

  async sizeOfBestVersion(): Promise<number> {
    return this.size
  }

  async bestReadableVersion(): Promise<IImmutableFileNode> {
    return this
  }

  downloadToData(options?: ReadOptions): Promise<Uint8Array> {
    return this.downloadBestVersion(options)
  }

  async downloadBestVersion({ signal }: ReadOptions = {}): Promise<Uint8Array> {
    await this.grid.beforeRead()
    signal?.throwIfAborted()
    if (this.cap.kind === 'lit') return this.cap.data.slice()
    this.grid.reads.push(keyOf(this.cap))
    const contents = this.grid.immutables.get(keyOf(this.cap))
    if (contents === undefined) throw new Error('there is no such file in the grid')
    return contents.slice()
  }

  async *read({ size }: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const contents = await this.downloadBestVersion()
    // What is noted is how much of it was wanted.
    if (size !== undefined) this.grid.reads[this.grid.reads.length - 1] = `${size} bytes`
    yield contents.subarray(0, size)
  }
}

class MemoryMutableFile extends MemoryFile implements IMutableFileNode {
  readonly kind = 'mutable-file'
  readonly version = SDMF_VERSION
  readonly cap: SskCap | SskReadCap | MdmfCap | MdmfReadCap
  size: number | undefined

  constructor(grid: MemoryGrid, cap: SskCap | SskReadCap | MdmfCap | MdmfReadCap) {
    super(grid)
    this.cap = cap
  }

  get writekey(): Uint8Array | undefined {
    return this.cap.kind === 'ssk' || this.cap.kind === 'mdmf' ? this.cap.writekey : undefined
  }

  async currentSize(): Promise<number> {
    return (await this.downloadBestVersion()).length
  }

  async downloadBestVersion({ signal }: ReadOptions = {}): Promise<Uint8Array> {
    await this.grid.beforeRead()
    signal?.throwIfAborted()
    this.grid.reads.push(keyOf(this.cap))
    const { contents } = this.#slot()
    this.size = contents.length
    return contents.slice()
  }

  modify(modifier: MutableModifier): Promise<IPublishStatus> {
    return this.grid.serialize(keyOf(this.cap), () => this.#modify(modifier))
  }

  async #modify(modifier: MutableModifier): Promise<IPublishStatus> {
    const { grid } = this
    const index = keyOf(this.cap)
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const slot = this.#slot()
      const map = {} as Parameters<MutableModifier>[1]
      const contents = await modifier(slot.contents.slice(), map, attempt === 0)
      if (contents === undefined) return {} as IPublishStatus
      const interference = grid.interfere(index, attempt)
      if (interference?.kind === 'other-writer') {
        grid.slots.set(index, { ...slot, contents: interference.contents })
        continue
      }
      grid.writes.push(contents)
      grid.slots.set(index, { contents, revision: slot.revision + 1 })
      this.size = contents.length
      if (interference === undefined) return {} as IPublishStatus
    }
    throw new UncoordinatedWriteError('another writer was at work')
  }

  bestReadableVersion(): never {
    throw new Error('directories have no use for versions')
  }

  bestMutableVersion(): never {
    return this.bestReadableVersion()
  }

  sizeOfBestVersion(): Promise<number> {
    return this.currentSize()
  }

  overwrite(): never {
    return this.bestReadableVersion()
  }

  servermap(): never {
    return this.bestReadableVersion()
  }

  downloadVersion(): never {
    return this.bestReadableVersion()
  }

  upload(): never {
    return this.bestReadableVersion()
  }

  #slot(): Slot {
    const slot = this.grid.slots.get(keyOf(this.cap))
    if (slot === undefined) throw new Error('there is no such file in the grid')
    return slot
  }
}
