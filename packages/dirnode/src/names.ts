import { BadChildNameError, EmptyPathnameComponentError } from '@lafs/filesystem-interface'

/**
 * The name that an entry is found by: its NFC.
 *
 * @throws {@link BadChildNameError} for text that has no UTF-8, TypeError for what is no text.
 */
export function normalizeName(name: string): string {
  if (typeof name !== 'string') throw new TypeError(`child name: expected text, got ${typeof name}`)
  if (/\p{Surrogate}/u.test(name)) {
    throw new BadChildNameError('child name: expected text, got a surrogate that stands alone')
  }
  return name.normalize('NFC')
}

/**
 * The same for a name that is to be written. A table that holds an empty name can be read, and the
 * entry removed.
 *
 * @throws {@link EmptyPathnameComponentError} as well.
 */
export function newName(name: string): string {
  const normalized = normalizeName(name)
  if (normalized === '') {
    throw new EmptyPathnameComponentError('child name: expected at least one character')
  }
  return normalized
}

/** Where a code unit stands among code points: surrogates come after all of the basic plane. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** Orders names by code points, as their UTF-8 bytes are ordered, and as Python does. */
export function compareNames(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let at = 0; at < shared; at++) {
    const difference = rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/**
 * The components of a path.
 *
 * @param path - names, or one text with slashes between them; empty for no component.
 * @throws {@link EmptyPathnameComponentError} for two slashes that meet, or one at an end.
 */
export function splitPath(path: string | readonly string[]): readonly string[] {
  if (path.length === 0) return []
  const names = typeof path === 'string' ? path.split('/') : path
  return names.map((name) => newName(name))
}
