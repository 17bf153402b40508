import { readFileSync } from 'node:fs'
import type { Plugin } from 'vite'

const suffix = /\.example-(\d+)\.ts$/

/** The TypeScript blocks of a Markdown text, in order. */
export function exampleBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
}

/** The module that the n-th TypeScript block of a Markdown file makes. */
export function exampleModule(file: string, index: number): string {
  return `${file}.example-${index}.ts`
}

/**
 * Makes the TypeScript blocks of Markdown files importable, from where the file stands: an example
 * in a package's README imports the package by its name, as a reader would.
 */
export function examples(): Plugin {
  return {
    name: 'lafs-examples',
    resolveId: (id) => (suffix.test(id) ? id : undefined),
    load(id) {
      const index = suffix.exec(id)?.[1]
      if (index === undefined) return undefined
      return exampleBlocks(readFileSync(id.replace(suffix, ''), 'utf8'))[Number(index)]
    },
  }
}
