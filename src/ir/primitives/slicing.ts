// Parts and surroundings: slice, pad and concat. A slice's gradient is a pad, and the other way round.

import { type Dim, dimAdd, dimFits, dimFloorDiv, dimMul, dimSub, isKnown } from '../../base/dim.js'
import { IndexError, ShapeError } from '../../base/errors.js'
import { formatShape, type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import { full, pad, reduceSum, select, slice, zerosLike } from '../build.js'
import type { Node } from '../node.js'
import { type Attrs, define } from '../op.js'
import { checkAtLeast, checkAxis, checkPerAxis, checkSameDType, mayBeAtMost } from './check.js'
import { copyBox, storage } from './host.js'

export interface SliceAttrs extends Attrs {
  readonly starts: readonly Dim[]
  readonly stops: readonly Dim[]
  readonly steps: readonly number[]
}

/** Number of elements start, start + step, … below stop. */
const sliceLength = (start: Dim, stop: Dim, step: number): Dim =>
  dimFloorDiv(dimAdd(dimSub(stop, start), step - 1), step)

/** Elements starts[i], starts[i] + steps[i], … below stops[i] along every axis i. */
export const sliceOp = define<SliceAttrs>({
  name: 'slice',
  attrs: { starts: 'dims', stops: 'dims', steps: 'ints' },
  infer: ([x], { starts, stops, steps }) => {
    const { shape, dtype } = x!
    checkPerAxis('slice', 'starts', starts, shape.length)
    checkPerAxis('slice', 'stops', stops, shape.length)
    checkPerAxis('slice', 'steps', steps, shape.length)
    checkAtLeast('slice', 'steps', steps, 1)
    for (let i = 0; i < shape.length; i++) {
      const start = starts[i]!
      const stop = stops[i]!
      const n = shape[i]!
      if (mayBeAtMost(0, start) && mayBeAtMost(start, stop) && mayBeAtMost(stop, n)) continue
      throw new IndexError(
        'slice',
        `0 <= start <= stop <= ${n} on axis ${i} (input is ${formatShape(shape)})`,
        `start ${start}, stop ${stop}`,
        { axis: i, start, stop },
      )
    }
    return { shape: shape.map((_, i) => sliceLength(starts[i]!, stops[i]!, steps[i]!)), dtype }
  },
  vjp: ({ node, inputs: [x], attrs: { starts, steps }, grad }) => {
    if (sizeOf(node.shape) === 0) return [zerosLike(x!)]
    // What lies behind the last element taken: n − (start + (length − 1)·step + 1).
    const high = x!.shape.map((n, i) => {
      const last = dimAdd(starts[i]!, dimMul(dimSub(node.shape[i]!, 1), steps[i]!))
      return dimSub(dimSub(n, last), 1)
    })
    return [
      pad(
        grad,
        full(0, [], grad.dtype),
        starts,
        high,
        steps.map((s) => s - 1),
      ),
    ]
  },
  evaluate: ([x], { starts, steps }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const strides = stridesOf(x!.shape)
    const from = {
      start: strides.reduce((sum, s, i) => sum + s * (starts[i] as number), 0),
      strides: strides.map((s, i) => s * steps[i]!),
    }
    copyBox(out.shape, x!.data, from, out.data, { start: 0, strides: stridesOf(out.shape) })
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [7] }], attrs: { starts: [2], stops: [5], steps: [1] } },
    { inputs: [{ shape: [9] }], attrs: { starts: [1], stops: [9], steps: [3] }, note: 'step' },
    { inputs: [{ shape: [10] }], attrs: { starts: [0], stops: [10], steps: [4] }, note: 'tail' },
    {
      inputs: [{ shape: [4, 5, 3] }],
      attrs: { starts: [1, 0, 2], stops: [4, 5, 3], steps: [2, 2, 1] },
    },
    { inputs: [{ shape: [5, 17] }], attrs: { starts: [4, 3], stops: [5, 16], steps: [1, 1] } },
    {
      inputs: [{ shape: [3, 4] }],
      attrs: { starts: [2, 1], stops: [2, 4], steps: [1, 1] },
      note: 'to empty',
    },
    {
      inputs: [{ shape: [4, 3] }],
      attrs: { starts: [1, 0], stops: [1, 3], steps: [3, 1] },
      note: 'to empty, step',
    },
    {
      inputs: [{ shape: [0, 2] }],
      attrs: { starts: [0, 0], stops: [0, 2], steps: [1, 1] },
      note: 'empty',
    },
    { inputs: [{ shape: [6], dtype: 'int64' }], attrs: { starts: [1], stops: [6], steps: [2] } },
    { inputs: [{ shape: [6], dtype: 'bool' }], attrs: { starts: [1], stops: [4], steps: [1] } },
    { inputs: [{ shape: [] }], attrs: { starts: [], stops: [], steps: [] }, note: 'scalar' },
  ],
})

