import type { ReadOptions } from './download.ts'
import type { ProgressOptions } from './progress.ts'
import type { IMutableFileServerMap, MutableVersionInfo, ServermapMode } from './servermap.ts'
import type { IPublishStatus } from './status.ts'
import type { IMutableUploadable } from './upload.ts'
import type { IURI } from './uri.ts'

/**
 * Something that can be read: an immutable file, or one version of a mutable file.
 *
 * @see allmydata.interfaces.IReadable
 */
export interface IReadable {
  /** Whether the content cannot be changed through this reference. Others may hold a stronger one. */
  readonly readonly: boolean
  /** Whether somebody, not necessarily the holder of this reference, can change the file. */
  readonly mutable: boolean
  /** 16 bytes; undefined for LIT files. */
  readonly storageIndex: Uint8Array | undefined
  /** Bytes of content. */
  readonly size: number
  /** The whole content at once. For files that fit into memory; rejects as {@link read} does. */
  downloadToData(options?: ProgressOptions): Promise<Uint8Array>
  /**
   * The content, or a span of it, in order. Nothing is fetched before the first piece is asked for,
   * and little more than is asked for; leaving the loop ends the download.
   *
   * @returns pieces of any size; each belongs to the caller and has been checked against the cap.
   * @throws {@link FilesystemError} `DOWNLOAD_NOT_ENOUGH_SHARES`, `DOWNLOAD_NO_SHARES`,
   *   `DOWNLOAD_BAD_CIPHERTEXT_HASH`, `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE`.
   */
  read(options?: ReadOptions): AsyncIterable<Uint8Array>
}

/** A mutable file whose content can be changed in part. @see allmydata.interfaces.IWriteable */
export interface IWriteable {
  /**
   * Writes the data from `offset` on, past the end as far as it reaches, unless another writer has
   * replaced this version. Takes memory of the size of the data for MDMF, and of the file for SDMF.
   *
   * @param offset - in `[0, size]`.
   * @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE`, `NODE_NOT_WRITEABLE`.
   */
  update(
    data: Uint8Array | IMutableUploadable,
    offset: number,
    options?: ProgressOptions,
  ): Promise<IPublishStatus>
}

/**
 * Makes the new content of a mutable file out of the old. It may be called several times and must
 * see for itself whether its change is there already.
 *
 * @param oldContents - the best recoverable version; belongs to the modifier.
 * @param servermap - where the versions are, to refuse a change when there are several.
 * @param firstTime - false when an earlier try met another writer.
 * @returns the new content, which may be the old one's memory, changed; undefined, or the bytes as
 *   they were, where nothing is to change. What it throws goes to the caller.
 */
