import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What one exported declaration of a contract package says. */
export interface Declaration {
  readonly name: string
  readonly packageName: string
  readonly file: string
  readonly kind: string
  /** The comment above it, without its marks. */
  readonly doc: string
  /** The interfaces and classes that it extends. */
  readonly bases: readonly string[]
  /** Its own members. */
  readonly members: readonly string[]
}

const root = join(import.meta.dirname, '../..')

/** The part of a source between the brace at `open` and its partner, strings and comments aside. */
function block(source: string, open: number): string {
  let depth = 0
  for (let at = open; at < source.length; at += 1) {
    if (source[at] === '{') depth += 1
    if (source[at] === '}' && --depth === 0) return source.slice(open + 1, at)
  }
  throw new Error('unbalanced braces')
}

/** Comments and texts become blanks of the same length. */
function blank(source: string): string {
  return source.replace(/\/\*[^]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|`[^`]*`/g, (text) =>
    text.replace(/[^\n]/g, ' '),
  )
}

/** The names at the beginning of each member of an interface's or a class's body. */
function membersOf(body: string): string[] {
  let depth = 0
  const names: string[] = []
  for (const line of body.split('\n')) {
    const name = /^\s*(?:readonly\s+|override\s+)*(\w+)\??\s*[(<:=]/.exec(line)?.[1]
    if (depth === 0 && name !== undefined) names.push(name)
    for (const character of line) {
      if ('{([<'.includes(character)) depth += 1
      if ('})]'.includes(character)) depth -= 1
    }
    depth -= line.replaceAll('=>', '').split('>').length - 1
  }
  return names
}

function declarationsOf(packageName: string, file: string): Declaration[] {
  const text = readFileSync(join(root, packageName, 'src', file), 'utf8')
  const code = blank(text)
  const found: Declaration[] = []
  const pattern = /^export (?:declare )?(interface|class|type|const|function) (\w+)/gm
  for (const match of code.matchAll(pattern)) {
    const [, kind = '', name = ''] = match
    const before = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*$/.exec(text.slice(0, match.index))
    const doc = (before?.[1] ?? '').replace(/^\s*\* ?/gm, '').trim()
    const hasBody = kind === 'interface' || kind === 'class'
    const open = code.indexOf('{', match.index)
    const heritage = hasBody ? code.slice(match.index, open) : ''
    const bases = /\bextends\s+([^]+?)(?:\bimplements\b|$)/.exec(heritage)?.[1] ?? ''
    found.push({
      name,
      packageName,
      file,
      kind,
      doc,
      bases: bases
        .replace(/<[^>]*>/g, '')
        .split(',')
        .map((base) => base.trim())
        .filter((base) => base !== ''),
      members: hasBody ? membersOf(block(code, open)) : [],
    })
  }
  return found
}

/** The files that a package's index.ts exports from. */
function exportedFiles(packageName: string): string[] {
  const index = readFileSync(join(root, packageName, 'src/index.ts'), 'utf8')
  return [...index.matchAll(/ from '\.\/([\w-]+\.ts)'/g)].map(([, file = '']) => file)
}

/** Every exported declaration of the contract packages. */
export function declarations(packageNames: readonly string[]): Map<string, Declaration> {
  const all = packageNames.flatMap((packageName) =>
    exportedFiles(packageName).flatMap((file) => declarationsOf(packageName, file)),
  )
  return new Map(all.map((declaration) => [declaration.name, declaration]))
}

/** The members of a declaration and of everything that it extends. */
export function allMembers(name: string, from: ReadonlyMap<string, Declaration>): Set<string> {
  const declaration = from.get(name)
  if (declaration === undefined) return new Set()
  const inherited = declaration.bases.flatMap((base) => [...allMembers(base, from)])
  return new Set([...declaration.members, ...inherited])
}
