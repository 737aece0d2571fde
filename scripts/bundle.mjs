// Turns TypeScript entry files into JavaScript that this Node can run, with rolldown: what the
// runner, the build and the documentation tests share.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

/** The root folder of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The file in `src` that `tessera`, `tessera/nn` and so on mean inside the repository. */
export function sourceOf(/** @type {string} */ specifier) {
  const name = specifier.replace(/^tessera\/?/, '')
  return path.join(ROOT, 'src', name, 'index.ts')
}

/**
 * Packages stay outside of bundles; Node finds them in node_modules. The compiler's helpers (what
 * `using` becomes on Node 20) come from rolldown itself and go in.
 */
const isPackage = (/** @type {string} */ id) =>
  !id.startsWith('.') &&
  !path.isAbsolute(id) &&
  !/^(tessera(\/|$)|\0|@oxc-project\/runtime\/)/.test(id)

/** Inside the repository the package's own name means its sources. */
const ownName = {
  name: 'own-name',
  resolveId: (/** @type {string} */ id) => (/^tessera(\/|$)/.test(id) ? sourceOf(id) : null),
}

/** `import.meta.url` goes on naming the source file, so that files beside it are found. */
const ownUrl = {
  name: 'own-url',
  transform: (/** @type {string} */ code, /** @type {string} */ id) =>
    code.includes('import.meta.url') && path.isAbsolute(id)
      ? {
          code: code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)),
          map: null, // lines stay where they are
        }
      : null,
}

/**
 * Bundles `input` (name to file) into `dir` as ES modules with source maps; code that several
 * entries use lands in shared files under `chunks/`, so classes keep one identity.
 *
 * @param {Record<string, string>} input
 * @param {string} dir
 * @param {{ keepOwnUrl?: boolean, banner?: (name: string) => string }} [options]
 * @returns {Promise<string[]>} the files written, relative to `dir`
 */
export async function bundle(input, dir, { keepOwnUrl = false, banner } = {}) {
  const build = await rolldown({
    cwd: ROOT,
    input,
    external: isPackage,
    platform: 'neutral',
    tsconfig: false,
    // Fields that constructors assign are not defined before that: a function more for each class, and
    // a slow store for each field, which a young process feels.
    transform: { target: 'es2022', typescript: { removeClassFieldsWithoutInitializer: true } },
    // `sideEffects: false` in package.json is for users' bundlers; here every import counts, also
    // one that only adds to a table.
    treeshake: { moduleSideEffects: true },
    plugins: keepOwnUrl ? [ownName, ownUrl] : [ownName],
  })
  const { output } = await build.write({
    dir,
    format: 'esm',
    sourcemap: true,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    banner: banner && ((chunk) => (chunk.isEntry ? banner(chunk.name) : '')),
  })
  await build.close()
  return output.map((file) => file.fileName)
}

/** The package's own description. */
export const readPackage = () => JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
