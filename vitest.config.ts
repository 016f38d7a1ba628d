import { defineConfig } from 'vitest/config'

/**
 * Most of what the tests do is to wait: for time-outs, for a child process, for Postgres. Vitest's own choice on two
 * cores is a single worker.
 */
const WORKERS = 2

export default defineConfig({
  test: {
    projects: [
      {
        // No service needed: milliseconds each, but for those of the agent and the bundles.
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          environment: 'node',
          maxWorkers: WORKERS,
          sequence: { groupOrder: 1 },
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Real Postgres 16 and Redis, started once; each file has a database of its own.
        test: {
          name: 'services',
          include: ['test/services/**/*.test.ts'],
          globalSetup: ['test/helpers/services-setup.ts'],
          // Logs and metrics of what the tests provoke would drown the report.
          env: { POWERTOOLS_LOG_LEVEL: 'SILENT', POWERTOOLS_METRICS_DISABLED: 'true' },
          pool: 'forks',
          maxWorkers: WORKERS,
          sequence: { groupOrder: 2 },
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        // The whole local system, started once, in a folder and on ports of its own.
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          globalSetup: ['test/helpers/system-setup.ts'],
          pool: 'forks',
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
