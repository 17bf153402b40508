import {
  HASH_SIZE,
  KEY_SIZE,
  defaultCrypto,
  sskReadkeyHash,
  sskStorageIndexHash,
  toBase32,
  type CryptoProvider,
} from '@lafs/crypto'
import type { IMutableFileURI, IVerifierURI } from '@lafs/filesystem-interface'
import { BaseCap, copyOf } from './base-cap.ts'

/** What all caps of a mutable file hold. */
export interface MutableParameters {
  /** The hash of the public key, 32 bytes. */
  readonly fingerprint: Uint8Array
}

/** What a verify cap of a mutable file is made from. */
export interface MutableVerifierParameters extends MutableParameters {
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
}

/** What a read cap of a mutable file is made from. */
export interface MutableReadParameters extends MutableParameters {
  /** 16 bytes: a secret. */
  readonly readkey: Uint8Array
}

/** What a write cap of a mutable file is made from. */
export interface MutableWriteParameters extends MutableParameters {
  /** 16 bytes: a secret. */
  readonly writekey: Uint8Array
}

/** What SDMF and MDMF verify caps have in common. */
export abstract class MutableVerifierCap extends BaseCap implements MutableVerifierParameters {
  readonly readonly = true
  /** False, as upstream has it: with this cap the file cannot be read, let alone changed. */
  readonly mutable = false
  readonly storageIndex: Uint8Array
  readonly fingerprint: Uint8Array

  /** @throws RangeError for a size out of its range. */
  constructor(parameters: MutableVerifierParameters) {
    super()
    this.storageIndex = copyOf('storage index', parameters.storageIndex, KEY_SIZE)
    this.fingerprint = copyOf('fingerprint', parameters.fingerprint, HASH_SIZE)
    Object.freeze(this)
  }

  readCap(): this {
    return this
  }

  verifyCap(): this {
    return this
  }
}

/** What SDMF and MDMF read caps have in common. */
export abstract class MutableReadCap extends BaseCap implements MutableReadParameters {
  readonly readonly = true
  readonly mutable = true
  /** 16 bytes: the secret. */
  readonly readkey: Uint8Array
  readonly fingerprint: Uint8Array
  readonly storageIndex: Uint8Array

  /** @throws RangeError for a size out of its range. */
  constructor(parameters: MutableReadParameters, crypto: CryptoProvider = defaultCrypto) {
    super()
    this.readkey = copyOf('read key', parameters.readkey, KEY_SIZE)
    this.fingerprint = copyOf('fingerprint', parameters.fingerprint, HASH_SIZE)
    this.storageIndex = sskStorageIndexHash(this.readkey, crypto)
    Object.freeze(this)
  }

  readCap(): this {
    return this
  }
}

/** What SDMF and MDMF write caps have in common. */
export abstract class MutableWriteCap extends BaseCap implements MutableWriteParameters {
  readonly readonly = false
  readonly mutable = true
  /** 16 bytes: the secret. */
  readonly writekey: Uint8Array
  /** 16 bytes, derived: a secret too. */
  readonly readkey: Uint8Array
  readonly fingerprint: Uint8Array
  readonly storageIndex: Uint8Array

  /** @throws RangeError for a size out of its range. */
  constructor(parameters: MutableWriteParameters, crypto: CryptoProvider = defaultCrypto) {
    super()
    this.writekey = copyOf('write key', parameters.writekey, KEY_SIZE)
    this.readkey = sskReadkeyHash(this.writekey, crypto)
    this.fingerprint = copyOf('fingerprint', parameters.fingerprint, HASH_SIZE)
    this.storageIndex = sskStorageIndexHash(this.readkey, crypto)
    Object.freeze(this)
  }
}

/** The text of a cap of a mutable file. */
function formatFields(prefix: string, secret: Uint8Array, fingerprint: Uint8Array): string {
  return `${prefix}${toBase32(secret)}:${toBase32(fingerprint)}`
}

/** Checks an SDMF file: `URI:SSK-Verifier:`. @see allmydata.uri.SSKVerifierURI */
export class SskVerifierCap extends MutableVerifierCap implements IVerifierURI {
  get kind(): 'ssk-verifier' {
    return 'ssk-verifier'
  }

  format(): string {
    return formatFields('URI:SSK-Verifier:', this.storageIndex, this.fingerprint)
  }
}

/** Reads an SDMF file: `URI:SSK-RO:`. @see allmydata.uri.ReadonlySSKFileURI */
export class SskReadCap extends MutableReadCap implements IMutableFileURI {
  get kind(): 'ssk-ro' {
    return 'ssk-ro'
  }

  verifyCap(): SskVerifierCap {
    return new SskVerifierCap(this)
  }

  format(): string {
    return formatFields('URI:SSK-RO:', this.readkey, this.fingerprint)
  }
}

/** Writes an SDMF file: `URI:SSK:`. @see allmydata.uri.WriteableSSKFileURI */
export class SskCap extends MutableWriteCap implements IMutableFileURI {
  get kind(): 'ssk' {
    return 'ssk'
  }

  readCap(): SskReadCap {
    return new SskReadCap(this)
  }

  verifyCap(): SskVerifierCap {
    return new SskVerifierCap(this)
  }

  format(): string {
    return formatFields('URI:SSK:', this.writekey, this.fingerprint)
  }
}

/** Checks an MDMF file: `URI:MDMF-Verifier:`. @see allmydata.uri.MDMFVerifierURI */
export class MdmfVerifierCap extends MutableVerifierCap implements IVerifierURI {
  get kind(): 'mdmf-verifier' {
    return 'mdmf-verifier'
  }

  format(): string {
    return formatFields('URI:MDMF-Verifier:', this.storageIndex, this.fingerprint)
  }
}

/** Reads an MDMF file: `URI:MDMF-RO:`. @see allmydata.uri.ReadonlyMDMFFileURI */
export class MdmfReadCap extends MutableReadCap implements IMutableFileURI {
  get kind(): 'mdmf-ro' {
    return 'mdmf-ro'
  }

  verifyCap(): MdmfVerifierCap {
    return new MdmfVerifierCap(this)
  }

  format(): string {
    return formatFields('URI:MDMF-RO:', this.readkey, this.fingerprint)
  }
}

/** Writes an MDMF file: `URI:MDMF:`. @see allmydata.uri.WriteableMDMFFileURI */
export class MdmfCap extends MutableWriteCap implements IMutableFileURI {
  get kind(): 'mdmf' {
    return 'mdmf'
  }

  readCap(): MdmfReadCap {
    return new MdmfReadCap(this)
  }

  verifyCap(): MdmfVerifierCap {
    return new MdmfVerifierCap(this)
  }

  format(): string {
    return formatFields('URI:MDMF:', this.writekey, this.fingerprint)
  }
}
