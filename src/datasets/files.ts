// Where the files of a data set are: a folder that is given, the cache, a package, or the network.

import { FailedPreconditionError, FormatError } from '../base/errors.js'
import { environment, isNode, loadBuiltin } from '../base/node.js'
import { writeAtomically } from '../io/atomic.js'
import { download, type RemoteFile } from './download.js'
import { gunzip, isGzip } from './gzip.js'

export interface LocateOptions {
  /** A folder with the files (or a folder around it, as torchvision makes them), or a URL of one. */
  readonly root?: string | undefined
  /** Fetch files that are not on this machine, and keep them in the cache. Default true. */
  readonly download?: boolean | undefined
}

/** What is known about the files of a data set. */
export interface Source {
  /** Name of its folder in the cache. */
  readonly name: string
  /** Files by what they hold; names end in `.gz`, and plain files of the same name do as well. */
  readonly mirrors: readonly string[]
  /** Folders in which a root may have the files. */
  readonly below: readonly string[]
  /** An npm package, and its folder that has the files. */
  readonly packageFolder?: readonly [name: string, folder: string]
  /** Folders of this machine where the files may be, such as those of Debian's packages. */
  readonly folders?: readonly string[]
}

/** Larger files are none of ours, packed or unpacked. */
const LIMIT = 128 * 2 ** 20

type Files = typeof import('node:fs/promises')
type Modules = typeof import('node:module')
type OperatingSystem = typeof import('node:os')
type Path = typeof import('node:path')

/** Where there are no folders every root is a URL, of a page's own server too: `/data/mnist`. */
const isUrl = (root: string): boolean => !isNode() || /^https?:\/\//.test(root)

/** The bytes of one file, unpacked. */
export async function locate(
  source: Source,
  file: RemoteFile,
  options: LocateOptions,
): Promise<{ path: string; bytes: Uint8Array }> {
  const { root } = options
  if (root !== undefined && isUrl(root)) {
    const base = root.endsWith('/') ? root : `${root}/`
    return unpacked(base + file.name, await download([base], file))
  }
  const searched = isNode() ? await folders(source, options) : []
  for (const folder of searched) {
    const found = await read(folder, file.name)
    if (found !== null) return found
  }
  if (root !== undefined || options.download === false) {
    throw new FailedPreconditionError(
      source.name,
      `${file.name} (packed or not) in ${searched.join(' or ') || 'a URL given as root'}`,
      root === undefined ? 'no such file, and download: false' : 'no such file',
      { searched },
    )
  }
  const bytes = await downloaded(source, file, searched)
  if (isNode()) await remember(source, file, bytes)
  return unpacked(file.name, bytes)
}

async function downloaded(
  source: Source,
  file: RemoteFile,
  searched: readonly string[],
): Promise<Uint8Array> {
  try {
    return await download(source.mirrors, file)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new FailedPreconditionError(
      source.name,
      `${file.name} in ${searched.join(' or ') || 'a URL given as root'}, or from the network`,
      `no such file, and ${error.received}`,
    )
  }
}

/** The folder data sets are kept in: TESSERA_HOME, or ~/.cache/tessera. */
async function cacheFolder(name: string): Promise<string> {
  const { homedir } = await loadBuiltin<OperatingSystem>('node:os')
  const { join } = await loadBuiltin<Path>('node:path')
  return join(environment('TESSERA_HOME') ?? join(homedir(), '.cache', 'tessera'), name)
}

async function folders(source: Source, { root }: LocateOptions): Promise<string[]> {
  const { join } = await loadBuiltin<Path>('node:path')
  if (root !== undefined) return [root, ...source.below.map((folder) => join(root, folder))]
  const fromPackage = await packageFolder(source)
  return [
    await cacheFolder(source.name),
    ...(fromPackage === null ? [] : [fromPackage]),
    ...(source.folders ?? []),
  ]
}

/** The folder of a package that is installed where the program runs, or beside tessera. */
async function packageFolder({ packageFolder }: Source): Promise<string | null> {
  if (packageFolder === undefined) return null
  const [name, folder] = packageFolder
  const { createRequire } = await loadBuiltin<Modules>('node:module')
  const { dirname, join } = await loadBuiltin<Path>('node:path')
  for (const from of [join(process.cwd(), 'index.js'), import.meta.url]) {
    try {
      return join(dirname(createRequire(from).resolve(`${name}/package.json`)), folder)
    } catch {
      // Not installed there.
    }
  }
  return null
}

/** A file as it is, packed or with the names other collections give it. */
async function read(
  folder: string,
  name: string,
): Promise<{ path: string; bytes: Uint8Array } | null> {
  const { open } = await loadBuiltin<Files>('node:fs/promises')
  const { join } = await loadBuiltin<Path>('node:path')
  const plain = name.replace(/\.gz$/, '')
  for (const candidate of [plain, name, plain.replace('-idx', '.idx')]) {
    const path = join(folder, candidate)
    const handle = await open(path, 'r').catch(() => null)
    if (handle === null) continue
    try {
      const { size } = await handle.stat()
      if (size > LIMIT) throw new FormatError(path, `at most ${LIMIT} bytes`, `${size} bytes`)
      return await unpacked(path, await handle.readFile())
    } finally {
      await handle.close()
    }
  }
  return null
}

async function unpacked(
  path: string,
  bytes: Uint8Array,
): Promise<{ path: string; bytes: Uint8Array }> {
  return { path, bytes: isGzip(bytes) ? await gunzip(path, bytes, LIMIT) : bytes }
}

/** Keeps a file in the cache, if there is room and leave to. */
async function remember(source: Source, file: RemoteFile, bytes: Uint8Array): Promise<void> {
  const { join } = await loadBuiltin<Path>('node:path')
  await writeAtomically(join(await cacheFolder(source.name), file.name), [bytes]).catch(() => {})
}
