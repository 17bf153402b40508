/** The text of bytes; undefined where they are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0)
}

/** Compares as Python does: by code points, not by UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const left = codePoints(a)
  const right = codePoints(b)
  const at = left.findIndex((point, index) => point !== right[index])
  if (at < 0) return left.length - right.length
  return (left[at] ?? 0) - (right[at] ?? -1)
}

/** How many characters a text has. */
export function codePointCount(text: string): number {
  return codePoints(text).length
}

/** The text with spaces before it, at least `width` characters of it. */
export function flushRight(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - codePointCount(text))) + text
}

/** The text with spaces after it, at least `width` characters of it. */
export function flushLeft(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - codePointCount(text)))
}
