// The machine that figures were taken on, in words: figures of different machines are not to be compared.

import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os'

const VECTORS = ['avx512f', 'avx2', 'asimd'] as const

/** The widest vector instructions that Linux names. */
function vectors(): string {
  try {
    const flags = new Set(readFileSync('/proc/cpuinfo', 'utf8').split(/\s+/))
    const widest = VECTORS.find((v) => flags.has(v))
    return widest === undefined ? '' : ` with ${widest}`
  } catch {
    return ''
  }
}

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const cores = `${availableParallelism()} cores`
  const system = `${type()} ${release()} ${arch()}`
  return `${model}${vectors()}, ${cores}, ${memory}, ${system}, Node ${process.versions.node}`
}
