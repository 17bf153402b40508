import { NotWriteableError } from '@lafs/filesystem-interface'
import type {
  IMutableFileNode,
  IMutableFileServerMap,
  IMutableFileVersion,
  IMutableUploadable,
  IPublishStatus,
  IReadable,
  MutableModifier,
  MutableVersionInfo,
  ProgressOptions,
  ServermapMode,
} from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import type {
  MdmfCap,
  MdmfReadCap,
  MdmfVerifierCap,
  MutableReadCap,
  MutableVerifierCap,
  MutableWriteCap,
  SskCap,
  SskReadCap,
  SskVerifierCap,
} from '@lafs/uri'
import type { MutableContext, MutableFile } from './file.ts'
import { findBestVersion, modifyFile, readBestVersion, readWhole } from './modify.ts'
import { OperationQueue } from './operation-queue.ts'
import { publish } from './publish/publish.ts'
import { ServerMap } from './servermap/server-map.ts'
import { updateServermap } from './servermap/updater.ts'
import {
  asMutableUploadable,
  asServerMap,
  MutableFileVersion,
  recoverableVersion,
} from './version.ts'

/** The caps that mutable files are read and written with. */
export type MutableFileCap = SskCap | SskReadCap | MdmfCap | MdmfReadCap

/**
 * A node of a mutable file. Making it does no I/O; it remembers the file's keys and size once an
 * operation has met them. Operations of one node wait for each other: see {@link OperationQueue}.
 *
 * @see allmydata.mutable.filenode.MutableFileNode
 */
export function createMutableNode(cap: MutableFileCap, context: MutableContext): IMutableFileNode {
  return new MutableFileNode(cap, createMutableFileState(cap, context))
}

/** What is known of a file from its cap alone. */
export function createMutableFileState(
  cap: MutableWriteCap | MutableReadCap | MutableVerifierCap,
  context: MutableContext,
): MutableFile {
  return {
    context,
    storageIndex: cap.storageIndex,
    fingerprint: cap.fingerprint,
    readkey: 'readkey' in cap ? cap.readkey : undefined,
    writekey: 'writekey' in cap ? cap.writekey : undefined,
    version: cap.kind.startsWith('ssk') ? SDMF_VERSION : MDMF_VERSION,
    encoding: undefined,
    size: undefined,
    verifyingKey: undefined,
    signingKey: undefined,
    encryptedPrivateKey: undefined,
  }
}

/** A file, and the queue that its operations go through. */
export interface OpenedMutableFile {
  readonly file: MutableFile
  readonly queue: Pick<OperationQueue, 'look' | 'edit'>
}

/**
 * A file for operations that are not methods of a node, such as checks and repairs.
 *
 * @param node - what it has learnt is shared, and so is its queue, where this package has made it;
 *   the context is then the node's.
 */
export function openMutableFile(
  cap: MutableWriteCap | MutableReadCap | MutableVerifierCap,
  node: IMutableFileNode | undefined,
  context: MutableContext,
): OpenedMutableFile {
  if (node instanceof MutableFileNode) return node.opened
  return { file: createMutableFileState(cap, context), queue: new OperationQueue() }
}

/** A node; {@link createMutableNode} and the making of new files give them. */
export class MutableFileNode implements IMutableFileNode {
  readonly kind = 'mutable-file'
  readonly mutable = true
  readonly unknown = false
  readonly allowedInImmutableDirectory = false
  readonly cap: MutableFileCap
  readonly #file: MutableFile
  readonly #queue = new OperationQueue()

  constructor(cap: MutableFileCap, file: MutableFile) {
    this.cap = cap
    this.#file = file
  }

