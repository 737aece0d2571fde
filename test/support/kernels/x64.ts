// Kernels as machine code, on every instruction set this machine has.

import { levelsHere, runKernel } from '../../../src/backends/x64/emit/harness.js'
import type { Memory } from '../../../src/compiler/kernel/interpret.js'
import type { Kernel } from '../../../src/compiler/kernel/ir.js'
import { compare, type Subject } from './subject.js'

/** The instruction sets that can be tested here. */
export const LEVELS = levelsHere()

/**
 * Checks a kernel on memory that ends, then starts, where no memory is.
 * @param placements whether buffers end at forbidden pages; false: they start at them
 */
export function check(
  kernel: Kernel,
  slots: readonly Memory[],
  placements: readonly boolean[] = [true, false],
): void {
  const ways = LEVELS.flatMap((level) =>
    placements.map((atEnd) => ({
      name: level,
      run: (k: Kernel, s: readonly Memory[]) => runKernel(k, s, level, atEnd),
    })),
  )
  compare(kernel, slots, ways, true)
}

export const x64: Subject = {
  check,
  run: (kernel, slots) => runKernel(kernel, slots, LEVELS[0]!),
}
