// Compiles graphs and runs their plans with the interpreter: what suites about the compiler start from.

import { DTYPES } from '../../src/base/dtype.js'
import { sizeOf } from '../../src/base/shape.js'
import { compileProgram } from '../../src/compiler/compile.js'
import { TARGET } from '../../src/compiler/fixtures.js'
import type { FuseOptions } from '../../src/compiler/fuse/fuse.js'
import { interpretPlan } from '../../src/compiler/kernel/interpret-plan.js'
import type { Plan } from '../../src/compiler/kernel/ir.js'
import { type Node, topological } from '../../src/ir/node.js'
import type { NDArray } from '../../src/ir/op.js'

/** Parameters below some roots, in a definite order. */
export const parametersOf = (roots: readonly Node[]): Node[] =>
  topological(roots).filter((n) => n.op.name === 'param')

export interface Compiled {
  readonly plan: Plan
  readonly outputs: readonly NDArray[]
  readonly status: number
}

/** Compiles `outputs` and runs the plan on the values bound to its parameters. */
export function runCompiled(
  outputs: readonly Node[],
  bindings: ReadonlyMap<Node, NDArray>,
  options: FuseOptions = {},
): Compiled {
  const inputs = parametersOf(outputs)
  const plan = compileProgram({ inputs, outputs }, TARGET, options)
  const bytes = inputs.map((n) => {
    const { data } = bindings.get(n) as NDArray
    return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  })
  const result = interpretPlan(plan, bytes)
  const arrays = outputs.map((o, i) => {
    const shape = o.shape as readonly number[]
    const raw = result.outputs[i] ?? new Uint8Array(0)
    const data = new DTYPES[o.dtype].array(raw.buffer, raw.byteOffset, sizeOf(shape))
    return { shape, dtype: o.dtype, data }
  })
  return { plan, outputs: arrays, status: result.status }
}
