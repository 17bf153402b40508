import { defineConfig, mergeConfig } from 'vitest/config'
import { browserConfig } from './tools/vitest/browser-project.ts'
import { SummaryReporter } from './tools/vitest/summary-reporter.ts'

export default defineConfig(
  mergeConfig(browserConfig, { test: { reporters: ['default', new SummaryReporter()] } }),
)
