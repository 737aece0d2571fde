// Indexing by data: gather reads rows, scatterAdd and scatterSet write them.

import type { Dim } from '../../base/dim.js'
import { DTypeError, IndexError } from '../../base/errors.js'
import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import {
  broadcast,
  eq,
  full,
  gather,
  iota,
  reshape,
  scatterAdd,
  scatterSet,
  select,
  zerosLike,
} from '../build.js'
import type { Node, TensorType } from '../node.js'
import { type Attrs, define, type NDArray, type Op, type Sample } from '../op.js'
import { checkAxis, checkNumeric, checkSameDType, checkSameShape } from './check.js'
import { storage } from './host.js'

export interface IndexAttrs extends Attrs {
  readonly axis: number
  /** What the user called, by which errors in the data are told. */
  readonly call: string
}

/** The shape of what `indices` pick from `x` along `axis`. */
const pickedShape = (x: Shape, indices: Shape, axis: number): Shape => [
  ...x.slice(0, axis),
  ...indices,
  ...x.slice(axis + 1),
]

function checkIndices(where: string, indices: TensorType): void {
  if (indices.dtype === 'int32') return
  throw new DTypeError(where, 'indices of dtype int32', indices.dtype)
}

/**
 * Calls `visit` with the start of every row of an array along `axis` (`inArray`) and the start of the
 * row that belongs to it in the picked array (`inPicked`), in index order for equal rows.
 */
function eachRow(
  where: string,
  array: NDArray,
  indices: NDArray,
  axis: number,
  visit: (inArray: number, inPicked: number, length: number) => void,
): void {
  const n = array.shape[axis]!
  const length = stridesOf(array.shape)[axis]!
  const outer = array.shape.slice(0, axis).reduce((product, d) => product * d, 1)
  const rows = indices.data.length
  for (let k = 0; k < rows; k++) {
    const index = indices.data[k] as number
    if (index < 0 || index >= n) {
      throw new IndexError(where, `an index in [0, ${n}) on axis ${axis}`, String(index), {
        axis,
        index,
        size: n,
      })
    }
    for (let o = 0; o < outer; o++) {
      visit((o * n + index) * length, (o * rows + k) * length, length)
    }
  }
}

/** x with `axis` replaced by the axes of `indices`; an index outside [0, n) is an error. */
export const gatherOp = define<IndexAttrs>({
  name: 'gather',
  attrs: { axis: 'int', call: 'name' },
  infer: ([x, indices], { axis }) => {
    checkAxis('gather', axis, x!.shape)
    checkIndices('gather', indices!)
    return { shape: pickedShape(x!.shape, indices!.shape, axis), dtype: x!.dtype }
  },
  vjp: ({ inputs, attrs: { axis, call }, grad, needs }) => [
    needs(0) ? scatterAdd(zerosLike(inputs[0]!), inputs[1]!, grad, axis, call) : null,
    null,
  ],
  evaluate: ([x, indices], { axis, call }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const from = storage(x!.data)
    const to = storage(out.data)
    eachRow(call, x!, indices!, axis, (read, write, length) => {
      to.set(from.subarray(read, read + length), write)
    })
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [5] }, ints([3], [4, 0, 4])], attrs: { axis: 0, call: 'gather' } },
    { inputs: [{ shape: [4, 3] }, ints([2, 2], [3, 1, 1, 0])], attrs: { axis: 0, call: 'gather' } },
    { inputs: [{ shape: [2, 5, 3] }, ints([4], [2, 2, 0, 4])], attrs: { axis: 1, call: 'gather' } },
    { inputs: [{ shape: [3, 17] }, ints([2, 1], [16, 3])], attrs: { axis: 1, call: 'gather' } },
    {
      inputs: [{ shape: [4, 3] }, ints([], [2])],
      attrs: { axis: 0, call: 'gather' },
      note: 'scalar index',
    },
    {
      inputs: [{ shape: [4, 3] }, ints([0], [])],
      attrs: { axis: 0, call: 'gather' },
      note: 'no index',
    },
    {
      inputs: [{ shape: [0, 3] }, ints([0], [])],
      attrs: { axis: 0, call: 'gather' },
      note: 'empty',
    },
    {
      inputs: [{ shape: [4, 0] }, ints([2], [3, 0])],
      attrs: { axis: 0, call: 'gather' },
      note: 'empty rows',
    },
    {
      inputs: [{ shape: [1] }, ints([1], [0])],
      attrs: { axis: 0, call: 'gather' },
      note: 'size 1',
    },
    {
      inputs: [{ shape: [4, 2], dtype: 'int64' }, ints([3], [0, 3, 3])],
      attrs: { axis: 0, call: 'gather' },
    },
    {
      inputs: [{ shape: [4], dtype: 'bool' }, ints([2], [1, 2])],
      attrs: { axis: 0, call: 'gather' },
    },
    {
      inputs: [{ shape: [4, 2], dtype: 'uint8' }, ints([2], [1, 2])],
      attrs: { axis: 0, call: 'gather' },
    },
  ],
})

function inferScatter(
  where: string,
  inputs: readonly TensorType[],
  { axis }: IndexAttrs,
): TensorType {
  const [base, indices, updates] = inputs
  checkAxis(where, axis, base!.shape)
  checkIndices(where, indices!)
  checkSameDType(where, 'updates', base!, updates!)
  const expected = pickedShape(base!.shape, indices!.shape, axis)
  checkSameShape(where, 'updates', expected, updates!.shape)
  return { shape: base!.shape, dtype: base!.dtype }
}

