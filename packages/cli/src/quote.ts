import { decodeUtf8 } from './text.ts'

const SAFE = String.raw`\u00A0-\uD7FF\uE000-\uFDCF\uFDF0-\uFFFC`
const NEEDS_DOUBLE_QUOTES = new RegExp(`[^\\n\\x20-\\x26\\x28-\\x7E${SAFE}]`, 'u')
const NEEDS_DOUBLE_QUOTES_ON_ONE_LINE = new RegExp(`[^\\x20-\\x26\\x28-\\x7E${SAFE}]`, 'u')
const ESCAPED = new RegExp(`[^ !#\\x25-\\x5B\\x5D-\\x5F\\x61-\\x7E${SAFE}]`, 'gu')

/** How to quote. */
export interface QuoteOptions {
  /** Whether to quote always, and line feeds too; without it only what could be misread. Default: true. */
  readonly quotationMarks?: boolean
}

/**
 * Text for people, unmistakable and without control characters: in single quotes everything stands
 * for itself; in double quotes backslashes escape; `b"…"` holds bytes that are no UTF-8.
 *
 * @see allmydata.util.encodingutil.quote_output
 */
export function quoteOutput(value: Uint8Array | string, options: QuoteOptions = {}): string {
  const { quotationMarks = true } = options
  if (typeof value === 'string') return quoteText(value, quotationMarks)
  const text = decodeUtf8(value)
  return text === undefined
    ? `b"${escapeBytes(value, quotationMarks)}"`
    : quoteText(text, quotationMarks)
}

function quoteText(text: string, quotationMarks: boolean): string {
  const special = quotationMarks ? NEEDS_DOUBLE_QUOTES_ON_ONE_LINE : NEEDS_DOUBLE_QUOTES
  if (!special.test(text)) {
    return quotationMarks || text.startsWith('"') ? `'${text}'` : text
  }
  return `"${text.replaceAll(ESCAPED, (character) => escape(character, quotationMarks))}"`
}

function escapeBytes(bytes: Uint8Array, quoteNewlines: boolean): string {
  // Every byte stands for the character of its number, of which those from 0x80 on are escaped.
  const latin1 = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
  return latin1.replaceAll(/[^ !#\x25-\x5B\x5D-\x5F\x61-\x7E]/gu, (character) =>
    escape(character, quoteNewlines),
  )
}

function escape(character: string, quoteNewlines: boolean): string {
  if ('"$`\\'.includes(character)) return `\\${character}`
  if (character === '\n' && !quoteNewlines) return character
  const code = character.codePointAt(0) ?? 0
  if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`
  if (code > 0xff) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\x${code.toString(16).padStart(2, '0')}`
}

/** What a terminal obeys, and what makes text read in another order than it stands. */
const CONTROLS = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/gu

/** The text with {@link CONTROLS} written out, such as `\\x1b`. */
export function escapeControls(text: string): string {
  return text.replaceAll(CONTROLS, (character) => escape(character, true))
}

/** A name as a terminal may see it: itself, or in quotes where it holds {@link CONTROLS}. */
export function printableName(name: string): string {
  return escapeControls(name) === name ? name : escapeControls(quoteOutput(name))
}

/** The path of an object from where a walk began, always in quotes. @see allmydata.util.encodingutil.quote_path */
export function quotePath(path: readonly string[]): string {
  return quoteOutput(path.length === 0 ? '<root>' : path.join('/'))
}
