/** What version control keeps beside the files that people edit. @see allmydata.scripts.cli.BackupOptions */
export const VCS_PATTERNS: readonly string[] = [
  'CVS',
  'RCS',
  'SCCS',
  '.git',
  '.gitignore',
  '.cvsignore',
  '.svn',
  '.arch-ids',
  '{arch}',
  '=RELEASE-ID',
  '=meta-update',
  '=update',
  '.bzr',
  '.bzrignore',
  '.bzrtags',
  '.hg',
  '.hgignore',
  '_darcs',
]

/**
 * Whether a name is one of those that these patterns stand for: `*`, `?`, `[abc]`, `[a-z]` and `[!a]`,
 * as Python's fnmatch has them where case counts. A bracket that is never closed stands for itself.
 *
 * @see Python's fnmatch.translate
 */
export function excluder(patterns: Iterable<string>): (name: string) => boolean {
  const expressions = [...new Set(patterns)].map((pattern) => globExpression(pattern))
  return (name) => expressions.some((expression) => expression.test(name))
}

function globExpression(pattern: string): RegExp {
  const characters = Array.from(pattern)
  let source = ''
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? ''
    const end = character === '[' ? endOfClass(characters, at + 1) : -1
    if (end >= 0) {
      source += classSource(characters.slice(at + 1, end))
      at = end
    } else if (character === '*') {
      if (!source.endsWith('.*')) source += '.*'
    } else {
      source += character === '?' ? '.' : codePointSource(character)
    }
  }
  return new RegExp(`^${source}$`, 'su')
}

/** Where the bracket is that closes a class; a bracket that comes first is one of its characters. */
function endOfClass(characters: readonly string[], start: number): number {
  const first = characters[start] === '!' ? start + 1 : start
  return characters.indexOf(']', first + 1)
}

function classSource(content: readonly string[]): string {
  const negated = content[0] === '!'
  const items = negated ? content.slice(1) : content
  let set = ''
  for (let at = 0; at < items.length; at++) {
    const from = items[at] ?? ''
    const to = items[at + 2]
    if (items[at + 1] !== '-' || to === undefined) {
      set += codePointSource(from)
      continue
    }
    // A range that runs backwards has nothing in it.
    if ((from.codePointAt(0) ?? 0) <= (to.codePointAt(0) ?? 0)) {
      set += `${codePointSource(from)}-${codePointSource(to)}`
    }
    at += 2
  }
  return `[${negated ? '^' : ''}${set}]`
}

function codePointSource(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