export type MutableModifier = (
  oldContents: Uint8Array,
  servermap: IMutableFileServerMap,
  firstTime: boolean,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>

/**
 * One version of a mutable file; writeable where it comes from a write cap.
 *
 * @see allmydata.interfaces.IMutableFileVersion
 */
export interface IMutableFileVersion extends IReadable, IWriteable {
  readonly sequenceNumber: number
  /** The map that this version was found with. */
  readonly servermap: IMutableFileServerMap
  /** 16 bytes, a secret; undefined without write authority. */
  readonly writekey: Uint8Array | undefined
  /**
   * Replaces the content, if the servers still hold what the map of this version says: not where
   * another writer has published or is publishing. Shares of older versions that the map knows are
   * replaced too. (1.9.2 called it `replace`.)
   *
   * @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE`: what stands now is not known.
   */
  overwrite(
    newContents: Uint8Array | IMutableUploadable,
    options?: ProgressOptions,
  ): Promise<IPublishStatus>
  /**
   * Downloads this version, changes it and publishes the outcome, again after a random wait when
   * another writer came between.
   *
   * @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE` once patience has run out.
   */
  modify(modifier: MutableModifier, options?: ProgressOptions): Promise<IPublishStatus>
}

/** What a node is. Immutable files are LIT and CHK. */
export type NodeKind = 'immutable-file' | 'mutable-file' | 'directory' | 'unknown'

/**
 * A file, a directory or something unknown, named by the cap that it was made from.
 *
 * ```
 * IFilesystemNode
 *   IFileNode
 *     IMutableFileNode
 *     IImmutableFileNode
 *   IDirectoryNode
 * ```
 *
 * @see allmydata.interfaces.IFilesystemNode
 */
export interface IFilesystemNode {
  readonly kind: NodeKind
  /** The strongest cap that this node has. */
  readonly cap: IURI
  /** The cap to give away for reading; the same as `cap` where that cannot write. */
  readonly readCap: IURI
  /** The cap that repairs; undefined where nothing is stored (LIT), or the authority does not suffice. */
  readonly repairCap: IURI | undefined
  /** The cap that checks, verifies and renews leases; undefined where nothing is stored. */
  readonly verifyCap: IURI | undefined
  /** The text of `cap`; a secret. Undefined for an unknown node without a usable cap. */
  readonly uri: string | undefined
  /** The text of the cap that writes; undefined for a read-only node. */
  readonly writeUri: string | undefined
  /** The text of the cap that reads. */
  readonly readonlyUri: string | undefined
  /** 16 bytes; undefined where nothing is stored. */
  readonly storageIndex: Uint8Array | undefined
  /** Whether the object cannot be changed through this node. */
  readonly readonly: boolean
  /** Whether somebody, not necessarily the holder of this node, can change the object. */
  readonly mutable: boolean
  readonly unknown: boolean
  /** Whether the node may stand in a deep-immutable directory: known immutable, or unknown and read-only. */
  readonly allowedInImmutableDirectory: boolean
  /**
   * Throws what is wrong with this node, if anything is.
   *
   * @throws {@link CapConstraintError} for an unknown node that breaks a constraint of its directory.
   */
  raiseError(): void
  /**
   * Bytes of content (of the table, for a directory): as last seen for mutable objects, and
   * undefined where it was not.
   */
  readonly size: number | undefined
  /** Bytes of content, asking the grid where need be. */
  currentSize(options?: ProgressOptions): Promise<number>
}

/** A file: a sequence of bytes. @see allmydata.interfaces.IFileNode */
export interface IFileNode extends IFilesystemNode {
  readonly kind: 'immutable-file' | 'mutable-file'
  readonly uri: string
  readonly readonlyUri: string
  /**
   * The only version of an immutable file, or the recoverable one with the greatest sequence number;
   * read-only in either case.
   *
   * @throws {@link FilesystemError} `MUTABLE_UNRECOVERABLE`.
   */
  bestReadableVersion(options?: ProgressOptions): Promise<IReadable>
  /** The whole content of {@link bestReadableVersion} at once. */
  downloadBestVersion(options?: ProgressOptions): Promise<Uint8Array>
  /** Bytes of {@link bestReadableVersion}. */
  sizeOfBestVersion(options?: ProgressOptions): Promise<number>
}

/** An immutable file, which has one version: itself. @see allmydata.interfaces.IImmutableFileNode */
export interface IImmutableFileNode extends IFileNode, IReadable {
  readonly kind: 'immutable-file'
  readonly storageIndex: Uint8Array | undefined
  readonly readonly: boolean
  readonly mutable: boolean
  readonly size: number
}

/**
 * A file that stays the same file whatever is put into it.
 *
 * The grid may hold several versions of it, some without enough shares. Each has a sequence number
 * and a root hash; whoever wrote number N saw one with number N-1. A writer takes a servermap, which
 * records what it saw, and its write goes through where the servers still hold that. Because they
 * are many, this is no perfect test-and-set: signs of another writer reject with
 * `MUTABLE_UNCOORDINATED_WRITE`.
 *
 * Most readers want {@link downloadBestVersion}. {@link overwrite} replaces the content whatever it
 * is; {@link modify} applies a change to it. The other methods are for callers that merge versions.
 *
 * @see allmydata.interfaces.IMutableFileNode
 */
export interface IMutableFileNode extends IFileNode {
  readonly kind: 'mutable-file'
  /** 16 bytes, a secret; undefined without write authority. @see IMutableFileNode.get_writekey */
  readonly writekey: Uint8Array | undefined
  /** {@link SDMF_VERSION} or {@link MDMF_VERSION}; undefined until the cap or a share tells. @see IMutableFileNode.get_version */
  readonly version: number | undefined
  /**
   * The recoverable version with the greatest sequence number, to read and to write.
   *
   * @throws {@link FilesystemError} `MUTABLE_UNRECOVERABLE`, `NODE_NOT_WRITEABLE`.
   */
  bestMutableVersion(options?: ProgressOptions): Promise<IMutableFileVersion>
  /** Replaces the content, whatever it is. @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE`. */
  overwrite(
    newContents: Uint8Array | IMutableUploadable,
    options?: ProgressOptions,
  ): Promise<IPublishStatus>
  /** Applies a change to the best recoverable version; see {@link IMutableFileVersion.modify}. */
  modify(modifier: MutableModifier, options?: ProgressOptions): Promise<IPublishStatus>
  /** A fresh servermap. */
  servermap(mode: ServermapMode, options?: ProgressOptions): Promise<IMutableFileServerMap>
  /**
   * The whole content of one version.
   *
   * @param servermap - one made with `MODE_CHECK` knows the most versions.
   * @throws {@link FilesystemError} `MUTABLE_UNRECOVERABLE`.
   */
  downloadVersion(
    servermap: IMutableFileServerMap,
    version: MutableVersionInfo,
    options?: ProgressOptions,
  ): Promise<Uint8Array>
  /**
   * Publishes new content, if the servers hold what the servermap says.
   *
   * @param servermap - made with `MODE_WRITE`; it is updated with the new shares.
   * @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE`, `MUTABLE_NOT_ENOUGH_SERVERS`.
   */
  upload(
    newContents: Uint8Array | IMutableUploadable,
    servermap: IMutableFileServerMap,
    options?: ProgressOptions,
  ): Promise<IPublishStatus>
}
