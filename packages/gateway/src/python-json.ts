/**
 * JSON as Python's json.dumps writes it: in ASCII, with a space after each separator, and indented
 * where that is asked for. A map is an object whose fields keep their order whatever their names are.
 * Fields that are undefined are left out.
 *
 * @param indent - columns a level; undefined for everything on one line.
 */
export function pythonJson(value: unknown, indent?: number): string {
  return asciiOnly(write(value, indent, 0))
}

function write(value: unknown, indent: number | undefined, depth: number): string {
  if (Array.isArray(value)) {
    return enclose(
      '[]',
      value.map((item: unknown) => write(item, indent, depth + 1)),
      indent,
      depth,
    )
  }
  if (typeof value === 'object' && value !== null) {
    const entries: Iterable<readonly [unknown, unknown]> =
      value instanceof Map ? value : Object.entries(value)
    const fields = [...entries].filter(([, field]) => field !== undefined)
    const lines = fields.map(
      ([name, field]) => `${JSON.stringify(name)}: ${write(field, indent, depth + 1)}`,
    )
    return enclose('{}', lines, indent, depth)
  }
  return JSON.stringify(value)
}

function enclose(
  brackets: string,
  items: readonly string[],
  indent: number | undefined,
  depth: number,
): string {
  const [open, close] = brackets
  if (items.length === 0) return brackets
  if (indent === undefined) return `${open}${items.join(', ')}${close}`
  const margin = `\n${' '.repeat(indent * (depth + 1))}`
  return `${open}${margin}${items.join(`,${margin}`)}\n${' '.repeat(indent * depth)}${close}`
}

function asciiOnly(text: string): string {
  return text.replaceAll(
    /[\x7F-\uFFFF]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
