// The contraction without any tiling: one result after another, straight from the readers. It is what
// the fast kernels must equal bit for bit, and it serves where there is nothing to win.

import { affine, ofVar, plus, times } from '../kernel/affine.js'
import type { Affine, Reg, RegType } from '../kernel/ir.js'
import {
  KernelAssembly,
  type KernelCall,
  REGISTER_TYPE,
  type Reader,
  type Writer,
} from '../lower/assembly.js'
import { nest, unflatten } from './axes.js'
import type { Product } from './factors.js'
import { multiplyAdd } from './micro.js'
import type { Numerics } from './numerics.js'
import { type ConvSpec, convSizes, product } from './spec.js'

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
  const isFloat = type === 'f32' || type === 'f64'
  const empty = product(contract) === 0
  // -0 + x is x for every x, so the first block is stored as it is.
  const total = k.accumulator(type, isFloat && !empty ? -0 : 0)
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
  const total = product(outer)
  const depth = product(p.contract)
  if (total * lanes === 0) return []
  const per = rowsPerChunk(lanes * depth)
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

export function plainConv(
  spec: ConvSpec,
  numerics: Numerics,
  input: Reader,
  kernel: Reader,
  out: Writer,
): KernelCall[] {
  const { attrs } = spec
  const sizes = convSizes(spec)
  const contract = [sizes.channels, ...sizes.kernel]
  const outer = [sizes.batch, sizes.groups, sizes.features, ...sizes.output]
  const total = product(outer)
  if (total === 0) return []
  const per = rowsPerChunk(product(contract))
  const k = new KernelAssembly(`conv [${spec.input}]*[${spec.kernel}]`, Math.ceil(total / per))
  k.flops = 2 * total * product(contract)
  k.bytes = 4 * (product(spec.input) + product(spec.kernel) + total)
  const chunk = ofVar(k.chunk)
  const end = { min: [plus(times(chunk, per), per), affine(total)] as const }
  const one = (flat: Affine): void => {
    const [n, g, f, ...at] = unflatten(k, flat, outer) as [Affine, Affine, Affine, ...Affine[]]
    const feature = plus(times(g, sizes.features), f)
    const sum = sumOverK(k, REGISTER_TYPE[spec.dtype], contract, numerics, (acc, [c, ...tap]) => {
      const image = attrs.batchGroups > 1 ? plus(times(g, sizes.batch), n) : n
      const channel = attrs.groups > 1 ? plus(times(g, sizes.channels), c!) : c!
      const weight = kernel.read(k, [feature, c!, ...tap])
      const within = (axis: number, position: Affine[]): void => {
        if (axis === at.length) {
          multiplyAdd(k, acc, weight, input.read(k, [image, channel, ...position]))
          return
        }
        const dilation = attrs.inputDilation[axis]!
        const raw = plus(
          plus(
            times(at[axis]!, attrs.strides[axis]!),
            times(tap[axis]!, attrs.kernelDilation[axis]!),
          ),
          -attrs.low[axis]!,
        )
        k.when(raw, 'ge', affine(0), () => {
          k.when(raw, 'lt', affine((sizes.input[axis]! - 1) * dilation + 1), () => {
            if (dilation === 1) return within(axis + 1, [...position, raw])
            const { quotient, remainder } = k.divmod(raw, dilation)
            k.when(ofVar(remainder), 'eq', affine(0), () => {
              within(axis + 1, [...position, ofVar(quotient)])
            })
          })
        })
      }
      within(0, [])
    })
    out.write(k, [n, feature, ...at], sum)
  }
  k.loop('result', end, one, { from: times(chunk, per) })
  return [k.call()]
}
