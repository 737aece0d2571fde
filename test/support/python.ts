// The Python that live comparisons with PyTorch ask.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A Python with PyTorch: the one TESSERA_PYTHON names, else `python3`; `null` where there is none. */
export function findPython(): string | null {
  const named = process.env.TESSERA_PYTHON
  const python = named ?? 'python3'
  if (spawnSync(python, ['-c', 'import torch']).status === 0) return python
  if (named !== undefined) throw new Error(`TESSERA_PYTHON is ${named}, which has no PyTorch`)
  console.warn('\n  PyTorch was not found: the live comparison is SKIPPED.')
  console.warn('  Set TESSERA_PYTHON to a Python that has it (pip install torch numpy).\n')
  return null
}

/** What a script of this folder answers to a request, both in JSON. */
export function askPython<T>(python: string, script: string, request: unknown): T {
  const file = fileURLToPath(new URL(`./${script}`, import.meta.url))
  const { status, stdout, stderr } = spawnSync(python, ['-W', 'ignore', file], {
    input: JSON.stringify(request),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(`PyTorch failed:\n${stderr}`)
  return JSON.parse(stdout) as T
}
