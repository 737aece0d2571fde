// Kernels that want more registers than there are, and those that must not.

import { describe, expect, test } from 'vitest'
import { sample } from '../../../../test/support/kernels/values.js'
import { check, LEVELS } from '../../../../test/support/kernels/x64.js'
import { lowerDot } from '../../../compiler/contract/dot.js'
import { values, Workspace } from '../../../compiler/contract/fixtures.js'
import { type affine, ofVar, plus, times } from '../../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../../compiler/kernel/builder.js'
import type { Kernel, Reg } from '../../../compiler/kernel/ir.js'
import { type CpuLevel, compileKernel } from './kernel.js'
import { type Instruction, VReg } from './machine/code.js'

const CPUS: readonly CpuLevel[] = ['avx2', 'avx512']

const onStack = (i: Instruction): boolean =>
  i.operands.some((o) => o.kind === 'mem' && !(o.base instanceof VReg) && o.base.area === 'frame')

describe.skipIf(LEVELS.length === 0)('too many values', () => {
  test.each(['f32', 'f64', 'i32', 'i64'] as const)('of %s alive at once', (type) => {
    for (const n of [3, 16, 45]) {
      for (const lanes of [1, 8, 16]) {
        const k = new KernelBuilder(`${type} ${n} ${lanes}`)
        const x = k.buffer('x', type, 'read', n + 40)
        const y = k.buffer('y', type, 'write', n)
        const body = (i: ReturnType<typeof affine>): void => {
          const loaded = Array.from({ length: 40 }, (_, j) => k.load(x, plus(i, j)))
          let sum = k.set('sub', loaded[39]!, loaded[0]!)
          for (const v of loaded) sum = k.set('sub', v, sum)
          k.store(y, i, sum)
        }
        if (lanes === 1) k.loop('i', n, body)
        else k.vector('i', n, lanes, body)
        check(k.finish(), [sample(type, n + 40, 1), sample(type, n, 2)])
      }
    }
  })

  test('conditions alive at once', () => {
    for (const n of [5, 33]) {
      const k = new KernelBuilder('conditions')
      const x = k.buffer('x', 'f32', 'read', n + 20)
      const y = k.buffer('y', 'u8', 'write', n)
      k.vector('i', n, 16, (i) => {
        const zero = k.const('f32', 0)
        const below = Array.from({ length: 20 }, (_, j) => k.set('lt', k.load(x, plus(i, j)), zero))
        let odd = below[19]!
        for (const b of below) odd = k.set('xor', b, odd)
        for (const b of below) odd = k.set('xor', k.set('and', b, odd), odd)
        k.store(y, i, k.convert('i32', odd))
      })
      check(k.finish(), [sample('f32', n + 20, 3), sample('u8', n, 1)])
    }
  })

  test('accumulators, more than registers', () => {
    for (const rows of [20, 33]) {
      const [columns, depth] = [19, 7]
      const k = new KernelBuilder(`dot ${rows}`)
      const a = k.buffer('a', 'f32', 'read', rows * depth)
      const b = k.buffer('b', 'f32', 'read', depth * columns)
      const c = k.buffer('c', 'f32', 'write', rows * columns)
      k.vector('j', columns, 32, (j) => {
        const sums = Array.from({ length: rows }, () => k.accumulator('f32', 0))
        k.loop('k', depth, (d) => {
          const right = k.load(b, plus(times(d, columns), j))
          for (const [i, s] of sums.entries()) {
            k.update(s, 'fma', k.load(a, plus(d, i * depth)), right, s)
          }
        })
        for (const [i, s] of sums.entries()) k.store(c, plus(j, i * columns), s)
      })
      check(k.finish(), [
        values(rows * depth, 1),
        values(depth * columns, 2),
        values(rows * columns, 3),
      ])
    }
  })

  test('pointers, and divisions that insist on registers', () => {
    const [n, buffers] = [6, 24]
    const k = new KernelBuilder('pointers', 2)
    const xs = Array.from({ length: buffers }, (_, j) =>
      k.buffer(`x${j}`, 'i64', 'readwrite', 2 * n * (j + 1)),
    )
    k.loop('i', n, (i) => {
      k.loop('j', 2, (j) => {
        const at = (b: number) => times(plus(plus(times(i, 2), j), 0), b + 1)
        let last: Reg = k.index('i64', plus(times(i, 3), 1))
        for (const [b, x] of xs.entries()) {
          const v = k.load(x, at(b))
          last = k.set(
            'add',
            k.set(b % 2 ? 'div' : 'rem', v, k.set('or', last, k.const('i64', 1))),
            v,
          )
          k.store(x, at(b), last)
        }
      })
    })
    void ofVar(k.chunk)
    check(
      k.finish(),
      xs.map((x, j) => sample('i64', x.length, j)),
    )
  })
})

