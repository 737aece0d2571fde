// Checks that imports in src/ only go down the floors: `npm run check:layers`.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { checkLayers } from './layers.js'

const src = path.resolve(process.argv[2] ?? 'src')
const sources = new Map<string, string>()
for (const name of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
  if (!/\.tsx?$/.test(name)) continue
  sources.set(name.split(path.sep).join('/'), readFileSync(path.join(src, name), 'utf8'))
}

const { imports, violations } = checkLayers(sources)
for (const { file, line, message } of violations) console.error(`src/${file}:${line}  ${message}`)
const seen = `${sources.size} files, ${imports} imports`
if (violations.length > 0) {
  console.error(`layers: ${violations.length} of the rules of layering broken (${seen})`)
  process.exit(1)
}
console.log(`layers: every import goes down (${seen})`)
