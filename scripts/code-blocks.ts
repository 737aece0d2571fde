// Finds the TypeScript code blocks of a Markdown page.

export interface CodeBlock {
  /** The page it is on, and the line of its opening fence. */
  readonly page: string
  readonly line: number
  /** A file name for it, unique over all pages. */
  readonly name: string
  readonly code: string
  /** What else its fence says: `no-run`, `browser`, the name of a file. */
  readonly tags: readonly string[]
  /** Whether Node.js is to execute it: it has no tags. */
  readonly run: boolean
}

const OPENING = /^( {0,3})(`{3,}|~{3,})\s*([^\s`]*)\s*([^`]*)$/

/** The blocks tagged `ts` or `typescript`, in order; fences may be indented and of any length. */
export function codeBlocks(page: string, markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  const lines = markdown.split(/\r?\n/)
  for (let i = 0; i < lines.length; i++) {
    const opening = OPENING.exec(lines[i]!)
    if (!opening) continue
    const [, indent = '', fence = '', language = '', rest = ''] = opening
    const start = i
    const isClosing = (line: string): boolean => {
      const text = line.trim()
      return text.length >= fence.length && text === fence[0]!.repeat(text.length)
    }
    const code: string[] = []
    for (i++; i < lines.length && !isClosing(lines[i]!); i++) {
      code.push(lines[i]!.startsWith(indent) ? lines[i]!.slice(indent.length) : lines[i]!)
    }
    if (language !== 'ts' && language !== 'typescript') continue
    const line = start + 1
    const name = `${page.replace(/\.md$/, '').replace(/[^\w-]+/g, '-')}-${line}`
    const tags = rest.split(/\s+/).filter((tag) => tag !== '')
    // `export {}` makes a module of a block without imports, so that names do not clash.
    blocks.push({
      page,
      line,
      name,
      code: `${code.join('\n')}\nexport {}\n`,
      tags,
      run: tags.length === 0,
    })
  }
  return blocks
}
