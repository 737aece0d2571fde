// Finding code blocks, on small made-up pages.

import { expect, test } from 'vitest'
import { codeBlocks } from './code-blocks.js'

const page = `
# Title

\`\`\`ts
const a = 1
\`\`\`

\`\`\`sh
npm test
\`\`\`

  ~~~typescript no-run
  const b = 2
    // \`\`\`
  ~~~

\`\`\`\`md
\`\`\`ts
shown, not run
\`\`\`
\`\`\`\`
`

test('finds the TypeScript blocks, their lines and tags', () => {
  expect(codeBlocks('docs/guide.md', page)).toEqual([
    {
      page: 'docs/guide.md',
      line: 4,
      name: 'docs-guide-4',
      code: 'const a = 1\nexport {}\n',
      tags: [],
      run: true,
    },
    {
      page: 'docs/guide.md',
      line: 12,
      name: 'docs-guide-12',
      code: 'const b = 2\n  // ```\nexport {}\n',
      tags: ['no-run'],
      run: false,
    },
  ])
})

test('a page without blocks has none', () => {
  expect(codeBlocks('README.md', 'Just `ts` text.\n')).toEqual([])
})
