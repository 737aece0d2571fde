// Sliding windows: unfold lays them out, fold adds them back. Each is the other's gradient.

import { type Dim, isKnown } from '../../base/dim.js'
import { ShapeError } from '../../base/errors.js'
import { formatShape, type Shape, type StaticShape, stridesOf } from '../../base/shape.js'
import { fold, unfold, type WindowAttrs } from '../build.js'
import { define, type Sample } from '../op.js'
import { checkAtLeast, checkNumeric, checkSameShape, mayBeAtMost } from './check.js'
import { dilated, windowCount } from './conv.js'
import { copyBox, offsets, type Strided, storage } from './host.js'

export interface FoldAttrs extends WindowAttrs {
  readonly spatial: readonly Dim[]
}

/** [...lead, ...positions, ...size]: the shape of all windows over the last axes of `shape`. */
function windowsShape(where: string, shape: Shape, attrs: WindowAttrs): Shape {
  const { size, strides, dilation } = attrs
  const rank = size.length
  if (rank > shape.length || strides.length !== rank || dilation.length !== rank) {
    throw new ShapeError(
      where,
      `a size, a stride and a dilation for each of the last axes of ${formatShape(shape)}`,
      `sizes [${size.join(', ')}], strides [${strides.join(', ')}], dilation [${dilation.join(', ')}]`,
    )
  }
  checkAtLeast(where, 'sizes', size, 1)
  checkAtLeast(where, 'strides', strides, 1)
  checkAtLeast(where, 'dilation', dilation, 1)
  const lead = shape.slice(0, shape.length - rank)
  const spatial = shape.slice(shape.length - rank)
  const positions = spatial.map((n, i) => {
    const extent = dilated(size[i]!, dilation[i]!)
    if (mayBeAtMost(extent, n)) return windowCount(n, extent, strides[i]!)
    throw new ShapeError(
      where,
      `an axis of at least ${extent} to slide a window of [${size.join(', ')}] along`,
      `${n} (input is ${formatShape(shape)})`,
      { shape, axis: lead.length + i },
    )
  })
  return [...lead, ...positions, ...size]
}

/** The windows of an array as a strided view of it: neighbours overlap in memory. */
function windowsView(shape: StaticShape, { size, strides, dilation }: WindowAttrs): Strided {
  const own = stridesOf(shape)
  const lead = own.slice(0, own.length - size.length)
  const spatial = own.slice(own.length - size.length)
  const positions = spatial.map((s, i) => s * strides[i]!)
  const taps = spatial.map((s, i) => s * dilation[i]!)
  return { start: 0, strides: [...lead, ...positions, ...taps] }
}

const withoutSpatial = ({ size, strides, dilation }: WindowAttrs): WindowAttrs => ({
  size,
  strides,
  dilation,
})

/**
 * All windows over the last axes: [...lead, ...spatial] to [...lead, ...positions, ...size], where
 * element t of the window at position p is input element p·stride + t·dilation. No padding.
 */
export const unfoldOp = define<WindowAttrs>({
  name: 'unfold',
  attrs: { size: 'ints', strides: 'ints', dilation: 'ints' },
  infer: ([x], attrs) => ({ shape: windowsShape('unfold', x!.shape, attrs), dtype: x!.dtype }),
  vjp: ({ inputs: [x], attrs, grad }) => {
    const spatial = x!.shape.slice(x!.shape.length - attrs.size.length)
    return [fold(grad, { ...withoutSpatial(attrs), spatial })]
  },
  evaluate: ([x], attrs, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const to = { start: 0, strides: stridesOf(out.shape) }
    copyBox(out.shape, x!.data, windowsView(x!.shape, attrs), out.data, to)
    return [out]
  },
  samples: () => [
    ...ROWS.map(([note, shape, attrs]) => ({ inputs: [{ shape }], attrs, note })),
    { inputs: [{ shape: [5], dtype: 'int64' }], attrs: window([2], [1]) },
    { inputs: [{ shape: [5], dtype: 'bool' }], attrs: window([2], [2]) },
  ],
})

/**
 * Windows [...lead, ...positions, ...size] added into an array [...lead, ...spatial], each element to
 * where `unfold` would have read it.
 */
export const foldOp = define<FoldAttrs>({
  name: 'fold',
  attrs: { size: 'ints', strides: 'ints', dilation: 'ints', spatial: 'dims' },
  infer: ([windows], attrs) => {
    checkNumeric('fold', windows!)
    const { size, spatial } = attrs
    const lead = windows!.shape.slice(0, Math.max(0, windows!.shape.length - 2 * size.length))
    const shape = [...lead, ...spatial]
    if (spatial.length !== size.length || spatial.some((d) => isKnown(d) && d < 0)) {
      const axes = `${size.length} spatial sizes`
      throw new ShapeError('fold', axes, formatShape(spatial))
    }
    checkSameShape('fold', 'windows', windowsShape('fold', shape, attrs), windows!.shape)
    return { shape, dtype: windows!.dtype }
  },
  vjp: ({ attrs, grad }) => [unfold(grad, withoutSpatial(attrs))],
  evaluate: ([windows], attrs, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const from = storage(windows!.data)
    const to = storage(out.data)
    const places = offsets(windows!.shape, windowsView(out.shape, attrs))
    for (let i = 0; i < places.length; i++) to[places[i]!] = to[places[i]!]! + from[i]!
    return [out]
  },
  samples: (): readonly Sample<FoldAttrs>[] => [
    ...ROWS.map(([note, shape, attrs]) => {
      const spatial = shape.slice(shape.length - attrs.size.length)
      const windows = windowsShape('fold', shape, attrs) as StaticShape
      return { inputs: [{ shape: windows }], attrs: { ...attrs, spatial }, note }
    }),
    {
      inputs: [{ shape: [4, 2], dtype: 'int32' }],
      attrs: { ...window([2], [1]), spatial: [5] },
    },
    {
      inputs: [{ shape: [2, 3], dtype: 'int64' }],
      attrs: { ...window([3], [1]), spatial: [4] },
    },
  ],
})

const window = (
  size: readonly number[],
  strides: readonly number[],
  dilation: readonly number[] = size.map(() => 1),
): WindowAttrs => ({ size, strides, dilation })

type Row = readonly [note: string, shape: readonly number[], attrs: WindowAttrs]

const ROWS: readonly Row[] = [
  ['1-D, overlapping', [7], window([3], [1])],
  ['1-D, apart', [2, 6], window([2], [2])],
  ['1-D, gaps and a rest', [11], window([2], [4])],
  ['2-D', [2, 3, 5, 5], window([2, 2], [2, 2])],
  ['2-D, overlapping', [1, 2, 5, 6], window([3, 2], [1, 2])],
  ['2-D, dilation', [2, 7, 6], window([3, 2], [2, 1], [2, 3])],
  ['3-D', [1, 2, 3, 4, 3], window([2, 2, 2], [1, 2, 1])],
  ['size 1', [1, 1], window([1], [1])],
  ['all of it', [3, 17], window([17], [1])],
  ['empty', [0, 4], window([2], [1])],
  ['no axis', [3], window([], [])],
]
