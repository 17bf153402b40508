import { NotCapableError, type CapConstraintError, type IURI } from '@lafs/filesystem-interface'
import { BaseCap } from './base-cap.ts'
import type { UriError } from './errors.ts'

/** Stands before a cap that is alleged to be no write cap. */
export const ALLEGED_READONLY_PREFIX = 'ro.'

/** Stands before a cap that is alleged to be deep-immutable. */
export const ALLEGED_IMMUTABLE_PREFIX = 'imm.'

/**
 * A cap that cannot be used: one of the future, a malformed one, or one that breaks a constraint of
 * its place. It is kept byte for byte, so that a directory that holds it can be written again.
 *
 * @see allmydata.uri.UnknownURI
 */
export class UnknownCap extends BaseCap implements IURI {
  readonly kind = 'unknown'
  readonly storageIndex = undefined
  /** The cap as it came, byte for byte; a secret. */
  readonly bytes: Uint8Array
  /** Why a cap of a known kind could not be used; undefined for a kind that is not known. */
  readonly error: UriError | CapConstraintError | undefined
  readonly #text: string

  /** @param input - bytes are copied. */
  constructor(input: string | Uint8Array, error?: UriError | CapConstraintError) {
    super()
    if (typeof input === 'string') {
      this.#text = input
      this.bytes = new TextEncoder().encode(input)
    } else {
      this.#text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input)
      this.bytes = Uint8Array.from(input)
    }
    this.error = error
    Object.freeze(this)
  }

  /** Whether the cap says of itself that it is no write cap. */
  get readonly(): boolean {
    return this.#text.startsWith(ALLEGED_READONLY_PREFIX) || !this.mutable
  }

  /** False where the cap says of itself that it is deep-immutable. */
  get mutable(): boolean {
    return !this.#text.startsWith(ALLEGED_IMMUTABLE_PREFIX)
  }

  /**
   * This cap, if it says that it is no write cap.
   *
   * @throws {@link NotCapableError} `NODE_NOT_CAPABLE` otherwise: nobody knows what lesser authority
   *   it has in it, and handing it out as a read cap might hand out a write cap.
   */
  readCap(): UnknownCap {
    if (this.readonly) return this
    throw new NotCapableError('a cap of an unknown kind has no known read cap')
  }

  verifyCap(): undefined {
    return undefined
  }

  /** The text; exact unless the bytes are no UTF-8. */
  format(): string {
    return this.#text
  }
}
