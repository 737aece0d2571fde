// Runs a TypeScript file of this repository: `node scripts/run.mjs [node options] file.ts [arguments]`.
// The file is bundled with the sources first, so it runs the very code that is published, at full
// speed, on every Node that tessera supports.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { bundle, ROOT } from './bundle.mjs'

const args = process.argv.slice(2)
const at = args.findIndex((arg) => !arg.startsWith('-'))
const file = args[at]
if (file === undefined || !existsSync(file)) {
  console.error(
    file === undefined
      ? 'run: Expected a TypeScript file. Received none.'
      : `run: Expected a TypeScript file. Received ${file}, which does not exist.`,
  )
  process.exit(2)
}

// Inside the repository, so that packages are found; one folder per run, so that runs can overlap.
const cache = path.join(ROOT, '.cache')
mkdirSync(cache, { recursive: true })
const dir = mkdtempSync(path.join(cache, 'run-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

await bundle({ main: path.resolve(file) }, dir, { keepOwnUrl: true })
const child = spawn(
  process.execPath,
  ['--enable-source-maps', ...args.slice(0, at), path.join(dir, 'main.js'), ...args.slice(at + 1)],
  { stdio: 'inherit' },
)
// A terminal sends Ctrl-C to both; the program decides what to do about it, and this waits.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  console.error(`run: ${file} was ended by ${signal}`)
  process.exit(1)
})
