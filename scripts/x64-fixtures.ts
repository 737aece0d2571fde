// Writes test/fixtures/x64-instructions.txt: `node scripts/run.mjs scripts/x64-fixtures.ts`.
// The text of instructions with the bytes that GNU as makes of them.

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { assembleLines } from '../test/support/gnu-as.js'
import { allCases, textOf } from '../test/support/x64-cases.js'

const texts = [...new Set([...allCases(false)].map(textOf))]
const { bytes, complaints } = assembleLines(texts)
if (complaints.length > 0) {
  console.error(`as refuses:\n${complaints.join('\n')}`)
  process.exit(1)
}
// One line for each instruction; the mnemonic stands once, above its instructions.
const lines: string[] = []
let current = ''
texts.forEach((text, i) => {
  const [, mnemonic = '', operands = ''] = /^((?:(?:lock|rep) )?\S+) ?(.*)$/.exec(text)!
  if (mnemonic !== current) lines.push(`${mnemonic}:`)
  current = mnemonic
  lines.push(`${bytes[i]} ${operands}`.trimEnd())
})
const file = path.join(process.cwd(), 'test/fixtures/x64-instructions.txt')
writeFileSync(file, `${lines.join('\n')}\n`)
console.log(`${texts.length} instructions, ${lines.join('\n').length} bytes`)
