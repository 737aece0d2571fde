// Kernels that do one thing to every element, in every way a loop can be written.

import { affine, ofVar, plus } from '../../../src/compiler/kernel/affine.js'
import { KernelBuilder } from '../../../src/compiler/kernel/builder.js'
import type { Memory } from '../../../src/compiler/kernel/interpret.js'
import type {
  Affine,
  Bound,
  Kernel,
  MemoryType,
  Reg,
  RegType,
} from '../../../src/compiler/kernel/ir.js'
import { sample } from './values.js'

export const memoryOf = (t: RegType): MemoryType => (t === 'bool' ? 'u8' : t)
export const asReg = (k: KernelBuilder, t: RegType, r: Reg): Reg =>
  t === 'bool' ? k.convert('bool', r) : r
export const asMemory = (k: KernelBuilder, r: Reg): Reg =>
  r.type === 'bool' ? k.convert('i32', r) : r

export type Shape = 'scalar' | 'vector' | 'dynamic' | 'guarded'
export const SHAPES: readonly Shape[] = ['scalar', 'vector', 'dynamic', 'guarded']

/** Runs `body` for every i below n: one by one, in lanes, with an unknown count, or where i is odd. */
export function forEach(
  k: KernelBuilder,
  n: number,
  shape: Shape,
  body: (i: Affine) => void,
): void {
  if (shape === 'scalar') {
    k.loop('i', n, body)
  } else if (shape === 'dynamic') {
    const count: Bound = { min: [affine(64), plus(ofVar(k.chunk), n)] }
    k.vector('i', count, 16, body)
  } else if (shape === 'vector') {
    k.vector('i', n, 16, body)
  } else {
    k.vector('i', n, 8, (i) => k.when(i, 'ge', affine(3), () => body(i)))
  }
}

/** out[i] = make(x[i], y[i], z[i]). */
export function mapKernel(
  name: string,
  n: number,
  shape: Shape,
  types: readonly RegType[],
  make: (k: KernelBuilder, args: Reg[]) => Reg,
  result: RegType,
): Kernel {
  const k = new KernelBuilder(name)
  const xs = types.map((t, i) => k.buffer(`x${i}`, memoryOf(t), 'read', n))
  const y = k.buffer('y', memoryOf(result), 'write', n)
  forEach(k, n, shape, (i) => {
    const args = xs.map((x, j) => asReg(k, types[j]!, k.load(x, i)))
    k.store(y, i, asMemory(k, make(k, args)))
  })
  return k.finish()
}

export const slotsFor = (n: number, types: readonly RegType[], result: RegType): Memory[] => [
  ...types.map((t, j) => sample(memoryOf(t), n, j)),
  sample(memoryOf(result), n, 9),
]
