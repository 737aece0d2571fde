// The package in the kind of bundle that changes it most: one classic script, minified.

import path from 'node:path'
import { beforeAll, expect, inject, test } from 'vitest'
import { ROOT } from '../../scripts/bundle.mjs'
import type * as Programs from './pages/programs.js'
import { bundlePages } from './support/bundles.js'
import type { Page } from './support/chromium.js'
import { describeBrowser, withBrowser } from './support/suite.js'

type Answer<K extends keyof typeof Programs> = Awaited<
  ReturnType<Extract<(typeof Programs)[K], (...args: never[]) => unknown>>
>

describeBrowser('a minified script without modules', () => {
  const open = withBrowser()
  beforeAll(() => {
    const file = path.join(ROOT, 'test', 'browser', 'pages', 'programs.ts')
    return bundlePages({ classic: file }, inject('pages'), 'iife')
  })

  async function withScript(): Promise<Page> {
    const page = await open('isolated')
    await page.evaluate(`new Promise((resolve, reject) => {
      const script = document.createElement('script')
      Object.assign(script, { src: 'classic.js', onload: () => resolve(), onerror: reject })
      document.head.append(script)
    })`)
    return page
  }

  test('computes the same bits as modules do', async () => {
    const page = await withScript()
    const modules = (await open('isolated')).module<typeof Programs>('programs.js')
    const found: Answer<'training'> = await page.evaluate('page.training()')
    expect(found).toEqual(await modules.training())
    expect(page.complaints).toEqual([])
  })

  test('has errors that know their names', async () => {
    const page = await withScript()
    const found: Answer<'mistakes'> = await page.evaluate('page.mistakes()')
    const names = Object.values(found).map((text) => text.split(':')[0])
    expect(names.sort()).toEqual([
      'DeviceError',
      'FailedPreconditionError',
      'FailedPreconditionError',
      'FailedPreconditionError',
      'FailedPreconditionError',
      'FormatError',
      'IndexError',
      'IndexError',
      'ShapeError',
    ])
  })
})
