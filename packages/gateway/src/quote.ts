/** What is not shown as it is: controls, halves of characters, and what turns text around. */
const HIDDEN = String.raw`\p{Cc}\p{Cs}\p{Co}\u2028-\u202E\u2066-\u2069\uFEFF`
const PLAIN = new RegExp(`^(?!")[^${HIDDEN}]*$`, 'u')
const ESCAPED = new RegExp(`["$\`\\\\${HIDDEN}]`, 'gu')
/** The most characters of a name that an error tells. */
const LENGTH_MAX = 300

/**
 * A name as an error tells it: bare where nobody can misread it, else in double quotes with what
 * could be misread written out.
 *
 * @see allmydata.util.encodingutil.quote_output
 */
export function quoteName(name: string): string {
  const shown = name.length > LENGTH_MAX ? `${name.slice(0, LENGTH_MAX)}…` : name
  return PLAIN.test(shown) ? shown : `"${shown.replaceAll(ESCAPED, escape)}"`
}

function escape(character: string): string {
  if ('"$`\\'.includes(character)) return `\\${character}`
  const code = character.codePointAt(0) ?? 0
  const [letter, digits] = code > 0xffff ? ['U', 8] : code > 0xff ? ['u', 4] : ['x', 2]
  return `\\${letter}${code.toString(16).padStart(digits, '0')}`
}
