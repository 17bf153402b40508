import { defineConfig } from 'vitest/config'
import { nodeProjects } from './tools/vitest/projects.ts'
import { SummaryReporter } from './tools/vitest/summary-reporter.ts'

export default defineConfig({
  test: {
    projects: nodeProjects,
    reporters: ['default', new SummaryReporter()],
    testTimeout: 20_000,
    passWithNoTests: true,
  },
})
