/**
 * JSON with the names of fields as upstream writes them: `share-number` for `shareNumber`.
 *
 * @param indent - of each level; none: all in one line.
 */
export function kebabJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_, part: unknown) => withKebabKeys(part), indent)
}

function withKebabKeys(part: unknown): unknown {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  )
}