export interface PadAttrs extends Attrs {
  readonly low: readonly Dim[]
  readonly high: readonly Dim[]
  readonly interior: readonly number[]
}

/** low + n + (n − 1)·interior + high, where nothing lies between the elements of an empty axis. */
function paddedLength(n: Dim, low: Dim, high: Dim, interior: number): Dim {
  const gaps = n === 0 || interior === 0 ? 0 : dimMul(dimSub(n, 1), interior)
  return dimAdd(dimAdd(dimAdd(low, high), n), gaps)
}

/**
 * `interior[i]` fills go between neighbours along axis i, then `low[i]` and `high[i]` go around;
 * negative ones crop (after the interior is filled). Inputs: the array and the fill, a scalar. An
 * axis of unknown size that gets interior fills must turn out to have an element.
 */
export const padOp = define<PadAttrs>({
  name: 'pad',
  attrs: { low: 'dims', high: 'dims', interior: 'ints' },
  infer: ([x, fill], { low, high, interior }) => {
    const from = x!.shape
    checkSameDType('pad', 'a fill', x!, fill!)
    if (fill!.shape.length !== 0) {
      throw new ShapeError('pad', 'a scalar fill', `one of shape ${formatShape(fill!.shape)}`)
    }
    checkPerAxis('pad', 'low paddings', low, from.length)
    checkPerAxis('pad', 'high paddings', high, from.length)
    checkPerAxis('pad', 'interior paddings', interior, from.length)
    checkAtLeast('pad', 'interior paddings', interior, 0)
    const shape = from.map((n, i) => paddedLength(n, low[i]!, high[i]!, interior[i]!))
    const axis = shape.findIndex((d) => isKnown(d) && d < 0)
    if (axis >= 0) {
      throw new ShapeError(
        'pad',
        `paddings that crop no more than there is (input is ${formatShape(from)})`,
        `low ${low[axis]} and high ${high[axis]} on axis ${axis}`,
        { axis },
      )
    }
    return { shape, dtype: x!.dtype }
  },
  vjp: ({ node, inputs: [x, fill], attrs: { low, high, interior }, grad, needs }) => [
    needs(0) ? unpad(grad, x!.shape, low, high, interior) : null,
    needs(1) ? fillGradient(node, x!, fill!, grad) : null,
  ],
  evaluate: ([x, fill], { low, interior }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const strides = stridesOf(out.shape)
    const own = stridesOf(x!.shape)
    storage(out.data).fill(storage(fill!.data)[0]!)
    // Element i of an axis lands at low + i·step; those that land outside were cropped away.
    const box: number[] = []
    let read = 0
    let write = 0
    for (let axis = 0; axis < own.length; axis++) {
      const step = interior[axis]! + 1
      const start = low[axis] as number
      const first = Math.max(0, Math.ceil(-start / step))
      const last = Math.min(x!.shape[axis]!, Math.floor((out.shape[axis]! - 1 - start) / step) + 1)
      box.push(Math.max(0, last - first))
      read += first * own[axis]!
      write += (start + first * step) * strides[axis]!
    }
    const to = { start: write, strides: strides.map((s, i) => s * (interior[i]! + 1)) }
    copyBox(box, x!.data, { start: read, strides: own }, out.data, to)
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [3] }, { shape: [] }], attrs: { low: [2], high: [1], interior: [0] } },
    {
      inputs: [{ shape: [4] }, { shape: [] }],
      attrs: { low: [0], high: [2], interior: [2] },
      note: 'interior',
    },
    {
      inputs: [{ shape: [2, 3] }, { shape: [] }],
      attrs: { low: [1, 0], high: [0, 2], interior: [1, 3] },
    },
    {
      inputs: [{ shape: [7] }, { shape: [] }],
      attrs: { low: [-2], high: [-1], interior: [0] },
      note: 'crop',
    },
    {
      inputs: [{ shape: [5] }, { shape: [] }],
      attrs: { low: [-2], high: [1], interior: [1] },
      note: 'crop, interior',
    },
    {
      inputs: [{ shape: [5, 4] }, { shape: [] }],
      attrs: { low: [-3, 2], high: [4, -1], interior: [2, 0] },
      note: 'crop, interior',
    },
    {
      inputs: [{ shape: [3] }, { shape: [] }],
      attrs: { low: [-5], high: [4], interior: [0] },
      note: 'crop beyond',
    },
    {
      inputs: [{ shape: [3] }, { shape: [] }],
      attrs: { low: [-1], high: [-2], interior: [0] },
      note: 'to empty',
    },
    {
      inputs: [{ shape: [0, 2] }, { shape: [] }],
      attrs: { low: [1, 0], high: [2, 1], interior: [3, 0] },
      note: 'from empty',
    },
    {
      inputs: [{ shape: [] }, { shape: [] }],
      attrs: { low: [], high: [], interior: [] },
      note: 'scalar',
    },
    {
      inputs: [
        { shape: [2], dtype: 'int64' },
        { shape: [], dtype: 'int64' },
      ],
      attrs: { low: [1], high: [1], interior: [1] },
    },
    {
      inputs: [
        { shape: [2], dtype: 'bool' },
        { shape: [], dtype: 'bool', values: [1] },
      ],
      attrs: { low: [1], high: [0], interior: [0] },
    },
  ],
})

