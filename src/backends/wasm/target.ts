// What the compiler is told about WebAssembly.

import type { Target } from '../../compiler/kernel/ir.js'
import type { Engine } from './engine.js'
import { v8Version } from './node.js'

/** The target for an engine. */
export function wasmTarget(engine: Engine): Target {
  return {
    name: 'wasm',
    nativeLanes: 4,
    mapLanes: 8,
    fusedMultiplyAdd: engine.fused,
    // Measured with bench/wasm/dot.ts. Twelve accumulators need a good allocation of V8's fifteen
    // registers: Node 24 makes one (92% of the multiply-add peak, against 81% with eight), Node 20
    // spills (74%, against 92% with eight), and to Node 22 it is all one.
    tile: { rows: v8Version() >= 13 ? 6 : 4, lanes: 8 },
    maxBuffers: 64,
    cache: { l1: 32 << 10, l2: 1 << 20 },
  }
}
