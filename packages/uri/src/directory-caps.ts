import type {
  DirectoryCapKind,
  IDirectoryURI,
  IDirnodeURI,
  IReadonlyDirectoryURI,
  IVerifierURI,
} from '@lafs/filesystem-interface'
import { BaseCap } from './base-cap.ts'
import type { ChkCap, ChkVerifierCap, LitCap } from './immutable-caps.ts'
import type {
  MdmfCap,
  MdmfReadCap,
  MdmfVerifierCap,
  SskCap,
  SskReadCap,
  SskVerifierCap,
} from './mutable-caps.ts'

/** Every cap of a file. */
export type FileCap =
  | LitCap
  | ChkCap
  | ChkVerifierCap
  | SskCap
  | SskReadCap
  | SskVerifierCap
  | MdmfCap
  | MdmfReadCap
  | MdmfVerifierCap

/**
 * What directory caps have in common: each is the cap of the file that holds the directory's table,
 * under another prefix.
 */
export abstract class DirectoryCap<File extends FileCap> extends BaseCap implements IDirnodeURI {
  abstract override readonly kind: DirectoryCapKind
  readonly readonly: boolean
  readonly mutable: boolean
  readonly storageIndex: File['storageIndex']
  /** The cap of the file that holds the table. */
  readonly fileCap: File

  constructor(fileCap: File) {
    super()
    this.fileCap = fileCap
    this.readonly = fileCap.readonly
    this.mutable = fileCap.mutable
    this.storageIndex = fileCap.storageIndex
    Object.freeze(this)
  }

  abstract readCap(): IDirnodeURI
  abstract verifyCap(): IVerifierURI | undefined

  filenodeCap(): File {
    return this.fileCap
  }

  /** The file's cap from its third colon-separated field on, after this directory's prefix. */
  format(): string {
    const [, , ...fields] = this.fileCap.format().split(':')
    return `URI:${prefixes[this.kind]}:${fields.join(':')}`
  }
}

/** What stands between `URI:` and the fields of a directory cap. */
const prefixes: Readonly<Record<DirectoryCapKind, string>> = {
  dir2: 'DIR2',
  'dir2-ro': 'DIR2-RO',
  'dir2-verifier': 'DIR2-Verifier',
  'dir2-chk': 'DIR2-CHK',
  'dir2-chk-verifier': 'DIR2-CHK-Verifier',
  'dir2-lit': 'DIR2-LIT',
  'dir2-mdmf': 'DIR2-MDMF',
  'dir2-mdmf-ro': 'DIR2-MDMF-RO',
  'dir2-mdmf-verifier': 'DIR2-MDMF-Verifier',
}

/** Checks a directory in an SDMF file: `URI:DIR2-Verifier:`. @see allmydata.uri.DirectoryURIVerifier */
export class Dir2VerifierCap extends DirectoryCap<SskVerifierCap> implements IVerifierURI {
  get kind(): 'dir2-verifier' {
    return 'dir2-verifier'
  }

  readCap(): this {
    return this
  }

  verifyCap(): this {
    return this
  }
}

/** Reads a directory in an SDMF file: `URI:DIR2-RO:`. @see allmydata.uri.ReadonlyDirectoryURI */
export class Dir2ReadCap extends DirectoryCap<SskReadCap> implements IReadonlyDirectoryURI {
  get kind(): 'dir2-ro' {
    return 'dir2-ro'
  }

  readCap(): this {
    return this
  }

  verifyCap(): Dir2VerifierCap {
    return new Dir2VerifierCap(this.fileCap.verifyCap())
  }
}

/** Writes a directory in an SDMF file: `URI:DIR2:`. @see allmydata.uri.DirectoryURI */
export class Dir2Cap extends DirectoryCap<SskCap> implements IDirectoryURI {
  get kind(): 'dir2' {
    return 'dir2'
  }

  readCap(): Dir2ReadCap {
    return new Dir2ReadCap(this.fileCap.readCap())
  }

  verifyCap(): Dir2VerifierCap {
    return new Dir2VerifierCap(this.fileCap.verifyCap())
  }
}

/** Checks an immutable directory: `URI:DIR2-CHK-Verifier:`. @see allmydata.uri.ImmutableDirectoryURIVerifier */
export class Dir2ChkVerifierCap extends DirectoryCap<ChkVerifierCap> implements IVerifierURI {
  get kind(): 'dir2-chk-verifier' {
    return 'dir2-chk-verifier'
  }

  readCap(): this {
    return this
  }

  verifyCap(): this {
    return this
  }
}

/** Reads an immutable directory: `URI:DIR2-CHK:`. @see allmydata.uri.ImmutableDirectoryURI */
export class Dir2ChkCap extends DirectoryCap<ChkCap> {
  get kind(): 'dir2-chk' {
    return 'dir2-chk'
  }

  readCap(): this {
    return this
  }

  verifyCap(): Dir2ChkVerifierCap {
    return new Dir2ChkVerifierCap(this.fileCap.verifyCap())
  }
}

/** Is a small immutable directory, itself: `URI:DIR2-LIT:`. @see allmydata.uri.LiteralDirectoryURI */
export class Dir2LitCap extends DirectoryCap<LitCap> {
  get kind(): 'dir2-lit' {
    return 'dir2-lit'
  }

  readCap(): this {
    return this
  }

  /** Nothing is stored, so there is nothing to verify. */
  verifyCap(): undefined {
    return undefined
  }
}

/** Checks a directory in an MDMF file: `URI:DIR2-MDMF-Verifier:`. @see allmydata.uri.MDMFDirectoryURIVerifier */
export class Dir2MdmfVerifierCap extends DirectoryCap<MdmfVerifierCap> implements IVerifierURI {
  get kind(): 'dir2-mdmf-verifier' {
    return 'dir2-mdmf-verifier'
  }

  readCap(): this {
    return this
  }

  verifyCap(): this {
    return this
  }
}

/** Reads a directory in an MDMF file: `URI:DIR2-MDMF-RO:`. @see allmydata.uri.ReadonlyMDMFDirectoryURI */
export class Dir2MdmfReadCap extends DirectoryCap<MdmfReadCap> implements IReadonlyDirectoryURI {
  get kind(): 'dir2-mdmf-ro' {
    return 'dir2-mdmf-ro'
  }

  readCap(): this {
    return this
  }

  verifyCap(): Dir2MdmfVerifierCap {
    return new Dir2MdmfVerifierCap(this.fileCap.verifyCap())
  }
}

/** Writes a directory in an MDMF file: `URI:DIR2-MDMF:`. @see allmydata.uri.MDMFDirectoryURI */
export class Dir2MdmfCap extends DirectoryCap<MdmfCap> implements IDirectoryURI {
  get kind(): 'dir2-mdmf' {
    return 'dir2-mdmf'
  }

  readCap(): Dir2MdmfReadCap {
    return new Dir2MdmfReadCap(this.fileCap.readCap())
  }

  verifyCap(): Dir2MdmfVerifierCap {
    return new Dir2MdmfVerifierCap(this.fileCap.verifyCap())
  }
}
