import { readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exampleBlocks, exampleModule } from '../vitest/examples.ts'

// Every TypeScript block of every page runs from its first line to its last without throwing. An
// example that should not run is not a `ts` block. (Those of CONTRIBUTING.md register tests, and have
// a file of their own: plugins.test.ts.)
const root = join(import.meta.dirname, '../..')
const pages = ['.', 'docs', 'docs/spec', ...roomsOf('packages'), ...roomsOf('native')].flatMap(
  (folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md') && !['CHANGELOG.md', 'CONTRIBUTING.md'].includes(name))
      .map((name) => join(root, folder, name)),
)

function roomsOf(room: string): string[] {
  return readdirSync(join(root, room)).map((name) => join(room, name))
}

describe('examples in the documents', () => {
  it('are found', () => {
    expect(pages.length).toBeGreaterThan(20)
  })

  for (const page of pages) {
    exampleBlocks(readFileSync(page, 'utf8')).forEach((_, index) => {
      it(`${relative(root, page)}, block ${index + 1}`, async () => {
        await import(exampleModule(page, index))
      })
    })
  }
})
