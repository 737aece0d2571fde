// What the reference evaluations share: offsets of strided boxes, copies between them, inner products.

import { DTYPES, type DType, type TypedArray } from '../../base/dtype.js'
import { type StaticShape, sizeOf } from '../../base/shape.js'

/** A strided box inside a host array, in elements. */
export interface Strided {
  readonly start: number
  readonly strides: readonly number[]
}

/** The offset of every element of a box of `shape`, in row-major order. */
export function offsets(shape: StaticShape, { start, strides }: Strided): Int32Array {
  let out = Int32Array.of(start)
  for (let axis = 0; axis < shape.length; axis++) {
    const n = shape[axis]!
    const stride = strides[axis]!
    const wider = new Int32Array(out.length * n)
    for (let i = 0; i < out.length; i++) {
      for (let k = 0; k < n; k++) wider[i * n + k] = out[i]! + k * stride
    }
    out = wider
  }
  return out
}

/**
 * The elements of an array as plain storage to move values in. A bigint moves from an int64 array to
 * another exactly as a number does between the others, so moving code needs one type only.
 */
export const storage = (data: TypedArray): Float64Array => data as Float64Array

/** Copies a box of `shape` from one strided place to another of the same dtype. */
export function copyBox(
  shape: StaticShape,
  source: TypedArray,
  from: Strided,
  target: TypedArray,
  to: Strided,
): void {
  if (sizeOf(shape) === 0) return
  const src = storage(source)
  const dst = storage(target)
  const read = offsets(shape, from)
  const write = offsets(shape, to)
  for (let i = 0; i < read.length; i++) dst[write[i]!] = src[read[i]!]!
}

/**
 * Σ a[aStart + aSteps[k]] · b[bStart + bSteps[k]] over k below `count`, ready to be stored: floats add up
 * in double precision, integers wrap.
 */
export type InnerProduct = (
  a: TypedArray,
  aStart: number,
  aSteps: Int32Array,
  b: TypedArray,
  bStart: number,
  bSteps: Int32Array,
  count: number,
) => number | bigint

const floatProduct: InnerProduct = (a, aStart, aSteps, b, bStart, bSteps, count) => {
  let sum = 0
  for (let k = 0; k < count; k++) {
    sum += (a[aStart + aSteps[k]!] as number) * (b[bStart + bSteps[k]!] as number)
  }
  return sum
}

const wrappingProduct: InnerProduct = (a, aStart, aSteps, b, bStart, bSteps, count) => {
  let sum = 0
  for (let k = 0; k < count; k++) {
    sum += Math.imul(a[aStart + aSteps[k]!] as number, b[bStart + bSteps[k]!] as number)
    sum |= 0
  }
  return sum
}

const bigProduct: InnerProduct = (a, aStart, aSteps, b, bStart, bSteps, count) => {
  let sum = 0n
  for (let k = 0; k < count; k++) {
    sum += (a[aStart + aSteps[k]!] as bigint) * (b[bStart + bSteps[k]!] as bigint)
  }
  return BigInt.asIntN(64, sum)
}

export function innerProduct(dtype: DType): InnerProduct {
  if (dtype === 'int64') return bigProduct
  return DTYPES[dtype].kind === 'float' ? floatProduct : wrappingProduct
}

/** Stores a number or bigint in an array of the dtype it was computed for. */
export function store(data: TypedArray, i: number, value: number | bigint): void {
  storage(data)[i] = value as number
}
