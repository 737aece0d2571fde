// The interpreter is the oracle of the compiler: these tests are about the mistakes it must notice.

import { describe, expect, it } from 'vitest'
import { affine, ofVar, plus, times } from './affine.js'
import { KernelBuilder } from './builder.js'
import { interpretKernel } from './interpret.js'
import { interpretPlan } from './interpret-plan.js'
import type { Kernel, Plan } from './ir.js'
import { fma32 } from './lanewise.js'
import { formatKernel, formatPlan } from './print.js'

/** y[i] = 2·x[i] over n elements in chunks of 8. */
function doubling(n: number, reach = 0): Kernel {
  const k = new KernelBuilder('doubling', Math.ceil(n / 8))
  const x = k.buffer('x', 'f32', 'read', n)
  const y = k.buffer('y', 'f32', 'write', n)
  const first = times(ofVar(k.chunk), 8)
  k.vector('i', { min: [affine(8), plus(times(first, -1), n)] }, 4, (i) => {
    const v = k.load(x, plus(plus(first, i), reach))
    k.store(y, plus(first, i), k.set('add', v, v))
  })
  return k.finish()
}

describe('kernels', () => {
  it('runs masked tails', () => {
    const x = Float32Array.from({ length: 11 }, (_, i) => i)
    const y = new Float32Array(11)
    expect(interpretKernel(doubling(11), [x, y])).toBe(0)
    expect(Array.from(y)).toEqual(Array.from(x, (v) => 2 * v))
  })

  it('throws on reads past the end', () => {
    const memory = [new Float32Array(11), new Float32Array(11)]
    expect(() => interpretKernel(doubling(11, 1), memory)).toThrow(
      'element 11 of x, which has 11, in `r0:f32 = x[8*chunk + i + 1]`',
    )
  })

  it('throws on registers that are not set and on memory of another type', () => {
    const k = new KernelBuilder('bad')
    const y = k.buffer('y', 'f32', 'write', 1)
    k.store(y, affine(0), k.reg('f32'))
    expect(() => interpretKernel(k.finish(), [new Float32Array(1)])).toThrow(
      'read before it is set',
    )
    expect(() => interpretKernel(k.finish(), [new Int32Array(1)])).toThrow('bound to Int32Array')
  })

  it('keeps accumulators a lane, and combines them in halves', () => {
    const k = new KernelBuilder('sum')
    const x = k.buffer('x', 'f32', 'read', 10)
    const y = k.buffer('y', 'f32', 'write', 1)
    const acc = k.accumulator('f32', 0, 4)
    k.vector('i', 10, 4, (i) => k.update(acc, 'add', acc, k.load(x, i)))
    k.store(y, affine(0), k.combine(acc, 'add'))
    const values = [1e8, 1, 2, 3, -1e8, 4, 5, 6, 7, 8]
    const out = new Float32Array(1)
    interpretKernel(k.finish(), [Float32Array.from(values), out])
    // Lanes: 1e8 - 1e8 + 7, 1 + 4 + 8, 2 + 5, 3 + 6; then (l0 + l2) + (l1 + l3).
    expect(out[0]).toBe(7 + 7 + (13 + 9))
  })

  it('reports the first fault of active lanes', () => {
    const k = new KernelBuilder('fault')
    const x = k.buffer('x', 'i32', 'read', 6)
    k.vector('i', 5, 4, (i) => k.status(k.set('lt', k.load(x, i), k.const('i32', 0)), 3))
    const kernel = k.finish()
    expect(interpretKernel(kernel, [Int32Array.of(1, 2, 3, 4, 5, -1)])).toBe(0)
    expect(interpretKernel(kernel, [Int32Array.of(1, -2, 3, 4, 5, 6)])).toBe(3)
  })

  it('rounds fma once', () => {
    const [a, b, c] = [1 + 2 ** -12, 1 + 2 ** -12, -(1 + 2 ** -11)]
    expect(fma32(a, b, c)).toBe(2 ** -24)
    // A tie after rounding to double that is none in exact arithmetic.
    expect(fma32(2 ** -60, 1, 1 + 2 ** -23)).toBe(1 + 2 ** -23)
  })

  it('prints', () => {
    expect(formatKernel(doubling(11))).toBe(
      [
        'kernel doubling, grid 2',
        '  slot x: f32[11] read',
        '  slot y: f32[11] write',
        '  vector i in 0 ..< min(8, -8*chunk + 11) lanes 4',
        '    r0:f32 = x[8*chunk + i]',
        '    r1:f32 = add(r0, r0)',
        '    y[8*chunk + i] = r1',
      ].join('\n'),
    )
  })
})

describe('plans', () => {
  const plan = (barrier: boolean): Plan => ({
    buffers: [
      { kind: 'input', index: 0, bytes: 44 },
      { kind: 'arena', offset: 64, bytes: 44 },
      { kind: 'output', index: 0, bytes: 44 },
    ],
    commands: [
      { op: 'kernel', kernel: doubling(11), args: [0, 1] },
      ...(barrier ? [{ op: 'barrier' } as const] : []),
      { op: 'kernel', kernel: doubling(11), args: [1, 2] },
    ],
    arenaBytes: 128,
    scratchBytes: 0,
    faults: [],
  })

  it('runs commands in order', () => {
    const x = new Uint8Array(Float32Array.from({ length: 11 }, (_, i) => i).buffer)
    const { outputs } = interpretPlan(plan(true), [x])
    const y = new Float32Array(outputs[0]?.buffer as ArrayBuffer)
    expect(Array.from(y)).toEqual(Array.from({ length: 11 }, (_, i) => 4 * i))
    expect(formatPlan(plan(true))).toContain('doubling grid 2 (input0, arena+64)\n  -- barrier')
  })

  it('notices a missing barrier', () => {
    expect(() => interpretPlan(plan(false), [new Uint8Array(44)])).toThrow('no barrier between')
  })
})
