import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { examples } from './tools/vitest/examples.ts'
import { nodeProjects, sourceConditions, testTimeout } from './tools/vitest/projects.ts'
import { SummaryReporter } from './tools/vitest/summary-reporter.ts'

export default defineConfig({
  test: {
    projects: [
      ...nodeProjects,
      {
        root: 'tools',
        plugins: [examples()],
        ssr: { resolve: { conditions: sourceConditions } },
        test: { name: 'tools', include: ['test/**/*.test.ts'], testTimeout },
      },
    ],
    reporters: ['default', new SummaryReporter()],
    passWithNoTests: true,
    // By default one processor is left alone: half of a machine that has two.
    maxWorkers: availableParallelism(),
    silent: 'passed-only',
  },
})
