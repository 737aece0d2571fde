// The suite that runs in a real browser: `npm run test:browser`, after `npm run build`.

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  oxc: { target: 'es2022' },
  test: {
    include: ['test/browser/**/*.test.ts'],
    globalSetup: ['test/browser/support/setup.ts'],
    pool: 'forks',
    // One browser at a time: it has as many threads as there are processors.
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
