const encoder = new TextEncoder()

/** The UTF-8 bytes of a text, in fresh memory. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The pieces, one after another, in fresh memory. */
export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const piece of pieces) size += piece.length
  const out = new Uint8Array(size)
  let position = 0
  for (const piece of pieces) {
    out.set(piece, position)
    position += piece.length
  }
  return out
}

/** Whether two byte strings are equal; for what is no secret, see {@link CryptoProvider.timingSafeEqual}. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/** Refuses a value that has not exactly this many bytes; `what` names it in the message. */
export function assertSize(what: string, value: Uint8Array, size: number): void {
  if (value.length !== size) {
    throw new RangeError(`${what}: expected ${size} bytes, got ${value.length}`)
  }
}
