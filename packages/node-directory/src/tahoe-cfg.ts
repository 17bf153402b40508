import { ClientError } from '@lafs/client'

/** The sections of a `tahoe.cfg`, each with its options as they stand, in the order of the file. */
export type TahoeCfg = ReadonlyMap<string, ReadonlyMap<string, string>>

/** How deep one value may refer to others. */
const INTERPOLATION_DEPTH_MAX = 10

/**
 * Reads a `tahoe.cfg` as Python's configparser does: sections, `=` or `:`, lines that go on when
 * they are indented, whole-line comments with `#` or `;`, option names in lower case, later
 * settings over earlier ones, and a section `DEFAULT` behind every other.
 *
 * @returns values as they stand; {@link tahoeCfgOption} resolves the `%` in them.
 * @throws {@link ClientError} `CLIENT_BAD_CONFIG`, naming the line.
 * @see Tahoe-LAFS docs/configuration.rst; Python's configparser
 */
export function parseTahoeCfg(text: string): TahoeCfg {
  const sections = new Map<string, Map<string, string[]>>()
  let section: Map<string, string[]> | undefined
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
      section = sections.get(header) ?? new Map<string, string[]>()
      sections.set(header, section)
      continue
    }
    if (section === undefined) throw badLine(index, 'a [section] before the first option')
    const option = /^([^=:]+)[=:](.*)$/.exec(content)
    if (option === null) throw badLine(index, '"name = value"')
    value = [option[2]?.trim() ?? '']
    section.set(option[1]?.trim().toLowerCase() ?? '', value)
  }
  return finish(sections)
}

/** Joins the lines of each value and puts the section DEFAULT behind every other. */
function finish(sections: ReadonlyMap<string, ReadonlyMap<string, string[]>>): TahoeCfg {
  const joined = [...sections].map(([name, options]) => {
    const texts = [...options].map(
      ([option, lines]) => [option, lines.join('\n').trimEnd()] as const,
    )
    return [name, new Map(texts)] as const
  })
  const defaults = joined.find(([name]) => name === 'DEFAULT')?.[1] ?? []
  return new Map(
    joined
      .filter(([name]) => name !== 'DEFAULT')
      .map(([name, options]) => [
        name,
        new Map([...options, ...[...defaults].filter(([option]) => !options.has(option))]),
      ]),
  )
}

/**
 * One value of a `tahoe.cfg`: `%%` stands for `%` and `%(name)s` for another option of its section.
 *
 * @returns undefined when the section or the option is not there.
 * @throws {@link ClientError} `CLIENT_BAD_CONFIG` for any other `%`, an unknown name, or a circle.
 */
export function tahoeCfgOption(cfg: TahoeCfg, section: string, option: string): string | undefined {
  const options = cfg.get(section)
  const raw = options?.get(option.toLowerCase())
  if (options === undefined || raw === undefined) return undefined
  const resolve = (text: string, depth: number): string =>
    text.replaceAll(/%(?:(%)|\(([^)]+)\)s)?/g, (_found, percent?: string, name?: string) => {
      if (percent !== undefined) return '%'
      const value = name === undefined ? undefined : options.get(name.toLowerCase())
      if (value === undefined || depth === INTERPOLATION_DEPTH_MAX) {
        throw new ClientError(
          'CLIENT_BAD_CONFIG',
          `tahoe.cfg: expected %% or %(name)s after each % in [${section}] ${option}`,
        )
      }
      return resolve(value, depth + 1)
    })
  return resolve(raw, 0)
}

function badLine(index: number, expected: string): ClientError {
  // The line itself may hold a FURL or a secret.
  return new ClientError('CLIENT_BAD_CONFIG', `tahoe.cfg line ${index + 1}: expected ${expected}`)
}
