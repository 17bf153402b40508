import {
  MustBeDeepImmutableError,
  MustNotBeUnknownRWError,
  NotCapableError,
} from '@lafs/filesystem-interface'
import type { CreateNodeOptions, IFilesystemNode, IURI } from '@lafs/filesystem-interface'
import { parseCap, UnknownCap } from '@lafs/uri'
import {
  allegeImmutable,
  allegeReadonly,
  capBytes,
  isAllegedImmutable,
  isAllegedReadonly,
} from './caps.ts'

/** What an unknown node holds of its caps: nothing, where they cannot stand where they were found. */
interface KeptCaps {
  readonly writeCap?: UnknownCap
  readonly readCap?: UnknownCap
  readonly error?: Error | undefined
}

function given(cap: string | IURI | undefined): Uint8Array | undefined {
  if (cap === undefined) return undefined
  const bytes = capBytes(cap)
  return bytes.length === 0 ? undefined : bytes
}

/** What is wrong with the two caps of an entry as a pair, if anything is. */
function pairError(
  write: Uint8Array | undefined,
  read: Uint8Array | undefined,
  { deepImmutable = false, name }: CreateNodeOptions,
): Error | undefined {
  if (write === undefined) return undefined
  const details = { childName: name }
  if (deepImmutable && read !== undefined) {
    return new MustBeDeepImmutableError(
      'expected the cap of an immutable child, got an unknown write cap',
      details,
    )
  }
  if (read !== undefined) {
    if (!isAllegedImmutable(read)) return undefined
    return new MustBeDeepImmutableError(
      'expected one cap, got a write cap beside a read cap that is said to be immutable',
      details,
    )
  }
  const acceptable = isAllegedImmutable(write) || (!deepImmutable && isAllegedReadonly(write))
  if (acceptable) return undefined
  return new MustNotBeUnknownRWError(
    deepImmutable
      ? 'expected the cap of an immutable child, got an unknown cap that may write'
      : 'expected a cap of a known kind, or a read cap beside it, got an unknown cap alone',
    details,
  )
}

/**
 * Which of two caps an entry may hold, and in which strength. One cap alone counts as a read cap if
 * it says that it is one; without that word it may be a write cap, from which nobody can make a read
 * cap.
 */
function keepCaps(
  writeCap: string | IURI | undefined,
  readCap: string | IURI | undefined,
  options: CreateNodeOptions,
): KeptCaps {
  const { deepImmutable = false, name } = options
  const write = given(writeCap)
  const read = given(readCap)
  const error = pairError(write, read, options)
  if (error !== undefined) return { error }
  const asRead = read ?? write
  if (asRead === undefined) return {}
  const parsed = parseCap(asRead, { deepImmutable, ...(name !== undefined && { name }) })
  if (parsed.kind === 'unknown' && parsed.error !== undefined) return { error: parsed.error }
  if (deepImmutable) return { readCap: new UnknownCap(allegeImmutable(asRead)) }
  return {
    readCap: new UnknownCap(allegeReadonly(asRead)),
    ...(read !== undefined && write !== undefined && { writeCap: new UnknownCap(write) }),
  }
}

/** @see createUnknownNode */
class UnknownNode implements IFilesystemNode {
  readonly kind = 'unknown'
  readonly unknown = true
  readonly repairCap = undefined
  readonly verifyCap = undefined
  readonly storageIndex = undefined
  readonly size = undefined
  readonly cap: UnknownCap
  readonly readCap: UnknownCap
  readonly #kept: KeptCaps

  constructor(kept: KeptCaps) {
    this.readCap = kept.readCap ?? new UnknownCap('')
    this.cap = kept.writeCap ?? this.readCap
    this.#kept = kept
  }

  get writeUri(): string | undefined {
    return this.#kept.writeCap?.format()
  }

  get readonlyUri(): string | undefined {
    return this.#kept.readCap?.format()
  }

  get uri(): string | undefined {
    return this.writeUri ?? this.readonlyUri
  }

  /** Whether no write cap is held; what the read cap can do is not known. */
  get readonly(): boolean {
    return this.writeUri === undefined
  }

  /** False where the read cap says that it is immutable, and where there is none. */
  get mutable(): boolean {
    if (this.#kept.error !== undefined || this.writeUri !== undefined) return true
    return this.readonlyUri !== undefined && this.readCap.mutable
  }

  get allowedInImmutableDirectory(): boolean {
    return this.#kept.error === undefined && this.writeUri === undefined
  }

  raiseError(): void {
    if (this.#kept.error !== undefined) throw this.#kept.error
  }

  async currentSize(): Promise<number> {
    throw new NotCapableError('an object of an unknown kind has no known size')
  }
}

/**
 * The node of caps that nobody here understands. It keeps them byte for byte, so that the entry
 * survives, and strengthens the read cap by the prefix that its place implies: `ro.`, or `imm.` in a
 * deep-immutable one.
 *
 * It never throws: caps that break a constraint of their place give a node that holds none and whose
 * `raiseError()` tells. That error is a {@link CapConstraintError}, or a `UriError` for a cap of a
 * known kind that is malformed.
 *
 * @param writeCap - the strongest cap that is known, of a kind that is not.
 * @param readCap - the read cap of the same object.
 * @see allmydata.unknown.UnknownNode
 */
export function createUnknownNode(
  writeCap: string | IURI | undefined,
  readCap: string | IURI | undefined,
  options: CreateNodeOptions = {},
): IFilesystemNode {
  return new UnknownNode(keepCaps(writeCap, readCap, options))
}
