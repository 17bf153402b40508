import type { Client } from '@lafs/client'
import type { ChildMetadata, NewChild } from '@lafs/filesystem-interface'
import { badRequest } from '../errors.ts'
import { quoteName } from '../quote.ts'

/** One child, as JSON has it. */
export interface ChildJson {
  readonly rwUri: string | undefined
  readonly roUri: string | undefined
  readonly metadata: ChildMetadata | undefined
}

/**
 * Reads children in the form in which `t=json` writes them: `{ name: [type, { rw_uri, ro_uri, metadata }] }`.
 *
 * @param text - empty for none.
 * @throws {@link WebError} 400.
 */
export function parseChildren(text: string): Map<string, ChildJson> {
  const children = new Map<string, ChildJson>()
  if (text === '') return children
  for (const [name, entry] of Object.entries(object(parseJson(text), 'the body'))) {
    const where = `the child ${quoteName(name)}`
    if (!Array.isArray(entry) || entry.length !== 2) {
      throw badRequest(`children: I expected [type, {…}] as ${where}`)
    }
    const facts = object(entry[1], `the second item of ${where}`)
    const metadata = facts['metadata']
    children.set(name, {
      rwUri: capText(facts['rw_uri'], `rw_uri of ${where}`),
      roUri: capText(facts['ro_uri'], `ro_uri of ${where}`),
      metadata: metadata === undefined ? undefined : object(metadata, `metadata of ${where}`),
    })
  }
  return children
}

/** The same as nodes, for a new directory. */
export function childNodes(client: Client, text: string): Map<string, NewChild> {
  const nodes = new Map<string, NewChild>()
  for (const [name, { rwUri, roUri, metadata = {} }] of parseChildren(text)) {
    nodes.set(name, { node: client.createNodeFromUri(rwUri, roUri), metadata })
  }
  return nodes
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the body, which holds caps.
    throw badRequest('children: I expected JSON, and got something else')
  }
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw badRequest(`children: I expected {…} as ${what}`)
}

function capText(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw badRequest(`children: I expected text as ${what}`)
}
