// The documentation runs: every ```ts block of README.md and docs/ is type-checked and executed.
// Those with a tag (no-run, browser, a file's name) are only type-checked here. Blocks stand alone: each
// imports what it uses.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle, ROOT } from '../scripts/bundle.mjs'
import { type CodeBlock, codeBlocks } from '../scripts/code-blocks.js'

const pages = ['README.md', ...markdownIn('docs')]
const blocks = pages.flatMap((page) => codeBlocks(page, read(page)))

/** What a block may be tagged as, besides with the name of a file: nobody runs one with a slip in its tag. */
const TAGS: ReadonlySet<string> = new Set(['no-run', 'browser'])

function read(file: string): string {
  return existsSync(path.join(ROOT, file)) ? readFileSync(path.join(ROOT, file), 'utf8') : ''
}

function markdownIn(folder: string): string[] {
  if (!existsSync(path.join(ROOT, folder))) return []
  const names = readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => path.join(folder, name))
}

interface Outcome {
  readonly code: number
  readonly output: string
}

/** Runs Node in an empty folder, so that a block that writes files leaves none behind. */
function node(args: string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, output: stdout + stderr })
    })
  })
}

describe.skipIf(blocks.length === 0)('documentation', () => {
  let dir = ''

  /** Each block is `<name>.ts` in a folder inside the repository, where packages are found. */
  const fileOf = (block: CodeBlock): string => path.join(dir, `${block.name}.ts`)

  beforeAll(async () => {
    mkdirSync(path.join(ROOT, '.cache'), { recursive: true })
    dir = mkdtempSync(path.join(ROOT, '.cache', 'docs-'))
    await Promise.all(blocks.map((block) => writeFile(fileOf(block), block.code)))
  })

  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('type-checks', { timeout: 60_000 }, async () => {
    const config = {
      extends: path.join(ROOT, 'tsconfig.json'),
      // A page shows names and values that it does not go on to use.
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: [],
      files: blocks.map(fileOf),
    }
    await writeFile(path.join(dir, 'tsconfig.json'), JSON.stringify(config))
    const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const { output } = await node([tsc, '-p', dir, '--pretty', 'false'], ROOT)
    // What is wrong in the sources themselves is for `npm run types` to say.
    const complaints = output
      .split('\n')
      .filter((line) => line.includes('error TS') && !line.startsWith('src/'))
    expect(complaints.map((line) => inPages(line, blocks))).toEqual([])
  })

  test('has no tags but those that mean something', () => {
    const isFile = (tag: string): boolean => /\.ts$/.test(tag)
    const unknown = blocks.flatMap(({ page, line, tags }) =>
      tags.filter((t) => !TAGS.has(t) && !isFile(t)).map((t) => `${page}:${line} ${t}`),
    )
    expect(unknown).toEqual([])
  })

  const runnable = blocks.filter((block) => block.run)
  const titled = runnable.map((block) => [`${block.page}:${block.line}`, block] as const)
  test.each(titled)('%s runs', { timeout: 90_000 }, async (title, block) => {
    const out = path.join(dir, block.name)
    await bundle({ main: fileOf(block) }, out)
    const { code, output } = await node(['--enable-source-maps', path.join(out, 'main.js')], out)
    expect(code, `${title}\n${inPages(output, blocks)}`).toBe(0)
  })
})

/** Positions in the files of blocks, as positions in the pages they came from. */
function inPages(text: string, from: readonly CodeBlock[]): string {
  const position = /[^\s('"]*docs-[^\s/]+\/([\w.-]+)\.ts(?:\((\d+),(\d+)\)|:(\d+)(?::(\d+))?)/g
  return text.replace(position, (all, name, line1, column1, line2, column2) => {
    const block = from.find((b) => b.name === name)
    if (block === undefined) return all
    const column = column1 ?? column2
    const line = block.line + Number(line1 ?? line2)
    return `${block.page}:${line}${column === undefined ? '' : `:${column}`}`
  })
}
