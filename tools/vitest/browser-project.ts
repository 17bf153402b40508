import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { playwright } from '@vitest/browser-playwright'
import type { ViteUserConfig } from 'vitest/config'
import { browserSourceConditions } from './projects.ts'

const root = join(import.meta.dirname, '../..')

/** The packages whose tests run in a browser too. */
const packages = [
  'checker',
  'codec',
  'codec-interface',
  'crypto',
  'dirnode',
  'filesystem-interface',
  'hashtree',
  'immutable',
  'mutable',
  'storage-interface',
  'storage-protocol',
  'uri',
]

/** Left out: tests of what is there in Node alone, and stores on a disk. */
const nodeOnly = '**/*.node.test.ts'

const executablePath = process.env['LAFS_CHROMIUM'] ?? '/usr/bin/chromium'
if (!existsSync(executablePath)) {
  throw new Error(
    `There is no Chromium at ${executablePath}: install it, or name one in LAFS_CHROMIUM`,
  )
}

/** Keeps Chromium from looking for its maker's servers. */
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * The suites of the packages that promise to run in a browser, bundled for it and run in one page of
 * headless Chromium. Sources are used, with the conditions that a bundler for browsers sets, so that
 * a `node:` import that slips in fails here.
 */
export const browserConfig: ViteUserConfig = {
  root,
  resolve: { conditions: browserSourceConditions },
  optimizeDeps: { noDiscovery: true },
  test: {
    name: 'browser',
    include: packages.map((name) => `packages/${name}/test/**/*.test.ts`),
    exclude: [nodeOnly, '**/node_modules/**', '**/dist/**'],
    testTimeout: 60_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath, args: quiet } }),
      instances: [{ browser: 'chromium' }],
    },
  },
}
