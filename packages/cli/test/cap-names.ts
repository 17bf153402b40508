const CAP = /URI(:|%3A)([A-Z0-9]+(?:-[A-Za-z0-9]+)*)((?:\1[A-Za-z0-9]+)+)/g
const INDEX = /(?<![A-Za-z0-9:])[a-z2-7]{26}(?![A-Za-z0-9])/g
const SERVER = /\bv0-[a-z2-7]{52}\b|\b[a-z2-7]{8}(?=-sh\d)/g
const ROOT_HASH = /\b(seq\d+)-[a-z2-7]{4}\b/g
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/[A-Z][a-z]{2} \d\d (?:\d\d:\d\d| \d{4})/g, '<TIME>'],
  [/\b1\d{9}(?:\.\d+)?\b/g, '<SECONDS>'],
  [/((?:size-directories|largest-directory)"?: )\d+(?: +\(.*\))?/g, '$1<SIZE>'],
]
/** What stands in these is the same each time. */
const LITERALS: ReadonlySet<string> = new Set(['LIT', 'DIR2-LIT', 'FUTURE'])

/** Gives the caps and storage indexes of one scenario the names that its recording gave them. */
export class CapNames {
  readonly #texts = new Map<string, string[]>()

  /** The text with names in the place of all that differs between two runs. */
  hide(text: string): string {
    const named = text
      .replaceAll(CAP, (whole: string, separator: string, kind: string, fields: string) => {
        if (LITERALS.has(kind) || fields.includes('nonsense')) return whole
        const end = separator === ':' ? '>' : '%>'
        return this.#name(kind, whole.replaceAll('%3A', ':')) + end
      })
      .replaceAll(SERVER, '<SERVER>')
      .replaceAll(ROOT_HASH, '$1-<ROOT>')
      .replaceAll(INDEX, (index) => `${this.#name('SI', index)}>`)
    return VARYING.reduce((hidden, [pattern, name]) => hidden.replaceAll(pattern, name), named)
  }

  /** The text with caps in the place of their names. */
  show(text: string): string {
    return text.replaceAll(
      /<([A-Za-z0-9-]+)\.(\d+)(%?)>/g,
      (_name, kind: string, number: string, quoted: string) => {
        const cap = this.#texts.get(kind)?.[Number(number) - 1] ?? ''
        return quoted === '' ? cap : encodeURIComponent(cap)
      },
    )
  }

  #name(kind: string, text: string): string {
    const known = this.#texts.get(kind) ?? []
    this.#texts.set(kind, known)
    if (!known.includes(text)) known.push(text)
    return `<${kind}.${known.indexOf(text) + 1}`
  }
}
