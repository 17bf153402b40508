import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'

const own = join(import.meta.dirname, '../../../.lafs/upstream')

/** The virtual environment with the real upstream: what LAFS_UPSTREAM names, or the one of the checkout. */
export const upstreamFolder: string = process.env['LAFS_UPSTREAM'] ?? own

/** Why upstream cannot be run here, or undefined when it can. */
export const upstreamAbsence: string | undefined = existsSync(join(upstreamFolder, 'bin/tahoe'))
  ? undefined
  : 'upstream is not installed: run "node tools/upstream.mjs" or set LAFS_UPSTREAM'

/** Room for processes on a busy machine. */
const TEST_TIMEOUT_MS = 60_000

/**
 * Tests that need the real upstream. Without it they are skipped and say why; where
 * LAFS_REQUIRE_UPSTREAM is 1 they fail instead.
 */
export function describeWithUpstream(name: string, body: () => void): void {
  const absent = upstreamAbsence !== undefined
  if (absent && process.env['LAFS_REQUIRE_UPSTREAM'] === '1') {
    throw new Error(`LAFS_REQUIRE_UPSTREAM is 1, but ${upstreamAbsence}`)
  }
  if (absent) console.warn(`skipped: ${name}: ${upstreamAbsence}`)
  const suite = absent ? describe.skip : describe
  const title = absent ? `${name} (skipped: ${upstreamAbsence})` : name
  suite(title, { timeout: TEST_TIMEOUT_MS }, body)
}
