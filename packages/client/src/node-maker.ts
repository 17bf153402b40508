import { createDirectoryNode, createUnknownNode, packChildren } from '@lafs/dirnode'
import type {
  IDirectoryNode,
  IFileNode,
  IFilesystemNode,
  INodeMaker,
  InitialContents,
  IURI,
  IUploader,
  OperationHistory,
} from '@lafs/filesystem-interface'
import { createImmutableNode, uploadableFromBytes } from '@lafs/immutable'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import type { KeyPool, MutableContext } from '@lafs/mutable'
import { DirectoryCap, MutableReadCap, MutableWriteCap, parseCap } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import { WeakValueMap } from './weak-value-map.ts'

/** What nodes are made with. */
export interface NodeMakerOptions {
  readonly mutable: MutableContext
  readonly keyPool: Pick<KeyPool, 'take'>
  readonly uploader: Pick<IUploader, 'upload'>
  /** Hears of downloads; what is done with mutable files goes to that of `mutable`. */
  readonly history?: Pick<OperationHistory, 'addDownload' | 'addRead'> | undefined
  /** `SDMF_VERSION` or `MDMF_VERSION`: of new files and directories that ask for neither. */
  readonly mutableVersion: number
}

/**
 * Makes nodes. A mutable object has one node for each of its caps as long as somebody holds it, so
 * that its operations wait for each other.
 *
 * @see allmydata.nodemaker.NodeMaker
 */
export function createNodeMaker(options: NodeMakerOptions): INodeMaker {
  const { keyPool, uploader, mutableVersion, history } = options
  const { broker, codec, crypto, clock } = options.mutable
  const cache = new WeakValueMap<IFilesystemNode>()

  const cached = <Node extends IFilesystemNode>(key: string, make: () => Node): Node => {
    // What is kept under the text of a cap was made from that cap.
    const known = cache.get(key) as Node | undefined
    if (known !== undefined) return known
    const node = make()
    if (node.mutable) cache.set(key, node)
    return node
  }

  /** The file that a cap names; undefined for caps that cannot read. */
  const fileNode = (cap: Cap): IFileNode | undefined => {
    if (cap.kind === 'lit' || cap.kind === 'chk') {
      return createImmutableNode(cap, { broker, codec, crypto, history })
    }
    if (cap instanceof MutableWriteCap || cap instanceof MutableReadCap) {
      return cached(cap.format(), () => createMutableNode(cap, options.mutable))
    }
    return undefined
  }

  const directoryNode = (file: IFileNode): IDirectoryNode =>
    createDirectoryNode(file, { nodeMaker, uploader, crypto, nowMs: () => clock.nowMs() })

  /** @returns undefined where the cap is not understood, or cannot read. */
  const knownNode = (cap: Cap): IFilesystemNode | undefined => {
    if (!(cap instanceof DirectoryCap)) return fileNode(cap)
    const file = fileNode(cap.filenodeCap())
    return file === undefined ? undefined : cached(cap.format(), () => directoryNode(file))
  }

  const nodeMaker: INodeMaker = {
    createFromCap: (writeCap, readCap, nodeOptions = {}) => {
      const text = capText(writeCap) || capText(readCap)
      const { deepImmutable = false, name } = nodeOptions
      const cap = parseCap(text, { deepImmutable, ...(name !== undefined && { name }) })
      return knownNode(cap) ?? createUnknownNode(writeCap, readCap, nodeOptions)
    },
    createMutableFile: async (contents, { version = mutableVersion, ...rest } = {}) => {
      const context = options.mutable
      const node = await createMutableFile(contents, { ...rest, version, context, keyPool })
      return cached(node.uri, () => node)
    },
    createNewMutableDirectory: async (initialChildren = new Map(), createOptions = {}) => {
      for (const { node } of initialChildren.values()) node.raiseError()
      const table: InitialContents = (node) =>
        packChildren(initialChildren, node.writekey, { crypto })
      const node = directoryNode(await nodeMaker.createMutableFile(table, createOptions))
      return cached(node.uri, () => node)
    },
    createImmutableDirectory: async (children, operation = {}) => {
      const table = await packChildren(children, undefined, { deepImmutable: true, crypto })
      const { uri } = await uploader.upload(uploadableFromBytes(table), operation)
      const file = fileNode(parseCap(uri))
      if (file === undefined) throw new TypeError('expected an upload to give the cap of a file')
      return directoryNode(file)
    },
  }
  return nodeMaker
}

function capText(cap: string | IURI | undefined): string {
  return typeof cap === 'string' ? cap : (cap?.format() ?? '')
}
