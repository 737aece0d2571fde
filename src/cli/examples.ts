// `tessera examples`: what there is to run, and a copy of it to change.

import { cp, readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { FailedPreconditionError } from '../base/errors.js'
import { packageFolder } from './package.js'

async function examplesFolder(): Promise<string> {
  const root = await packageFolder()
  const folder = root === null ? null : path.join(root, 'examples')
  if (folder !== null && (await stat(folder).catch(() => null))?.isDirectory()) return folder
  throw new FailedPreconditionError(
    'examples',
    'the folder examples/ in the package',
    folder === null ? 'no package' : `no ${folder}`,
  )
}

/** The first sentence of a file's opening comment, and the commands it shows. */
function describe(source: string): { summary: string; commands: string[] } {
  const lines = source.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  const comment = lines.slice(0, end < 0 ? undefined : end).map((line) => line.slice(2))
  return {
    summary: (comment[0] ?? '').trim(),
    commands: comment.filter((line) => line.startsWith('   ')).map((line) => line.trim()),
  }
}

/** A file is an example, and not a helper of one, when its comment says how to run it. */
async function list(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort()
  const out: string[] = []
  for (const name of names) {
    const { summary, commands } = describe(await readFile(path.join(folder, name), 'utf8'))
    if (commands.length === 0) continue
    out.push(name.replace(/\.ts$/, ''), `  ${summary}`, ...commands.map((c) => `    ${c}`), '')
  }
  return out.join('\n')
}

/** What `tessera examples` prints; with a folder, the examples are copied there. */
export async function examples(copyTo?: string): Promise<string> {
  const folder = await examplesFolder()
  if (copyTo === undefined) {
    return `${await list(folder)}\ntessera examples --copy FOLDER copies them to a folder of yours.`
  }
  await cp(folder, copyTo, { recursive: true, errorOnExist: true, force: false })
  return `copied to ${path.resolve(copyTo)}`
}
