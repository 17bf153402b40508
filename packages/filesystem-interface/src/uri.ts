/** The kinds of file caps. */
export type FileCapKind =
  | 'lit'
  | 'chk'
  | 'chk-verifier'
  | 'ssk'
  | 'ssk-ro'
  | 'ssk-verifier'
  | 'mdmf'
  | 'mdmf-ro'
  | 'mdmf-verifier'

/** The kinds of directory caps. */
export type DirectoryCapKind =
  | 'dir2'
  | 'dir2-ro'
  | 'dir2-verifier'
  | 'dir2-chk'
  | 'dir2-chk-verifier'
  | 'dir2-lit'
  | 'dir2-mdmf'
  | 'dir2-mdmf-ro'
  | 'dir2-mdmf-verifier'

/** Every kind of cap. `unknown` is for caps of the future, and for malformed ones. */
export type CapKind = FileCapKind | DirectoryCapKind | 'unknown'

/** The kinds of verify caps. */
export type VerifierCapKind = Extract<CapKind, `${string}-verifier`>

/**
 * A cap: an immutable value that names a file or a directory and carries the authority over it.
 *
 * Whoever holds a cap has what it gives. `toString()` and inspection give a redacted text; only
 * {@link format} tells the secret.
 *
 * @see allmydata.interfaces.IURI
 */
export interface IURI {
  readonly kind: CapKind
  /** Whether this cap gives no way to change the object. */
  readonly readonly: boolean
  /** Whether somebody, perhaps with a stronger cap than this one, can change the object. */
  readonly mutable: boolean
  /** The cap that reads the same object and does not write to it; this cap itself where it is one. */
  readCap(): IURI
  /** The cap that checks and verifies the object and cannot read it; undefined where nothing is stored (LIT). */
  verifyCap(): IURI | undefined
  /** The text of the cap: printable ASCII, and a secret. */
  format(): string
}

/**
 * A cap that checks, verifies and renews leases, and neither reads nor writes.
 *
 * @see allmydata.interfaces.IVerifierURI
 */
export interface IVerifierURI extends IURI {
  readonly kind: VerifierCapKind
  /** The 16 bytes under which the shares are stored. */
  readonly storageIndex: Uint8Array
}

/** The cap of a directory. @see allmydata.interfaces.IDirnodeURI */
export interface IDirnodeURI extends IURI {
  readonly kind: DirectoryCapKind
  /** The cap of the file that holds the directory's table. @see allmydata.uri._DirectoryBaseURI.get_filenode_cap */
  filenodeCap(): IURI
}

/** The cap of a file that tells how large it is. @see allmydata.interfaces.IFileURI */
export interface IFileURI extends IURI {
  readonly kind: FileCapKind
  /** Bytes of the file. */
  readonly size: number
}

/** The cap of an immutable file. @see allmydata.interfaces.IImmutableFileURI */
export interface IImmutableFileURI extends IFileURI {
  readonly kind: 'lit' | 'chk'
}

/** The cap of a mutable file. @see allmydata.interfaces.IMutableFileURI */
export interface IMutableFileURI extends IURI {
  readonly kind: 'ssk' | 'ssk-ro' | 'mdmf' | 'mdmf-ro'
  /** The 16 bytes under which the shares are stored. */
  readonly storageIndex: Uint8Array
}

/** The cap of a directory that can be written with it. @see allmydata.interfaces.IDirectoryURI */
export interface IDirectoryURI extends IDirnodeURI {
  readonly kind: 'dir2' | 'dir2-mdmf'
}

/** The cap of a mutable directory that can only be read with it. @see allmydata.interfaces.IReadonlyDirectoryURI */
export interface IReadonlyDirectoryURI extends IDirnodeURI {
  readonly kind: 'dir2-ro' | 'dir2-mdmf-ro'
}
