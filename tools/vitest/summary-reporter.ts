import type { Reporter, TestModule } from 'vitest/node'

/** Ends a run with the plain line `N passed, N failed, N skipped`. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      const tests = [...module.children.allTests()]
      for (const test of tests) {
        const { state } = test.result()
        // What never ran was in a skipped group, unless its file broke off.
        if (state === 'pending') count[module.state() === 'failed' ? 'failed' : 'skipped']++
        else count[state]++
      }
      // A file that crashes on import has no tests, but it has failed.
      if (tests.length === 0 && module.state() === 'failed') count.failed++
    }
    const { passed, failed, skipped } = count
    process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  }
}
