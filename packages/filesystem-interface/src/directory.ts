import type { OperationOptions } from '@lafs/storage-interface'
import type { IMonitor } from './monitor.ts'
import type { IFileNode, IFilesystemNode } from './node.ts'
import type { ProgressOptions } from './progress.ts'
import type { IUploadable } from './upload.ts'

/**
 * What a directory notes beside a child: JSON. The key `tahoe` belongs to the file store and holds
 * `linkcrtime` and `linkmotime` in seconds; the rest is the user's.
 */
export type ChildMetadata = Readonly<Record<string, unknown>>

/** An entry of a directory. */
export interface DirectoryChild<Node extends IFilesystemNode = IFilesystemNode> {
  readonly node: Node
  readonly metadata: ChildMetadata
}

/** An entry to be made from a node; without metadata, what stands there stays. */
export interface NewChild {
  readonly node: IFilesystemNode
  readonly metadata?: ChildMetadata | undefined
}

/** An entry to be made from caps. Give both where both are known. */
export interface NewChildCaps {
  /** The text of the cap that writes, or of one of which it is not known whether it does. */
  readonly writeUri?: string | undefined
  /** The text of the cap that reads. */
  readonly readonlyUri?: string | undefined
  readonly metadata?: ChildMetadata | undefined
}

/** Whether an entry that is there may be replaced: any, none, or only one that is no directory. */
export type Overwrite = boolean | 'only-files'

/** Options of operations that add entries. */
export interface AddOptions extends OperationOptions {
  /** Default: true. */
  readonly overwrite?: Overwrite | undefined
}

/** Options of operations that add one entry. */
export interface AddChildOptions extends AddOptions {
  /** Replaces the metadata of the entry; without it the file store notes the times and keeps the rest. */
  readonly metadata?: ChildMetadata | undefined
}

/** Options of {@link IDirectoryNode.addFile}. */
export interface AddFileOptions extends AddChildOptions, ProgressOptions {}

/** Options of {@link IDirectoryNode.createSubdirectory}. */
export interface CreateSubdirectoryOptions extends AddChildOptions {
  readonly initialChildren?: ReadonlyMap<string, NewChild> | undefined
  /** Whether the new directory can be changed. Default: true. */
  readonly mutable?: boolean | undefined
  /** {@link SDMF_VERSION} or {@link MDMF_VERSION}, for a mutable one. Default: the client's. */
  readonly mutableVersion?: number | undefined
}

/** Options of {@link IDirectoryNode.delete}. */
export interface DeleteOptions extends OperationOptions {
  /** Default: true. */
  readonly mustExist?: boolean | undefined
  readonly mustBeDirectory?: boolean | undefined
  readonly mustBeFile?: boolean | undefined
}

/** Options of {@link IDirectoryNode.moveChildTo}. */
export interface MoveChildOptions extends AddOptions {
  /** Default: the name that it has. */
  readonly newChildName?: string | undefined
}

/**
 * The sums over a tree, each object counted once. Sizes are bytes. In JSON, upstream writes
 * `count-files` and so on.
 *
 * @see allmydata.interfaces.IDirectoryNode.start_deep_stats
 */
export interface DeepStats {
  /** CHK files. */
  readonly countImmutableFiles: number
  /** Mutable files, without directories. */
  readonly countMutableFiles: number
  /** LIT files. */
  readonly countLiteralFiles: number
  /** The three above together. */
  readonly countFiles: number
  readonly countDirectories: number
  readonly countUnknown: number
  readonly sizeImmutableFiles: number
  readonly sizeLiteralFiles: number
  /** Of the tables of directories. */
  readonly sizeDirectories: number
  /** Of the largest directory's table. */
  readonly largestDirectory: number
  readonly largestDirectoryChildren: number
  /** Of the largest CHK file. */
  readonly largestImmutableFile: number
  /** Immutable files of each class of size, two classes a decade; bounds are inclusive. */
  readonly sizeFilesHistogram: readonly (readonly [min: number, max: number, count: number])[]
}

/** Something below a directory that could not be read or dealt with, so that the rest was. */
export interface DeepFailure {
  /** From the directory that the operation began at. */
  readonly path: readonly string[]
  readonly error: unknown
}

/** The sums over what could be read of a tree. */
export interface DeepStatsResults extends DeepStats {
  /** The directories that could not be read. */
  readonly failures: readonly DeepFailure[]
}

/** Everything that can be reached from a directory. @see allmydata.interfaces.IDirectoryNode.build_manifest */
export interface Manifest {
  /** Each node's path, empty for the directory itself, and the text of its strongest cap. */
  readonly manifest: readonly (readonly [path: readonly string[], cap: string])[]
  /** The texts of the verify caps of all stored nodes. */
  readonly verifyCaps: ReadonlySet<string>
  /** The storage indexes of all stored nodes in base32. */
  readonly storageIndexes: ReadonlySet<string>
  readonly stats: DeepStats
  /** The directories that could not be read; they stand in the list, and what is in them does not. */
  readonly failures: readonly DeepFailure[]
}

