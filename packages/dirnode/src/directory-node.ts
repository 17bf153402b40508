import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import {
  ChildOfWrongTypeError,
  isDirectoryNode,
  isImmutableFileNode,
  isMutableFileNode,
  MalformedDirectoryError,
  NoSuchChildError,
  NotWriteableError,
} from '@lafs/filesystem-interface'
import type {
  AddChildOptions,
  AddFileOptions,
  AddOptions,
  ChildMetadata,
  CreateSubdirectoryOptions,
  DeepStatsResults,
  DeleteOptions,
  DirectoryChild,
  IDirectoryNode,
  IFileNode,
  IFilesystemNode,
  IMonitor,
  IMutableFileNode,
  INodeMaker,
  IUploadable,
  IUploader,
  IURI,
  Manifest,
  MoveChildOptions,
  NewChild,
  NewChildCaps,
  ProgressOptions,
} from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { isUriError, wrapDirnodeCap } from '@lafs/uri'
import type { DirectoryCapOfAnyKind, FileCap } from '@lafs/uri'
import { adder, deleter, metadataSetter, movedAway, renamer } from './edits.ts'
import type { AddEdit, EditContext } from './edits.ts'
import { buildManifest, startDeepStats } from './manifest.ts'
import { formatMetadata } from './metadata-json.ts'
import { newName, normalizeName, splitPath } from './names.ts'
import { capsOf, packEntry, unpackTable } from './packing.ts'
import type { Table, TableEntry } from './packing.ts'

/** Bytes of the table of an immutable directory at most: about a million entries. Walks read eight at a time. */
const IMMUTABLE_TABLE_SIZE_MAX: number = 2 ** 28

/** What directories work with. */
export interface DirectoryContext {
  /** Makes the nodes of children, and new directories. */
  readonly nodeMaker: INodeMaker
  /** Uploads the files that {@link IDirectoryNode.addFile} is given. */
  readonly uploader: Pick<IUploader, 'upload'>
  /** Default: the platform's. */
  readonly crypto?: CryptoProvider | undefined
  /** Milliseconds since 1970, for the times that are noted beside children. Default: the system's. */
  readonly nowMs?: (() => number) | undefined
}

/**
 * The directory whose table is in a file. Making it does no I/O.
 *
 * Reads take the whole table and decrypt no more write caps than they hand out nodes. Changes are
 * applied to what stands there when they are made, through the `modify` of the file, which settles
 * their order; entries that a change does not touch stay byte for byte.
 *
 * @param filenode - over a cap that reads: LIT, CHK, SDMF or MDMF.
 * @throws TypeError for the node of a verify cap.
 * @see allmydata.dirnode.DirectoryNode
 */
export function createDirectoryNode(
  filenode: IFileNode,
  context: DirectoryContext,
): IDirectoryNode {
  return new DirectoryNode(filenode, context)
}

function isConstraintError(error: unknown): boolean {
  if (isUriError(error)) return true
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && code.startsWith('URI_MUST_')
}

/** @see createDirectoryNode */
class DirectoryNode implements IDirectoryNode {
  readonly kind = 'directory'
  readonly unknown = false
  readonly cap: DirectoryCapOfAnyKind
  readonly fileNode: IFileNode
  readonly #nodeMaker: INodeMaker
  readonly #uploader: Pick<IUploader, 'upload'>
  readonly #crypto: CryptoProvider
  readonly #nowMs: () => number
  readonly #edits: EditContext

