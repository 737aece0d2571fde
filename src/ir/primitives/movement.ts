// Values stay, places change: reshape, transpose, reverse, broadcast. (Slices and pads: slicing.ts.)

import { type Dim, dimEqual } from '../../base/dim.js'
import { ShapeError } from '../../base/errors.js'
import {
  formatShape,
  type Shape,
  type StaticShape,
  sizeOf,
  staticShape,
  stridesOf,
} from '../../base/shape.js'
import { reduceSum, reshape, reverse, transpose } from '../build.js'
import type { TensorType } from '../node.js'
import { type Attrs, define, type EvalContext, type NDArray } from '../op.js'
import { checkAxes } from './check.js'
import { copyBox, type Strided, storage } from './host.js'

/** A result whose elements are read from `x` at strides of its own. */
function view(x: NDArray, from: Strided, type: TensorType, ctx: EvalContext): readonly NDArray[] {
  const out = ctx.allocate(type)
  copyBox(out.shape, x.data, from, out.data, { start: 0, strides: stridesOf(out.shape) })
  return [out]
}

export interface ReshapeAttrs extends Attrs {
  readonly shape: Shape
}

/** The same elements in row-major order under another shape. */
export const reshapeOp = define<ReshapeAttrs>({
  name: 'reshape',
  attrs: { shape: 'dims' },
  infer: ([x], { shape }) => {
    const from = x!.shape
    const valid = shape.every((d) => typeof d !== 'number' || (Number.isInteger(d) && d >= 0))
    if (!valid || !dimEqual(sizeOf(from), sizeOf(shape))) {
      throw new ShapeError(
        'reshape',
        `a shape with ${sizeOf(from)} elements (input is ${formatShape(from)})`,
        formatShape(shape),
        { from, to: shape },
      )
    }
    return { shape, dtype: x!.dtype }
  },
  vjp: ({ inputs: [x], grad }) => [reshape(grad, x!.shape)],
  evaluate: ([x], _, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    storage(out.data).set(storage(x!.data))
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [2, 3, 4] }], attrs: { shape: [4, 6] } },
    { inputs: [{ shape: [] }], attrs: { shape: [1, 1] } },
    { inputs: [{ shape: [1] }], attrs: { shape: [] } },
    { inputs: [{ shape: [0, 3] }], attrs: { shape: [3, 0, 2] }, note: 'empty' },
    { inputs: [{ shape: [6], dtype: 'int64' }], attrs: { shape: [2, 3] } },
    { inputs: [{ shape: [2, 2], dtype: 'bool' }], attrs: { shape: [4] } },
  ],
})

export interface TransposeAttrs extends Attrs {
  readonly perm: readonly number[]
}

/** The permutation that undoes `perm`. */
export function inversePermutation(perm: readonly number[]): number[] {
  const inverse = new Array<number>(perm.length)
  for (let i = 0; i < perm.length; i++) inverse[perm[i]!] = i
  return inverse
}

/** Result axis i is input axis perm[i]. */
export const transposeOp = define<TransposeAttrs>({
  name: 'transpose',
  attrs: { perm: 'ints' },
  infer: ([x], { perm }) => {
    checkAxes('transpose', perm, x!.shape)
    if (perm.length !== x!.shape.length) {
      const list = `[${perm.join(', ')}]`
      throw new ShapeError('transpose', `every axis of ${formatShape(x!.shape)}`, `axes ${list}`)
    }
    return { shape: perm.map((p) => x!.shape[p] as Dim), dtype: x!.dtype }
  },
  vjp: ({ attrs: { perm }, grad }) => [transpose(grad, inversePermutation(perm))],
  evaluate: ([x], { perm }, types, ctx) => {
    const strides = stridesOf(x!.shape)
    return view(x!, { start: 0, strides: perm.map((p) => strides[p]!) }, types[0]!, ctx)
  },
  samples: () => [
    { inputs: [{ shape: [3, 5] }], attrs: { perm: [1, 0] } },
    { inputs: [{ shape: [2, 3, 4] }], attrs: { perm: [2, 0, 1] } },
    { inputs: [{ shape: [2, 1, 3, 5] }], attrs: { perm: [0, 2, 3, 1] } },
    { inputs: [{ shape: [17, 33] }], attrs: { perm: [1, 0] }, note: 'odd' },
    { inputs: [{ shape: [3, 0] }], attrs: { perm: [1, 0] }, note: 'empty' },
    { inputs: [{ shape: [2, 3], dtype: 'int64' }], attrs: { perm: [1, 0] } },
    { inputs: [{ shape: [3, 4], dtype: 'bool' }], attrs: { perm: [1, 0] } },
  ],
})