/** A polynomial with as many coefficients, by Horner's rule. */
function polynomial(coefficients: number): Kernel {
  const k = new KernelBuilder(`polynomial of ${coefficients}`)
  const x = k.buffer('x', 'f32', 'read', 67)
  const y = k.buffer('y', 'f32', 'write', 67)
  k.vector('i', 67, 16, (i) => {
    const v = k.load(x, i)
    let p = k.const('f32', 1)
    for (let j = 0; j < coefficients; j++) p = k.set('fma', p, v, k.const('f32', 1 / (j + 3)))
    k.store(y, i, p)
  })
  return k.finish()
}

test('constants take registers while there are any, and no stack', () => {
  for (const cpu of CPUS) {
    const f = compileKernel(polynomial(40), cpu)
    expect(f.spills).toBe(0)
    expect(f.instructions.some(onStack)).toBe(false)
  }
  if (LEVELS.length > 0) check(polynomial(40), [values(67, 1), values(67, 2)])
})

/** The kernel of a square matrix product with a tile of rows × lanes. */
function product(cpu: CpuLevel, n: number) {
  const [rows, lanes, native] = cpu === 'avx512' ? [12, 32, 16] : [6, 16, 8]
  const w = new Workspace({
    name: cpu,
    nativeLanes: native,
    mapLanes: 16,
    fusedMultiplyAdd: true,
    tile: { rows, lanes },
    maxBuffers: 16,
    cache: { l1: 32 << 10, l2: 1 << 20 },
    processors: 2,
  })
  const left = w.reader('a', 'float32', [n, n], values(n * n, 1))
  const right = w.reader('b', 'float32', [n, n], values(n * n, 2))
  const out = w.buffer('c', 'f32', n * n)
  const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
  const spec = { attrs, left: [n, n], right: [n, n], dtype: 'float32' } as const
  const calls = lowerDot(spec, left, right, w.writer(out, [n, n]), w)
  return calls.at(-1)!.kernel
}

describe.each(CPUS)('the micro-kernel of a matrix product on %s', (cpu) => {
  const f = compileKernel(product(cpu, 192), cpu)
  /** Instructions from each label to the jump back to it, if nothing jumps between: innermost loops. */
  const innermost: Instruction[][] = []
  for (const [at, i] of f.instructions.entries()) {
    const [target] = i.operands
    if (target?.kind !== 'label' || i.op === 'label') continue
    const top = f.instructions.findIndex((l) => l.op === 'label' && l.operands[0] === target)
    const body = f.instructions.slice(top + 1, at)
    if (top >= 0 && top < at && !body.some((l) => l.op === 'label')) innermost.push(body)
  }
  const multiplyAdds = (body: readonly Instruction[]): number =>
    body.filter((i) => i.op.startsWith('vfmadd')).length
  const kernel = innermost.reduce((a, b) => (multiplyAdds(b) > multiplyAdds(a) ? b : a))

  test('keeps its accumulators in registers', () => {
    expect(multiplyAdds(kernel)).toBe(cpu === 'avx512' ? 24 : 12)
    expect(kernel.filter(onStack)).toEqual([])
  })

  test('loads each operand once, or twice to spare an instruction, and does little else', () => {
    // Of AVX-512's 12 spread elements, 6 are operands of both multiply-adds they go to.
    const [loads, folded] = cpu === 'avx512' ? [20, 12] : [8, 0]
    expect(kernel.filter((i) => i.operands.some((o) => o.kind === 'mem'))).toHaveLength(loads)
    expect(kernel.length - multiplyAdds(kernel) - (loads - folded)).toBeLessThanOrEqual(4)
  })
})