  constructor(filenode: IFileNode, context: DirectoryContext) {
    // The caps of file nodes are those of files.
    this.cap = wrapDirnodeCap(filenode.cap as FileCap)
    this.fileNode = filenode
    this.#nodeMaker = context.nodeMaker
    this.#uploader = context.uploader
    this.#crypto = context.crypto ?? defaultCrypto
    this.#nowMs = context.nowMs ?? Date.now
    this.#edits = {
      childOf: (name, entry) => this.#childOf(name, entry),
      pack: (name, child, metadata) => this.#pack(name, child, metadata),
      readonlyChild: (name, child) => this.#readonlyChild(name, child),
    }
  }

  get readCap(): IURI {
    return this.cap.readCap()
  }

  get verifyCap(): IURI | undefined {
    return this.cap.verifyCap()
  }

  /** Undefined where the directory is read-only: upstream's rule, which holds for immutable ones too. */
  get repairCap(): IURI | undefined {
    return this.readonly ? undefined : this.cap
  }

  get uri(): string {
    return this.cap.format()
  }

  get writeUri(): string | undefined {
    return this.readonly ? undefined : this.uri
  }

  get readonlyUri(): string {
    return this.readCap.format()
  }

  get storageIndex(): Uint8Array | undefined {
    return this.cap.storageIndex
  }

  get readonly(): boolean {
    return this.fileNode.readonly
  }

  get mutable(): boolean {
    return this.fileNode.mutable
  }

  get allowedInImmutableDirectory(): boolean {
    return !this.mutable
  }

  get size(): number | undefined {
    return this.fileNode.size
  }

  raiseError(): void {}

  currentSize(options?: ProgressOptions): Promise<number> {
    return this.fileNode.currentSize(options)
  }

  // Reading.

  async list(options?: OperationOptions): Promise<Map<string, DirectoryChild>> {
    const children = new Map<string, DirectoryChild>()
    for (const [name, entry] of await this.#read(options)) {
      const node = await this.#childOf(name, entry)
      if (node !== undefined) children.set(name, { node, metadata: entry.metadata })
    }
    return children
  }

  async hasChild(name: string, options?: OperationOptions): Promise<boolean> {
    const normalized = normalizeName(name)
    const entry = (await this.#read(options)).get(normalized)
    return entry !== undefined && (await this.#childOf(normalized, entry)) !== undefined
  }

  async get(name: string, options?: OperationOptions): Promise<IFilesystemNode> {
    return (await this.#child(name, options)).node
  }

  async metadataFor(name: string, options?: OperationOptions): Promise<ChildMetadata> {
    return (await this.#child(name, options)).metadata
  }

  async childAtPath(
    path: string | readonly string[],
    options?: OperationOptions,
  ): Promise<IFilesystemNode> {
    return (await this.childAndMetadataAtPath(path, options)).node
  }

  async childAndMetadataAtPath(
    path: string | readonly string[],
    options?: OperationOptions,
  ): Promise<DirectoryChild> {
    const [name, ...rest] = splitPath(path)
    if (name === undefined) return { node: this, metadata: {} }
    const child = await this.#child(name, options)
    if (rest.length === 0) return child
    if (!isDirectoryNode(child.node)) {
      throw new ChildOfWrongTypeError('expected a directory on the way', { childName: name })
    }
    return child.node.childAndMetadataAtPath(rest, options)
  }

  // Adding.

  async setUri(
    name: string,
    writeUri: string | undefined,
    readonlyUri?: string,
    options: AddChildOptions = {},
  ): Promise<IFilesystemNode> {
    this.#writeable()
    const child = this.#validNode(writeUri, readonlyUri, name)
    return this.setNode(name, child, options)
  }

  async setChildren(
    entries: ReadonlyMap<string, NewChildCaps>,
    options: AddOptions = {},
  ): Promise<void> {
    this.#writeable()
    const children = new Map<string, NewChild>()
    for (const [name, { writeUri, readonlyUri, metadata }] of entries) {
      const node = this.#validNode(writeUri, readonlyUri, name)
      children.set(name, { node, metadata })
    }
    await this.setNodes(children, options)
  }

  async setNode(
    name: string,
    child: IFilesystemNode,
    { metadata, ...options }: AddChildOptions = {},
  ): Promise<IFilesystemNode> {
    await this.setNodes(new Map([[name, { node: child, metadata }]]), options)
    return child
  }

  async setNodes(entries: ReadonlyMap<string, NewChild>, options: AddOptions = {}): Promise<void> {
    const file = this.#writeable()
    const children = [...entries].map(([name, child]) => {
      checkMetadata(child.metadata)
      return [newName(name), child] as const
    })
    await file.modify(adder(this.#edits, children, this.#addEdit(options)), forward(options))
  }

  async addFile(
    name: string,
    uploadable: IUploadable,
    options: AddFileOptions = {},
  ): Promise<IFileNode> {
    this.#writeable()
    newName(name)
    checkMetadata(options.metadata)
    const { onProgress, ...rest } = options
    const { uri } = await this.#uploader.upload(uploadable, { onProgress, ...forward(rest) })
    const node = this.#validNode(uri, undefined, name)
    if (!isImmutableFileNode(node)) {
      throw new TypeError(`expected the uploader to make a file, got a node of kind ${node.kind}`)
    }
    await this.setNode(name, node, rest)
    return node
  }

  async createSubdirectory(
    name: string,
    options: CreateSubdirectoryOptions = {},
  ): Promise<IDirectoryNode> {
    const {
      initialChildren = new Map<string, NewChild>(),
      mutable = true,
      mutableVersion,
    } = options
    this.#writeable()
    newName(name)
    checkMetadata(options.metadata)
    if (!mutable && mutableVersion !== undefined) {
      throw new TypeError('expected no version of mutable files for an immutable directory')
    }
    const child = mutable
      ? await this.#nodeMaker.createNewMutableDirectory(initialChildren, {
          version: mutableVersion,
          ...forward(options),
        })
      : await this.#nodeMaker.createImmutableDirectory(initialChildren, forward(options))
    await this.setNode(name, child, options)
    return child
  }

  // Changing and removing.

  async setMetadataFor(
    name: string,
    metadata: ChildMetadata,
    options?: OperationOptions,
  ): Promise<void> {
    const file = this.#writeable()
    formatMetadata(metadata)
    const edit = metadataSetter(this.#edits, normalizeName(name), metadata, this.#nowSeconds())
    await file.modify(edit, forward(options))
  }

  async delete(name: string, options: DeleteOptions = {}): Promise<IFilesystemNode | undefined> {
    const file = this.#writeable()
    const edit = deleter(this.#edits, normalizeName(name), options)
    await file.modify(edit.modify, forward(options))
    return edit.removed()
  }

  async moveChildTo(
    currentChildName: string,
    newParent: IDirectoryNode,
    { newChildName = currentChildName, ...options }: MoveChildOptions = {},
  ): Promise<void> {
    const file = this.#writeable()
    if (newParent.readonly) throw new NotWriteableError('the new parent is read-only')
    const from = normalizeName(currentChildName)
    const to = newName(newChildName)
    if (newParent.writeUri !== this.writeUri) {
      const { node, metadata } = await this.#child(from, options)
      const isSame = node.verifyCap?.format() === newParent.verifyCap?.format()
      if (isDirectoryNode(node) && isSame) {
        // Nothing would lead to it any more.
        const details = { childName: from }
        throw new ChildOfWrongTypeError('a directory cannot be moved into itself', details)
      }
      await newParent.setNode(to, node, { ...options, metadata })
      await file.modify(movedAway(this.#edits, from, node), forward(options))
    } else if (from !== to) {
      await file.modify(renamer(this.#edits, from, to, this.#addEdit(options)), forward(options))
    }
  }

  // Walking.

  buildManifest(): IMonitor<Manifest> {
    return buildManifest(this)
  }

  startDeepStats(): IMonitor<DeepStatsResults> {
    return startDeepStats(this)
  }

  // Parts.

  get #writekey(): Uint8Array | undefined {
    return isMutableFileNode(this.fileNode) ? this.fileNode.writekey : undefined
  }

  /** The file, if this node can write to it. */
  #writeable(): IMutableFileNode {
    if (this.readonly || !isMutableFileNode(this.fileNode)) {
      throw new NotWriteableError('the directory is read-only')
    }
    return this.fileNode
  }

  #nowSeconds(): number {
    return this.#nowMs() / 1000
  }

  #addEdit({ overwrite = true }: AddOptions): AddEdit {
    return { overwrite, nowSeconds: this.#nowSeconds() }
  }

  async #read(options?: OperationOptions): Promise<Table> {
    const { fileNode } = this
    // The cap of any file can be written as that of a directory, and a table has to be in memory.
    if (isImmutableFileNode(fileNode) && fileNode.size > IMMUTABLE_TABLE_SIZE_MAX) {
      // Nothing can be read of a file whose cap lies about its size, which is told first.
      for await (const _ of fileNode.read({ ...forward(options), size: 1 })) break
      throw new MalformedDirectoryError(
        `directory table: expected at most ${IMMUTABLE_TABLE_SIZE_MAX} bytes, got ${fileNode.size}`,
      )
    }
    return unpackTable(await fileNode.downloadBestVersion(forward(options)), this.mutable)
  }

  async #child(name: string, options?: OperationOptions): Promise<DirectoryChild> {
    const normalized = normalizeName(name)
    const entry = (await this.#read(options)).get(normalized)
    const node = entry && (await this.#childOf(normalized, entry))
    if (entry === undefined || node === undefined) {
      throw new NoSuchChildError('there is no child of this name', { childName: normalized })
    }
    return { node, metadata: entry.metadata }
  }

  #validNode(
    writeCap: string | IURI | undefined,
    readCap: string | IURI | undefined,
    name: string,
  ): IFilesystemNode {
    const options = { deepImmutable: !this.mutable, name }
    const node = this.#nodeMaker.createFromCap(writeCap, readCap, options)
    node.raiseError()
    return node
  }

  async #childOf(name: string, entry: TableEntry): Promise<IFilesystemNode | undefined> {
    const { writeCap, readCap } = await capsOf(entry, this.#writekey, this.#crypto)
    try {
      const child = this.#validNode(writeCap, readCap, name)
      return this.mutable || child.allowedInImmutableDirectory ? child : undefined
    } catch (error) {
      if (isConstraintError(error)) return undefined
      throw error
    }
  }

  async #pack(name: string, child: IFilesystemNode, metadata: ChildMetadata): Promise<TableEntry> {
    const options = { crypto: this.#crypto }
    const packed = await packEntry(name, child, metadata, this.#writekey, options)
    const entry = unpackTable(packed, true).get(name)
    if (entry === undefined) throw new TypeError('expected an entry that can be read again')
    return entry
  }

  #readonlyChild(name: string, child: IFilesystemNode): IFilesystemNode {
    if (!child.unknown && child.readonly) return child
    // The cap, not its text: that of an unknown child may be no text.
    const readCap = child.readonlyUri === undefined ? undefined : child.readCap
    return this.#validNode(undefined, readCap, name)
  }
}

/** What operations on the file hear of the caller's options. */
function forward({ signal }: OperationOptions = {}): OperationOptions {
  return signal === undefined ? {} : { signal }
}

/** Refuses metadata that cannot be written, before anything is sent. */
function checkMetadata(metadata: ChildMetadata | undefined): void {
  if (metadata !== undefined) formatMetadata(metadata)
}
