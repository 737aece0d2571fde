// Files that appear complete or not at all. Node.js only.

import { loadBuiltin } from '../base/node.js'

type Files = typeof import('node:fs/promises')
type Path = typeof import('node:path')

/**
 * Writes a file under another name in its folder, waits until it is on disk, and then gives it its own
 * name. Folders on the way are made.
 */
export async function writeAtomically(path: string, parts: Iterable<Uint8Array>): Promise<void> {
  const { open, rename, rm } = await loadBuiltin<Files>('node:fs/promises')
  const { basename, dirname, join } = await loadBuiltin<Path>('node:path')
  const folder = dirname(path)
  await makeFolder(folder)
  const random = Math.random().toString(36).slice(2, 10)
  const partial = join(folder, `.${basename(path)}.${process.pid}-${random}.partial`)
  try {
    const handle = await open(partial, 'wx')
    try {
      for (const part of parts) {
        for (let done = 0; done < part.length; ) {
          done += (await handle.write(part, done, Math.min(part.length - done, 2 ** 30)))
            .bytesWritten
        }
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  await syncFolder(folder)
}

/**
 * Makes a folder and those above it. (Node's own way to do so never ends where a folder exists in which
 * none can be made, as in /proc.)
 */
async function makeFolder(folder: string): Promise<void> {
  const { mkdir, stat } = await loadBuiltin<Files>('node:fs/promises')
  const { dirname } = await loadBuiltin<Path>('node:path')
  const exists = await stat(folder).catch(() => null)
  if (exists !== null) return
  if (dirname(folder) !== folder) await makeFolder(dirname(folder))
  try {
    await mkdir(folder)
  } catch (error) {
    // Somebody else may have made it in between.
    if ((error as { code?: string }).code !== 'EEXIST') throw error
  }
}

/** The new name itself has to reach the disk; systems that cannot sync a folder do it on their own. */
async function syncFolder(folder: string): Promise<void> {
  const { open } = await loadBuiltin<Files>('node:fs/promises')
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {}
}
