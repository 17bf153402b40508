const SAFE =
  /^[^"\p{Cc}\p{Cs}\p{Co}\u2028-\u202E\u2066-\u2069\uFEFF][^\p{Cc}\p{Cs}\p{Co}\u2028-\u202E\u2066-\u2069\uFEFF]*$/u
/** The most characters of a name that an error tells. */
const LENGTH_MAX = 300

/**
 * A name as an error tells it: bare where nobody can misread it, else in double quotes with its
 * controls written out.
 */
export function quoteName(name: string): string {
  const shown = name.length > LENGTH_MAX ? `${name.slice(0, LENGTH_MAX)}…` : name
  if (shown === '' || SAFE.test(shown)) return shown
  return JSON.stringify(shown).replaceAll(
    /[\x7F-\x9F\u2028-\u202E\u2066-\u2069\uFEFF]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
