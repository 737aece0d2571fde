// Lowers `dot`, the contraction every matrix product is, to kernels.

import type { Affine } from '../kernel/ir.js'
import type { KernelCall, LoweringContext, Reader, Writer } from '../lower/assembly.js'
import type { Product } from './factors.js'
import { lowerProduct } from './gemm.js'
import { dotNumerics } from './numerics.js'
import { plainProduct } from './plain.js'
import { type DotSpec, dotAxes, product } from './spec.js'
import { lowerTree } from './tree.js'

/** Multiply-adds below which tiles are not worth their code. */
const SMALL = 512

/** Kernels that compute `dot` of what the readers read and hand it to `out`. */
export function lowerDot(
  spec: DotSpec,
  left: Reader,
  right: Reader,
  out: Writer,
  ctx: LoweringContext,
): KernelCall[] {
  const p = dotProduct(spec, left, right, out)
  if (p.numerics.order === 'tree' && product(p.batch) > 0 && hasResults(p)) {
    return lowerTree(p, ctx)
  }
  const depth = product(p.contract)
  const work = product(p.batch) * product(p.left.free) * product(p.right.free) * depth
  const tiled = spec.dtype === 'float32' || spec.dtype === 'float64' || spec.dtype === 'int32'
  if (work === 0 || !tiled || (work <= SMALL && p.numerics.parts === 1)) {
    return plainProduct(p)
  }
  return lowerProduct(p, ctx)
}

const hasResults = (p: Product): boolean => product([...p.left.free, ...p.right.free]) > 0

/** The dot with its axes sorted by what they do. */
function dotProduct(spec: DotSpec, left: Reader, right: Reader, out: Writer): Product {
  const { attrs } = spec
  const axes = dotAxes(spec)
  return {
    name: `dot [${spec.left}]x[${spec.right}]`,
    dtype: spec.dtype,
    batch: axes.batch,
    contract: axes.contract,
    numerics: dotNumerics(spec),
    left: {
      free: axes.rows,
      read: (k, b, m, at) =>
        left.read(
          k,
          place(
            spec.left.length,
            [attrs.leftBatch, b],
            [axes.leftFree, m],
            [attrs.leftContract, at],
          ),
        ),
    },
    right: {
      free: axes.columns,
      read: (k, b, n, at) =>
        right.read(
          k,
          place(
            spec.right.length,
            [attrs.rightBatch, b],
            [axes.rightFree, n],
            [attrs.rightContract, at],
          ),
        ),
    },
    write: (k, b, m, n, value) => out.write(k, [...b, ...m, ...n], value),
  }
}

/** An operand's coordinates, in its own order, from those along the axes of each role. */
function place(
  rank: number,
  ...roles: readonly (readonly [readonly number[], readonly Affine[]])[]
): Affine[] {
  const coords = new Array<Affine>(rank)
  for (const [axes, values] of roles) {
    for (const [i, axis] of axes.entries()) coords[axis] = values[i]!
  }
  return coords
}
