// How the tests run: beside the code in src/, across floors in test/, in at most two processes.

import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('./src/', import.meta.url))

export default defineConfig({
  resolve: {
    // The package's own name means its sources here, as `paths` in tsconfig.json says too.
    alias: [
      { find: /^tessera$/, replacement: `${src}index.ts` },
      { find: /^tessera\/([\w-]+)$/, replacement: `${src}$1/index.ts` },
    ],
  },
  // Node 20 and 22 do not know `using`, so it has to be compiled away.
  oxc: { target: 'es2022' },
  test: {
    include: [
      'src/**/*.test.ts',
      'test/**/*.test.ts',
      'scripts/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    // What runs in a real browser has a configuration of its own.
    exclude: [...configDefaults.exclude, 'test/browser/**'],
    pool: 'forks',
    maxWorkers: 2,
    execArgv: ['--expose-gc'],
    globals: false,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    restoreMocks: true,
  },
})
