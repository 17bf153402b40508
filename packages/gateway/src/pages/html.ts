/** Markup that is safe to stand in a page. Only {@link html} and {@link exact} make it. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

/** What may stand in a template: nothing is written for undefined, null and false. */
export type Part = Html | string | number | false | null | undefined | readonly Part[]

/**
 * Markup from a template. Texts are escaped, whether they stand between tags or in a quoted attribute;
 * control characters and those that turn the direction of text are shown by name, so that no text
 * looks like another. Values that must come back as they were go through {@link exact}.
 */
export function html(template: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let markup = template[0] ?? ''
  for (const [index, part] of parts.entries())
    markup += markupOf(part) + (template[index + 1] ?? '')
  return new Html(markup)
}

/** A text for a quoted attribute or a text area, with every character as it is. */
export function exact(text: string): Html {
  return new Html(escape(text))
}

function markupOf(part: Part): string {
  if (part instanceof Html) return part.markup
  if (typeof part === 'string') return escape(visible(part))
  if (typeof part === 'number') return String(part)
  if (part === undefined || part === null || part === false) return ''
  return part.map(markupOf).join('')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\r': '&#13;',
  '\n': '&#10;',
}

function escape(text: string): string {
  return text.replace(/[&<>"'\r\n]/g, (character) => ESCAPES[character] ?? character)
}

/**
 * What cannot be seen, or changes how the rest is seen: control characters but tab and line feed, marks
 * and overrides of direction, and spaces without width. (The joiners of emoji and of Indic scripts stay.)
 */
const UNSEEN = /(?![\t\n])[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** A text with what cannot be seen in it shown by name. */
export function visible(text: string): string {
  return text.replace(UNSEEN, nameOfUnseen)
}

/** `[U+202E]`: fonts with pictures of control characters are not everywhere. */
export function nameOfUnseen(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`
}
