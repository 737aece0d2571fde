// Blocks at positions that are data: read one, or write one. Starts are clamped, so a block always fits.

import { type Dim, isKnown } from '../../base/dim.js'
import { DTypeError, ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape, stridesOf } from '../../base/shape.js'
import { dynamicSlice, dynamicUpdate, zerosLike } from '../build.js'
import type { TensorType } from '../node.js'
import { type Attrs, define, type NDArray, NO_ATTRS, type Sample } from '../op.js'
import { checkSameDType, mayBeAtMost } from './check.js'
import { copyBox } from './host.js'

/** One int32 scalar an axis. */
function checkStarts(where: string, x: TensorType, starts: readonly TensorType[]): void {
  if (starts.length !== x.shape.length) {
    const axes = `${x.shape.length} starts (input is ${formatShape(x.shape)})`
    throw new ValueError(where, axes, String(starts.length))
  }
  for (const start of starts) {
    if (start.dtype !== 'int32') throw new DTypeError(where, 'starts of dtype int32', start.dtype)
    if (start.shape.length > 0) {
      throw new ShapeError(where, 'starts that are scalars', formatShape(start.shape))
    }
  }
}

/** The block is no larger than the array on any axis. */
function checkBlock(where: string, whole: Shape, block: Shape): void {
  const fits =
    block.length === whole.length &&
    block.every((d, i) => mayBeAtMost(d, whole[i]!) && (!isKnown(d) || d >= 0))
  if (fits) return
  const expected = `a block that fits in ${formatShape(whole)}`
  throw new ShapeError(where, expected, formatShape(block), { whole, block })
}

/** Where a block begins in the data of `x`: each start clamped to [0, n − size]. */
function blockStart(x: NDArray, starts: readonly NDArray[], block: readonly number[]): number {
  const strides = stridesOf(x.shape)
  return starts.reduce((sum, start, i) => {
    const last = x.shape[i]! - block[i]!
    return sum + Math.max(0, Math.min(last, start.data[0] as number)) * strides[i]!
  }, 0)
}

export interface DynamicSliceAttrs extends Attrs {
  readonly sizes: readonly Dim[]
}

/**
 * A block of `sizes` out of the first input; the others are its starts, one an axis, clamped like
 * [XLA's](https://openxla.org/xla/operation_semantics#dynamicslice).
 */
export const dynamicSliceOp = define<DynamicSliceAttrs>({
  name: 'dynamicSlice',
  attrs: { sizes: 'dims' },
  infer: ([x, ...starts], { sizes }) => {
    checkStarts('dynamicSlice', x!, starts)
    checkBlock('dynamicSlice', x!.shape, sizes)
    return { shape: sizes, dtype: x!.dtype }
  },
  vjp: ({ inputs: [x, ...starts], grad }) => [
    dynamicUpdate(zerosLike(x!), grad, starts),
    ...starts.map(() => null),
  ],
  evaluate: ([x, ...starts], _, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const from = { start: blockStart(x!, starts, out.shape), strides: stridesOf(x!.shape) }
    copyBox(out.shape, x!.data, from, out.data, { start: 0, strides: stridesOf(out.shape) })
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [7] }, at(2)], attrs: { sizes: [3] } },
    { inputs: [{ shape: [4, 5] }, at(1), at(2)], attrs: { sizes: [2, 3] } },
    { inputs: [{ shape: [4, 5] }, at(-3), at(4)], attrs: { sizes: [2, 3] }, note: 'clamped' },
    { inputs: [{ shape: [3, 17] }, at(0), at(9)], attrs: { sizes: [3, 1] } },
    { inputs: [{ shape: [3, 4] }, at(1), at(0)], attrs: { sizes: [0, 4] }, note: 'to empty' },
    { inputs: [{ shape: [] }], attrs: { sizes: [] }, note: 'scalar' },
    { inputs: [{ shape: [5], dtype: 'int64' }, at(1)], attrs: { sizes: [2] } },
    { inputs: [{ shape: [5], dtype: 'bool' }, at(3)], attrs: { sizes: [2] } },
  ],
})

/** The first input with the block `update` (the second) written at the starts (the others), clamped. */
export const dynamicUpdateOp = define<Attrs>({
  name: 'dynamicUpdate',
  attrs: {},
  infer: ([x, update, ...starts]) => {
    checkStarts('dynamicUpdate', x!, starts)
    checkBlock('dynamicUpdate', x!.shape, update!.shape)
    const dtype = checkSameDType('dynamicUpdate', 'an update', x!, update!)
    return { shape: x!.shape, dtype }
  },
  vjp: ({ inputs: [, update, ...starts], grad, needs }) => [
    needs(0) ? dynamicUpdate(grad, zerosLike(update!), starts) : null,
    needs(1) ? dynamicSlice(grad, starts, update!.shape) : null,
    ...starts.map(() => null),
  ],
  evaluate: ([x, update, ...starts], _, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const strides = stridesOf(out.shape)
    copyBox(out.shape, x!.data, { start: 0, strides }, out.data, { start: 0, strides })
    const to = { start: blockStart(x!, starts, update!.shape), strides }
    const from = { start: 0, strides: stridesOf(update!.shape) }
    copyBox(update!.shape, update!.data, from, out.data, to)
    return [out]
  },
  samples: (): readonly Sample[] => [
    { inputs: [{ shape: [7] }, { shape: [3] }, at(2)], attrs: NO_ATTRS },
    { inputs: [{ shape: [4, 5] }, { shape: [2, 3] }, at(1), at(2)], attrs: NO_ATTRS },
    {
      inputs: [{ shape: [4, 5] }, { shape: [2, 3] }, at(9), at(-1)],
      attrs: NO_ATTRS,
      note: 'clamped',
    },
    { inputs: [{ shape: [3, 17] }, { shape: [1, 17] }, at(1), at(0)], attrs: NO_ATTRS },
    {
      inputs: [{ shape: [3, 4] }, { shape: [0, 4] }, at(1), at(0)],
      attrs: NO_ATTRS,
      note: 'empty',
    },
    { inputs: [{ shape: [] }, { shape: [] }], attrs: NO_ATTRS, note: 'scalar' },
    {
      inputs: [{ shape: [5], dtype: 'int64' }, { shape: [2], dtype: 'int64' }, at(1)],
      attrs: NO_ATTRS,
    },
    {
      inputs: [{ shape: [5], dtype: 'bool' }, { shape: [2], dtype: 'bool' }, at(3)],
      attrs: NO_ATTRS,
    },
  ],
})

const at = (start: number) => ({ shape: [], dtype: 'int32', values: [start] }) as const
