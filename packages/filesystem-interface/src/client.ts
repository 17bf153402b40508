import type { OperationOptions } from '@lafs/storage-interface'
import type { IDirectoryNode, NewChild } from './directory.ts'
import type { IFilesystemNode, IMutableFileNode } from './node.ts'
import type { ProgressOptions } from './progress.ts'
import type { IMutableUploadable, IUploadable, IUploadResults } from './upload.ts'
import type { IURI } from './uri.ts'

/**
 * What a new mutable file begins with: bytes, something to read them from, or a function that makes
 * them once the node is there, so that it can encrypt with the node's write key.
 */
export type InitialContents =
  | Uint8Array
  | IMutableUploadable
  | ((node: IMutableFileNode) => Uint8Array | Promise<Uint8Array>)

/** Options of making a mutable file or directory. */
export interface CreateMutableOptions extends ProgressOptions {
  /** {@link SDMF_VERSION} or {@link MDMF_VERSION}. Default: the client's. */
  readonly version?: number | undefined
  /** The private key of the file, as DER of PKCS #8, in place of a fresh one. */
  readonly privateKey?: Uint8Array | undefined
}

/** A client of a grid. @see allmydata.interfaces.IClient */
export interface IClient {
  /**
   * Uploads an immutable file.
   *
   * @throws {@link FilesystemError} `UPLOAD_NO_SERVERS`, `UPLOAD_UNHAPPINESS`, `UPLOAD_SOURCE_CHANGED`.
   */
  upload(uploadable: IUploadable, options?: ProgressOptions): Promise<IUploadResults>
  /** Makes a mutable file. Default: an empty one. @throws {@link FilesystemError} `MUTABLE_NOT_ENOUGH_SERVERS`. */
  createMutableFile(
    contents?: InitialContents,
    options?: CreateMutableOptions,
  ): Promise<IMutableFileNode>
  /** Makes a mutable directory that stands in no other. Default: an empty one. */
  createDirnode(
    initialChildren?: ReadonlyMap<string, NewChild>,
    options?: CreateMutableOptions,
  ): Promise<IDirectoryNode>
  /**
   * The node that a cap names, without asking the grid.
   *
   * @param uri - the strongest cap that is known.
   * @param readonlyUri - taken where `uri` is undefined or unknown.
   * @returns an unknown node, which holds its error, where the cap is not understood.
   */
  createNodeFromUri(
    uri: string | IURI | undefined,
    readonlyUri?: string | IURI,
    options?: CreateNodeOptions,
  ): IFilesystemNode
}

/** Options of {@link INodeMaker.createFromCap}. */
export interface CreateNodeOptions {
  /** Whether the cap comes from a deep-immutable directory. Default: false. */
  readonly deepImmutable?: boolean | undefined
  /** The name of the entry that it comes from, for errors. */
  readonly name?: string | undefined
}

/**
 * Makes nodes out of caps, and new files and directories. It holds the authority that nodes need,
 * such as the servers of the grid and the lease secrets.
 *
 * @see allmydata.interfaces.INodeMaker
 */
export interface INodeMaker {
  /** The node of an object that exists, without asking the grid. Equal caps may give one node. */
  createFromCap(
    writeCap: string | IURI | undefined,
    readCap?: string | IURI,
    options?: CreateNodeOptions,
  ): IFilesystemNode
  /** Makes a mutable file. Default: an empty one. */
  createMutableFile(
    contents?: InitialContents,
    options?: CreateMutableOptions,
  ): Promise<IMutableFileNode>
  /** Makes a mutable directory. Default: an empty one. */
  createNewMutableDirectory(
    initialChildren?: ReadonlyMap<string, NewChild>,
    options?: CreateMutableOptions,
  ): Promise<IDirectoryNode>
  /**
   * Makes an immutable directory; every child must be deep-immutable.
   *
   * @throws {@link MustBeDeepImmutableError}
   * @see allmydata.nodemaker.NodeMaker.create_immutable_directory
   */
  createImmutableDirectory(
    children: ReadonlyMap<string, NewChild>,
    options?: OperationOptions,
  ): Promise<IDirectoryNode>
}
