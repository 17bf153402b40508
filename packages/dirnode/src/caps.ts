import { concatBytes } from '@lafs/crypto'
import type { IURI } from '@lafs/filesystem-interface'
import { ALLEGED_IMMUTABLE_PREFIX, ALLEGED_READONLY_PREFIX, UnknownCap } from '@lafs/uri'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const immutablePrefix = encoder.encode(ALLEGED_IMMUTABLE_PREFIX)
const readonlyPrefix = encoder.encode(ALLEGED_READONLY_PREFIX)

const SPACE = 0x20

/** The bytes of a cap: those that it came as, where nobody understands it. */
export function capBytes(cap: string | IURI): Uint8Array {
  if (cap instanceof UnknownCap) return cap.bytes
  return encoder.encode(typeof cap === 'string' ? cap : cap.format())
}

/**
 * The cap in a slot of a directory: spaces at its end do not count.
 *
 * @returns text, or an unknown cap where the bytes are no UTF-8; undefined for an empty slot.
 */
export function capInSlot(slot: Uint8Array): string | UnknownCap | undefined {
  let end = slot.length
  while (end > 0 && slot[end - 1] === SPACE) end--
  if (end === 0) return undefined
  const bytes = slot.subarray(0, end)
  try {
    return decoder.decode(bytes)
  } catch {
    return new UnknownCap(bytes)
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => bytes[index] === byte)
}

/** Whether a cap says of itself that it is deep-immutable. */
export function isAllegedImmutable(cap: Uint8Array): boolean {
  return startsWith(cap, immutablePrefix)
}

/** Whether a cap says of itself that it cannot write. */
export function isAllegedReadonly(cap: Uint8Array): boolean {
  return startsWith(cap, readonlyPrefix)
}

/** A cap with the prefix `ro.`, unless it says that much or more already. */
export function allegeReadonly(cap: Uint8Array): Uint8Array {
  if (isAllegedReadonly(cap) || isAllegedImmutable(cap)) return cap
  return concatBytes([readonlyPrefix, cap])
}

/** A cap with the prefix `imm.`, in the place of `ro.` where that stands. */
export function allegeImmutable(cap: Uint8Array): Uint8Array {
  if (isAllegedImmutable(cap)) return cap
  const bare = isAllegedReadonly(cap) ? cap.subarray(readonlyPrefix.length) : cap
  return concatBytes([immutablePrefix, bare])
}

/**
 * A read cap as it stands in a directory: without the prefix that its slot implies. `imm.` goes in
 * deep-immutable directories alone.
 *
 * @see allmydata.unknown.strip_prefix_for_ro
 */
export function stripImpliedPrefix(cap: Uint8Array, deepImmutable: boolean): Uint8Array {
  if (isAllegedImmutable(cap)) return deepImmutable ? cap.subarray(immutablePrefix.length) : cap
  return isAllegedReadonly(cap) ? cap.subarray(readonlyPrefix.length) : cap
}
