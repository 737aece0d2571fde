// Before all tests: is there a browser, and is the package built? Bundles the pages once for all of them.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { ROOT } from '../../../scripts/bundle.mjs'
import { bundlePages } from './bundles.js'
import { findChromium } from './chromium.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of bundled pages. */
    pages: string
  }
}

const NAMES = ['programs', 'loops', 'threads', 'host', 'worker']

const MISSING = `
  ############################################################################
  #  No Chromium is installed: NOTHING IS TESTED IN A BROWSER.               #
  #  Debian: apt-get install --no-install-recommends chromium; others:       #
  #  name one by TESSERA_CHROMIUM.                                           #
  ############################################################################
`

export default async function setup(project: TestProject): Promise<() => void> {
  if (findChromium() === null) {
    if (process.env.CI) throw new Error(MISSING)
    console.warn(MISSING)
  }
  if (!existsSync(path.join(ROOT, 'dist', 'index.js'))) {
    throw new Error('test:browser tests the built package: npm run build')
  }
  mkdirSync(path.join(ROOT, '.cache'), { recursive: true })
  const dir = mkdtempSync(path.join(ROOT, '.cache', 'browser-'))
  const page = (name: string): string => path.join(ROOT, 'test', 'browser', 'pages', `${name}.ts`)
  await bundlePages(Object.fromEntries(NAMES.map((name) => [name, page(name)])), dir)
  project.provide('pages', dir)
  return () => rmSync(dir, { recursive: true, force: true })
}
