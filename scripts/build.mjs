// Builds dist/: one ES module per public entry, shared chunks, source maps and declarations.
// The entries are what package.json exports: `dist/nn.js` comes from `src/nn/index.ts`.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { bundle, ROOT, readPackage } from './bundle.mjs'

const started = performance.now()
const dist = path.join(ROOT, 'dist')
const { exports, bin } = readPackage()
const targets = [
  ...Object.values(exports).map((e) => e.default),
  ...Object.values(bin).map((file) => `./${file}`),
].filter((file) => file !== undefined)

/** @type {Record<string, string>} */
const entries = {}
const missing = []
for (const target of targets) {
  const name = path.basename(target, '.js')
  const source = path.join('src', name === 'index' ? '' : name, 'index.ts')
  if (existsSync(path.join(ROOT, source))) entries[name] = source
  else missing.push(source)
}
if (missing.length > 0) console.error(`build: no source yet for ${missing.join(', ')}`)

rmSync(dist, { recursive: true, force: true })
if (Object.keys(entries).length === 0) process.exit(0)

const files = await bundle(entries, dist, {
  banner: (name) => (name === 'cli' ? '#!/usr/bin/env node' : ''),
})
for (const file of Object.values(bin)) {
  if (existsSync(path.join(ROOT, file))) chmodSync(path.join(ROOT, file), 0o755)
}

// Types are checked by `npm run types`; here they are only written.
const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck'], {
  cwd: ROOT,
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`build: ${files.filter((f) => f.endsWith('.js')).length} modules in ${seconds} s`)
