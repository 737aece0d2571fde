// Matrix products and convolutions give the same bits as WebAssembly as in the interpreter, which checks
// every access and is itself checked against the definition beside the lowerings.

import { describe, expect, test } from 'vitest'
import { runKernel } from '../src/backends/wasm/emit/harness.js'
import { detectEngine } from '../src/backends/wasm/engine.js'
import { sizeOf } from '../src/base/shape.js'
import { lowerConv } from '../src/compiler/contract/conv.js'
import { lowerDot } from '../src/compiler/contract/dot.js'
import { target, values, Workspace } from '../src/compiler/contract/fixtures.js'
import { convSizes, dotAxes } from '../src/compiler/contract/spec.js'
import type { KernelCall, Reader, Writer } from '../src/compiler/kernel/assembly.js'
import type { ConvAttrs } from '../src/ir/build.js'
import { convAttrs } from '../src/ir/primitives/convsamples.js'

const engine = detectEngine()
const tile = target(4, 8, 4, engine.fused)

/** Runs what `lower` makes of two operands both ways, plain and with fused work around, and compares. */
function same(
  left: { shape: readonly number[]; perm?: readonly number[]; reversed?: readonly number[] },
  right: { shape: readonly number[]; perm?: readonly number[]; reversed?: readonly number[] },
  out: readonly number[],
  biasAxis: number,
  lower: (l: Reader, r: Reader, out: Writer, w: Workspace) => KernelCall[],
): void {
  for (const dressed of [false, true]) {
    const results = [false, true].map((wasm) => {
      const w = new Workspace(tile)
      const read = (name: string, seed: number, o: typeof left): Reader =>
        w.reader(name, 'float32', o.shape, values(sizeOf(o.shape), seed), o.perm, o.reversed)
      const [l, r] = [read('left', 1, left), read('right', 2, right)]
      const ref = w.buffer('out', 'f32', sizeOf(out))
      const bias = w.reader('bias', 'float32', [out[biasAxis]!], values(out[biasAxis]!, 3))
      const writer = dressed ? w.biased(ref, out, bias, biasAxis) : w.writer(ref, out)
      const calls = lower(dressed ? w.fused(l) : l, r, writer, w)
      if (!wasm) w.interpret(calls, engine.fused)
      else {
        for (const { kernel, args } of calls) {
          const slots = args.map((a) => w.memory.get(a.id)!)
          expect(runKernel(kernel, slots, engine.relaxed)).toBe(0)
        }
      }
      return w.memory.get(ref.id)
    })
    expect(results[1]).toEqual(results[0])
  }
}

describe.runIf(engine.problem === '')('contractions as WebAssembly', () => {
  test.each([
    [1, 1, 1],
    [3, 5, 17],
    [17, 33, 31],
    [5, 9, 513],
    [64, 64, 40],
    [33, 10, 65],
    [1, 30, 100],
    [30, 1, 100],
    [70, 7, 130],
  ])('dot of %i rows, %i columns, %i deep', (m, n, k) => {
    const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
    for (const perms of [[], [0], [1], [0, 1]]) {
      const left = { shape: [m, k], ...(perms.includes(0) ? { perm: [1, 0] } : {}) }
      const right = { shape: [k, n], ...(perms.includes(1) ? { perm: [1, 0] } : {}) }
      const spec = { attrs, left: left.shape, right: right.shape, dtype: 'float32' as const }
      same(left, right, [m, n], 1, (l, r, out, w) => lowerDot(spec, l, r, out, w))
    }
  })

  test('dot with batches and several axes', () => {
    const attrs = { leftBatch: [1], rightBatch: [0], leftContract: [2, 3], rightContract: [3, 1] }
    const spec = { attrs, left: [6, 3, 7, 9], right: [3, 9, 5, 7], dtype: 'float32' as const }
    const { batch, rows, columns } = dotAxes(spec)
    same(
      { shape: spec.left },
      { shape: spec.right },
      [...batch, ...rows, ...columns],
      2,
      (l, r, out, w) => lowerDot(spec, l, r, out, w),
    )
  })

  const conv = (
    input: readonly number[],
    kernel: readonly number[],
    change: Partial<ConvAttrs> = {},
    views: {
      input?: readonly number[]
      kernel?: readonly number[]
      reversed?: readonly number[]
    } = {},
  ): void => {
    const attrs = convAttrs(input.length - 2, change)
    const spec = { attrs, input, kernel, dtype: 'float32' as const }
    const s = convSizes(spec)
    const left = { shape: input, ...(views.input ? { perm: views.input } : {}) }
    const right = {
      shape: kernel,
      ...(views.kernel ? { perm: views.kernel } : {}),
      ...(views.reversed ? { reversed: views.reversed } : {}),
    }
    same(left, right, [s.batch, s.groups * s.features, ...s.output], 1, (l, r, out, w) =>
      lowerConv(spec, l, r, out, w),
    )
  }

  test('convolutions', () => {
    conv([2, 3, 9, 9], [5, 3, 3, 3])
    conv([2, 3, 16, 31], [8, 3, 3, 3], { low: [1, 1], high: [1, 1] })
    conv([2, 9, 13, 13], [17, 9, 3, 3])
    conv([3, 40, 6, 6], [9, 40, 4, 4])
    conv([2, 3, 11, 11], [4, 3, 3, 3], { strides: [2, 3], low: [1, 1], high: [1, 1] })
    conv([2, 4, 12, 12], [8, 1, 3, 3], { groups: 4, low: [1, 1], high: [1, 1] })
    conv([6, 2, 7, 7], [9, 2, 3, 3], { batchGroups: 3 })
    conv([2, 9, 6, 6], [17, 9, 1, 1])
    conv([2, 3, 50], [5, 3, 5], { kernelDilation: [2] })
    conv([1, 2, 5, 6, 9], [3, 2, 2, 3, 2])
  })

  test('their gradients', () => {
    const swap = [1, 0, 2, 3]
    const flipped = { kernel: swap, reversed: [2, 3] }
    conv([2, 6, 5, 5], [3, 6, 3, 3], { low: [2, 2], high: [2, 2] }, flipped)
    conv([2, 6, 9, 9], [9, 6, 3, 3], { low: [1, 1], high: [2, 1], inputDilation: [2, 2] }, flipped)
    conv([3, 4, 11, 11], [5, 4, 9, 9], {}, { input: swap, kernel: swap })
    conv(
      [6, 4, 20, 20],
      [9, 4, 20, 20],
      { low: [1, 1], high: [1, 1] },
      { input: swap, kernel: swap },
    )
  })
})
