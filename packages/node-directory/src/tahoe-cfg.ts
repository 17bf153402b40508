import { NodeDirectoryError } from './errors.ts'

/** The sections of a `tahoe.cfg`, in the order of the file. */
export type TahoeCfg = ReadonlyMap<string, TahoeCfgSection>

/** A section: where it begins first, and its options by their names in lower case. */
export interface TahoeCfgSection {
  /** From 1. */
  readonly line: number
  readonly options: ReadonlyMap<string, TahoeCfgValue>
}

/** A value as it stands; {@link tahoeCfgOption} resolves the `%` in it. */
export interface TahoeCfgValue {
  readonly text: string
  /** From 1. */
  readonly line: number
}

/** A section while it is read: each value in the lines that it has. */
interface OpenSection {
  readonly line: number
  readonly options: Map<string, { readonly lines: string[]; readonly line: number }>
}

/** How deep one value may refer to others. */
const INTERPOLATION_DEPTH_MAX = 10

const BOOLEANS: Readonly<Record<string, boolean>> = {
  '1': true,
  yes: true,
  true: true,
  on: true,
  '0': false,
  no: false,
  false: false,
  off: false,
}

/**
 * Reads a `tahoe.cfg` as Python's configparser does: sections, `=` or `:`, lines that go on when
 * they are indented, whole-line comments with `#` or `;`, option names in lower case, later
 * settings over earlier ones, and a section `DEFAULT` behind every other.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`, naming the line.
 * @see Tahoe-LAFS docs/configuration.rst; Python's configparser
 */
export function parseTahoeCfg(text: string): TahoeCfg {
  const sections = new Map<string, OpenSection>()
  let section: OpenSection | undefined
  let value: string[] | undefined
  let indent = 0
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const content = line.trim()
    if (content === '') {
      value?.push('')
      continue
    }
    if (/^[#;]/.test(content)) continue
    const lineIndent = line.length - line.trimStart().length
    if (value !== undefined && lineIndent > indent) {
      value.push(content)
      continue
    }
    indent = lineIndent
    value = undefined
    const header = /^\[(.+)\]/.exec(content)?.[1]
    if (header !== undefined) {
      section = sections.get(header) ?? { line: index + 1, options: new Map() }
      sections.set(header, section)
      continue
    }
    if (section === undefined) throw badLine(index, 'a [section] before the first option')
    const option = /^([^=:]+)[=:](.*)$/.exec(content)
    if (option === null) throw badLine(index, '"name = value"')
    value = [option[2]?.trim() ?? '']
    section.options.set(option[1]?.trim().toLowerCase() ?? '', { lines: value, line: index + 1 })
  }
  return finish(sections)
}

/** Joins the lines of each value and puts the section DEFAULT behind every other. */
function finish(sections: ReadonlyMap<string, OpenSection>): TahoeCfg {
  const joined = [...sections].map(([name, { line, options }]) => {
    const values = [...options].map(
      ([option, value]) =>
        [option, { text: value.lines.join('\n').trimEnd(), line: value.line }] as const,
    )
    return { name, line, options: new Map<string, TahoeCfgValue>(values) }
  })
  const defaults = joined.find(({ name }) => name === 'DEFAULT')?.options ?? []
  return new Map(
    joined
      .filter(({ name }) => name !== 'DEFAULT')
      .map(({ name, line, options }) => {
        const behind = [...defaults].filter(([option]) => !options.has(option))
        return [name, { line, options: new Map([...options, ...behind]) }]
      }),
  )
}

/**
 * One value of a `tahoe.cfg`: `%%` stands for `%` and `%(name)s` for another option of its section.
 *
 * @returns undefined when the section or the option is not there.
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG` for any other `%`, an unknown name, or a
 *   circle.
 */
export function tahoeCfgOption(cfg: TahoeCfg, section: string, option: string): string | undefined {
  const options = cfg.get(section)?.options
  const raw = options?.get(option.toLowerCase())?.text
  if (options === undefined || raw === undefined) return undefined
  const resolve = (text: string, depth: number): string =>
    text.replaceAll(/%(?:(%)|\(([^)]+)\)s)?/g, (_found, percent?: string, name?: string) => {
      if (percent !== undefined) return '%'
      const value = name === undefined ? undefined : options.get(name.toLowerCase())?.text
      if (value === undefined || depth === INTERPOLATION_DEPTH_MAX) {
        throw badOption(cfg, section, option, '%% or %(name)s after each %')
      }
      return resolve(value, depth + 1)
    })
  return resolve(raw, 0)
}

/**
 * An option that is one of configparser's 1, yes, true, on, 0, no, false, off.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`.
 */
export function booleanOption(
  cfg: TahoeCfg,
  section: string,
  option: string,
  fallback: boolean,
): boolean {
  const text = tahoeCfgOption(cfg, section, option)?.toLowerCase()
  if (text === undefined) return fallback
  const value = Object.hasOwn(BOOLEANS, text) ? BOOLEANS[text] : undefined
  if (value === undefined) throw badOption(cfg, section, option, 'true or false')
  return value
}

/** What is wrong with a value, and where. The value itself is not told: it may be a secret. */
export function badOption(
  cfg: TahoeCfg,
  section: string,
  option: string,
  expected: string,
): NodeDirectoryError {
  return new NodeDirectoryError(
    'NODEDIR_BAD_CONFIG',
    `${placeOf(cfg, section, option)}: expected ${expected} at [${section}] ${option}`,
  )
}

/** Where an option stands: `tahoe.cfg line 7`, and without it `tahoe.cfg`. */
export function placeOf(cfg: TahoeCfg, section: string, option: string): string {
  const line = cfg.get(section)?.options.get(option.toLowerCase())?.line
  return line === undefined ? 'tahoe.cfg' : `tahoe.cfg line ${line}`
}

function badLine(index: number, expected: string): NodeDirectoryError {
  // The line itself may hold a FURL or a secret.
  return new NodeDirectoryError(
    'NODEDIR_BAD_CONFIG',
    `tahoe.cfg line ${index + 1}: expected ${expected}`,
  )
}
