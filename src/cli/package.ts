// The package this program belongs to: its folder and its version.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

async function describe(folder: string): Promise<{ name?: string; version?: string } | null> {
  try {
    return JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'))
  } catch {
    return null
  }
}

/** The folder of the package: the nearest one around this file that says it is tessera. */
export async function packageFolder(): Promise<string | null> {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if ((await describe(folder))?.name === 'tessera') return folder
    const parent = path.dirname(folder)
    if (parent === folder) return null
    folder = parent
  }
}

export async function version(): Promise<string> {
  const folder = await packageFolder()
  return (folder === null ? null : await describe(folder))?.version ?? 'unknown'
}
