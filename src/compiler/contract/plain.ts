// The contraction without any tiling: one result after another, straight from the readers. It is what
// the fast kernels must equal bit for bit, and it serves where there is nothing to win.

import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import { KernelAssembly, type KernelCall, REGISTER_TYPE } from '../kernel/assembly.js'
import type { Affine, Reg, RegType } from '../kernel/ir.js'
import { nest, unflatten } from './axes.js'
import type { Product } from './factors.js'
import { multiplyAdd } from './micro.js'
import type { Numerics } from './numerics.js'

/** Sums `term` over K as `numerics` says, for one result (or one a lane). */
function sumOverK(
  k: KernelAssembly,
  type: RegType,
  contract: readonly number[],
  { axis, step }: Numerics,
  term: (acc: Reg, at: Affine[]) => void,
): Reg {
  const outer = contract.slice(0, axis)
  const size = contract[axis] ?? 1
  const rest = contract.slice(axis + 1)
  if (sizeOf(contract) === 0) return k.const(type, 0)
  const isFloat = type === 'f32' || type === 'f64'
  // -0 + x is x for every x, so the first block is stored as it is.
  const total = k.accumulator(type, isFloat ? -0 : 0)
  const block = (before: Affine[], from: Affine, count: number): void => {
    const acc = k.accumulator(type, 0)
    nest(k, 'k', [count, ...rest], ([i, ...inner]) => {
      term(acc, [...before, plus(from, i!), ...inner].slice(0, contract.length))
    })
    k.update(total, 'add', total, acc)
  }
  nest(k, 'outer', outer, (before) => {
    const whole = Math.floor(size / step)
    if (whole > 0) k.loop('block', whole, (b) => block(before, times(b, step), step))
    if (size % step > 0) block(before, affine(whole * step), size % step)
  })
  return total
}

/** Rows a chunk of a plain kernel makes: enough work to be worth handing out. */
const rowsPerChunk = (work: number): number => Math.max(1, Math.ceil(32768 / Math.max(1, work)))

/** A product without tiles, straight from its factors. */
export function plainProduct(p: Product): KernelCall[] {
  const columns = p.right.free
  const outer = [...p.batch, ...p.left.free, ...columns.slice(0, -1)]
  const lanes = columns.at(-1) ?? 1
  const total = sizeOf(outer)
  const depth = sizeOf(p.contract)
  if (total * lanes === 0) return []
  const per = rowsPerChunk(lanes * Math.max(1, depth))
  const k = new KernelAssembly(p.name, Math.ceil(total / per))
  k.flops = 2 * total * lanes * depth
  k.bytes = 4 * total * (lanes + depth)
  const chunk = ofVar(k.chunk)
  const end = { min: [plus(times(chunk, per), per), affine(total)] as const }
  const oneRow = (flat: Affine): void => {
    const coords = unflatten(k, flat, outer)
    const batch = coords.slice(0, p.batch.length)
    const left = coords.slice(p.batch.length, p.batch.length + p.left.free.length)
    const before = coords.slice(p.batch.length + p.left.free.length)
    k.vector('n', lanes, p.dtype === 'int64' || p.dtype === 'uint8' ? 4 : 16, (last) => {
      const right = columns.length > 0 ? [...before, last] : []
      const sum = sumOverK(k, REGISTER_TYPE[p.dtype], p.contract, p.numerics, (acc, at) => {
        multiplyAdd(k, acc, p.left.read(k, batch, left, at), p.right.read(k, batch, right, at))
      })
      p.write(k, batch, left, right, sum)
    })
  }
  k.loop('row', end, oneRow, { from: times(chunk, per) })
  return [k.call()]
}
