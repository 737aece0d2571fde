// What the elementwise families share: checks in the house grammar, and loops over host arrays.

import { DTYPES, type DType } from '../../base/dtype.js'
import { DTypeError, ShapeError } from '../../base/errors.js'
import { formatShape, shapeEqual } from '../../base/shape.js'
import type { TensorType } from '../node.js'
import type { EvalContext, NDArray } from '../op.js'
import { store } from './host.js'

/** Typed arrays whose elements are JavaScript numbers: everything but int64's. */
export type NumberArray = Float32Array | Float64Array | Int32Array | Uint8Array

/** The four ways elements compute: doubles, numbers that wrap, bigints that wrap, truth values. */
export type Arithmetic = 'float' | 'int' | 'long' | 'bool'

export function arithmeticOf(dtype: DType): Arithmetic {
  if (dtype === 'int64') return 'long'
  const kind = DTYPES[dtype].kind
  return kind === 'uint' ? 'int' : kind
}

/**
 * A function of one element, by arithmetic; a missing one means that the operation refuses those
 * dtypes. Results need not be rounded or wrapped: storing them in the typed array does that.
 */
export interface UnaryKernel {
  readonly float?: (x: number) => number
  readonly int?: (x: number) => number
  readonly long?: (x: bigint) => bigint
  readonly bool?: (x: number) => number
}

/** As `UnaryKernel`, of two elements. `dtype` is for results that depend on the width. */
export interface BinaryKernel {
  readonly float?: (a: number, b: number) => number
  readonly int?: (a: number, b: number, dtype: DType) => number
  readonly long?: (a: bigint, b: bigint) => bigint
  readonly bool?: (a: number, b: number) => number
}

/** Refuses dtypes for which a kernel has no arithmetic. */
export function checkDType(
  where: string,
  kernel: { readonly [K in Arithmetic]?: unknown },
  dtype: DType,
): void {
  if (kernel[arithmeticOf(dtype)] !== undefined) return
  const names = (Object.keys(DTYPES) as DType[]).filter((d) => kernel[arithmeticOf(d)])
  throw new DTypeError(where, `a dtype among ${names.join(', ')}`, dtype, { dtype })
}

/** Refuses operands that differ in shape or dtype. */
export function checkSame(where: string, a: TensorType, b: TensorType): void {
  if (!shapeEqual(a.shape, b.shape)) {
    const received = `${formatShape(a.shape)} and ${formatShape(b.shape)}`
    throw new ShapeError(where, 'operands of equal shape', received, { a: a.shape, b: b.shape })
  }
  if (a.dtype !== b.dtype) {
    throw new DTypeError(where, 'operands of equal dtype', `${a.dtype} and ${b.dtype}`)
  }
}

/** Sets each element of a new array from its index; `value` reads operands it has closed over. */
function fill(type: TensorType, ctx: EvalContext, value: (i: number) => number | bigint): NDArray {
  const out = ctx.allocate(type)
  for (let i = 0; i < out.data.length; i++) store(out.data, i, value(i))
  return out
}

export function mapUnary(
  kernel: UnaryKernel,
  x: NDArray,
  type: TensorType,
  ctx: EvalContext,
): NDArray {
  if (x.dtype === 'int64') {
    const data = x.data as BigInt64Array
    return fill(type, ctx, (i) => kernel.long!(data[i]!))
  }
  const data = x.data as NumberArray
  const f = kernel[arithmeticOf(x.dtype) as 'float']!
  return fill(type, ctx, (i) => f(data[i]!))
}

export function mapBinary(
  kernel: BinaryKernel,
  a: NDArray,
  b: NDArray,
  type: TensorType,
  ctx: EvalContext,
): NDArray {
  if (a.dtype === 'int64') {
    const [p, q] = [a.data as BigInt64Array, b.data as BigInt64Array]
    return fill(type, ctx, (i) => kernel.long!(p[i]!, q[i]!))
  }
  const [p, q] = [a.data as NumberArray, b.data as NumberArray]
  const f = kernel[arithmeticOf(a.dtype) as 'int']!
  return fill(type, ctx, (i) => f(p[i]!, q[i]!, a.dtype))
}
