import { pythonJson } from '@lafs/gateway/python-json'

/**
 * JSON as Python writes it, with the names of fields as upstream writes them: `share-number` for
 * `shareNumber`. The keys of maps, which are no names of ours, stay as they are.
 *
 * @param indent - of each level; none: all in one line.
 */
export function kebabJson(value: unknown, indent?: number): string {
  return pythonJson(withKebabKeys(value), indent)
}

function withKebabKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withKebabKeys)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toJSON()
  if (value instanceof Map) {
    return new Map([...value].map(([key, field]) => [key, withKebabKeys(field)]))
  }
  return new Map(
    Object.entries(value).map(([name, field]) => [kebabCase(name), withKebabKeys(field)]),
  )
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
