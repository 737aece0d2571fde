// Who is measured, and how each is started.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from './peer.js'

export interface Settings {
  readonly threads: number
  /** tessera's device; empty for the one it takes by itself. */
  readonly device: string
  /** Whether the peers' C library keeps large arrays' memory, which it does not by itself. */
  readonly keepMemory: boolean
}

const python =
  (script: string, ...args: string[]) =>
  ({ threads, keepMemory }: Settings): Command => ({
    file: process.env.TESSERA_PYTHON ?? 'python3',
    args: [
      '-W',
      'ignore',
      fileURLToPath(new URL(script, import.meta.url)),
      ...args,
      String(threads),
    ],
    env: { ...(keepMemory ? KEEPING_MEMORY : {}), TORCHINDUCTOR_CACHE_DIR: emptyFolder() },
  })

/**
 * Large arrays come from memory that is kept. As it comes, the C library gives most of them back to the system
 * at once, and fresh pages have to be faulted in for the next: some steps of PyTorch take twice as long for it.
 */
const KEEPING_MEMORY = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 30),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 29),
}

/** A compiler that finds its work of yesterday in a cache would seem to be quick at it. */
let cache: string | null = null
function emptyFolder(): string {
  if (cache === null) {
    const folder = mkdtempSync(path.join(tmpdir(), 'tessera-bench-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    cache = folder
  }
  return cache
}

/** This very program, asked to serve. */
const own =
  (mode: string) =>
  ({ threads, device }: Settings): Command => ({
    file: process.execPath,
    args: [
      ...process.execArgv,
      process.argv[1] as string,
      '--serve',
      mode,
      device,
      String(threads),
    ],
  })

export const PEERS: Readonly<Record<string, (settings: Settings) => Command>> = {
  tessera: own('compile'),
  'tessera-eager': own('eager'),
  torch: python('torch_peer.py', 'eager'),
  'torch-compile': python('torch_peer.py', 'compile'),
  jax: python('jax_peer.py'),
  tensorflow: python('tensorflow_peer.py'),
}

/** Those who run unless others are asked for. */
export const USUAL = ['tessera', 'torch', 'torch-compile', 'jax', 'tensorflow']
