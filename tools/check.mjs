// Every check that is not a test: types, lint, format, references, the tree, and the packages as
// they would be published. `pnpm check`, and a part of CI.
import { join } from 'node:path'
import { root, run, setup } from './setup.mjs'

const bin = (name) => join(root, 'node_modules', '.bin', name)

const checks = [
  ['types', bin('tsc'), ['-b']],
  ['lint', bin('oxlint'), ['--type-aware', '--quiet']],
  ['format', bin('oxfmt'), ['--check']],
  ['references', process.execPath, ['tools/references.mjs', '--check']],
  ['unused', bin('knip'), []],
  ['tree', process.execPath, ['tools/check-tree.mjs']],
  ['packages', process.execPath, ['tools/check-packages.mjs']],
]

setup({ quiet: true })
for (const [name, command, args] of checks) {
  console.log(`\n--- ${name}`)
  run(command, args)
}
console.log('\nAll checks passed.')