/** The elements of `grad` at the places where a pad put the elements of an array of `shape`. */
function unpad(
  grad: Node,
  shape: Shape,
  low: readonly Dim[],
  high: readonly Dim[],
  interior: readonly number[],
): Node {
  if (sizeOf(shape) === 0) return full(0, shape, grad.dtype)
  const negative = (d: Dim): boolean => isKnown(d) && d < 0
  let starts = low
  let whole = grad
  if (low.some(negative) || high.some(negative) || ![...low, ...high].every(isKnown)) {
    // Cropped elements had no influence: put zeros back where they were.
    const zero = full(0, [], grad.dtype)
    whole = pad(
      grad,
      zero,
      low.map((d) => dimMul(d, -1)),
      high.map((d) => dimMul(d, -1)),
    )
    starts = low.map(() => 0)
  }
  const steps = interior.map((n) => n + 1)
  const stops = shape.map((n, i) => dimAdd(dimAdd(starts[i]!, dimMul(dimSub(n, 1), steps[i]!)), 1))
  return slice(whole, starts, stops, steps)
}

/** The sum of `grad` over the places that hold the fill. */
function fillGradient(node: Node, x: Node, fill: Node, grad: Node): Node {
  const { low, high, interior } = node.attrs as PadAttrs
  const inside = full(0, x.shape, 'bool')
  const filled = pad(inside, full(1, fill.shape, 'bool'), low, high, interior)
  const axes = node.shape.map((_, i) => i)
  return reduceSum(select(filled, grad, zerosLike(grad)), axes)
}

export interface ConcatAttrs extends Attrs {
  readonly axis: number
}

/** The inputs one after the other along `axis`. */
export const concatOp = define<ConcatAttrs>({
  name: 'concat',
  attrs: { axis: 'int' },
  infer: (parts, { axis }) => {
    const first = parts[0]
    if (first === undefined) throw new ShapeError('concat', 'at least one tensor', 'none')
    checkAxis('concat', axis, first.shape)
    let length = first.shape[axis] as Dim
    for (let i = 1; i < parts.length; i++) {
      const part = parts[i]!
      checkSameDType('concat', 'tensors', first, part)
      const fits =
        part.shape.length === first.shape.length &&
        part.shape.every((d, k) => k === axis || dimFits(d, first.shape[k] as Dim))
      if (!fits) {
        throw new ShapeError(
          'concat',
          `tensors that differ from ${formatShape(first.shape)} on axis ${axis} only`,
          formatShape(part.shape),
          { axis, shapes: parts.map((p) => p.shape) },
        )
      }
      length = dimAdd(length, part.shape[axis] as Dim)
    }
    return { shape: first.shape.map((d, k) => (k === axis ? length : d)), dtype: first.dtype }
  },
  vjp: ({ inputs, attrs: { axis }, grad, needs }) => {
    let start: Dim = 0
    return inputs.map((part, i) => {
      const stop: Dim = dimAdd(start, part.shape[axis]!)
      const starts = part.shape.map((_, k) => (k === axis ? start : 0))
      const stops = part.shape.map((d, k) => (k === axis ? stop : d))
      start = stop
      return needs(i) ? slice(grad, starts, stops) : null
    })
  },
  evaluate: (parts, { axis }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const strides = stridesOf(out.shape)
    let done = 0
    for (const part of parts) {
      const to = { start: done * strides[axis]!, strides }
      copyBox(part.shape, part.data, { start: 0, strides: stridesOf(part.shape) }, out.data, to)
      done += part.shape[axis]!
    }
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [3] }, { shape: [2] }], attrs: { axis: 0 } },
    { inputs: [{ shape: [2, 3] }, { shape: [2, 1] }, { shape: [2, 17] }], attrs: { axis: 1 } },
    { inputs: [{ shape: [2, 3, 2] }, { shape: [2, 5, 2] }], attrs: { axis: 1 } },
    {
      inputs: [{ shape: [0, 2] }, { shape: [3, 2] }, { shape: [0, 2] }],
      attrs: { axis: 0 },
      note: 'empty parts',
    },
    { inputs: [{ shape: [3] }], attrs: { axis: 0 }, note: 'one part' },
    {
      inputs: [
        { shape: [2], dtype: 'int64' },
        { shape: [1], dtype: 'int64' },
      ],
      attrs: { axis: 0 },
    },
    {
      inputs: [
        { shape: [2], dtype: 'bool' },
        { shape: [3], dtype: 'bool' },
      ],
      attrs: { axis: 0 },
    },
  ],
})
