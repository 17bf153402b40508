// `npm test`: sets the checkout up, makes the upstream environment where that can be had, and runs
// every test. Arguments go to vitest, e.g. `npm test -- --project @lafs/uri`.
import { join } from 'node:path'
import { root, run, setup } from './setup.mjs'

setup({ quiet: true })
run(process.execPath, [
  'tools/upstream.mjs',
  ...(process.env['LAFS_REQUIRE_UPSTREAM'] ? ['--require'] : []),
])
run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  ...process.argv.slice(2),
])
