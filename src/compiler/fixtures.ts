// For tests of the compiler.

import type { Target } from './kernel/ir.js'

/** A target without peculiarities. */
export const TARGET: Target = {
  name: 'interpreter',
  nativeLanes: 4,
  mapLanes: 16,
  fusedMultiplyAdd: true,
  tile: { rows: 4, lanes: 8 },
  maxBuffers: 64,
  cache: { l1: 32 << 10, l2: 1 << 20 },
}
