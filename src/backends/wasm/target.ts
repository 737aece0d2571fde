// What the compiler is told about WebAssembly.

import type { Target } from '../../compiler/kernel/ir.js'
import type { Engine } from './engine.js'

/** The target for an engine. */
export function wasmTarget(engine: Engine): Target {
  return {
    name: 'wasm',
    nativeLanes: 4,
    mapLanes: 8,
    fusedMultiplyAdd: engine.fused,
    // 8 accumulators, 2 columns and a row value fit V8's 15 registers even where it does not
    // schedule for pressure, as in Node 20.
    tile: { rows: 4, lanes: 8 },
    maxBuffers: 64,
    cache: { l1: 32 << 10, l2: 1 << 20 },
  }
}
