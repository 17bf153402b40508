/** Bytes that look random and are the same every time. */
export function noise(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed * 2_654_435_761
  for (let index = 0; index < size; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** Whether two byte strings are equal; quicker to ask than `toEqual` of a large file. */
export function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false
  return a.every((byte, index) => byte === b[index])
}
