// The element types: one table, from which everything that depends on a dtype is looked up.

import { DTypeError } from './errors.js'

/** Element types a tensor can have today; the table below has room for float16, int8 and the rest. */
export type DType = 'float32' | 'float64' | 'int32' | 'int64' | 'uint8' | 'bool'

/** The typed arrays that hold elements on the host. `bool` is one byte an element, 0 or 1. */
export type TypedArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array

export type DTypeKind = 'bool' | 'uint' | 'int' | 'float'

type ArrayType<A extends TypedArray> = {
  new (length: number): A
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): A
  readonly BYTES_PER_ELEMENT: number
}

export interface DTypeInfo {
  readonly name: DType
  /** Small integer that stands for the dtype in plan keys. */
  readonly id: number
  readonly kind: DTypeKind
  /** Bytes an element takes in memory. */
  readonly bytes: number
  readonly array: ArrayType<TypedArray>
  /** Smallest and largest finite value, as a number (int64's are exact only as bigint). */
  readonly min: number
  readonly max: number
}

const F32_MAX = 3.4028234663852886e38

const info = (
  name: DType,
  id: number,
  kind: DTypeKind,
  array: unknown,
  min: number,
  max: number,
): DTypeInfo => {
  const ctor = array as ArrayType<TypedArray>
  return { name, id, kind, bytes: ctor.BYTES_PER_ELEMENT, array: ctor, min, max }
}

/** Everything known about each dtype. */
export const DTYPES: { readonly [D in DType]: DTypeInfo } = {
  float32: info('float32', 0, 'float', Float32Array, -F32_MAX, F32_MAX),
  float64: info('float64', 1, 'float', Float64Array, -Number.MAX_VALUE, Number.MAX_VALUE),
  int32: info('int32', 2, 'int', Int32Array, -(2 ** 31), 2 ** 31 - 1),
  int64: info('int64', 3, 'int', BigInt64Array, -(2 ** 63), 2 ** 63),
  uint8: info('uint8', 4, 'uint', Uint8Array, 0, 255),
  bool: info('bool', 5, 'bool', Uint8Array, 0, 1),
}

export const DTYPE_NAMES = Object.keys(DTYPES) as DType[]

export const isFloat = (dtype: DType): boolean => DTYPES[dtype].kind === 'float'
export const isInteger = (dtype: DType): boolean =>
  DTYPES[dtype].kind === 'int' || DTYPES[dtype].kind === 'uint'

/** A dtype from a user's string; throws `DTypeError` for anything else. */
export function checkDType(where: string, dtype: unknown): DType {
  if (typeof dtype === 'string' && Object.hasOwn(DTYPES, dtype)) return dtype as DType
  throw new DTypeError(where, `a dtype (one of ${DTYPE_NAMES.join(', ')})`, String(dtype))
}

/**
 * The dtype two operands meet at, after JAX's lattice: bool < uint8 < int32 < int64 < float32 < float64,
 * where uint8 meets the signed types at the signed type and every integer meets a float at the float.
 */
export function promote(a: DType, b: DType): DType {
  if (a === b) return a
  const rank: Record<DType, number> = RANK
  return rank[a] > rank[b] ? a : b
}
const RANK: Record<DType, number> = {
  bool: 0,
  uint8: 1,
  int32: 2,
  int64: 3,
  float32: 4,
  float64: 5,
}

/**
 * The dtype a tensor and a plain JavaScript number meet at: a number is weak, so it takes the tensor's
 * dtype, unless it is fractional and the tensor is not, or it is a number and the tensor is bool.
 */
export function promoteScalar(dtype: DType, value: number): DType {
  if (isFloat(dtype)) return dtype
  if (!Number.isInteger(value)) return 'float32'
  return dtype === 'bool' ? 'int32' : dtype
}

/** A zeroed host array of `length` elements. */
export function allocate(dtype: DType, length: number): TypedArray {
  return new DTYPES[dtype].array(length)
}
