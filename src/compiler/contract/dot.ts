// Lowers `dot`, the contraction every matrix product is, to kernels.

import { sizeOf } from '../../base/shape.js'
import type { KernelCall, LoweringContext, Reader, Writer } from '../kernel/assembly.js'
import type { Affine, Target } from '../kernel/ir.js'
import type { Product } from './factors.js'
import { lowerProduct, readingsOfProduct } from './gemm.js'
import { dotNumerics } from './numerics.js'
import { plainProduct } from './plain.js'
import { ALWAYS, type Readings } from './readings.js'
import { type DotSpec, dotAxes } from './spec.js'
import { lowerTree, readingsOfTree } from './tree.js'

/** Multiply-adds beyond which tiles are worth their code. */
const WORTH_TILES = 512

/** Kernels that compute `dot` of what the readers read and hand it to `out`. */
export function lowerDot(
  spec: DotSpec,
  left: Reader,
  right: Reader,
  out: Writer,
  ctx: LoweringContext,
): KernelCall[] {
  const p = dotProduct(spec, left, right, out)
  return WAYS[wayOf(p)].lower(p, ctx)
}

/** How `lowerDot` reads its operands. */
export function readingsOfDot(
  spec: DotSpec,
  left: Reader,
  right: Reader,
  out: Writer,
  target: Target,
): Readings {
  const p = dotProduct(spec, left, right, out)
  return WAYS[wayOf(p)].readings(p, target)
}

/** What a dot may be lowered as. */
const WAYS = {
  tree: { lower: lowerTree, readings: readingsOfTree },
  plain: { lower: plainProduct, readings: (): Readings => [ALWAYS, ALWAYS] },
  tiled: { lower: lowerProduct, readings: readingsOfProduct },
} as const

function wayOf(p: Product): keyof typeof WAYS {
  const results = sizeOf(p.batch) * sizeOf(p.left.free) * sizeOf(p.right.free)
  if (p.numerics.order === 'tree' && results > 0) return 'tree'
  const work = results * sizeOf(p.contract)
  const tiled = p.dtype === 'float32' || p.dtype === 'float64' || p.dtype === 'int32'
  return work === 0 || !tiled || (work <= WORTH_TILES && p.numerics.parts === 1) ? 'plain' : 'tiled'
}

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
