// What bundlers make of pages that use the built package, as somebody has it who installed it.

import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { rolldown } from 'rolldown'
import { ROOT } from '../../../scripts/bundle.mjs'

/**
 * Bundles modules for browsers: `tessera` is what package.json exports, so `dist/` has to be there.
 *
 * @param files by name, which is their name as a bundle too
 * @param format `iife` makes one minified script for pages without modules, whose exports are `page`
 */
export async function bundlePages(
  files: Readonly<Record<string, string>>,
  dir: string,
  format: 'esm' | 'iife' = 'esm',
): Promise<void> {
  const warnings: string[] = []
  const build = await rolldown({
    cwd: ROOT,
    input: { ...files },
    platform: 'browser',
    tsconfig: false,
    onwarn: ({ code, message }) => {
      // Classic scripts have no address of their own, which is why `import.meta` is looked at with care.
      if (code === 'EMPTY_IMPORT_META' && format === 'iife') return
      warnings.push(stripVTControlCharacters(message))
    },
  })
  const { output } = await build.write({
    dir: path.resolve(dir),
    format,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    ...(format === 'iife' && { name: 'page', minify: true }),
  })
  await build.close()
  const own = new Set(output.map((chunk) => chunk.fileName))
  for (const chunk of output) {
    if (chunk.type !== 'chunk') continue
    const foreign = [...chunk.imports, ...chunk.dynamicImports].filter((name) => !own.has(name))
    warnings.push(...foreign.map((name) => `${chunk.fileName} imports ${name}`))
  }
  if (warnings.length > 0) throw new Error(`a bundle for browsers:\n${warnings.join('\n')}`)
}
