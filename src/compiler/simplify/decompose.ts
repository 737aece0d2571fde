// Primitives taken apart before fusion, so that fewer kinds of loops have to be known.
//
// Reductions become reductions of alternating kept and reduced axes, and long ones are cut into blocks
// (numerics.ts says where); argMax and argMin become a maximum and the least index that has it.

import { DTYPES, isFloat } from '../../base/dtype.js'
import * as b from '../../ir/build.js'
import { Node } from '../../ir/node.js'
import type { Op } from '../../ir/op.js'
import { shapeOf } from '../../ir/sizes.js'
import { reductionOrder, segmentsOf } from '../numerics.js'
import { filled } from './constants.js'
import type { Rule } from './rules.js'

export type ReduceName = 'reduceSum' | 'reduceProd' | 'reduceMax' | 'reduceMin'
const BUILD: Readonly<Record<ReduceName, (x: Node, axes: readonly number[]) => Node>> = {
  reduceSum: b.reduceSum,
  reduceProd: b.reduceProd,
  reduceMax: b.reduceMax,
  reduceMin: b.reduceMin,
}

/**
 * The compiler's own operation: reduces `axes`, but the first of them only within blocks of `block`.
 * The result is [blocks, …kept]. It stands in no table, because no user's graph contains it.
 */
const PARTIAL = {
  name: 'partialReduce',
  id: -1,
  attrs: { fn: 'name', axes: 'ints', block: 'int' },
  infer: () => {
    throw new Error('partialReduce is made with its type')
  },
  samples: () => [],
} as const satisfies Op<{ fn: string; axes: readonly number[]; block: number }>

function partialReduce(fn: ReduceName, x: Node, axes: readonly number[], block: number): Node {
  const shape = shapeOf(x)
  const blocks = Math.ceil((shape[axes[0] as number] as number) / block)
  const kept = shape.filter((_, i) => !axes.includes(i))
  const op = PARTIAL as unknown as Op
  return new Node(op, [x], { fn, axes, block }, [blocks, ...kept], x.dtype, null)
}

/** A reduction over the merged axes of its input, in the order numerics.ts asks for. */
const canonicalReduce =
  (fn: ReduceName): Rule =>
  (node) => {
    const x = node.inputs[0] as Node
    if (x.dtype === 'bool') {
      // uint8's extremes are what bool's should be (none: false, all: true); sums need room.
      const extremum = fn === 'reduceMax' || fn === 'reduceMin'
      const wide = b.cast(x, extremum ? 'uint8' : 'int32')
      return b.cast(BUILD[fn](wide, node.attrs.axes as readonly number[]), 'bool')
    }
    const shape = shapeOf(x)
    const segments = segmentsOf(shape, node.attrs.axes as readonly number[])
    if (!segments.some((s) => s.reduced)) return null
    const { block } = reductionOrder(segments)
    if (block === 0 && segments.length === shape.length) return null
    const merged = b.reshape(
      x,
      segments.map((s) => s.size),
    )
    const axes = segments.flatMap((s, i) => (s.reduced ? [i] : []))
    const reduced =
      block === 0 ? BUILD[fn](merged, axes) : BUILD[fn](partialReduce(fn, merged, axes, block), [0])
    return b.reshape(reduced, node.shape)
  }

/** The first index (NaN counts as extreme) at which the extremum is found. */
const argExtremum =
  (fn: 'reduceMax' | 'reduceMin'): Rule =>
  (node) => {
    const given = node.inputs[0] as Node
    const x = given.dtype === 'bool' ? b.cast(given, 'int32') : given
    const axis = node.attrs.axis as number
    const extremum = b.unreduce(BUILD[fn](x, [axis]), [axis], x.shape)
    const equal = b.eq(x, extremum)
    // If the extremum is NaN nothing equals it, and the first NaN is meant; else there is no NaN.
    const hit = isFloat(x.dtype) ? b.or(equal, b.not(b.eq(x, x))) : equal
    const index = b.iota(x.shape, axis, 'int32')
    const last = filled(DTYPES.int32.max, index)
    return b.reduceMin(b.select(hit, index, last), [axis])
  }

export const DECOMPOSITIONS: Readonly<Record<string, Rule>> = {
  reduceSum: canonicalReduce('reduceSum'),
  reduceProd: canonicalReduce('reduceProd'),
  reduceMax: canonicalReduce('reduceMax'),
  reduceMin: canonicalReduce('reduceMin'),
  argMax: argExtremum('reduceMax'),
  argMin: argExtremum('reduceMin'),
}
