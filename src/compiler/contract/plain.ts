// The contraction without any tiling: one result after another, straight from the readers. It is what
// the fast kernels must equal bit for bit, and it serves where there is nothing to win.

import { isFloat } from '../../base/dtype.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import type { Affine, Reg, RegType } from '../kernel/ir.js'
import {
  KernelAssembly,
  type KernelCall,
  REGISTER_TYPE,
  type Reader,
  type Writer,
} from '../lower/assembly.js'
import type { Numerics } from './numerics.js'
import { type ConvSpec, convSizes, type DotSpec, dotAxes, product } from './spec.js'

/** acc = a·b + acc, fused if the target can; integers wrap. */
export function multiplyAdd(k: KernelAssembly, acc: Reg, a: Reg, b: Reg): void {
  if (acc.type === 'f32' || acc.type === 'f64') k.update(acc, 'fma', a, b, acc)
  else k.update(acc, 'add', k.set('mul', a, b), acc)
}

/** Opens a loop for every size and hands all the variables to `body`. */
export function nest(
  k: KernelAssembly,
  name: string,
  sizes: readonly number[],
  body: (at: Affine[]) => void,
): void {
  const open = (at: Affine[]): void => {
    const size = sizes[at.length]
    if (size === undefined) body(at)
    else if (size === 1) open([...at, affine(0)])
    else k.loop(`${name}${at.length}`, size, (i) => open([...at, i]))
  }
  open([])
}

/** A flat index as coordinates, last axis fastest. */
export function unflatten(k: KernelAssembly, flat: Affine, sizes: readonly number[]): Affine[] {
  const coords: Affine[] = []
  let rest = flat
  for (let i = sizes.length - 1; i > 0; i--) {
    if (sizes[i] === 1) {
      coords.unshift(affine(0))
      continue
    }
    const { quotient, remainder } = k.divmod(rest, sizes[i]!, 'u')
    coords.unshift(ofVar(remainder))
    rest = ofVar(quotient)
  }
  if (sizes.length > 0) coords.unshift(rest)
  return coords
}

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
  // -0 + x is x for every x, so the first block is stored as it is.
  const total = k.accumulator(type, type === 'f32' || type === 'f64' ? -0 : 0)
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

/** Coordinates of an operand from those of the axes it has. */
export function place(
  rank: number,
  ...parts: readonly (readonly [readonly number[], readonly Affine[]])[]
) {
  const coords = new Array<Affine>(rank)
  for (const [axes, values] of parts) {
    for (const [i, axis] of axes.entries()) coords[axis] = values[i]!
  }
  return coords
}

/** Rows a chunk of a plain kernel makes: enough work to be worth handing out. */
const rowsPerChunk = (work: number): number => Math.max(1, Math.ceil(32768 / Math.max(1, work)))

export function plainDot(
  spec: DotSpec,
  numerics: Numerics,
  left: Reader,
  right: Reader,
  out: Writer,
): KernelCall[] {
  const { attrs } = spec
  const axes = dotAxes(spec)
  const { batch, rows, columns, contract } = axes
  const outer = [...batch, ...rows, ...columns.slice(0, -1)]
  const lanes = columns.at(-1) ?? 1
  const total = product(outer)
  if (total * lanes === 0) return []
  const per = rowsPerChunk(lanes * product(contract))
  const k = new KernelAssembly(`dot [${spec.left}]x[${spec.right}]`, Math.ceil(total / per))
  k.flops = 2 * total * lanes * product(contract)
  k.bytes = 4 * (product(spec.left) + product(spec.right) + total * lanes)
  const chunk = ofVar(k.chunk)
  const end = { min: [plus(times(chunk, per), per), affine(total)] as const }
  const oneRow = (flat: Affine): void => {
    const coords = unflatten(k, flat, outer)
    const b = coords.slice(0, batch.length)
    const m = coords.slice(batch.length, batch.length + rows.length)
    const n = coords.slice(batch.length + rows.length)
    k.vector('n', lanes, isFloat(spec.dtype) ? 16 : 4, (last) => {
      const free = columns.length > 0 ? [...n, last] : []
      const sum = sumOverK(k, REGISTER_TYPE[spec.dtype], contract, numerics, (acc, at) => {
        const l = left.read(
          k,
          place(
            spec.left.length,
            [attrs.leftBatch, b],
            [axes.leftFree, m],
            [attrs.leftContract, at],
          ),
        )
        const r = right.read(
          k,
          place(
            spec.right.length,
            [attrs.rightBatch, b],
            [axes.rightFree, free],
            [attrs.rightContract, at],
          ),
        )
        multiplyAdd(k, acc, l, r)
      })
      out.write(k, [...b, ...m, ...free], sum)
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
