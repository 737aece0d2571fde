// The kernels of every operation of the table, with its gradients, as machine code against the interpreter,
// bit for bit, between pages nobody may touch; and the same bits from what is compiled for AVX2 as from what is for AVX-512.

import { describe, expect, it } from 'vitest'
import { detectCpu } from '../src/backends/x64/cpu.js'
import { targetFor } from '../src/backends/x64/target.js'
import { isFloat } from '../src/base/dtype.js'
import { sizeOf } from '../src/base/shape.js'
import { compileProgram } from '../src/compiler/compile.js'
import { lowerDot } from '../src/compiler/contract/dot.js'
import { values, Workspace } from '../src/compiler/contract/fixtures.js'
import { interpretKernel, MEMORY_ARRAY, type Memory } from '../src/compiler/kernel/interpret.js'
import { interpretPlan } from '../src/compiler/kernel/interpret-plan.js'
import type { Command, Kernel, Plan } from '../src/compiler/kernel/ir.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray, Op, Sample } from '../src/ir/op.js'
import { expandComposites, gradients } from '../src/transforms/grad.js'
import { parametersOf } from './support/compiled.js'
import { check, LEVELS } from './support/kernels/x64.js'
import { instantiate, sampleName, TABLE } from './support/samples.js'

/** The same plan, with each kernel checked before it is interpreted. */
function checked(plan: Plan): Plan {
  const commands = plan.commands.map((c): Command => {
    if (c.op !== 'kernel') return c
    const io = c.args.map((buffer) => ({ buffer, shape: [], dtype: 'bytes' }))
    const run = (views: readonly ArrayBufferView[]): void => runChecked(c.kernel, views)
    return { op: 'host', call: { name: c.kernel.name, inputs: io, outputs: [], run } }
  })
  return { ...plan, commands }
}

function runChecked(kernel: Kernel, views: readonly ArrayBufferView[]): void {
  const slots = kernel.buffers.filter((s) => s.space === 'slot')
  const memories = slots.map((s, i): Memory => {
    const { buffer, byteOffset } = views[i]!
    return new MEMORY_ARRAY[s.type](buffer as ArrayBuffer, byteOffset, s.length)
  })
  check(kernel, memories)
  interpretKernel(kernel, memories)
}

/** The results of an operation and the gradients of their sum. */
function derived(op: Op, sample: Sample): { roots: Node[]; bindings: Map<Node, NDArray> } {
  const { inputs, results, bindings } = instantiate(op, sample)
  const axes = (x: Node): number[] => x.shape.map((_, i) => i)
  const outs = results.filter((y) => isFloat(y.dtype))
  const wrt = inputs.filter((x) => isFloat(x.dtype))
  if (outs.length === 0 || wrt.length === 0) return { roots: [...results], bindings }
  const loss = outs
    .map((x) => b.cast(b.reduceSum(b.mul(x, x), axes(x)), 'float64'))
    .reduce((x, y) => b.add(x, y))
  const grads = gradients([loss], wrt).filter((g) => g !== null)
  return { roots: [...results, ...grads], bindings }
}

describe.skipIf(LEVELS.length === 0)('kernels of', () => {
  it.each(TABLE)('%s', (_name, op) => {
    for (const sample of op.samples()) {
      const { roots, bindings } = derived(op, sample)
      const inputs = parametersOf(roots)
      const bytes = inputs.map((n) => {
        const { data } = bindings.get(n)!
        return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
      })
      const results = LEVELS.map((level) => {
        const target = targetFor(detectCpu(), level)
        const plan = compileProgram({ inputs, outputs: expandComposites(roots) }, target)
        return interpretPlan(checked(plan), bytes).outputs
      })
      for (const other of results) expect(other, sampleName(sample)).toEqual(results[0])
    }
  })
})

describe.skipIf(LEVELS.length === 0)('matrix products', () => {
  const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
  const straight = [0, 1]
  const turned = [1, 0]
  it.each([
    [1, 1, 1],
    [3, 17, 5],
    [17, 31, 33],
    [5, 513, 9],
    [64, 40, 64],
    [33, 65, 10],
    [1, 100, 30],
    [30, 100, 1],
    [13, 70, 97],
  ])('of [%i, %i] with its columns', (m, depth, n) => {
    for (const level of LEVELS) {
      for (const [leftPerm, rightPerm] of [
        [straight, straight],
        [straight, turned],
        [turned, straight],
      ] as const) {
        for (const computed of ['left', 'right']) {
          const w = new Workspace(targetFor(detectCpu(), level))
          const operand = (
            side: string,
            shape: readonly number[],
            seed: number,
            perm: number[],
          ) => {
            const x = w.reader(side, 'float32', shape, values(sizeOf(shape), seed), perm)
            return side === computed ? w.fused(x) : x
          }
          const left = operand('left', [m, depth], 1, leftPerm)
          const right = operand('right', [depth, n], 2, rightPerm)
          const out = w.writer(w.buffer('c', 'f32', m * n), [m, n])
          const spec = { attrs, left: [m, depth], right: [depth, n], dtype: 'float32' } as const
          for (const { kernel, args } of lowerDot(spec, left, right, out, w)) {
            runChecked(
              kernel,
              args.map((a) => w.memory.get(a.id)!),
            )
          }
        }
      }
    }
  })
})
