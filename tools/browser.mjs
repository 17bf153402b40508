// Runs the suites of the formats, of files and of directories, bundled, in headless Chromium.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './setup.mjs'

const chromium = process.env['LAFS_CHROMIUM'] ?? '/usr/bin/chromium'
if (!existsSync(chromium)) {
  console.error(`There is no Chromium at ${chromium}: install it, or name one in LAFS_CHROMIUM`)
  process.exit(1)
}
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
run(
  process.execPath,
  [vitest, 'run', '--config', 'vitest.browser.config.ts', ...process.argv.slice(2)],
  {
    env: { LAFS_CHROMIUM: chromium },
  },
)
