// What the compiler is told about x86-64 processors.

import type { Target } from '../../compiler/kernel/ir.js'
import { type Cpu, chooseLevel, detectCpu, type Level } from './cpu.js'
import { processors } from './threads/processors.js'

type Shape = Pick<Target, 'name' | 'nativeLanes' | 'mapLanes' | 'tile' | 'largeTile'>

const LEVELS: { readonly [L in Level]: Shape } = {
  // 24 of 32 registers are accumulators: 12 rows of two; or 27, 9 rows of three, which take the fewest loads.
  avx512: {
    name: 'x64-avx512',
    nativeLanes: 16,
    mapLanes: 16,
    tile: { rows: 12, lanes: 32 },
    largeTile: { rows: 9, lanes: 48 },
  },
  // 12 of 16 registers are accumulators: 6 rows of two.
  avx2: { name: 'x64-avx2', nativeLanes: 8, mapLanes: 16, tile: { rows: 6, lanes: 16 } },
}

export interface X64Target extends Target {
  readonly level: Level
}

/** The target for a processor, with an instruction set it has. */
export const targetFor = (cpu: Cpu, level: Level): X64Target => ({
  ...LEVELS[level],
  level,
  fusedMultiplyAdd: true,
  spreads: level === 'avx512',
  steps: 4,
  prefetches: true,
  maxBuffers: 64,
  cache: { l1: cpu.cache.l1, l2: cpu.cache.l2 },
  processors: processors(),
})

/** The target for this machine; a reason, where there is none. */
export function x64Target(): X64Target | { readonly reason: string } {
  const cpu = detectCpu()
  const choice = chooseLevel(cpu)
  return 'reason' in choice ? choice : targetFor(cpu, choice.level)
}
