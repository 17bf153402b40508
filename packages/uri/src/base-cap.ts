import { toBase32 } from '@lafs/crypto'
import type { CapKind } from '@lafs/filesystem-interface'

/** What all caps do alike: they hide their secret from whoever does not ask with `format()`. */
export abstract class BaseCap {
  abstract readonly kind: CapKind
  /** The 16 bytes under which the shares are stored; undefined where there are none, or unknown. */
  abstract readonly storageIndex: Uint8Array | undefined

  /** The text of the cap: a secret. */
  abstract format(): string

  /** A text for logs: the kind, and the start of the storage index; no secret. */
  toString(): string {
    const { storageIndex } = this
    if (storageIndex === undefined) return `<${this.kind} cap>`
    return `<${this.kind} cap ${toBase32(storageIndex).slice(0, 5)}>`
  }

  /** As {@link toString}: what ends up in JSON by accident is no secret. */
  toJSON(): string {
    return this.toString()
  }

  static {
    // How Node asks a value for its text in a log; a declared member of this name cannot be typed.
    Object.defineProperty(this.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value(this: BaseCap) {
        return this.toString()
      },
    })
  }
}

/** A copy of bytes that must be of a size; `what` names them in the message. */
export function copyOf(what: string, bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length !== size) {
    throw new RangeError(`${what}: expected ${size} bytes, got ${bytes.length}`)
  }
  return Uint8Array.from(bytes)
}
