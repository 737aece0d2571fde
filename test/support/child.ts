// Programs in processes of their own: bundled as they are published, run by a fresh Node.

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bundle, ROOT } from '../../scripts/bundle.mjs'

const execute = promisify(execFile)

export interface ChildOptions {
  readonly args?: readonly string[]
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Options of Node itself. */
  readonly node?: readonly string[]
}

/** A bundled program. */
export interface Program {
  /** Runs it to its end, and gives what it printed. Rejects if it fails. */
  run(options?: ChildOptions): Promise<string>
  /** Removes its files. */
  remove(): void
}

/** Bundles a file of this folder. */
export async function bundled(name: string): Promise<Program> {
  const cache = path.join(ROOT, '.cache')
  mkdirSync(cache, { recursive: true })
  const dir = mkdtempSync(path.join(cache, 'child-'))
  const file = fileURLToPath(new URL(name, import.meta.url))
  await bundle({ main: file }, dir, { keepOwnUrl: true })
  return {
    run: async ({ args = [], env = {}, node = [] } = {}) => {
      const all = [...node, path.join(dir, 'main.js'), ...args]
      const { stdout } = await execute(process.execPath, all, { env: { ...process.env, ...env } })
      return stdout
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}
