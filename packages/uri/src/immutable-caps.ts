import {
  HASH_SIZE,
  KEY_SIZE,
  defaultCrypto,
  storageIndexHash,
  toBase32,
  type CryptoProvider,
} from '@lafs/crypto'
import type { IImmutableFileURI, IVerifierURI } from '@lafs/filesystem-interface'
import { BaseCap, copyOf } from './base-cap.ts'

/** The numbers that the caps of a CHK file hold. */
export interface ChkParameters {
  /** The hash of the URI extension block, 32 bytes. */
  readonly uriExtensionHash: Uint8Array
  /** How many shares give the file back; `1 <= requiredShares <= totalShares <= 256`. */
  readonly requiredShares: number
  readonly totalShares: number
  /** Bytes of the file. */
  readonly size: number
}

function checkParameters({ requiredShares: k, totalShares: n, size }: ChkParameters): void {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || k > n || n > 256) {
    throw new RangeError(`CHK cap: expected 1 <= k <= n <= 256, got k = ${k}, n = ${n}`)
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(`CHK cap: expected a size that is a safe integer >= 0, got ${size}`)
  }
}

function formatParameters(cap: ChkParameters): string {
  return `${toBase32(cap.uriExtensionHash)}:${cap.requiredShares}:${cap.totalShares}:${cap.size}`
}

/** Checks an immutable file: `URI:CHK-Verifier:`. @see allmydata.uri.CHKFileVerifierURI */
export class ChkVerifierCap extends BaseCap implements IVerifierURI, ChkParameters {
  readonly kind = 'chk-verifier'
  readonly readonly = true
  readonly mutable = false
  readonly storageIndex: Uint8Array
  readonly uriExtensionHash: Uint8Array
  readonly requiredShares: number
  readonly totalShares: number
  readonly size: number

  /**
   * @param parameters.storageIndex - 16 bytes; copied, as the hash is.
   * @throws RangeError for a size or number out of its range.
   */
  constructor(parameters: ChkParameters & { readonly storageIndex: Uint8Array }) {
    super()
    checkParameters(parameters)
    this.storageIndex = copyOf('storage index', parameters.storageIndex, KEY_SIZE)
    this.uriExtensionHash = copyOf('UEB hash', parameters.uriExtensionHash, HASH_SIZE)
    this.requiredShares = parameters.requiredShares
    this.totalShares = parameters.totalShares
    this.size = parameters.size
    Object.freeze(this)
  }

  readCap(): ChkVerifierCap {
    return this
  }

  verifyCap(): ChkVerifierCap {
    return this
  }

  format(): string {
    return `URI:CHK-Verifier:${toBase32(this.storageIndex)}:${formatParameters(this)}`
  }
}

/** Reads an immutable file: `URI:CHK:`. @see allmydata.uri.CHKFileURI */
export class ChkCap extends BaseCap implements IImmutableFileURI, ChkParameters {
  readonly kind = 'chk'
  readonly readonly = true
  readonly mutable = false
  /** The AES key, 16 bytes: the secret. */
  readonly key: Uint8Array
  readonly uriExtensionHash: Uint8Array
  readonly requiredShares: number
  readonly totalShares: number
  readonly size: number
  readonly storageIndex: Uint8Array

  /**
   * @param parameters.key - 16 bytes; copied, as the hash is.
   * @throws RangeError for a size or number out of its range.
   */
  constructor(
    parameters: ChkParameters & { readonly key: Uint8Array },
    crypto: CryptoProvider = defaultCrypto,
  ) {
    super()
    checkParameters(parameters)
    this.key = copyOf('CHK key', parameters.key, KEY_SIZE)
    this.uriExtensionHash = copyOf('UEB hash', parameters.uriExtensionHash, HASH_SIZE)
    this.requiredShares = parameters.requiredShares
    this.totalShares = parameters.totalShares
    this.size = parameters.size
    this.storageIndex = storageIndexHash(this.key, crypto)
    Object.freeze(this)
  }

  readCap(): ChkCap {
    return this
  }

  verifyCap(): ChkVerifierCap {
    return new ChkVerifierCap(this)
  }

  format(): string {
    return `URI:CHK:${toBase32(this.key)}:${formatParameters(this)}`
  }
}

/** Is a small immutable file, itself: `URI:LIT:`. @see allmydata.uri.LiteralFileURI */
export class LitCap extends BaseCap implements IImmutableFileURI {
  readonly kind = 'lit'
  readonly readonly = true
  readonly mutable = false
  readonly storageIndex = undefined
  /** The whole file: the secret. */
  readonly data: Uint8Array

  /** @param data - copied. */
  constructor(data: Uint8Array) {
    super()
    this.data = Uint8Array.from(data)
    Object.freeze(this)
  }

  /** Bytes of the file. */
  get size(): number {
    return this.data.length
  }

  readCap(): LitCap {
    return this
  }

  /** Nothing is stored, so there is nothing to verify. */
  verifyCap(): undefined {
    return undefined
  }

  format(): string {
    return `URI:LIT:${toBase32(this.data)}`
  }
}