/**
 * A directory: names and their children, each a file, a directory or something unknown. A child may
 * stand in any number of directories, which may form circles.
 *
 * Names are text, normalised to NFC. One with half a surrogate pair rejects with
 * `DIRECTORY_BAD_CHILD_NAME`, and an empty one cannot be added (`DIRECTORY_EMPTY_PATHNAME_COMPONENT`).
 *
 * All operations reject with `DIRECTORY_MALFORMED` where the table cannot be understood. Operations
 * that change something reject with `NODE_NOT_WRITEABLE` where the node is read-only, and may reject
 * with `MUTABLE_UNCOORDINATED_WRITE`; caps that break a constraint reject with a
 * {@link CapConstraintError}.
 *
 * @see allmydata.interfaces.IDirectoryNode
 */
export interface IDirectoryNode extends IFilesystemNode {
  readonly kind: 'directory'
  /** The file that holds the table. */
  readonly fileNode: IFileNode
  /** Hand it to {@link setUri} of another directory to link this one there. */
  readonly uri: string
  /** The same, without the authority to write. */
  readonly readonlyUri: string

  /** Every child by its name. */
  list(options?: OperationOptions): Promise<Map<string, DirectoryChild>>
  hasChild(name: string, options?: OperationOptions): Promise<boolean>
  /** @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`. */
  get(name: string, options?: OperationOptions): Promise<IFilesystemNode>
  /** What is noted beside a child: it belongs to the entry, not to the child. @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`. */
  metadataFor(name: string, options?: OperationOptions): Promise<ChildMetadata>
  /** Replaces what is noted beside a child. @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`. */
  setMetadataFor(name: string, metadata: ChildMetadata, options?: OperationOptions): Promise<void>
  /**
   * Follows a path down.
   *
   * @param path - names, or one text with slashes between them; the empty path is this directory.
   * @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`, `DIRECTORY_CHILD_OF_WRONG_TYPE`.
   */
  childAtPath(
    path: string | readonly string[],
    options?: OperationOptions,
  ): Promise<IFilesystemNode>
  /** The same with the metadata of the last entry, empty for the empty path. */
  childAndMetadataAtPath(
    path: string | readonly string[],
    options?: OperationOptions,
  ): Promise<DirectoryChild>
  /**
   * Adds or replaces an entry.
   *
   * @param writeUri - the text of a cap that writes, or of which it is not known whether it does.
   * @param readonlyUri - the text of a cap that reads.
   * @throws {@link FilesystemError} `DIRECTORY_EXISTING_CHILD`.
   */
  setUri(
    name: string,
    writeUri: string | undefined,
    readonlyUri?: string,
    options?: AddChildOptions,
  ): Promise<IFilesystemNode>
  /** {@link setUri} for many entries in one write. */
  setChildren(entries: ReadonlyMap<string, NewChildCaps>, options?: AddOptions): Promise<void>
  /** Adds or replaces an entry; settles with the child. @throws {@link FilesystemError} `DIRECTORY_EXISTING_CHILD`. */
  setNode(name: string, child: IFilesystemNode, options?: AddChildOptions): Promise<IFilesystemNode>
  /** {@link setNode} for many entries in one write. */
  setNodes(entries: ReadonlyMap<string, NewChild>, options?: AddOptions): Promise<void>
  /** Uploads an immutable file and adds it; settles with the file. */
  addFile(name: string, uploadable: IUploadable, options?: AddFileOptions): Promise<IFileNode>
  /**
   * Removes an entry; the child itself stays where else it stands.
   *
   * @returns the child; undefined where there was none.
   * @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`, `DIRECTORY_CHILD_OF_WRONG_TYPE`.
   */
  delete(name: string, options?: DeleteOptions): Promise<IFilesystemNode | undefined>
  /** Makes a directory and adds it; settles with it. @throws {@link FilesystemError} `DIRECTORY_EXISTING_CHILD`. */
  createSubdirectory(name: string, options?: CreateSubdirectoryOptions): Promise<IDirectoryNode>
  /**
   * Moves an entry with its metadata to another directory, or to another name in this one. Between
   * two directories it is two writes, the addition first; what another writer puts under the old name
   * between them stays.
   *
   * @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`, `DIRECTORY_EXISTING_CHILD`;
   *   `DIRECTORY_CHILD_OF_WRONG_TYPE` for a directory that is to be moved into itself, and nothing is
   *   written. Whether it is to be moved to somewhere below itself is not looked at.
   */
  moveChildTo(
    currentChildName: string,
    newParent: IDirectoryNode,
    options?: MoveChildOptions,
  ): Promise<void>
  /**
   * Lists everything that can be reached from here. Directories further down that cannot be read are
   * among the results; only this one ends it with its error.
   */
  buildManifest(): IMonitor<Manifest>
  /** Sums up everything that can be reached from here; it fails as {@link buildManifest} does. */
  startDeepStats(): IMonitor<DeepStatsResults>
}
