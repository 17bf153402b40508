import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { exampleBlocks, exampleModule } from '../vitest/examples.ts'

// The plug-ins of CONTRIBUTING.md are complete: each block registers the conformance suite on its own.
const page = join(import.meta.dirname, '../../CONTRIBUTING.md')
const blocks = exampleBlocks(readFileSync(page, 'utf8'))

it('shows a codec and a transport', () => {
  expect(blocks).toHaveLength(2)
})

for (const index of blocks.keys()) await import(exampleModule(page, index))
