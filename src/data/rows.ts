// Batches put together on the host: examples are copied into one array, without a tensor for each.

import { Storage } from '../backends/storage.js'
import type { DType } from '../base/dtype.js'
import { allocate, type TypedArray } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape, type StaticShape, shapeEqual, sizeOf, staticShape } from '../base/shape.js'
import { storedNode } from '../runtime/value.js'
import { wrap } from '../tensor/core.js'
import type { Tensor } from '../tensor/tensor.js'

/** A tensor of values that nobody else holds. */
const owned = (dtype: DType, values: TypedArray, shape: StaticShape): Tensor =>
  wrap(storedNode(Storage.of(dtype, values), shape))

function copyRow(from: TypedArray, start: number, size: number, to: TypedArray, at: number): void {
  if (size === 1) to[at] = from[start] as never
  else to.set(from.subarray(start, start + size) as never, at)
}

/** Examples along the first axis of `x`, in the order of `indices`, which are in range. */
export function gatherRows(x: Tensor, indices: readonly number[]): Tensor {
  const [, ...inner] = staticShape('batch', x.shape)
  const size = sizeOf(inner)
  const values = x.values()
  const out = allocate(x.dtype, indices.length * size)
  for (let i = 0; i < indices.length; i++) {
    copyRow(values, (indices[i] as number) * size, size, out, i * size)
  }
  return owned(x.dtype, out, [indices.length, ...inner])
}

/** One example along the first axis. */
export function row(x: Tensor, index: number): Tensor {
  const [, ...inner] = staticShape('get', x.shape)
  const size = sizeOf(inner)
  const out = allocate(x.dtype, size)
  copyRow(x.values(), index * size, size, out, 0)
  return owned(x.dtype, out, inner)
}

/** Tensors of one shape and dtype along a new first axis. */
export function stackRows(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor]
  const shape = staticShape('collate', first.shape)
  const size = sizeOf(shape)
  const out = allocate(first.dtype, tensors.length * size)
  tensors.forEach((t, i) => {
    if (t.dtype !== first.dtype || !shapeEqual(t.shape, shape)) {
      throw new ShapeError(
        'collate',
        `examples of one shape and dtype (the first is ${first.dtype} ${formatShape(shape)})`,
        `${t.dtype} ${formatShape(t.shape)}`,
      )
    }
    copyRow(t.values(), 0, size, out, i * size)
  })
  return owned(first.dtype, out, [tensors.length, ...shape])
}