export interface ReverseAttrs extends Attrs {
  readonly axes: readonly number[]
}

/** The elements in opposite order along `axes`. */
export const reverseOp = define<ReverseAttrs>({
  name: 'reverse',
  attrs: { axes: 'ints' },
  infer: ([x], { axes }) => {
    checkAxes('reverse', axes, x!.shape)
    return { shape: x!.shape, dtype: x!.dtype }
  },
  vjp: ({ attrs: { axes }, grad }) => [reverse(grad, axes)],
  evaluate: ([x], { axes }, types, ctx) => {
    const strides = stridesOf(x!.shape)
    let start = 0
    for (const axis of axes) {
      start += (x!.shape[axis]! - 1) * strides[axis]!
      strides[axis] = -strides[axis]!
    }
    return view(x!, { start, strides }, types[0]!, ctx)
  },
  samples: () => [
    { inputs: [{ shape: [5] }], attrs: { axes: [0] } },
    { inputs: [{ shape: [2, 3, 4] }], attrs: { axes: [0, 2] } },
    { inputs: [{ shape: [1, 17] }], attrs: { axes: [1] } },
    { inputs: [{ shape: [0, 3] }], attrs: { axes: [0, 1] }, note: 'empty' },
    { inputs: [{ shape: [4], dtype: 'int32' }], attrs: { axes: [0] } },
    { inputs: [{ shape: [4], dtype: 'int64' }], attrs: { axes: [0] } },
  ],
})

export interface BroadcastAttrs extends Attrs {
  readonly shape: Shape
}

/** Axes of size 1 are repeated to the size `shape` gives them; the rank stays. */
export const broadcastOp = define<BroadcastAttrs>({
  name: 'broadcast',
  attrs: { shape: 'dims' },
  infer: ([x], { shape }) => {
    const from = x!.shape
    const fits =
      from.length === shape.length &&
      from.every((d, i) => dimEqual(d, 1) || dimEqual(d, shape[i] as Dim))
    if (!fits) {
      throw new ShapeError(
        'broadcast',
        `a shape of rank ${from.length} that differs only where ${formatShape(from)} is 1`,
        formatShape(shape),
        { from, to: shape },
      )
    }
    return { shape, dtype: x!.dtype }
  },
  vjp: ({ inputs: [x], attrs: { shape }, grad }) => {
    const repeated = shape.map((_, i) => i).filter((i) => !dimEqual(x!.shape[i]!, shape[i]!))
    return [reshape(reduceSum(grad, repeated), x!.shape)]
  },
  evaluate: ([x], { shape }, types, ctx) => {
    const size: StaticShape = staticShape('broadcast', shape)
    const strides = stridesOf(x!.shape).map((s, i) => (x!.shape[i] === size[i] ? s : 0))
    return view(x!, { start: 0, strides }, types[0]!, ctx)
  },
  samples: () => [
    { inputs: [{ shape: [1, 3] }], attrs: { shape: [4, 3] } },
    { inputs: [{ shape: [2, 1, 5] }], attrs: { shape: [2, 17, 5] } },
    { inputs: [{ shape: [1, 1] }], attrs: { shape: [3, 2] } },
    { inputs: [{ shape: [1, 1, 4, 1] }], attrs: { shape: [2, 1, 4, 3] } },
    { inputs: [{ shape: [1, 2] }], attrs: { shape: [0, 2] }, note: 'to empty' },
    { inputs: [{ shape: [1], dtype: 'int64' }], attrs: { shape: [3] } },
    { inputs: [{ shape: [1], dtype: 'bool' }], attrs: { shape: [3] } },
  ],
})
