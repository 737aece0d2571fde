// What the JavaScript engine offers WebAssembly code: SIMD, fused multiply-add, shared memory.

import type { Features } from './emit/state.js'
import { FunctionBody } from './encode/function.js'
import { ModuleBuilder } from './encode/module.js'
import { prepareEngine } from './node.js'

export interface Engine extends Features {
  /** Why no WebAssembly code of the kind needed runs here; empty where it does. */
  readonly problem: string
  /** Whether relaxed multiply-add rounds once on this processor. */
  readonly fused: boolean
}

let known: Engine | null = null

/** Looks once what the engine can do. Changes flags of V8 first where that helps. */
export function detectEngine(): Engine {
  known ??= detect()
  return known
}

function detect(): Engine {
  if (typeof WebAssembly === 'undefined') return without('there is no WebAssembly here')
  prepareEngine()
  if (!WebAssembly.validate(probe('f32x4.add'))) {
    return without('this engine has no WebAssembly SIMD')
  }
  try {
    new WebAssembly.Module(probe('f32x4.add'))
  } catch (error) {
    // A page's Content-Security-Policy may forbid it, and then that is what the message says.
    return without((error as Error).message)
  }
  const relaxed = WebAssembly.validate(probe('f32x4.relaxed_madd'))
  return { problem: '', relaxed, fused: relaxed && isFused(), shared: hasSharedMemory() }
}

const without = (problem: string): Engine => ({
  problem,
  relaxed: false,
  fused: false,
  shared: false,
})

/** (a, b, c) → lane 0 of the instruction on splats: a·b + c, or a + b of the first two. */
function probe(op: 'f32x4.add' | 'f32x4.relaxed_madd'): Uint8Array<ArrayBuffer> {
  const f = new FunctionBody({ parameters: ['f32', 'f32', 'f32'], results: ['f32'] })
  for (const i of op === 'f32x4.add' ? [0, 1] : [0, 1, 2]) {
    f.get(i)
    f.op('f32x4.splat')
  }
  f.op(op)
  f.lane('f32x4.extract_lane', 0)
  const module = new ModuleBuilder(false)
  module.export('f', module.add(f))
  return module.finish()
}

function isFused(): boolean {
  const memory = new WebAssembly.Memory({ initial: 0, maximum: 65536 })
  const module = new WebAssembly.Module(probe('f32x4.relaxed_madd'))
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const f = exports.f as (a: number, b: number, c: number) => number
  // (1 + e)·(1 - e) - 1 = -e², which rounding the product first would lose.
  const e = 2 ** -13
  return f(1 + e, 1 - e, -1) === -e * e
}

function hasSharedMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false
  try {
    return (
      new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof
      SharedArrayBuffer
    )
  } catch {
    return false
  }
}