const scatterSamples = (): Sample<IndexAttrs>[] => [
  {
    inputs: [{ shape: [5] }, ints([3], [4, 0, 2]), { shape: [3] }],
    attrs: { axis: 0, call: 'scatter' },
  },
  {
    inputs: [{ shape: [5] }, ints([4], [1, 3, 1, 1]), { shape: [4] }],
    attrs: { axis: 0, call: 'scatter' },
    note: 'duplicates',
  },
  {
    inputs: [{ shape: [4, 3] }, ints([2, 2], [3, 1, 1, 0]), { shape: [2, 2, 3] }],
    attrs: { axis: 0, call: 'scatter' },
    note: 'duplicates',
  },
  {
    inputs: [{ shape: [2, 5, 3] }, ints([4], [2, 2, 0, 4]), { shape: [2, 4, 3] }],
    attrs: { axis: 1, call: 'scatter' },
    note: 'duplicates',
  },
  {
    inputs: [{ shape: [2, 17] }, ints([], [16]), { shape: [2] }],
    attrs: { axis: 1, call: 'scatter' },
    note: 'scalar index',
  },
  {
    inputs: [{ shape: [4, 3] }, ints([0], []), { shape: [0, 3] }],
    attrs: { axis: 0, call: 'scatter' },
    note: 'no index',
  },
  {
    inputs: [{ shape: [0] }, ints([0], []), { shape: [0] }],
    attrs: { axis: 0, call: 'scatter' },
    note: 'empty',
  },
  {
    inputs: [{ shape: [1] }, ints([1], [0]), { shape: [1] }],
    attrs: { axis: 0, call: 'scatter' },
    note: 'size 1',
  },
  {
    inputs: [{ shape: [4], dtype: 'int32' }, ints([3], [2, 2, 0]), { shape: [3], dtype: 'int32' }],
    attrs: { axis: 0, call: 'scatter' },
  },
  {
    inputs: [{ shape: [4], dtype: 'int64' }, ints([3], [2, 2, 0]), { shape: [3], dtype: 'int64' }],
    attrs: { axis: 0, call: 'scatter' },
  },
]

/** `base` with `updates` added at `indices`; duplicates add up, in index order. */
export const scatterAddOp: Op<IndexAttrs> = define<IndexAttrs>({
  name: 'scatterAdd',
  attrs: { axis: 'int', call: 'name' },
  infer: (inputs, attrs) => {
    checkNumeric('scatterAdd', inputs[0]!)
    return inferScatter('scatterAdd', inputs, attrs)
  },
  vjp: ({ inputs, attrs: { axis, call }, grad, needs }) => [
    grad,
    null,
    needs(2) ? gather(grad, inputs[1]!, axis, call) : null,
  ],
  evaluate: ([base, indices, updates], { axis, call }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const to = storage(out.data)
    const from = storage(updates!.data)
    to.set(storage(base!.data))
    // Integers wrap in the store: a typed array keeps the low bits of what is written.
    eachRow(call, base!, indices!, axis, (write, read, length) => {
      for (let i = 0; i < length; i++) to[write + i] = to[write + i]! + from[read + i]!
    })
    return [out]
  },
  samples: scatterSamples,
})

/** `base` with `updates` in place of what was at `indices`; of duplicates the last one stays. */
export const scatterSetOp: Op<IndexAttrs> = define<IndexAttrs>({
  name: 'scatterSet',
  attrs: { axis: 'int', call: 'name' },
  infer: (inputs, attrs) => inferScatter('scatterSet', inputs, attrs),
  vjp: ({ inputs, attrs: { axis, call }, grad, needs }) => {
    const indices = inputs[1]!
    const updates = inputs[2]!
    return [
      needs(0) ? scatterSet(grad, indices, zerosLike(updates), axis, call) : null,
      null,
      needs(2) ? keepLast(gather(grad, indices, axis, call), inputs[0]!, indices, axis) : null,
    ]
  },
  evaluate: ([base, indices, updates], { axis, call }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const to = storage(out.data)
    const from = storage(updates!.data)
    to.set(storage(base!.data))
    eachRow(call, base!, indices!, axis, (write, read, length) => {
      to.set(from.subarray(read, read + length), write)
    })
    return [out]
  },
  samples: () => [
    ...scatterSamples(),
    {
      inputs: [{ shape: [4], dtype: 'bool' }, ints([2], [2, 0]), { shape: [2], dtype: 'bool' }],
      attrs: { axis: 0, call: 'scatter' },
    },
  ],
})

const ints = (shape: readonly number[], values: readonly number[]) =>
  ({ shape, dtype: 'int32', values }) as const

/**
 * `picked`, with zeros for the updates that a later one of the same index replaced. Which one stayed is
 * found by scattering the updates' own numbers and looking who reads its number back.
 */
function keepLast(picked: Node, base: Node, indices: Node, axis: number): Node {
  const count: Dim = sizeOf(indices.shape)
  const own = reshape(iota([count], 0, 'int32'), indices.shape)
  const last = scatterSet(full(0, [base.shape[axis]!], 'int32'), indices, own, 0)
  const stayed = eq(gather(last, indices, 0), own)
  const beside = picked.shape.map((d, i) => (i >= axis && i < axis + indices.shape.length ? d : 1))
  const mask = broadcast(reshape(stayed, beside), picked.shape)
  return select(mask, picked, zerosLike(picked))
}