  /** What its operations share: for those that are not methods of a node. */
  get opened(): OpenedMutableFile {
    return { file: this.#file, queue: this.#queue }
  }

  get readonly(): boolean {
    return this.cap.readonly
  }

  get readCap(): SskReadCap | MdmfReadCap {
    return this.cap.readCap()
  }

  get verifyCap(): SskVerifierCap | MdmfVerifierCap {
    return this.cap.verifyCap()
  }

  get repairCap(): MutableFileCap | undefined {
    return this.cap.readonly ? undefined : this.cap
  }

  get uri(): string {
    return this.cap.format()
  }

  get writeUri(): string | undefined {
    return this.cap.readonly ? undefined : this.cap.format()
  }

  get readonlyUri(): string {
    return this.readCap.format()
  }

  get storageIndex(): Uint8Array {
    return this.cap.storageIndex
  }

  get writekey(): Uint8Array | undefined {
    return this.#file.writekey
  }

  get version(): number | undefined {
    return this.#file.version
  }

  get size(): number | undefined {
    return this.#file.size
  }

  raiseError(): void {}

  currentSize(options?: ProgressOptions): Promise<number> {
    return this.sizeOfBestVersion(options)
  }

  async sizeOfBestVersion(options?: ProgressOptions): Promise<number> {
    return (await this.bestReadableVersion(options)).size
  }

  bestReadableVersion(options: ProgressOptions = {}): Promise<IReadable> {
    return this.#queue.look(() => this.#bestVersion('MODE_READ', options), options)
  }

  async bestMutableVersion(options: ProgressOptions = {}): Promise<IMutableFileVersion> {
    this.#assertWriteable()
    return this.#queue.look(() => this.#bestVersion('MODE_WRITE', options), options)
  }

  downloadBestVersion(options: ProgressOptions = {}): Promise<Uint8Array> {
    return this.#queue.look(
      () => readBestVersion(this.#file, new ServerMap(), 'MODE_READ', options),
      options,
    )
  }

  async downloadVersion(
    servermap: IMutableFileServerMap,
    version: MutableVersionInfo,
    options: ProgressOptions = {},
  ): Promise<Uint8Array> {
    const map = asServerMap(servermap)
    return this.#queue.look(
      async () => readWhole(this.#file, map, recoverableVersion(map, version), options),
      options,
    )
  }

  servermap(mode: ServermapMode, options: ProgressOptions = {}): Promise<IMutableFileServerMap> {
    return this.#queue.look(
      () => updateServermap(this.#file, new ServerMap(), mode, options),
      options,
    )
  }

  async overwrite(
    newContents: Uint8Array | IMutableUploadable,
    options: ProgressOptions = {},
  ): Promise<IPublishStatus> {
    this.#assertWriteable()
    return this.#queue.edit(async () => {
      const map = new ServerMap()
      await findBestVersion(this.#file, map, 'MODE_WRITE', options)
      return publish(this.#file, map, asMutableUploadable(newContents), options)
    }, options)
  }

  async modify(modifier: MutableModifier, options: ProgressOptions = {}): Promise<IPublishStatus> {
    this.#assertWriteable()
    return this.#queue.edit(
      () => modifyFile(this.#file, new ServerMap(), modifier, options),
      options,
    )
  }

  async upload(
    newContents: Uint8Array | IMutableUploadable,
    servermap: IMutableFileServerMap,
    options: ProgressOptions = {},
  ): Promise<IPublishStatus> {
    this.#assertWriteable()
    const map = asServerMap(servermap)
    return this.#queue.edit(
      () => publish(this.#file, map, asMutableUploadable(newContents), options),
      options,
    )
  }

  async #bestVersion(
    mode: 'MODE_READ' | 'MODE_WRITE',
    options: ProgressOptions,
  ): Promise<MutableFileVersion> {
    const [file, map] = [this.#file, new ServerMap()]
    const version = await findBestVersion(file, map, mode, options)
    const writeable = mode === 'MODE_WRITE'
    return new MutableFileVersion({ file, queue: this.#queue, map, version, writeable })
  }

  #assertWriteable(): void {
    if (this.readonly) throw new NotWriteableError('the cap does not let its holder write')
  }
}
