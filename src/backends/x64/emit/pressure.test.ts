// Kernels that keep to the registers there are. (Those that cannot: `testPressure`.)

import { describe, expect, test } from 'vitest'
import { polynomial } from '../../../../test/support/kernels/pressure.js'
import { lowerDot } from '../../../compiler/contract/dot.js'
import { values, Workspace } from '../../../compiler/contract/fixtures.js'
import { type CpuLevel, compileKernel } from './kernel.js'
import type { Instruction } from './machine/code.js'

const CPUS: readonly CpuLevel[] = ['avx2', 'avx512']

const onStack = (i: Instruction): boolean =>
  i.operands.some((o) => o.kind === 'mem' && o.base.kind === 'place' && o.base.area === 'frame')

test('constants take registers while there are any, and no stack', () => {
  for (const cpu of CPUS) {
    const f = compileKernel(polynomial(40), cpu)
    expect(f.spills).toBe(0)
    expect(f.instructions.some(onStack)).toBe(false)
  }
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
