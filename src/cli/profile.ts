// `tessera profile`: runs a script in a process of its own, and tells what it spent its time on.

import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ValueError } from '../base/errors.js'
import { packageFolder } from './package.js'

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    (found) => found.isFile(),
    () => false,
  )

/** Node.js arguments that run a file. Inside tessera's own repository its runner bundles TypeScript. */
async function runnerOf(script: string): Promise<string[]> {
  if (!/\.[cm]?ts$/.test(script)) return [script]
  const runner = path.join((await packageFolder()) ?? '', 'scripts', 'run.mjs')
  if (await exists(runner)) return [runner, script]
  if ((process.features as { typescript?: unknown }).typescript) return [script]
  throw new ValueError(
    'profile',
    'a JavaScript file (Node.js runs TypeScript from 22.18 on)',
    `${script} on Node.js ${process.version}`,
  )
}

/** `[--trace FILE] SCRIPT ARGUMENTS…`; answers the script's exit status. */
export async function profileScript(args: readonly string[]): Promise<number> {
  // Options behind the script are the script's.
  const at = args.findIndex((a, i) => !a.startsWith('-') && args[i - 1] !== '--trace')
  const own = args.slice(0, at < 0 ? undefined : at)
  const { values } = parseArgs({ args: own, options: { trace: { type: 'string' } } })
  const script = args[at]
  if (script === undefined || !(await exists(script))) {
    throw new ValueError('profile', 'a script', script ?? 'none')
  }
  const env: NodeJS.ProcessEnv = { ...process.env, TESSERA_PROFILE: '1' }
  if (values.trace !== undefined) env.TESSERA_TRACE = path.resolve(values.trace)
  const rest = args.slice(at + 1)
  const child = spawn(process.execPath, [...(await runnerOf(script)), ...rest], {
    stdio: 'inherit',
    env,
  })
  // A terminal sends Ctrl-C to both; the script decides what to do about it.
  const ignore = (): void => {}
  process.on('SIGINT', ignore)
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code) => resolve(code ?? 1))
    })
  } finally {
    process.off('SIGINT', ignore)
  }
}
