// What tests of every backend share: plans made by hand, of float32 arrays, and collections of garbage.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Kernel, Plan } from '../compiler/kernel/ir.js'
import type { Ports } from './ports.js'

/** One input and one output of n elements. */
export const ports = (n: number): Ports => ({
  inputs: [{ dtype: 'float32', length: n }],
  outputs: [{ dtype: 'float32', length: n }],
})

/** input 0 → arena → output 0, through the same kernel twice. */
export function kernelTwice(n: number, kernel: Kernel): Plan {
  return {
    buffers: [
      { kind: 'input', index: 0, bytes: 4 * n },
      { kind: 'arena', offset: 64, bytes: 4 * n },
      { kind: 'output', index: 0, bytes: 4 * n },
    ],
    commands: [
      { op: 'kernel', kernel, args: [0, 1] },
      { op: 'barrier' },
      { op: 'kernel', kernel, args: [1, 2] },
    ],
    arenaBytes: 64 + 4 * n,
    scratchBytes: 0,
    faults: [],
  }
}

/** Collects garbage now, whatever options this process was started with. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
