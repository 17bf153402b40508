import type { Reporter, TestModule } from 'vitest/node'

/** Ends a run with the plain line `N passed, N failed, N skipped`. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      const states = [...module.children.allTests()].map((test) => test.result().state)
      for (const state of states) count[state]++
      // A file that crashes on import, or whose set-up fails, has no failed test, but it has failed.
      if (module.state() === 'failed' && !states.includes('failed')) count.failed++
    }
    const { passed, failed } = count
    // Tests in a skipped group, or after a set-up that failed, never began.
    const skipped = count.skipped + count.pending
    process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  }
}
